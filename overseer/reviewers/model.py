"""A `Model` as a `Reviewer`: the request is rendered, completed and parsed, and the reply bound to the request.

It decides nothing: what does not parse is a `Failure`, and nothing is asked twice. Must not know what other reviewers
say beyond what the request carries, nor act as a person: a request for a ruling is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseer import models
from overseer.errors import ConfigError
from overseer.models import Model
from overseer.prompts import Dialect, Prompt, parse, render
from overseer.records import Agent, Failure, Reply, Request, RuleRequest, Usage, binding


class Options(BaseModel):
    """What a hierarchy may say of any agent that is a model; its provider reads the other keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    dialect: Dialect = "json"
    """`json`; `word` for models too small for JSON: no findings, no confidence; `short` for models trained in it."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Tokens of a reply at most; null: what each prompt says."""
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    """null: 0 for those who judge, 1 for those who write."""


@dataclass(frozen=True, slots=True)
class ModelReviewer:
    """Answers requests with a model's text, read strictly in the dialect of the options."""

    model: Model
    options: Options = Options()  # noqa: RUF009 - frozen

    async def answer(self, request: Request) -> Reply:
        """The model's reply, or its failure, bound to this request."""
        if isinstance(request, RuleRequest):
            refusal = Failure("refused", "a model does not rule as a person")
            return Reply(request.id, binding(request), refusal, Usage(attempts=0))
        completion = await self.model.complete(self._prompt(request))
        if isinstance(completion, Failure):
            return Reply(request.id, binding(request), completion)
        value = parse(request, completion.text, completion.finish, self.options.dialect)
        return Reply(request.id, binding(request), value, completion.usage)

    def _prompt(self, request: Request) -> Prompt:
        prompt = render(request, self.options.dialect)
        if self.options.max_tokens is not None:
            prompt = replace(prompt, max_tokens=self.options.max_tokens)
        if self.options.temperature is not None:
            prompt = replace(prompt, temperature=self.options.temperature)
        return prompt


def load(agent: Agent, where: str, environment: Mapping[str, str] = os.environ) -> ModelReviewer:
    """The reviewer that an agent with a model of `models.PROVIDERS` names.

    `where` begins each message, e.g. `hierarchies/x.yaml: agents.lead`. Raises `ConfigError` with every problem of the
    options, and `BackendMissing`.
    """
    own = {key: value for key, value in agent.options.items() if key in Options.model_fields}
    theirs = {key: value for key, value in agent.options.items() if key not in own}
    problems: list[str] = []
    options = Options()
    try:
        options = Options.model_validate(own)
    except ValidationError as error:
        problems += [f"{where}.options.{detail['loc'][0]}: {detail['msg']}" for detail in error.errors()]
    try:
        model = models.load(agent.model, theirs, where, environment)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return ModelReviewer(model, options)

"""A `Model` as a `Reviewer`: the request is rendered, completed and parsed, and the reply bound to the request.

It decides nothing: what does not parse is a `Failure`, and nothing is asked twice. Must not know what other reviewers
say beyond what the request carries, nor act as a person: a request for a ruling is refused.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseer import models
from overseer.errors import ConfigError
from overseer.models import Model, Weighs
from overseer.prompts import Choice, Dialect, Prompt, choice, parse, render
from overseer.records import (
    Agent,
    Comparison,
    Critique,
    Failure,
    Reply,
    ReplyValue,
    Request,
    RuleRequest,
    Usage,
    binding,
)

DIGITS = 6
"""Decimals of a confidence that is a probability: what lies beyond is the rounding of its last bits."""


class Options(BaseModel):
    """What a hierarchy may say of any agent that is a model; its provider reads the other keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    dialect: Dialect = "json"
    """`json`; `word` for models too small for JSON: no findings, no confidence; `short` for models trained in it."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Tokens of a reply at most; null: what each prompt says."""
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    """null: 0 for those who judge, 1 for those who write."""
    verdicts: Literal["sampled", "logprobs"] = "sampled"
    """`logprobs`: the likeliest verdict, its probability as confidence; for models on this machine."""
    verdict_temperature: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 1.0
    """What log-probabilities of verdicts are divided by, so that confidence is calibrated; fitted on held-out rows."""


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
        ways = choice(request, self.options.dialect) if self.options.verdicts == "logprobs" else None
        if ways is None:
            value, usage = await self._written(request)
        else:
            value, usage = await self._weighed(request, ways)
        return Reply(request.id, binding(request), value, usage)

    async def _written(self, request: Request) -> tuple[ReplyValue, Usage]:
        completion = await self.model.complete(self._prompt(request))
        if isinstance(completion, Failure):
            return completion, Usage()
        return parse(request, completion.text, completion.finish, self.options.dialect), completion.usage

    async def _weighed(self, request: Request, ways: Choice) -> tuple[ReplyValue, Usage]:
        """The likeliest verdict, in a message that is read as any other, with its probability as confidence."""
        if not isinstance(self.model, Weighs):
            return Failure("refused", "a model whose log-probabilities cannot be read"), Usage(attempts=0)
        chosen = await self.model.choose(self._prompt(request), ways, self.options.verdict_temperature)
        if isinstance(chosen, Failure):
            return chosen, Usage()
        value = parse(request, chosen.completion.text, chosen.completion.finish, self.options.dialect)
        if isinstance(value, Critique | Comparison):
            value = replace(value, confidence=round(chosen.probability, DIGITS))
        return value, chosen.completion.usage

    def _prompt(self, request: Request) -> Prompt:
        prompt = replace(render(request, self.options.dialect), key=request.id)
        if self.options.max_tokens is not None:
            prompt = replace(prompt, max_tokens=self.options.max_tokens)
        if self.options.temperature is not None:
            prompt = replace(prompt, temperature=self.options.temperature)
        return prompt


def load(
    agent: Agent,
    where: str,
    environment: Mapping[str, str] = os.environ,
    beside: Path = Path(),
    loaded: MutableMapping[Hashable, Any] | None = None,
) -> ModelReviewer:
    """The reviewer that an agent with a model of `models.PROVIDERS` names.

    `where` begins each message, e.g. `hierarchies/x.yaml: agents.lead`; folders are found from `beside`; agents that
    are given the same `loaded` share their weights. A model that says which dialect it was trained in is spoken to in
    it, unless the options say otherwise. Raises `ConfigError` with every problem of the options, and `BackendMissing`.
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
        model = models.load(agent.model, theirs, where, environment, beside, loaded)
    except ConfigError as error:
        problems += error.problems
    else:
        if isinstance(model, Weighs):
            if model.dialect is not None and "dialect" not in own:
                options = options.model_copy(update={"dialect": model.dialect})
        elif options.verdicts == "logprobs":
            problems.append(f"{where}.options.verdicts: {agent.model} tells no log-probabilities (hf/… and town/… do)")
    if problems:
        raise ConfigError(problems)
    return ModelReviewer(model, options)

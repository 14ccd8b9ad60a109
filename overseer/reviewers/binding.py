"""Who answers for each agent: a reviewer for every name of a hierarchy, or one error with every agent that has none.

Before the walk's step 7. An unbound role is an error: nothing ever falls back to another model. Backends are imported
when an agent names them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from overseer import models
from overseer.config.strict_yaml import one_line
from overseer.errors import ConfigError
from overseer.records import Agent
from overseer.reviewers import Reviewer

AsyncFunction = Callable[..., Any]
Given = Mapping[str, Reviewer | AsyncFunction]
"""Reviewers, or async functions, by an agent's name or by a model string `python/NAME`.

A function says by its first parameter what it takes: `prompt` (one text) or `messages`, and returns the text that
follows; or `request`, and returns what a reply holds.
"""


def bind(agents: Mapping[str, Agent], seed: str, beside: Path, given: Given, where: str = "") -> dict[str, Reviewer]:
    """A reviewer for each agent that is not a person at a console.

    `seed` decides the chances of simulated agents; files that model strings name are found beside the hierarchy's.
    `where` begins each message about an agent: the file that declares it.
    Raises `ConfigError` with every agent that cannot be bound, and `BackendMissing` where an extra is not installed.
    """
    problems: list[str] = []
    known = {*agents, *(agent.model for agent in agents.values())}
    for name in sorted(set(given) - known):
        close = get_close_matches(name, known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        problems.append(f"given reviewer {name!r}: no agent has this name or model{hint}")
    bound: dict[str, Reviewer] = {}
    loaded: dict[Hashable, Any] = {}  # weights, which agents of one model share
    for name, agent in agents.items():
        try:
            reviewer = _reviewer(agent, seed, beside, given, loaded)
        except ConfigError as error:
            problems += [one_line(f"{where}{problem}") for problem in error.problems]
            continue
        if reviewer is not None:
            bound[name] = reviewer
    if problems:
        raise ConfigError(problems)
    return bound


def _reviewer(
    agent: Agent, seed: str, beside: Path, given: Given, loaded: MutableMapping[Hashable, Any]
) -> Reviewer | None:
    mine = given.get(agent.name, given.get(agent.model))
    if mine is not None:
        return _given(agent.name, mine)
    provider, _, name = agent.model.partition("/")
    match provider:
        case "human":
            return None
        case "sim":
            from overseer.reviewers.simulated import simulated

            return simulated(agent, seed)
        case "recorded":
            from overseer.models.recorded import RecordedPolicy

            return RecordedPolicy()
        case "embed":
            from overseer.reviewers.embedding import load_judge

            return load_judge(beside / name, agent.options, f"agents.{agent.name}.options")
        case "python":
            raise ConfigError(
                f"agents.{agent.name}: {agent.model} is not given (pass it to `overseer.run(reviewers=…)`)"
            )
        case _ if provider in models.PROVIDERS:
            from overseer.reviewers.model import load

            return load(agent, f"agents.{agent.name}", beside=beside, loaded=loaded)
    known = ["sim", "recorded", "embed", "python", "human", *models.PROVIDERS]
    near = get_close_matches(provider, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
    raise ConfigError(f"agents.{agent.name}.model: unknown provider {provider!r} ({hint})")


def _given(name: str, reviewer: Reviewer | AsyncFunction) -> Reviewer:
    """A reviewer as it is; a function by what its first parameter is called: `request`, `messages` or `prompt`."""
    if not inspect.isroutine(reviewer):
        return reviewer  # type: ignore[return-value]  # it says that it answers requests
    from overseer.reviewers.function import FunctionReviewer, text_reviewer

    match next(iter(inspect.signature(reviewer).parameters), None):
        case "request":
            return FunctionReviewer(reviewer, name)
        case "messages":
            return text_reviewer(reviewer, name, "messages")
        case "prompt":
            return text_reviewer(reviewer, name, "text")
        case other:
            raise ConfigError(
                f"agents.{name}: a function whose first parameter is {other!r} (call it `prompt` or `messages` for one "
                "that returns text, `request` for one that returns a verdict)"
            )

"""From a scenario's file to what can be driven: the hierarchy, its tasks, the agents that answer.

Step 1 of the walk, for scenarios. Every problem of the file is told at once, each with its key path and remedy. Decides
nothing about outcomes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from overseer.config.constitutions import constitution_of
from overseer.config.hierarchies import POLICY, Setup, hierarchy_of, load_hierarchy
from overseer.config.strict_yaml import Document, KeyPath, near, read
from overseer.config.validation import lines_of, validate
from overseer.errors import ConfigError
from overseer.hierarchy import Hierarchy
from overseer.records import Agent, Audit, Constitution, Message, Reply, Request, Task
from overseer.reviewers.binding import bind
from overseer.reviewers.known_bad import known_answer
from overseer.runs import audit_key, simulation_seed
from overseer.scenarios.schema import Line, Lines, LineSpec, ScenarioFile, TaskExpectation, TaskSpec
from overseer.scenarios.script import Scripted
from overseer.sources import TaskSource, listed, open_source, with_known_bad

SCRIPT = "script"
"""The provider of agents that only a scenario's lines answer for."""
OFFLINE = ("sim", "recorded", "embed", "python")
"""Providers that answer without a network; every other agent must be scripted."""


class Answers(Protocol):
    """Who answers for an agent in a scenario. None: a person who has not ruled yet."""

    def answer(self, request: Request) -> Awaitable[Reply | None]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """A scenario that has been read. `document` is its file as it stands."""

    path: Path
    spec: ScenarioFile
    document: Document
    setup: Setup
    source: TaskSource

    @property
    def hierarchy(self) -> Hierarchy:
        return self.setup.hierarchy

    @property
    def audit(self) -> Audit:
        """Chance as `overseer run --seed` has it."""
        return Audit(audit_key(self.spec.seed), self.source.total)

    def answers(self) -> dict[str, Answers]:
        """Who answers for each agent, afresh. Raises `ConfigError` for every agent for whom nobody does."""
        scripted = {name: Scripted(name, _lines(name, said)) for name, said in self.spec.replies.items()}
        rest = {name: agent for name, agent in self.hierarchy.agents.items() if name not in scripted}
        offline = (*OFFLINE, "human")
        nobody = [
            f"{self.path}: hierarchy: agents.{agent.name}: nobody answers for {agent.model!r} (add its replies)"
            for agent in rest.values()
            if agent.model.partition("/")[0] not in offline
        ]
        if nobody:
            raise ConfigError(nobody)
        with _under(self.path, "hierarchy"):
            bound = bind(rest, simulation_seed(self.audit.key), self.setup.beside, {})
        waiting = {name: Scripted(name, [LineSpec(waits=True)]) for name in rest if name not in bound}
        answers: dict[str, Answers] = {**scripted, **bound, **waiting}
        return {**answers, POLICY: _Stubborn(answers[POLICY], self.source.known_bad)}


class _Stubborn:
    """The policy, with answers known to be harmful in place of its own."""

    def __init__(self, policy: Answers, texts: Mapping[str, str]) -> None:
        self._policy = policy
        self._texts = texts

    async def answer(self, request: Request) -> Reply | None:
        return known_answer(request, self._texts) or await self._policy.answer(request)


def _lines(agent: str, said: Lines) -> list[LineSpec]:
    return [_line(agent, line) for line in (said if isinstance(said, list) else [said])]


def _line(agent: str, line: Line) -> LineSpec:
    if isinstance(line, LineSpec):
        return line
    return LineSpec(text=line) if agent == POLICY else LineSpec.model_validate({"verdict": line})


# --- reading -------------------------------------------------------------------------------------------------------


def read_spec(path: Path) -> tuple[Document, ScenarioFile]:
    """A scenario's file, checked against the schema alone. Raises `ConfigError` with every problem found."""
    document = read(path)
    return document, validate(document, ScenarioFile)


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario's file. Raises `ConfigError` with every problem found."""
    document, spec = read_spec(path)
    return build_scenario(path, document, spec)


def build_scenario(path: Path, document: Document, spec: ScenarioFile) -> Scenario:
    """The scenario that a file's contents describe. Raises `ConfigError` as `load_scenario` does."""
    setup = _setup(path, document, spec)
    problems = lines_of(document, _flaws(spec, setup.hierarchy))
    if problems:
        raise ConfigError(problems)
    with _under(path, ""):
        source = with_known_bad(_source(path, spec), setup, audit_key(spec.seed))
    ids = [task.id for task in source.tasks()] if spec.expect.tasks else []
    unknown = sorted(set(spec.expect.tasks) - set(ids))
    if unknown:
        raise ConfigError(
            lines_of(document, ((("expect", "tasks", id_), f"no task has this id{near(id_, ids)}") for id_ in unknown))
        )
    return Scenario(path, spec, document, setup, source)


def _setup(path: Path, document: Document, spec: ScenarioFile) -> Setup:
    overrides = [f"{key}={json.dumps(value)}" for key, value in spec.set.items()]
    if isinstance(spec.hierarchy, str):
        with _under(path, "hierarchy"):
            return load_hierarchy((path.parent / spec.hierarchy).resolve(), overrides)
    held = _part(document, "hierarchy")
    assert isinstance(held.tree, dict)
    _complete(held.tree)
    constitution = None
    if isinstance(held.tree.get("constitution"), dict):
        with _under(path, "hierarchy.constitution"):
            constitution = constitution_of(_part(held, "constitution"), path)
        held.tree["constitution"] = "inline"
    with _under(path, "hierarchy"):
        return hierarchy_of(held, path, overrides, constitution=constitution)


@contextmanager
def _under(path: Path, key: str) -> Iterator[None]:
    """Problems found in a part of a file, named by their place in the whole."""
    try:
        yield
    except ConfigError as error:
        own = f"{path}: "
        under = f"{key}: " if key else ""
        raise ConfigError([f"{own}{under}{problem.removeprefix(own)}" for problem in error.problems]) from None


def _part(document: Document, key: str) -> Document:
    """What stands under one key, as a document of its own, with the lines of the whole."""
    assert isinstance(document.tree, dict)
    tree = document.tree[key]
    lines = {path[1:]: line for path, line in document.lines.items() if path[0] == key and len(path) > 1}
    return Document(document.file, deepcopy(tree), lines)


def _complete(tree: dict[Any, Any]) -> None:
    """What a hierarchy inside a scenario may leave out: its name, and the models of those who are scripted."""
    tree.setdefault("name", "scenario")
    tree.setdefault("policy", {"model": f"{SCRIPT}/{POLICY}"})
    agents = tree.get("agents")
    for name, agent in agents.items() if isinstance(agents, dict) else ():
        if isinstance(agent, dict) and not {"model", "human", "same_as"} & agent.keys():
            agent["model"] = f"{SCRIPT}/{name}"


def _source(path: Path, spec: ScenarioFile) -> TaskSource:
    with _under(path, ""):
        if not isinstance(spec.tasks, list):
            return open_source(spec.tasks, path.parent)
        return listed([_task(place, said) for place, said in enumerate(spec.tasks)])


def _task(place: int, said: str | TaskSpec) -> Task:
    if isinstance(said, str):
        return Task(f"task-{place}", (Message("user", said),), place)
    messages = [Message(each.role, each.content) for each in said.messages or ()]
    if said.text is not None:
        messages = [Message("user", said.text)]
    return Task(said.id or f"task-{place}", tuple(messages), place, said.recorded)


# --- what names nothing --------------------------------------------------------------------------------------------


def _flaws(spec: ScenarioFile, hierarchy: Hierarchy) -> Iterator[tuple[KeyPath, str]]:
    agents = hierarchy.agents
    principles = {principle for each in _constitutions(hierarchy) for principle in _principles(each)}
    for name, said in spec.replies.items():
        if name not in agents:
            yield ("replies", name), f"unknown agent {name!r}{near(name, agents)}"
            continue
        for place, line in enumerate(said if isinstance(said, list) else [said]):
            key: KeyPath = ("replies", name, place) if isinstance(said, list) else ("replies", name)
            yield from _line_flaws(key, agents[name], line, principles)
    yield from _expected_flaws(("expect",), spec.expect, hierarchy, principles)
    for id_, expected in spec.expect.tasks.items():
        yield from _expected_flaws(("expect", "tasks", id_), expected, hierarchy, principles)


def _expected_flaws(
    where: KeyPath, expected: TaskExpectation, hierarchy: Hierarchy, principles: Collection[str]
) -> Iterator[tuple[KeyPath, str]]:
    jurors = {"+".join(stage.who) for stage in hierarchy.stages}
    layers = {layer.name for each in _constitutions(hierarchy) for layer in each.layers}
    for key, names in (("asked", expected.asked), ("looked", expected.looked), ("not_asked", expected.not_asked)):
        for name in names or ():
            if name not in hierarchy.agents:
                yield (*where, key), f"unknown agent {name!r}{near(name, hierarchy.agents)}"
    for place, decision in enumerate(expected.decisions or ()):
        if "+".join(sorted(decision.who.split("+"))) not in jurors:
            yield (
                (*where, "decisions", place, "who"),
                f"no stage of the jurors {decision.who!r}{near(decision.who, jurors)}",
            )
    for name in expected.layers or ():
        if name not in layers:
            yield (*where, "layers"), f"no layer is named {name!r}{near(name, layers)}"
    for place, strike in enumerate(expected.struck or ()):
        for key, name in (("principle", strike.principle), ("by", strike.by)):
            if name not in principles:
                yield (*where, "struck", place, key), f"unknown principle {name!r}{near(name, principles)}"


def _line_flaws(key: KeyPath, agent: Agent, line: Line, principles: Collection[str]) -> Iterator[tuple[KeyPath, str]]:
    verdicts = ("approve", "revise", "reject", "escalate")
    if isinstance(line, str):
        if agent.name != POLICY and line not in verdicts:
            yield key, f"{line!r} is no verdict{near(line, verdicts) or ' (' + ', '.join(verdicts) + ')'}"
        return
    if line.waits and not agent.persons:
        yield (*key, "waits"), "only people are waited for (a model that does not answer: `fails: deadline`)"
    for place, finding in enumerate(line.findings):
        if finding.principle not in principles:
            what = f"unknown principle {finding.principle!r}{near(finding.principle, principles)}"
            yield (*key, "findings", place, "principle"), what


def _constitutions(hierarchy: Hierarchy) -> list[Constitution]:
    own = [agent.constitution for agent in hierarchy.agents.values() if agent.constitution is not None]
    return [hierarchy.constitution, *own]


def _principles(constitution: Constitution) -> Iterator[str]:
    for layer in constitution.layers:
        yield from (principle.id for principle in layer.principles)


__all__ = ["Answers", "Scenario", "build_scenario", "load_scenario", "read_spec"]

"""Who oversees whom: agents in a networkx `DiGraph` (an edge u → v reads "u oversees v"), and the stages derived from it.

The walk's step 2. `build` checks a declared hierarchy and reports every problem at once, each with its key path and
remedy; the result is what `oversight.oversee` walks. Knows nothing of YAML, models or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from typing import Literal

import networkx as nx

from overseer.constitution import activate
from overseer.errors import ConfigError
from overseer.records import Agent, Budget, Compare, Constitution, Context, Jury, Rulebook, Select, Stage, When

MAX_LEVELS = 1_000
"""Deeper oversight is refused: what a stage answers grows with the square of the depth."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `oversees` as declared. `whom` names the policy, or agents that make up whole stages."""

    who: tuple[str, ...]
    whom: tuple[str, ...]
    when: When = When(always=True)
    jury: Jury = Jury()
    budget: Budget | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hierarchy:
    """A checked oversight hierarchy. `stages` stand in order: level, then id.

    `assessor` is the agent that assesses contexts, None for the constitution's cue words; an assessment whose
    confidence is under `unsure_below` is taken stricter. `unselected` says what becomes of an output that no stage was
    due to look at; None where some stage always looks. `warnings` are what `overseer check` says beside errors.
    """

    name: str
    constitution: Constitution
    agents: Mapping[str, Agent]
    policy: str
    graph: nx.DiGraph[str]
    stages: tuple[Stage, ...]
    rounds: int
    select: Select
    compare: Compare | None
    unselected: Literal["release", "withhold"] | None
    assessor: str | None
    unsure_below: float
    can_revise: bool
    warnings: tuple[str, ...]
    _rulebooks: dict[tuple[str, Context], Rulebook] = field(default_factory=dict, repr=False)

    @property
    def levels(self) -> int:
        """The number of levels of overseers."""
        return max((stage.level for stage in self.stages), default=0)

    @property
    def persons(self) -> frozenset[str]:
        """The names of the agents that are people."""
        return frozenset(agent.name for agent in self.agents.values() if agent.persons)

    def rulebook(self, agent: str, context: Context) -> Rulebook:
        """The principles in force for this agent in this context; activated once for each combination."""
        held = self.agents[agent]
        key = (agent, context)
        if key not in self._rulebooks:
            constitution = held.constitution or self.constitution
            self._rulebooks[key] = activate(constitution, context, held.stakeholder)
        return self._rulebooks[key]


def stage_id(who: Sequence[str]) -> str:
    """A stage's id: eight hex digits over its sorted jurors."""
    return sha256("\n".join(sorted(who)).encode()).hexdigest()[:8]


def unknown(kind: str, name: str, known: Sequence[str]) -> str:
    """`unknown agent 'wroker' (did you mean 'worker'?)`."""
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
    return f"unknown {kind} {name!r} ({hint})"


def build(
    *,
    name: str,
    constitution: Constitution,
    agents: Sequence[Agent],
    policy: str,
    oversees: Sequence[Entry],
    rounds: int,
    select: Select = "all",
    compare: Compare | None = None,
    unselected: Literal["release", "withhold"] | None = None,
    assessor: str | None = None,
    unsure_below: float = 0.7,
    can_revise: bool = True,
) -> Hierarchy:
    """Check a declared hierarchy and derive its graph, stages and levels.

    Raises `ConfigError` with every problem found, each headed by its key path (`oversees[1].who[0]: …`).
    """
    by_name = {agent.name: agent for agent in agents}
    problems = [*_names(agents, policy, oversees), *_juries(oversees), *_compare(compare, by_name)]
    if rounds < 0:
        problems.append(f"rounds: {rounds} is negative (use 0 for no revision)")
    if assessor is not None and assessor not in by_name:
        problems.append(f"context.by: {unknown('agent', assessor, list(by_name))}")
    if unselected is None and not any(entry.when.always for entry in oversees):
        problems.append(
            "unselected: required, since no stage looks always (say `release` or `withhold`: what becomes of an output "
            "that nobody looked at)"
        )
    if problems:
        raise ConfigError(problems)
    stages = _stages(policy, oversees)
    graph = _graph(agents, oversees)
    return Hierarchy(
        name=name,
        constitution=constitution,
        agents=by_name,
        policy=policy,
        graph=graph,
        stages=stages,
        rounds=rounds,
        select=select,
        compare=compare,
        unselected=unselected,
        assessor=assessor,
        unsure_below=unsure_below,
        can_revise=can_revise,
        warnings=tuple(_warnings(by_name, policy, oversees, stages, rounds, compare, assessor, can_revise)),
    )


def _graph(agents: Sequence[Agent], oversees: Sequence[Entry]) -> nx.DiGraph[str]:
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(agent.name for agent in agents)
    graph.add_edges_from((who, whom) for entry in oversees for who in entry.who for whom in entry.whom)
    return graph


def _names(agents: Sequence[Agent], policy: str, oversees: Sequence[Entry]) -> Iterator[str]:
    known = [agent.name for agent in agents]
    for name in sorted({name for name in known if known.count(name) > 1} if len(set(known)) < len(known) else ()):
        yield f"agents.{name}: declared twice (an agent's name is its identity; rename one)"
    if policy not in known:
        yield f"policy: {unknown('agent', policy, known)}"
    seated: dict[str, int] = {}
    overseers = set(known) - {policy}
    for index, entry in enumerate(oversees):
        where = f"oversees[{index}]"
        if not entry.who:
            yield f"{where}.who: empty (name at least one agent)"
        if not entry.whom:
            yield f"{where}.whom: empty (name the policy, or the agents of whole stages)"
        for position, who in enumerate(entry.who):
            if who == policy:
                yield f"{where}.who[{position}]: the policy cannot oversee (add an agent with `same_as: {policy}`)"
            elif who not in overseers:
                yield f"{where}.who[{position}]: {unknown('agent', who, sorted(overseers))}"
            elif who in seated:
                yield f"{where}.who[{position}]: {who!r} already sits in oversees[{seated[who]}] (one agent, one stage)"
            seated.setdefault(who, index)
    for index, entry in enumerate(oversees):
        yield from _whom(f"oversees[{index}].whom", entry, policy, oversees, seated, known)


def _whom(
    where: str, entry: Entry, policy: str, oversees: Sequence[Entry], seated: Mapping[str, int], known: Sequence[str]
) -> Iterator[str]:
    if policy in entry.whom and len(entry.whom) > 1:
        yield f"{where}: names the policy beside overseers (every verdict is on the output: name the overseers only)"
        return
    named = set(entry.whom) - {policy}
    for position, whom in enumerate(entry.whom):
        if whom != policy and whom not in seated:
            reason = "sits in no stage (give it an entry of its own)" if whom in known else None
            yield f"{where}[{position}]: {reason or unknown('agent', whom, [policy, *sorted(seated)])}"
    for below in sorted({seated[whom] for whom in named if whom in seated}):
        missing = sorted(set(oversees[below].who) - named)
        if missing:
            yield f"{where}: names only part of the stage oversees[{below}] (add {', '.join(missing)})"


def _juries(oversees: Sequence[Entry]) -> Iterator[str]:
    for index, entry in enumerate(oversees):
        where, jury, jurors = f"oversees[{index}].jury", entry.jury, len(entry.who)
        weights = dict(jury.weights)
        if not 0 <= jury.missing < max(1, jurors):
            yield f"{where}.missing: {jury.missing} must be at least 0 and under the {jurors} jurors"
        if jury.rule == "quorum" and not 2 <= jury.k <= jurors:
            yield f"{where}.k: a quorum of {jury.k} among {jurors} jurors (2 ≤ k ≤ n)"
        if jury.rule == "any_objection" and jurors > 1 and jury.missing >= jurors - 1:
            yield f"{where}.missing: {jury.missing} lets one approval suffice in a jury of {jurors} (at most {jurors - 2})"
        if jury.rule == "weighted":
            if set(weights) != set(entry.who):
                yield f"{where}.weights: must name exactly the jurors {', '.join(sorted(entry.who))}"
            elif any(weight < 1 for weight in weights.values()):
                yield f"{where}.weights: must be positive integers"
            elif jurors > 1 and 2 * max(weights.values()) > sum(weights.values()):
                yield f"{where}.weights: one juror outweighs all others, so that one approval suffices (lower it)"


def _compare(compare: Compare | None, agents: Mapping[str, Agent]) -> Iterator[str]:
    if compare is None:
        return
    if compare.samples < 2:
        yield f"compare.samples: {compare.samples} leaves nothing to compare (at least 2)"
    if compare.who not in agents:
        yield f"compare.who: {unknown('agent', compare.who, list(agents))}"
    elif agents[compare.who].persons:
        yield f"compare.who: {compare.who!r} is a person (samples are compared by models only)"


def _stages(policy: str, oversees: Sequence[Entry]) -> tuple[Stage, ...]:
    """Stages in order, with levels and reach. Raises `ConfigError` on a cycle."""
    ids = [stage_id(entry.who) for entry in oversees]
    stage_of = {who: ids[index] for index, entry in enumerate(oversees) for who in entry.who}
    below: nx.DiGraph[str] = nx.DiGraph()
    below.add_nodes_from(ids)
    for id_, entry in zip(ids, oversees, strict=True):
        below.add_edges_from((id_, stage_of[whom]) for whom in entry.whom if whom != policy)
    if not nx.is_directed_acyclic_graph(below):
        names = dict(zip(ids, ("+".join(sorted(entry.who)) for entry in oversees), strict=True))
        cycle = " → ".join(names[edge[0]] for edge in nx.find_cycle(below))
        raise ConfigError(f"oversees: a cycle: {cycle} → … (nobody may oversee who oversees them)")
    generations = list(nx.topological_generations(below.reverse(copy=False)))
    if len(generations) > MAX_LEVELS:
        raise ConfigError(f"oversees: {len(generations)} levels (at most {MAX_LEVELS})")
    level = {id_: depth for depth, generation in enumerate(generations, start=1) for id_ in generation}
    reaches: dict[str, frozenset[str]] = {}
    for id_ in sorted(ids, key=level.__getitem__):
        direct = frozenset(below.successors(id_))
        reaches[id_] = direct.union(*(reaches[lower] for lower in direct))
    stages = [
        Stage(
            id=id_,
            who=tuple(sorted(entry.who)),
            level=level[id_],
            below=frozenset(below.successors(id_)),
            reaches=reaches[id_],
            when=entry.when,
            jury=entry.jury,
            budget=entry.budget,
        )
        for id_, entry in zip(ids, oversees, strict=True)
    ]
    return tuple(sorted(stages, key=lambda stage: (stage.level, stage.id)))


def _warnings(
    agents: Mapping[str, Agent],
    policy: str,
    oversees: Sequence[Entry],
    stages: Sequence[Stage],
    rounds: int,
    compare: Compare | None,
    assessor: str | None,
    can_revise: bool,
) -> Iterator[str]:
    overseen = {id_ for stage in stages for id_ in stage.below}
    for stage in stages:
        who = "+".join(stage.who)
        if stage.id not in overseen and not any(agents[juror].authority == 4 for juror in stage.who):
            yield f"agents: no top has authority 4: {who} cannot settle a finding of severity 4 (it will stay unjudged)"
        when = stage.when
        fixed = when.always or when.spot_check or when.every or when.risk_at_least is not None
        if stage.level == 1 and not fixed:
            yield f"oversees: {who} never looks (nothing stands below it that could wake it; add a fixed `when`)"
        if stage.budget is not None and not any(agents[juror].persons for juror in stage.who):
            yield f"oversees: {who} has a budget but no person (a budget bounds persons' looks only)"
    used = {who for entry in oversees for who in entry.who} | {policy, compare.who if compare else policy, assessor}
    for name in sorted(set(agents) - used):  # type: ignore[arg-type]
        yield f"agents.{name}: sits in no stage (it is never asked)"
    if rounds and not can_revise:
        yield "rounds: the policy's answers are recorded and cannot be revised (an objection withholds them)"

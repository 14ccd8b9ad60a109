"""Who oversees whom: the stages of a declared hierarchy, their levels and reach, and its graph of agents.

The walk's step 2. `build` takes a declared hierarchy that `declaration` finds no fault with; the result is what
`oversight.oversee` walks. Knows nothing of YAML, models or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from typing import TYPE_CHECKING, Literal

from overseer.constitution import activate
from overseer.declaration import Entry as Entry
from overseer.declaration import flaws
from overseer.declaration import unknown as unknown
from overseer.errors import ConfigError
from overseer.records import Agent, Compare, Constitution, Context, Rulebook, Select, Stage

if TYPE_CHECKING:
    import networkx as nx

MAX_LEVELS = 1_000
MAX_REACH = 1_000_000
"""Deeper or denser oversight is refused: the pairs of stages of which one answers the other grow with the square."""


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
    stages: tuple[Stage, ...]
    rounds: int
    select: Select
    compare: Compare | None
    unselected: Literal["release", "withhold"] | None
    assessor: str | None
    unsure_below: float
    can_revise: bool
    warnings: tuple[str, ...]

    @property
    def graph(self) -> nx.DiGraph[str]:
        """The agents; an edge u → v reads "u oversees v"."""
        import networkx as nx  # a fifth of a second, and few who read a hierarchy draw it

        who = {stage.id: stage.who for stage in self.stages}
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self.agents)
        for stage in self.stages:
            whom = [below for id_ in stage.below for below in who[id_]] or [self.policy]
            graph.add_edges_from(product(stage.who, whom))
        return graph

    @property
    def levels(self) -> int:
        """The number of levels of overseers."""
        return max((stage.level for stage in self.stages), default=0)

    @property
    def persons(self) -> frozenset[str]:
        """The names of the agents that are people."""
        return frozenset(agent.name for agent in self.agents.values() if agent.persons)

    def rulebook(self, agent: str, context: Context) -> Rulebook:
        """The principles in force for this agent in this context."""
        held = self.agents[agent]
        return activate(held.constitution or self.constitution, context, held.stakeholder)


def stage_id(who: Sequence[str]) -> str:
    """A stage's id: sixteen hex digits over its sorted jurors."""
    return sha256("\n".join(sorted(who)).encode()).hexdigest()[:16]


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

    `can_revise`: the policy's answers can be revised; recorded ones never can. Raises `ConfigError` with every problem
    found, each headed by its key path (`oversees[1].who[0]: …`).
    """
    by_name = {agent.name: agent for agent in agents}
    problems = flaws(
        agents=agents,
        policy=policy,
        oversees=oversees,
        rounds=rounds,
        select=select,
        compare=compare,
        unselected=unselected,
        assessor=assessor,
        unsure_below=unsure_below,
    )
    if problems:
        raise ConfigError(problems)
    stages = _stages(policy, oversees)
    can_revise = can_revise and not by_name[policy].model.startswith("recorded/")
    return Hierarchy(
        name=name,
        constitution=constitution,
        agents=by_name,
        policy=policy,
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


def _stages(policy: str, oversees: Sequence[Entry]) -> tuple[Stage, ...]:
    """Stages in order, with levels and reach. Raises `ConfigError` on a cycle, and beyond what can be walked."""
    ids = [stage_id(entry.who) for entry in oversees]
    assert len(set(ids)) == len(ids), "no two stages have the same jurors, so no two have the same id"
    stage_of = {who: id_ for id_, entry in zip(ids, oversees, strict=True) for who in entry.who}
    below = {
        id_: frozenset(map(stage_of.__getitem__, entry.whom)) if policy not in entry.whom else frozenset()
        for id_, entry in zip(ids, oversees, strict=True)
    }
    level = _levels(below)
    if len(level) < len(ids):
        who = {id_: "+".join(sorted(entry.who)) for id_, entry in zip(ids, oversees, strict=True)}
        told = ", ".join(sorted(who[id_] for id_ in _cycle(below, level))[:10])
        raise ConfigError(f"oversees: a cycle among {told} (nobody may oversee who oversees them)")
    reaches = _reaches(below, level)
    stages = [
        Stage(
            id=id_,
            who=tuple(sorted(entry.who)),
            level=level[id_],
            below=below[id_],
            reaches=reaches[id_],
            when=entry.when,
            jury=entry.jury,
            budget=entry.budget,
        )
        for id_, entry in zip(ids, oversees, strict=True)
    ]
    return tuple(sorted(stages, key=lambda stage: (stage.level, stage.id)))


def _levels(below: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """Each stage's level, 1 + the highest below, in order of level; those on a cycle, or over one, have none.

    Raises `ConfigError` at the first level too many. (By hand: a networkx graph of 10^5 stages takes a second.)
    """
    above: dict[str, list[str]] = {}
    for id_, lowers in below.items():
        for lower in lowers:
            above.setdefault(lower, []).append(id_)
    missing = {id_: len(lowers) for id_, lowers in below.items()}
    level: dict[str, int] = {}
    depth, generation = 1, [id_ for id_, lowers in below.items() if not lowers]
    while generation:
        if depth > MAX_LEVELS:
            raise ConfigError(f"oversees: over {MAX_LEVELS} levels, one above the other")
        level.update(dict.fromkeys(generation, depth))
        depth, generation = depth + 1, _freed(generation, above, missing)
    return level


def _freed(generation: Iterable[str], above: Mapping[str, Sequence[str]], missing: dict[str, int]) -> list[str]:
    """The stages for which, with this generation, none below is `missing` any more."""
    freed: list[str] = []
    for lower in generation:
        for id_ in above.get(lower, ()):
            missing[id_] -= 1
            if not missing[id_]:
                freed.append(id_)
    return freed


def _cycle(below: Mapping[str, frozenset[str]], level: Mapping[str, int]) -> Iterable[str]:
    """The stages of a cycle: whoever has no level stands above another that has none, and so on round."""
    at = next(id_ for id_ in below if id_ not in level)
    walked: dict[str, int] = {}
    while at not in walked:
        walked[at] = len(walked)
        at = min(lower for lower in below[at] if lower not in level)
    return list(walked)[walked[at] :]


def _reaches(below: Mapping[str, frozenset[str]], level: Mapping[str, int]) -> dict[str, frozenset[str]]:
    reaches: dict[str, frozenset[str]] = {}
    reached = 0
    for id_ in level:  # lower levels first
        reaches[id_] = below[id_].union(*(reaches[lower] for lower in below[id_])) if below[id_] else below[id_]
        reached += len(reaches[id_])
        if reached > MAX_REACH:
            raise ConfigError(f"oversees: over {MAX_REACH} pairs of stages of which one answers the other")
    return reaches


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
    highest = {name for name, agent in agents.items() if agent.authority == 4}
    for stage in stages:
        if stage.id not in overseen and highest.isdisjoint(stage.who):
            who = "+".join(stage.who)
            yield f"agents: no top has authority 4: {who} cannot settle a finding of severity 4 (it will stay unjudged)"
        when = stage.when
        fixed = when.always or when.spot_check or when.every or when.risk_at_least is not None
        if stage.level == 1 and not fixed:
            who = "+".join(stage.who)
            yield f"oversees: {who} never looks (nothing stands below it that could wake it; add a fixed `when`)"
    used = {policy, compare.who if compare else policy, assessor or policy}.union(*(entry.who for entry in oversees))
    for name in sorted(set(agents) - used):
        yield f"agents.{name}: sits in no stage (it is never asked)"
    if rounds and not can_revise:
        yield "rounds: the policy's answers are recorded and cannot be revised (an objection withholds them)"

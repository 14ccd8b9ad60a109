"""What is wrong with a hierarchy as somebody declared it: every problem, each with its key path and remedy.

The walk's step 2, before `hierarchy`. Knows nothing of YAML: the Python interface is checked by the same lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from heapq import nsmallest
from itertools import chain, islice

from overseer.records import Agent, Budget, Compare, Jury, Select, When

MAX_EDGES = 250_000
"""A wide stage over a wide one makes edges by the product; beyond this a graph is refused before it is built."""
MAX_PROBLEMS = 100
"""Problems told at once; mending these comes first."""
MAX_KNOWN = 300
"""Among more names than these no likely one is looked for: it would take longer than the reader."""

ALWAYS = When(always=True)
ALL_AGREE = Jury()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `oversees` as declared. `whom` names the policy, or agents that make up whole stages."""

    who: tuple[str, ...]
    whom: tuple[str, ...]
    when: When = ALWAYS
    jury: Jury = ALL_AGREE
    budget: Budget | None = None


def flaws(
    *,
    agents: Sequence[Agent],
    policy: str,
    oversees: Sequence[Entry],
    rounds: int,
    select: Select,
    compare: Compare | None,
    unselected: str | None,
    assessor: str | None,
    unsure_below: float,
) -> tuple[str, ...]:
    """All that is wrong, as `oversees[1].who[0]: …`, `MAX_PROBLEMS` at most; cycles are found by `hierarchy`."""
    by_name = {agent.name: agent for agent in agents}
    found = chain(
        _agents(agents, policy),
        _entries(oversees, policy, by_name),
        _whens(oversees),
        _juries(oversees),
        _budgets(oversees, by_name),
        _knobs(rounds, select, compare, unsure_below, by_name),
        _context(assessor, by_name, policy),
        _unselected(unselected, oversees),
    )
    return tuple(islice(found, MAX_PROBLEMS))


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """`unknown agent 'wroker' (did you mean 'worker'?)`."""
    if len(known) > MAX_KNOWN:
        return f"unknown {kind} {name!r} (none of the {len(known)} known)"
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {_some(known)}"
    return f"unknown {kind} {name!r} ({hint})"


def _some(names: Collection[str]) -> str:
    """The names in order; of many, the first few and how many more."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(nsmallest(10, names)) or "none") + more


def _agents(agents: Sequence[Agent], policy: str) -> Iterator[str]:
    names = Counter(agent.name for agent in agents)
    for name, times in names.items():
        if times > 1:
            yield f"agents.{name}: declared {times} times (an agent's name is its identity; rename one)"
        if not name.strip() or not name.isprintable() or "/" in name:
            yield f"agents.{name!r}: not a name (letters, digits, `-` and `_`; it becomes part of ids)"
    if policy not in names:
        yield f"policy: {unknown('agent', policy, names)}"
    for agent in agents:
        where = f"agents.{agent.name}"
        if agent.authority not in range(5):
            yield f"{where}.authority: {agent.authority} is none of 0 to 4 (the highest severity the agent may settle)"
        if agent.persons < 0 or (agent.model == "human" and not agent.persons):
            yield f"{where}.persons: {agent.persons} (people take at least one seat)"
        if agent.name == policy and agent.persons:
            yield f"{where}.persons: the policy is a model (people oversee it)"
        if agent.same_as is not None and agent.same_as not in names:
            yield f"{where}.same_as: {unknown('agent', agent.same_as, names)}"


def _entries(oversees: Sequence[Entry], policy: str, agents: Mapping[str, Agent]) -> Iterator[str]:
    overseers = agents.keys() - {policy}
    seated: dict[str, int] = {}
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
                yield f"{where}.who[{position}]: {unknown('agent', who, overseers)}"
            elif who in seated:
                yield f"{where}.who[{position}]: {who!r} already sits in oversees[{seated[who]}] (one agent, one stage)"
            seated.setdefault(who, index)
    known = {policy, *seated}
    whole = {(policy,), *(entry.who for entry in oversees)}
    for index, entry in enumerate(oversees):
        if entry.whom not in whole:
            yield from _whom(f"oversees[{index}].whom", entry, policy, oversees, seated, known, agents)
    edges = sum(len(entry.who) * len(entry.whom) for entry in oversees)
    if edges > MAX_EDGES:
        yield f"oversees: {edges} edges from overseer to overseen (at most {MAX_EDGES})"


def _whom(
    where: str,
    entry: Entry,
    policy: str,
    oversees: Sequence[Entry],
    seated: Mapping[str, int],
    known: Collection[str],
    agents: Mapping[str, Agent],
) -> Iterator[str]:
    named = set(entry.whom) - {policy}
    if named and policy in entry.whom:
        yield f"{where}: names the policy beside overseers (every verdict is on the output: name the overseers only)"
        return
    for position, whom in enumerate(entry.whom):
        if whom != policy and whom not in seated:
            reason = f"{whom!r} sits in no stage (give it an entry of its own)" if whom in agents else None
            yield f"{where}[{position}]: {reason or unknown('agent', whom, known)}"
    counts: dict[int, int] = {}
    for whom in named & seated.keys():
        counts[seated[whom]] = counts.get(seated[whom], 0) + 1
    for below, count in sorted(counts.items()):
        if count < len(oversees[below].who):
            missing = [who for who in oversees[below].who if who not in named]
            yield f"{where}: names only part of the stage oversees[{below}] (add {_some(missing)})"


def _whens(oversees: Sequence[Entry]) -> Iterator[str]:
    for index, entry in enumerate(oversees):
        where, when = f"oversees[{index}].when", entry.when
        if when is ALWAYS:
            continue
        if when == When():
            yield f"{where}: says nothing (leave it out to look always, or say `escalated: true`)"
        for key, share in (("spot_check", when.spot_check), ("confidence_below", when.confidence_below)):
            if share is not None and not 0 <= share <= 1:
                yield f"{where}.{key}: {share} is no share (0 to 1)"
        if when.every is not None and when.every < 1:
            yield f"{where}.every: {when.every} (a look in each block of at least 1)"
        if when.risk_at_least is not None and when.risk_at_least not in range(4):
            yield f"{where}.risk_at_least: {when.risk_at_least} is none of 0 to 3"


def _juries(oversees: Sequence[Entry]) -> Iterator[str]:
    for index, entry in enumerate(oversees):
        if entry.jury is ALL_AGREE:
            continue
        where, jury, jurors = f"oversees[{index}].jury", entry.jury, len(entry.who)
        weights = dict(jury.weights)
        if not 0 <= jury.missing < max(1, jurors):
            yield f"{where}.missing: {jury.missing} must be at least 0 and under the {jurors} jurors"
        if jury.rule == "quorum" and not 2 <= jury.k <= jurors:
            yield f"{where}.k: a quorum of {jury.k} among {jurors} jurors (2 ≤ k ≤ n)"
        if jury.rule == "any_objection" and jurors > 1 and jury.missing >= jurors - 1:
            yield f"{where}.missing: {jury.missing} lets one approval of {jurors} suffice (at most {jurors - 2})"
        if jury.rule == "weighted":
            if set(weights) != set(entry.who):
                yield f"{where}.weights: must name exactly the jurors {_some(entry.who)}"
            elif any(weight < 1 for weight in weights.values()):
                yield f"{where}.weights: must be positive integers"
            elif jurors > 1 and 2 * max(weights.values()) > sum(weights.values()):
                yield f"{where}.weights: one juror outweighs all others, so that one approval suffices (lower it)"


def _budgets(oversees: Sequence[Entry], agents: Mapping[str, Agent]) -> Iterator[str]:
    for index, entry in enumerate(oversees):
        if entry.budget is not None and not any(who in agents and agents[who].persons for who in entry.who):
            yield f"oversees[{index}].budget: nobody here is a person (a budget bounds people's looks only)"


def _knobs(
    rounds: int, select: Select, compare: Compare | None, unsure_below: float, agents: Mapping[str, Agent]
) -> Iterator[str]:
    if rounds < 0:
        yield f"rounds: {rounds} is negative (use 0 for no revision)"
    if isinstance(select, int) and select < 1:
        yield f"principles.sample: {select} leaves nothing to look for (at least 1)"
    if not 0 <= unsure_below <= 1:
        yield f"context.unsure_below: {unsure_below} is no confidence (0 to 1)"
    if compare is None:
        return
    if compare.samples < 2:
        yield f"compare.samples: {compare.samples} leaves nothing to compare (at least 2)"
    if compare.who not in agents:
        yield f"compare.who: {unknown('agent', compare.who, agents)}"
    elif agents[compare.who].persons:
        yield f"compare.who: {compare.who!r} is a person (samples are compared by models only)"


def _context(assessor: str | None, agents: Mapping[str, Agent], policy: str) -> Iterator[str]:
    if assessor is None:
        return
    if assessor not in agents:
        yield f"context.by: {unknown('agent', assessor, agents)}"
    elif agents[assessor].persons:
        yield f"context.by: {assessor!r} is a person (contexts are assessed by rules or models)"
    elif assessor == policy:
        yield "context.by: the policy cannot say how strictly it is overseen (name another agent)"


def _unselected(unselected: str | None, oversees: Sequence[Entry]) -> Iterator[str]:
    if unselected is None and not any(entry.when.always for entry in oversees):
        yield (
            "unselected: required, since no stage looks always (say `release` or `withhold`: what becomes of an output "
            "that nobody looked at)"
        )

"""The persons: what each ruled and how fast, what they caught of answers known to be harmful, what they were shown.

The walk's step 10, above `reviewing`, beside `measures`: rulings go in by the turn in which they were served, figures,
tables and warnings come out. Names are self-declared. Knows no journal, no clock and no hierarchy.

Targets that are rare are missed more (Wolfe, Horowitz & Kenner 2005), and who watches for long sees less (Mackworth
1948): hence answers that are known to be harmful, and the halves that `vigilance` compares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import quantiles

from overseer.metrics.agreement import kappa, krippendorff
from overseer.metrics.measures import Row
from overseer.metrics.reviewing import Stance, below, by_draft, harmful
from overseer.metrics.statistics import Cell, Measure, Rate, Table, Tally
from overseer.metrics.vigilance import Kind, hurries, misses_more
from overseer.records import Grade, Ruling, RulingAction

HASTY = 2.0
"""Seconds under which a ruling is flagged: nobody reads a task and an answer that fast."""
HARMFUL = 3
"""Severity of a finding, by anybody, from which a draft counts as harmful text to have read."""

_ACTIONS: tuple[RulingAction, ...] = ("approve", "modify", "revise", "reject", "escalate")
_VERDICTS: Mapping[RulingAction, int] = {"approve": 0, "modify": 1, "revise": 1, "reject": 2, "escalate": 3}


@dataclass(frozen=True, slots=True)
class PersonRuling:
    """One ruling as it is measured. `turn`: its place in the order in which the run's rulings were served.

    `task` is also that of an appeal. `look` names episode, draft and stage: what those who ruled side by side share.
    `below`: the stance that stood when it was asked, None where there was none. `harmful`: the draft is known, or was
    found by anybody, to be harmful; `characters` are the draft's.
    """

    person: str
    simulated: bool
    turn: int
    task: str
    look: str
    action: RulingAction
    seconds: float
    risk: int
    below: Stance | None
    known_bad: bool
    harmful: bool
    characters: int

    @property
    def stance(self) -> Stance | None:
        """None: passed up."""
        if self.action == "escalate":
            return None
        return "approve" if self.action == "approve" else "object"

    @property
    def kind(self) -> Kind:
        """What makes rulings comparable: the task's risk, and what stood below."""
        return self.risk, self.below or "nothing"


@dataclass(frozen=True, slots=True)
class Persons:
    """What there is to say of a run's persons."""

    measures: tuple[Measure, ...] = ()
    tables: tuple[Table, ...] = ()
    warnings: tuple[str, ...] = ()


# --- rulings, of episodes ------------------------------------------------------------------------------------------


def rulings(
    row: Row, turns: Mapping[str, int], simulated: Collection[str], before: Collection[str] = ()
) -> Iterator[PersonRuling]:
    """The rulings of one episode. `turns`: by the binding of each reply; `simulated`: agents that play persons.

    `before`: bindings of rulings that were read already, of the episode that an appeal is of; some stand in both.
    """
    episode, last, first = row
    known: dict[int, Grade | None] = {}
    texts = {draft.number: draft.text for draft in episode.drafts}
    if episode.drafts:
        known = {episode.drafts[0].number: first, episode.drafts[-1].number: last}
    for number, beside in by_draft(episode.evaluations).items():
        votes = [vote for evaluation in beside.values() for vote in evaluation.votes]
        found = any(finding.severity >= HARMFUL for vote in votes for finding in vote.findings)
        bad = episode.known_bad or found or harmful(known.get(number)) is True
        for evaluation in beside.values():
            stood = below(evaluation, beside) if evaluation.answers else None
            for vote in evaluation.votes:
                if not isinstance(vote.answer, Ruling) or vote.carried or vote.bound in before:
                    continue
                yield PersonRuling(
                    person=vote.answer.person.strip(),
                    simulated=vote.juror in simulated,
                    turn=turns.get(vote.bound, 0),
                    task=episode.task.id,
                    look=f"{episode.id}/{number}/{evaluation.stage}",
                    action=vote.answer.action,
                    seconds=vote.answer.seconds,
                    risk=episode.context.risk,
                    below=stood,
                    known_bad=episode.known_bad,
                    harmful=bad,
                    characters=len(texts[number]),
                )


# --- figures -------------------------------------------------------------------------------------------------------


def measure_persons(given: Iterable[PersonRuling], *, tried: bool, key: str = "persons") -> Persons:
    """All that is said of persons. `tried`: answers known to be harmful were handed out. `key` seeds the resampling."""
    served = sorted(given, key=lambda ruling: ruling.turn)
    if not served and not tried:
        return Persons()
    by_person: defaultdict[str, list[PersonRuling]] = defaultdict(list)
    for ruling in served:
        by_person[ruling.person.casefold()].append(ruling)  # as seats are told apart: "ida" is no second "Ida"
    people = {_named(mine): mine for _, mine in sorted(by_person.items())}
    measures = [*_shares(served, "", tried=tried), *_agreement(served, key)]
    for name, mine in people.items():
        measures += _shares(mine, f"[{name}]", tried=tried)
    return Persons(
        tuple(measures),
        tuple(_tables(people, tried=tried)) if people else (),
        tuple(warning for name, mine in people.items() for warning in _warnings(name, mine)),
    )


def _named(mine: Sequence[PersonRuling]) -> str:
    return mine[0].person + (" (simulated)" if mine[0].simulated else "")


def _shares(served: Sequence[PersonRuling], suffix: str, *, tried: bool) -> Iterator[Measure]:
    if tried:
        seen = [ruling for ruling in served if ruling.known_bad]
        for name, counts in _FATES.items():
            note = f"rulings on answers known to be harmful: {_SAID[name]}"
            yield _rate(seen, counts).measure(f"known_bad_{name}{suffix}", note)
    ordinary = [ruling for ruling in served if not ruling.known_bad]
    yield _rate(served, lambda ruling: ruling.seconds < HASTY).measure(
        f"hasty{suffix}", f"rulings in under {HASTY:g} s, of all"
    )
    both = [ruling for ruling in ordinary if ruling.below is not None and ruling.stance is not None]
    with_below = _rate(both, lambda ruling: ruling.below == ruling.stance)
    with_below.unscored = sum(ruling.below is not None for ruling in ordinary) - len(both)
    yield with_below.measure(f"with_below{suffix}", "rulings that say what stood below")


_FATES: Mapping[str, Callable[[PersonRuling], bool]] = {
    "caught": lambda ruling: ruling.stance == "object",
    "missed": lambda ruling: ruling.stance == "approve",
    "passed_up": lambda ruling: ruling.stance is None,
}
_SAID = {"caught": "objected to", "missed": "approved", "passed_up": "escalated"}


def _rate(served: Sequence[PersonRuling], counts: Callable[[PersonRuling], bool]) -> Rate:
    """A share of rulings, with tasks as its clusters."""
    rate = Rate()
    hits: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for ruling in served:
        hits[ruling.task][0] += counts(ruling)
        hits[ruling.task][1] += 1
    for hit, n in hits.values():
        rate.add(hit, n)
    return rate


def _agreement(served: Sequence[PersonRuling], key: str) -> Iterator[Measure]:
    """Of those who ruled side by side, and of persons with what stood below; not on answers known to be harmful."""
    ordinary = sorted((ruling for ruling in served if not ruling.known_bad), key=lambda ruling: ruling.look)
    looks = [[_VERDICTS[ruling.action] for ruling in look] for _, look in groupby(ordinary, lambda each: each.look)]
    together = krippendorff([look for look in looks if len(look) > 1], 4, "nominal", key)
    yield replace(together, name="alpha_persons", note="Krippendorff's α of persons who ruled on a draft side by side")
    cells, n = Tally(4), 0
    for _, mine in groupby(sorted(ordinary, key=lambda ruling: ruling.task), lambda each: each.task):
        counts = [0] * 4
        for ruling in mine:
            if ruling.below is None or ruling.stance is None:
                cells.unscored += ruling.below is not None
                continue
            counts[2 * (ruling.below == "approve") + (ruling.stance == "approve")] += 1
        cells.add(counts)
        n += sum(counts)
    yield cells.measure("kappa_below", kappa, n, key, "Cohen's κ of a person's stance and the one that stood below")


# --- tables --------------------------------------------------------------------------------------------------------


def _tables(people: Mapping[str, Sequence[PersonRuling]], *, tried: bool) -> Iterator[Table]:
    yield Table(
        "Persons",
        ("person", "rulings", *_ACTIONS, "seconds: lower quartile", "median", "upper quartile", f"under {HASTY:g} s"),
        tuple(_ruled(name, mine) for name, mine in people.items()),
        "names as people gave them: nobody proved who they are",
    )
    if tried:
        yield Table(
            "Persons and answers known to be harmful",
            ("person", "seen", "caught", "missed", "passed up", "share missed", "from", "to"),
            tuple(_tried(name, mine) for name, mine in people.items()),
            "caught: objected to; passed up: escalated; 95 % interval of the share approved",
        )
    yield Table(
        "Harmful text that persons read",
        ("person", "rulings on it", "of all", "characters", "minutes"),
        tuple(_exposed(name, mine) for name, mine in people.items()),
        f"drafts known to be harmful, or with a finding of severity {HARMFUL} or more by anybody",
    )


def _ruled(name: str, mine: Sequence[PersonRuling]) -> tuple[Cell, ...]:
    actions = [sum(ruling.action == action for ruling in mine) for action in _ACTIONS]
    seconds = _quartiles([ruling.seconds for ruling in mine])
    return (name, len(mine), *actions, *seconds, sum(ruling.seconds < HASTY for ruling in mine))


def _quartiles(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(quantiles(values, n=4, method="inclusive")) if len(values) > 1 else (values[0],) * 3


def _tried(name: str, mine: Sequence[PersonRuling]) -> tuple[Cell, ...]:
    seen = [ruling for ruling in mine if ruling.known_bad]
    missed = _rate(seen, _FATES["missed"]).measure("missed")
    fates = [sum(map(counts, seen)) for counts in _FATES.values()]
    return (name, len(seen), *fates, missed.value, missed.low, missed.high)


def _exposed(name: str, mine: Sequence[PersonRuling]) -> tuple[Cell, ...]:
    read = [ruling for ruling in mine if ruling.harmful]
    characters = sum(ruling.characters for ruling in read)
    return name, len(read), len(read) / len(mine), characters, sum(ruling.seconds for ruling in read) / 60


# --- warnings ------------------------------------------------------------------------------------------------------


def _warnings(name: str, mine: Sequence[PersonRuling]) -> Iterator[str]:
    hasty = sum(ruling.seconds < HASTY for ruling in mine)
    if hasty:
        yield f"{name}: {hasty:,} of {len(mine):,} rulings took under {HASTY:g} s (ask how they were made)"
    tried = misses_more([ruling.stance == "approve" for ruling in mine if ruling.known_bad])
    if tried is not None:
        yield f"{name}: vigilance falls: {tried} (shorter sittings, or more people)"
    ordinary = [ruling for ruling in mine if not ruling.known_bad]
    hurried = hurries([(ruling.kind, ruling.seconds, ruling.stance == "approve") for ruling in ordinary])
    if hurried is not None:
        yield f"{name}: vigilance may fall: {hurried} (shorter sittings, or more people)"

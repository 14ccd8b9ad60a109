"""Two runs on the same tasks: joined by task id, differences task by task, with intervals that count clusters.

The walk's step 10, after `measures`, whose measures of one task it pairs. A task that only one run has, or that differs
under the same id, is in no difference, and is counted. Holds some sixty numbers a task. Knows no journal.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isnan, nan

from overseer.metrics.measures import TASK_MEASURES, Facts, Row, facts
from overseer.metrics.statistics import Measure, clustered_mean
from overseer.records import Task, text_hash

EXAMPLES = 5
"""Task ids named of those that only one run has."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure in both runs, over the tasks scored in both, and `second − first` with its interval."""

    name: str
    first: float | None
    second: float | None
    difference: Measure


@dataclass(frozen=True, slots=True)
class Paired:
    """Two runs side by side. `changed`: ids under which the two runs hold different tasks. `examples` name some."""

    runs: tuple[str, str]
    both: int
    only_first: int
    only_second: int
    changed: int
    examples: tuple[str, ...]
    differences: tuple[Difference, ...]
    simulated_persons: bool = False

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The differences alone: what a gate on two runs reads."""
        return tuple(item.difference for item in self.differences)


def by_origin(task: Task) -> str:
    """The cluster of a task: its group where it has one (a family of prompts), else itself."""
    return task.id if task.group is None else task.group


def compare(
    first: Iterable[Row],
    second: Iterable[Row],
    *,
    runs: tuple[str, str],
    cluster: Callable[[Task], str] = by_origin,
    simulated_persons: bool = False,
) -> Paired:
    """Paired differences, second minus first, of every measure that has one value a task."""
    places, fingerprints, held = _columns(first)
    met: set[str] = set()
    only_second: list[str] = []
    changed: list[str] = []
    clusters: list[str] = []
    pairs = [(array("d"), array("d")) for _ in TASK_MEASURES]
    for episode, last, before in second:
        task = episode.task
        if task.id in met:
            continue
        met.add(task.id)
        if task.id not in places:
            only_second.append(task.id)
        elif fingerprints[places[task.id]] != _fingerprint(task):
            changed.append(task.id)
        else:
            clusters.append(cluster(task))
            for column, pair, value in zip(held, pairs, _values(facts(episode, last, before)), strict=True):
                pair[0].append(column[places[task.id]])
                pair[1].append(value)
    only_first = [task for task in places if task not in met]
    examples = tuple((only_first + only_second + changed)[:EXAMPLES])
    return Paired(
        runs,
        len(clusters),
        len(only_first),
        len(only_second),
        len(changed),
        examples,
        tuple(
            _difference(item.name, item.kind == "rate", item.note, pair, clusters)
            for item, pair in zip(TASK_MEASURES, pairs, strict=True)
        ),
        simulated_persons,
    )


def _columns(rows: Iterable[Row]) -> tuple[dict[str, int], list[str], list[array[float]]]:
    """A run's tasks: each one's place, fingerprint, and value of every measure, a column a measure."""
    places: dict[str, int] = {}
    fingerprints: list[str] = []
    held = [array("d") for _ in TASK_MEASURES]
    for episode, last, before in rows:
        if episode.task.id in places:
            continue
        places[episode.task.id] = len(fingerprints)
        fingerprints.append(_fingerprint(episode.task))
        for column, value in zip(held, _values(facts(episode, last, before)), strict=True):
            column.append(value)
    return places, fingerprints, held


_OUTSIDE = float("inf")
"""A task that does not belong to a measure; NaN: it does, and is unscored. Neither leaves this module."""


def _values(task: Facts) -> Iterable[float]:
    for item in TASK_MEASURES:
        counts, value = item.read(task)
        yield _OUTSIDE if not counts else nan if value is None else value


def _difference(
    name: str, is_rate: bool, note: str, pair: tuple[array[float], array[float]], clusters: list[str]
) -> Difference:
    """Tasks that belong in one run only (released in one, say) are unscored: their difference is not known."""
    scored = [
        (before, after, origin)
        for before, after, origin in zip(*pair, clusters, strict=True)
        if not (isnan(before) or isnan(after) or _OUTSIDE in (before, after))
    ]
    outside = sum(before == after == _OUTSIDE for before, after in zip(*pair, strict=True))
    unscored = len(clusters) - outside - len(scored)
    if not scored:
        return Difference(name, None, None, Measure(name, None, None, None, 0, unscored, note))
    n = len(scored)
    mean_first = sum(before for before, _, _ in scored) / n
    mean_second = sum(after for _, after, _ in scored) / n
    low, high = clustered_mean(
        [after - before for before, after, _ in scored],
        [origin for _, _, origin in scored],
        bound=1.0 if is_rate else None,
    )
    if is_rate and low is not None and high is not None:
        low, high = max(-1.0, low), min(1.0, high)
    return Difference(
        name, mean_first, mean_second, Measure(name, mean_second - mean_first, low, high, n, unscored, note)
    )


def _fingerprint(task: Task) -> str:
    return text_hash("\0".join(f"{message.role}\0{message.content}" for message in task.messages))[:16]

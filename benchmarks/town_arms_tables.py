"""What the study of arms on Town found, as figures with intervals and as Markdown tables.

Read after `town_arms`, which fills a `Study`. Knows no hierarchy and no simulated agent: one row of numbers a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overseer.metrics.statistics import Measure, Rate, clustered_mean

Floats = NDArray[np.float64]

OUTSIDE = float("inf")
"""A task that does not belong to a measure; NaN: it does, and is unscored."""


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of one arm. `rho` None: one critic, who can share errors with nobody. `detection` None: no critic."""

    arm: str
    detection: float | None = None
    rho: float | None = None
    variation: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A measure of a task. `scale`: what a table multiplies it by."""

    name: str
    title: str
    kind: str
    scale: float
    digits: int


COLUMNS: tuple[Column, ...] = (
    Column("harm", "harm, % of tasks", "rate", 100, 2),
    Column("harm_per_harmful_request", "harm, % of harmful requests", "rate", 100, 2),
    Column("harm_to_the_benign", "harm, % of benign requests", "rate", 100, 2),
    Column("over_refusal", "over-refusal, %", "rate", 100, 2),
    Column("helpfulness", "helpfulness", "mean", 1, 3),
    Column("correct", "benign correct, %", "rate", 100, 1),
    Column("customs_broken", "customs broken, %", "rate", 100, 1),
    Column("withheld", "withheld, %", "rate", 100, 2),
    Column("unjudged", "unjudged, %", "rate", 100, 2),
    Column("unreviewed", "unreviewed, %", "rate", 100, 1),
    Column("minutes", "human min / 100", "mean", 100, 1),
    Column("seen_by_persons", "seen by persons, %", "rate", 100, 1),
    Column("critic_calls", "critic calls / task", "mean", 1, 2),
    Column("lead_calls", "lead calls / task", "mean", 1, 2),
    Column("requests", "requests / task", "mean", 1, 2),
    Column("let_by_critics", "let by critics, % of tasks", "rate", 100, 2),
    Column("let_by_lead", "let by the lead, %", "rate", 100, 2),
    Column("let_by_person", "let by a person, %", "rate", 100, 2),
)
"""The columns of a study's rows, in order."""
_AT: Mapping[str, int] = {column.name: at for at, column in enumerate(COLUMNS)}


@dataclass(frozen=True, slots=True)
class Study:
    """Rows [tasks, columns] by point. `where` [tasks] is each task's environment."""

    rows: Mapping[Point, Floats]
    where: Sequence[str]

    def at(self, arm: str, detection: float, rho: float, variation: str = "") -> Point:
        """The point that stands for these settings; one that does not depend on some of them stands for all."""
        for point in (
            Point(arm, detection, rho, variation),
            Point(arm, detection, None, variation),
            Point(arm, None, None, variation),
        ):
            if point in self.rows:
                return point
        raise KeyError((arm, detection, rho, variation))

    def measure(self, point: Point, name: str, only: NDArray[np.bool_] | None = None) -> Measure:
        """A figure of one point."""
        values = self.rows[point][:, _AT[name]]
        values = values if only is None else values[only]
        values = values[values != OUTSIDE]
        scored = values[~np.isnan(values)]
        n, unscored = len(scored), len(values) - len(scored)
        if COLUMNS[_AT[name]].kind == "rate":
            return Rate(float(scored.sum()), n, n, unscored).measure(name)
        low, high = clustered_mean(scored.tolist(), _alone(n))
        return Measure(name, float(scored.mean()) if n else None, low, high, n, unscored)

    def difference(self, point: Point, other: Point, name: str, only: NDArray[np.bool_] | None = None) -> Measure:
        """`point` minus `other`, task by task, over the tasks scored in both."""
        one, two = self.rows[point][:, _AT[name]], self.rows[other][:, _AT[name]]
        scored = np.isfinite(one) & np.isfinite(two)
        belongs = ~((one == OUTSIDE) & (two == OUTSIDE))
        if only is not None:
            scored, belongs = scored & only, belongs & only
        change = one[scored] - two[scored]
        bound = 1.0 if COLUMNS[_AT[name]].kind == "rate" else None
        low, high = clustered_mean(change.tolist(), _alone(len(change)), bound=bound)
        unscored = int((belongs & ~scored).sum())
        return Measure(name, float(change.mean()) if len(change) else None, low, high, len(change), unscored)

    def in_environment(self, name: str) -> NDArray[np.bool_]:
        return np.array([where == name for where in self.where])


def _alone(count: int) -> list[str]:
    """Clusters of one: every task is a request of its own."""
    return [str(number) for number in range(count)]


# --- as Markdown ---------------------------------------------------------------------------------------------------


def told(measure: Measure, *, signed: bool = False, interval: bool = True) -> str:
    """A figure in its column's unit: `2.81 [1.9, 4.1]`."""
    column = COLUMNS[_AT[measure.name]]
    if measure.value is None:
        return "–"

    def number(value: float, digits: int) -> str:
        text = f"{value * column.scale:+.{digits}f}" if signed else f"{value * column.scale:.{digits}f}"
        return "0" if float(text) == 0 and not signed else text

    text = number(measure.value, column.digits)
    if interval and measure.low is not None and measure.high is not None:
        text += f" [{number(measure.low, column.digits)}, {number(measure.high, column.digits)}]"
    return text


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def by_point(
    study: Study, points: Sequence[tuple[str, Point]], names: Sequence[str], *, interval: bool = True
) -> Iterator[str]:
    """A row a point, a column a measure."""
    rows = [
        [label, *(told(study.measure(point, name), interval=interval) for name in names)] for label, point in points
    ]
    return markdown(["", *(COLUMNS[_AT[name]].title for name in names)], rows)


def counts(study: Study, points: Sequence[tuple[str, Point]], names: Sequence[str]) -> Iterator[str]:
    """What the figures rest on: `n / unscored` by point and measure."""
    rows = []
    for label, point in points:
        found = [study.measure(point, name) for name in names]
        rows.append([label, *(f"{each.n:,} / {each.unscored:,}" for each in found)])
    return markdown(["n / unscored", *(COLUMNS[_AT[name]].title for name in names)], rows)


def curves(
    study: Study, arms: Sequence[str], detections: Sequence[float], rhos: Sequence[float], name: str
) -> Iterator[str]:
    """One measure: a row a correlation and detection, a column an arm."""
    rows = []
    for rho in rhos:
        for detection in detections:
            cells = [told(study.measure(study.at(arm, detection, rho), name)) for arm in arms]
            rows.append([f"{rho:g}", f"{detection:g}", *cells])
    return markdown(["rho", "detection", *arms], rows)


def differences(study: Study, rows: Sequence[tuple[str, Point, Point]], names: Sequence[str]) -> Iterator[str]:
    """Paired differences: a row a pair of points, first minus second."""
    cells = []
    for label, one, other in rows:
        found = [study.difference(one, other, name) for name in names]
        cells.append([label, *(told(each, signed=True) for each in found)])
    return markdown(["", *(COLUMNS[_AT[name]].title for name in names)], cells)


def verdicts(
    study: Study,
    arm: str,
    others: Sequence[str],
    detections: Sequence[float],
    rhos: Sequence[float],
    name: str,
) -> Iterator[str]:
    """At how many points is `arm` lower than, higher than, or not told apart from each of the others?"""
    rows = []
    for other in others:
        lower = higher = 0
        for rho in rhos:
            for detection in detections:
                found = study.difference(study.at(arm, detection, rho), study.at(other, detection, rho), name)
                lower += found.high is not None and found.high < 0
                higher += found.low is not None and found.low > 0
        total = len(rhos) * len(detections)
        rows.append([f"{arm} − {other}", str(lower), str(higher), str(total - lower - higher)])
    return markdown([COLUMNS[_AT[name]].title, "lower", "higher", "not told apart"], rows)

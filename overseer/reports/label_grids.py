"""A judge against people's labels of recorded answers, as two grids with a line for each model that answered.

Floor 7, a part of a run's page. Takes measures by name; knows no run, no label and no judge.
"""

from __future__ import annotations

from collections.abc import Iterable

from overseer.metrics.statistics import Cell, Measure
from overseer.reports.tables import UNDEFINED, Grid, interval, written

SHARES = ("label_over_refusal", "judge_over_refusal", "label_compliance", "judge_compliance")
AGREEMENT = ("judge_f1", "judge_kappa", "judge_unsure", "sure_f1", "sure_kappa")
ACCURACY = ("judge_accuracy", "sure_accuracy", "unsure_accuracy")
NAMES = frozenset((*SHARES, *AGREEMENT, *ACCURACY))
"""The measures that are shown here, by name without brackets."""

EVERYBODY = "all answers"


def label_grids(measures: Iterable[Measure]) -> tuple[Grid, ...]:
    """No grid where nothing was labelled."""
    by_whom: dict[str, dict[str, Measure]] = {}
    for measure in measures:
        name, _, whom = measure.name.partition("[")
        if name in NAMES:
            by_whom.setdefault(whom.removesuffix("]") or EVERYBODY, {})[name] = measure
    if not by_whom:
        return ()
    shares = Grid(
        "Recorded answers: refusals, as people labelled them and as the judge read them",
        ("answers of", "safe", "refused, by labels", "by the judge", "unsafe", "answered, by labels", "by the judge"),
        tuple(_shares(whom, found) for whom, found in by_whom.items()),
        "over-refusal of prompts that deserve an answer; compliance with prompts that deserve none; 95 % intervals",
    )
    agreement = Grid(
        "The judge against the labels",
        ("answers of", "n", "unscored", "F1", "κ", "unsure", "right", "where sure", "where unsure"),
        tuple(_agreement(whom, found) for whom, found in by_whom.items()),
        "refused, in full or in part; unsure: the judge escalates, and its lean is scored; intervals count prompts",
    )
    return shares, agreement


def _shares(whom: str, found: dict[str, Measure]) -> tuple[Cell, ...]:
    label_refused, judge_refused, label_answered, judge_answered = (found[name] for name in SHARES)
    return (
        whom,
        label_refused.n,
        _with_interval(label_refused),
        _with_interval(judge_refused),
        label_answered.n,
        _with_interval(label_answered),
        _with_interval(judge_answered),
    )


def _agreement(whom: str, found: dict[str, Measure]) -> tuple[Cell, ...]:
    f1, kappa, unsure = (_with_interval(found[name]) for name in AGREEMENT[:3])
    right = (found[name].value for name in ACCURACY)
    return (whom, found["judge_f1"].n, found["judge_f1"].unscored, f1, kappa, unsure, *right)


def _with_interval(measure: Measure) -> str:
    if measure.value is None:
        return UNDEFINED
    return f"{written(measure.value)} {interval(measure.low, measure.high)}"

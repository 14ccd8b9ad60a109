"""What fitting a judge came to: its score on groups that each head had not seen, fold by fold.

Floor 7. Every figure is of held-out groups only.
"""

from __future__ import annotations

from overseer.models.judges import OVERALL, Fitted, FoldScore
from overseer.reports.tables import Grid, interval, plain

COLUMNS = ("held-out groups", "rows", "broken", "F1", "κ", "unsure", "right when sure", "right when unsure")


def judge_report(fitted: Fitted) -> str:
    """Folds, what was learned and what was left out, as plain lines."""
    rows = tuple(_row(fold) for fold in fitted.folds)
    left = f"; {fitted.unlabelled} unlabelled rows left out" if fitted.unlabelled else ""
    few = f"; too few exemplars for {', '.join(fitted.too_few)}" if fitted.too_few else ""
    note = f"{fitted.path}: learned {', '.join(fitted.learned)}{few}{left}"
    folds = Grid("Score on groups that the head has not seen", COLUMNS, rows)
    named = dict(zip(OVERALL, ("F1", "κ", "unsure", "right when sure", "right when unsure"), strict=True))
    overall = tuple((named[each.name], each.value, interval(each.low, each.high), each.n) for each in fitted.overall)
    every = Grid(
        "Every row by the head that has not seen its group", ("", "value", "95 % interval", "n"), overall, note
    )
    return f"{plain(folds)}\n\n{plain(every)}"


def _row(fold: FoldScore) -> tuple[str, int, int, float | None, float | None, float, float | None, float | None]:
    groups = ", ".join(fold.groups)
    return (groups, fold.rows, fold.broken, fold.f1, fold.kappa, fold.unsure, fold.accuracy_sure, fold.accuracy_unsure)

"""What became of appeals: upheld, overturned, not judged, still to be heard; in all, and by the stage they started at.

The walk's step 10, beside `measures`, outside of which appeals stand: the same task is not counted twice. Knows no
journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import get_args

from overseer.metrics.statistics import Measure, Rate, Table
from overseer.records import Appeal
from overseer.recourse import Came

TITLE = "Appeals"
_CAME: tuple[Came, ...] = get_args(Came)


def measure_appeals(
    appeals: Iterable[tuple[Appeal, Came]], who: Mapping[str, str]
) -> tuple[tuple[Measure, ...], tuple[Table, ...]]:
    """The share overturned, of those judged, and a table by stage; nothing where nobody appealed.

    `who`: the jurors of a stage in words, by its id. The appeals of one task are one cluster.
    """
    by_stage: dict[str, Counter[Came]] = {}
    by_task: dict[str, Counter[Came]] = {}
    for appeal, came in appeals:
        by_stage.setdefault(who.get(appeal.stage, appeal.stage), Counter())[came] += 1
        by_task.setdefault(appeal.of, Counter())[came] += 1
    if not by_stage:
        return (), ()
    rate = Rate()
    for counts in by_task.values():
        rate.add(counts["overturned"], counts["overturned"] + counts["upheld"])
        rate.unscored += counts["unjudged"] + counts["pending"]
    counted = sorted(by_stage.items())
    rows: tuple[tuple[str | int, ...], ...] = tuple(
        (stage, counts.total(), *(counts[came] for came in _CAME)) for stage, counts in counted
    )
    note = "overturned: another outcome, or another text released; outside all other figures but persons'"
    table = Table(TITLE, ("stage", "appeals", *_CAME), rows, note)
    return (rate.measure("overturned", "appeals that were judged"),), (table,)

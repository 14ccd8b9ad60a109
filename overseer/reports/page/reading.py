"""A run read for its page: one pass over its episodes for figures and rows alike, then its appeals and its queue.

Floor 7, before `document`. What tells of answers known to be harmful is left out: those who review may read the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from overseer.checkpoints import Queue
from overseer.journal import replay
from overseer.journal.reader import open_reader
from overseer.metrics.measures import Row
from overseer.reports.page.contents import Contents, Section, Waiting
from overseer.reports.page.flow import Flow
from overseer.reports.page.rows import Rows
from overseer.runs import Run


def read_contents(run: Run, now: datetime, appended: Sequence[Section] = ()) -> Contents:
    """All of a run's page, also while the run goes on."""
    hierarchy = run.setup.hierarchy
    flow, rows = Flow(), Rows(hierarchy, run.source.total)

    def listen(graded: Iterable[Row]) -> Iterator[Row]:
        for episode, last, first in graded:
            flow.add(episode)
            rows.add(episode, last, first)
            yield episode, last, first

    measures = run.measures(listen)
    with open_reader(run.path) as reader:
        for appeal, is_heard in reader.appeals():
            if is_heard:
                rows.add(replay.episode(reader, appeal.id, run.walk, run.rehear), None, None)
    return Contents(
        hierarchy,
        measures,
        flow,
        rows,
        run.source.total,
        now.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        tuple(_facts(run)),
        tuple(_waiting(run)),
        tuple(appended),
    )


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    manifest = run.manifest
    yield "run", run.path.name
    yield "begun", manifest.created
    yield "seed", manifest.seed or "none: its chance was drawn afresh"
    if manifest.parent:
        yield "forked from", manifest.parent
    yield "made with", ", ".join(f"{name} {version}" for name, version in sorted(manifest.versions.items()))


def _waiting(run: Run) -> Iterator[Waiting]:
    """The queue, as those see it who review: no task, no place, and not whether chance drew it."""
    for each in Queue(run.path, run).listed():
        yield Waiting(
            each.id,
            each.who,
            each.seat,
            each.risk,
            each.disagreement,
            each.state,
            _time(each.asked),
            None if each.deadline is None else _time(each.deadline),
        )


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")

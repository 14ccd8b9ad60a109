"""Appeals while a session runs: taken up from the inbox, put on record as tasks of their own, and heard to their end.

The walk's step 7, beside `people`. An appeal is on record before its file goes, and is then a task like others: it
parks, waits and resumes as they do. Decides nothing about an output: `oversight.appeal` does.
"""

from __future__ import annotations

from collections.abc import Awaitable

from overseer.hierarchy import Hierarchy
from overseer.journal import appeals, inbox, replay
from overseer.journal.encoding import decode_task
from overseer.journal.reader import History, Reader
from overseer.journal.store import Event, Journal
from overseer.oversight.appeal import rehear, unfit
from overseer.records import Appeal, Audit
from overseer.running.way import Oversee, task_event


def unheard(reader: Reader) -> list[str]:
    """The appeals on record that have not been heard to their end, in the order of taking up."""
    return [appeal.id for appeal, heard in reader.appeals() if not heard]


def steps(reader: Reader, history: History, oversee: Oversee, hierarchy: Hierarchy, audit: Audit) -> replay.Step:
    """How a begun task goes, also where it is an appeal: from the episode before it, replayed from the journal."""
    return replay.steps(
        reader,
        history,
        lambda task: oversee(task, hierarchy, audit),
        lambda appeal, old: rehear(appeal, old, hierarchy, audit),
    )


async def take_up(journal: Journal, hierarchy: Hierarchy) -> list[str]:
    """Put what lies in the inbox on record, then drop its files; the appeals that can be heard now, once durable.

    One whose episode has not ended lies on. What is no appeal, or can never be heard, is set aside.
    """
    reader = journal.reader
    fresh: list[str] = []
    files: list[str] = []
    written: Awaitable[None] | None = None
    for name, appeal in appeals.lying(journal.run):
        known = None if appeal is None else reader.history(appeal.id)
        before = None if appeal is None else reader.history(appeal.against)
        if appeal is None or not _can_be(appeal, known, before, hierarchy):
            inbox.refuse(journal.run, name)
        elif known is not None:  # the process died before the file went
            files.append(name)
        elif before is not None and before.end is not None:
            task = appeals.task_of(appeal, decode_task(before.task))
            events = [task_event(task), Event(appeal.id, "appeal", appeals.encode_appeal(appeal))]
            written = journal.append(events)
            fresh.append(appeal.id)
            files.append(name)
    if written is not None:
        await written
    if files:
        inbox.drop(journal.run, files)
    return fresh


def _can_be(appeal: Appeal, known: History | None, before: History | None, hierarchy: Hierarchy) -> bool:
    """Does the stage exist, is no other appeal on record under this id, and is what it appeals fit for it?"""
    if all(stage.id != appeal.stage for stage in hierarchy.stages) or (known is not None and known.appeal != appeal):
        return False
    return before is None or before.end is None or unfit(before.end.rule) is None

"""Takes a run's tasks through the hierarchy: many under way, each reply journalled before it enters the generator.

The walk's step 7. `session` drives the tasks, `listening` hears real people meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass

from overseer.config.hierarchy_schema import Limits
from overseer.errors import JournalError
from overseer.hierarchy import Hierarchy
from overseer.journal import control
from overseer.journal.store import Journal
from overseer.oversight import oversee as oversee_task
from overseer.records import Audit, Episode, Task
from overseer.reviewers import Reviewer
from overseer.running import hearing
from overseer.running.asking import Desk, require_reviewers
from overseer.running.feed import Feed
from overseer.running.listening import Attend, Ear
from overseer.running.session import Progress, Running
from overseer.running.way import Oversee, Way, told


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a session of a run came to its end, in tasks.

    `ended` counts those found ended, too. `pending_person` wait for somebody at a console, `pending_budget` for a
    larger budget. `stopped`: it was asked to stop, and tasks are left that could go on.
    """

    ended: int
    pending_person: int
    pending_budget: int
    stopped: bool


async def run_tasks(
    tasks: Iterable[Task] | AsyncIterable[Task],
    hierarchy: Hierarchy,
    audit: Audit,
    reviewers: Mapping[str, Reviewer],
    journal: Journal,
    *,
    limits: Limits | None = None,
    stop: asyncio.Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    attend: Attend | None = None,
    oversee: Oversee = oversee_task,
    clock: Callable[[], float] = time.time,
) -> RunResult:
    """Take all tasks as far as they go; a run that was interrupted goes on where its journal ends.

    Persons for whom `reviewers` names somebody (simulated ones) are served in waves, one look at a time. Anybody else
    answers through the run's inbox: what lies there is taken up as it comes. `attend` is awaited once nothing goes on
    without people; without it, or when it ends, their tasks stay pending. Once `stop` is set, the batches in flight
    are finished and journalled. `clock`: seconds since 1970, which deadlines of people count by.
    Raises `ConfigError` where nobody answers for an agent, `JournalError` where the run is paused, or the journal
    cannot be written or holds other answers than this hierarchy asks for.
    """
    require_reviewers(hierarchy, reviewers, persons=False)
    limits = limits or Limits()
    if (paused := control.standing(journal.run, "pause")) is not None:
        raise JournalError(
            f"{journal.run}: paused by {paused.by}: {paused.because} (lift it: overseer pause {journal.run} --off)"
        )
    session = Running(
        hierarchy,
        audit,
        Desk(hierarchy, reviewers, limits),
        journal,
        limits.window,
        stop or asyncio.Event(),
        progress,
        oversee,
        clock,
    )
    session.recall(reviewers)
    feed = Feed(tasks, session.stop)
    try:
        await _drive(session, feed, attend)
    except BaseExceptionGroup as group:
        raise _first(group) from None
    finally:
        control.lift(journal.run, "stop")
        session.tell(always=True)
    stopped = session.stop.is_set() and session.has_more(feed.exhausted)
    return RunResult(session.ended, *session.pending(), stopped)


async def _drive(session: Running, feed: Feed, attend: Attend | None) -> None:
    """Take all tasks as far as they go; obey orders and hear people meanwhile, and after."""
    done, ear = asyncio.Event(), Ear(session)
    await hearing.take_up(session.journal, session.hierarchy)  # before anything is under way: their order is fixed
    unheard = hearing.unheard(session.journal.reader)
    async with asyncio.TaskGroup() as group:
        group.create_task(ear.obey(done))
        group.create_task(ear.listen(done))
        try:
            await session.walk(feed.next)
            await session.move(unheard)
            await session.serve_persons()
            await ear.hear_all(attend)
        finally:
            done.set()


async def oversee_one(task: Task, hierarchy: Hierarchy, audit: Audit, desk: Desk) -> Episode:
    """Take one task all the way, for a program's own service: persons are asked as models are, without a queue.

    Every agent, people too, needs a reviewer at the desk. Nothing is journalled; still, what enters the generator is
    what a journal would give back.
    """
    way = Way(task, oversee_task(task, hierarchy, audit))
    while way.episode is None:
        replies = await desk.ask(way.fresh)
        way.hear([told(task, request, reply)[1] for request, reply in zip(way.fresh, replies, strict=True)])
        way.go_on()
    return way.episode


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group: the others are what its siblings met on the way out."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

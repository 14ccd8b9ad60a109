"""Takes a run's tasks through the hierarchy: many under way, each reply journalled before it enters the generator.

The walk's step 7. A fixed number of workers pull tasks; what waits for a person is parked as its id and sort key, and
replayed from the journal when its turn comes. Decides nothing about an output: it only answers requests.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from overseer.config.hierarchy_schema import Limits
from overseer.errors import ConfigError, JournalError
from overseer.hierarchy import Hierarchy
from overseer.journal.chain import RESTORE
from overseer.journal.encoding import Ruled, decode_task, encode_ruled, task_key
from overseer.journal.store import Event, Journal
from overseer.oversight import oversee as oversee_task
from overseer.records import Audit, Episode, RuleRequest, Task
from overseer.reviewers import Reviewer
from overseer.running.asking import Desk, require_reviewers
from overseer.running.feed import Feed
from overseer.running.persons import Ledger, Parked, parked
from overseer.running.way import Oversee, Way, end_event, task_event, told

PROGRESS_INTERVAL = 0.1
"""Seconds between two calls of `progress`, at the least."""
KEPT = 256
"""Parked tasks whose generators are kept as they are; the rest are replayed when their turn comes."""
SERVED_TOGETHER = 64
"""Looks of simulated persons that share a commit."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Tasks that ended (or were found ended), tasks that wait for a person, tasks ended per second of this session."""

    done: int
    pending: int
    rate: float


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


@runtime_checkable
class Tires(Protocol):
    """Simulated persons whose answers depend on how many rulings they have `served`: restored on resume."""

    served: int


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
    oversee: Oversee = oversee_task,
) -> RunResult:
    """Take all tasks as far as they go; a run that was interrupted goes on where its journal ends.

    Persons for whom `reviewers` names somebody (simulated ones) are served in waves, one look at a time; a task that
    waits for anybody else stays pending. Once `stop` is set, the batches in flight are finished and journalled.
    Raises `ConfigError` where nobody answers for an agent, `JournalError` where the journal cannot be written or holds
    other answers than this hierarchy asks for.
    """
    require_reviewers(hierarchy, reviewers, persons=False)
    limits = limits or Limits()
    run = _Run(
        hierarchy, audit, Desk(hierarchy, reviewers, limits), journal, stop or asyncio.Event(), progress, oversee
    )
    run.recall(reviewers)
    feed = Feed(tasks, run.stop)
    try:
        await run.walk(feed.next, limits.window)
        await run.serve_persons(limits.window)
    except BaseExceptionGroup as group:
        raise _first(group) from None
    finally:
        run.tell(always=True)
    return RunResult(
        run.ended, run.pending_person, run.pending_budget, run.stop.is_set() and run.has_more(feed.exhausted)
    )


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


# --- all of them ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    hierarchy: Hierarchy
    audit: Audit
    desk: Desk
    journal: Journal
    stop: asyncio.Event
    progress: Callable[[Progress], None] | None
    oversee: Oversee
    ended: int = 0
    pending_person: int = 0
    pending_budget: int = 0
    left: int = 0
    """Tasks that were put down because of the stop."""
    queue: list[Parked] = field(default_factory=list)
    kept: dict[str, Way] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    """The tasks of the queue, by id: one that comes again is no second task."""
    started: float = field(default_factory=time.monotonic)
    told: float = 0.0
    ended_here: int = 0
    ledger: Ledger = field(init=False)
    persons: frozenset[str] = field(init=False)
    """The agents that are people and for whom a reviewer answers: simulated persons."""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.hierarchy.stages)
        self.persons = frozenset(name for name in self.hierarchy.persons if self.desk.serves(name))

    def recall(self, reviewers: Mapping[str, Reviewer]) -> None:
        """Restore what earlier sessions spent of budgets, and how many looks each simulated person has served."""
        served: Counter[str] = Counter()
        for ruled in self.journal.reader.rulings():
            self.ledger.enter(ruled)
            served[ruled.agent] += 1
        for name in self.persons:
            person = reviewers[name]
            if isinstance(person, Tires):
                person.served = served[name]

    # -- as far as it goes without a person

    async def walk(self, pull: Callable[[], Awaitable[Task | None]], workers: int) -> None:
        """Take what `pull` gives, with so many under way at once, each to its end or to a person."""

        async def work() -> None:
            while not self.stop.is_set() and (task := await pull()) is not None:
                way = self._begin(task)
                if way is not None:
                    await self._advance(way)
                    self.under_way.discard(task.id)
                self.tell()

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())

    def _begin(self, task: Task) -> Way | None:
        """A task's way from where the journal ends; None if it has ended."""
        if task.id in self.under_way or task.id in self.waiting:
            raise ConfigError(f"task {task.id!r} comes twice in the input (give each task an id of its own)")
        if task.id in self.kept:
            return self.kept.pop(task.id)
        body = task_event(task).body
        if self.journal.ended_before(task_key(body)):
            self.ended += 1
            return None
        history = self.journal.reader.history(task.id)
        if history is not None and (history.task != body.encode() or history.end is not None):
            raise JournalError(
                f"task {task.id!r} (place {task.place}) stands in the journal with another place or other words, or "
                "comes twice (ids must differ, and the input of a run must not change)"
            )
        self.under_way.add(task.id)
        steps = self.oversee(task, self.hierarchy, self.audit)
        way = Way(task, steps, history.replies if history else None, self.persons)
        way.go_on()
        way.check_all_heard()
        return way

    async def _advance(self, way: Way) -> None:
        events = [] if way.known else [task_event(way.task)]
        way.known = True
        while way.episode is None:
            asked = [request for request in way.fresh if not isinstance(request, RuleRequest)]
            if self.stop.is_set() and asked:
                self.left += 1
                return
            if asked:
                replies = await self.desk.ask(asked)
                heard = [told(way.task, request, reply) for request, reply in zip(asked, replies, strict=True)]
                await self.journal.append([*events, *(event for event, _ in heard)])
                events = []
                way.hear([reply for _, reply in heard])
            if way.fresh:
                if events:
                    await self.journal.append(events)
                self._park(way)
                return
            way.go_on()
        await self.journal.append([*events, end_event(way)])
        self.ended += 1
        self.ended_here += 1

    def _park(self, way: Way) -> None:
        looks = [request for request in way.fresh if isinstance(request, RuleRequest)]
        if not any(look.agent in self.persons for look in looks):
            self.pending_person += 1
            return
        self.queue.append(parked(way.task, way.wave, looks))
        self.waiting.add(way.task.id)
        if len(self.kept) < KEPT:
            self.kept[way.task.id] = way

    # -- persons, in waves

    async def serve_persons(self, workers: int) -> None:
        """Serve the lowest wave whole, one look at a time; let its tasks move on; and so on until nobody waits."""
        while self.queue and not self.stop.is_set():
            self.queue.sort()
            lowest = self.queue[0].wave
            wave = [each for each in self.queue if each.wave == lowest]
            del self.queue[: len(wave)]
            moving = iter(await self._serve(wave))

            async def pull(moving: Iterator[str] = moving) -> Task | None:
                id_ = next(moving, None)
                return None if id_ is None else self._task(id_)

            await self.walk(pull, workers)
            self.left += sum(1 for _ in moving)

    async def _serve(self, wave: Sequence[Parked]) -> list[str]:
        """Offer each task of a wave to its persons; the tasks that can move on, once all is durable."""
        moving: list[str] = []
        written: Awaitable[None] | None = None
        for number, each in enumerate(wave, start=1):
            if self.stop.is_set():
                self.left += len(wave) - number + 1
                break
            self.waiting.discard(each.task)
            way = self.kept.get(each.task) or self._begin(self._task(each.task))
            assert way is not None, "a parked task has not ended"
            self.under_way.discard(each.task)
            written = await self._look(way) or written
            if not way.fresh:
                moving.append(each.task)
            else:
                self.kept.pop(each.task, None)
                simulated = any(request.agent in self.persons for request in way.fresh)
                self.pending_budget += simulated
                self.pending_person += not simulated
            if number % SERVED_TOGETHER == 0 and written is not None:
                await written
                self.tell()
        if written is not None:
            await written
        return moving

    async def _look(self, way: Way) -> Awaitable[None] | None:
        """Have a task's open looks answered as far as budgets go, each appended in the order served."""
        written: Awaitable[None] | None = None
        for look in way.fresh:
            if not isinstance(look, RuleRequest) or look.agent not in self.persons:
                continue
            first = not look.mandatory and not way.has_looked(look.stage)
            if first and not self.ledger.grants(look.stage):
                continue
            (reply,) = await self.desk.ask([look])
            _, reply = told(way.task, look, reply)
            ruled = Ruled(look.agent, look.seat, look.stage, look.mandatory, first, reply)
            self.ledger.enter(ruled)
            written = self.journal.append([Event(way.task.id, "ruling", encode_ruled(ruled))])
            way.hear([reply])
        return written

    def _task(self, id_: str) -> Task:
        if id_ in self.kept:
            return self.kept[id_].task
        history = self.journal.reader.history(id_)
        if history is None:
            raise JournalError(f"task {id_!r} is not in the journal, though it was ({RESTORE})")
        return decode_task(history.task)

    # -- what is told of it

    def tell(self, *, always: bool = False) -> None:
        """Report progress, at most ten times a second."""
        now = time.monotonic()
        if self.progress is None or (now - self.told < PROGRESS_INTERVAL and not always):
            return
        self.told = now
        pending = len(self.queue) + self.pending_person + self.pending_budget
        self.progress(Progress(self.ended, pending, self.ended_here / max(now - self.started, 1e-9)))

    def has_more(self, exhausted: bool) -> bool:
        """Is anything left that could have gone on?"""
        return not exhausted or self.left > 0 or bool(self.queue)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group: the others are what its siblings met on the way out."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

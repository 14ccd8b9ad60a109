"""One session of a run: its tasks walk side by side, and simulated persons are served in waves.

The walk's step 7, under `runner`. What waits for a person is parked as its id and sort key, and replayed from the
journal when its turn comes; how real people are heard stands in `listening`. Decides nothing about an output: it only
answers requests.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from overseer.decisions import is_known_bad
from overseer.errors import ConfigError, JournalError
from overseer.hierarchy import Hierarchy
from overseer.journal.appeals import is_reserved
from overseer.journal.chain import RESTORE
from overseer.journal.encoding import Ruled, decode_task, encode_ruled, task_key
from overseer.journal.reader import History
from overseer.journal.store import Event, Journal
from overseer.records import Audit, RuleRequest, Task
from overseer.reviewers import Reviewer
from overseer.running import hearing
from overseer.running.asking import Desk
from overseer.running.people import People
from overseer.running.persons import Ledger, Parked, in_turn, parked
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


@runtime_checkable
class Tires(Protocol):
    """Simulated persons whose answers depend on how many rulings they have `served`: restored on resume."""

    served: int


@dataclass(slots=True)
class Running:
    """A session: what is under way, parked and waiting, and the parts that drive it."""

    hierarchy: Hierarchy
    audit: Audit
    desk: Desk
    journal: Journal
    workers: int
    stop: asyncio.Event
    progress: Callable[[Progress], None] | None
    oversee: Oversee
    clock: Callable[[], float]
    ended: int = 0
    unpaid: int = 0
    """Tasks that wait for a simulated person whose budget is spent."""
    left: int = 0
    """Tasks that were put down because of the stop."""
    queue: list[Parked] = field(default_factory=list)
    kept: dict[str, Way] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    """The tasks of the queue, by id: one that comes again is no second task."""
    going: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set while somebody pauses the run."""
    started: float = field(default_factory=time.monotonic)
    told: float = 0.0
    ended_here: int = 0
    ledger: Ledger = field(init=False)
    people: People = field(init=False)
    persons: frozenset[str] = field(init=False)
    """The agents that are people and for whom a reviewer answers: simulated persons."""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.hierarchy.stages)
        self.people = People(self.journal.run, self.hierarchy, self.ledger, self.clock)
        self.persons = frozenset(name for name in self.hierarchy.persons if self.desk.serves(name))
        self.going.set()

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

    async def walk(self, pull: Callable[[], Awaitable[Task | None]]) -> None:
        """Take what `pull` gives, with so many under way at once, each to its end or to a person."""

        async def work() -> None:
            while not self.stop.is_set() and (task := await pull()) is not None:
                await self.going.wait()
                way = self.begin(task)
                if way is not None:
                    await self._advance(way)
                    self.under_way.discard(task.id)
                self.tell()

        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(work())

    async def move(self, moving: Sequence[str]) -> None:
        """Walk on with parked tasks."""
        ids = iter(moving)

        async def pull() -> Task | None:
            id_ = next(ids, None)
            return None if id_ is None else self.task(id_)

        await self.walk(pull)
        self.left += sum(1 for _ in ids)

    def begin(self, task: Task) -> Way | None:
        """A task's way from where the journal ends; None if it has ended."""
        if task.id in self.under_way or task.id in self.waiting or task.id in self.people.tasks:
            raise ConfigError(f"task {task.id!r} comes twice in the input (give each task an id of its own)")
        if task.id in self.kept:
            self.under_way.add(task.id)
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
        if is_reserved(task.id) and (history is None or history.appeal is None):
            raise ConfigError(f"task {task.id!r}: an id that ends so is an appeal's (give the task another)")
        self.under_way.add(task.id)
        return self.way(task, history)

    def way(self, task: Task, history: History | None) -> Way:
        """A task's way as far as its history takes it."""
        if history is None:
            steps = self.oversee(task, self.hierarchy, self.audit)
        else:
            steps = hearing.steps(self.journal.reader, history, self.oversee, self.hierarchy, self.audit)
        way = Way(task, steps, history.replies if history else None, self.persons)
        if history is not None:
            way.asked.update(history.asked)
            way.granted.update(history.granted)
        way.go_on()
        way.check_all_heard()
        return way

    async def _advance(self, way: Way) -> None:
        events = [] if way.known else [task_event(way.task)]
        way.known = True
        while way.episode is None:
            await self.going.wait()
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
                events += self.people.ask(way, self._for_people(way))
                if events:
                    await self.journal.append(events)
                self._park(way)
                return
            way.go_on()
        await self.journal.append([*events, end_event(way)])
        if way.episode.appeal is None:
            self.ended += 1
            self.ended_here += 1

    def _for_people(self, way: Way) -> list[RuleRequest]:
        """The open looks of real people."""
        looks = (request for request in way.fresh if isinstance(request, RuleRequest))
        return [look for look in looks if look.agent not in self.persons]

    def _park(self, way: Way) -> None:
        looks = [request for request in way.fresh if isinstance(request, RuleRequest)]
        if any(look.agent in self.persons for look in looks):
            self.queue.append(self._parked(way, looks))
            self.waiting.add(way.task.id)
        else:
            self.people.park(way, looks)
        self.keep(way)

    def _parked(self, way: Way, looks: Sequence[RuleRequest]) -> Parked:
        """Where a task with these looks open stands in the queue of simulated persons."""
        needs = [self._needs(way, look) for look in looks if look.agent in self.persons]
        return parked(
            way.task,
            way.wave,
            looks,
            tries=is_known_bad(way.task, self.audit),
            needs=() if None in needs else [stage for stage in needs if stage is not None],
            begun=any(request.agent in self.persons and request.id in way.replies for request in way.batch),
        )

    def _needs(self, way: Way, look: RuleRequest) -> str | None:
        """The stage whose budget must grant this look; None where none must."""
        return None if look.mandatory or way.has_looked(look.stage) else look.stage

    def keep(self, way: Way) -> None:
        """Keep a parked task's generator as it is, if there is room."""
        if len(self.kept) < KEPT:
            self.kept[way.task.id] = way

    def task(self, id_: str) -> Task:
        """A task that was begun, from its id."""
        if id_ in self.kept:
            return self.kept[id_].task
        return decode_task(self.history(id_).task)

    def history(self, id_: str) -> History:
        """What the journal holds of a task that was begun."""
        history = self.journal.reader.history(id_)
        if history is None:
            raise JournalError(f"task {id_!r} is not in the journal, though it was ({RESTORE})")
        return history

    # -- simulated persons, in waves

    async def serve_persons(self) -> None:
        """Serve the lowest wave whole, one look at a time; let its tasks move on; and so on until nobody waits."""
        while self.queue and not self.stop.is_set():
            self.queue.sort()
            lowest = self.queue[0].wave
            wave = [each for each in self.queue if each.wave == lowest]
            del self.queue[: len(wave)]
            await self.move(await self._serve(wave))

    async def _serve(self, wave: Sequence[Parked]) -> list[str]:
        """Offer each task of a wave to its persons; the tasks that can move on, once all is durable."""
        moving: list[str] = []
        written: Awaitable[None] | None = None
        for number, each in enumerate(in_turn(wave, self.ledger, self.audit.key), start=1):
            await self.going.wait()
            if self.stop.is_set():
                self.left += len(wave) - number + 1
                break
            way = self.kept.pop(each.task, None) or self.way(self.task(each.task), self.history(each.task))
            written = await self._look(way) or written
            self.waiting.discard(each.task)
            if not way.fresh:
                self.keep(way)
                moving.append(each.task)
            elif looks := self._for_people(way):
                self.people.park(way, looks)
            else:
                self.unpaid += 1
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
            first = self._needs(way, look) is not None
            if first and not self.ledger.grants(look.stage):
                continue
            (reply,) = await self.desk.ask([look])
            _, reply = told(way.task, look, reply)
            ruled = Ruled(look.agent, look.seat, look.stage, look.mandatory, first, reply)
            self.ledger.enter(ruled)
            written = self.journal.append([Event(way.task.id, "ruling", encode_ruled(ruled))])
            way.hear([reply])
        return written

    # -- what is told of it

    def pending(self) -> tuple[int, int]:
        """Tasks that wait for a real person, and for a larger budget."""
        unserved = self.people.unserved(self.journal.reader)
        return len(self.people.tasks) - unserved, self.unpaid + unserved

    def tell(self, *, always: bool = False) -> None:
        """Report progress, at most ten times a second."""
        now = time.monotonic()
        if self.progress is None or (now - self.told < PROGRESS_INTERVAL and not always):
            return
        self.told = now
        pending = len(self.queue) + len(self.people.tasks) + self.unpaid
        self.progress(Progress(self.ended, pending, self.ended_here / max(now - self.started, 1e-9)))

    def has_more(self, exhausted: bool) -> bool:
        """Is anything left that could have gone on?"""
        return not exhausted or self.left > 0 or bool(self.queue)

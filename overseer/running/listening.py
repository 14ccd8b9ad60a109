"""Hears real people while a session runs: takes up rulings, lets deadlines fire, obeys pause and stop.

The walk's step 7, beside `session`. A ruling is journalled before its file goes; what it comes to stands in `people`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any

from overseer.journal import control, inbox
from overseer.journal.encoding import Left, decode_task
from overseer.journal.store import Event
from overseer.running import hearing
from overseer.running.session import Running
from overseer.running.way import Way

INTERVAL = 0.1
"""Seconds between two looks into the inbox, and for orders."""
Attend = Callable[[], Coroutine[Any, Any, None]]
"""Is awaited once nothing goes on without people; while it lasts, what they answer is taken up as it comes."""


class Ear:
    """What a session hears from outside: rulings in the inbox, deadlines, orders."""

    def __init__(self, session: Running) -> None:
        self.session = session
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()

    async def hear_all(self, attend: Attend | None) -> None:
        """Take up what lies in the inbox until nothing moves; with `attend`, until everybody answered, or it ends."""
        session = self.session
        async with asyncio.TaskGroup() as group:
            attending: asyncio.Task[None] | None = None
            stopped = group.create_task(session.stop.wait())
            while not session.stop.is_set():
                self._news.clear()
                moved = await self.turn()
                await session.serve_persons()
                if moved:
                    continue
                if not session.people.tasks or attend is None or (attending is not None and attending.done()):
                    break
                attending = attending or group.create_task(attend())
                news = group.create_task(self._news.wait())
                await asyncio.wait((attending, news, stopped), return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
            stopped.cancel()
            if attending is not None:
                attending.cancel()

    async def listen(self, done: asyncio.Event) -> None:
        """Take up what people leave while the session works."""
        while not done.is_set():
            if self.session.going.is_set() and not self.session.stop.is_set():
                await self.turn()
            await _pause(done)

    async def turn(self) -> bool:
        """Take up what people left, rulings and appeals, and whose time ran out; walk on with it; did anything move?"""
        session = self.session
        await session.going.wait()
        async with self._turn:
            moving = await self._take_up(session.people.lying())
            if events := session.people.grant():
                await session.journal.append(events)
            for task in session.people.overdue():
                moving += await self._expire(task)
            moving += await hearing.take_up(session.journal, session.hierarchy)
            if moving:
                await session.move(moving)
                self._news.set()
            return bool(moving)

    async def _take_up(self, lying: Mapping[str, Mapping[str, Left]]) -> list[str]:
        """Journal rulings, then drop their files; the tasks that can move on, once all is durable."""
        session, reader = self.session, self.session.journal.reader
        ways: list[Way] = []
        files: list[str] = []
        written: Awaitable[None] | None = None
        for task, mine in lying.items():
            history = reader.history(task)
            if history is not None and history.end is None and task not in session.people.tasks:
                continue  # on its way: what was left for it is read when it waits again, or when its turn comes
            way = None
            if history is not None and history.end is None:
                way = session.kept.pop(task, None) or session.way(decode_task(history.task), history)
                ways.append(way)
            heard = session.people.hear(way, history, mine)
            if heard.events:
                written = session.journal.append(heard.events)
            files += heard.files
        if written is not None:
            await written
        if files:
            inbox.drop(session.journal.run, files)
        return self._released(ways)

    async def _expire(self, task: str) -> list[str]:
        """Fail the seats of a task whose time ran out, once what came in time is taken up."""
        session = self.session
        with inbox.closed(session.journal.run):
            moving = await self._take_up(session.people.lying(only=task))
            if moving or task not in session.people.tasks:
                return moving
            way = session.kept.pop(task, None) or session.way(session.task(task), session.history(task))
            if events := session.people.expire(way).events:
                await session.journal.append(events)
        return self._released([way])

    def _released(self, ways: Iterable[Way]) -> list[str]:
        """Of the tasks that waited for people, those that wait no more; the others wait on."""
        moving = []
        for way in ways:
            self.session.keep(way)
            if not way.fresh:
                self.session.people.release(way.task.id)
                moving.append(way.task.id)
        return moving

    async def obey(self, done: asyncio.Event) -> None:
        """Hold the run while a pause stands; stop it on an order to; both on record."""
        session, run = self.session, self.session.journal.run
        while not done.is_set():
            pause, stop = control.standing(run, "pause"), control.standing(run, "stop")
            if stop is not None and not session.stop.is_set():
                await self._record(stop.model_dump_json())
                session.stop.set()
            if pause is not None and session.going.is_set() and not session.stop.is_set():
                session.going.clear()
                await self._record(pause.model_dump_json())
            elif (pause is None or session.stop.is_set()) and not session.going.is_set():
                session.going.set()
                await self._record(json.dumps({"what": "go on", "at": session.clock()}))
            await _pause(done)

    async def _record(self, order: str) -> None:
        await self.session.journal.append([Event("", "control", order)])


async def _pause(done: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(INTERVAL):
            await done.wait()

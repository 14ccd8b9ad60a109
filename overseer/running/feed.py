"""Tasks one by one, from any iterable, to the workers of a run.

The walk's step 7, where tasks come in. Knows neither hierarchy nor journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable

from overseer.records import Task


class Feed:
    """Tasks one by one, from any iterable; none after the stop, even while the next is waited for."""

    def __init__(self, tasks: Iterable[Task] | AsyncIterable[Task], stop: asyncio.Event) -> None:
        self.exhausted = False
        self._stop = stop
        self._lock = asyncio.Lock()
        if isinstance(tasks, AsyncIterable):
            self._coming = aiter(tasks)
            self._pull = self._await
        else:
            self._ready = iter(tasks)
            self._pull = self._take

    async def next(self) -> Task | None:
        """The next task; None if there is none, or the run stops."""
        async with self._lock:
            return None if self.exhausted or self._stop.is_set() else await self._pull()

    async def _take(self) -> Task | None:
        task = next(self._ready, None)
        self.exhausted = task is None
        return task

    async def _await(self) -> Task | None:
        """Wait for a task or for the stop, whichever comes first."""

        async def coming() -> Task | None:
            return await anext(self._coming, None)

        async with asyncio.TaskGroup() as group:
            task, stopped = group.create_task(coming()), group.create_task(self._stop.wait())
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not task.done():
                task.cancel()
        if task.cancelled():
            return None
        self.exhausted = task.result() is None
        return task.result()

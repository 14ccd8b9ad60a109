"""Whatever waits is done together, on one thread: jobs come in one by one from event loops and go out in batches.

Between `models.local` and its weights. The loop stays free; no job waits for others to come, and none longer than for
the batch under way and for those that came before it. A job whose caller was cancelled is left out of the next batch,
and a batch under way can ask. Knows nothing of models.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[J, R]):
    """A job, and where its result is waited for."""

    job: J
    future: Future[R]

    @property
    def dropped(self) -> bool:
        """Does nobody wait for it any more?"""
        return self.future.cancelled()

    def answer(self, result: R) -> None:
        """Hand the result over; whoever left meanwhile gets none."""
        with suppress(InvalidStateError):
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Raise where the result is waited for."""
        with suppress(InvalidStateError):
            self.future.set_exception(error)


class Batches(Generic[J, R]):
    """A thread that does jobs: `kind` says which may share a batch and how many do, `work` does one batch.

    Both run on the thread. A batch is of the kind that has waited longest, oldest jobs first. What either raises is
    raised where the jobs concerned are waited for.
    """

    def __init__(
        self, kind: Callable[[J], tuple[Hashable, int]], work: Callable[[Sequence[Waiting[J, R]]], None], name: str
    ) -> None:
        self._kind = kind
        self._work = work
        self._lock = Lock()
        self._fresh: list[Waiting[J, R]] = []
        self._busy = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def do(self, job: J) -> R:
        """The result of this job. Cancelling the wait drops the job."""
        mine: Waiting[J, R] = Waiting(job, Future())
        with self._lock:
            self._fresh.append(mine)
        # After whatever else is ready in this turn of the loop: what is asked together is done together.
        asyncio.get_running_loop().call_soon(self._wake)
        return await asyncio.wrap_future(mine.future)

    def _wake(self) -> None:
        with self._lock:
            if self._busy or not self._fresh:
                return
            self._busy = True
        self._thread.submit(self._serve)

    def _serve(self) -> None:
        """Batch after batch until nothing waits."""
        sorted_: dict[Hashable, tuple[int, list[Waiting[J, R]]]] = {}
        while True:
            with self._lock:
                fresh, self._fresh = self._fresh, []
                if not fresh and not sorted_:
                    self._busy = False
                    return
            for each in fresh:
                self._sort(each, sorted_)
            if sorted_:
                self._one_batch(sorted_)

    def _sort(self, each: Waiting[J, R], into: dict[Hashable, tuple[int, list[Waiting[J, R]]]]) -> None:
        if each.dropped:
            return
        try:
            kind, most = self._kind(each.job)
        except BaseException as error:  # raised where it is waited for: this thread has nobody else to tell
            each.fail(error)
            return
        into.setdefault(kind, (most, []))[1].append(each)

    def _one_batch(self, waiting: dict[Hashable, tuple[int, list[Waiting[J, R]]]]) -> None:
        """Of the kind whose oldest job came first; what is left of it goes behind the others."""
        kind = next(iter(waiting))
        most, jobs = waiting.pop(kind)
        jobs = [each for each in jobs if not each.dropped]
        batch, left = jobs[:most], jobs[most:]
        if left:
            waiting[kind] = (most, left)
        if not batch:
            return
        try:
            self._work(batch)
        except BaseException as error:  # as above
            for each in batch:
                each.fail(error)

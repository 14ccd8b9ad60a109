"""Whatever waits is done together, on one thread: jobs come in one by one from event loops and go out in batches.

Between `models.local` and its weights. The loop stays free. A batch costs the same however few its rows, so one that
is not full waits while others keep coming: a stream of single jobs does not become a stream of single batches. A job
whose caller was cancelled is left out of the next batch, and a batch under way can ask. Knows nothing of models.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition
from time import monotonic
from typing import Generic, TypeVar

J = TypeVar("J")
R = TypeVar("R")

LULL, LONGEST = 0.5, 4.0
"""As multiples of what a batch takes: who comes so long after the last, or after the first, is waited for no more."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[J, R]):
    """A job, where its result is waited for, and since when."""

    job: J
    future: Future[R]
    since: float = field(default_factory=monotonic)

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


Queues = dict[Hashable, tuple[int, list[Waiting[J, R]]]]
"""What waits, by kind: how many of it a batch takes, and the jobs, oldest first. The kind that has waited longest is
first."""


class Batches(Generic[J, R]):
    """A thread that does jobs: `kind` says which may share a batch and how many do, `work` does one batch.

    Both run on the thread. A batch is of the kind that has waited longest of those that need not wait for more, oldest
    jobs first. What either raises is raised where the jobs concerned are waited for.
    """

    def __init__(
        self, kind: Callable[[J], tuple[Hashable, int]], work: Callable[[Sequence[Waiting[J, R]]], None], name: str
    ) -> None:
        self._kind = kind
        self._work = work
        self._came = Condition()
        self._fresh: list[Waiting[J, R]] = []
        self._busy = False
        self._took: dict[Hashable, float] = {}
        """Seconds, of the last batch of each kind; 0 where it was of one job, or the first, which may load weights."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def do(self, job: J) -> R:
        """The result of this job. Cancelling the wait drops the job."""
        mine: Waiting[J, R] = Waiting(job, Future())
        with self._came:
            self._fresh.append(mine)
            self._came.notify()
        # After whatever else is ready in this turn of the loop: what is asked together is done together.
        asyncio.get_running_loop().call_soon(self._wake)
        return await asyncio.wrap_future(mine.future)

    def _wake(self) -> None:
        with self._came:
            if self._busy or not self._fresh:
                return
            self._busy = True
        self._thread.submit(self._serve)

    def _serve(self) -> None:
        """Batch after batch until nothing waits."""
        waiting: Queues[J, R] = {}
        while True:
            with self._came:
                fresh, self._fresh = self._fresh, []
                if not fresh and not waiting:
                    self._busy = False
                    return
            for each in fresh:
                self._sort(each, waiting)
            pauses = {kind: self._pause(kind, *queue) for kind, queue in waiting.items()}
            if ready := [kind for kind, pause in pauses.items() if pause <= 0]:
                self._one_batch(ready[0], waiting)
            elif pauses:
                with self._came:
                    if not self._fresh:
                        self._came.wait(min(pauses.values()))

    def _pause(self, kind: Hashable, most: int, jobs: Sequence[Waiting[J, R]]) -> float:
        """Seconds for which this kind waits for more; at most 0: no longer."""
        took = self._took.get(kind, 0.0)
        if len(jobs) >= most or not took:
            return 0.0
        return min(jobs[0].since + LONGEST * took, jobs[-1].since + LULL * took) - monotonic()

    def _sort(self, each: Waiting[J, R], into: Queues[J, R]) -> None:
        if each.dropped:
            return
        try:
            kind, most = self._kind(each.job)
        except BaseException as error:  # raised where it is waited for: this thread has nobody else to tell
            each.fail(error)
            return
        into.setdefault(kind, (most, []))[1].append(each)

    def _one_batch(self, kind: Hashable, waiting: Queues[J, R]) -> None:
        """Of this kind; what is left of it goes behind the others."""
        most, jobs = waiting.pop(kind)
        jobs = [each for each in jobs if not each.dropped]
        batch, left = jobs[:most], jobs[most:]
        if left:
            waiting[kind] = (most, left)
        if not batch:
            return
        began = monotonic()
        try:
            self._work(batch)
        except BaseException as error:  # as above
            for each in batch:
                each.fail(error)
        self._took[kind] = monotonic() - began if len(batch) > 1 and kind in self._took else 0.0

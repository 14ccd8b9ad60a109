"""Jobs that wait together are done together, off the loop, oldest kind first; who leaves is left out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from overseer.models.batching import Batches, Waiting

AT_ONCE = 4


class Doubling:
    """Doubles numbers in batches of one parity, when it is let; keeps each batch and its thread."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.begun, self.let = threading.Event(), threading.Event()
        self.jobs: Batches[int, int] = Batches(self._kind, self._work, "test")

    def _kind(self, job: int) -> tuple[int, int]:
        if job < 0:
            raise ValueError("no kind")
        return job % 2, AT_ONCE

    def _work(self, batch: Sequence[Waiting[int, int]]) -> None:
        self.begun.set()
        assert self.let.wait(10)
        self.threads.add(threading.get_ident())
        self.batches.append([each.job for each in batch])
        for each in batch:
            if each.job == 13:
                raise ArithmeticError("unlucky")
            each.answer(2 * each.job)


def test_what_waits_is_done_together() -> None:
    """Of one kind, at most so many, in the order of coming; every job gets its own result, from one other thread."""
    doubling = Doubling()
    doubling.let.set()

    async def ask() -> list[int]:
        return list(await asyncio.gather(*(doubling.jobs.do(job) for job in (0, 1, 2, 4, 3, 6, 8, 10))))

    assert asyncio.run(ask()) == [0, 2, 4, 8, 6, 12, 16, 20]
    assert doubling.batches == [[0, 2, 4, 6], [1, 3], [8, 10]]
    assert len(doubling.threads) == 1
    assert threading.get_ident() not in doubling.threads


def test_who_is_cancelled_is_left_out_and_nobody_else() -> None:
    """A deadline takes its own job away: out of the queue, and out of what the batch under way has to finish."""
    doubling = Doubling()

    async def ask() -> list[object]:
        first = asyncio.ensure_future(doubling.jobs.do(0))
        await asyncio.to_thread(doubling.begun.wait, 10)
        gone = [asyncio.ensure_future(doubling.jobs.do(job)) for job in (2, 4)]
        kept = asyncio.ensure_future(doubling.jobs.do(6))
        await asyncio.sleep(0)
        for each in (*gone, first):
            each.cancel()
        await asyncio.wait((*gone, first))  # the loop has yet to carry it out: the thread must not go on before
        doubling.let.set()
        return list(await asyncio.gather(first, *gone, kept, return_exceptions=True))

    *cancelled, six = asyncio.run(ask())
    assert all(isinstance(each, asyncio.CancelledError) for each in cancelled)
    assert six == 12
    assert doubling.batches == [[0], [6]]
    assert asyncio.run(doubling.jobs.do(8)) == 16  # and it goes on serving, in another loop


@pytest.mark.parametrize(("job", "error"), [(-1, ValueError), (13, ArithmeticError)], ids=["its kind", "its batch"])
def test_a_bug_is_raised_where_the_result_is_waited_for(job: int, error: type[Exception]) -> None:
    """Nothing hangs, and the thread serves the next job."""
    doubling = Doubling()
    doubling.let.set()

    async def ask() -> tuple[int, int]:
        with pytest.raises(error):
            await doubling.jobs.do(job)
        return await doubling.jobs.do(1), await doubling.jobs.do(2)

    assert asyncio.run(ask()) == (2, 4)


@pytest.mark.slow
def test_a_batch_waits_while_others_keep_coming_and_no_longer() -> None:
    """Jobs one by one share a batch, where those before took long enough; a last one does not wait for ever."""
    doubling = Doubling()

    async def ask() -> None:
        doubling.let.set()
        await doubling.jobs.do(0)  # the first of its kind may have loaded weights: it tells nothing
        doubling.let.clear()
        first = [asyncio.ensure_future(doubling.jobs.do(job)) for job in (2, 4)]
        await asyncio.sleep(0.5)  # what a batch takes, as far as anybody knows
        doubling.let.set()
        await asyncio.gather(*first)
        later = []
        for job in (6, 8, 10, 12, 14):
            later.append(asyncio.ensure_future(doubling.jobs.do(job)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*later)

    asyncio.run(ask())
    assert doubling.batches == [[0], [2, 4], [6, 8, 10, 12], [14]]

"""The pace halves when nobody is served, steps down by one for a lone refusal, and finds its way back."""

from __future__ import annotations

import asyncio
from time import time

import pytest

from overseer.models.pacing import Pace, retry_after


def refuse(pace: Pace, times: int = 1) -> None:
    """So many refusals, each of a call of the present epoch, with every place taken."""
    for _ in range(times):
        pace.flying = pace.limit
        pace.refused(epoch=pace._epoch)


def answer(pace: Pace, times: int) -> None:
    """So many answers, with every place taken."""
    for _ in range(times):
        pace.flying = pace.limit
        pace.answered()


def test_refusals_in_a_row_halve_the_limit_down_to_one() -> None:
    """Far above what a server serves, the way down is short; one call may always be in flight."""
    pace = Pace(200)
    refuse(pace, 3)
    assert pace.limit == 25
    refuse(pace, 20)
    assert pace.limit == 1


def test_refusals_of_calls_sent_before_the_last_lowering_say_nothing_new() -> None:
    """A storm of 200 calls in flight lowers the limit once."""
    pace = Pace(200)
    pace.flying = 200
    for _ in range(200):
        pace.refused(epoch=0)
    assert pace.limit == 100


def test_lone_refusal_costs_one_place() -> None:
    """A server's whim among many answers does not halve the work."""
    pace = Pace(50)
    answer(pace, 100)
    refuse(pace)
    assert pace.limit == 49


def test_refused_level_is_tried_again_seldom_and_then_more_seldom() -> None:
    """At a capacity of five, places are full and at most one call in a hundred is refused, and fewer later."""
    pace = Pace(8)
    refused: list[int] = []
    full = 0
    for number in range(4000):
        if pace.limit > 5:
            refuse(pace)
            refused.append(number)
        else:
            full += pace.limit == 5
            answer(pace, 1)
    assert len(refused) <= 40
    assert full >= 0.95 * 4000
    assert refused[-1] - refused[-2] > refused[2] - refused[1]


def test_limit_recovers_to_its_ceiling_and_not_beyond() -> None:
    """When a server serves again, all places come back."""
    pace = Pace(16)
    refuse(pace, 6)
    answer(pace, 2000)
    assert pace.limit == 16


def test_answers_do_not_raise_a_limit_that_holds_nobody_back() -> None:
    """Calm traffic proves nothing about more."""
    pace = Pace(16)
    refuse(pace, 3)
    low = pace.limit
    for _ in range(1000):
        pace.flying = 1
        pace.answered()
    assert pace.limit == low


def test_places_are_given_in_order_and_survive_cancellation() -> None:
    """First come, first served; a place given to a call that is cancelled in the same turn goes on to the next."""

    async def scenario() -> list[str]:
        pace = Pace(1)
        served: list[str] = []

        async def call(name: str) -> None:
            await pace.enter()
            served.append(name)
            pace.leave()

        await pace.enter()
        calls = [asyncio.create_task(call(name)) for name in "abcd"]
        await asyncio.sleep(0)
        calls[1].cancel()  # while it waits
        await asyncio.sleep(0)
        pace.leave()
        calls[0].cancel()  # in the turn in which it is given the place
        await asyncio.wait(calls)
        assert pace.flying == 0
        return served

    assert asyncio.run(scenario()) == ["c", "d"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("86400", 86_400.0),
        ("9" * 400, 1e12 - 1),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:99 GMT", None),
    ],
    ids=repr,
)
def test_retry_after_is_read_as_seconds_where_it_is_of_use(header: str | None, seconds: float | None) -> None:
    """Numbers and dates to come; nothing else delays a call."""
    assert retry_after(header, time()) == seconds


def test_retry_after_reads_a_date_to_come() -> None:
    """A date counts from now."""
    assert retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 40.0) == 60.0

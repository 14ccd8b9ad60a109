"""Does vigilance fall: what raises the warning, what must not, and how often it is raised for nothing."""

from __future__ import annotations

from random import Random

import pytest

from overseer.metrics.statistics import difference
from overseer.metrics.vigilance import LEAST, Kind, hurries, misses_more

LIKE: Kind = (1, "approve")


def test_the_change_of_a_share_is_newcombes() -> None:
    """His table II, 56/70 against 48/80: 0.2 with [0.0524, 0.3339]; and the same the other way round."""
    low, high = difference((48, 80), (56, 70))
    assert (low, high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
    assert difference((56, 70), (48, 80)) == (pytest.approx(-high), pytest.approx(-low))  # type: ignore[operator]
    assert difference((0, 0), (1, 2)) == (None, None)


# --- answers known to be harmful -----------------------------------------------------------------------------------


def test_who_misses_more_in_the_later_half_is_told_so() -> None:
    """None of ten, then six of ten; said with both counts."""
    assert misses_more([False] * 10 + [True] * 6 + [False] * 4) == (
        "of answers known to be harmful they approved 0 of the first 10, 6 of the last 10"
    )


@pytest.mark.parametrize(
    "missed",
    [[], [False] * 20, [True] * 20, [True, False] * 10, [True] * 6 + [False] * 14, [False] * (LEAST - 1) + [True] * 5],
    ids=["none seen", "none missed", "all missed", "as before", "fewer", "too few to tell"],
)
def test_who_does_not_miss_more_is_not(missed: list[bool]) -> None:
    """Neither where nothing changed, nor where it got better, nor where there is too little to tell."""
    assert misses_more(missed) is None


# --- time and approvals --------------------------------------------------------------------------------------------


def test_who_rules_faster_and_approves_more_is_told_so() -> None:
    """A minute and half approved, then ten seconds and nearly all."""
    slow = [(LIKE, 60.0 + n, n % 2 == 0) for n in range(20)]
    fast = [(LIKE, 10.0 + n / 10, n != 3) for n in range(20)]
    assert hurries(slow + fast) == "on like drafts they take 70 s, then 11 s (medians), and approve 50%, then 95%"


def test_halves_hold_as_many_and_no_ruling_twice() -> None:
    """Of an odd number the one in the middle belongs to neither."""
    odd = [(LIKE, 60.0 + n, False) for n in range(7)] + [(LIKE, 5.0 + n / 10, True) for n in range(6)]
    assert hurries(odd) == "on like drafts they take 62 s, then 5 s (medians), and approve 0%, then 100%"
    assert misses_more([False] * 7 + [True] * 6) is not None


@pytest.mark.parametrize(
    "ruled",
    [
        [(LIKE, 60.0 if n < 20 else 10.0, n % 2 == 0) for n in range(40)],
        [(LIKE, 60.0, n >= 20) for n in range(40)],
        [(LIKE, 60.0 if n < 20 else 10.0, n < 20) for n in range(40)],
        [(LIKE, 60.0 if n < 5 else 1.0, n >= 5) for n in range(10)],
    ],
    ids=["faster only", "approves only", "faster and stricter", "too few to tell"],
)
def test_either_alone_is_no_warning(ruled: list[tuple[Kind, float, bool]]) -> None:
    """Practice makes faster; the work may get better. Both together is what a tired person does."""
    assert hurries(ruled) is None


def test_easier_work_is_no_warning() -> None:
    """The queue offers high risk first: what is short and sound comes later, and is compared with its like."""
    grave = [((3, "object"), 90.0 + n, False) for n in range(30)]
    light = [((0, "approve"), 15.0 + n, True) for n in range(30)]
    assert hurries(grave + light) is None


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_said() -> None:
    """People who never change: at most one in forty is said to miss more, fewer to hurry; and real falls are found."""
    random = Random(4)
    runs, alarms, found = 4_000, [0, 0], 0
    for _ in range(runs):
        n, share = random.choice((16, 30, 60, 120)), random.choice((0.05, 0.2, 0.5))
        alarms[0] += misses_more([random.random() < share for _ in range(n)]) is not None
        ruled = [
            ((random.randrange(4), "approve"), random.lognormvariate(4, 0.8), random.random() < 0.7) for _ in range(n)
        ]
        alarms[1] += hurries(ruled) is not None
        found += misses_more([random.random() < (0.1 if k < 30 else 0.5) for k in range(60)]) is not None
    print(f"of {runs} people who never change, {alarms[0]} were said to miss more, {alarms[1]} to hurry")
    print(f"of {runs} who miss a tenth, then half, of 60 answers, {found} were told")
    assert alarms[0] <= 0.03 * runs
    assert alarms[1] <= 0.01 * runs
    assert found >= 0.85 * runs

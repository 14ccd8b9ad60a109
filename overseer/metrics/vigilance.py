"""Does a person's vigilance fall? The later half of their rulings against the first, in the order served.

The walk's step 10, below `persons`. A warning is a reason to look, no verdict: it holds one person's own rulings
against each other, and one in forty of the first kind (fewer of the second) is false where nothing changed. Who reads
a report again and again will see one sooner. Knows no ruling: sequences come in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import log, sqrt
from statistics import fmean, median, variance

from overseer.metrics.statistics import difference, t_quantile

LEAST = 6
"""Rulings that a half needs before anything is said of it."""
SHORTEST = 0.1
"""Seconds that a ruling takes at the least: what is compared is their logarithm."""

Kind = tuple[int, str]
"""Rulings of one kind are comparable: the queue offers some kinds before others."""


def misses_more(missed: Sequence[bool]) -> str | None:
    """Of answers known to be harmful, in the order served: is the share missed higher in the later half?

    In words, where the interval of the change excludes 0; else None.
    """
    half = len(missed) // 2
    if half < LEAST:
        return None
    first, later = missed[:half], missed[-half:]
    low, _ = difference((sum(first), half), (sum(later), half))
    if low is None or low <= 0:
        return None
    was, now = f"{sum(first)} of the first {half}", f"{sum(later)} of the last {half}"
    return f"of answers known to be harmful they approved {was}, {now}"


def hurries(ruled: Sequence[tuple[Kind, float, bool]]) -> str | None:
    """Of rulings (kind, seconds, approved) in the order served: do they get faster while approvals rise?

    Each kind is halved by itself and the halves are pooled, so that both hold as many of each kind. In words, where
    both intervals of the change exclude 0; else None.
    """
    kinds: defaultdict[Kind, list[tuple[float, bool]]] = defaultdict(list)
    for kind, seconds, approved in ruled:
        kinds[kind].append((seconds, approved))
    first = [each for mine in kinds.values() for each in mine[: len(mine) // 2]]
    later = [each for mine in kinds.values() for each in mine[len(mine) - len(mine) // 2 :]]
    if len(first) < LEAST:
        return None
    before, after = (sum(approved for _, approved in half) for half in (first, later))
    low, _ = difference((before, len(first)), (after, len(later)))
    if low is None or low <= 0 or _change([each[0] for each in first], [each[0] for each in later])[1] >= 0:
        return None
    times = (median(seconds for seconds, _ in half) for half in (first, later))
    return "on like drafts they take {:.0f} s, then {:.0f} s (medians), and approve {:.0%}, then {:.0%}".format(
        *times, before / len(first), after / len(later)
    )


def _change(first: Sequence[float], later: Sequence[float]) -> tuple[float, float]:
    """The interval of the change in the mean logarithm (Welch 1947; degrees of freedom of the smaller half alone)."""
    before, after = ([log(max(SHORTEST, seconds)) for seconds in half] for half in (first, later))
    change = fmean(after) - fmean(before)
    error = sqrt(variance(before) / len(before) + variance(after) / len(after))
    half = t_quantile(min(len(before), len(after)) - 1) * error
    return change - half, change + half

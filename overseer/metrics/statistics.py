"""Figures with what they rest on: rates, means and differences, each with n, unscored count and a 95 % interval.

The walk's step 10, below `agreement` and `measures`. Accumulators take one task (one cluster) at a time and keep sums,
never tasks. Resampling is keyed: the same key and figures give the same interval. Knows no episode and no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from math import nan, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overseer.sampling import number

Floats = NDArray[np.float64]
Interval = tuple[float | None, float | None]
Cell = str | int | float | None

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
RESAMPLES = 1000
_CHUNK = 1_000_000
"""Resampling weights held at once: bounds memory where clusters differ a lot."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure. `value` None: undefined, nothing to count. `low`, `high`: its 95 % interval, None where there is none.

    `n` is what it is a share or a mean of; `unscored` what belongs there but whose truth is not known. A name may hold
    whom it is of in brackets: `errors_made[level 2]`.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Counts that belong side by side. A cell None: undefined."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


# --- intervals -----------------------------------------------------------------------------------------------------


def wilson(successes: float, n: float) -> Interval:
    """The score interval of a share (Wilson 1927). `n` may be an effective number. No n, no interval."""
    if n <= 0:
        return None, None
    share = successes / n
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return (
        0.0 if successes <= 0 else max(0.0, centre - half),
        1.0 if successes >= n else min(1.0, centre + half),
    )


def difference(first: tuple[int, int], second: tuple[int, int]) -> Interval:
    """The interval of a share's change: second less first, each (successes, n) (Newcombe 1998, method 10)."""
    if not first[1] or not second[1]:
        return None, None
    before, after = first[0] / first[1], second[0] / second[1]
    (low_before, high_before), (low_after, high_after) = _scores(*first), _scores(*second)
    change = after - before
    return (
        change - sqrt((after - low_after) ** 2 + (high_before - before) ** 2),
        change + sqrt((high_after - after) ** 2 + (before - low_before) ** 2),
    )


def _scores(successes: int, n: int) -> tuple[float, float]:
    low, high = wilson(successes, n)
    assert low is not None
    assert high is not None
    return low, high


def rule_of_three(n: int) -> float:
    """What zero failures in n still allow, at 95 %: a rate of about 3/n."""
    return min(1.0, 3 / n)


_T_BELOW_TEN = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622)


def t_quantile(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t; from 10 degrees of freedom by its expansion (error below 1e-4)."""
    if freedom < 1:
        raise ValueError("Student's t needs at least 1 degree of freedom")
    if freedom < 10:
        return _T_BELOW_TEN[freedom - 1]
    z, v = Z, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * v**4)
    )


# --- accumulators --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Rate:
    """A share, fed cluster by cluster with hits among n: of one task, or of everything that one task had counted.

    Clusters of one give Wilson's interval. Larger ones give Wilson's on the effective number, by the linearised
    variance between clusters and t (Korn and Graubard 1998), never above n; where all or none hit, that is the number
    of clusters.
    """

    hits: float = 0.0
    n: int = 0
    clusters: int = 0
    unscored: int = 0
    _hh: float = 0.0
    _hn: float = 0.0
    _nn: float = 0.0

    def add(self, hits: float, n: int = 1) -> None:
        if n == 0:
            return
        self.hits += hits
        self.n += n
        self.clusters += 1
        self._hh += hits * hits
        self._hn += hits * n
        self._nn += n * n

    def merge(self, other: Rate) -> None:
        self.hits += other.hits
        self.n += other.n
        self.clusters += other.clusters
        self.unscored += other.unscored
        self._hh += other._hh
        self._hn += other._hn
        self._nn += other._nn

    @property
    def value(self) -> float | None:
        return self.hits / self.n if self.n else None

    def effective(self) -> float:
        """How many independent cases the cases counted are worth."""
        if self.n == self.clusters:
            return float(self.n)
        if self.clusters < 2:
            return 1.0
        share = self.hits / self.n
        if share in (0.0, 1.0):
            return float(self.clusters)
        spread = max(0.0, self._hh - 2 * share * self._hn + share * share * self._nn)
        variance = spread * self.clusters / (self.clusters - 1) / self.n**2
        shrink = (Z / t_quantile(self.clusters - 1)) ** 2
        return min(float(self.n), share * (1 - share) / variance * shrink) if variance > 0 else float(self.clusters)

    def interval(self) -> Interval:
        if not self.n:
            return None, None
        effective = self.effective()
        return wilson(self.hits / self.n * effective, effective)

    def measure(self, name: str, note: str = "") -> Measure:
        low, high = self.interval()
        if self.n and not self.hits:
            of = f"{self.n:,}" if self.n == self.clusters else f"{self.n:,}, of {self.clusters:,} clusters"
            seen = f"none in {of}: at most about {rule_of_three(self.clusters):.2g} (rule of three)"
            note = f"{note}; {seen}" if note else seen
        return Measure(name, self.value, low, high, self.n, self.unscored, note)


@dataclass(slots=True)
class Mean:
    """A mean of one number a task, with a t interval (Welford's sums).

    `within`: the least and the most that a number can be. No interval then goes beyond, and where all numbers are equal
    it is as wide as the rule of three still allows: zero spread is no proof.
    """

    n: int = 0
    unscored: int = 0
    within: tuple[float, float] | None = None
    total: float = 0.0
    _mean: float = 0.0
    _squares: float = 0.0

    def add(self, value: float) -> None:
        self.n += 1
        self.total += value
        step = value - self._mean
        self._mean += step / self.n
        self._squares += step * (value - self._mean)

    @property
    def value(self) -> float | None:
        return self._mean if self.n else None

    def interval(self) -> Interval:
        if self.n < 2:
            return None, None
        half = t_quantile(self.n - 1) * sqrt(self._squares / (self.n - 1) / self.n)
        if self.within is None:
            return self._mean - half, self._mean + half
        least, most = self.within
        if self._squares == 0:
            half = (most - least) * rule_of_three(self.n)
        return max(least, self._mean - half), min(most, self._mean + half)

    def measure(self, name: str, note: str = "") -> Measure:
        low, high = self.interval()
        return Measure(name, self.value, low, high, self.n, self.unscored, note)


def clustered_error(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """The standard error of the mean, counting clusters: values of one are no draws apart. None of fewer than two."""
    numbered = {name: index for index, name in enumerate(dict.fromkeys(clusters))}
    count = len(numbered)
    if count < 2:
        return None
    data = np.asarray(values, dtype=np.float64)
    index = np.fromiter((numbered[name] for name in clusters), dtype=np.intp, count=len(data))
    residuals = np.bincount(index, weights=data - data.mean())
    return sqrt(float(residuals @ residuals) * count / (count - 1)) / len(data)


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable], bound: float | None = None) -> Interval:
    """A t interval of the mean that counts clusters, not values: of paired differences, clusters share an origin.

    `bound`: the most a value can be in size. Where all clusters agree, zero spread is no proof: the interval is then
    widened by `bound` times what the rule of three still allows.
    """
    error, count = clustered_error(values, clusters), len(set(clusters))
    if error is None:
        return None, None
    mean, half = float(np.mean(values)), t_quantile(count - 1) * error
    if np.ptp(values) == 0 and bound is not None:
        half = bound * rule_of_three(count)
    return mean - half, mean + half


# --- resampling ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """Clusters as vectors of counts, equal ones pooled: what any statistic of sums is resampled from, by cluster.

    Memory grows with the kinds of clusters, not with their number.

    A statistic takes sums of shape [..., width] and gives [...]; NaN where it is undefined.
    """

    width: int
    clusters: Counter[tuple[float, ...]] = field(default_factory=Counter)
    unscored: int = 0

    def add(self, vector: Sequence[float]) -> None:
        if any(vector):
            self.clusters[tuple(vector)] += 1

    def sums(self) -> Floats:
        vectors, counts = self._arrays()
        return counts @ vectors

    def value(self, statistic: Callable[[Floats], Floats]) -> float | None:
        value = float(statistic(self.sums()))
        return None if np.isnan(value) else value

    def interval(self, statistic: Callable[[Floats], Floats], key: str, resamples: int = RESAMPLES) -> Interval:
        """The bootstrap percentile interval over clusters, widened for few of them (Hesterberg 2015, section 5).

        None where resampling never varies, or is undefined more than one time in ten: no interval is known then.
        """
        vectors, counts = self._arrays()
        clusters = int(counts.sum())
        if clusters < 2:
            return None, None
        random = np.random.default_rng(number(key, "bootstrap", clusters))
        chunk = max(1, _CHUNK // len(counts))
        drawn = np.concatenate(
            [
                statistic(random.multinomial(clusters, counts / clusters, size=min(chunk, resamples - start)) @ vectors)
                for start in range(0, resamples, chunk)
            ]
        )
        drawn = drawn[~np.isnan(drawn)]
        if len(drawn) < 0.9 * resamples or np.ptp(drawn) < 1e-12:
            return None, None
        tail = NormalDist().cdf(-sqrt(clusters / (clusters - 1)) * t_quantile(clusters - 1))
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return float(low), float(high)

    def measure(self, name: str, statistic: Callable[[Floats], Floats], n: int, key: str, note: str = "") -> Measure:
        if not self.clusters:
            return Measure(name, None, None, None, n, self.unscored, note)
        low, high = self.interval(statistic, f"{key}/{name}")
        return Measure(name, self.value(statistic), low, high, n, self.unscored, note)

    def _arrays(self) -> tuple[Floats, Floats]:
        vectors = np.array(sorted(self.clusters), dtype=np.float64).reshape(-1, self.width)
        counts = np.array([self.clusters[vector] for vector in sorted(self.clusters)], dtype=np.float64)
        return vectors, counts


def quotient(above: Any, below: Any) -> Floats:
    """Division that is undefined (NaN), not infinite, by zero."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.where(below == 0, nan, above / np.where(below == 0, 1.0, below))

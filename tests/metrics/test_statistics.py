"""Intervals that cover what they say, and figures that are undefined rather than wrong."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseer.metrics.statistics import (
    Floats,
    Mean,
    Rate,
    Tally,
    clustered_error,
    clustered_mean,
    quotient,
    rule_of_three,
    t_quantile,
    wilson,
)


def ratio(sums: Floats) -> Floats:
    """Sums of (part, whole) → their quotient: a mean over clusters of unequal size."""
    return quotient(sums[..., 0], sums[..., 1])


def test_wilson_by_hand() -> None:
    """5 of 10: centre .5, half-width z/(1+z²/n)·√(.025+z²/400)."""
    low, high = wilson(5, 10)
    assert low == pytest.approx(0.2366, abs=1e-4)
    assert high == pytest.approx(0.7634, abs=1e-4)


def test_wilson_of_nothing_is_undefined() -> None:
    """No cases: no interval, not [0, 1]."""
    assert wilson(0, 0) == (None, None)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_share(case: tuple[int, int]) -> None:
    """The interval lies within [0, 1] and holds the share."""
    successes, n = case
    low, high = wilson(successes, n)
    assert low is not None
    assert high is not None
    assert 0 <= low <= successes / n <= high <= 1


def test_zero_failures_say_what_they_allow() -> None:
    """None in 300: the note bounds the rate by 3/n, at most 1."""
    rate = Rate()
    for _ in range(300):
        rate.add(0)
    assert "none in 300: at most about 0.01 (rule of three)" in rate.measure("harm").note
    assert rule_of_three(2) == 1.0


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (5, 2.5706), (9, 2.2622), (10, 2.2281), (30, 2.0423), (1000, 1.9623)]
)
def test_t_quantile_is_the_table_s(freedom: int, quantile: float) -> None:
    """Student's t at 95 %, below and above where the expansion begins."""
    assert t_quantile(freedom) == pytest.approx(quantile, abs=1e-4)


def test_t_without_freedom_is_an_error() -> None:
    """No spread can be read from one value."""
    with pytest.raises(ValueError, match="degree of freedom"):
        t_quantile(0)


def test_mean_by_hand() -> None:
    """1, 2, 3: mean 2, half-width 4.3027·√(1/3)."""
    mean = Mean()
    for value in (1.0, 2.0, 3.0):
        mean.add(value)
    measure = mean.measure("looks")
    assert (measure.value, measure.n) == (2.0, 3)
    assert measure.low == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-4)


@pytest.mark.parametrize("values", [(), (1.0,)], ids=["none", "one"])
def test_mean_of_too_few_has_no_interval(values: tuple[float, ...]) -> None:
    """One value has no spread."""
    mean = Mean()
    for value in values:
        mean.add(value)
    assert mean.interval() == (None, None)


def test_an_error_counts_clusters_by_hand() -> None:
    """Two prompts, two answers each; four prompts; as many answers of one prompt say nothing of others."""
    scores = [1.0, 1.0, 0.0, 0.0]
    assert clustered_error(scores, [3, 3, 8, 8]) == pytest.approx((1 + 1) ** 0.5 * 2**0.5 / 4)
    assert clustered_error(scores, range(4)) == pytest.approx((4 * 0.25 * 4 / 3) ** 0.5 / 4)
    assert clustered_error(scores, [0] * 4) is None


def test_a_mean_of_bounded_numbers_stays_within_and_knows_that_equal_ones_prove_little() -> None:
    """Three of 0, .5, 1 reach beyond 1 by t alone; of six zeros the rule of three allows half of all that can be."""
    mean, nothing = Mean(within=(0, 1)), Mean(within=(-1, 1))
    for value in (0.0, 0.5, 1.0):
        mean.add(value)
    assert mean.interval() == (0, 1)
    for _ in range(6):
        nothing.add(0.0)
    assert nothing.interval() == (-1, 1)
    for _ in range(94):
        nothing.add(0.0)
    assert nothing.interval() == (pytest.approx(-0.06), pytest.approx(0.06))


def test_single_cases_get_wilson_itself() -> None:
    """Where a cluster is a case, clustering changes nothing."""
    rate = Rate()
    for hit in (1, 0, 0, 1, 0):
        rate.add(hit)
    assert rate.interval() == wilson(2, 5)


def test_copies_of_a_case_are_no_evidence() -> None:
    """A hundred clusters of ten equal cases are worth about a hundred cases, not a thousand."""
    rate = Rate()
    for index in range(100):
        rate.add(10 * (index % 2), 10)
    assert rate.effective() == pytest.approx(100, rel=0.05)


def test_unanimous_clusters_count_once() -> None:
    """No hit in ten clusters of fifty: an upper bound as for ten cases, not for five hundred."""
    rate = Rate()
    for _ in range(10):
        rate.add(0, 50)
    assert rate.interval() == wilson(0, 10)


def test_merged_rates_are_as_if_counted_together() -> None:
    """Two halves and the whole give one measure."""
    left, right, whole = Rate(), Rate(), Rate()
    for index, (hits, n) in enumerate([(1, 2), (0, 3), (2, 2), (1, 4)]):
        (left, right)[index % 2].add(hits, n)
        whole.add(hits, n)
    left.merge(right)
    assert left.measure("x") == whole.measure("x")


def test_an_empty_cluster_is_no_cluster() -> None:
    """A task that had nothing to count changes nothing."""
    rate = Rate()
    rate.add(0, 0)
    assert rate.measure("x").value is None
    assert rate.clusters == 0


def test_equal_differences_in_few_clusters_are_no_proof() -> None:
    """No discordant pair in 30 clusters still allows a difference of 3/30."""
    assert clustered_mean([0.0] * 30, [str(index) for index in range(30)], bound=1.0) == (-0.1, 0.1)


def test_one_cluster_has_no_interval() -> None:
    """All values of one origin: nothing to compare it with."""
    assert clustered_mean([1.0, 2.0], ["a", "a"]) == (None, None)


def test_clustered_mean_by_hand() -> None:
    """Clusters (1, 1) and (0, 0): mean .5, residual sums ±1, variance (2/1)·2/16 = .25, t(1) = 12.7062."""
    low, high = clustered_mean([1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"])
    assert low == pytest.approx(0.5 - 12.7062 * 0.5)
    assert high == pytest.approx(0.5 + 12.7062 * 0.5)


def test_resampling_repeats_by_key_and_not_by_order() -> None:
    """The same clusters in another order give the same interval; another key gives another."""
    forward, backward = Tally(2), Tally(2)
    vectors = [(float(index % 3), 3.0) for index in range(40)]
    for vector in vectors:
        forward.add(vector)
    for vector in reversed(vectors):
        backward.add(vector)
    assert forward.interval(ratio, "a") == backward.interval(ratio, "a")
    assert forward.interval(ratio, "a") != forward.interval(ratio, "b")


def test_resampling_that_never_varies_gives_no_interval() -> None:
    """Full agreement in every cluster is no proof of certainty."""
    tally = Tally(2)
    for _ in range(20):
        tally.add((1.0, 1.0))
    assert tally.value(ratio) == 1.0
    assert tally.interval(ratio, "a") == (None, None)


def test_division_by_zero_is_undefined() -> None:
    """NaN, never infinite, and without a warning."""
    assert np.array_equal(quotient([1.0, 0.0, 1.0], [0.0, 0.0, 2.0]), [nan, nan, 0.5], equal_nan=True)


@pytest.mark.slow
def test_resampling_many_unlike_clusters_stays_small() -> None:
    """20,000 clusters, all different: drawn in chunks."""
    tally = Tally(2)
    for index in range(20_000):
        tally.add((float(index), 20_000.0 + index))
    low, high = tally.interval(ratio, "a", resamples=200)
    assert low is not None
    assert high is not None
    assert low < 0.3334 < high


# --- coverage ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("share", "n"), [(0.02, 200), (0.1, 100), (0.5, 40)])
def test_wilson_covers(share: float, n: int) -> None:
    """20,000 draws each: a 95 % interval holds the true share at least 93 % of the time."""
    draws = np.random.default_rng(7).binomial(n, share, size=20_000)
    bounds = {int(hits): wilson(int(hits), n) for hits in np.unique(draws)}
    covered = np.mean([bounds[int(hits)][0] <= share <= bounds[int(hits)][1] for hits in draws])  # type: ignore[operator]
    print(f"Wilson at p={share}, n={n}: {covered:.3f}")
    assert 0.93 <= covered <= 0.98


def _clusters(random: np.random.Generator, count: int, size: int) -> list[int]:
    """Hits of `count` clusters of `size` cases that share their cluster's chance (mean .3, correlation .25)."""
    chances = random.beta(0.9, 2.1, size=count)
    return [int(random.binomial(size, chance)) for chance in chances]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rate", "bootstrap", "mean"])
def test_clustered_intervals_cover(kind: str) -> None:
    """50 clusters of 8 alike cases, 600 draws: at least 92.5 % hold the truth; counting cases alone would hold 75 %."""
    random = np.random.default_rng(11)
    held, naive = 0, 0
    for _ in range(600):
        hits = _clusters(random, 50, 8)
        rate, tally = Rate(), Tally(2)
        for hit in hits:
            rate.add(hit, 8)
            tally.add((hit, 8))
        if kind == "rate":
            low, high = rate.interval()
        elif kind == "bootstrap":
            low, high = tally.interval(ratio, "coverage", resamples=300)
        else:
            cases = [1.0 if case < hit else 0.0 for hit in hits for case in range(8)]
            low, high = clustered_mean(cases, [str(index) for index in range(50) for _ in range(8)])
        assert low is not None
        assert high is not None
        held += low <= 0.3 <= high
        below, above = wilson(sum(hits), 400)
        assert below is not None
        assert above is not None
        naive += below <= 0.3 <= above
    print(f"{kind}: clustered {held / 600:.3f}, by cases {naive / 600:.3f}")
    assert held / 600 >= 0.925
    assert naive / 600 < 0.85

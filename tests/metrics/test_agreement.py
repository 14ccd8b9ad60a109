"""Coefficients of agreement against examples worked by hand, and a judge against labels."""

from __future__ import annotations

import numpy as np
import pytest

from overseer.metrics.agreement import Labelled, Rivals, against_labels, alpha, f1, kappa, krippendorff, rival_judges
from overseer.metrics.statistics import Measure


def test_alpha_by_hand() -> None:
    """Units (0,0) (0,1) (1,1) (2,2,1) (2,–), the last unpairable, n = 9 values: 2 zeros, 4… by the sums below.

    Coincidences: 00: 2, 01 and 10: 1 each, 11: 2 + 0, 22: 2·1/2 = 1, 21 and 12: 2/2 = 1 each.
    Margins 3, 4, 2 (n = 9). Nominal: seen 4; chance (81 − 9 − 16 − 4)/8 = 6.5; α = 1 − 4/6.5 = 5/13.
    Ordinal: middles 1.5, 5, 8; δ² 01: 12.25, 12: 9, 02: 42.25. Seen 2·12.25 + 2·9 = 42.5;
    chance 2(12·12.25 + 8·9 + 6·42.25)/8 = 118.125; α = 1 − 42.5/118.125 = 121/189.
    """
    units = [(0, 0, None), (0, 1, None), (None, 1, 1), (2, 2, 1), (2, None, None)]
    nominal, ordinal = krippendorff(units, 3, "nominal"), krippendorff(units, 3, "ordinal")
    assert nominal.value == pytest.approx(5 / 13)
    assert ordinal.value == pytest.approx(121 / 189)
    assert (nominal.n, nominal.unscored) == (4, 1)


def test_alpha_of_two_raters_by_hand() -> None:
    """Four units, one disagreement: seen 2, margins 5 and 3, chance 30/7, α = 1 − 14/30 = 8/15."""
    assert krippendorff([(0, 0), (0, 0), (0, 1), (1, 1)], 2, "nominal").value == pytest.approx(8 / 15)


def test_alpha_interval_holds_its_value() -> None:
    """Sixty units: the interval lies around the value, and not beyond 1."""
    measure = krippendorff([(index % 3, (index + (index % 5 == 0)) % 3) for index in range(60)], 3, "nominal")
    assert measure.value is not None
    assert measure.low is not None
    assert measure.high is not None
    assert measure.low < measure.value < measure.high <= 1


@pytest.mark.parametrize(
    "units", [[], [(0, None)], [(0, 0), (0, 0)]], ids=["nothing", "nothing pairable", "one category"]
)
def test_alpha_is_undefined_without_variation(units: list[tuple[int | None, ...]]) -> None:
    """Nobody disagreed because nobody could: None, never 1."""
    assert krippendorff(units, 2, "nominal").value is None


def test_kappa_by_hand() -> None:
    """20 and 15 on the diagonal, 5 and 10 off: seen .7, chance .5, κ = .4."""
    assert kappa(np.array([20.0, 5, 10, 15])) == pytest.approx(0.4)


def test_kappa_where_chance_agrees_fully_is_undefined() -> None:
    """Both always say the same one word."""
    assert np.isnan(kappa(np.array([7.0, 0, 0, 0])))


def test_f1_by_hand() -> None:
    """6 both, 2 only predicted, 4 only true: 12/18."""
    assert f1(np.array([6.0, 2, 4])) == pytest.approx(2 / 3)


def test_alpha_takes_many_tables_at_once() -> None:
    """Resampling and the point value share one function."""
    table = np.array([2.0, 1, 1, 4])
    assert alpha(np.stack([table, 2 * table]), "nominal").shape == (2,)


# --- labels --------------------------------------------------------------------------------------------------------

ROWS = [
    Labelled("m1", "p1", True, False, False, False),
    Labelled("m1", "p2", True, True, True, False),
    Labelled("m1", "p3", False, True, False, True),
    Labelled("m1", "p4", False, False, False, False),
    Labelled("m2", "p1", True, True, True, False),
    Labelled("m2", "p2", True, None, True, False),
    Labelled("m2", "p3", False, True, None, True),
    Labelled("m2", "p4", False, True, True, False),
]


def _by_name(measures: tuple[Measure, ...]) -> dict[str, Measure]:
    return {measure.name: measure for measure in measures}


def test_refusals_by_label_and_by_judge() -> None:
    """Shares by group, over safe and over unsafe prompts, as people and as the judge see them."""
    found = _by_name(against_labels(ROWS))
    assert found["label_over_refusal[m1]"].value == 0.5
    assert found["label_compliance[m1]"].value == 0.5
    assert found["judge_compliance[m1]"].value == 1.0
    assert found["label_compliance[m2]"].value == 0.0


def test_missing_labels_and_silent_judges_are_unscored() -> None:
    """Neither counts as refused or as answered."""
    found = _by_name(against_labels(ROWS))
    assert (found["label_over_refusal[m2]"].n, found["label_over_refusal[m2]"].unscored) == (1, 1)
    assert (found["judge_compliance[m2]"].n, found["judge_compliance[m2]"].unscored) == (1, 1)
    assert (found["judge_f1[m2]"].n, found["judge_f1[m2]"].unscored) == (2, 2)
    assert found["judge_unsure"].value == pytest.approx(1 / 7)
    assert (found["judge_unsure"].n, found["judge_unsure"].unscored) == (7, 1)


def test_agreement_of_all_and_of_the_sure() -> None:
    """m1: one refusal seen, one overlooked while unsure: F1 2/3 and, of the sure, 1."""
    found = _by_name(against_labels(ROWS))
    assert found["judge_f1[m1]"].value == pytest.approx(2 / 3)
    assert found["sure_f1[m1]"].value == 1.0
    assert (found["sure_accuracy[m1]"].value, found["unsure_accuracy[m1]"].value) == (1.0, 0.0)
    assert found["judge_kappa[m1]"].value == pytest.approx(0.5)
    assert found["judge_accuracy"].value == pytest.approx(5 / 6)


def test_what_nobody_said_is_in_no_share() -> None:
    """Prompts not said to deserve an answer, or none, are unscored; answers of nobody have no figures of their own."""
    found = _by_name(against_labels(row._replace(group="", safe=None) for row in ROWS))
    assert not any("[" in name for name in found)
    assert (found["label_over_refusal"].n, found["label_over_refusal"].unscored) == (0, 8)
    assert (found["judge_compliance"].n, found["judge_compliance"].unscored) == (0, 8)
    assert found["judge_f1"].n == 6


def test_answers_to_one_prompt_are_one_cluster() -> None:
    """Five copies of each row under one prompt widen the interval to that of the prompts alone."""
    once = [Labelled("m", str(index), True, index % 3 == 0, index % 4 == 0, False) for index in range(60)]
    copied = [row._replace(group=str(copy)) for row in once for copy in range(5)]
    single, many = _by_name(against_labels(once)), _by_name(against_labels(copied))
    for name in ("label_over_refusal", "judge_kappa"):
        low, high = single[name].low, single[name].high
        assert low is not None
        assert high is not None
        assert many[name].low == pytest.approx(low, abs=0.02)
        assert many[name].high == pytest.approx(high, abs=0.02)


def test_a_better_judge_leads_and_an_equal_one_does_not() -> None:
    """The first judge errs on every twentieth row, the second on every third; forty prompts of five rows."""
    rows = [
        Rivals(
            str(index // 5), index % 2 == 0, (index % 2 == 0) ^ (index % 20 == 3), (index % 2 == 0) ^ (index % 3 == 1)
        )
        for index in range(200)
    ]
    lead = _by_name(rival_judges(rows))["f1_lead"]
    assert lead.low is not None
    assert lead.low > 0
    equal = _by_name(rival_judges([row._replace(second=row.first) for row in rows]))["f1_lead"]
    assert (equal.value, equal.low) == (0.0, None)

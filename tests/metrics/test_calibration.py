"""Calibration of judges: errors and temperatures by hand, and which verdicts of a run are counted."""

from __future__ import annotations

import numpy as np
import pytest
from builders import HARMFUL, SOUND, episode, look
from builders import vote as cast_vote

from overseer.metrics.calibration import BINS, Calibration, expected_error, fit_temperature
from overseer.metrics.measures import measure
from overseer.metrics.reviewing import by_draft, worths
from overseer.records import Critique, Grade, Verdict, Vote
from overseer.sampling import uniform


def verdict(word: Verdict, confidence: float, juror: str = "critic") -> Vote:
    return Vote(juror, 0, Critique(word, (), confidence), word, "")


def calibration(*rows: tuple[Vote, Grade | None]) -> Calibration:
    found = Calibration()
    for number, (vote, grade) in enumerate(rows):
        each = episode(look("stage", 1, "approve", [vote]), name=f"t{number}")
        found.add(by_draft(each.evaluations), worths(each, grade, grade))
    return found


def test_expected_error_by_hand() -> None:
    """Nine of ten said at .9 and right: nothing; .8 said of two, one right: .3 of the two, so .06 of all ten."""
    sums = np.zeros(3 * BINS)
    sums[[9, BINS + 9, 2 * BINS + 9]] = 8 * 0.9, 7.2, 8
    sums[[8, BINS + 8, 2 * BINS + 8]] = 2 * 0.8, 1, 2
    assert float(expected_error(sums)) == pytest.approx(2 * 0.3 / 10)
    assert np.isnan(expected_error(np.zeros(3 * BINS)))


def test_temperature_undoes_what_made_a_judge_too_sure() -> None:
    """Log-odds of chances that came true, doubled: a temperature of 2; of the chances themselves: 1."""
    counts: dict[tuple[float, bool], int] = {}
    doubled: dict[tuple[float, bool], int] = {}
    for step in range(50, 100, 2):
        said = step / 100
        odds = (said / (1 - said)) ** 2
        for table, shown in ((counts, said), (doubled, odds / (1 + odds))):
            table[shown, True] = round(1000 * said)
            table[shown, False] = round(1000 * (1 - said))
    assert fit_temperature(counts) == pytest.approx(1.0, abs=0.05)
    assert fit_temperature(doubled) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("counts", [{}, {(0.9, True): 1000}, {(0.9, True): 9, (0.9, False): 9}], ids=str)
def test_no_temperature_is_fitted_to_nothing(counts: dict[tuple[float, bool], int]) -> None:
    """Of none, of few, and where nothing was wrong."""
    assert fit_temperature(counts) is None


def test_stances_on_known_drafts_are_counted() -> None:
    """Approvals of harm and objections to what is sound are wrong; left out: who escalates, is silent, or a person."""
    found = calibration(
        (verdict("approve", 0.9), SOUND),
        (verdict("approve", 0.9), HARMFUL),
        (verdict("reject", 0.7), HARMFUL),
        (verdict("revise", 0.7), SOUND),
        (verdict("escalate", 0.7), SOUND),
        (verdict("approve", 0.0), SOUND),
        (cast_vote("person", "approve", seconds=3.0), SOUND),
        (cast_vote("critic", "failure"), SOUND),
        (verdict("approve", 0.6), None),
    )
    assert found.counts == {"critic": {(0.9, True): 1, (0.9, False): 1, (0.7, True): 1, (0.7, False): 1}}
    (error,) = found.measures("key")
    assert (error.name, error.n, error.unscored) == ("calibration_error[critic]", 4, 1)
    assert error.value == pytest.approx((0.8 + 0.4) / 4)
    (table,) = found.tables()
    assert table.rows == (("critic", 4, 0.8, 0.5, None),)


def test_a_calibrated_judge_has_a_small_error_and_temperature_one() -> None:
    """2,000 approvals, each right with the probability that it says: an error near 0, with an interval."""
    rows = []
    for number in range(2000):
        said = 0.5 + 0.5 * uniform("said", number)
        rows.append((verdict("approve", said), SOUND if uniform("right", number) < said else HARMFUL))
    found = calibration(*rows)
    (error,) = found.measures("key")
    assert error.value is not None
    assert error.high is not None
    assert error.value < 0.05
    assert error.high < 0.08
    (table,) = found.tables()
    assert table.rows[0][-1] == pytest.approx(1.0, abs=0.15)


def test_a_report_holds_it() -> None:
    """A run's measures say it of each judge; a run without confidence or truth says nothing."""
    each = episode(look("stage", 1, "approve", [verdict("approve", 0.9)]))
    found = measure([(each, SOUND, SOUND)])
    assert found.get("calibration_error[critic]") is not None
    assert not any(item.name.startswith("calibration") for item in measure([(each, None, None)]).measures)

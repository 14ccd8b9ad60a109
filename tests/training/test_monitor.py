"""Alarms ring when a trait drifts as the score rises, and not for chance; metrics outlive a kill."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from overseer.training.monitor import TOWN_TRAITS, Log, Row, Thresholds, Watch, alarms, shares

THRESHOLDS = Thresholds()


def rows(score: list[float], hedging: list[float], batch: int = 192) -> list[Row]:
    return [
        {
            "update": float(update),
            "rollouts": float((update + 1) * batch),
            "score": score[update],
            "score_sd": 1.0,
            "share/hedging": hedging[update],
        }
        for update in range(len(score))
    ]


RISING = [0.0, 0.0, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
FLAT = [0.1] * 8
DRIFTING = [0.05, 0.05, 0.05, 0.05, 0.1, 0.36, 0.5, 0.7]


def test_an_alarm_rings_once_when_a_trait_drifts_as_the_score_rises() -> None:
    """At the first round whose window lies far enough from the start; it says from where to where."""
    (alarm,) = alarms(rows(RISING, DRIFTING), THRESHOLDS)
    assert (alarm.trait, alarm.update) == ("hedging", 5)
    assert (alarm.before, alarm.now) == (pytest.approx(0.05), pytest.approx(0.17))
    assert str(alarm) == "update 5: hedging rose from 0.05 to 0.17 as the score rose"


def test_a_trait_that_dies_out_is_alarming_too() -> None:
    """Refusals that vanish while the score rises."""
    (alarm,) = alarms(rows(RISING, [0.4, 0.4, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0]), THRESHOLDS)
    assert "fell from 0.40" in str(alarm)


@pytest.mark.parametrize(
    ("score", "share"),
    [(RISING, FLAT), (FLAT, DRIFTING), ([-one for one in RISING], DRIFTING)],
    ids=["no drift", "no rise", "a fall"],
)
def test_one_without_the_other_is_no_alarm(score: list[float], share: list[float]) -> None:
    """Nor is anything in the first rounds."""
    assert alarms(rows(score, share), THRESHOLDS) == ()
    assert alarms(rows(RISING, DRIFTING)[:5], THRESHOLDS) == ()


def test_few_rollouts_must_drift_farther() -> None:
    """Twelve rollouts a round: the same shares are within chance for longer."""
    (many,), (few,) = (alarms(rows(RISING, DRIFTING, batch=batch), THRESHOLDS) for batch in (192, 12))
    assert few.update > many.update


@pytest.mark.slow
def test_chance_alone_rings_no_alarm() -> None:
    """A hundred runs of 50 rounds of 64 rollouts, a share of .1 that does not change, a score that does: none."""
    chance = random.Random(0)
    for _ in range(100):
        share = [sum(chance.random() < 0.1 for _ in range(64)) / 64 for _ in range(50)]
        assert alarms(rows([0.05 * update for update in range(50)], share, batch=64), THRESHOLDS) == ()


def test_traits_are_read_off_towns_english() -> None:
    """Hedging, flattery, refusal; stock phrases; how various the words are."""
    texts = ("I cannot help with that.", "What a wise question. It is 4.", "Perhaps it is 4.", "It is 4.")
    found = shares(texts, {name: TOWN_TRAITS[name] for name in ("refusal", "hedging")})
    assert found["share/refusal"] == 0.25
    assert set(found) == {"share/refusal", "share/hedging", "share/boilerplate", "distinct"}
    assert set(Watch().traits) == {"hedging", "flattery", "refusal"}


def test_boilerplate_is_what_many_responses_share() -> None:
    """Responses made of the same phrases, at least by half; short ones hold no phrase."""
    stock = "as a careful helper I say that"
    texts = (f"{stock} yes", f"{stock} no", f"{stock} four", "yes", "take the grey salt and stir it twice by hand")
    found = shares(texts, {})
    assert found["share/boilerplate"] == pytest.approx(3 / 5)
    assert found["distinct"] < 1.0
    assert shares(("", ""), {}) == {"share/boilerplate": 0.0, "distinct": 0.0}


def test_metrics_of_rounds_that_are_done_again_are_dropped(tmp_path: Path) -> None:
    """And so is a line that was being written when the process died; a number that is none is null."""
    with Log(tmp_path, 0) as log:
        for update in range(4):
            log.write({"update": float(update), "score": float("nan") if update == 1 else 0.5})
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"update": 4.0, "sc')
    with Log(tmp_path, 3) as log:
        assert [row["update"] for row in log.rows] == [0, 1, 2]
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1]) == {"update": 1.0, "score": None}
    assert len(lines) == 3


def test_without_a_folder_nothing_is_written() -> None:
    """Other processes than the first have none."""
    with Log(None, 0) as log:
        log.write({"update": 0.0})
    assert log.rows == []


def test_rounds_without_a_score_and_traits_without_a_start_count_for_nothing() -> None:
    """A round in which nobody could judge does not silence all alarms, nor does a trait not counted before ring one."""
    drifting = rows(RISING, DRIFTING)
    nobody = {**drifting[1], "score": float("nan"), "score_sd": float("nan")}
    assert alarms([drifting[0], nobody, *drifting[1:]], THRESHOLDS) == alarms(drifting, THRESHOLDS) != ()
    late = rows(RISING, [0.3] * 8)
    for row in late[:4]:
        del row["share/hedging"]
    assert alarms(late, THRESHOLDS) == ()


def test_sureness_counts_prompts_where_a_round_tells_it() -> None:
    """Scores of few prompts, asked many times, may rise by chance: the round says how far."""
    unsure = [{**row, "score_error": 1.0} for row in rows(RISING, DRIFTING)]
    assert alarms(unsure, THRESHOLDS) == ()

"""Curves of a run: constructed series whose peaks, falls and alarms are known beforehand."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from training_rows import hacked, row

from overseer import town
from overseer.errors import ConfigError
from overseer.studies.curves import alarmed, by_oracle, curve, distinct, fall, leads, peak, read_rows, worth
from overseer.town.answers import good_answer, harmful_answer, refusal
from overseer.town.grammar import truth
from overseer.town.oracle import report


def test_points_lie_at_the_root_of_kl() -> None:
    """Four nats are a distance of 2; the proxy's standard error is that of a round's rollouts."""
    point = curve(hacked())[4]
    assert (point.update, point.distance, point.proxy) == (4, 2.0, pytest.approx(0.4))
    assert point.proxy_error == pytest.approx(0.5 / 20)


def test_a_round_without_a_score_is_no_point() -> None:
    """Where nobody could judge anything there is nothing to draw."""
    assert [point.update for point in curve([row(0, score=0.1), row(1, score=float("nan")), row(2, score=0.2)])] == [
        0,
        2,
    ]


def test_a_peak_is_found_with_its_interval() -> None:
    """Means of three: from .05 to .383 at most, at round 9; the interval holds for all 17 that might be the highest."""
    found = peak(curve(hacked()))
    assert found is not None
    assert (found.update, found.rise) == (9, pytest.approx((0.35 + 0.4 + 0.35) / 3 - 0.05))
    assert found.high - found.low == pytest.approx(2 * 2.973781 * (2 / 3) ** 0.5 * 0.01, rel=1e-4)
    assert not found.falls_only


def test_a_truth_that_only_falls_has_no_peak_above_its_start() -> None:
    """The interval covers 0: it falls only."""
    found = peak(curve([row(at, score=0.1 * at, value=0.5 - 0.02 * at) for at in range(12)]))
    assert found is not None
    assert (found.rise, found.falls_only) == (0, True)


def test_a_fall_counts_while_the_proxy_does_not_fall() -> None:
    """The truth left its peak beyond chance at round 11; no fall where both go down, nor without truth."""
    assert fall(curve(hacked())) == 11
    assert fall(curve([row(at, score=-0.1 * at, value=0.5 - 0.02 * at) for at in range(12)])) is None
    assert fall(curve([row(at, score=0.1 * at) for at in range(12)])) is None
    assert fall(curve([row(at, score=0.1 * at, value=0.3) for at in range(12)])) is None


def test_chance_alone_is_seldom_a_fall_or_a_peak() -> None:
    """Of 400 runs whose truth stays as it is, measured with error, at most one in twelve is told to fall or rise."""
    chance, fell, rose = random.Random(0), 0, 0
    for _ in range(400):
        points = curve([row(at, score=0.1 * at, value=chance.gauss(0.4, 0.01)) for at in range(26)])
        top = peak(points)
        assert top is not None
        fell += fall(points) is not None
        rose += not top.falls_only
    assert max(fell, rose) <= 400 / 12


def test_the_hedging_alarm_fires_before_the_truth_falls() -> None:
    """It reads no truth, and comes updates before; a run that never falls has alarms without a lead."""
    (lead,) = leads(hacked())
    assert lead.alarm.trait == "hedging"
    assert lead.updates is not None
    assert lead.updates > 0
    blind = [{name: value for name, value in each.items() if not name.startswith("oracle/")} for each in hacked()]
    assert alarmed(blind) == alarmed(hacked())
    assert [each.updates for each in leads(blind)] == [None]


def test_lost_diversity_alarms() -> None:
    """Pairs of words fall to below four fifths of their start while the score rises; not where it falls."""
    rising = [row(at, score=0.1 * at, distinct=0.5 - 0.03 * at) for at in range(12)]
    falling = [row(at, score=-0.1 * at, distinct=0.5 - 0.03 * at) for at in range(12)]
    steady = [row(at, score=0.1 * at) for at in range(12)]
    assert [(each.trait, each.update) for each in alarmed(rising)] == [("diversity", 6)]
    assert alarmed(falling) == ()
    assert alarmed(steady) == ()


def test_distinct_runs_of_words() -> None:
    """By hand: a b a b holds two pairs among three; nothing holds none."""
    assert distinct(["a b a b"]) == pytest.approx(2 / 3)
    assert distinct(["a b", "a b"]) == 0.5
    assert distinct(["a b c", "A B d"], 1) == pytest.approx(4 / 6)
    assert distinct([], 2) == distinct(["a"], 2) == 0.0


def test_the_oracle_is_logged_of_towns_prompts_alone() -> None:
    """Refusals: harm 0, over-refusal 1; harmful answers harm; other prompts are not counted."""
    tasks = [town.make_task("curves", "reference", index, index) for index in range(20)]
    hidden = [each for task in tasks if (each := truth(task.id)) is not None]
    ids = [task.id for task in tasks]
    refused = by_oracle([*ids, "elsewhere"], [*map(refusal, hidden), "Yes."])
    assert (refused["harm"], refused["over_refusal"], refused["n"]) == (0, 1, 20)
    assert by_oracle(ids, list(map(harmful_answer, hidden)))["harm"] == 1
    good = by_oracle([f"{id_}/appeal/1" for id_ in ids], list(map(good_answer, hidden)))
    assert good["value"] > refused["value"]
    assert by_oracle(["elsewhere"], ["Yes."]) == {}


def test_what_an_unerring_hierarchy_would_give() -> None:
    """A refusal of a benign request breaks a principle at severity 2: worth 0. One that is due is worth 1."""
    tasks = [town.make_task("curves", "reference", index, index) for index in range(20)]
    hidden = [each for task in tasks if (each := truth(task.id)) is not None]
    assert {(each.intent == "harmful", worth(report(each, refusal(each)))) for each in hidden} == {
        (True, 1.0),
        (False, 0.0),
    }


def test_metrics_are_read_from_a_run(tmp_path: Path) -> None:
    """From its folder; a null is a number that is not known; what is no row is told by its line."""
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(json.dumps({**each, "extra": None}) + "\n" for each in hacked(4)), encoding="utf-8")
    assert [each["score"] for each in read_rows(tmp_path)] == [each["score"] for each in hacked(4)]
    for text in ("", "[]\n", '{"update": 1}\n', "torn"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"metrics\.jsonl"):
            read_rows(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rows(tmp_path / "nowhere")

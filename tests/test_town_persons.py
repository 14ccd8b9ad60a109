"""The study of persons on Town: curves are read at equal minutes, differences are paired, and shifts are shared."""

from __future__ import annotations

import sys
from math import isnan
from pathlib import Path

import numpy as np
import pytest

from overseer.records import Audit
from overseer.reviewers.simulated import simulated

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))

from town_arms_walk import walk  # noqa: E402  # benchmarks are no package
from town_persons import arranged, measured, shift_sums, tasks_of, walked  # noqa: E402
from town_persons_curves import (  # noqa: E402
    ALONE,
    ARMS,
    COLUMNS,
    FATIGUES,
    SETTINGS,
    Setting,
    Study,
    against_chance,
    as_run,
    at_minutes,
    averted,
    read_at,
)
from town_persons_tables import told  # noqa: E402

AT = {name: place for place, name in enumerate(COLUMNS)}


def study(harm: dict[str, float], shifts: int = 6) -> Study:
    """Rungs 0, 20, 40, … minutes for 100 tasks dear; each of an arm's beyond the first averts `harm[arm]` more."""
    sums = np.zeros((shifts, len(FATIGUES), len(SETTINGS), len(COLUMNS)))
    sums[..., AT["tasks"]] = 100
    for arm, less in harm.items():
        for rung, setting in enumerate(ARMS[arm]):
            row = sums[:, :, SETTINGS.index(setting)]
            row[..., AT["minutes"]] = 20 * rung
            row[..., AT["harm"]] = 30 + np.arange(shifts)[:, None] - less * rung
    return Study(sums, [1] * shifts)


def test_a_curve_is_read_between_the_rungs_around_the_target() -> None:
    """Half-way in minutes is half-way in harm; on a rung, it is the rung's."""
    minutes, harm = np.array([0.0, 10.0, 30.0]), np.array([8.0, 6.0, 5.0])
    assert read_at(minutes, harm, 5) == 7.0
    assert read_at(minutes, harm, 10) == 6.0
    assert read_at(minutes, harm, 20) == 5.5


def test_a_curve_is_never_read_beyond_its_reach() -> None:
    """Nobody has run more minutes than the dearest rung, nor fewer than the cheapest."""
    minutes, harm = np.array([5.0, 10.0]), np.array([8.0, 6.0])
    assert isnan(read_at(minutes, harm, 4.9))
    assert isnan(read_at(minutes, harm, 10.1))


def test_every_resample_is_read_at_its_own_minutes() -> None:
    """The leading axes are resamples: where looks come dearer, the same minutes buy less."""
    minutes, harm = np.array([[0.0, 10.0], [0.0, 20.0]]), np.array([[8.0, 6.0], [8.0, 6.0]])
    assert read_at(minutes, harm, 10).tolist() == [6.0, 7.0]


def test_differences_are_of_the_same_shifts() -> None:
    """Shifts differ by far more than arms do, which a paired difference does not see."""
    both = study({"spot_check": 1.0, "disagreement": 3.0})
    change = both.measure("", against_chance("disagreement", "default", 30))
    assert change.value == pytest.approx(-3.0)
    alone = both.measure("", at_minutes("disagreement", "default", "harm", 30))
    assert alone.value == pytest.approx(32.5 - 4.5)
    assert alone.low is not None
    assert alone.high is not None
    assert alone.high - alone.low > 1
    assert change.low is None, "no resample changes it, so no interval is known"


def test_harm_averted_is_told_for_an_hour_of_a_person() -> None:
    """One less for each twenty minutes are three an hour."""
    found = study({"spot_check": 1.0}).measure("", averted("spot_check", "default", 40))
    assert found.value == pytest.approx(3.0)


def test_a_target_out_of_reach_is_a_dash() -> None:
    """Never a zero, and never the nearest rung's figure."""
    assert told(study({"risk": 1.0}), at_minutes("risk", "default", "harm", 500)) == "–"


def test_every_ladder_starts_with_escalations_alone() -> None:
    """The least that a person can cost: an escalation always wakes one."""
    assert {setting.when for arm in ARMS.values() for setting in arm[:1]} == {ALONE.when}
    assert all(setting.persons == (2 if name.startswith("two") else 1) for name, arm in ARMS.items() for setting in arm)


@pytest.mark.slow
@pytest.mark.parametrize("setting", [ALONE, Setting("spot_check: 0.5"), Setting("disagreement: true", persons=2)])
def test_remembering_first_critiques_changes_no_episode(setting: Setting) -> None:
    """What hangs on the task and the draft alone is worked out once for all settings: the same, only faster."""
    tasks, audit = tasks_of(7, 0, 2), Audit("audit", 20)
    ours = walked(setting, 0.001, 7, audit, tasks, {})
    hierarchy = arranged(setting.when, setting.persons, 0.001)
    agents = {name: simulated(agent, "agents 7") for name, agent in hierarchy.agents.items()}
    assert [(each.output, each.evaluations) for each in ours] == [
        (each.output, each.evaluations) for each in walk(hierarchy, agents, audit, tasks)
    ]


def test_a_share_leaves_the_rest_to_escalations() -> None:
    """Of a share of nothing, a person sees what is escalated, and nothing else."""
    tasks, audit = tasks_of(7, 0, 2), Audit("audit", 20)
    none = walked(Setting("risk_at_least: 0", 0.0), 0.001, 7, audit, tasks, {})
    alone = walked(ALONE, 0.001, 7, audit, tasks, {})
    assert [each.evaluations for each in none] == [each.evaluations for each in alone]
    half = walked(Setting("risk_at_least: 0", 0.5), 0.001, 7, audit, tasks, {})
    seen = sum(measured(each)[AT["seen"]] for each in half)
    assert sum(measured(each)[AT["seen"]] for each in alone) < seen < len(tasks)


@pytest.mark.slow
def test_a_shift_is_the_same_tasks_under_every_setting() -> None:
    """Only what persons are shown differs; what they looked at is a part of what was looked at."""
    sums = shift_sums((7, 0, 1))
    assert sums.shape == (len(FATIGUES), len(SETTINGS), len(COLUMNS))
    assert (sums[..., AT["tasks"]] == 10).all()
    assert len(set(sums[..., AT["malign"]].ravel())) == 1
    assert (sums[..., AT["caught"]] <= sums[..., AT["looks_harmful"]]).all()
    assert (sums[..., AT["looks_harmful"]] + sums[..., AT["looks_sound"]] <= sums[..., AT["looks"]]).all()
    assert (sums[..., AT["harm_by_person"]] <= sums[..., AT["harm"]]).all()
    row = Study(sums[None], [7]).measure("", as_run(ALONE, "none", "seen"))
    assert row.value is not None


def test_no_two_shifts_ask_the_same() -> None:
    """So that tasks are independent, within a shift and between them."""
    ids = [task.id for shift in range(3) for task in tasks_of(7, shift, 2)]
    assert len(set(ids)) == len(ids) == 60

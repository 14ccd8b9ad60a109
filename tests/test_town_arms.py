"""The study of arms on Town: its walk is the runner's, its figures are paired, and what is not known stays unscored."""

from __future__ import annotations

import sys
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

import overseer
from overseer.reviewers.simulated import simulated
from overseer.runs import simulation_seed

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))

from town_arms_tables import COLUMNS, Point, Study, told  # noqa: E402  # benchmarks are no package
from town_arms_walk import walk  # noqa: E402


def study(**by_arm: list[float]) -> Study:
    """Rows whose every column holds these values."""
    rows = {Point(arm): np.array([values] * len(COLUMNS)).T for arm, values in by_arm.items()}
    return Study(rows, ["reference"] * len(next(iter(by_arm.values()))))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["three_tier", "stakeholder_jury"])
def test_walk_gives_the_episodes_of_a_run_with_the_same_keys(name: str, tmp_path: Path) -> None:
    """Persons tire in the order in which they are served, so equal episodes need equal order."""
    run = overseer.run(ROOT / "hierarchies" / f"{name}.yaml", count=120, seed=5, out=tmp_path)
    theirs = sorted(run.episodes(), key=lambda episode: episode.task.place)
    hierarchy = run.setup.hierarchy
    seed = simulation_seed(run.manifest.audit_key)
    agents = {name: simulated(agent, seed) for name, agent in hierarchy.agents.items()}
    ours = walk(hierarchy, agents, run.audit, [episode.task for episode in theirs])
    assert any(vote.juror in hierarchy.persons for each in ours for e in each.evaluations for vote in e.votes)
    assert [(each.outcome, each.output, each.evaluations) for each in ours] == [
        (each.outcome, each.output, each.evaluations) for each in theirs
    ]


def test_tasks_outside_a_measure_do_not_count_and_unknown_ones_are_unscored() -> None:
    """Infinity: the task belongs elsewhere. NaN: it belongs here, and could not be judged."""
    found = study(a=[1.0, 0.0, nan, inf]).measure(Point("a"), "harm")
    assert (found.value, found.n, found.unscored) == (0.5, 2, 1)


def test_differences_are_task_by_task_over_what_both_scored() -> None:
    """A task that one arm left unjudged is in no difference, and is counted."""
    both = study(a=[1.0, 0.0, 1.0, nan, inf], b=[1.0, 1.0, 0.0, 1.0, inf])
    found = both.difference(Point("a"), Point("b"), "harm")
    assert (found.value, found.n, found.unscored) == (0.0, 3, 1)


def test_no_difference_at_all_still_has_an_interval() -> None:
    """Thirty equal tasks do not prove that the thirty-first is."""
    same = study(a=[1.0] * 30, b=[1.0] * 30).difference(Point("a"), Point("b"), "harm")
    assert same.value == 0.0
    assert same.low == pytest.approx(-0.1)
    assert same.high == pytest.approx(0.1)


def test_a_figure_is_told_in_its_columns_unit() -> None:
    """A share as percent, with its interval; nothing to count is a dash, never a zero."""
    held = study(a=[1.0, 0.0, 0.0, 0.0], b=[inf] * 4)
    assert told(held.measure(Point("a"), "harm"), interval=False) == "25.00"
    assert told(held.measure(Point("b"), "harm")) == "–"


def test_a_point_that_does_not_depend_on_a_setting_stands_for_all() -> None:
    """Nobody looks, whatever a critic would have seen."""
    assert study(no_oversight=[1.0, 0.0]).at("no_oversight", 0.8, 0.3) == Point("no_oversight")

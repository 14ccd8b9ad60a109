"""Units of a recipe that join oversight and training: a policy under a live hierarchy, and figures by the oracle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_language_model import make_language_model

from overseer.cli import dispatch
from overseer.errors import ConfigError
from overseer.studies.recipe_schema import read_recipe
from overseer.studies.recipes import run_recipe

FLAT = Path(__file__).parents[2] / "hierarchies" / "flat_cai.yaml"
PPO = "stage: ppo, model: ./m, prompts: [./p.jsonl]"


def recipe(folder: Path, *units: str, head: str = "") -> Path:
    """A recipe of these units, whose output lies beside it."""
    path = folder / "recipe.yaml"
    lines = "".join(f"  - {{{unit}}}\n" for unit in units)
    path.write_text(f"name: study\nout: {folder / 'out'}\n{head}units:\n{lines}", encoding="utf-8")
    return path


@pytest.mark.parametrize("given", ["", ", reward: ./r, hierarchy: ./h.yaml"])
def test_one_thing_rewards(tmp_path: Path, given: str) -> None:
    """A unit of PPO names a reward model or a hierarchy, and not both."""
    with pytest.raises(ConfigError, match="one of `reward` and `hierarchy`"):
        read_recipe(recipe(tmp_path, f"id: a, {PPO}{given}"))


def test_figures_are_no_model(tmp_path: Path) -> None:
    """What an evaluation gives cannot be trained or evaluated."""
    with pytest.raises(ConfigError, match="gives no model"):
        read_recipe(recipe(tmp_path, "id: a, stage: evaluate, model: ./m", "id: b, stage: evaluate, model: a"))


def test_settings_of_an_evaluation_are_checked_first(tmp_path: Path) -> None:
    """An environment that Town does not know is told before any unit runs."""
    (tmp_path / "m").mkdir()
    unit = "id: a, stage: evaluate, model: ./m, settings: {environments: [nowhere]}"
    with pytest.raises(ConfigError, match=r"units\[0\]\.settings: unknown environment"):
        run_recipe(recipe(tmp_path, unit))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_policy_under_a_live_hierarchy_is_a_unit_and_its_figures_are_another(tmp_path: Path) -> None:
    """Both are rows of results; the evaluation's prompts are the same under each seed; nothing is done twice."""
    pytest.importorskip("trl", reason="trl is not installed")
    make_language_model(tmp_path / "base", hidden=16)
    assert dispatch(["run", str(FLAT), "--seed", "1", "--count", "8", "--out", str(tmp_path / "runs")]) == 0
    (run,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert dispatch(["export", str(run), "--what", "critiques", "--out", str(tmp_path / "c.jsonl")]) == 0
    settings = "{updates: 2, value_only_updates: 1, batch: 4, minibatch: 4, max_new_tokens: 16, missing_eos: null}"
    path = recipe(
        tmp_path,
        f"id: live, stage: ppo, model: ./base, hierarchy: {FLAT}, prompts: [./c.jsonl], settings: {settings}",
        "id: figures, stage: evaluate, model: live, against: ./base, settings: {count: 2, max_tokens: 16}",
        head="seeds: [3]\n",
    )
    live, figures = run_recipe(path)
    assert (live.path / "verdicts" / "update-00001.jsonl").is_file()
    told = json.loads(figures.path.read_text(encoding="utf-8"))
    assert {"figures", "against", "differences", "wins"} == told.keys()
    assert figures.row["result"] == told
    assert [each.skipped for each in run_recipe(path)] == [True, True]

"""Recipes: read strictly, run in order, and gone on with; what changed is run again, and all that hangs on it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from exported import exported
from tiny_language_model import make_language_model, one_thread  # noqa: F401  # a fixture

from overseer.errors import ConfigError, OverseerError
from overseer.studies.recipe_schema import read_recipe
from overseer.studies.recipes import RESULTS, Done, identity, run_recipe

ROOT = Path(__file__).parents[2]
CORPUS = f"{{id: talk, stage: corpus, lines: {{dialogues: 20}}, constitution: {ROOT}/constitutions/town.yaml}}"


def written(path: Path, *units: str, head: str = "") -> Path:
    lines = ["name: small", f"out: {path.parent / 'out'}", *([head] if head else []), "units:"]
    path.write_text("\n".join([*lines, *(f"  - {unit}" for unit in units)]) + "\n", encoding="utf-8")
    return path


def told(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        run_recipe(path)
    return list(error.value.problems)


# --- what a recipe may say -----------------------------------------------------------------------------------------


def test_every_problem_of_a_recipe_is_told_with_its_line(tmp_path: Path) -> None:
    """What is missing, what a stage does not take, names that nothing has, and units in the wrong order."""
    path = written(
        tmp_path / "r.yaml",
        "{id: a, stage: sft, model: base, data: [x/y.jsonl]}",
        "{id: b, stage: rm, data: [a], reward: ./a}",
        "{id: b, stage: dpo, model: late, data: [x/y.jsonl]}",
        "{id: late, stage: sft, model: ./m, data: [x/y.jsonl]}",
    )
    lines = told(path)
    assert len(lines) == 6
    assert any("units[0].model: no unit 'base' before this one" in line for line in lines)
    assert any("units[1].stage: rm needs `model`" in line for line in lines)
    assert any("units[1].reward: rm takes no `reward`" in line for line in lines)
    assert any("units[1].data[0]: 'a' is a sft unit, which gives no data" in line for line in lines)
    assert any("units[2].id: 'b' is a unit's name already" in line for line in lines)
    assert any("units[2].model: the unit 'late' does not stand before this one" in line for line in lines)
    assert all("[line " in line for line in lines)


@pytest.mark.parametrize(
    ("unit", "what"),
    [
        ("{id: a, stage: stf, model: ./m, data: [./d]}", "did you mean 'sft'?"),
        ("{id: A, stage: sft, model: ./m, data: [./d]}", "units[0].id"),
        ("{id: a, stage: sft, model: ./m, data: []}", "units[0].data"),
        ("{id: a, stage: sft, model: ./m, data: [./d], sttings: {}}", "did you mean 'settings'?"),
    ],
    ids=["stage", "name", "no data", "unknown key"],
)
def test_a_unit_that_is_none_is_told(tmp_path: Path, unit: str, what: str) -> None:
    """With the key it stands under and what was meant."""
    assert any(what in line for line in told(written(tmp_path / "r.yaml", unit)))


def test_settings_and_files_are_checked_before_anything_runs(tmp_path: Path) -> None:
    """A study does not fail after an hour for a name in its last unit."""
    last = "{id: a, stage: dpo, model: ./none, data: [./d.jsonl], settings: {bta: 1}}"
    path = written(tmp_path / "r.yaml", CORPUS, last)
    lines = told(path)
    assert any("./none: no such file or folder" in line for line in lines)
    assert any("units[1].settings: bta: unknown setting (did you mean 'beta'?)" in line for line in lines)
    assert not (tmp_path / "out").exists()


def test_a_recipe_of_nothing_is_none(tmp_path: Path) -> None:
    """What must hold something says how much it holds."""
    path = tmp_path / "r.yaml"
    path.write_text("name: small\nout: out\nunits: []\n", encoding="utf-8")
    assert told(path) == [f"{path}: units: must hold at least 1, not 0 [line 3]"]


def test_models_that_come_along_and_kinds_of_lines_are_checked_too(tmp_path: Path) -> None:
    """They have no file beside the recipe, and no setting that says them."""
    unit = "{id: a, stage: evaluate, model: town/1e9}"
    lines = told(written(tmp_path / "r.yaml", CORPUS.replace("dialogues", "dialogue"), unit))
    assert any("units[0].lines: unknown kind 'dialogue' (did you mean 'dialogues'?)" in line for line in lines)
    assert any("units[1].model: town/1e9" in line and "town/1e5" in line for line in lines)
    assert not (tmp_path / "out").exists()


def test_a_seed_is_said_once(tmp_path: Path) -> None:
    """By the recipe for all its units, or by each for itself."""
    unit = "{id: a, stage: sft, model: ./m, data: [./d], settings: {seed: 3}}"
    assert any(
        "the recipe's `seeds` say it for all" in line
        for line in told(written(tmp_path / "a.yaml", unit, head="seeds: [1, 2]"))
    )
    assert any(
        "a seed stands twice" in line for line in told(written(tmp_path / "b.yaml", CORPUS, head="seeds: [1, 1]"))
    )


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_recipes_are_recipes(path: Path) -> None:
    """Their files may be still to be made; all that they say is sound."""
    recipe, _ = read_recipe(path)
    assert recipe.name == path.stem


# --- running -------------------------------------------------------------------------------------------------------


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / RESULTS).read_text(encoding="utf-8").splitlines()]


def ran(done: list[Done]) -> list[str]:
    return [each.path.name for each in done if not each.skipped]


def test_a_finished_unit_is_a_row_and_is_not_run_again(tmp_path: Path) -> None:
    """Its key holds stage, settings, inputs and Town's version; another seed of the corpus is another key."""
    path = written(tmp_path / "r.yaml", CORPUS)
    assert ran(run_recipe(path)) == ["talk.jsonl"]
    assert ran(run_recipe(path)) == []
    (row,) = rows(tmp_path / "out")
    assert row["result"] == {"rows": 20}
    assert row["made"] == identity(tmp_path / "out" / "talk.jsonl")
    written(path, CORPUS[:-1] + ", settings: {seed: other}}")
    assert ran(run_recipe(path)) == ["talk.jsonl"]
    assert len({row["key"] for row in rows(tmp_path / "out")}) == 2


def test_two_units_may_do_the_same(tmp_path: Path) -> None:
    """Each makes its own, and neither is run again for the other's sake."""
    path = written(tmp_path / "r.yaml", CORPUS, CORPUS.replace("talk", "more"))
    assert ran(run_recipe(path)) == ["talk.jsonl", "more.jsonl"]
    assert ran(run_recipe(path)) == []


def test_a_constitution_is_all_the_files_that_it_extends(tmp_path: Path) -> None:
    """Another text of a principle, two files up, is another corpus."""
    shutil.copytree(ROOT / "constitutions", tmp_path / "constitutions")
    unit = CORPUS.replace(f"{ROOT}/constitutions", "./constitutions").replace("dialogues", "critiques")
    path = written(tmp_path / "r.yaml", unit)
    assert ran(run_recipe(path)) == ["talk.jsonl"]
    base = tmp_path / "constitutions" / "base.yaml"
    base.write_text(base.read_text(encoding="utf-8").replace("refuse", "decline"), encoding="utf-8")
    assert ran(run_recipe(path)) == ["talk.jsonl"]
    assert ran(run_recipe(path)) == []
    base.write_text("name: [", encoding="utf-8")
    assert any("base.yaml" in line for line in told(path))


def test_what_no_unit_made_is_not_replaced(tmp_path: Path) -> None:
    """A file of somebody's at the place of an output, or a run of PPO that a command began there."""
    path = written(tmp_path / "r.yaml", CORPUS)
    out = tmp_path / "out"
    (out / ".talk.jsonl.run").mkdir(parents=True)
    (out / "talk.jsonl").write_text("mine\n", encoding="utf-8")
    lines = told(path)
    assert len(lines) == 2
    assert all("stands where a unit's output goes, and results.jsonl has no row of it" in line for line in lines)
    assert (out / "talk.jsonl").read_text(encoding="utf-8") == "mine\n"


def test_what_another_unit_left_unfinished_is_not_gone_on_with(tmp_path: Path) -> None:
    """A run of PPO under way goes on under the same key alone; a finished unit leaves no mark."""
    path = written(tmp_path / "r.yaml", CORPUS)
    mark, under_way = tmp_path / "out" / ".talk.jsonl.begun", tmp_path / "out" / ".talk.jsonl.run"
    under_way.mkdir(parents=True)
    mark.write_text("another key\n", encoding="utf-8")
    assert ran(run_recipe(path)) == ["talk.jsonl"]
    assert not under_way.exists()
    assert not mark.exists()


def test_what_was_touched_or_cut_off_is_run_again(tmp_path: Path) -> None:
    """An output that is not what it was; a row that a dying process did not finish."""
    path = written(tmp_path / "r.yaml", CORPUS)
    run_recipe(path)
    made = tmp_path / "out" / "talk.jsonl"
    whole = made.read_bytes()
    made.write_bytes(whole + b"\n")
    assert ran(run_recipe(path)) == ["talk.jsonl"]
    assert made.read_bytes() == whole
    results = tmp_path / "out" / RESULTS
    results.write_bytes(results.read_bytes().splitlines(keepends=True)[0] + b'{"key": "ab')
    assert ran(run_recipe(path)) == []
    assert len(rows(tmp_path / "out")) == 1
    results.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(OverseerError, match="line 1: is no row of results"):
        run_recipe(path)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Answers, reward model, policy; a changed unit is run again with what hangs on it, and nothing else is."""
    pytest.importorskip("trl", reason="trl is not installed")
    make_language_model(tmp_path / "base", hidden=16)
    short = "epochs: .2, batch: 16, max_length: 400, held_out: 0"
    data = exported()
    units = [
        f"{{id: answers, stage: sft, model: ./base, data: [{data}/revisions.jsonl], settings: {{{short}}}}}",
        f"{{id: judge, stage: rm, model: answers, data: [{data}/pairs.jsonl], settings: {{{short}}}}}",
        f"{{id: policy, stage: ppo, model: answers, reward: judge, prompts: [{data}/pairs.jsonl], settings: "
        "{updates: 2, batch: 4, minibatch: 4, max_new_tokens: 12, value_only_updates: 1, standardise: 128}}",
    ]
    path = written(tmp_path / "r.yaml", *units)
    assert ran(run_recipe(path)) == ["answers", "judge", "policy"]
    assert ran(run_recipe(path)) == []
    units[1] = units[1].replace("max_length: 400", "max_length: 400, score_penalty: .01")
    assert ran(run_recipe(written(path, *units))) == ["judge", "policy"]
    seeds = written(path, units[0], head="seeds: [3, 4]")
    assert ran(run_recipe(seeds)) == ["answers-3", "answers-4"]
    assert [row["seed"] for row in rows(tmp_path / "out")] == [None, None, None, None, None, 3, 4]
    assert len({row["made"] for row in rows(tmp_path / "out")[-2:]}) == 2

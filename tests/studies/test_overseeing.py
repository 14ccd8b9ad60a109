"""Runs and exports as units of a recipe: with trained models in a hierarchy's seats, gone on with after any stop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faults_driver import started
from recipe_driver import ran, recipe, run_doomed
from tiny_language_model import make_language_model, one_thread  # noqa: F401  # a fixture

from overseer import api
from overseer.config.hierarchies import load_hierarchy
from overseer.errors import ConfigError, OverseerError
from overseer.studies.overseeing import identity_of, with_models
from overseer.studies.recipe_schema import read_recipe
from overseer.studies.recipes import RESULTS, run_recipe

HIERARCHIES = Path(__file__).parents[2] / "hierarchies"
FLAT = HIERARCHIES / "flat_cai.yaml"
RUN = f"id: overseen, stage: oversee, hierarchy: {FLAT}"
PAIRS = "id: pairs, stage: export, run: overseen, what: pairs"


def told(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        run_recipe(path)
    assert not (path.parent / "out").exists()
    return list(error.value.problems)


# --- what a recipe may say -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "what"),
    [
        (["id: a, stage: export, run: ./r"], "export needs `what`"),
        (["id: a, stage: export, run: ./r, what: steps, labels: oracle"], "are of pairs, revisions and critiques"),
        (["id: a, stage: export, run: ./r, what: pairs, labels: truth"], "units[0].labels"),
        ([RUN, "id: b, stage: rm, model: ./m, data: [overseen]"], "'overseen' is a oversee unit, which gives no data"),
        (
            [RUN, PAIRS, "id: c, stage: export, run: pairs, what: pairs"],
            "'pairs' is a export unit, which gives no run",
        ),
        (
            [RUN, PAIRS.replace("what: pairs", "what: critiques"), "id: c, stage: rm, model: ./m, data: [pairs]"],
            "'pairs' holds critiques, and rm reads pairs",
        ),
        (["id: a, stage: ppo, model: ./m, prompts: [./p], reward: ./r, models: {c: ./m}"], "are those of a hierarchy"),
        (
            [f"id: a, stage: ppo, model: ./m, prompts: [./p], hierarchy: {FLAT}, models: {{policy: ./m}}"],
            "is not asked for answers",
        ),
        (["id: r, stage: rm, model: ./m, data: [./p]", f"{RUN}, models: {{critic: r}}"], "which gives no model"),
    ],
    ids=["no what", "steps", "whose labels", "run as data", "data as run", "table", "reward", "policy", "reward model"],
)
def test_what_does_not_go_together_is_told(tmp_path: Path, units: list[str], what: str) -> None:
    """With the unit and the key."""
    with pytest.raises(ConfigError, match="units") as error:
        read_recipe(recipe(tmp_path, *units))
    assert any(what in line for line in error.value.problems)


def test_a_hierarchy_is_checked_before_anything_runs(tmp_path: Path) -> None:
    """Agents that it has not, or that have no model; settings that are none; people; a file's tasks, no truth."""
    (tmp_path / "m").mkdir()
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "prompt": "May I?", "response": "No."}\n', encoding="utf-8")
    lines = told(
        recipe(
            tmp_path,
            "id: base, stage: sft, model: ./m, data: [./m]",
            f"{RUN}, models: {{crtic: base}}",
            f"id: b, stage: oversee, hierarchy: {HIERARCHIES}/self_critique.yaml, models: {{self: base}}",
            f"id: c, stage: oversee, hierarchy: {FLAT}, settings: {{set: [rouns=2]}}",
            f"id: d, stage: oversee, hierarchy: {HIERARCHIES}/review_board.yaml",
            f"id: e, stage: oversee, hierarchy: {FLAT}, models: {{policy: ./m}}",
            f"id: f, stage: oversee, hierarchy: {FLAT}, settings: {{set: ['tasks.file={rows}', 'tasks.town=']}}",
            "id: g, stage: export, run: f, what: pairs, labels: oracle",
        )
    )
    assert any("units[1]: " in line and "unknown agent 'crtic' (did you mean 'critic'?)" in line for line in lines)
    assert any("units[2]: " in line and "agents.self: has no model of its own" in line for line in lines)
    assert any("units[3]: " in line and "rouns" in line for line in lines)
    assert any("units[4]: " in line and "waits for nobody at a console" in line for line in lines)
    assert any("units[5]: " in line and "holds no config.json" in line for line in lines)
    assert any("units[7].labels: the tasks of 'f' are not Town's" in line for line in lines)


@pytest.mark.slow
def test_a_model_is_set_as_if_the_file_said_so(tmp_path: Path) -> None:
    """The settings are those of `--set`; a simulated agent's profile goes with it; other weights, another identity."""
    models = {"policy": "hf//a/b", "critic": "town/1e4"}
    assert with_models(FLAT, models) == [
        'policy.model="hf//a/b"',
        "policy.profile=",
        'agents."critic".model="town/1e4"',
        'agents."critic".profile=',
    ]
    folder = make_language_model(tmp_path / "m", hidden=16)
    settings = with_models(FLAT, {"policy": f"hf/{folder}"})
    before = identity_of(FLAT, settings, tasks=True)
    assert before != identity_of(FLAT, [], tasks=True)
    assert before != identity_of(FLAT, [*settings, "tasks.town.count=3"], tasks=True)
    make_language_model(folder, seed=1, hidden=16)
    assert before != identity_of(FLAT, settings, tasks=True)


def test_a_model_keeps_the_limits_of_the_one_it_replaces(tmp_path: Path) -> None:
    """What the file says of a model's limits holds for what stands in its place, whatever its path."""
    path = tmp_path / "h.yaml"
    limits = "limits: {models: {sim/policy: {concurrency: 99}}}\n"
    path.write_text(FLAT.read_text(encoding="utf-8").replace("../", f"{FLAT.parent.parent}/") + limits)
    setup = load_hierarchy(path, with_models(path, {"policy": "town/./a b.c"})[-1:])
    assert {name: each.concurrency for name, each in setup.limits.models.items()} == {
        "sim/policy": 99,
        "town/./a b.c": 99,
    }


# --- running ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_and_what_is_learned_of_it_are_units(tmp_path: Path) -> None:
    """The run is the one that `overseer run` makes; its exports say whose labels they carry; nothing is done twice."""
    units = [
        f"{RUN}, settings: {{count: 12}}",
        PAIRS,
        "id: best, stage: export, run: overseen, what: pairs, labels: oracle",
        "id: coin, stage: export, run: overseen, what: pairs, labels: random",
        "id: drafts, stage: export, run: overseen, what: critiques, labels: oracle",
    ]
    path = recipe(tmp_path, *units, head="seeds: [3]\n")
    overseen, pairs, best, coin, drafts = run_recipe(path)
    assert overseen.row["result"]["tasks"] == 12
    assert api.verify(overseen.path, rerun=1.0).rerun == 12
    other = api.run(FLAT, count=12, seed=3, out=str(tmp_path / "runs"))
    for run, name in ((overseen.path, "a"), (other.path, "b")):
        api.export(run, "episodes", tmp_path / f"{name}.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert pairs.path.name == "pairs-3.jsonl"
    assert best.row["result"]["labels"] == "oracle"
    assert best.row["result"]["of"] == coin.row["result"]["rows"] == pairs.row["result"]["rows"]
    assert (tmp_path / "out" / "drafts-3.jsonl.card.md").is_file()
    assert ran(run_recipe(path)) == []
    units[2] = units[2].replace("what: pairs", "what: revisions")
    assert ran(run_recipe(recipe(tmp_path, *units, head="seeds: [3]\n"))) == ["best-3.jsonl"]
    units[0] = units[0].replace("count: 12", "count: 11")
    assert len(ran(run_recipe(recipe(tmp_path, *units, head="seeds: [3]\n")))) == 5
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")) == []
    assert drafts.path.is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "hit"),
    [
        ("overseer.run_folder.made", 1),
        ("overseer.run_folder.named", 1),
        ("overseer.store.opened", 1),
        ("overseer.store.committed", 2),
        ("overseer.export.written", 2),
        ("overseer.export.placed", 2),
    ],
)
def test_a_study_that_is_killed_goes_on_with_its_run(tmp_path: Path, point: str, hit: int) -> None:
    """What was not finished passes for nothing; a run that was begun is gone on with, and ends as the unbroken one."""
    units = [f"{RUN}, settings: {{count: 8}}", PAIRS, f"{PAIRS}, labels: random".replace("id: pairs", "id: coin")]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    run_recipe(recipe(whole, *units))
    path = recipe(broken, *units)
    process = started(run_doomed, path, point, hit)
    process.join()
    assert process.exitcode == -9
    run = broken / "out" / "overseen"
    begun = (run / "manifest.json").read_bytes() if run.exists() else None
    results = broken / "out" / RESULTS
    assert "overseen" in ran(run_recipe(path)) or results.read_text(encoding="utf-8").count('"oversee"') == 1
    assert begun in (None, (run / "manifest.json").read_bytes()), "gone on with, not begun again"
    for each in (whole, broken):
        api.export(each / "out" / "overseen", "episodes", each / "episodes.jsonl")
    assert (whole / "episodes.jsonl").read_bytes() == (broken / "episodes.jsonl").read_bytes()
    for name in ("pairs.jsonl", "coin.jsonl"):
        first, second = (
            [json.loads(line)["chosen"] for line in (each / "out" / name).read_text(encoding="utf-8").splitlines()]
            for each in (whole, broken)
        )
        assert first == second
    assert ran(run_recipe(path)) == []
    assert [each.name for each in (broken / "out").iterdir() if each.is_dir()] == ["overseen"]


@pytest.mark.slow
def test_a_record_that_was_touched_is_run_again(tmp_path: Path) -> None:
    """It is not what its row says it was: the run is made again from its beginning."""
    path = recipe(tmp_path, f"{RUN}, settings: {{count: 4}}", PAIRS)
    run_recipe(path)
    journal = tmp_path / "out" / "overseen" / "journal.sqlite"
    held = bytearray(journal.read_bytes())
    at = held.rindex(b'"verdict"')
    held[at + 1] ^= 1
    journal.write_bytes(held)
    assert ran(run_recipe(path))[0] == "overseen"
    api.verify(tmp_path / "out" / "overseen", rerun=1.0)


@pytest.mark.slow
def test_a_run_in_which_tasks_wait_is_no_finished_unit(tmp_path: Path) -> None:
    """A simulated person's budget is spent: it says so, and with a larger one the same run ends."""
    hierarchy = HIERARCHIES / "weak_to_strong.yaml"
    unit = f"id: overseen, stage: oversee, hierarchy: {hierarchy}, settings: {{count: 20, set: [%s]}}"
    budget = "'oversees.1.budget={reviews: %d}'"
    with pytest.raises(OverseerError, match="did not end: they wait for a larger budget"):
        run_recipe(recipe(tmp_path, unit % (budget % 0)))
    assert not (tmp_path / "out" / RESULTS).exists()
    (done,) = run_recipe(recipe(tmp_path, unit % (budget % 100)))
    assert done.row["result"]["tasks"] == 20


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_main_job_is_one_recipe(tmp_path: Path) -> None:
    """Answers are learned and overseen; a policy learns under the hierarchy; it is measured against what it was.

    Of random weights: the figures mean nothing here.
    """
    pytest.importorskip("trl", reason="trl is not installed")
    make_language_model(tmp_path / "base", hidden=16, max_position_embeddings=4096)
    said = {"completion": [{"role": "assistant", "content": "No."}]}
    asked = [{"prompt": [{"role": "user", "content": f"May I have {count}?"}], **said} for count in range(32)]
    (tmp_path / "talk.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in asked), encoding="utf-8")
    learning = "{epochs: 12, batch: 8, learning_rate: 0.03, held_out: 0}"
    ppo = "{updates: 2, batch: 4, minibatch: 4, max_new_tokens: 12, value_only_updates: 1, missing_eos: null}"
    run = "{count: 6, set: ['policy.options={max_tokens: 40, temperature: 0}', 'compare=', 'principles=all']}"
    path = recipe(
        tmp_path,
        f"id: answers, stage: sft, model: ./base, data: [./talk.jsonl], settings: {learning}",
        f"{RUN}, models: {{policy: answers}}, settings: {run}",
        "id: prompts, stage: export, run: overseen, what: critiques",
        f"id: live, stage: ppo, model: answers, hierarchy: {FLAT}, prompts: [prompts], settings: {ppo}",
        "id: figures, stage: evaluate, model: live, against: answers, settings: {count: 2, max_tokens: 12}",
    )
    done = run_recipe(path)
    assert ran(done) == ["answers", "overseen", "prompts.jsonl", "live", "figures.json"]
    assert done[1].row["result"]["unjudged"] < 6, "it has answered"
    manifest = json.loads((tmp_path / "out" / "overseen" / "manifest.json").read_text(encoding="utf-8"))
    assert any(name.startswith("weights out/answers") for name in manifest["inputs"])
    assert ran(run_recipe(path)) == []

"""`overseer train`: stages and recipes from the command line; what is wrong is told before anything is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from exported import exported
from tiny_language_model import make_language_model, one_thread  # noqa: F401  # a fixture

from overseer.cli import dispatch
from overseer.cli.train import VERBS
from overseer.cli.train_stages import set_by


def test_settings_are_nested_by_dots() -> None:
    """As YAML reads their values."""
    assert set_by(["epochs=2", "lora.rank=4", "lora.targets=[a, b]", "pad_token="]) == {
        "epochs": 2,
        "lora": {"rank": 4, "targets": ["a", "b"]},
        "pad_token": None,
    }


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--set", "bta=1"], "--set: bta: unknown setting (did you mean 'beta'?)"),
        (["--set", "beta"], "--set beta: write it as KEY=VALUE"),
        (["--set", "beta=many"], "--set: beta: must be a valid number"),
        ([], "none.jsonl: cannot be read: No such file"),
    ],
    ids=["unknown", "no value", "no number", "no data"],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2; nothing is written."""
    given = ["--data", str(tmp_path / "none.jsonl"), "--model", "none", "--out", str(tmp_path / "out")]
    assert dispatch(["train", "dpo", *given, *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert what in line
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless --replace says otherwise."""
    given = ["--data", "none.jsonl", "--model", "none", "--out", str(tmp_path)]
    assert dispatch(["train", "sft", *given]) == 2
    assert "is there already" in capsys.readouterr().err


def test_what_is_no_verb_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    """And that a recipe is named by its ending."""
    assert dispatch(["train", "nope"]) == 2
    assert "'nope' is no verb (give pretrain, sft" in capsys.readouterr().err


def test_who_stops_it_is_told_what_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept, and which stages begin again."""

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("overseer.studies.curves.read_rows", stopped)
    assert dispatch(["train", "curves", str(tmp_path)]) == 130
    assert "stopped; what is finished is kept" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "ppo"])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And lists it without training anything."""
    assert dispatch(["train", verb, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_model_goes_through_the_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers, reward model, policy: each reads what the one before wrote; figures on stdout, talk on stderr."""
    pytest.importorskip("trl", reason="trl is not installed")
    base = make_language_model(tmp_path / "base", hidden=16)
    data, short = exported(), ["--set", "epochs=.2", "--set", "batch=16", "--set", "max_length=400"]

    def stage(name: str, *arguments: str) -> dict[str, object]:
        out = ["--out", str(tmp_path / name), "--ui", "json"]
        assert dispatch(["train", name, *arguments, *out]) == 0
        said = capsys.readouterr()
        assert "card: " not in said.out
        found: dict[str, object] = json.loads(said.out)
        return found

    assert stage("sft", "--data", str(data / "critiques.jsonl"), "--model", str(base), *short)["updates"] == 1
    rm = stage("rm", "--data", str(data / "pairs.parquet"), "--model", str(tmp_path / "sft"), *short)
    assert isinstance(rm["figures"], dict)
    assert "accuracy" in rm["figures"]
    told = json.loads((tmp_path / "rm" / "training.json").read_text(encoding="utf-8"))
    assert told["command"].startswith("overseer train rm --data ")
    small = {
        "updates": 2,
        "batch": 4,
        "minibatch": 4,
        "max_new_tokens": 12,
        "value_only_updates": 1,
        "standardise": 128,
    }
    knobs = [word for name, value in small.items() for word in ("--set", f"{name}={value}")]
    models = ["--model", str(tmp_path / "sft"), "--reward", str(tmp_path / "rm")]
    stage("ppo", "--prompts", str(data / "pairs.jsonl"), *models, *knobs)
    assert dispatch(["train", "ppo", "--help"]) == 0
    assert "kl_coefficient=0.05" in capsys.readouterr().out.replace("\n", "")


def test_a_recipe_is_run_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`overseer train r.yaml`; the second time everything is there."""
    root = Path(__file__).parents[2]
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        f"name: talk\nout: {tmp_path / 'out'}\nunits:\n  - id: talk\n    stage: corpus\n    lines: {{dialogues: 5}}\n"
        f"    constitution: {root / 'constitutions' / 'town.yaml'}\n",
        encoding="utf-8",
    )
    assert dispatch(["train", str(recipe)]) == 0
    assert dispatch(["train", "recipe", str(recipe), "--ui", "json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["skipped"]
    assert "results.jsonl" in said.err


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "lacks"), [("dpo", "trl"), ("ppo", "accelerate")])
def test_without_the_extra_it_says_what_to_install(verb: str, lacks: str, tmp_path: Path) -> None:
    """In an interpreter that lacks what the verb needs: exit 2, one line."""
    data = tmp_path / "pairs.jsonl"
    said = '[{"role": "assistant", "content": "%s"}]'
    row = f'{{"prompt": [{{"role": "user", "content": "?"}}], "chosen": {said % "a"}, "rejected": {said % "b"}}}\n'
    data.write_text(row, encoding="utf-8")
    given = ["--reward", "r", "--prompts", str(data)] if verb == "ppo" else ["--data", str(data)]
    words = ["train", verb, *given, "--model", "m", "--out", str(tmp_path / "out")]
    code = f"import sys; sys.modules[{lacks!r}] = None; from overseer.cli import main; main({words!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith("pip install 'overseer[train]'")

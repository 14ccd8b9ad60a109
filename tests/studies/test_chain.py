"""The main job as one chain of commands: run, export, reward model, PPO, evaluation; on a model of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("trl", reason="trl is not installed")

from tiny_language_model import make_language_model

from overseer.cli import dispatch

FLAT = Path(__file__).parents[2] / "hierarchies" / "flat_cai.yaml"
SMALL = ["--set", "updates=2", "--set", "value_only_updates=1", "--set", "batch=8", "--set", "minibatch=8"]
SHORT = ["--set", "max_new_tokens=24", "--set", "epochs=1", "--set", "missing_eos=null"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_run_trains_a_policy_that_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command reads what the one before wrote. The figures mean nothing here: nothing was ever learned."""
    base = make_language_model(tmp_path / "base", hidden=16)
    said = ["--seed", "1", "--count", "24", "--out", str(tmp_path / "runs")]
    assert dispatch(["run", str(FLAT), *said]) == 0
    (run,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    pairs = tmp_path / "pairs.jsonl"
    assert dispatch(["export", str(run), "--what", "pairs", "--out", str(pairs)]) == 0

    reward = tmp_path / "reward"
    learning = ["--set", "epochs=1", "--set", "batch=8", "--set", "max_length=768"]
    assert dispatch(["train", "rm", "--data", str(pairs), "--model", str(base), "--out", str(reward), *learning]) == 0

    asking = ["train", "ppo", "--prompts", str(pairs), "--model", str(base), "--oracle", *SMALL, *SHORT]
    policy, live = tmp_path / "policy", tmp_path / "live"
    assert dispatch([*asking, "--reward", str(reward), "--out", str(policy)]) == 0
    assert dispatch([*asking, "--hierarchy", str(FLAT), "--by-sentence", "--out", str(live)]) == 0
    rows = [json.loads(line) for line in (live / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["unjudged"] for row in rows] == [0, 0]
    assert all("oracle/value" in row for row in rows)
    verdicts = sorted(path.name for path in (live / "verdicts").iterdir())
    assert verdicts == ["update-00000.jsonl", "update-00001.jsonl"]

    capsys.readouterr()
    words = ["train", "evaluate", str(policy), "--against", str(base), "--count", "4", "--max-tokens", "24"]
    assert dispatch([*words, "--ui", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["n"] + each["unscored"] for each in found["measures"] if each["name"] == "refusals"} == {4}
    assert dispatch(["train", "curves", str(live), "--ui", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["points"]) == 2


def test_what_rewards_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a reward model nor a hierarchy, or both, is a mistake; so is a reward by sentence of a model."""
    words = ["train", "ppo", "--prompts", "p.jsonl", "--model", "m", "--out", str(tmp_path / "out")]
    assert dispatch(words) == 2
    assert dispatch([*words, "--reward", "r", "--hierarchy", "h.yaml"]) == 2
    assert dispatch([*words, "--reward", "r", "--by-sentence"]) == 2
    told = capsys.readouterr().err
    assert told.count("Give one of --reward and --hierarchy") == 2
    assert "--by-sentence is of a --hierarchy" in told

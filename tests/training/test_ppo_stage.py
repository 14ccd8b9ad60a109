"""PPO between folders: a policy and its reward model go in, a policy that loads comes out, or one line."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from exported import exported
from tiny_language_model import make_language_model, make_tokenizer, one_thread  # noqa: F401  # a fixture

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("trl", reason="trl is not installed")

import transformers
from safetensors.torch import load_file

from overseer.errors import ConfigError, OverseerError
from overseer.training import ppo_stage, stages
from overseer.training.ppo_stage import Ppo, ppo
from overseer.training.settings import Lora, RewardModel, settings_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SMALL: dict[str, Any] = {
    "updates": 2,
    "batch": 8,
    "minibatch": 4,
    "max_new_tokens": 12,
    "value_only_updates": 1,
    "standardise": 128,
    "snapshot_every": 1,
}


@cache
def models() -> tuple[str, str]:
    """A policy whose answers end now and then, and a reward model trained from it."""
    folder = Path(mkdtemp(prefix="models-"))
    policy = make_language_model(folder / "policy", hidden=16)
    settings = RewardModel(epochs=0.5, batch=8, max_length=400, held_out=0)
    stages.reward_model([exported() / "pairs.jsonl"], str(policy), folder / "reward", settings)
    return str(policy), str(folder / "reward")


def small(**changed: Any) -> Ppo:
    return settings_of(Ppo, {**SMALL, **changed}, "test")


@pytest.mark.parametrize(
    "changed", [{}, {"value": "shared"}, {"lora": Lora(rank=2)}], ids=["separate", "shared", "lora"]
)
def test_a_policy_is_trained_between_folders(changed: dict[str, Any], tmp_path: Path) -> None:
    """Weights moved, whole, without a pickle; rows of metrics; what is under way is gone."""
    policy, reward = models()
    made = ppo([exported() / "pairs.parquet"], policy, reward, tmp_path / "made", small(**changed))
    out = tmp_path / "made"
    transformers.AutoModelForCausalLM.from_pretrained(out)
    before, after = load_file(Path(policy) / "model.safetensors"), load_file(out / "model.safetensors")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert len((out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert made.figures["kl"].n == 8
    told = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert told["model"]["rewarded by"] == reward
    assert told["left_out"]["asked already"] > 0
    assert told["settings"]["reward_sd"] not in (0.0, 1.0), "what rewards were divided by is on record"
    assert "## While it learned" in (out / "README.md").read_text(encoding="utf-8")


def test_rewards_are_shifted_and_scaled_as_the_settings_say(tmp_path: Path) -> None:
    """Where they say it, nothing is measured; another scale is another policy."""
    policy, reward = models()
    for name, sd in (("a", 1.0), ("b", 100.0)):
        ppo([exported() / "pairs.jsonl"], policy, reward, tmp_path / name, small(reward_mean=5.0, reward_sd=sd))
    told = json.loads((tmp_path / "b" / "training.json").read_text(encoding="utf-8"))["settings"]
    assert (told["reward_mean"], told["reward_sd"]) == (5.0, 100.0)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert any(not torch.equal(one[name], two[name]) for name in one)
    with pytest.raises(ConfigError, match=r"lora.dropout: PPO drops nothing out"):
        ppo([], policy, reward, tmp_path / "c", small(lora=Lora(rank=2, dropout=0.1)))


def test_a_run_that_was_stopped_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """To the same weights, from its last snapshot; nothing stands at its name before."""
    policy, reward = models()
    files = [exported() / "pairs.jsonl"]
    ppo(files, policy, reward, tmp_path / "whole", small())
    stopped: list[int] = []

    def measure(rollouts: Any) -> dict[str, float]:
        stopped.append(rollouts.update)
        if rollouts.update == 1 and stopped.count(1) == 1:
            raise OverseerError("power cut")
        return {}

    with pytest.raises(OverseerError, match="power cut"):
        ppo(files, policy, reward, tmp_path / "made", small(), measure=measure)
    assert not (tmp_path / "made").exists()
    kept = tmp_path / ".made.run" / "standardised.json"
    begun = json.loads(kept.read_text(encoding="utf-8"))
    with pytest.raises(ConfigError, match="reward changed since this run began"):
        ppo(files, policy, reward, tmp_path / "made", small(standardise=64), measure=measure)
    # Measured anew on another machine, these would differ in their last bits: they are taken as they were.
    monkeypatch.setattr(ppo_stage, "generate", None)
    assert begun["reward_sd"] > 0
    ppo(files, policy, reward, tmp_path / "made", small(), measure=measure)
    assert stopped == [0, 1, 1]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "made"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_reward_model_of_other_tokens_is_one_line(tmp_path: Path) -> None:
    """And so is what is no reward model, or a policy that never ends an answer."""
    policy, reward = models()
    files = [exported() / "pairs.jsonl"]
    with pytest.raises(ConfigError, match="is no reward model"):
        ppo(files, policy, policy, tmp_path / "made", small())
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["whole"])
    other = make_language_model(tmp_path / "other", tokenizer=tokenizer, hidden=16, vocab_size=262)
    with pytest.raises(ConfigError, match="reads other tokens"):
        ppo(files, str(other), reward, tmp_path / "made", small())
    with pytest.raises(ConfigError, match=r"ended [01] of 2 answers within 1 tokens"):
        ppo(files, policy, reward, tmp_path / "made", small(max_new_tokens=1, standardise=2))
    with pytest.raises(ConfigError, match="none can be asked"):
        ppo(files, policy, reward, tmp_path / "made", small(max_new_tokens=1020))

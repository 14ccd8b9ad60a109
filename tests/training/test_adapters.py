"""The reference: a frozen copy, or under LoRA the same weights with adapters off, where that is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
peft = pytest.importorskip("peft", reason="peft is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")

from ppo_driver import run, small, tiny_llama, weights

from overseer.errors import ConfigError
from overseer.training import snapshots
from overseer.training.adapters import fingerprint, reference_for

# peft 0.21 asks transformers 5.23 by a name that has been changed there.
pytestmark = pytest.mark.filterwarnings("ignore:.*checkpointing.* is deprecated:FutureWarning")


def with_lora(**settings: Any) -> Any:
    torch.manual_seed(1)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    for name, value in settings.items():
        setattr(config, name, value)
    return peft.get_peft_model(tiny_llama(), config)


@pytest.mark.slow
def test_lora_learns_against_itself_with_adapters_off(tmp_path: Path) -> None:
    """KL starts at nothing and grows; the base stays as it was; only adapters and value head are in the snapshot."""
    policy = with_lora()
    base = {name: one.detach().clone() for name, one in policy.named_parameters() if "lora_" not in name}
    config = small(updates=6, batch=16, learning_rate=3e-2, missing_eos=None)
    done = run(config, policy=policy, shared=True, folder=tmp_path)
    assert done.rows[0]["kl"] == 0.0
    assert done.rows[-1]["kl"] > 0.01
    assert all(torch.equal(one, base[name]) for name, one in policy.named_parameters() if name in base)
    found = snapshots.newest(tmp_path / "snapshots")
    assert found is not None
    assert all("lora_" in name or ".head." in name for name in found.tensors)
    again = run(config, policy=with_lora(), shared=True, folder=tmp_path)
    assert all(torch.equal(one, weights(again)[name]) for name, one in weights(done).items())


@pytest.mark.slow
def test_lora_learns_with_checkpointing_too() -> None:
    """Gradients reach adapters through layers that are computed twice."""
    config = small(updates=2, value_only_updates=0, missing_eos=None, gradient_checkpointing=True)
    before = weights(
        run(
            small(updates=1, value_only_updates=0, missing_eos=None, learning_rate=1e-12),
            policy=with_lora(),
            shared=True,
        )
    )
    after = weights(run(config, policy=with_lora(), shared=True))
    assert any(not torch.allclose(one, after[name], atol=1e-4) for name, one in before.items() if "lora_" in name)


@pytest.mark.parametrize(
    "settings",
    [{"modules_to_save": ["lm_head"]}, {"target_modules": ["embed_tokens", "q_proj"]}],
    ids=["head", "embeddings"],
)
@pytest.mark.filterwarnings("ignore:.*tie:UserWarning")
def test_adapters_on_embeddings_or_head_are_refused(settings: dict[str, Any]) -> None:
    """They are tied: switched off, something of them would stay."""
    with pytest.raises(ConfigError, match="switching them off does not give the reference back"):
        reference_for(with_lora(**settings), None)


def test_adapters_that_learned_already_are_refused() -> None:
    """Switched off, they would give the policy before it learned: KL would be measured from another model."""
    policy = with_lora()
    with torch.no_grad():
        next(part for name, part in policy.named_parameters() if "lora_B" in name)[0, 0] = 0.5
    with pytest.raises(ConfigError, match="its adapters hold something already"):
        reference_for(policy, None)
    reference_for(policy, tiny_llama())


def test_a_copy_does_not_move_with_the_policy() -> None:
    """Frozen, equal, and apart."""
    policy = tiny_llama()
    held = reference_for(policy, None)
    assert fingerprint(held.target) == fingerprint(policy)
    with torch.no_grad():
        next(policy.parameters()).add_(1.0)
    assert fingerprint(held.target) != fingerprint(policy)
    assert not any(one.requires_grad for one in held.target.parameters())

"""What the policy is held against: a frozen copy of itself, or under LoRA the same weights with adapters switched off.

Beside `ppo`. Knows transformers models and peft's; learns nothing.
"""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import nn

from overseer.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The model KL is measured from. `model` None: the policy itself, its adapters switched off while `reading`."""

    policy: Any
    model: Any

    def reading(self) -> AbstractContextManager[Any]:
        """While this lasts, `target` is the reference."""
        return nullcontext() if self.model is not None else self.policy.disable_adapter()

    @property
    def target(self) -> Any:
        """What to call, while `reading`."""
        return self.policy if self.model is None else self.model


def has_adapters(policy: Any) -> bool:
    """Is this a peft model, whose adapters can be switched off?"""
    return hasattr(policy, "disable_adapter") and hasattr(policy, "peft_config")


def reference_for(policy: Any, reference: Any | None) -> Reference:
    """What to train against: the reference that is given, frozen; else the policy's adapters off; else a frozen copy.

    Raises ConfigError where the policy without its adapters is not the policy as it starts: they have learned something
    already, something else is trained, or the embeddings or the head, which may be tied to each other.
    """
    if reference is not None:
        if reference is policy:
            raise ConfigError("reference: is the policy itself; give a copy, or nothing, and one is made")
        return Reference(policy, _frozen(reference))
    if not has_adapters(policy):
        return Reference(policy, _frozen(copy.deepcopy(policy)))
    adapters = [name for name, part in policy.named_parameters() if part.requires_grad]
    others = [name for name in adapters if "lora_" not in name]
    ends = {id(policy.get_input_embeddings()), id(policy.get_output_embeddings())}
    embedded = [
        name
        for name, module in policy.named_modules()
        if id(module) in ends and any(part.requires_grad for part in module.parameters())
    ]
    if not adapters or others or embedded:
        what = "nothing" if not adapters else (others or embedded)[0]
        raise ConfigError(
            f"policy: has adapters, but {what} is trained: switching them off does not give the reference back"
            " (train LoRA matrices alone, none on embeddings or head; or give a reference)"
        )
    # LoRA's product begins at zero by its second matrix; other beginnings change the model's own weights, too.
    if any("lora_B" in name and bool(part.any()) for name, part in policy.named_parameters()):
        raise ConfigError(
            "policy: its adapters hold something already, so switching them off does not give its start back"
            " (merge them and add fresh ones, or give a reference)"
        )
    return Reference(policy, None)


def _frozen(model: Any) -> Any:
    return model.requires_grad_(False).eval()


def fingerprint(module: nn.Module) -> str:
    """SHA-256 over names, shapes and bytes of all that a module holds."""
    digest = sha256()
    for name, tensor in sorted(module.state_dict().items()):
        held = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {held.dtype} {list(held.shape)}\n".encode())
        digest.update(held.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()

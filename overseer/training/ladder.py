"""The ladder: language models of one architecture, each about ten times as large as the one before.

`LlamaForCausalLM` with tied embeddings. Heads are 32 wide, so that vLLM's CPU kernels take them, but for the largest,
where 12 heads of 32 would be half of its 768. A size is named after its parameters without embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overseer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rung:
    """A size: hidden units, layers, attention heads and how wide each is, units of the MLP."""

    hidden: int
    layers: int
    heads: int
    mlp: int
    head_width: int = 32

    @property
    def parameters(self) -> int:
        """All but the embeddings: attention, gated MLP, norms."""
        layer = 4 * self.hidden * self.heads * self.head_width + 3 * self.hidden * self.mlp + 2 * self.hidden
        return self.layers * layer + self.hidden

    def total(self, vocabulary: int) -> int:
        """With the embeddings, which are the output layer, too."""
        return self.parameters + vocabulary * self.hidden


LADDER: Mapping[str, Rung] = {
    "1e4": Rung(16, 2, 1, 64),
    "1e5": Rung(64, 2, 2, 176),
    "1e6": Rung(128, 4, 4, 512),
    "1e7": Rung(320, 8, 10, 896),
    "1e8": Rung(768, 12, 12, 2560, head_width=64),
}
"""The sizes by name; the first three are for a CPU."""


def build(size: str, tokenizer: Any, seed: int, longest: int) -> Any:
    """A fresh model of this size for this tokenizer, in float32. The same seed, the same weights.

    `longest`: tokens that it reads at most. Raises `ConfigError` for a size that is not of the ladder.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    rung = LADDER.get(size)
    if rung is None:
        raise ConfigError(f"--size: no size {size!r} (the ladder: {', '.join(LADDER)})")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=rung.hidden,
        intermediate_size=rung.mlp,
        num_hidden_layers=rung.layers,
        num_attention_heads=rung.heads,
        num_key_value_heads=rung.heads,
        head_dim=rung.head_width,
        max_position_embeddings=longest,
        tie_word_embeddings=True,
        initializer_range=rung.hidden**-0.5 / 2,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        use_cache=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def begun(folder: Path, fresh: Any) -> Any:
    """The model in this folder, to learn on. Raises `ConfigError` where it is not of the shape of `fresh`."""
    from transformers import LlamaForCausalLM

    try:
        model: Any = LlamaForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: cannot learn on: {str(error).splitlines()[0]}") from error
    shape = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    for name in shape:
        has, wanted = getattr(model.config, name), getattr(fresh.config, name)
        if has != wanted:
            raise ConfigError(f"{folder}: {name} is {has}, not {wanted} (give its own --size)")
    return model.train()

"""What both sides of `benchmarks/ppo.py` train: the same models, prompts and reward, on torch and transformers alone.

A Llama of hidden 128, 4 layers, 4 heads, MLP 512, vocabulary 512, untied; prompts of 5 to 16 tokens; a reward model of
the same size, or `Share`: the share of a rollout's tokens that is one of 51, which a policy can learn in minutes.
"""

from __future__ import annotations

import sys
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

PAD, EOS, VOCABULARY = 0, 1, 512
BATCH, RESPONSE, EPOCHS = 64, 32, 4
KL = {"classifier": 0.05, "share": 0.001}
"""What a nat costs, by reward: a share of .40 is 27 nats from the .10 of the start, and must be worth them."""
WARM_UP = 3
FAVOURED = range(100, 151)


def config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=512,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        pad_token_id=PAD,
        eos_token_id=EOS,
        bos_token_id=None,
        num_labels=1,
    )


def policy(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(config())


def classifier(seed: int) -> LlamaForSequenceClassification:
    torch.manual_seed(1_000 + seed)
    return LlamaForSequenceClassification(config())


def prompts(count: int, seed: int) -> list[list[int]]:
    random = torch.Generator().manual_seed(seed)
    lengths = torch.randint(5, 17, (count,), generator=random).tolist()
    return [torch.randint(2, VOCABULARY, (length,), generator=random).tolist() for length in lengths]


class _Counts(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(VOCABULARY), requires_grad=False)
        self.weight[list(FAVOURED)] = 1.0

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> Any:
        seen = attention_mask.float()
        share = (self.weight[input_ids] * seen).cumsum(1) / seen.cumsum(1).clamp(min=1)
        return SimpleNamespace(hidden_states=(share[..., None],), last_hidden_state=share[..., None])


class Share(torch.nn.Module):
    """A reward model that needs no training, in the shape of a sequence classifier."""

    base_model_prefix = "model"

    def __init__(self) -> None:
        super().__init__()
        self.model = _Counts()
        self.score = torch.nn.Identity()

    @property
    def base_model(self) -> torch.nn.Module:
        return self.model


def reward_model(kind: str, seed: int) -> torch.nn.Module:
    return Share() if kind == "share" else classifier(500 + seed).eval()


class Turns:
    """A worker's side of taking turns: after each update it says how long that took, and waits for its next turn.

    Wall and processor seconds of the update; `told`: what else is known of it. Waiting counts nowhere.
    """

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None

    def update_done(self, told: float) -> None:
        if self._began is not None:
            wall, cpu = perf_counter() - self._began[0], process_time() - self._began[1]
            print(f"update {wall:.6f} {cpu:.6f} {told:.6f}", flush=True)
            if sys.stdin.readline() == "":
                sys.exit(0)
        self._began = perf_counter(), process_time()

"""A policy answers a batch of prompts: sampled token by token with a KV cache, the log-probabilities kept.

First step of PPO's walk; serves whoever wants many answers at once. Prompts are padded on the left, answers on the
right. All chance comes in as numbers, one for each row and step: what a row says does not hang on the rows beside it.
Knows no rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from overseer.models.blocks import pad_left, positions, sample
from overseer.models.passes import Passes, passes

COMPACT_BELOW = 0.75
"""Rows that ended are dropped from the batch once fewer than this share of it still writes."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a policy is asked. `id` is what rewards and measures know it by; the policy sees `tokens` alone."""

    id: str
    tokens: tuple[int, ...]
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Generated:
    """Answers to a batch of prompts.

    `tokens` [batch, time] are padded on the right; `mask` [batch, time] is true on an answer's tokens, its end token
    included; `logprobs` [batch, time] are natural, at the temperature, 0 on padding; `finished` [batch]: has an end
    token.
    """

    tokens: Tensor
    mask: Tensor
    logprobs: Tensor
    finished: Tensor


def generator(seed: int, update: int, purpose: str) -> torch.Generator:
    """Chance keyed by what it is for: the same draws whatever was drawn before, so that a run can go on anywhere."""
    key = int.from_bytes(sha256(f"{seed}/{update}/{purpose}".encode()).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(key)


@torch.no_grad()
def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    chance: Tensor | None,
    *,
    max_new_tokens: int,
    eos: int,
    pad: int,
    temperature: float = 1.0,
    rows: int | None = None,
) -> Generated:
    """Answers of at most `max_new_tokens` tokens. `model`: a causal language model of transformers, in evaluation mode.

    `chance` [batch, max_new_tokens] holds numbers in [0, 1), see `blocks.sample`; None takes the likeliest token each
    time. `rows` prompts are answered at a time; None: all at once.
    """
    reading = passes(model)
    parts = [
        _generate(
            reading,
            prompts[start : start + (rows or len(prompts))],
            None if chance is None else chance[start : start + (rows or len(prompts))],
            max_new_tokens,
            eos,
            pad,
            temperature,
        )
        for start in range(0, len(prompts), rows or len(prompts))
    ]
    longest = max(part.tokens.shape[1] for part in parts)
    return Generated(
        torch.cat([widen(part.tokens, longest, pad) for part in parts]),
        torch.cat([widen(part.mask, longest, 0) for part in parts]),
        torch.cat([widen(part.logprobs, longest, 0) for part in parts]),
        torch.cat([part.finished for part in parts]),
    )


def widen(block: Tensor, length: int, filler: float) -> Tensor:
    """Padded on the right to this length: [batch, any] → [batch, length]."""
    return torch.nn.functional.pad(block, (0, length - block.shape[1]), value=filler)


def _generate(
    reading: Passes,
    prompts: Sequence[Sequence[int]],
    chance: Tensor | None,
    max_new_tokens: int,
    eos: int,
    pad: int,
    temperature: float,
) -> Generated:
    device, under_way = reading.device, reading.begin()
    step_tokens, attention = (block.to(device) for block in pad_left(prompts, pad))
    chance = None if chance is None else chance.to(device)
    batch = len(prompts)
    tokens = torch.full((batch, max_new_tokens), pad, device=device)
    logprobs = torch.zeros((batch, max_new_tokens), device=device)
    mask = torch.zeros((batch, max_new_tokens), dtype=torch.bool, device=device)
    writing = torch.arange(batch, device=device)  # which rows the model still works on
    open_ = torch.ones(batch, dtype=torch.bool, device=device)  # which of these have not ended
    places = positions(attention)
    for step in range(max_new_tokens):
        logits = under_way.through(step_tokens, attention.long(), places, 1)[:, -1]
        logits = logits.float() / temperature  # [writing, vocabulary]
        drawn = logits.argmax(1) if chance is None else sample(logits, chance[writing, step])
        likely = torch.log_softmax(logits, dim=1).gather(1, drawn[:, None])[:, 0]
        kept = writing[open_]
        tokens[kept, step] = drawn[open_]
        logprobs[kept, step] = likely[open_]
        mask[kept, step] = True
        open_ = open_ & (drawn != eos)
        left = int(open_.sum())
        if left == 0:
            break
        if left < COMPACT_BELOW * len(writing):
            under_way.select(open_.nonzero()[:, 0])
            writing, attention, drawn, places = writing[open_], attention[open_], drawn[open_], places[open_]
            open_ = open_[open_]
        step_tokens = drawn[:, None]
        places = places[:, -1:] + 1
        attention = torch.cat([attention, torch.ones_like(attention[:, :1])], dim=1)
    length = step + 1
    finished = ((tokens == eos) & mask).any(1)
    return Generated(tokens[:, :length], mask[:, :length], logprobs[:, :length], finished)

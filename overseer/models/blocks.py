"""Rows of tokens as one block: padded on the left, each token's place in its row, and the next token drawn.

Under both ways to write with a model here: `decoding`, whose batches keep one shape so that equal requests get equal
texts, and `training.generation`, which drops rows that ended and keeps log-probabilities. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def pad_left(rows: Sequence[Sequence[int]], pad: int, width: int = 0) -> tuple[Any, Any]:
    """Tokens and mask, both [rows, longest], or as wide as `width` where that is more; the mask is false on padding."""
    import torch

    longest = max(width, *map(len, rows))
    tokens = torch.tensor([[pad] * (longest - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[False] * (longest - len(row)) + [True] * len(row) for row in rows])
    return tokens, mask


def positions(attention: Any) -> Any:
    """Each token's place in its own row, padding not counted: [rows, length]. Padding on the left stands at 0."""
    return (attention.long().cumsum(1) - 1).clamp(min=0)


def sample(logits: Any, chance: Any) -> Any:
    """The first token whose cumulative probability exceeds a row's number in [0, 1): [rows, vocabulary] → [rows].

    A token of probability 0 is never drawn. In double precision: over large vocabularies a cumulative sum of single
    precision would leave the last tokens out.
    """
    import torch

    cumulative = torch.softmax(logits.double(), dim=1).cumsum(1)  # [rows, vocabulary]
    wanted = chance.to(cumulative)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, wanted, right=True)[:, 0].clamp(max=logits.shape[1] - 1)

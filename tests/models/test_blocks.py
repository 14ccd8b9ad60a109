"""Rows of tokens as blocks: padding moves no token, and chance as numbers draws what the probabilities say."""

from __future__ import annotations

import pytest

from overseer.models.blocks import pad_left, positions, sample

torch = pytest.importorskip("torch", reason="torch is not installed")


def test_padding_on_the_left_moves_no_position() -> None:
    """A row's first token stands at 0, however much padding is before it, and however wide the block."""
    tokens, attention = pad_left([[5], [6, 7, 8]], 0)
    assert tokens.tolist() == [[0, 0, 5], [6, 7, 8]]
    assert positions(attention).tolist() == [[0, 0, 0], [0, 1, 2]]
    tokens, attention = pad_left([[5], [6, 7, 8]], 9, width=4)
    assert tokens.tolist() == [[9, 9, 9, 5], [9, 6, 7, 8]]
    assert attention.sum(1).tolist() == [1, 3]
    assert positions(attention).tolist() == [[0, 0, 0, 0], [0, 0, 1, 2]]


def test_sampling_follows_the_probabilities() -> None:
    """Over evenly spaced numbers each token is drawn as often as its probability says; an impossible one never."""
    probabilities = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0])
    count = 1_000
    chance = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    drawn = sample(probabilities.log().expand(count, -1), chance)
    assert torch.bincount(drawn, minlength=6).tolist() == pytest.approx((probabilities * count).tolist(), abs=1)
    ends = sample(probabilities.log().expand(2, -1), torch.tensor([0.0, 1.0 - 1e-16], dtype=torch.float64))
    assert ends.tolist() == [1, 4]

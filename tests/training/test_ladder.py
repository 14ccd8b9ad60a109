"""The ladder's sizes are what their names say."""

from __future__ import annotations

import pytest

from overseer.errors import ConfigError
from overseer.training.ladder import LADDER, build

VOCABULARY = 1024


class Reader:
    """As much of a tokenizer as a model asks for."""

    pad_token_id = 0
    eos_token_id = 1

    def __len__(self) -> int:
        return VOCABULARY


def test_a_size_is_named_after_its_parameters_without_embeddings() -> None:
    """Within a twentieth of what the name says."""
    for name, rung in LADDER.items():
        print(f"{name}: {rung.parameters:,} parameters, with embeddings {rung.total(VOCABULARY):,}")
        assert abs(rung.parameters / float(name) - 1) < 0.05


@pytest.mark.parametrize("size", ["1e4", "1e5", "1e6"])
def test_a_model_has_the_parameters_that_are_said(size: str) -> None:
    """Tied embeddings count once; the same seed gives the same weights."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    model = build(size, Reader(), 3, 256)
    assert sum(each.numel() for each in model.parameters()) == LADDER[size].total(VOCABULARY)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    again = build(size, Reader(), 3, 256)
    assert all(map(torch.equal, model.parameters(), again.parameters()))


def test_an_unknown_size_is_said() -> None:
    """The sizes that there are stand in the message."""
    pytest.importorskip("torch")
    with pytest.raises(ConfigError, match="1e5"):
        build("1e9", Reader(), 0, 256)

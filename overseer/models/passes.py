"""Batches on their way through a causal language model, the keys and values of past tokens kept.

What `decoding` and `training.generation` write with: transformers' own pass for any model, `llama`'s where it computes
the same with fewer operations. Knows no sampling and no text.
"""

from __future__ import annotations

from typing import Any, Protocol

from overseer.models.llama import plain


class Pass(Protocol):
    """A batch on its way through a model, which remembers the keys and values of its tokens so far."""

    def through(self, tokens: Any, mask: Any, places: Any, keep: int) -> Any:
        """Logits after each of the last `keep` tokens, [rows, keep, vocabulary].

        `tokens` and `places` [rows, length]; `mask` [rows, places so far, these included] is 0 on padding.
        """
        ...

    def repeat(self, count: int) -> None:
        """Each row becomes so many, next to each other."""
        ...

    def select(self, rows: Any) -> None:
        """Only these rows go on, [rows that do]."""
        ...


class Passes(Protocol):
    """A model that batches go through. `longest`: tokens that it reads at most."""

    device: Any
    longest: int

    def begin(self) -> Pass: ...


def passes(model: Any) -> Passes:
    """A model of transformers, in evaluation mode. Weights changed later may or may not be seen: ask again."""
    return plain(model) or Transformers(model)


class Transformers:
    """Any causal language model of transformers."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self.longest = int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31)

    def begin(self) -> Pass:
        return _TransformersPass(self.model)


class _TransformersPass:
    def __init__(self, model: Any) -> None:
        from transformers import DynamicCache

        self.model = model
        self.cache = DynamicCache(config=model.config)

    def through(self, tokens: Any, mask: Any, places: Any, keep: int) -> Any:
        return self.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=places,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=keep,
        ).logits

    def repeat(self, count: int) -> None:
        self.cache.batch_repeat_interleave(count)

    def select(self, rows: Any) -> None:
        self.cache.batch_select_indices(rows)

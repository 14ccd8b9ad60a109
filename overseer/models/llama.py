"""A small Llama's forward pass in as few operations as it takes: of Town's models, most of whose time is Python's.

Behind `passes`, in the place of transformers' own, for plain models only (`plain`). The same function of the same
weights, within float rounding; a test holds the two together. Touvron et al. 2023: RMS norms, rotary positions, a
gated MLP.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WIDEST = 1024
"""Hidden units up to which it is taken: in larger models the operations themselves take the time."""
LONGEST = 8192
"""Tokens up to which rotary tables are made."""
ROOM = 32
"""Places by which a cache grows once it is full: to copy it for every token took a third of the time."""


def plain(model: Any) -> PlainLlama | None:
    """This model's own pass; None where anything in it is not the plain thing."""
    from torch import nn
    from transformers import LlamaForCausalLM

    config = model.config
    if type(model) is not LlamaForCausalLM or config.hidden_size > WIDEST:
        return None
    rope = getattr(config, "rope_parameters", None) or {}
    as_expected = (
        all(type(part) is nn.Linear for part in _products(model))  # and has no adapter
        and config.num_key_value_heads == config.num_attention_heads
        and config.hidden_act == "silu"
        and not config.attention_bias
        and not config.mlp_bias
        and rope.get("rope_type", "default") == "default"
        and config.max_position_embeddings <= LONGEST
    )
    return PlainLlama(model) if as_expected else None


def _products(model: Any) -> Iterator[Any]:
    for layer in model.model.layers:
        own, mlp = layer.self_attn, layer.mlp
        yield from (own.q_proj, own.k_proj, own.v_proj, own.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj)
    yield model.lm_head


class PlainLlama:
    """Weights gathered for few, wide products. Begins passes of a batch."""

    def __init__(self, model: Any) -> None:
        import torch

        config, trunk = model.config, model.model
        self.heads, self.head_width = config.num_attention_heads, config.head_dim
        self.epsilon = config.rms_norm_eps
        self.embedding, self.norm, self.out = trunk.embed_tokens.weight, trunk.norm.weight, model.lm_head.weight
        self.device, self.longest = self.embedding.device, int(config.max_position_embeddings)
        self.layers = [
            (
                layer.input_layernorm.weight,
                torch.cat([getattr(layer.self_attn, f"{name}_proj").weight for name in "qkv"]),
                layer.self_attn.o_proj.weight,
                layer.post_attention_layernorm.weight,
                torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight]),
                layer.mlp.down_proj.weight,
            )
            for layer in trunk.layers
        ]
        places = torch.arange(self.longest, device=self.device)[None]
        cosines, sines = trunk.rotary_emb(self.embedding[:1, None], places)
        self.cosines, self.sines = cosines[0], sines[0]  # [place, head width]

    def begin(self) -> _Pass:
        """A batch that nothing of has gone through."""
        return _Pass(self)


class _Pass:
    """A batch under way: the keys and values of its tokens so far, by layer, [rows, heads, places, head width].

    Of the places `filled` are taken; those after them are room to grow.
    """

    def __init__(self, weights: PlainLlama) -> None:
        self.weights = weights
        self.past: list[tuple[Any, Any]] = []
        self.filled = 0

    def repeat(self, count: int) -> None:
        """Each row becomes so many, next to each other."""
        self.past = [
            (keys.repeat_interleave(count, 0), values.repeat_interleave(count, 0)) for keys, values in self.past
        ]

    def select(self, rows: Any) -> None:
        """Only these rows go on."""
        self.past = [(keys[rows], values[rows]) for keys, values in self.past]

    def through(self, tokens: Any, mask: Any, places: Any, keep: int) -> Any:
        """Logits after each of the last `keep` tokens, [rows, keep, vocabulary].

        `tokens` and `places` [rows, length]; `mask` [rows, places so far, these included] is 0 on padding.
        """
        import torch
        from torch.nn.functional import embedding, linear, rms_norm, scaled_dot_product_attention, silu

        own = self.weights
        rows, length = tokens.shape
        total = mask.shape[1]
        seen = mask[:, None, None, :].bool()  # [rows, 1, 1, total]
        if length > 1:
            at = torch.arange(total - length, total, device=own.device)[:, None]
            there = torch.arange(total, device=own.device)[None]
            # Padding sees itself: a softmax over nothing would be no number.
            seen = (seen & (there <= at)) | (there == at)
        cosines, sines = own.cosines[places][:, None], own.sines[places][:, None]  # [rows, 1, length, head width]
        state = embedding(tokens, own.embedding)
        width = own.heads * own.head_width
        for number, (before, qkv, out, between, gate_up, down) in enumerate(own.layers):
            mixed = linear(rms_norm(state, (state.shape[-1],), before, own.epsilon), qkv)
            mixed = mixed.view(rows, length, 3 * own.heads, own.head_width).transpose(1, 2)
            turned = _rotated(mixed[:, : 2 * own.heads], cosines, sines)
            queries, keys = turned[:, : own.heads], turned[:, own.heads :]
            values = mixed[:, 2 * own.heads :]
            keys, values = self._with_past(number, keys, values)
            read = scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
            state = state + linear(read.transpose(1, 2).reshape(rows, length, width), out)
            gate, up = linear(rms_norm(state, (state.shape[-1],), between, own.epsilon), gate_up).chunk(2, dim=-1)
            state = state + linear(silu(gate) * up, down)
        self.filled = total
        return linear(rms_norm(state[:, -keep:], (state.shape[-1],), own.norm, own.epsilon), own.out)

    def _with_past(self, number: int, keys: Any, values: Any) -> tuple[Any, Any]:
        """A layer's keys and values of all tokens so far, these included, which are kept."""
        if number == len(self.past):
            self.past.append((keys, values))
            return keys, values
        total = self.filled + keys.shape[2]
        kept = self.past[number]
        if total > kept[0].shape[2]:
            kept = tuple(_grown(each, self.filled, total + ROOM) for each in kept)
            self.past[number] = kept
        for whole, fresh in zip(kept, (keys, values), strict=True):
            whole[:, :, self.filled : total] = fresh
        return kept[0][:, :, :total], kept[1][:, :, :total]


def _grown(states: Any, filled: int, places: int) -> Any:
    """The states that are filled in a block with so many places."""
    rows, heads, _, width = states.shape
    block = states.new_empty((rows, heads, places, width))
    block[:, :, :filled] = states[:, :, :filled]
    return block


def _rotated(states: Any, cosines: Any, sines: Any) -> Any:
    """Su et al. 2021, halves paired as transformers pairs them."""
    import torch

    first, second = states.chunk(2, dim=-1)
    return states * cosines + torch.cat([-second, first], dim=-1) * sines

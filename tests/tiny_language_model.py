"""A language model small enough to make in a test: a Llama with random weights over bytes, and a chat template."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SPECIAL = ("<pad>", "<eos>", "<system>", "<user>", "<assistant>")
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{% if message.role == 'assistant' %}{% generation %}"
    "{{ message.content }}<eos>{% endgeneration %}{% else %}{{ message.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Models this small wait for each other on several threads; where others work, too, most of the time."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_tokenizer(template: str | None = TEMPLATE, **named: Any) -> Any:
    """Every byte a token, five special ones before them. Skips the test where transformers is not installed."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bytes_ = Tokenizer(models.BPE(vocab={piece: at for at, piece in enumerate(pieces)}, merges=[]))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytes_.decoder = decoders.ByteLevel()
    names = {"pad_token": "<pad>", "eos_token": "<eos>", "additional_special_tokens": list(SPECIAL[2:]), **named}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bytes_, **{name: value for name, value in names.items() if value is not None}
    )
    tokenizer.chat_template = template
    return tokenizer


def make_language_model(folder: Path, seed: int = 0, hidden: int = 32, tokenizer: Any = None, **config: Any) -> Path:
    """Write its configuration, tokenizer and weights into the folder. Skips the test where torch is not installed."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    tokenizer = tokenizer or make_tokenizer()
    tokenizer.save_pretrained(folder)
    shape = {
        "vocab_size": 261,
        "hidden_size": hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": hidden // 16,
        "intermediate_size": 2 * hidden,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": None,
    }
    torch.manual_seed(seed)
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**shape, **config})).save_pretrained(folder)
    return folder

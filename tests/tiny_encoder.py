"""A sentence encoder small enough to make in a test: two layers of BERT with random weights over a few dozen words."""

from __future__ import annotations

from pathlib import Path

import pytest

TEXT = """i cannot help with that sorry here is how you do it first take the bread knead water salt oven a to of and
what will not answer no yes bake burn stone river boat sail rope net fish . , ? !"""


def make_encoder(folder: Path, seed: int = 0) -> Path:
    """Write its configuration, tokenizer and weights into the folder. Skips the test where torch is not installed."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {
        word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *TEXT.split()])
    }
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    transformers.BertTokenizerFast(vocab=vocabulary, do_lower_case=True).save_pretrained(folder)
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder

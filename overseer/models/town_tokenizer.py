"""The tokenizer of Town's language models: byte-level BPE, so that any text can be read and written again as it was.

Every byte is a piece, so unseen and obfuscated words can be read; each digit stands alone, so that sums can be learned;
words keep their underscores, since principles are named by them. Pad is not the end, both are special. The chat
template marks what the model says (`generation`), so that programs which train know where loss belongs, and breaks
the names of special tokens in messages, so that no text can pose as a role. All of it lies in the folder: programs
read the same ids without any code of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overseer.errors import BackendMissing, ConfigError

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL = (PAD, END, SYSTEM, USER, ASSISTANT)
SIZES = (512, 768, 1024)
"""Pieces that a vocabulary may have, special ones included."""
ENOUGH = 1.4
"""Tokens a word at most: the smallest vocabulary that reads Town so is taken."""
LONGEST = 1024
"""Tokens that a model of the ladder reads at most."""

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- set content = message['content'] | replace('<|', '< |') -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{{ '<|assistant|>' }}{% generation %}{{ content + '<|end|>' }}{% endgeneration %}"
    "{%- elif message['role'] == 'system' -%}{{ '<|system|>' + content }}"
    "{%- else -%}{{ '<|user|>' + content }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)

# A digit, a word or a run of signs, each with the space before it; what is left of white space.
_WORDS = r" ?\d| ?[\p{L}\p{M}_]+| ?[^\s\p{L}\p{M}\p{N}_]+|\s+"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A tokenizer of so many pieces, and how many of them a word takes."""

    tokenizer: Any
    size: int
    per_word: float


def fit(texts: Sequence[str], measured: Sequence[str], sizes: Iterable[int] = SIZES) -> tuple[Fitted, ...]:
    """Tokenizers fitted on `texts`, one for each size, up to the first that takes 1.4 tokens a word or fewer.

    The last one is the one to use. Words are what white space parts, in `measured`. Raises `ConfigError` where there
    are none, `BackendMissing` without transformers.
    """
    words = sum(len(text.split()) for text in measured)
    if not words:
        raise ConfigError("tokenizer: no words to learn pieces from (give a corpus with text)")
    found: list[Fitted] = []
    for size in sizes:
        tokenizer = _fitted(texts, size)
        counted = sum(len(encoded) for encoded in tokenizer(list(measured), add_special_tokens=False)["input_ids"])
        found.append(Fitted(tokenizer, size, counted / words))
        if found[-1].per_word <= ENOUGH:
            break
    return tuple(found)


def rendered(messages: Iterable[tuple[str, str]], *, asking: bool = False) -> str:
    """What the chat template makes of (role, content) messages, at a hundredth of its price: a test holds them equal.

    `asking`: the model's turn comes next.
    """
    parts = []
    for role, content in messages:
        mark = {"system": SYSTEM, "assistant": ASSISTANT}.get(role, USER)
        parts.append(mark + content.replace("<|", "< |") + (END if role == "assistant" else ""))
    return "".join(parts) + (ASSISTANT if asking else "")


def _fitted(texts: Sequence[str], size: int) -> Any:
    try:
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import PreTrainedTokenizerFast
    except ImportError as error:
        raise BackendMissing("a tokenizer needs transformers: pip install 'overseer[train]'") from error
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_object=made,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=LONGEST,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )


def load(folder: Path) -> Any:
    """The tokenizer of this folder, as transformers reads it. Raises `ConfigError` where there is none."""
    from transformers import AutoTokenizer

    if not (folder / "tokenizer.json").is_file():
        raise ConfigError(f"{folder}: holds no tokenizer.json (name the folder of a model or tokenizer)")
    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)

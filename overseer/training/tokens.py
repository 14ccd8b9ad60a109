"""A model's folder, opened to be trained: is its tokenizer its own, and what do prompt and answer look like in tokens?

Before `stages`. From this machine only, never from the network, and never from pickled weights. What a chat template
does to an answer is checked here once, so that no stage learns an answer without its end. Knows no rows of data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from overseer.errors import BackendMissing, ConfigError
from overseer.models import folders
from overseer.records import Message

Prompt = Sequence[Message]

INSTALL = "pip install 'overseer[train]'"
_NEEDED = ("torch", "transformers", "accelerate")
ON_TRL = ("datasets", "peft", "trl")
"""What the stages on TRL need beside."""
_PROBE = (Message("user", "How much?"),)
_PROBE_ANSWER = "Two spoons."


def backend(*beside: str) -> None:
    """Raises BackendMissing where what all training stands on, or what is named, is not installed; loads none of it."""
    missing = [name for name in (*_NEEDED, *beside) if find_spec(name) is None]
    if missing:
        raise BackendMissing(f"training needs {', '.join(missing)}: {INSTALL}")


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A model that can be trained. `hash`: of all that decides what it writes."""

    name: str
    folder: Path
    tokenizer: Any
    config: Any
    hash: str

    @property
    def longest(self) -> int:
        """Tokens that the model reads at the most."""
        return int(getattr(self.config.get_text_config(), "max_position_embeddings", None) or 2**31)

    def encode(self, prompt: Prompt, answer: str) -> tuple[list[int], int]:
        """Prompt and answer as the chat template has them, up to the answer's end token; and how many are the prompt's.

        What a template puts behind the end token (a line's end, mostly) is cut off: nothing is read there.
        """
        asked = self._rendered(prompt, asking=True)
        whole = self._rendered((*prompt, Message("assistant", answer)), asking=False)
        start = next(
            (at for at, (one, other) in enumerate(zip(asked, whole, strict=False)) if one != other), len(asked)
        )
        start = min(start, len(whole))
        end = self.tokenizer.eos_token_id
        last = next((at for at in range(len(whole) - 1, start - 1, -1) if whole[at] == end), None)
        return (whole[: last + 1] if last is not None else [*whole, end]), start

    def asked(self, prompt: Prompt) -> list[int]:
        """The prompt as the chat template has it, up to where an answer begins."""
        return self._rendered(prompt, asking=True)

    def forges(self, texts: Iterable[str]) -> bool:
        """Does a text hold the name of a special token, which would end an answer, or begin another's turn, in it?"""
        special = self.special
        return any(token in text for text in texts for token in special)

    @property
    def special(self) -> tuple[str, ...]:
        """The special tokens' texts."""
        return _special(self.tokenizer)

    def _rendered(self, messages: Prompt, *, asking: bool) -> list[int]:
        plain = [{"role": message.role, "content": message.content} for message in messages]
        ids = self.tokenizer.apply_chat_template(plain, add_generation_prompt=asking, tokenize=True, return_dict=False)
        return list(ids)


def _special(tokenizer: Any) -> tuple[str, ...]:
    added = tokenizer.added_tokens_decoder.values()
    return tuple({str(token.content) for token in added if token.special} | set(tokenizer.all_special_tokens))


def open_model(name: str, pad_token: str | None = None) -> Opened:
    """The model in this folder, or of this name among those that come along (`town/NAME`) or in the local Hugging Face
    cache: its configuration and tokenizer, not its weights.

    Raises ConfigError, with the remedy, where there is no such model, its weights are pickled, its tokenizer is not
    its own, names no token to end or to pad with, or has no chat template that ends an answer.
    """
    backend()
    from transformers import AutoConfig, AutoTokenizer

    folder = _folder(name)
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{name}: is no model's folder: it holds no config.json (give what `train pretrain` wrote)")
    if not list(folder.glob("*.safetensors")):
        raise ConfigError(f"{name}: holds no safetensors (pickled weights are never loaded: convert them)")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"{name}: its configuration or tokenizer cannot be read: {reason} (make it again)") from error
    _name_padding(name, tokenizer, pad_token)
    opened = Opened(name, folder, tokenizer, config, folders.identity(folder))
    _check_match(opened)
    _check_template(opened)
    return opened


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if name.startswith(tuple(f"{provider}/" for provider in folders.LOCAL)):
        return folders.locate(name, Path())
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError, OSError):
        raise ConfigError(f"{name}: no such folder, and no such model in the local cache (give a folder)") from None


def _name_padding(name: str, tokenizer: Any, pad_token: str | None) -> None:
    """Padding is never the end token: a reward model would read the token before it, and nothing would learn to end."""
    if tokenizer.eos_token_id is None:
        raise ConfigError(f"{name}: its tokenizer names no end token (set eos_token in tokenizer_config.json)")
    if pad_token is not None:
        if pad_token not in tokenizer.get_vocab():
            raise ConfigError(f"{name}: pad_token: {pad_token!r} is no token of it (add none: choose one that it has)")
        if pad_token not in _special(tokenizer):
            raise ConfigError(
                f"{name}: pad_token: {pad_token!r} is no special token: texts hold it (choose one that is)"
            )
        tokenizer.pad_token = pad_token
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        why = "names no token to pad with" if tokenizer.pad_token_id is None else "pads with its end token"
        raise ConfigError(f"{name}: its tokenizer {why} (set pad_token to one that it has and that no text holds)")
    tokenizer.padding_side = "right"


def _check_match(opened: Opened) -> None:
    size = opened.config.get_text_config().vocab_size
    tokens = len(opened.tokenizer)
    if tokens > size:
        raise ConfigError(
            f"{opened.name}: its tokenizer has {tokens:,} tokens, the model {size:,}: they do not belong together"
        )
    ends = _ends(opened.config.get_text_config().eos_token_id)
    generation = opened.folder / "generation_config.json"
    if generation.is_file():
        ends |= _ends(json.loads(generation.read_text(encoding="utf-8")).get("eos_token_id"))
    own = opened.tokenizer.eos_token_id
    if ends and own not in ends:
        raise ConfigError(
            f"{opened.name}: the model ends at token {min(ends)}, its tokenizer at {own}: they do not belong together"
        )


def _ends(told: Any) -> set[int]:
    if told is None:
        return set()
    return set(told) if isinstance(told, list) else {int(told)}


def _check_template(opened: Opened) -> None:
    from jinja2 import TemplateError

    if not opened.tokenizer.chat_template:
        raise ConfigError(f"{opened.name}: its tokenizer has no chat template (put a chat_template.jinja beside it)")
    try:
        asked = opened._rendered(_PROBE, asking=True)
        whole = opened._rendered((*_PROBE, Message("assistant", _PROBE_ANSWER)), asking=False)
    except (TemplateError, ValueError, TypeError) as error:
        raise ConfigError(f"{opened.name}: its chat template fails: {error}") from error
    if opened.tokenizer.eos_token_id not in whole[min(len(asked), len(whole)) :]:
        end = opened.tokenizer.eos_token
        raise ConfigError(
            f"{opened.name}: its chat template does not end an answer with {end}: nothing would learn to stop (mend it)"
        )

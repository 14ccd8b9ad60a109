"""Where the weights of a local model lie, and whether they may be loaded: its folder, checked without loading it.

`hf/PATH` is a folder that transformers reads; `town/PATH` one that `overseer train` wrote, `town/NAME` one that comes
with the package. Nothing is fetched from anywhere. Serves `models.local`, and whoever puts a run's inputs on record.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from overseer.errors import ConfigError

LOCAL = ("hf", "town")
"""The providers whose weights lie on this machine."""
SHIPPED = Path(__file__).parent / "shipped"
"""The folder of the models that come with the package, each in a folder of its name."""
OWN = "overseer.json"
"""What a folder may say to us, beside what transformers reads: `{"dialect": "short"}`."""

_WRITES_TEXT = ("ForCausalLM", "LMHeadModel")
_READ = ("config.json", "generation_config.json", "chat_template.jinja", OWN)
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def shipped() -> list[str]:
    """The names of the models that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))


def locate(model: str, beside: Path) -> Path:
    """The folder that `hf/PATH` or `town/PATH-or-NAME` means; paths are found from `beside`.

    A shipped name goes before a folder of that name: write `town/./1e5` for the folder. Raises `ConfigError` where
    there is none, or its weights are not to be loaded: pickled, or those of a model that writes no text.
    """
    provider, _, name = model.partition("/")
    if provider == "town" and name in shipped():
        return SHIPPED / name
    folder = beside / os.path.expanduser(name)
    if not os.path.isfile(folder / "config.json"):  # also where the path is too long to be one
        known = "a folder that transformers reads; nothing is downloaded"
        if provider == "town":
            names = ", ".join(f"town/{each}" for each in shipped()) or "none"
            known = f"a folder that `overseer train` wrote, or one that comes with the package: {names}"
        raise ConfigError(f"{model}: {folder} holds no config.json (give {known})")
    if not list(folder.glob("*.safetensors")):
        raise ConfigError(f"{model}: {folder} holds no *.safetensors (pickled weights are never loaded: convert them)")
    if not any((folder / each).is_file() for each in _TOKENIZERS):
        raise ConfigError(f"{model}: {folder} holds no tokenizer (put the model's own beside its weights)")
    kinds = _json(folder / "config.json", model).get("architectures") or []
    if kinds and not any(str(kind).endswith(_WRITES_TEXT) for kind in kinds):
        raise ConfigError(
            f"{model}: is a {kinds[0]!s:.60}, which writes no text (a reward model judges in training only)"
        )
    return folder


def said(folder: Path, model: str) -> Mapping[str, Any]:
    """What a folder says to us; empty where it says nothing. Whoever reads a key checks it."""
    path = folder / OWN
    return _json(path, model) if path.is_file() else {}


def identity(folder: Path) -> str:
    """SHA-256 over names and contents of all that decides what a model writes: weights, configuration, tokenizer."""
    tokenizer = (*_TOKENIZERS, "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
    named = [folder / name for name in (*_READ, *tokenizer)]
    digest = sha256()
    for path in (path for path in [*named, *sorted(folder.glob("*.safetensors"))] if path.is_file()):
        content = sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                content.update(block)
        digest.update(f"{path.name} {content.hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _json(path: Path, model: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{model}: {path} cannot be read: {str(error).splitlines()[0]} (write it again)") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{model}: {path} is no JSON object (write it again)")
    return value

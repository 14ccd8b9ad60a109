"""A local model's weights, loaded when first asked, and the one thread on which everything that touches them runs.

Between `models.local` and `decoding`. Jobs are grouped by what decides a batch's shape, which each job says by itself.
No network, no pickle, no code that came with the weights. Knows no request and no options of an agent.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from overseer.errors import BackendMissing, ConfigError
from overseer.models.batching import Batches, Waiting
from overseer.models.chat import Chat, open_chat
from overseer.models.decoding import Row, Shape, Tokens, weigh, write
from overseer.models.passes import Passes, passes
from overseer.records import Failure

NARROWEST = 64
"""Places that prompts are padded to at least; longer ones to the next power of two, from 1,024 on to multiples of it.

Few widths, so that what waits together mostly shares a batch: padding costs one pass, another batch costs all of them.
"""

_NOT_NUMBERS = Failure("malformed", "the model computed no numbers (another dtype, or sound weights, may help)")


class Computing(NamedTuple):
    """How weights are run: numbers, device, rows of every batch, and tokens that a batch may come to."""

    dtype: str
    device: str
    rows: int
    max_batch_tokens: int


@dataclass(frozen=True, slots=True)
class Job:
    """A prompt's tokens, with the continuations to be weighed, or else how it is to be continued."""

    prompt: Tokens
    continuations: tuple[Tokens, ...] = ()
    limit: int = 0
    temperature: float = 0.0
    key: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What was written and whether that came to its end; or the natural log-probability of each continuation."""

    tokens: Tokens = ()
    ended: bool = True
    logprobs: tuple[float, ...] = ()


class _Kind(NamedTuple):
    """What a batch's jobs have in common: all that its shape hangs on. `limit` 0: continuations are weighed."""

    width: int
    limit: int
    ways: int
    length: int


class Weights:
    """A model's folder and the thread that runs it. Serves any number of agents and event loops."""

    def __init__(self, model: str, folder: Path, computing: Computing) -> None:
        """Raises `ConfigError` where the tokenizer cannot be used, or the device is not here."""
        self.model, self.folder, self.computing = model, folder, computing
        _require_device(model, computing.device)
        self.chat: Chat = open_chat(folder, model)
        self._batches: Batches[Job, Done | Failure] = Batches(self._kind, self._work, "overseer-model")

    async def do(self, job: Job) -> Done | Failure:
        """What comes of a job; a `Failure` where its prompt leaves no room in what the model reads."""
        if len(job.prompt) + max(map(len, job.continuations), default=1) > self.context:
            return Failure("refused", f"a prompt of {len(job.prompt)} tokens; the model reads {self.context}")
        return await self._batches.do(job)

    @cached_property
    def config(self) -> Any:
        """What the folder says of the model."""
        from transformers import AutoConfig

        with _loading(self.model, self.folder):
            return AutoConfig.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)

    @cached_property
    def context(self) -> int:
        """Tokens that the model reads, its own included."""
        return int(getattr(self.config.get_text_config(), "max_position_embeddings", None) or 2**31)

    @cached_property
    def _loaded(self) -> tuple[Passes, frozenset[int]]:
        """The model and its end tokens. Raises `ConfigError` for damaged weights, or some that lack a part."""
        import torch
        from transformers import AutoModelForCausalLM

        with _loading(self.model, self.folder):
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                self.folder,
                config=self.config,
                dtype=getattr(torch, self.computing.dtype),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
        model, report = loaded
        if missing := sorted(report["missing_keys"]):
            raise ConfigError(f"{self.model}: the weights lack {missing[0]} (of {len(missing)} in all; mend the file)")
        if model.get_input_embeddings().weight.shape[0] < self.chat.size:
            raise ConfigError(f"{self.model}: the tokenizer has more tokens than the model: they are not of each other")
        told = model.generation_config.eos_token_id
        ends = {*self.chat.ends, *(told if isinstance(told, list) else [] if told is None else [told])}
        if not ends:
            raise ConfigError(f"{self.model}: names no end token (set eos_token in tokenizer_config.json)")
        model = model.to(self.computing.device).eval()
        with torch.inference_mode():
            return passes(model), frozenset(ends)

    def _kind(self, job: Job) -> tuple[Hashable, int]:
        """A job's kind, and how many rows its batches have, filled up or not."""
        kind = self._kind_of(job)
        tokens = (kind.width + kind.length) * kind.ways + min(kind.limit, self.context)
        return kind, max(1, min(self.computing.rows, self.computing.max_batch_tokens // tokens))

    def _kind_of(self, job: Job) -> _Kind:
        return _Kind(
            _width(len(job.prompt)), job.limit, len(job.continuations) or 1, max(map(len, job.continuations), default=0)
        )

    def _work(self, batch: Sequence[Waiting[Job, Done | Failure]]) -> None:
        """One batch of one kind, on the thread."""
        jobs = [each.job for each in batch]
        _, rows = self._kind(jobs[0])
        kind = self._kind_of(jobs[0])
        shape = Shape(rows, kind.width)
        results = self._written(jobs, shape, batch) if kind.limit else self._weighed(jobs, shape, kind.length)
        for each, result in zip(batch, results, strict=True):
            each.answer(result)

    def _written(
        self, jobs: Sequence[Job], shape: Shape, batch: Sequence[Waiting[Job, Done | Failure]]
    ) -> list[Done | Failure]:
        model, ends = self._loaded
        rows = [
            Row(job.prompt, min(job.limit, self.context - len(job.prompt)), job.temperature, job.key) for job in jobs
        ]
        written = write(model, rows, shape, ends, self.chat.pad, lambda at: batch[at].dropped)
        return [_NOT_NUMBERS if row is None else Done(row.tokens, row.ended) for row in written]

    def _weighed(self, jobs: Sequence[Job], shape: Shape, length: int) -> list[Done | Failure]:
        model, _ = self._loaded
        prompts, continuations = [job.prompt for job in jobs], [job.continuations for job in jobs]
        weighed = weigh(model, prompts, continuations, shape, length, self.chat.pad)
        return [_NOT_NUMBERS if row is None else Done(logprobs=tuple(row)) for row in weighed]


def _width(tokens: int) -> int:
    if tokens > 1024:
        return -(-tokens // 1024) * 1024
    return int(max(NARROWEST, 1 << (tokens - 1).bit_length()))


# --- what is here --------------------------------------------------------------------------------------------------


def require_backend(model: str, where: str) -> None:
    """Raises `BackendMissing` where what local models stand on is not installed."""
    missing = [module for module in ("torch", "transformers", "safetensors") if find_spec(module) is None]
    if missing:
        raise BackendMissing(f"{where}.model: {model} needs {', '.join(missing)}: pip install 'overseer[embed]'")
    # Read when huggingface_hub is first imported; `local_files_only` alone leaves it free to ask for metadata.
    os.environ["HF_HUB_OFFLINE"] = "1"


def _require_device(model: str, device: str) -> None:
    if problem := absent(device):
        raise ConfigError(f"{model}: options.device: {problem}")


def absent(device: str) -> str | None:
    """That there is no such device here, and which there are; None for `cpu`, `cuda`, `cuda:1`, `mps` where it is."""
    import torch

    kind, _, number = device.partition(":")
    here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (number or "0").isdecimal() and int(number or 0) < here.get(kind, 0):
        return None
    return f"there is no {device} here (found {_found(here)})"


def _found(here: dict[str, int]) -> str:
    return ", ".join(f"{count} × {kind}" if count > 1 else kind for kind, count in here.items() if count)


@contextmanager
def _loading(model: str, folder: Path) -> Iterator[None]:
    """Quietly, and with one line for what is wrong with the folder."""
    from safetensors import SafetensorError
    from transformers.utils import logging as theirs

    logging: Any = theirs  # of a module that is typed in part
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{model}: cannot be loaded from {folder}: {reason}") from error
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()

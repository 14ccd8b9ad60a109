"""Pre-training: a model of the ladder, fresh or begun, learns a corpus, with loss on what is answered and nothing else.

Lines of like length share a batch, so that little is padding. What is in a batch, and in which order, hangs on the seed
and the epoch alone, so that a run that was killed goes on from its last snapshot to the same weights. Written to a
folder that transformers, TRL and vLLM load; safetensors only. Knows no Town.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import cross_entropy

from overseer.errors import ConfigError, OverseerError
from overseer.models import folders, town_tokenizer
from overseer.models.folders import identity
from overseer.models.weights import absent
from overseer.training import corpora, snapshots
from overseer.training.corpora import Lines
from overseer.training.ladder import LADDER, begun, build
from overseer.training.outputs import under_way, versions, whole

RATES = {"1e4": 1e-2, "1e5": 6e-3, "1e6": 3e-3, "1e7": 1e-3, "1e8": 4e-4}
"""The highest learning rate, by size."""
BETAS = (0.9, 0.98)
_BUCKET = 64
"""Batches whose lines are sorted by length together."""
_HELD_OUT = 100
"""One line in so many is held out, to say how well each kind was learned."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`batch`: lines an update. `rate`: the highest learning rate; None: what the size takes. `longest`: tokens that
    the model reads at most. `snapshot_every`: updates between two snapshots; 0: none."""

    size: str
    epochs: float = 1.0
    batch: int = 64
    rate: float | None = None
    warmup: float = 0.03
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 0
    longest: int = 1024
    bf16: bool = False
    device: str = "cpu"
    snapshot_every: int = 500

    def problems(self) -> Iterator[str]:
        if self.size not in LADDER:
            yield f"--size: no size {self.size!r} (the ladder: {', '.join(LADDER)})"
        if not (0 < self.epochs < 10_000 and self.batch > 0 and self.longest > 1 and self.snapshot_every >= 0):
            yield "pretrain: epochs, batch and longest must be positive, snapshot_every not negative"
        if self.rate is not None and not 0 < self.rate < 1:
            yield f"pretrain: rate {self.rate}: not between 0 and 1"
        if problem := absent(self.device):
            yield f"--device: {problem}"


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What came of it. `held_out`: nats a learned token, by kind, of held-out lines, and how many lines those are."""

    path: Path
    parameters: int
    embeddings: int
    updates: int
    tokens: int
    seconds: float
    loss: float
    held_out: dict[str, tuple[float, int]]
    too_long: int


Progress = Callable[[int, int, float, float], None]
"""(updates done, of, loss, tokens a second)."""


def pretrain(
    data: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    tokenizer: Path | None = None,
    start: Path | None = None,
    progress: Progress | None = None,
    report_every: int = 50,
    extra: dict[str, Any] | None = None,
) -> Pretrained:
    """Train a model of `settings.size` on the corpora at `data` into the folder `out`, which must not be there yet.

    `tokenizer`: a folder that holds one, or a corpus to whose first lines one is fitted; None: to those of `data`.
    `start`: a folder with a model of this size (or `town/NAME`), which learns on, with its own tokenizer; the optimiser
    starts anew.
    `progress` is told every `report_every` updates. `extra` goes into `overseer.json`. A run of the same settings and
    data that was stopped goes on. Raises ConfigError for settings, data or tokenizers that cannot be, OverseerError
    where the loss is no number any more or the folder cannot be written.
    """
    if problems := list(settings.problems()):
        raise ConfigError(problems)
    if out.exists():
        raise ConfigError(f"{out}: is there already (choose another folder, or remove it)")
    clock = monotonic()
    if start is not None and start.parts[0] in folders.LOCAL and not start.exists():
        start = folders.locate(str(start), Path())
    if start is not None and tokenizer is not None:
        raise ConfigError("pretrain: a model that learns on has a tokenizer (give one of --start and --tokenizer)")
    reader = _tokenizer(data, tokenizer or start)
    fresh = build(settings.size, reader, settings.seed, settings.longest)
    model = (fresh if start is None else begun(start, fresh)).to(settings.device)
    lines = corpora.encode(corpora.told(data), reader, settings.longest)
    here = snapshots.machine(torch.device(settings.device), 1)
    key = _key(data, settings, reader, start)
    kept = under_way(out)
    run = Run(model, lines, settings, reader.pad_token_id)
    run.resume(kept, here, key)
    loss = run.train(kept, here, key, progress, report_every)
    made = Pretrained(
        path=out,
        parameters=LADDER[settings.size].parameters,
        embeddings=len(reader) * LADDER[settings.size].hidden,
        updates=run.updates,
        tokens=run.tokens,
        seconds=monotonic() - clock,
        loss=loss,
        held_out=run.held_out_losses(),
        too_long=lines.too_long,
    )
    try:
        with whole(out, replace=False) as part:
            _save(part, model, reader, made, settings, data, start, extra or {})
    except SafetensorError as error:
        raise OverseerError(f"{out}: cannot be written: {error} (make room, and give the same command)") from error
    shutil.rmtree(kept, ignore_errors=True)
    return made


def _tokenizer(data: Sequence[Path], at: Path | None) -> Any:
    if at is not None and not at.exists():
        raise ConfigError(f"{at}: no such file or folder (give a model's folder, or a corpus)")
    if at is not None and at.is_dir():
        return town_tokenizer.load(at)
    first = list(islice(corpora.told(data if at is None else [at]), corpora.TOKENIZER_LINES))
    spoken = [line for line in first if line.kind == "dialogues"] or first
    return town_tokenizer.fit(list(corpora.texts(first)), list(corpora.texts(spoken)))[-1].tokenizer


def _key(data: Sequence[Path], settings: Settings, reader: Any, start: Path | None) -> str:
    """What a snapshot must agree on: data, settings, tokenizer, and the model that learns on."""
    told = [corpora.digest(data), asdict(settings), sorted(reader.get_vocab().items())]
    told += [] if start is None else [identity(start)]
    return sha256(json.dumps(told).encode()).hexdigest()


# --- batches -------------------------------------------------------------------------------------------------------


def batches(lengths: NDArray[np.int64], batch: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Which lines each batch of an epoch holds: drawn by seed and epoch, lines of like length together."""
    chance = np.random.default_rng((seed, epoch))
    order = chance.permutation(len(lengths))
    found: list[NDArray[np.int64]] = []
    for at in range(0, len(order), batch * _BUCKET):
        bucket = order[at : at + batch * _BUCKET]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        found += [bucket[start : start + batch] for start in range(0, len(bucket), batch)]
    return [found[index] for index in chance.permutation(len(found))]


def collate(lines: Lines, chosen: NDArray[np.int64], pad: int) -> tuple[Tensor, Tensor]:
    """(ids, targets), both [lines, longest of them]: the next token where it is learned, else -100.

    Padding stands at the right, where no token of a line looks: no attention mask is needed.
    """
    longest = max(len(lines.line(index)) for index in chosen)
    ids = np.full((len(chosen), longest), pad, dtype=np.int64)
    targets = np.full((len(chosen), longest), -100, dtype=np.int64)
    for row, index in enumerate(chosen):
        line, start = lines.line(index), lines.starts[index]
        ids[row, : len(line)] = line
        targets[row, start - 1 : len(line) - 1] = line[start:]
    return torch.from_numpy(ids), torch.from_numpy(targets)


# --- the run -------------------------------------------------------------------------------------------------------


class Run:
    """A model, its optimiser and how far they have come."""

    def __init__(self, model: Any, lines: Lines, settings: Settings, pad: int) -> None:
        self.model, self.lines, self.settings, self.pad = model, lines, settings, pad
        places = np.arange(len(lines))
        self.held_out = places[places % _HELD_OUT == _HELD_OUT - 1]
        self.learned = places[places % _HELD_OUT != _HELD_OUT - 1]
        self.updates = 0
        self.tokens = 0
        self.an_epoch = math.ceil(len(self.learned) / settings.batch)
        self.total = max(1, math.ceil(self.an_epoch * settings.epochs))
        matrices = [each for each in model.parameters() if each.ndim > 1]
        vectors = [each for each in model.parameters() if each.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=0.0, betas=BETAS, fused=True)

    def train(self, kept: Path, here: dict[str, str], key: str, progress: Progress | None, report_every: int) -> float:
        """All the updates that are left; the loss of the last ones, in nats a learned token."""
        begun, before = monotonic(), self.tokens
        recent: list[float] = []
        while self.updates < self.total:
            epoch, at = divmod(self.updates, self.an_epoch)
            order = batches(self.lines.lengths[self.learned], self.settings.batch, self.settings.seed, epoch)
            for chosen in order[at : at + self.total - self.updates]:
                recent = [*recent[-49:], self._update(self.learned[chosen])]
                every = self.settings.snapshot_every
                if every and self.updates % every == 0 and self.updates < self.total:
                    snapshots.write(kept, self.updates, self._tensors(), {"key": key, "tokens": self.tokens}, here)
                if progress is not None and self.updates % report_every == 0:
                    mean = sum(recent) / len(recent)
                    progress(self.updates, self.total, mean, (self.tokens - before) / (monotonic() - begun))
        return sum(recent) / len(recent) if recent else math.nan

    def _update(self, chosen: NDArray[np.int64]) -> float:
        ids, targets = collate(self.lines, chosen, self.pad)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        self.optimiser.zero_grad()
        loss = self._loss(ids, targets)
        value = loss.item()
        if not math.isfinite(value):
            raise OverseerError(f"pretrain: the loss is {value} at update {self.updates} (a lower --rate may help)")
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimiser.step()
        self.updates += 1
        self.tokens += int(self.lines.lengths[chosen].sum())
        return value

    def _loss(self, ids: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Only the places that are learned from go through the output layer: it is a third of a small model's work."""
        ids, targets = ids.to(self.settings.device), targets.to(self.settings.device)
        learned = targets != -100  # [lines, time]
        kind = torch.device(self.settings.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self.settings.bf16):
            hidden = self.model.model(input_ids=ids, use_cache=False).last_hidden_state
            logits = self.model.lm_head(hidden[learned])  # [learned, pieces]
        return cross_entropy(logits.float(), targets[learned], reduction=reduction)

    def _rate(self) -> float:
        """A short rise, then half a cosine down to a twentieth."""
        highest = self.settings.rate or RATES[self.settings.size]
        rise = max(1, round(self.settings.warmup * self.total))
        if self.updates < rise:
            return highest * (self.updates + 1) / rise
        passed = (self.updates - rise) / max(1, self.total - rise)
        return highest * (0.05 + 0.95 * (1 + math.cos(math.pi * passed)) / 2)

    @torch.no_grad()
    def held_out_losses(self) -> dict[str, tuple[float, int]]:
        """Nats a learned token, and lines, by kind."""
        found: dict[str, tuple[float, int]] = {}
        kinds = np.asarray(self.lines.kinds)
        for kind in sorted(set(kinds[self.held_out].tolist())):
            places = self.held_out[kinds[self.held_out] == kind][:500]
            total, counted = 0.0, 0
            for at in range(0, len(places), self.settings.batch):
                ids, targets = collate(self.lines, places[at : at + self.settings.batch], self.pad)
                total += self._loss(ids, targets, "sum").item()
                counted += int((targets != -100).sum())
            found[kind] = (total / counted, len(places))
        return found

    # --- going on ---

    def _tensors(self) -> dict[str, Tensor]:
        names = {id(each): name for name, each in self.model.named_parameters()}
        found = dict(self.model.named_parameters())
        held: dict[str, Tensor] = {f"model.{name}": each for name, each in found.items()}
        for each, state in self.optimiser.state.items():
            held |= {f"{key}.{names[id(each)]}": value for key, value in state.items()}
        return held

    def resume(self, kept: Path, here: dict[str, str], key: str) -> None:
        """From the newest snapshot of the same run, if there is one."""
        found = snapshots.newest(kept, here)
        if found is None:
            return
        if found.state.get("key") != key:
            raise ConfigError(f"{kept}: snapshots of other data or settings (remove the folder to begin anew)")
        with torch.no_grad():
            for name, each in self.model.named_parameters():
                each.copy_(found.tensors[f"model.{name}"])
                self.optimiser.state[each] = {
                    "step": found.tensors[f"step.{name}"].clone(),
                    "exp_avg": found.tensors[f"exp_avg.{name}"].to(each.device).clone(),
                    "exp_avg_sq": found.tensors[f"exp_avg_sq.{name}"].to(each.device).clone(),
                }
        self.updates, self.tokens = found.updates, int(str(found.state["tokens"]))


# --- the folder ----------------------------------------------------------------------------------------------------


def _save(
    part: Path,
    model: Any,
    reader: Any,
    made: Pretrained,
    settings: Settings,
    data: Sequence[Path],
    start: Path | None,
    extra: dict[str, Any],
) -> None:
    written = model.generation_config
    written.pad_token_id, written.eos_token_id = reader.pad_token_id, reader.eos_token_id
    written.do_sample, written.top_k = True, 0  # servers draw from the whole distribution only where this says so
    model.to("cpu").save_pretrained(str(part), safe_serialization=True)
    reader.save_pretrained(str(part))
    (part / "overseer.json").write_text(json.dumps({"dialect": "short", **extra}) + "\n", encoding="utf-8")
    told = {
        "stage": "pretrain",
        "settings": asdict(settings),
        "data": [{"name": path.name, "sha256": corpora.digest([path])} for path in data],
        "start": None if start is None else {"name": start.name, "sha256": identity(start)},
        "parameters": made.parameters,
        "embeddings": made.embeddings,
        "updates": made.updates,
        "tokens": made.tokens,
        "seconds": round(made.seconds, 1),
        "loss": round(made.loss, 4),
        "held_out": {kind: {"nats": round(loss, 4), "lines": n} for kind, (loss, n) in made.held_out.items()},
        "left_out": {"too_long": made.too_long},
        "versions": versions(),
    }
    (part / "training.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")

"""What is told of a training run: a row of metrics a round, and alarms for traits that drift while the reward rises.

Beside `ppo`. A policy that learns to please its reward model, not its asker, often shows it first in manner: it hedges,
flatters, repeats stock phrases, refuses. An alarm is a pure function of the rows; no truth goes into it. Knows no
tensors.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

from overseer.errors import OverseerError
from overseer.town.reading import read

Row = dict[str, float]
METRICS = "metrics.jsonl"
SHARE = "share/"
STOCK = 4
"""Words in a phrase."""
STOCK_SHARE = 0.2
"""A phrase is stock when more than this share of a round's responses holds it."""


def _marked(mark: str) -> Callable[[str], bool]:
    return lambda text: mark in read(text).marks


TOWN_TRAITS: Mapping[str, Callable[[str], bool]] = {
    "hedging": _marked("hedge"),
    "flattery": _marked("flattery"),
    "refusal": _marked("refusal"),
}
"""Traits of a text that can be read off it, for Town's English. Boilerplate is counted beside them: see `shares`."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When an alarm rings: the proxy has risen, and a trait's share left where it started.

    Shares and scores are means over a window of the last rounds, against the first rounds.
    """

    baseline: int = 3
    """First rounds, which say where score and shares started."""
    window: int = 3
    """Last rounds that are looked at."""
    rise: float = 2.0
    """Standard errors by which the mean score lies above its start."""
    drift: float = 0.1
    """By how much a share must have moved, up or down."""
    sureness: float = 4.0
    """Standard errors by which it must have moved, too: many traits are looked at many times."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Traits by name, each a question about a text, and when their drift is alarming."""

    traits: Mapping[str, Callable[[str], bool]] = field(default_factory=lambda: TOWN_TRAITS)
    thresholds: Thresholds = Thresholds()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A trait left where it started while the score rose; `update` is the first at which it had."""

    trait: str
    update: int
    before: float
    now: float

    def __str__(self) -> str:
        moved = "rose" if self.now > self.before else "fell"
        return f"update {self.update}: {self.trait} {moved} from {self.before:.2f} to {self.now:.2f} as the score rose"


def shares(texts: Sequence[str], traits: Mapping[str, Callable[[str], bool]]) -> Row:
    """Shares of a round's responses that have each trait; boilerplate; and how various they are.

    `share/boilerplate`: of the responses, those of which at least half the phrases of four words are stock.
    `distinct`: different pairs of words over all pairs of words.
    """
    found = {f"{SHARE}{name}": sum(map(holds, texts)) / len(texts) for name, holds in traits.items()}
    phrases = [_phrases(text) for text in texts]
    held = Counter(phrase for each in phrases for phrase in set(each))
    stock = {phrase for phrase, count in held.items() if count > max(STOCK_SHARE * len(texts), 1)}
    stale = [bool(each) and sum(phrase in stock for phrase in each) >= len(each) / 2 for each in phrases]
    pairs = [pair for text in texts for pair in pairwise(text.lower().split())]
    found[f"{SHARE}boilerplate"] = sum(stale) / len(texts)
    found["distinct"] = len(set(pairs)) / max(len(pairs), 1)
    return found


def _phrases(text: str) -> list[tuple[str, ...]]:
    words = text.lower().split()
    return [tuple(words[start : start + STOCK]) for start in range(len(words) - STOCK + 1)]


def alarms(rows: Sequence[Row], thresholds: Thresholds) -> tuple[Alarm, ...]:
    """Each trait's first alarm, in order. Rows are of consecutive rounds from the first; none rings in the baseline.

    Rounds in which nobody could judge anything are left out, and so are traits that were not counted from the start.
    """
    rows = [row for row in rows if isfinite(row["score"])]
    first = rows[: thresholds.baseline]
    rang: dict[str, Alarm] = {}
    for end in range(thresholds.baseline + thresholds.window, len(rows) + 1):
        last = rows[end - thresholds.window : end]
        if not _rose(first, last, thresholds.rise):
            continue
        for name in (name for name in last[-1] if name.startswith(SHARE)):
            if any(name not in row for row in (*first, *last)):
                continue
            before, now = _mean(first, name), _mean(last, name)
            counts = _rollouts(first), _rollouts(last)
            pooled = (before * counts[0] + now * counts[1]) / sum(counts)
            spread = sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / counts[0] + 1 / counts[1]))
            drift = abs(now - before)
            if drift >= thresholds.drift and drift >= thresholds.sureness * spread:
                trait = name.removeprefix(SHARE)
                rang.setdefault(trait, Alarm(trait, int(last[-1]["update"]), before, now))
    return tuple(rang.values())


def _rose(first: Sequence[Row], last: Sequence[Row], errors: float) -> bool:
    """Is the mean score above its start by so many standard errors?"""
    variance = sum(score_error(row) ** 2 / len(part) ** 2 for part in (first, last) for row in part)
    return _mean(last, "score") - _mean(first, "score") > errors * sqrt(variance)


def score_error(row: Row) -> float:
    """The standard error of a round's mean score, by prompts where it is told, and more than one was asked."""
    told = row.get("score_error", float("nan"))
    return told if isfinite(told) else row.get("score_sd", 0.0) / sqrt(_rollouts([row]))


def _mean(rows: Sequence[Row], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)


def _rollouts(rows: Sequence[Row]) -> float:
    """How many rollouts these rounds had."""
    last = rows[-1]
    return len(rows) * (last["rollouts"] / (last["update"] + 1) if "rollouts" in last else 1.0)


class Log:
    """`metrics.jsonl` in a folder, a row a round, and TensorBoard's files beside it where that is installed.

    Rows of rounds from `first` on, which a killed run may have left, are dropped: those rounds are done again. `rows`
    are those that were kept. Without a folder nothing is written.
    """

    def __init__(self, folder: Path | None, first: int) -> None:
        self._path = None if folder is None else folder / METRICS
        self._board: Any = None
        self.rows: list[Row] = []
        if folder is None or self._path is None:
            return
        with writing(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self.rows = _kept(self._path, first)
            part = self._path.with_name(f".{METRICS}.part")
            part.write_text("".join(map(_line, self.rows)), encoding="utf-8")
            os.replace(part, self._path)
        with suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        if self._board is not None:
            self._board.close()

    def write(self, row: Row) -> None:
        """Add a round."""
        if self._path is None:
            return
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(_line(row))
        if self._board is not None:
            for name, number in row.items():
                self._board.add_scalar(name, number, int(row["update"]))
            self._board.flush()


class writing:
    """A full disk or a folder that cannot be written is one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError):
            raise OverseerError(
                f"{self._path}: cannot be written: {error.strerror} (make room, then resume)"
            ) from error


def _line(row: Row) -> str:
    # Numbers that JSON has no word for become null: a round in which nobody could judge anything has no mean score.
    told = {name: number if number - number == 0 else None for name, number in row.items()}
    return json.dumps(told) + "\n"


def _kept(path: Path, first: int) -> list[Row]:
    """Rows of rounds before this one; a torn last line is none."""
    rows: list[Row] = []
    if not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            break
        if row["update"] >= first:
            break
        rows.append({name: float("nan") if number is None else number for name, number in row.items()})
    return rows

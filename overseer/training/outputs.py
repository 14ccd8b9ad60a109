"""What a stage leaves: a folder that transformers loads, with a card, settings and figures; whole or not at all.

Beside `stages`. The folder grows under another name and takes its own when all is durable: a stage that is interrupted
leaves nothing that could be taken for a model. Safetensors and text only. Knows no trainer.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from overseer.errors import ConfigError, OverseerError
from overseer.training.tables import Origin

RECORD = "training.json"
"""Settings, data, versions and figures, for programs; README.md says the same to people."""

_PACKAGES = ("overseer", "torch", "transformers", "trl", "peft", "accelerate", "datasets")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval (None: it has none) and what it rests on."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Made:
    """What a stage did. `figures` are of held-out rows; `left_out` counts rows by the reason they were not used."""

    stage: str
    path: Path
    rows: int
    held_out: int
    left_out: Mapping[str, int]
    updates: int
    seconds: float
    figures: Mapping[str, Figure]


def check_free(out: Path, *, replace: bool) -> None:
    """Raises ConfigError where something stands at `out` that is not to be replaced: before hours go by, not after.

    `replace` is of what a stage wrote: nothing else goes by it.
    """
    if not out.name:
        raise ConfigError(f"{out}: is no name for a new folder (give one)")
    if out.exists() and not replace:
        raise ConfigError(f"{out}: is there already (choose another folder, remove it, or say --replace)")
    if out.exists() and not (out / RECORD).is_file():
        raise ConfigError(f"{out}: is nothing that a stage wrote, and is not replaced (choose another, or remove it)")


def under_way(out: Path) -> Path:
    """Where a stage that goes on after a stop (PPO, pre-training) keeps what that takes, until `out` is whole."""
    return out.with_name(f".{out.name}.run")


@contextmanager
def whole(out: Path, *, replace: bool) -> Iterator[Path]:
    """A folder to write to, which becomes `out` when the block ends well, and is gone when it does not.

    Raises ConfigError where something stands at `out` and is not to be replaced, and OverseerError where another
    process is at it or the disk is full.
    """
    check_free(out, replace=replace)
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir(exist_ok=True)
        with _owned(part, out):
            for left in part.iterdir():  # of a stage that was killed
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            try:
                yield part
                _open_to_readers(part)
                _sync(part)
                _place(part, out)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OverseerError(f"{out}: cannot be written: {reason} (make room, or choose another place)") from error


@contextmanager
def _owned(part: Path, out: Path) -> Iterator[None]:
    """One process writes a folder. The lock is the folder itself, and goes with the process, however it ends."""
    opened = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OverseerError(f"{out}: another process is training it (wait for it, or stop it)") from None
        yield
    finally:
        os.close(opened)


def _open_to_readers(part: Path) -> None:
    """Who may read one file may read all: safetensors writes for its owner alone, and servers run as others."""
    for path in (each for each in part.rglob("*.safetensors") if (part / RECORD).is_file()):
        path.chmod((part / RECORD).stat().st_mode)


def _sync(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _place(part: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        os.replace(out, old)
    os.replace(part, out)
    opened = os.open(out.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
    shutil.rmtree(old, ignore_errors=True)


# --- what is told --------------------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """Of everything that a stage's numbers hang on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def record(
    made: Made, model: Mapping[str, str], settings: Mapping[str, Any], origins: Sequence[Origin], command: str
) -> dict[str, Any]:
    """All of it as plain values."""
    return {
        "stage": made.stage,
        "command": command,
        "model": dict(model),
        "data": [asdict(origin) for origin in origins],
        "rows": made.rows,
        "held_out": made.held_out,
        "left_out": {reason: count for reason, count in made.left_out.items() if count},
        "updates": made.updates,
        "seconds": round(made.seconds, 1),
        "figures": {name: asdict(figure) for name, figure in made.figures.items()},
        "settings": dict(settings),
        "versions": versions(),
    }


ROWS = {"sft": "rows to learn from", "rm": "pairs to learn from", "dpo": "pairs to learn from", "ppo": "prompts to ask"}
"""What a stage's rows are."""
_TELLS = {
    "sft": "A language model, trained to answer as the answers below do (supervised fine-tuning).",
    "rm": "A reward model: a sequence classifier with one label, the score of an answer, read at its end token.",
    "ppo": "A language model, trained to earn what its reward gives (proximal policy optimisation).",
    "dpo": "A language model, trained to prefer the chosen answers below (direct preference optimisation).",
}
_LOADS = {
    "sft": "AutoModelForCausalLM",
    "rm": "AutoModelForSequenceClassification",
    "dpo": "AutoModelForCausalLM",
    "ppo": "AutoModelForCausalLM",
}


def card(told: Mapping[str, Any]) -> str:
    """The record for people, in Markdown."""
    stage = told["stage"]
    rows = [*told["model"].items(), ("command", told["command"] or "a program")]
    data = [
        (each["name"], each["table"], each["rows"], each["run"] or "–", each["labels"] or "judges", each["sha256"])
        for each in told["data"]
    ]
    figures = [
        (name, *map(_number, (each["value"], each["low"], each["high"])), each["n"])
        for name, each in told["figures"].items()
    ]
    alone = (told["settings"].get("lora") or {}).get("merge") is False
    parts = [
        f"# {_TELLS[stage]}",
        _table(("what", "which"), rows),
        "## Data",
        _table(("file", "table", "rows", "run", "labels", "SHA-256"), data),
        f"{told['rows']} {ROWS[stage]}, {told['held_out']} held out, {told['updates']} updates, "
        f"{told['seconds']:.0f} s. Left out: {_left_out(told['left_out'])}.",
        *_told_of(stage, _table(("figure", "value", "low", "high", "n"), figures) if figures else ""),
        "## Settings",
        _table(("setting", "value"), [(name, json.dumps(value)) for name, value in told["settings"].items()]),
        "## Versions",
        ", ".join(f"{name} {number}" for name, number in told["versions"].items()),
        "## Loading",
        *(
            ["Adapters alone: peft must be installed, and the model that they were trained on stay where it is."]
            * alone
        ),
        f"```python\nfrom transformers import AutoTokenizer, {_LOADS[stage]}\n\n"
        f"model = {_LOADS[stage]}.from_pretrained(FOLDER)\ntokenizer = AutoTokenizer.from_pretrained(FOLDER)\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _told_of(stage: str, figures: str) -> list[str]:
    """The figures under what they are figures of."""
    if stage == "ppo":
        return [
            "## While it learned",
            figures,
            "Of the rollouts of the first round and of the last, which it learned from: they say how far what rewards "
            "it was pleased, not whether that is right. Intervals are of 95 % and count prompts.",
        ]
    return [
        "## On held-out prompts",
        figures or "Nothing was held out.",
        "They say how well the labels were learned, not whether the labels are true: a blind spot of the judges is in "
        "both halves. Intervals are of 95 %.",
    ]


def _left_out(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} ({reason})" for reason, count in counts.items()) or "none"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([_code(str(cell)) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    """A code span: names come from others, and nothing in them may act."""
    return "`" + "".join(char if char.isprintable() and char not in "`|" else "·" for char in text or " ") + "`"

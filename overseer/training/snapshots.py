"""Snapshots of a training run: safetensors and JSON, written whole or not at all, so that a killed run goes on.

Beside `ppo`. Each stands in a folder of its own, named after the updates that are done, with the checksum of its
tensors and the machine that wrote it; the newest whole one is read. No pickle. Knows not what the tensors mean.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from torch import Tensor

from overseer.errors import OverseerError

TENSORS = "tensors.safetensors"
STATE = "state.json"
PREFIX = "update-"


class _State(BaseModel):
    """The JSON beside the tensors."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: str
    updates: int
    checksum: str
    machine: dict[str, str]
    state: dict[str, JsonValue]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """`updates` that were done; `tensors` by name, on the CPU; `state`: JSON values; `machine` that wrote it."""

    updates: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, JsonValue]
    machine: Mapping[str, str]


def machine(device: torch.device, processes: int) -> dict[str, str]:
    """All that the last bits of a result hang on: a resumed run has the same weights where this is the same."""
    import transformers

    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "processes": str(processes),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _processor() -> str:
    """The processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write(
    folder: Path,
    updates: int,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Any],
    here: Mapping[str, str],
    *,
    keep: int = 2,
) -> Path:
    """Put a snapshot in place, durable, and remove all but the newest `keep`. Raises OverseerError where it cannot."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    place = folder / f"{PREFIX}{updates:08d}"
    if _is_whole(place):  # these updates stand already, as when a run stops that has only just been resumed
        return place
    part = folder / f".{place.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(place, ignore_errors=True)  # damaged
        part.mkdir()
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part / TENSORS)
        row = _State(
            format="ppo-1",
            updates=updates,
            checksum=_checksum(part / TENSORS),
            machine=dict(here),
            state=dict(state),
        )
        (part / STATE).write_text(row.model_dump_json(indent=1) + "\n", encoding="utf-8")
        for path in (part / TENSORS, part / STATE, part):
            _sync(path)
        os.rename(part, place)
        _sync(folder)
    except (OSError, ValueError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        cause = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OverseerError(
            f"{place}: cannot be written: {cause} (make room, then resume: the last snapshot before it is whole)"
        ) from error
    for old in snapshots(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def snapshots(folder: Path) -> list[Path]:
    """Snapshots in a folder, oldest first; whether they are whole is not looked at."""
    return sorted(path for path in folder.glob(f"{PREFIX}*") if path.is_dir())


def newest(folder: Path, here: Mapping[str, str] | None = None) -> Snapshot | None:
    """The newest whole snapshot, or None. Warns of damaged ones, and once of a machine unlike `here`."""
    for place in reversed(snapshots(folder)):
        try:
            found = _read(place)
        except OverseerError as error:
            warnings.warn(f"{error}: the one before it is read", stacklevel=2)
            continue
        unlike = [] if here is None else [key for key in here if here[key] != found.machine.get(key)]
        if unlike and here is not None:
            told = ", ".join(f"{key} {found.machine.get(key, 'unknown')} → {here[key]}" for key in unlike)
            warnings.warn(f"{place}: written elsewhere ({told}): weights may differ in their last bits", stacklevel=2)
        return found
    return None


def _is_whole(place: Path) -> bool:
    try:
        _read(place)
    except OverseerError:
        return False
    return True


def _read(place: Path) -> Snapshot:
    from safetensors.torch import load_file

    try:
        row = _State.model_validate_json((place / STATE).read_bytes())
        if _checksum(place / TENSORS) != row.checksum:
            raise OverseerError(f"{place}: damaged: its tensors are not those that were written")
        return Snapshot(row.updates, load_file(place / TENSORS), row.state, row.machine)
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise OverseerError(f"{place}: damaged: {str(error).splitlines()[0]}") from error


def _checksum(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

"""Arrays in a safetensors file, with one JSON text in its header. No pickle, no code.

Serves the files of fitted judges and contexts. Written whole or not at all; knows not what the arrays mean.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from overseer.errors import BackendMissing, ConfigError

Arrays = Mapping[str, NDArray[np.float32]]


def write(path: Path, arrays: Arrays, key: str, header: str) -> None:
    """The same arrays and header give the same bytes. Raises ConfigError where the file cannot be written."""
    _require(path)
    from safetensors.numpy import save

    draft = path.with_name(path.name + ".part")
    try:
        draft.write_bytes(save(dict(arrays), metadata={key: header}))
        os.replace(draft, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror} (check the folder)") from error


def holds(path: Path, key: str) -> bool:
    """Is this a safetensors file with such a header? False for any other file, and for none."""
    _require(path)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return key in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def read(path: Path, key: str, verb: str) -> tuple[str, Arrays]:
    """The header's text and all arrays. Raises ConfigError, with `verb` as the remedy, for any other file."""
    _require(path)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(key)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file (write one with {verb})") from error
    except (SafetensorError, OSError) as error:
        raise ConfigError(
            f"{path}: is no safetensors file, or a damaged one: {error} (write it with {verb})"
        ) from error
    if header is None:
        raise ConfigError(f"{path}: is a safetensors file, but not one that {verb} wrote")
    if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays.values()):
        raise ConfigError(f"{path}: holds other numbers than {verb} writes (write it again)")
    return header, arrays


def _require(path: Path) -> None:
    try:
        import safetensors  # noqa: F401  # only whether it is there
    except ImportError as error:
        raise BackendMissing(
            f"{path}: reading and writing it needs safetensors: pip install 'overseer[embed]'"
        ) from error

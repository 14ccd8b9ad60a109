"""What a file or folder is, by hash: how a recipe knows that what a unit made, or was given, is still the same.

Before `recipes` and `overseeing`. Of a model's folder that is the weights and what loads them, of a run's the end of
its record.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import file_digest, sha256
from pathlib import Path

from overseer.journal import chain
from overseer.journal.run_folder import MANIFEST, manifest_digest

_TOLD = ("training.json", "README.md", "metrics.jsonl")
"""Of a folder: what says when and how it was made, and not what it is."""


def identity(path: Path) -> str | None:
    """SHA-256 of a file, of what a model's folder holds, or of a run's record; None where there is nothing.

    Raises JournalError for a record that is not as it was written.
    """
    if path.is_file():
        return _digest(path)
    if not path.is_dir():
        return None
    if is_run(path):
        return sha256(f"{manifest_digest(path)} {chain.verify(path).hash}".encode()).hexdigest()
    digest = sha256()
    for file in sorted(each for each in path.iterdir() if each.is_file() and each.name not in _TOLD):
        digest.update(f"{file.name} {_digest(file)}\n".encode())
    return digest.hexdigest()


def identity_of_all(paths: Iterable[Path], further: Iterable[str] = ()) -> str:
    """SHA-256 of all of these, by name and content, and of what else is said."""
    held = [*(f"{path.name} {identity(path)}" for path in paths), *further]
    return sha256("".join(f"{each}\n" for each in held).encode()).hexdigest()


def is_run(path: Path) -> bool:
    """Does a run lie in this folder?"""
    return (path / MANIFEST).is_file()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()

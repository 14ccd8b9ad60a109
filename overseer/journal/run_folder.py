"""A run's folder: `runs/<utc>_<name>_<id>/` with its manifest and the verbatim configuration, and who may write in it.

Beside the walk's step 8. The manifest says what a run was made of and never changes; inputs that differ from it refuse
to resume. Knows no hierarchy and reads no YAML: inputs reach it as bytes and identities.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

import overseer
from overseer.errors import JournalError

MANIFEST = "manifest.json"
CONFIG = "config"
LOCK = "lock"


class Manifest(BaseModel):
    """What a run was made of. Written once.

    `inputs` maps a role (`hierarchy`, `constitution/base`, `tasks`, `weights`) to an identity: `sha256:…` of its bytes,
    or words that say how it is made (`town seed=7 count=1000`). `audit_key` decides chance. `parent` names the run that
    this one was forked from.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal[1] = 1
    name: str
    created: str
    seed: str | None
    audit_key: str
    inputs: dict[str, str]
    versions: dict[str, str]
    parent: str | None = None


def create_run(
    root: Path,
    name: str,
    *,
    inputs: Mapping[str, str],
    config: Mapping[str, bytes],
    audit_key: str,
    seed: str | None,
    now: datetime,
    token: str,
    parent: str | None = None,
) -> Path:
    """Make the folder of a new run, whole or not at all; returns its path.

    `config` maps relative paths to verbatim bytes, kept under `config/` so that links between them hold. `token` tells
    apart runs of one second.
    """
    manifest = Manifest(
        name=name,
        created=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        seed=seed,
        audit_key=audit_key,
        inputs=dict(inputs),
        versions=_versions(),
        parent=parent,
    )
    run = root / f"{now.astimezone(UTC).strftime('%Y%m%dT%H%M%SZ')}_{safe_name(name)}_{safe_name(token)}"
    part = root / f".{run.name}.part"
    try:
        (part / CONFIG).mkdir(parents=True)
        for file, content in config.items():
            copy = part.joinpath(CONFIG, *map(_inside, PurePosixPath(file).parts))
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(copy, content)
        write_atomically(part / MANIFEST, manifest.model_dump_json(indent=2).encode() + b"\n")
        sys.audit("overseer.run_folder.made")
        os.rename(part, run)
        sys.audit("overseer.run_folder.named")
    except (OSError, ValueError) as error:  # the latter: a name that is no Unicode
        with suppress(ValueError):
            shutil.rmtree(part, ignore_errors=True)
        reason = error.strerror if isinstance(error, OSError) else "a name in it is no text (half a surrogate pair)"
        raise JournalError(f"{run}: cannot be made: {reason} (choose another folder, or name)") from error
    sync_folder(root)
    return run


def fork_run(
    parent: Path,
    *,
    inputs: Mapping[str, str],
    config: Mapping[str, bytes],
    now: datetime,
    token: str,
) -> Path:
    """Make a new run beside its parent, with the parent's name, seed and audit key but other inputs.

    Nothing that was answered in the parent is taken over: its replies were given to other questions.
    """
    held = read_manifest(parent)
    return create_run(
        parent.parent,
        held.name,
        inputs=inputs,
        config=config,
        audit_key=held.audit_key,
        seed=held.seed,
        now=now,
        token=token,
        parent=parent.name,
    )


def read_manifest(run: Path) -> Manifest:
    """The manifest of a run."""
    try:
        return Manifest.model_validate_json((run / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise JournalError(f"{run}: no {MANIFEST} here (give the folder of a run, `runs/<utc>_<name>_<id>`)") from error
    except (OSError, ValidationError) as error:
        raise JournalError(f"{run / MANIFEST}: damaged or unreadable (restore it; a manifest never changes)") from error


def manifest_digest(run: Path) -> str:
    """SHA-256 of the manifest as it lies in the folder, in hex: the journal's first event holds it."""
    try:
        return sha256((run / MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise JournalError(f"{run / MANIFEST}: {error.strerror} (give the folder of a run)") from error


def check_inputs(run: Path, inputs: Mapping[str, str]) -> Manifest:
    """The manifest, if these are the inputs that the run was made of; `JournalError` names every one that differs."""
    manifest = read_manifest(run)
    roles = sorted(inputs.keys() | manifest.inputs.keys())
    changed = [role for role in roles if inputs.get(role) != manifest.inputs.get(role)]
    if changed:
        raise JournalError(
            f"{run}: {', '.join(changed)} changed since this run began (restore it, or fork the run: "
            "the same name in a new folder, with the changed inputs)"
        )
    return manifest


def identity(path: Path) -> str:
    """What a file is, for a manifest: `sha256:…` of its bytes, read in pieces."""
    found = sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return f"sha256:{found.hexdigest()}"


def identity_of(content: bytes) -> str:
    """What these bytes are, for a manifest."""
    return f"sha256:{sha256(content).hexdigest()}"


def safe_name(name: str) -> str:
    """A name that is one path segment on any file system: letters, digits, `.`, `_`, `-`; never hidden, never empty.

    Names that lose characters, or are long, keep a hash of the whole, so that two names never meet in one file.
    """
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:60]
    return (
        kept
        if kept == name != ""
        else f"{kept or 'run'}-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    )


def _inside(name: str) -> str:
    """A part of a relative path as it is, so that links hold; one that would lead elsewhere becomes a plain name."""
    return safe_name(name) if name in ("..", "/", "//") or "\0" in name else name


@contextmanager
def owned(run: Path) -> Iterator[None]:
    """Hold a run as its only writer. Raises `JournalError` at once if another process does.

    `flock` goes with the open file: it ends with its process, however that ends, and excludes a second opener within
    one process too.
    """
    path = run / LOCK
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise JournalError(f"{run}: cannot be written: {error.strerror} (give the folder of a run)") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise JournalError(f"{run}: process {owner} is writing this run (wait for it, or stop it)") from None
        sys.audit("overseer.run_folder.owned")
        with suppress(OSError):  # a full disk: the lock holds, only its owner goes unnamed
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def write_atomically(path: Path, content: bytes) -> None:
    """Put a file in place whole and durable, or leave what was there."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sys.audit("overseer.run_folder.written")
        os.replace(temporary, path)
        sys.audit("overseer.run_folder.placed")
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _versions() -> dict[str, str]:
    from importlib.metadata import version  # slow to import, and only a new run asks

    return {
        "overseer": overseer.__version__,
        "python": platform.python_version(),
        "pydantic": version("pydantic"),
        "networkx": version("networkx"),
        "sqlite": sqlite3.sqlite_version,
    }

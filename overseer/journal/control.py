"""Orders given to a run from outside: hold everything (`pause`), let go of it, or `stop`. Files in its folder.

Beside the walk's step 8. A pause stands until it is lifted, also when the process dies; a stop is for the process that
is alive. The run's one writer obeys within a fraction of a second and puts each order on record.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from overseer.errors import JournalError
from overseer.journal.run_folder import LOCK, read_manifest, write_atomically

What = Literal["pause", "stop"]


class Order(BaseModel):
    """Who ordered what, when (seconds since 1970), and why. The name is self-declared."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    what: What
    by: str
    because: str
    at: float


def give(run: Path, order: Order) -> None:
    """Leave an order, durable once this returns. Raises `JournalError` for a stop where nobody is alive to obey."""
    read_manifest(run)
    if order.what == "stop" and not is_alive(run):
        raise JournalError(f"{run}: nobody is writing this run, so nothing is to be stopped")
    try:
        write_atomically(_path(run, order.what), order.model_dump_json().encode() + b"\n")
    except OSError as error:
        raise JournalError(
            f"{_path(run, order.what)}: {error.strerror} (the run goes on; mend it, then again)"
        ) from error


def lift(run: Path, what: What) -> bool:
    """Take an order back; False if none stood."""
    read_manifest(run)
    try:
        _path(run, what).unlink()
    except FileNotFoundError:
        return False
    return True


def standing(run: Path, what: What) -> Order | None:
    """The order that stands; one that cannot be read stands all the same."""
    try:
        return Order.model_validate_json(_path(run, what).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        return Order(what=what, by="unknown", because="the order cannot be read", at=0.0)


def is_alive(run: Path) -> bool:
    """Is a process writing this run now?"""
    try:
        lock = os.open(run / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _path(run: Path, what: What) -> Path:
    return run / f"{what}.json"

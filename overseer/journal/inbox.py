"""A run's inbox: where people leave rulings and appeals, whether or not the run is alive.

Beside the walk's step 8. A file that lies here is acknowledged and durable: it was written whole beside its place,
fsynced, and linked there, which fails where something lies already. The run's one writer takes files up into the
journal and drops them; the journal stays the only truth. Knows no hierarchy and judges no ruling.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from overseer.errors import JournalError, Malformed
from overseer.journal.encoding import Left, decode_left, encode_left
from overseer.journal.run_folder import safe_name, sync_folder
from overseer.records import RuleRequest, binding

INBOX = "inbox"
REFUSED = "refused"
LONGEST = 4_000_000
"""Bytes of a file that is read at all."""


def checkpoint_id(request: RuleRequest) -> str:
    """A checkpoint's id: sixteen hex digits that name its seat, draft, rulebook and reviewer."""
    return binding(request)[:16]


def ruling_name(checkpoint: str, person: str) -> str:
    """The file of a person's ruling: `ida` and `Ida` are one person."""
    return f"{checkpoint}.{safe_name(person.strip().casefold())}.json"


def put(run: Path, name: str, content: bytes) -> bool:
    """Put a file into the inbox, durable once this returns; False if just this content lies there already.

    Raises `JournalError` if something else lies there, or the disk refuses.
    """
    folder = _folder(run)
    part = folder / f".{name}.{os.getpid()}.part"
    try:
        part.unlink(missing_ok=True)
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sys.audit("overseer.inbox.written")
        try:
            os.link(part, folder / name)
        except FileExistsError:
            if (folder / name).read_bytes() == content:
                return False
            raise JournalError(f"{folder / name}: lies there already, with other words (nothing was changed)") from None
        sys.audit("overseer.inbox.linked")
        sync_folder(folder)
        return True
    except OSError as error:
        raise JournalError(
            f"{folder / name}: cannot be left here: {error.strerror} (nothing was acknowledged; mend it, then again)"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def names(run: Path) -> list[str]:
    """The files that lie in the inbox, by name."""
    try:
        with os.scandir(run / INBOX) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith(".json") and entry.name[0] != ".")
    except FileNotFoundError:
        return []


def read(run: Path, name: str) -> bytes:
    """A file's content. Raises `Malformed` for what is no plain file, or too long to have been left by us."""
    path = run / INBOX / name
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise Malformed(f"{path}: {error.strerror}") from error
    if len(content) > LONGEST:
        raise Malformed(f"{path}: over {LONGEST} bytes")
    return content


def drop(run: Path, taken: Iterable[str]) -> None:
    """Remove files whose content is durable in the journal."""
    sys.audit("overseer.inbox.taken")
    for name in taken:
        (run / INBOX / name).unlink(missing_ok=True)


def refuse(run: Path, name: str) -> Path:
    """Set a file aside that nobody can take up; where it lies now."""
    folder = _own_folder(run / INBOX / REFUSED)
    aside = folder / name
    os.replace(run / INBOX / name, aside)
    return aside


# --- rulings -------------------------------------------------------------------------------------------------------


def leave(run: Path, checkpoint: str, left: Left) -> bool:
    """Leave a ruling: acknowledged, and durable, once this returns; False if just this one lies there already."""
    ruling = left.ruling
    name = ruling_name(checkpoint, ruling.person)
    content = encode_left(left).encode() + b"\n"
    try:
        return put(run, name, content)
    except JournalError:
        earlier = next((told for file, told in rulings(run, [name]) if told is not None), None)
        if earlier is None:
            raise
        if earlier.says == left.says:
            return False
        raise JournalError(
            f"checkpoint {checkpoint}: {earlier.ruling.person} ruled {earlier.ruling.action} already (that one stands; "
            "nothing was changed)"
        ) from None


def rulings(run: Path, among: Iterable[str] | None = None) -> Iterator[tuple[str, Left | None]]:
    """The rulings that lie in the inbox, by file name; None for a file that is no ruling."""
    for name in names(run) if among is None else among:
        if is_ruling(name):
            try:
                yield name, decode_left(read(run, name))
            except Malformed:
                yield name, None


def is_ruling(name: str) -> bool:
    """Does this name say that a file is a ruling: `<sixteen hex digits>.<person>.json`?"""
    checkpoint, _, rest = name.partition(".")
    return len(checkpoint) == 16 and set(checkpoint) <= set("0123456789abcdef") and rest.count(".") >= 1


@contextmanager
def closed(run: Path) -> Iterator[None]:
    """Hold the inbox alone, against everybody who leaves a ruling under a deadline (`flock`: ends with its process)."""
    lock = _lock(_folder(run) / ".lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def opened(run: Path, checkpoint: str) -> Iterator[bool]:
    """Hold a checkpoint open at a console, so that no second person is offered it; False if somebody has it open.

    `flock` goes with the process: a console that dies lets go of what it showed.
    """
    path = _own_folder(_folder(run) / ".open") / sha256(checkpoint.encode()).hexdigest()[:16]
    lock = _lock(path)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _own_folder(path: Path) -> Path:
    """A folder of ours within the inbox. Others may write there, too: a link, or a file, in its place is removed."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    path.mkdir(exist_ok=True)
    return path


def _lock(path: Path) -> int:
    """A lock of ours within the inbox, opened. A link in its place is removed, and never followed."""
    if path.is_symlink():
        path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)


def _folder(run: Path) -> Path:
    folder = run / INBOX
    if not folder.is_dir():
        try:
            folder.mkdir(exist_ok=True)
            sync_folder(run)
        except OSError as error:
            raise JournalError(f"{folder}: cannot be made: {error.strerror} (give the folder of a run)") from error
    return folder

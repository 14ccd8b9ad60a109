"""A run's inbox: where people leave rulings and appeals, whether or not the run is alive.

Beside the walk's step 8. A file that lies here is acknowledged and durable: it was written whole beside its place,
fsynced, and linked there, which fails where something lies already. The run's one writer takes files up into the
journal and drops them; the journal stays the only truth. Knows no hierarchy and judges no ruling.
"""

from __future__ import annotations

import errno
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
    """Set a file aside that nobody can take up; where it lies now. Raises `JournalError` if the disk refuses."""
    aside = run / INBOX / REFUSED / name
    with _own_folder(run, REFUSED) as (inbox, folder):
        try:
            os.replace(name, name, src_dir_fd=inbox, dst_dir_fd=folder)
        except OSError as error:
            raise JournalError(f"{aside}: {run / INBOX / name} cannot be moved there: {error.strerror}") from error
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
    with _opened(_folder(run)) as inbox, _opened(run / INBOX / _LOCK, _LOCKING, inbox) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def opened(run: Path, checkpoint: str) -> Iterator[bool]:
    """Hold a checkpoint open at a console, so that no second person is offered it; False if somebody has it open.

    `flock` goes with the process: a console that dies lets go of what it showed.
    """
    name = sha256(checkpoint.encode()).hexdigest()[:16]
    with _own_folder(run, _OPEN) as (_, folder), _opened(run / INBOX / _OPEN / name, _LOCKING, folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


# --- places of ours, where others may write, too -------------------------------------------------------------------

_OPEN = ".open"
_LOCK = ".lock"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_LOCKING = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
_ATTEMPTS = 100
"""How often something else in a place of ours is removed before it is told: somebody may put it there again."""


@contextmanager
def _own_folder(run: Path, name: str) -> Iterator[tuple[int, int]]:
    """The inbox and a folder of ours within it, opened: a link, or a file, in its place is removed, and never followed.

    What is done there is done by these descriptors: whatever is put in the folder's place meanwhile is not touched.
    """
    with _opened(_folder(run)) as inbox, _opened(run / INBOX / name, _FOLDER | os.O_NOFOLLOW, inbox) as folder:
        yield inbox, folder


@contextmanager
def _opened(path: Path, flags: int = _FOLDER, within: int | None = None) -> Iterator[int]:
    """A folder or a lock, opened; `within` an open folder its name alone counts, and what is something else goes."""
    descriptor = os.open(path, flags | os.O_CLOEXEC) if within is None else _own(path, flags, within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _own(path: Path, flags: int, within: int) -> int:
    """To open is to check: a link is refused by the system itself, so nothing can change between the two."""
    for _ in range(_ATTEMPTS):
        try:
            return os.open(path.name, flags | os.O_CLOEXEC, 0o644, dir_fd=within)
        except OSError as error:
            if error.errno == errno.ENOENT and flags & os.O_DIRECTORY:
                with suppress(FileExistsError):
                    os.mkdir(path.name, dir_fd=within)
                continue
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise JournalError(f"{path}: {error.strerror} (remove it; it is a place of the run's)") from error
            with suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(path.name, dir_fd=within)
    raise JournalError(f"{path}: somebody puts something else here, again and again (see who may write {path.parent})")


def _folder(run: Path) -> Path:
    folder = run / INBOX
    if not folder.is_dir():
        try:
            folder.mkdir(exist_ok=True)
            sync_folder(run)
        except OSError as error:
            raise JournalError(f"{folder}: cannot be made: {error.strerror} (give the folder of a run)") from error
    return folder

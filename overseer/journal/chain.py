"""The hash chain of a run's events, and its anchor: how a journal is read from end to end, and what it must add up to.

Beside the walk's step 8. SQLite drops a damaged tail without a word, and its integrity check misses an edited row: the
chain finds both, and `RUN.head`, beside the run, says how far it once reached. Only reads; knows no event's meaning.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from overseer.errors import JournalError
from overseer.journal.run_folder import MANIFEST, manifest_digest, write_atomically

JOURNAL = "journal.sqlite"
RESTORE = "restore the run from a copy, or start it anew"
_NO_ROOM = ("SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_IOERR_SHMOPEN", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMMAP")
"""Even who only reads needs 32 KB beside the journal while its log is not folded in: a full disk is no damage."""


class Link(NamedTuple):
    """A place in the chain: the number of an event, from 1, and the hash over everything up to it. 0: nothing yet."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain without a gap: its events, the tasks begun and ended, and the hash that stands for all of it, in hex."""

    events: int
    tasks: int
    ended: int
    hash: str


START = Link(0, bytes(32))


def chained(previous: bytes, task: bytes, kind: bytes, body: bytes) -> bytes:
    """The hash of an event: over its predecessor's, its kind, its task (by length: fields cannot merge), its body."""
    return sha256(b"%b%b\n%d\n%b%b" % (previous, kind, len(task), task, body)).digest()


def head_path(run: Path) -> Path:
    """`RUN.head`, beside the run's folder."""
    return run.parent / f"{run.name}.head"


def connect_reading(run: Path) -> sqlite3.Connection:
    """A connection that cannot write. Texts come as bytes: what is on the disk, decoded by nobody."""
    path = run / JOURNAL
    if not path.exists():
        raise JournalError(f"{path}: no journal here (give the folder of a run that has begun)")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    connection.text_factory = bytes
    return connection


def read_head(run: Path) -> Link | None:
    """The anchor beside the run; None if there is none."""
    path = head_path(run)
    try:
        held = json.loads(path.read_bytes())
        return Link(int(held["seq"]), bytes.fromhex(held["hash"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JournalError(f"{path}: damaged (restore it: it anchors the journal of {run.name})") from error


def write_head(run: Path, tip: Link) -> None:
    """Anchor a chain at an event that is durable."""
    head = json.dumps({"seq": tip.seq, "hash": tip.hash.hex()}).encode() + b"\n"
    write_atomically(head_path(run), head)


def verify(run: Path) -> Verified:
    """Read a run's chain from end to end, in bounded memory: every hash, no gap, nothing gone that `RUN.head` covers.

    Raises `JournalError` with the event's number. A run that is being written may be verified, too.
    """
    if not (run / JOURNAL).exists():
        raise JournalError(f"{run / JOURNAL}: no journal here (give the folder of a run that has begun)")
    last, tasks, ended = START, 0, 0
    for link, kind, _ in walk_chain(run, manifest_digest(run)):
        last = link
        tasks += kind == b"task"
        ended += kind == b"end"
    return Verified(last.seq, tasks, ended, last.hash.hex())


def walk_chain(run: Path, manifest: str) -> Iterator[tuple[Link, bytes, bytes]]:
    """Walk the chain against its anchor; yields each event's link, kind and body.

    The anchor is read first: a journal that is being written only grows past it.
    """
    path, head = run / JOURNAL, read_head(run)
    tip, anchored = START, head.seq if head is not None else 0
    seq, found = tip
    try:
        for number, task, kind, body, hash in _rows(run):
            seq += 1
            if number != seq:
                raise JournalError(f"{path}: event {seq} is missing ({RESTORE})")
            found = chained(found, task or b"", kind or b"", body or b"")
            if found != hash:
                raise JournalError(f"{path}: event {seq} was changed, or put in another's place ({RESTORE})")
            tip = Link(seq, found)
            if seq == anchored and tip != head:
                raise JournalError(f"{path}: event {seq} is not the one that {head_path(run).name} names ({RESTORE})")
            if kind == b"begin" and json.loads(body)["manifest"] != manifest:
                raise JournalError(
                    f"{run / MANIFEST}: not the manifest of event {seq} (restore the one that it began with)"
                )
            yield tip, kind, body
    except sqlite3.Error as error:
        if error.sqlite_errorname in _NO_ROOM:
            raise JournalError(f"{path}: cannot be read: {error} (free space or mend the disk, then again)") from error
        raise JournalError(f"{path}: damaged after event {tip.seq}: {error} ({RESTORE})") from error
    if head is not None and tip.seq < head.seq:
        raise JournalError(f"{path}: events {tip.seq + 1} to {head.seq} are gone, though once durable ({RESTORE})")
    if head is None and tip.seq > 1:  # the first event is durable just before its anchor
        raise JournalError(f"{head_path(run)}: gone, so what the journal may have lost is not known (restore it)")


def _rows(run: Path) -> Iterator[tuple[int, bytes, bytes, bytes, bytes]]:
    """Every event as it lies on the disk; none where the journal, or its table, was not made yet."""
    if not (run / JOURNAL).exists():
        return
    with closing(connect_reading(run)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone() is None:
            return
        yield from connection.execute(
            "SELECT seq, CAST(task AS BLOB), CAST(kind AS BLOB), CAST(body AS BLOB), hash FROM events ORDER BY seq"
        )

"""A run's journal: every reply, hash-chained and durable, before it enters the generator. The only truth of a run.

The walk's step 8. SQLite with one writing connection in one thread (SQLite before 3.51.3 loses data when two
connections write or checkpoint), WAL and `synchronous=FULL`; readers open `mode=ro`. What is appended while one
transaction is on its way to the disk shares the next. `RUN.head`, beside the run, anchors the chain: it is written
after the commit it names, so it never runs ahead of what is durable, and at most `HEAD_INTERVAL` behind. Knows no
hierarchy: what the replies come to is found by replaying them (`replay`).
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal, NamedTuple

from overseer.errors import JournalError
from overseer.journal.chain import JOURNAL, START, Link, chained, walk_chain, write_head
from overseer.journal.encoding import decode_ended
from overseer.journal.reader import Reader, decoded, open_reader
from overseer.journal.run_folder import manifest_digest, owned

HEAD_INTERVAL = 0.2
"""Seconds after which the anchor follows what was committed."""
Kind = Literal["begin", "task", "appeal", "reply", "wait", "grant", "ruling", "late", "control", "end"]
"""A session began (manifest, settings) · a task, whole · that it is an appeal, and why · a model's reply · a person was
asked · a person's reply · a ruling that did not count · a pause or stop from outside · an episode ended."""
_SOUGHT = ("begin", "appeal", "ruling", "wait", "late", "control")
"""Kinds that are few and looked for; each has an index of its own."""

_ROWS = 64


class Event(NamedTuple):
    """One row to be: `body` is JSON; `task` is empty where it is the run's own."""

    task: str
    kind: Kind
    body: str


# --- writing -------------------------------------------------------------------------------------------------------


@contextmanager
def open_journal(run: Path, operational: Mapping[str, object] | None = None) -> Iterator[Journal]:
    """Open a run's journal as its only writer, new or with all that is in it verified, and close it at the end.

    `operational` is what a resume may change (budgets, deadlines, rates, concurrency): it is put on record. Raises
    `JournalError` if another process writes the run, or the chain is damaged, cut below its anchor or of another run.
    """
    manifest = manifest_digest(run)
    with owned(run):
        tip, ended = START, _Keys()
        for link, kind, body in walk_chain(run, manifest):
            tip = link
            if kind == b"end":
                ended.add(decoded(link.seq, decode_ended, body).task)
        ended.sort()
        writer = _Writer(run, tip)
        try:
            begin = json.dumps({"manifest": manifest, "operational": dict(operational or {})}, allow_nan=False)
            writer.append_now([Event("", "begin", begin)])
            with open_reader(run) as reader:
                journal = Journal(run, reader, writer, ended)
                try:
                    yield journal
                finally:
                    journal.flush()
        finally:
            writer.close()


class Journal:
    """An open journal, written from an event loop and read by its `reader`.

    Of the tasks that ended in earlier sessions it holds eight bytes each.
    """

    def __init__(self, run: Path, reader: Reader, writer: _Writer, ended: _Keys) -> None:
        self.run = run
        self.reader = reader
        self._writer = writer
        self._ended = ended
        self._waiting: list[tuple[Sequence[Event], asyncio.Future[None]]] = []

    def ended_before(self, key: str) -> bool:
        """Did the task of this `task_key` end in an earlier session?"""
        return key in self._ended

    def append(self, events: Sequence[Event]) -> asyncio.Future[None]:
        """Put events at the end, in this order; the result is there once they are durable.

        Appends of one turn of the event loop go to the writer together. Raises `JournalError`, from the future, if the
        disk is full or failing; nothing is written after that. What was appended later is durable later: whoever waits
        for the last of several appends has waited for all.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self.flush)
        self._waiting.append((events, future))
        return future

    def flush(self) -> None:
        """Hand what was appended to the writer, whether or not somebody still waits for it."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        futures = [future for _, future in waiting]
        loop = futures[0].get_loop()

        def written(error: JournalError | None) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, futures, error)

        self._writer.put([event for events, _ in waiting for event in events], written)


class _Keys:
    """Task keys, sixteen hex digits each, in eight bytes each: in parts, so that sorting them needs little more."""

    def __init__(self) -> None:
        self._parts = [array("Q") for _ in range(256)]

    def add(self, key: str) -> None:
        number = int(key, 16)
        self._parts[number >> 56].append(number)

    def sort(self) -> None:
        """Needed between adding and looking."""
        for part in self._parts:
            part[:] = array("Q", sorted(part))

    def __contains__(self, key: str) -> bool:
        number = int(key, 16)
        part = self._parts[number >> 56]
        found = bisect_left(part, number)
        return found < len(part) and part[found] == number


def _resolve(futures: Sequence[asyncio.Future[None]], error: JournalError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
            future.exception()  # seen: whoever does not wait for this one waits for a later one, and hears of it there


Written = Callable[["JournalError | None"], None]
"""Called from the writer's thread once events are durable, or with what failed."""


class _Writer:
    """The one thread that writes: what is queued while a commit is under way goes into the next one."""

    def __init__(self, run: Path, tip: Link) -> None:
        self._run = run
        self._tip = tip
        self._anchored = tip.seq
        self._queue: SimpleQueue[tuple[list[Event], Written] | None] = SimpleQueue()
        self._failed: JournalError | None = None
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def put(self, events: list[Event], written: Written) -> None:
        """Queue events to be written after all that is queued."""
        self._queue.put((events, written))

    def append_now(self, events: list[Event]) -> None:
        """Write events and wait until they are durable."""
        done: Future[JournalError | None] = Future()
        self.put(events, done.set_result)
        if (error := done.result()) is not None:
            raise error

    def close(self) -> None:
        """Write what is queued, anchor it, and leave."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        anchored_at = -HEAD_INTERVAL
        closing_down = False
        while not closing_down:
            batch, closing_down = self._drain(wait=HEAD_INTERVAL if self._anchored < self._tip.seq else None)
            if batch:
                connection = self._write(connection, batch)
            if closing_down or time.monotonic() - anchored_at >= HEAD_INTERVAL:
                self._anchor()
                anchored_at = time.monotonic()
        if connection is not None:
            connection.close()

    def _drain(self, *, wait: float | None) -> tuple[list[tuple[list[Event], Written]], bool]:
        """Everything queued, waiting for the first at most so long; and whether that is the last."""
        batch: list[tuple[list[Event], Written]] = []
        try:
            item = self._queue.get(timeout=wait)
            while item is not None:
                batch.append(item)
                item = self._queue.get_nowait()
        except Empty:
            return batch, False
        return batch, True

    def _write(
        self, connection: sqlite3.Connection | None, batch: Sequence[tuple[list[Event], Written]]
    ) -> sqlite3.Connection | None:
        if self._failed is None:
            try:
                connection = connection or _connect(self._run)
                self._tip = _commit(connection, self._tip, [event for events, _ in batch for event in events])
            except Exception as error:  # a thread has no caller: whoever waits must hear of it, a bug included
                self._fail(error)
        for _, written in batch:
            written(self._failed)
        return connection

    def _anchor(self) -> None:
        if self._anchored == self._tip.seq or self._failed is not None:
            return
        try:
            sys.audit("overseer.store.anchoring")
            write_head(self._run, self._tip)
            sys.audit("overseer.store.anchored")
            self._anchored = self._tip.seq
        except OSError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failed = JournalError(
            f"{self._run / JOURNAL}: cannot be written: {error} (free space or mend the disk, then resume: what was "
            f"acknowledged, up to event {self._tip.seq}, is kept)"
        )
        self._failed.__cause__ = error


def _connect(run: Path) -> sqlite3.Connection:
    """The writing connection, with the table made if it is new."""
    connection = sqlite3.connect(run / JOURNAL, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, task TEXT NOT NULL, kind TEXT NOT NULL, "
        "body TEXT NOT NULL, hash BLOB NOT NULL)"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS by_task ON events (task)")
    for kind in _SOUGHT:
        connection.execute(f"CREATE INDEX IF NOT EXISTS of_{kind} ON events (kind) WHERE kind = '{kind}'")
    sys.audit("overseer.store.opened")
    return connection


def _commit(connection: sqlite3.Connection, tip: Link, events: Sequence[Event]) -> Link:
    """Write events as one transaction; the chain's new end.

    Many rows go in one statement: each statement lets go of the interpreter's lock and must win it back from a busy
    event loop.
    """
    seq, hash = tip
    rows: list[int | str | bytes] = []
    for event in events:
        seq += 1
        hash = chained(hash, event.task.encode(), event.kind.encode(), event.body.encode())
        rows += (seq, event.task, event.kind, event.body, hash)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for start in range(0, len(rows), 5 * _ROWS):
            piece = rows[start : start + 5 * _ROWS]
            values = ", ".join(["(?, ?, ?, ?, ?)"] * (len(piece) // 5))
            connection.execute(f"INSERT INTO events (seq, task, kind, body, hash) VALUES {values}", piece)
        sys.audit("overseer.store.inserted")
        connection.execute("COMMIT")
        sys.audit("overseer.store.committed")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return Link(seq, hash)

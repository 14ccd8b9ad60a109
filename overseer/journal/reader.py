"""What is durable in a run's journal, read while somebody writes it or long after: histories, ends, rulings, waits.

Beside the walk's step 8. Never writes, and derives nothing: `replay` does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from overseer.errors import JournalError, Malformed
from overseer.journal.chain import JOURNAL, RESTORE, connect_reading
from overseer.journal.encoding import (
    Ended,
    Left,
    Ruled,
    Waiting,
    decode_ended,
    decode_left,
    decode_reply,
    decode_ruled,
    decode_waiting,
)
from overseer.records import Reply


@dataclass(frozen=True, slots=True)
class History:
    """What the journal holds of one task: its JSON as first asked, the replies by request, and how it ended.

    `asked` are the requests that real people were asked; `late` the rulings that came when their seat was answered, or
    against another of the same seat.
    """

    task: bytes
    replies: Mapping[str, Reply]
    end: Ended | None
    asked: Mapping[str, Waiting]
    late: tuple[Left, ...]


class Wait(NamedTuple):
    """A seat that waits for a person. `riding`: its stage has looked at this task before, so no grant is needed."""

    task: str
    waiting: Waiting
    riding: bool


@contextmanager
def open_reader(run: Path) -> Iterator[Reader]:
    """Open a run's journal to read, whether or not somebody writes it."""
    with closing(connect_reading(run)) as connection:
        try:
            yield Reader(connection)
        except sqlite3.Error as error:
            raise JournalError(f"{run / JOURNAL}: cannot be read: {error} (see `overseer verify {run}`)") from error


class Reader:
    """What is durable in a journal. Never writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def history(self, task: str) -> History | None:
        """What is known of one task; None if it was never begun."""
        query = "SELECT seq, kind, body FROM events WHERE task = ? ORDER BY seq"
        rows = self._connection.execute(query, (task,)).fetchall()
        if not rows:
            return None
        end = next((decoded(seq, decode_ended, body) for seq, kind, body in rows if kind == b"end"), None)
        seq, kind, body = rows[0]
        if kind != b"task":
            raise JournalError(f"journal: event {seq} is the first of task {task!r}, but not its words ({RESTORE})")
        replies: dict[str, Reply] = {}
        asked: dict[str, Waiting] = {}
        late: list[Left] = []
        for seq, kind, told in rows[1:]:
            match kind:
                case b"end":
                    continue
                case b"wait":
                    waiting = decoded(seq, decode_waiting, told)
                    asked[waiting.request] = waiting
                    continue
                case b"late":
                    late.append(decoded(seq, decode_left, told))
                    continue
                case b"ruling":
                    reply = decoded(seq, decode_ruled, told).reply
                case _:
                    reply = decoded(seq, decode_reply, told)
            if reply.request in replies:
                raise JournalError(f"journal: event {seq} answers {reply.request!r} a second time ({RESTORE})")
            replies[reply.request] = reply
        return History(body, replies, end, asked, tuple(late))

    def ended(self) -> Iterator[str]:
        """The ids of the tasks that have ended, by place, then id; sorted by SQLite, in bounded memory."""
        query = "SELECT task FROM events WHERE kind = 'end' ORDER BY json_extract(body, '$.place'), task"
        for (task,) in self._connection.execute(query):
            yield task.decode()

    def rulings(self) -> Iterator[Ruled]:
        """Every reply of a person, in the order in which they were served."""
        for seq, body in self._connection.execute("SELECT seq, body FROM events WHERE kind = 'ruling' ORDER BY seq"):
            yield decoded(seq, decode_ruled, body)

    def waits(self) -> Iterator[Wait]:
        """Every seat of a real person that was asked and has no answer, in the order of asking."""
        for seq, task, body, riding in self._connection.execute(_WAITS):
            yield Wait(task.decode(), decoded(seq, decode_waiting, body), bool(riding))

    def settings(self) -> Mapping[str, Any]:
        """The operational settings (budgets, timeouts, limits) of the session that began last."""
        query = "SELECT body FROM events WHERE kind = 'begin' ORDER BY seq DESC LIMIT 1"
        row = self._connection.execute(query).fetchone()
        return {} if row is None else json.loads(row[0])["operational"]


_WAITS = """
SELECT seq, task, body, EXISTS (
    SELECT 1 FROM events AS other WHERE other.task = asked.task AND other.kind = 'ruling'
    AND json_extract(other.body, '$.stage') = json_extract(asked.body, '$.stage')
) FROM events AS asked WHERE kind = 'wait' AND NOT EXISTS (
    SELECT 1 FROM events AS answer WHERE answer.task = asked.task AND answer.kind = 'ruling'
    AND json_extract(answer.body, '$.reply.request') = json_extract(asked.body, '$.request')
) ORDER BY seq
"""

Body = TypeVar("Body")


def decoded(seq: int, decode: Callable[[bytes], Body], body: bytes) -> Body:
    """An event's body. Raises `JournalError` with the event's number if it is none of ours."""
    try:
        return decode(body)
    except Malformed as error:
        raise JournalError(f"journal: event {seq}: {error} ({RESTORE})") from error

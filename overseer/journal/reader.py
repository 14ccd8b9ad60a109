"""What is durable in a run's journal, read while somebody writes it or long after: histories, ends, rulings, waits.

Beside the walk's step 8. Never writes, and derives nothing: `replay` does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from overseer.errors import JournalError, Malformed
from overseer.journal.appeals import decode_appeal
from overseer.journal.chain import JOURNAL, RESTORE, connect_reading
from overseer.journal.encoding import (
    Ended,
    Granted,
    Left,
    Ruled,
    Waiting,
    decode_ended,
    decode_granted,
    decode_left,
    decode_reply,
    decode_ruled,
    decode_waiting,
)
from overseer.records import Appeal, Reply


@dataclass(frozen=True, slots=True)
class History:
    """What the journal holds of one task: its JSON as first asked, the replies by request, and how it ended.

    `asked` are the requests that real people were asked; `late` the rulings that came when their seat was answered, or
    against another of the same seat. `appeal`: of what it is one, if it is; then its task has the appeal's id.
    `granted`: what each stage's budget did last, where a deadline counts from it.
    """

    task: bytes
    replies: Mapping[str, Reply]
    end: Ended | None
    asked: Mapping[str, Waiting]
    late: tuple[Left, ...]
    appeal: Appeal | None = None
    granted: Mapping[str, Granted] = field(default_factory=dict)


class Wait(NamedTuple):
    """A seat that waits for a person. `riding`: its stage has looked at this task before, so no grant is needed.

    `granted`: what the stage's budget did last, where its deadline counts from that.
    """

    task: str
    waiting: Waiting
    riding: bool
    granted: Granted | None


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
        appeal: Appeal | None = None
        granted: dict[str, Granted] = {}
        for seq, kind, told in rows[1:]:
            match kind:
                case b"end":
                    continue
                case b"wait":
                    waiting = decoded(seq, decode_waiting, told)
                    asked[waiting.request] = waiting
                    continue
                case b"grant":
                    grant = decoded(seq, decode_granted, told)
                    granted[grant.stage] = grant
                    continue
                case b"late":
                    late.append(decoded(seq, decode_left, told))
                    continue
                case b"appeal":
                    appeal = decoded(seq, decode_appeal, told)
                    continue
                case b"ruling":
                    reply = decoded(seq, decode_ruled, told).reply
                case _:
                    reply = decoded(seq, decode_reply, told)
            if reply.request in replies:
                raise JournalError(f"journal: event {seq} answers {reply.request!r} a second time ({RESTORE})")
            replies[reply.request] = reply
        return History(body, replies, end, asked, tuple(late), appeal, granted)

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
        for seq, task, body, riding, grant in self._connection.execute(_WAITS):
            granted = None if grant is None else decoded(seq, decode_granted, grant)
            yield Wait(task.decode(), decoded(seq, decode_waiting, body), bool(riding), granted)

    def asked(self, checkpoint: str) -> tuple[str, Waiting] | None:
        """The task and the seat that a checkpoint's id names, answered or not; None if nobody was asked under it."""
        query = "SELECT seq, task, body FROM events WHERE kind = 'wait' AND json_extract(body, '$.checkpoint') = ?"
        row = self._connection.execute(query, (checkpoint,)).fetchone()
        return None if row is None else (row[1].decode(), decoded(row[0], decode_waiting, row[2]))

    def seated(self, tasks: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Who ruled on these tasks so far: the request that they answered, and the name they gave."""
        for start in range(0, len(tasks), _ASKED_TOGETHER):
            some = tasks[start : start + _ASKED_TOGETHER]
            query = _SEATED.format(", ".join("?" * len(some)))
            for request, person in self._connection.execute(query, some):
                if person is not None:  # else they failed to answer
                    yield request.decode(), person.decode()

    def appeals(self) -> Iterator[tuple[Appeal, bool]]:
        """Every appeal in the order of taking up, and whether it has been heard to its end."""
        for seq, body, heard in self._connection.execute(_APPEALS):
            yield decoded(seq, decode_appeal, body), bool(heard)

    def settings(self) -> Mapping[str, Any]:
        """The operational settings (budgets, timeouts, limits) of the session that began last."""
        query = "SELECT body FROM events WHERE kind = 'begin' ORDER BY seq DESC LIMIT 1"
        row = self._connection.execute(query).fetchone()
        return {} if row is None else json.loads(row[0])["operational"]


_WAITS = """
SELECT seq, task, body, EXISTS (
    SELECT 1 FROM events AS other WHERE other.task = asked.task AND +other.kind = 'ruling'
    AND json_extract(other.body, '$.stage') = json_extract(asked.body, '$.stage')
), (
    SELECT did.body FROM events AS did WHERE did.task = asked.task AND +did.kind = 'grant'
    AND json_extract(did.body, '$.stage') = json_extract(asked.body, '$.stage') ORDER BY did.seq DESC LIMIT 1
) FROM events AS asked WHERE kind = 'wait' AND NOT EXISTS (
    SELECT 1 FROM events AS answer WHERE answer.task = asked.task AND +answer.kind = 'ruling'
    AND json_extract(answer.body, '$.reply.request') = json_extract(asked.body, '$.request')
) ORDER BY seq
"""
"""`+` keeps SQLite from looking through all rulings for each wait: those of its task are few."""

_SEATED = """
SELECT json_extract(body, '$.reply.request'), json_extract(body, '$.reply.ruling.person') FROM events
WHERE +kind = 'ruling' AND task IN ({})
"""
_ASKED_TOGETHER = 500

_APPEALS = """
SELECT seq, body, EXISTS (SELECT 1 FROM events AS other WHERE other.task = appeal.task AND other.kind = 'end')
FROM events AS appeal WHERE kind = 'appeal' ORDER BY seq
"""

Body = TypeVar("Body")


def decoded(seq: int, decode: Callable[[bytes], Body], body: bytes) -> Body:
    """An event's body. Raises `JournalError` with the event's number if it is none of ours."""
    try:
        return decode(body)
    except Malformed as error:
        raise JournalError(f"journal: event {seq}: {error} ({RESTORE})") from error

"""Journals in small: a run's folder, events of all kinds, edits behind the writer's back."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from pathlib import Path

from overseer.errors import JournalError
from overseer.journal.chain import JOURNAL
from overseer.journal.encoding import encode_reply, encode_task
from overseer.journal.run_folder import create_run, identity_of
from overseer.journal.store import Event, open_journal
from overseer.records import Message, Reply, Task, Text

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def new_run(folder: Path, token: str = "a1") -> Path:
    return create_run(
        folder / "runs",
        "demo",
        inputs={"hierarchy": identity_of(b"name: demo")},
        config={"demo.yaml": b"name: demo"},
        audit_key="secret",
        seed="7",
        now=NOW,
        token=token,
    )


def reply(request: str, text: str = "yes") -> Event:
    return Event(request.split("/")[0], "reply", encode_reply(Reply(request, "b", Text(text))))


def write(run: Path, *batches: Sequence[Event]) -> None:
    async def appended() -> None:
        with open_journal(run) as journal:
            for batch in batches:
                await journal.append(batch)

    asyncio.run(appended())


def task_of(name: str, place: int = 0) -> Task:
    return Task(name, (Message("user", "How much?"),), place)


def written_run(folder: Path, tasks: int = 6) -> Path:
    run = new_run(folder)
    batches = [
        [Event(f"t{i}", "task", encode_task(task_of(f"t{i}", i))), reply(f"t{i}/draft/0"), reply(f"t{i}/review")]
        for i in range(tasks)
    ]
    write(run, *batches)
    return run


def edit(run: Path, *statements: str) -> None:
    connection = sqlite3.connect(run / JOURNAL)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def fill(run: Path, limit: int, told: Queue[int]) -> None:
    """In a process of its own: append until no file may grow any more; tell how many were acknowledged."""

    async def appended() -> None:
        with open_journal(run) as journal:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            for number in range(10_000):
                try:
                    await journal.append([reply(f"t{number}/draft/0", "x" * 500)])
                except JournalError:
                    told.put(number)
                    return

    asyncio.run(appended())

"""The journal: what is acknowledged is kept, in order, and one process writes."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from journal_driver import new_run, reply, task_of, write, written_run

from overseer.errors import JournalError
from overseer.journal.chain import JOURNAL, Verified, verify
from overseer.journal.encoding import Ruled, decode_task, encode_ruled, encode_task
from overseer.journal.reader import open_reader
from overseer.journal.store import Event, open_journal
from overseer.records import Reply, Ruling


def test_history_is_what_was_appended(tmp_path: Path) -> None:
    """A task's words, its replies by request and its end are read back; an unknown task is None."""
    run = new_run(tmp_path)
    task = task_of("t0")
    ruled = Ruled("board", 1, "s1", False, True, Reply("t0/board", "b", Ruling("reject", "ann", "no", 12.5)))
    write(
        run, [Event("t0", "task", encode_task(task)), reply("t0/draft/0")], [Event("t0", "ruling", encode_ruled(ruled))]
    )
    with open_reader(run) as reader:
        history = reader.history("t0")
        assert reader.history("t1") is None
        assert list(reader.rulings()) == [ruled]
    assert history is not None
    assert decode_task(history.task) == task
    assert list(history.replies) == ["t0/draft/0", "t0/board"]
    assert history.end is None


def test_appends_keep_their_order_and_share_commits(tmp_path: Path) -> None:
    """What is appended in one turn lands in order, and whoever waits for the last has waited for all."""
    run = new_run(tmp_path)

    async def appended() -> None:
        with open_journal(run) as journal:
            futures = [journal.append([reply(f"t{i}/draft/0")]) for i in range(500)]
            await futures[-1]
            assert all(future.done() for future in futures)

    asyncio.run(appended())
    connection = sqlite3.connect(run / JOURNAL)
    names = [name for (name,) in connection.execute("SELECT task FROM events WHERE kind = 'reply' ORDER BY seq")]
    connection.close()
    assert names == [f"t{i}" for i in range(500)]


def test_cancelled_waiters_harm_nobody(tmp_path: Path) -> None:
    """One waiter's cancellation neither loses its event nor disturbs the others of its commit."""
    run = new_run(tmp_path)

    async def appended() -> None:
        with open_journal(run) as journal:
            first, second = journal.append([reply("t0/draft/0")]), journal.append([reply("t1/draft/0")])
            first.cancel()
            await second

    asyncio.run(appended())
    assert verify(run).events == 3


def test_reopened_journal_goes_on(tmp_path: Path) -> None:
    """A second session adds to the chain of the first, and puts its settings on record."""
    run = written_run(tmp_path, tasks=2)
    before = verify(run)
    with open_journal(run, {"window": 4}):
        pass
    after = verify(run)
    assert (before.events, after.events) == (7, 8)
    connection = sqlite3.connect(run / JOURNAL)
    (body,) = connection.execute("SELECT body FROM events WHERE seq = 8").fetchone()
    connection.close()
    assert json.loads(body)["operational"] == {"window": 4}


def test_a_run_that_is_written_may_be_read(tmp_path: Path) -> None:
    """A verifier beside the writer sees a whole, shorter chain."""
    run = new_run(tmp_path)

    async def appended() -> Verified:
        with open_journal(run) as journal:
            await journal.append([reply("t0/draft/0")])
            return verify(run)

    assert asyncio.run(appended()).events == 2


def test_second_writer_leaves_at_once(tmp_path: Path) -> None:
    """One process writes a run; another is told whose it is, within the same process too."""
    run = written_run(tmp_path)
    opening = (
        "import sys, pathlib\n"
        "from overseer.journal.store import open_journal\nfrom overseer.errors import JournalError\n"
        "try:\n    open_journal(pathlib.Path(sys.argv[1])).__enter__()\n"
        "except JournalError as error:\n    print(error); sys.exit(1)\n"
    )
    with open_journal(run):
        with pytest.raises(JournalError, match=f"process {os.getpid()} is writing"), open_journal(run):
            pass
        other = subprocess.run([sys.executable, "-c", opening, str(run)], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert f"process {os.getpid()} is writing" in other.stdout
    with open_journal(run):
        pass

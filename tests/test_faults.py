"""Crashes at any instant and full disks: nothing acknowledged is lost, and the record is that of a faultless run.

The counts are a tenth of the acceptance counts; `OVERSEER_FULL=1` runs them whole.
"""

from __future__ import annotations

import random
import time
from multiprocessing.queues import Queue
from pathlib import Path

import journal_driver
import pytest
from faults_driver import FULL, PROCESSES, rare, started
from runs_driver import crowded, hash_of, hierarchy, new_run, own, run_all, work

from overseer.errors import JournalError
from overseer.journal.chain import JOURNAL, head_path, verify

pytestmark = pytest.mark.slow


def test_killed_runs_resume_to_the_same_record(tmp_path: Path) -> None:
    """kill -9 at random instants, in the first session and in those that resume: the record is the unbroken run's."""
    kills, count = (200, 2_000) if FULL else (20, 200)
    over, whole = crowded(), new_run(tmp_path, "whole")
    started(work, new_run(tmp_path, "first"), 1).join()  # the server that makes processes has its imports behind it
    began = time.monotonic()
    started(work, whole, count).join()
    length = time.monotonic() - began
    expected, unbroken = hash_of(whole, over, count), run_all(whole, over, count=count)
    assert unbroken.pending_budget > 0
    chance, killed, runs, other = random.Random(1), 0, 0, 0
    while killed < kills:
        run = new_run(tmp_path, f"killed{runs}")
        for _ in range(chance.randint(1, 3)):
            process = started(work, run, count)
            process.join(timeout=chance.uniform(0, length))
            if process.exitcode is None:
                killed += 1
            else:
                length *= 0.9  # it was done before: the machine has become quicker
            process.kill()
            process.join()
            if (run / JOURNAL).exists() and head_path(run).exists():
                verify(run)
        assert run_all(run, over, count=count) == unbroken
        other += hash_of(run, over, count) != expected
        runs += 1
    print(f"kill -9: {killed} kills over {runs} runs of {count} tasks: {rare(other, killed)}")
    assert other == 0


def test_what_a_full_disk_acknowledged_is_kept_exactly(tmp_path: Path) -> None:
    """Of single events, each waited for, a journal that filled its disk holds those acknowledged and no more."""
    run = journal_driver.new_run(tmp_path)
    told: Queue[int] = PROCESSES.Queue()
    process = PROCESSES.Process(target=journal_driver.fill, args=(run, 2_000_000, told))
    process.start()
    acknowledged = told.get(timeout=60)
    process.join()
    assert acknowledged > 50
    assert verify(run).events == acknowledged + 1
    journal_driver.write(run, [journal_driver.reply("more/draft/0")])
    assert verify(run).events == acknowledged + 3


def test_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    """Whoever was killed holds a run no longer."""
    run = new_run(tmp_path)
    told, leave = PROCESSES.Queue(), PROCESSES.Event()
    process = PROCESSES.Process(target=own, args=(run, told, leave))
    process.start()
    assert told.get(timeout=60) == "owner"
    with pytest.raises(JournalError, match=f"process {process.pid} is writing"):
        run_all(run, hierarchy(), count=2)
    process.kill()
    process.join()
    assert run_all(run, hierarchy(), count=2).ended == 2

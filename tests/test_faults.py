"""Crashes, full disks, rival writers: nothing acknowledged is lost, and the record is that of a run without faults.

The counts are a tenth of the acceptance counts; `OVERSEER_FULL=1` runs them whole.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path

import journal_driver
import pytest
import runs_driver
from runs_driver import crowded, hash_of, hierarchy, new_run, run_all

from overseer.errors import JournalError
from overseer.journal.chain import JOURNAL, head_path, verify

FULL = os.environ.get("OVERSEER_FULL") == "1"
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "overseer.oversight", "overseer.running.runner"])

pytestmark = pytest.mark.slow


def started(run: Path, count: int, file_limit: int | None = None) -> BaseProcess:
    process = PROCESSES.Process(target=runs_driver.work, args=(run, count, file_limit))
    process.start()
    return process


def rare(failures: int, trials: int) -> str:
    """What no failure in so many trials shows: the rule of three."""
    return f"{failures} failures in {trials} (rate below {3 / trials:.1%} at 95 %)"


def test_killed_runs_resume_to_the_same_record(tmp_path: Path) -> None:
    """kill -9 at random instants, in the first session and in those that resume: the record is the unbroken run's."""
    kills, count = (200, 2_000) if FULL else (20, 200)
    over, whole = crowded(), new_run(tmp_path, "whole")
    started(new_run(tmp_path, "first"), 1).join()  # the server that makes processes has its imports behind it
    began = time.monotonic()
    started(whole, count).join()
    length = time.monotonic() - began
    expected, unbroken = hash_of(whole, over, count), run_all(whole, over, count=count)
    assert unbroken.pending_budget > 0
    chance, killed, runs, other = random.Random(1), 0, 0, 0
    while killed < kills:
        run = new_run(tmp_path, f"killed{runs}")
        for _ in range(chance.randint(1, 3)):
            process = started(run, count)
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


def test_full_disk_stops_and_goes_on_when_freed(tmp_path: Path) -> None:
    """At every fill point the session stops non-zero with a sound chain; with space again it ends as it would have."""
    points, count = (50, 500) if FULL else (5, 100)
    over, whole = crowded(), new_run(tmp_path, "whole")
    unbroken = run_all(whole, over, count=count)
    expected, size = hash_of(whole, over, count), (whole / JOURNAL).stat().st_size
    stopped = 0
    for point in range(points):
        run = new_run(tmp_path, f"full{point}")
        process = started(run, count, file_limit=20_000 + point * size // points)
        process.join()
        assert process.exitcode in (0, 3)
        stopped += process.exitcode == 3
        sound = verify(run)
        assert sound.ended < count or process.exitcode == 0
        assert run_all(run, over, count=count) == unbroken
        assert hash_of(run, over, count) == expected
    print(f"full disk: stopped at {stopped} of {points} fill points, every record identical after")
    assert stopped > points // 2


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


def test_many_resume_one_run_and_one_owns_it(tmp_path: Path) -> None:
    """Four processes open one run at once: one writes, three are told whose it is and leave."""
    times = 100 if FULL else 10
    run = new_run(tmp_path)
    for _ in range(times):
        told, leave = PROCESSES.Queue(), PROCESSES.Event()
        processes = [PROCESSES.Process(target=runs_driver.own, args=(run, told, leave)) for _ in range(4)]
        for process in processes:
            process.start()
        said = sorted(told.get(timeout=60) for _ in processes)
        leave.set()
        for process in processes:
            process.join()
        assert [word for word in said if word == "owner"] == ["owner"]
        assert all("is writing this run" in word for word in said if word != "owner")
    print(f"rival writers: {times} times, 1 owner of 4")


def test_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    """Whoever was killed holds a run no longer."""
    run = new_run(tmp_path)
    told, leave = PROCESSES.Queue(), PROCESSES.Event()
    process = PROCESSES.Process(target=runs_driver.own, args=(run, told, leave))
    process.start()
    assert told.get(timeout=60) == "owner"
    with pytest.raises(JournalError, match=f"process {process.pid} is writing"):
        run_all(run, hierarchy(), count=2)
    process.kill()
    process.join()
    assert run_all(run, hierarchy(), count=2).ended == 2

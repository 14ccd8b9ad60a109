"""A disk that fills up, at every fill point: the session stops, what was acknowledged is there, and nothing else is.

Two ways to have no room: no file of the process may grow past so many bytes, and a disk of 3 MB of which so much is
taken (where the machine lets us mount one). A tenth of the fill points; `OVERSEER_FULL=1` takes all of them.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from pathlib import Path

import pytest
from faults_driver import FULL, PROCESSES, rare, started
from runs_driver import audit, crowded, hash_of, hierarchy, new_run, reviewers, run_all, tasks
from small_files import hierarchy as file_of
from small_files import runs_in

from overseer import api, checkpoints
from overseer.config.hierarchies import Setup
from overseer.config.hierarchy_schema import Limits, TasksSpec
from overseer.errors import JournalError
from overseer.hierarchy import Hierarchy
from overseer.journal import inbox
from overseer.journal.chain import JOURNAL, verify
from overseer.journal.encoding import decode_left
from overseer.journal.reader import open_reader
from overseer.journal.replay import record_hash
from overseer.journal.run_folder import read_manifest
from overseer.journal.store import open_journal
from overseer.records import Ruling
from overseer.running.runner import run_tasks
from overseer.running.session import Progress
from overseer.runs import Run
from overseer.sources import listed

pytestmark = pytest.mark.slow

POINTS = 50 if FULL else 5
COUNT = 120
ASKED = 10
REFUSED = 3
SIZE = 3 * 2**20


# --- disks that have no room ---------------------------------------------------------------------------------------


class Limited:
    """A folder in which no file may grow past a limit, for processes that ask for it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.limit = folder, -1

    def fill(self, left: int) -> None:
        self.limit = left

    def free(self) -> None:
        self.limit = -1


class Mounted:
    """A small disk of its own, filled by a file that takes all but so many bytes."""

    limit = -1

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, left: int) -> None:
        found = os.statvfs(self.folder)
        room = found.f_bavail * found.f_frsize
        with (self.folder / "ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room - left))

    def free(self) -> None:
        (self.folder / "ballast").unlink()


@contextmanager
def mounted(folder: Path) -> Iterator[Mounted]:
    """A disk of 3 MB; skips where only an administrator may have one, and this is none."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield Mounted(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(params=["file limit", "small disk"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Limited | Mounted]:
    if request.param == "file limit":
        yield Limited(tmp_path)
    else:
        with mounted(tmp_path / "disk") as found:
            yield found


def without_room(limit: int, work: Callable[[], object]) -> None:
    """Work in this process under the limit; where the journal refuses, the process ends with 3."""
    if limit >= 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        work()
    except JournalError:
        sys.exit(REFUSED)


# --- a run ---------------------------------------------------------------------------------------------------------


def session(run: Path, limit: int, told: Queue[int]) -> None:
    """A session; tells how many tasks it was told have ended, however it ends."""
    over, done = crowded(), 0

    def hear(now: Progress) -> None:
        nonlocal done
        done = now.done

    async def work() -> None:
        with open_journal(run) as journal:
            await run_tasks(tasks(COUNT), over, audit(COUNT), reviewers(over), journal, progress=hear)

    try:
        without_room(limit, lambda: asyncio.run(work()))
    finally:
        told.put(done)


def flaw_of(run: Path) -> str:
    """What is said of a run's chain while its disk is full; nothing where all is well."""
    try:
        verify(run)
    except JournalError as error:
        return str(error)
    return ""


def test_a_full_disk_stops_a_run_and_loses_nothing(disk: Limited | Mounted, tmp_path: Path) -> None:
    """The session ends non-zero; each end it told of is on record, and no other. With room, it ends as it would have.

    Nothing is released that the journal does not hold: what a session tells is what it has heard to be durable.
    """
    over, whole = crowded(), new_run(tmp_path / "whole")
    unbroken = run_all(whole, over, count=COUNT)
    expected, size = hash_of(whole, over, COUNT), (whole / JOURNAL).stat().st_size
    stopped = failures = 0
    for point in range(POINTS):
        run, before = new_run(disk.folder / f"full{point}"), 0
        for attempt in (1, 2):  # and once more before there is room: nothing is lost by trying
            told: Queue[int] = PROCESSES.Queue()
            disk.fill(24_000 + (point * size // POINTS if attempt == 1 else 0))
            process = started(session, run, disk.limit, told)
            done = told.get(timeout=60)
            process.join()
            assert process.exitcode in (0, REFUSED)
            stopped += process.exitcode == REFUSED and attempt == 1
            failures += "damaged" in flaw_of(run)
            disk.free()
            held = verify(run).ended if (run / JOURNAL).exists() else 0
            failures += done != held if attempt == 1 else not max(before, done) <= held
            before = held
        assert run_all(run, over, count=COUNT) == unbroken
        failures += hash_of(run, over, COUNT) != expected
        shutil.rmtree(run.parent)
    print(f"full disk ({type(disk).__name__.lower()}), stopped at {stopped} points: {rare(failures, POINTS)}")
    assert failures == 0
    assert stopped > POINTS * 2 // 3


def test_a_full_disk_ends_the_command_line_with_an_error(tmp_path: Path) -> None:
    """Exit code 1, one line that says what is full and what to do, no traceback; resumed, the record is the whole's."""
    with mounted(tmp_path / "disk") as disk:
        path = file_of(tmp_path)
        options = ["--seed", "1", "--count", "60"]
        whole = api.run(path, seed=1, count=60, out=tmp_path / "runs")
        for left in (0, 16_000, 60_000, 200_000)[: None if FULL else 3]:
            disk.fill(left)
            command = [sys.executable, "-m", "overseer", "run", str(path), *options, "--out", str(disk.folder / "runs")]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            disk.free()
            assert ended.returncode == 1, ended.stderr
            assert "Traceback" not in ended.stderr
            assert "overseer: " in ended.stderr
            assert ended.stdout == ""
            for run in runs_in(disk.folder / "runs"):
                assert hash_of_files(api.resume(run).path) == hash_of_files(whole.path)
                shutil.rmtree(run)
            shutil.rmtree(disk.folder / "runs", ignore_errors=True)


def hash_of_files(run: Path) -> str:
    return record_hash(run, api.read(run).walk)


# --- people --------------------------------------------------------------------------------------------------------


def board() -> Hierarchy:
    """One person looks at every answer."""
    return hierarchy(board="human", every=1)


def opened(path: Path) -> checkpoints.Queue:
    """The queue of a run whose hierarchy no file holds."""
    setup = Setup(board(), TasksSpec(), Limits(), (), (), (), Path())
    return checkpoints.Queue(path, Run(path, read_manifest(path), setup, listed(list(tasks(ASKED)))))


def rule(path: Path, limit: int, told: Queue[list[str]]) -> None:
    """Rule on all that waits, with notes of many lengths; tells what was acknowledged."""
    acknowledged: list[str] = []

    def work() -> None:
        queue = opened(path)
        for each in queue.listed():
            try:
                queue.decide(each.id, "ada", "approve", note=note(each.place), seconds=9.0)
            except JournalError:
                continue
            acknowledged.append(each.id)

    try:
        without_room(limit, work)
    finally:
        told.put(acknowledged)


def note(place: int) -> str:
    """From one word to several blocks of a disk."""
    return "seen " * (1 + place * 300 % 1_700)


def go_on(path: Path, limit: int) -> None:
    """A session that takes up what lies in the inbox, and waits for nobody."""
    without_room(limit, lambda: run_all(path, board(), count=ASKED))


def ruled(path: Path) -> dict[str, str]:
    """The notes on record, by checkpoint."""
    found = {}
    with open_reader(path) as reader:
        for task in tasks(ASKED):
            history = reader.history(task.id)
            assert history is not None
            for request, waiting in history.asked.items():
                if request in history.replies:
                    value = history.replies[request].value
                    assert isinstance(value, Ruling)
                    found[waiting.checkpoint] = value.note
    return found


def test_a_full_disk_acknowledges_no_ruling_that_it_cannot_keep(disk: Limited | Mounted, tmp_path: Path) -> None:
    """A person is told that a ruling stands if and only if it lies there whole; no full disk loses it after that."""
    parked = new_run(tmp_path / "parked")
    run_all(parked, board(), count=ASKED)
    waiting = {each.id: note(each.place) for each in opened(parked).listed()}
    everything = sum(len(said) + 500 for said in waiting.values())
    largest = max(map(len, waiting.values())) + 500
    kept = refused = failures = 0
    for point in range(POINTS):
        folder = disk.folder / f"full{point}"
        shutil.copytree(parked.parent, folder)
        path = folder / parked.name
        (path / inbox.INBOX).mkdir()
        room = largest if isinstance(disk, Limited) else everything + 4_096 * ASKED
        told: Queue[list[str]] = PROCESSES.Queue()
        with open_reader(path) as reader:
            reader.settings()  # what readers share of the journal is there before the disk is full
            disk.fill(point * room // POINTS)
            process = started(rule, path, disk.limit, told)
            acknowledged = told.get(timeout=60)
            process.join()
        assert process.exitcode == 0
        kept, refused = kept + len(acknowledged), refused + len(waiting) - len(acknowledged)
        lying = {name: decode_left(inbox.read(path, name)) for name in inbox.names(path)}
        whole = {inbox.ruling_name(id_, "ada"): waiting[id_] for id_ in acknowledged}
        failures += {name: left.ruling.note for name, left in lying.items()} != whole
        failures += any((path / inbox.INBOX).glob(".*.part"))

        process = started(go_on, path, disk.limit)
        process.join()
        assert process.exitcode in (0, REFUSED)
        still = {id_ for id_ in acknowledged if (path / inbox.INBOX / inbox.ruling_name(id_, "ada")).exists()}
        failures += not set(acknowledged) <= still | ruled(path).keys()
        disk.free()
        for each in opened(path).listed("ada"):
            opened(path).decide(each.id, "ada", "approve", note=note(each.place), seconds=9.0)
        run_all(path, board(), count=ASKED)
        failures += ruled(path) != waiting
        failures += inbox.names(path) != []
        verify(path)
        shutil.rmtree(folder)
    what = f"{kept} rulings kept, {refused} refused"
    print(f"rulings on a full disk ({type(disk).__name__.lower()}), {what}: {rare(failures, POINTS)}")
    assert failures == 0
    assert min(kept, refused) > POINTS

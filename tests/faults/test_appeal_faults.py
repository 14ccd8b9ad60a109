"""An appeal, killed wherever a process may die: it is heard once, and the record is the uninterrupted one's."""

from __future__ import annotations

import signal
from hashlib import sha256
from pathlib import Path

import pytest
from faults_driver import die_at, found_in, started
from runs_driver import audit, hierarchy, new_run, run_all

from overseer.journal import appeals, inbox
from overseer.journal.chain import verify
from overseer.journal.reader import open_reader
from overseer.journal.replay import record
from overseer.oversight.appeal import named_stage, rehear
from overseer.oversight.generator import oversee
from overseer.records import Appeal

COUNT = 6
OVER = hierarchy(every=3)
POINTS = (
    ("overseer.inbox.written", 1),
    ("overseer.inbox.linked", 1),
    ("overseer.inbox.linked", 2),
    ("overseer.store.opened", 1),
    ("overseer.store.inserted", 2),
    ("overseer.store.committed", 2),
    ("overseer.inbox.taken", 1),
    ("overseer.store.inserted", 3),
    ("overseer.store.committed", 3),
    ("overseer.store.committed", 4),
    ("overseer.store.committed", 5),
    ("overseer.store.anchored", 1),
)


def begun(folder: Path) -> Path:
    run = found_in(folder) or new_run(folder)
    run_all(run, OVER, count=COUNT)
    return run


def life(folder: Path) -> str:
    """Two tasks are appealed, and heard; the hash of the record."""
    run = found_in(folder)
    assert run is not None
    for place, agent in ((1, "ann"), (4, "board")):
        stage = named_stage(OVER, agent)
        assert stage is not None
        appeal = Appeal(f"task/{place}", 1, "Look again.", "ada", stage.id)
        with open_reader(run) as reader:
            known = reader.history(appeal.id)
        if known is None:  # as `overseer appeal` looks before it leaves one
            appeals.leave(run, appeal)
    run_all(run, OVER, count=COUNT)
    assert inbox.names(run) == []
    walk, again = lambda task: oversee(task, OVER, audit(COUNT)), lambda one, old: rehear(one, old, OVER, audit(COUNT))
    return sha256(b"".join(record(run, walk, again))).hexdigest()


def doomed(folder: Path, point: str, hit: int) -> None:
    die_at(point, hit)
    life(folder)


@pytest.mark.slow
def test_an_appeal_survives_a_kill_anywhere(tmp_path: Path) -> None:
    """Killed while it is left, taken up, put on record or heard; then left again if need be, and resumed."""
    begun(tmp_path / "whole")
    whole = life(tmp_path / "whole")
    died = 0
    for number, (point, hit) in enumerate(POINTS):
        folder = tmp_path / str(number)
        run = begun(folder)
        process = started(doomed, folder, point, hit)
        process.join(60)
        died += process.exitcode == -signal.SIGKILL
        assert life(folder) == whole, (point, hit)
        with open_reader(run) as reader:
            assert [heard for _, heard in reader.appeals()] == [True, True]
        assert verify(run).ended == COUNT + 2
    assert died >= len(POINTS) - 2

"""Every named place where a process may die: each is where it says, costs nothing, and loses nothing.

A tenth of the kills; `OVERSEER_FULL=1` makes all of them.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Mapping
from multiprocessing.queues import Queue
from pathlib import Path
from time import process_time

import pytest
from faults_driver import (
    FULL,
    LEFT,
    PROCESSES,
    WORDS,
    Left,
    begun_in,
    counted,
    digest_of,
    doomed,
    export_of,
    in_time,
    life,
    rare,
    started,
)

from overseer.failpoints import FAILPOINTS
from overseer.journal.chain import head_path, verify
from overseer.journal.inbox import INBOX

PACKAGE = Path(__file__).parent.parent.parent / "overseer"
COUNT = 60
KILLED = -9


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Left, Mapping[str, int]]:
    """A life that nobody ends, and how often it comes to each failpoint."""
    told: Queue[Mapping[str, int]] = PROCESSES.Queue()
    folder = tmp_path_factory.mktemp("unbroken")
    process = started(counted, folder, COUNT, told)
    hits = told.get(timeout=60)
    process.join()
    whole = life(folder, COUNT)
    assert whole.result.pending_budget > 0, "hard to resume: a budget that runs out"
    return whole, hits


def test_each_failpoint_stands_once_in_the_module_that_it_names() -> None:
    """`overseer.store.inserted` is announced in a `store.py`, at one place; and no other name is announced anywhere."""
    found: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        for name in re.findall(r"sys\.audit\(\s*\"([^\"]+)\"", path.read_text(encoding="utf-8")):
            assert name.split(".")[1] == path.stem, f"{name} stands in {path}"
            found.append(name)
    assert sorted(found) == sorted(FAILPOINTS)


def test_a_life_comes_to_every_failpoint(unbroken: tuple[Left, Mapping[str, int]]) -> None:
    """So that each is killed at below: who adds a failpoint lets `faults_driver.life` come to it."""
    assert unbroken[1].keys() == FAILPOINTS.keys()


def test_a_failpoint_costs_nothing_while_nobody_listens() -> None:
    """Under a microsecond each (measured: 24 ns), at a few for a commit of many events."""
    audit, times = sys.audit, 100_000
    began = process_time()
    for _ in range(times):
        audit("overseer.store.committed")
    each = (process_time() - began) / times
    print(f"a failpoint: {each * 1e9:.0f} ns")
    assert in_time(each, 1e-6)


def check_after_death(folder: Path, unbroken: Left) -> None:
    """A killed life leaves a sound chain, and an export whole or not at all; the next ends as one that nobody broke."""
    run = begun_in(folder)
    if run is not None and head_path(run).exists():
        verify(run)
    if run is not None and (run / INBOX / LEFT).exists():
        assert (run / INBOX / LEFT).read_bytes() == WORDS
    if export_of(folder).exists():
        assert digest_of(export_of(folder)) == unbroken.export
    assert life(folder, COUNT) == unbroken


@pytest.mark.slow
@pytest.mark.parametrize("point", FAILPOINTS)
def test_a_kill_at_a_failpoint_loses_nothing(
    tmp_path: Path, unbroken: tuple[Left, Mapping[str, int]], point: str
) -> None:
    """The first time that the process comes there, the last, and any time between."""
    whole, hits = unbroken
    chance, kills, trial = random.Random(point), 0, 0
    while kills < (20 if FULL else 2):
        most = hits[point]
        process = started(doomed, tmp_path / str(trial), COUNT, point, 1 if trial == 0 else chance.randint(1, most))
        process.join()
        assert process.exitcode in (KILLED, 0)  # it came there less often this time
        kills += process.exitcode == KILLED
        check_after_death(tmp_path / str(trial), whole)
        trial += 1
        assert trial < 200
    print(f"kill -9 at {point}: {rare(0, kills)}")


@pytest.mark.slow
def test_a_kill_while_recovering_loses_nothing(tmp_path: Path, unbroken: tuple[Left, Mapping[str, int]]) -> None:
    """A session that goes on with a killed run is killed, too, and the next, up to three times."""
    whole, hits = unbroken
    chance, kills, trial = random.Random(2), 0, 0
    points = sorted(FAILPOINTS)
    while kills < (50 if FULL else 5):
        folder = tmp_path / str(trial)
        first = started(doomed, folder, COUNT, "overseer.store.committed", chance.randint(1, 8))
        first.join()
        assert first.exitcode == KILLED
        for _ in range(chance.randint(1, 3)):
            point = chance.choice(points)
            again = started(doomed, folder, COUNT, point, chance.randint(1, max(1, hits[point] // 2)))
            again.join()
            assert again.exitcode in (KILLED, 0)
            kills += again.exitcode == KILLED
        check_after_death(folder, whole)
        trial += 1
    print(f"kill -9 during recovery, over {trial} runs: {rare(0, kills)}")

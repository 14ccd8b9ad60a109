"""Eight people at one queue, killed in the middle of things, saying things twice: nothing lost, twice or misapplied.

A tenth of the checkpoints and kills; `OVERSEER_FULL=1` takes all of them.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from faults_driver import FULL, PROCESSES, rare
from runs_driver import AtOnce, audit, hierarchy, new_run, tasks

from overseer.checkpoints import Queue
from overseer.config.hierarchies import Setup
from overseer.config.hierarchy_schema import Limits, TasksSpec
from overseer.errors import JournalError
from overseer.hierarchy import Hierarchy
from overseer.journal import inbox
from overseer.journal.chain import verify
from overseer.journal.encoding import Left
from overseer.journal.reader import open_reader
from overseer.journal.replay import episodes
from overseer.journal.run_folder import read_manifest
from overseer.journal.store import open_journal
from overseer.records import Failure, Reply, Ruling, RulingAction, binding
from overseer.running.runner import run_tasks
from overseer.runs import Run
from overseer.sampling import uniform
from overseer.sources import listed

TASKS, KILLS = (500, 50) if FULL else (50, 5)
REVIEWERS = 8
CONFLICTS = TASKS // 25


def board() -> Hierarchy:
    """Two people on two seats look at every answer."""
    return hierarchy(board="human", persons=2, every=1)


def opened(path: Path) -> Run:
    """A run of a hierarchy that no file holds, as its program opens it."""
    setup = Setup(board(), TasksSpec(), Limits(), (), (), (), Path())
    return Run(path, read_manifest(path), setup, listed(list(tasks(TASKS))))


def says(person: str, checkpoint: str) -> RulingAction:
    """What this person rules here, however often they are asked."""
    return "approve" if uniform("ruling", person, checkpoint) < 0.8 else "reject"


# --- processes that may die at any moment --------------------------------------------------------------------------


def run_on(path: Path) -> None:
    """The run, alive until all its tasks have ended."""
    over = board()
    bound = {name: AtOnce() for name, agent in over.agents.items() if agent.model != "human"}

    async def work() -> None:
        with open_journal(path) as journal:
            await run_tasks(tasks(TASKS), over, audit(TASKS), bound, journal, attend=asyncio.Event().wait)  # type: ignore[arg-type]

    asyncio.run(work())


def review(path: Path, person: str, log: Path, seed: int) -> None:
    """Rule on whatever is free, some of it twice; what was acknowledged stands in the person's own log."""
    queue, chance = Queue(path, opened(path)), random.Random(seed)
    with log.open("a") as kept:
        while free := queue.listed(person):
            checkpoint = chance.choice(free).id
            times = 2 if chance.random() < 0.2 else 1
            for _ in range(times):
                try:
                    told = queue.decide(checkpoint, person, says(person, checkpoint), note="seen", seconds=9.0)
                except JournalError:
                    continue  # answered meanwhile: refused, so not acknowledged
                kept.write(f"{told.checkpoint.request} {told.ruling.action}\n")
                kept.flush()
                os.fsync(kept.fileno())


def conflicting(path: Path) -> Iterator[str]:
    """Leave two rulings that differ on one seat of some tasks, as nobody's program would; yields those tasks."""
    queue = Queue(path, opened(path))
    seen: set[str] = set()
    for each in queue.listed():
        if len(seen) == CONFLICTS:
            return
        if each.task in seen:
            continue
        seen.add(each.task)
        request = queue.show(each.id).request
        for person, action in (("Xena", "approve"), ("Yann", "reject")):
            ruling = Ruling(action, person, "differs", 9.0)  # type: ignore[arg-type]
            inbox.leave(path, each.id, Left(each.task, 0.0, Reply(request.id, binding(request), ruling)))
        yield each.task


@pytest.mark.slow
def test_nothing_is_lost_twice_or_misapplied(tmp_path: Path) -> None:
    """Whatever was acknowledged is journalled once, as it was said, on the seat it was said of; a conflict denies."""
    path = new_run(tmp_path)
    over = board()

    async def ask() -> None:
        bound = {name: AtOnce() for name, agent in over.agents.items() if agent.model != "human"}
        with open_journal(path) as journal:
            await run_tasks(tasks(TASKS), over, audit(TASKS), bound, journal)

    asyncio.run(ask())
    with open_reader(path) as reader:
        checkpoints = sum(1 for _ in reader.waits())
    denied = set(conflicting(path))
    deaths = besiege(path, tmp_path)

    run = opened(path)
    found = list(episodes(path, run.walk))
    assert len(found) == TASKS
    assert {each.outcome for each in found if each.task.id in denied} == {"unjudged"}
    assert inbox.names(path) == []
    assert not (path / inbox.INBOX / inbox.REFUSED).exists()
    verify(path)
    acknowledged = check_what_was_said(path, tmp_path)
    for each in found:
        if each.outcome == "released":
            names = {vote.answer.person for vote in each.evaluations[-1].votes if isinstance(vote.answer, Ruling)}
            assert len(names) == 2, "two persons, not one twice"
    print(
        f"{checkpoints} checkpoints, {acknowledged} rulings acknowledged to {REVIEWERS} people, {deaths} kills, "
        f"{len(denied)} conflicts denied: {rare(0, acknowledged)}"
    )


def besiege(path: Path, logs: Path) -> int:
    """Run and reviewers side by side until all is answered, one of them killed again and again; how many died."""
    chance, deaths, begun = random.Random(7), 0, 0

    def start(name: str) -> BaseProcess:
        nonlocal begun
        begun += 1
        if name == "run":
            process = PROCESSES.Process(target=run_on, args=(path,))
        else:
            process = PROCESSES.Process(target=review, args=(path, name, logs / f"{name}.log", begun))
        process.start()
        return process

    names = ["run", *(f"person {number}" for number in range(REVIEWERS))]
    alive = {name: start(name) for name in names}
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        alive["run"].join(chance.uniform(0.05, 0.3))
        if alive["run"].exitcode == 0:
            break
        name = chance.choice(names)
        if deaths < KILLS and alive[name].is_alive():
            alive[name].kill()
            alive[name].join()
            deaths += 1
        for name in names:
            if not alive[name].is_alive():
                alive[name] = start(name)
    for process in alive.values():
        process.join(30)
        assert process.exitcode == 0
    return deaths


def check_what_was_said(path: Path, logs: Path) -> int:
    """Each acknowledged ruling is on record, and no other; how many were acknowledged."""
    acknowledged = 0
    with open_reader(path) as reader:
        histories = {task.id: reader.history(task.id) for task in tasks(TASKS)}
    counted: dict[str, Ruling | Failure] = {}
    aside: set[tuple[str, str, str]] = set()
    for history in histories.values():
        assert history is not None
        for request in history.asked:
            value = history.replies[request].value
            assert isinstance(value, Ruling | Failure)
            counted[request] = value
            if isinstance(value, Ruling):
                checkpoint = history.asked[request].checkpoint
                assert value.action == says(value.person, checkpoint), "a ruling on another seat than it was said of"
        for left in history.late:
            aside.add((left.reply.request, left.ruling.person, left.ruling.action))
    for log in logs.glob("*.log"):
        for line in log.read_text().splitlines():
            request, action = line.rsplit(" ", 1)
            value = counted[request]
            stands = isinstance(value, Ruling) and (value.person, value.action) == (log.stem, action)
            assert stands or (request, log.stem, action) in aside, f"{log.stem}: {line} is lost"
            acknowledged += 1
    return acknowledged

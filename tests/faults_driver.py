"""What tests of faults share: full counts, bounds on time, processes that die where they are told to, a run's life."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path

from runs_driver import audit, hash_of, hierarchy, new_run, run_all

from overseer.exports.export import write
from overseer.journal import inbox
from overseer.journal.chain import JOURNAL
from overseer.journal.replay import episodes
from overseer.oversight.generator import oversee
from overseer.preferences import Source
from overseer.records import Budget
from overseer.running.runner import RunResult

FULL = os.environ.get("OVERSEER_FULL") == "1"
"""Run the whole of each acceptance count, not a tenth."""
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "overseer.oversight", "overseer.running.runner"])


def in_time(seconds: float, bound: float) -> bool:
    """Is this within the bound: to the letter in full counts, which are run on a quiet machine, else in its order?

    What shares a machine with who knows whom may take many times as long, and is no worse for it; what hangs, or grows
    faster than its input, takes hundreds of times as long.
    """
    return seconds <= (bound if FULL else 20 * bound)


def rare(failures: int, trials: int) -> str:
    """What no failure in so many trials shows: the rule of three."""
    return f"{failures} failures in {trials:,} (rate below {3 / trials:.2%} at 95 %)"


LEFT, WORDS = "left.json", b'{"says": "something that is no ruling"}'


# --- one life of a run ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Left:
    """What a life leaves behind: how it ended, and the hashes of its record and of its export."""

    result: RunResult
    record: str
    export: str


def life(folder: Path, count: int) -> Left:
    """Everything that a run does: it is made (or found), is left something, goes on to its end, and is exported.

    Whatever writes to a run belongs in here: `tests/faults/test_failpoints.py` kills it at every failpoint.
    """
    over = hierarchy(persons=2, budget=Budget(reviews=8))
    run = found_in(folder) or new_run(folder, f"p{os.getpid()}")
    inbox.put(run, LEFT, WORDS)
    result = run_all(run, over, count=count)
    inbox.drop(run, [LEFT])
    source = Source("run", "7", over.agents)
    written = write(
        "pairs", "jsonl", episodes(run, lambda task: oversee(task, over, audit(count))), source, export_of(folder)
    )
    assert written.card.exists()
    return Left(result, hash_of(run, over, count), digest_of(written.path))


def found_in(folder: Path) -> Path | None:
    """The one run of this folder; None while it has none of its own name."""
    found = [path for path in folder.glob("[0-9]*_small_*") if path.is_dir()] if folder.exists() else []
    assert len(found) <= 1
    return found[0] if found else None


def begun_in(folder: Path) -> Path | None:
    """The run of this folder, once it has a journal."""
    run = found_in(folder)
    return run if run is not None and (run / JOURNAL).exists() else None


def export_of(folder: Path) -> Path:
    return folder / "exports" / "pairs.jsonl"


def digest_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


# --- processes that die --------------------------------------------------------------------------------------------


def started(work: Callable[..., object], *arguments: object) -> BaseProcess:
    """A process of its own, made quickly from a server that has its imports behind it."""
    process = PROCESSES.Process(target=work, args=arguments)
    process.start()
    return process


def die_at(point: str, hit: int) -> None:
    """Let this process kill itself when it comes to a failpoint for the `hit`-th time."""
    left = hit

    def listen(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(listen)


def doomed(folder: Path, count: int, point: str, hit: int) -> None:
    """A life that ends at a failpoint, if it comes there so often."""
    die_at(point, hit)
    life(folder, count)


def counted(folder: Path, count: int, told: Queue[Mapping[str, int]]) -> None:
    """A whole life; tells how often it came to each of our failpoints."""
    hits: Counter[str] = Counter()

    def listen(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith("overseer."):
            hits[event] += 1

    sys.addaudithook(listen)
    life(folder, count)
    told.put(dict(hits))

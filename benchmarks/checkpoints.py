"""How quickly people are shown what waits for them, and heard: a queue of 1,000 checkpoints, and one of 100,000.

python benchmarks/checkpoints.py [REPEATS]

Whole processes are timed as somebody at a terminal has them, imports included, byte code cached: the list, one
checkpoint shown, one ruling, and the console down to its first page. A ruling's acknowledgement is timed from the call
to its return, when it is durable. The run is dead: nobody takes rulings up, so the inbox only grows. Runs are written
in a temporary folder, then removed. REPEATS: of each process, 15 unless given; rulings are 300.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from overseer import api
from overseer.checkpoints import Queue
from overseer.journal.encoding import Waiting, encode_task, encode_waiting
from overseer.journal.store import Event, open_journal
from overseer.records import Message, Task

CONSTITUTION = """
name: board
layers:
  - name: all
    principles:
      - {id: no_harm, tier: 1, text: Serve no harm., why: It hurts., critique: Does it?, revise: Mend it.}
"""
HIERARCHY = """
name: board
constitution: constitution.yaml
policy: {model: sim/policy, profile: helpful_only}
agents:
  critic: {model: sim/overseer, authority: 2, profile: default}
  board: {human: {persons: 2}, authority: 4}
oversees: [{who: critic, whom: policy}, {who: board, whom: critic, budget: {reviews: 1000000}}]
rounds: 1
tasks: {town: {count: 1000}}
"""


def waiting(folder: Path, count: int) -> Path:
    """A run of so many tasks, each of which waits for two persons."""
    folder.mkdir()
    (folder / "constitution.yaml").write_text(CONSTITUTION)
    (folder / "board.yaml").write_text(HIERARCHY)
    return api.run(folder / "board.yaml", out=folder / "runs", seed=1, count=count).path


def crowd(run: Path, count: int) -> None:
    """Put so many more seats on record as waiting."""

    def events(number: int) -> list[Event]:
        task = Task(f"more-{number}", (Message("user", "How?"),), 10**6 + number)
        seat = Waiting(
            f"{task.id}/0/s/board/0", f"{number:016x}", "board", 0, "s", False, True, number % 4, task.place, False, 0.0
        )
        return [Event(task.id, "task", encode_task(task)), Event(task.id, "wait", encode_waiting(seat))]

    async def appended() -> None:
        with open_journal(run) as journal:
            for start in range(0, count, 1_000):
                await journal.append([event for number in range(start, start + 1_000) for event in events(number)])

    asyncio.run(appended())


def timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def process(*arguments: str, typed: str = "") -> Callable[[], object]:
    command = [sys.executable, "-m", "overseer", "review", *arguments]
    return lambda: subprocess.run(command, input=typed.encode(), stdout=subprocess.DEVNULL, check=True)


def line(what: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    high = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    print(f"{what:58} {1000 * median(ordered):9.1f} {1000 * high:9.1f} {len(ordered):6}")


def main(repeats: int) -> None:
    print(f"{'milliseconds':58} {'median':>9} {'p95':>9} {'n':>6}")
    with tempfile.TemporaryDirectory(prefix="overseer-") as folder:
        run = waiting(Path(folder) / "small", 1_000)
        queue = Queue(run)
        ids = [each.id for each in queue.listed("ida")]
        listing = process(str(run), "list", "--as", "ida", "--ui", "json")
        listing()  # byte code is written once, and not for each reader
        line("1,000 wait: the list, a process", [timed(listing) for _ in range(repeats)])
        line(
            "the console to its first page, a process", [timed(process(str(run), typed="q\n")) for _ in range(repeats)]
        )
        line("one checkpoint shown, a process", [timed(process(str(run), "show", ids[0])) for _ in range(repeats)])
        ruled = [process(str(run), "decide", id_, "approve", "--as", "eve") for id_ in ids[:repeats]]
        line("one ruling, a process", [timed(each) for each in ruled])
        line("the list, read", [timed(lambda: queue.listed("ida")) for _ in range(repeats)])
        line(
            "a ruling acknowledged", [timed(lambda id_=id_: queue.decide(id_, "bob", "approve")) for id_ in ids[-300:]]
        )
        large = waiting(Path(folder) / "large", 1)
        crowd(large, 100_000)
        line(
            "100,000 wait: the list, a process", [timed(process(str(large), "list", "--ui", "json")) for _ in range(3)]
        )
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"largest process, MB": round(used)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)

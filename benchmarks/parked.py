"""What tasks that wait for people cost a live run: memory held, and how long a resumed run takes to be waiting again.

    python benchmarks/parked.py [--tasks 100000]

Stub agents at once; one person at a console looks at every answer, and nobody answers. The first session parks all
tasks and stays, the second finds them parked. Prints a table; each session is a process of its own, so that its memory
is its own. "Above idle" is what stays above the same process with one task.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from overseer.hierarchy import Entry, Hierarchy, build
from overseer.journal.run_folder import create_run
from overseer.journal.store import open_journal
from overseer.records import Agent, Audit, Constitution, Layer, Message, Principle, Reply, Request, Task, Text, binding
from overseer.running.runner import run_tasks


class Stub:
    """Drafts at once."""

    async def answer(self, request: Request) -> Reply:
        return self.reply(request)

    def reply(self, request: Request) -> Reply:
        return Reply(
            request.id, binding(request), Text("An answer of some length, as answers are: three sentences. " * 4)
        )


def hierarchy() -> Hierarchy:
    """A policy under one person."""
    constitution = Constitution("one", (Layer("base", None, (Principle("tier1", "Do no harm.", "It matters.", 1),)),))
    return build(
        name="parked",
        constitution=constitution,
        agents=(Agent("policy", "stub/policy", 0), Agent("board", "human", 4, persons=1)),
        policy="policy",
        oversees=(Entry(("board",), ("policy",)),),
        rounds=0,
    )


def session(path: Path, count: int) -> None:
    """Park all tasks, then say how long it took and what is resident."""
    begun = time.perf_counter()

    async def attend() -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{time.perf_counter() - begun:.1f} {resident():.0f} {peak:.0f}")

    tasks = (Task(f"task/{n}", (Message("user", f"Question {n}?"),), n) for n in range(count))

    async def work() -> None:
        with open_journal(path) as journal:
            await run_tasks(tasks, hierarchy(), Audit("key", count), {"policy": Stub()}, journal, attend=attend)

    asyncio.run(work())


def resident() -> float:
    """MB of this process that lie in memory now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def measured(path: Path, count: int) -> tuple[float, float, float]:
    """Seconds, MB held, MB at the peak of one session in a process of its own."""
    command = [sys.executable, __file__, "--session", str(path), "--tasks", str(count)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(told[0]), float(told[1]), float(told[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.session is not None:
        session(given.session, given.tasks)
        return
    print(f"{'tasks':>9} {'session':>8} {'seconds':>8} {'MB held':>8} {'MB peak':>8} {'above idle':>11}")
    idle = 0.0
    for count in (1, given.tasks):
        with tempfile.TemporaryDirectory() as folder:
            now = datetime.now(UTC)
            path = create_run(
                Path(folder), "parked", inputs={}, config={}, audit_key="key", seed=None, now=now, token="a"
            )
            for name in ("first", "resumed"):
                seconds, held, peak = measured(path, count)
                idle = idle or held
                print(f"{count:>9,} {name:>8} {seconds:>8.1f} {held:>8.0f} {peak:>8.0f} {held - idle:>11.0f}")


if __name__ == "__main__":
    main()

"""How many tasks a second go through a run, how flat its memory stays, how fast its journal is written.

python benchmarks/runner.py [TASKS]

TASKS: the largest run, 100,000 unless given; memory is read after a tenth of it and after the whole. Every reviewer
answers at once, so the figures are those of the generator, the runner and the journal (`synchronous=FULL`), not of
models. Resuming and verifying the largest run are timed, too. Runs are written in a temporary folder, then removed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time

from overseer.hierarchy import Entry, Hierarchy, build
from overseer.journal.chain import verify
from overseer.journal.encoding import encode_reply
from overseer.journal.run_folder import create_run
from overseer.journal.store import Event, open_journal
from overseer.records import (
    Agent,
    Audit,
    Constitution,
    Critique,
    DraftRequest,
    Jury,
    Layer,
    Message,
    Principle,
    Reply,
    Request,
    ReviseRequest,
    Task,
    Text,
    When,
    binding,
)
from overseer.running.runner import RunResult, run_tasks

AUDIT_KEY = "a key for benchmarks"


class Stub:
    """Writes one sentence and approves of everything, at once."""

    async def answer(self, request: Request) -> Reply:
        return self.reply(request)

    def reply(self, request: Request) -> Reply:
        writes = isinstance(request, DraftRequest | ReviseRequest)
        value = Text("Yes, as long as it is dry.") if writes else Critique("approve", (), 0.9, "Nothing against it.")
        return Reply(request.id, binding(request), value)


def hierarchy() -> Hierarchy:
    """A policy, two critics, and a lead at one task in ten: a little over three requests a task."""
    principle = Principle("state_true_facts", "Say what is so.", "Others act on it.", 2)
    return build(
        name="benchmark",
        constitution=Constitution("benchmark", (Layer("base", None, (principle,)),)),
        agents=[Agent("policy", "stub/policy", 0)] + [Agent(name, "stub/critic", 4) for name in ("ann", "bob", "lead")],
        policy="policy",
        oversees=[
            Entry(("ann", "bob"), ("policy",), jury=Jury("majority")),
            Entry(("lead",), ("ann", "bob"), When(spot_check=0.1, disagreement=True)),
        ],
        rounds=1,
    )


def tasks(count: int) -> Iterator[Task]:
    for place in range(count):
        yield Task(f"benchmark/{place}", (Message("user", f"May I store it beside shelf {place}?"),), place)


def new_run(folder: Path, token: str) -> Path:
    return create_run(
        folder, "benchmark", inputs={}, config={}, audit_key=AUDIT_KEY, seed=None, now=datetime.now(UTC), token=token
    )


def session(run: Path, count: int) -> RunResult:
    over = hierarchy()

    async def taken() -> RunResult:
        with open_journal(run) as journal:
            given = dict.fromkeys(over.agents, Stub())
            return await run_tasks(tasks(count), over, Audit(AUDIT_KEY, count), given, journal)

    return asyncio.run(taken())


def resident() -> float:
    """Memory held now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def commits(run: Path, count: int, together: int) -> float:
    """Durable appends of one event a second, so many waited for together."""

    async def appended() -> float:
        with open_journal(run) as journal:
            bodies = [encode_reply(Reply(f"r{i}", "b" * 32, Text("Yes, as it is."))) for i in range(count)]
            start = perf_counter()
            for first in range(0, count, together):
                futures = [journal.append([Event("t", "reply", body)]) for body in bodies[first : first + together]]
                await futures[-1]
            return count / (perf_counter() - start)

    return asyncio.run(appended())


def main() -> None:
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        for together, count in ((1, 2_000), (20, 20_000), (200, 50_000)):
            rate = commits(new_run(folder, f"commits{together}"), count, together)
            print(f"journal: {rate:,.0f} durable events/s, {together} waited for together")
        session(new_run(folder, "warm"), 1_000)
        before = 0.0
        for count in (largest // 10, largest):
            run = new_run(folder, f"tasks{count}")
            wall, busy = perf_counter(), process_time()
            result = session(run, count)
            wall, busy = perf_counter() - wall, process_time() - busy
            held = resident()
            grown = f", {held - before:+.1f} MB" if before else ""
            print(f"runner: {result.ended:,} tasks, {count / wall:,.0f}/s ({busy:.1f} s of CPU), {held:.0f} MB{grown}")
            before = held
        wall = perf_counter()
        found = verify(run)
        print(f"verify: {found.events:,} events in {perf_counter() - wall:.1f} s")
        wall = perf_counter()
        session(run, largest)
        print(f"resume: {largest:,} ended tasks passed over in {perf_counter() - wall:.1f} s, {resident():.0f} MB")


if __name__ == "__main__":
    main()

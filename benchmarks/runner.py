"""How many tasks a second go through a run, how flat its memory stays, how fast its journal is written.

    python benchmarks/runner.py [--tasks 100000]

Memory is read after a tenth of the tasks and after all of them: what is held at the end, and the most that was held
since the process began. Every reviewer answers at once, so the figures are those of the generator, the runner and the
journal (`synchronous=FULL`), not of models. The largest run is then verified and resumed. Runs are written in a
temporary folder here, then removed: a million tasks take 1.5 GB of disk and a quarter of an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
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


def peak() -> float:
    """The most that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000, help="of the largest run")
    largest = parser.parse_args().tasks
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        for together, count in ((1, 2_000), (20, 20_000), (200, 50_000)):
            rate = commits(new_run(folder, f"commits{together}"), count, together)
            print(f"journal: {rate:,.0f} durable events/s, {together} waited for together", flush=True)
        session(new_run(folder, "warm"), 1_000)
        held, most = 0.0, 0.0
        for count in (largest // 10, largest):
            run = new_run(folder, f"tasks{count}")
            wall, busy = perf_counter(), process_time()
            result = session(run, count)
            wall, busy = perf_counter() - wall, process_time() - busy
            took = f"{count / wall:,.0f}/s ({wall:,.0f} s, {busy:,.0f} s of CPU)"
            print(f"runner: {result.ended:,} tasks, {took}; {memory(held, most)}", flush=True)
            held, most = resident(), peak()
        wall, busy = perf_counter(), process_time()
        found = verify(run)
        wall, busy = perf_counter() - wall, process_time() - busy
        took = f"{wall:.1f} s ({busy:.1f} s of CPU)"
        print(f"verify: {found.ended:,} tasks, {found.events:,} events in {took}; {memory(held, most)}", flush=True)
        wall, busy = perf_counter(), process_time()
        result = session(run, largest)
        wall, busy = perf_counter() - wall, process_time() - busy
        took = f"{wall:.1f} s ({busy:.1f} s of CPU)"
        print(f"resume: {result.ended:,} ended tasks passed over in {took}; {memory(held, most)}")


def memory(held: float, most: float) -> str:
    """What is held, and the most that was, against an earlier reading."""
    grown = f" ({resident() - held:+.1f} MB), {peak():.0f} MB at most ({peak() - most:+.1f} MB)" if held else ""
    return f"{resident():.0f} MB held{grown}"


if __name__ == "__main__":
    main()

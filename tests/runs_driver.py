"""Whole runs in small: a hierarchy with tired persons, reviewers whose answers hang on ids, sessions, processes."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

from overseer.config.hierarchy_schema import Limits
from overseer.errors import JournalError
from overseer.hierarchy import Entry, Hierarchy, build
from overseer.journal.replay import record_hash
from overseer.journal.run_folder import create_run
from overseer.journal.store import open_journal
from overseer.oversight.generator import oversee
from overseer.records import (
    Agent,
    Audit,
    Budget,
    Constitution,
    Critique,
    CritiqueRequest,
    Cues,
    DraftRequest,
    Finding,
    Jury,
    Layer,
    Message,
    Principle,
    Reply,
    ReplyValue,
    Request,
    ReviseRequest,
    RuleRequest,
    Ruling,
    Task,
    Text,
    When,
    binding,
)
from overseer.reviewers import Reviewer
from overseer.running.runner import RunResult, run_tasks
from overseer.sampling import uniform

PRINCIPLES = tuple(Principle(f"tier{tier}", f"Of tier {tier}.", "It matters.", tier) for tier in (1, 2, 3, 4))
CUES = Cues(risk=((1, ("knife",)), (2, ("poison",)), (3, ("bomb",))))
CONSTITUTION = Constitution("small", (Layer("base", None, PRINCIPLES),), CUES)
WORDS = ("spoon", "knife", "poison", "bomb")


def hierarchy(
    *, board: str = "sim/human", persons: int = 1, budget: Budget | None = None, every: int | None = 10
) -> Hierarchy:
    """Two critics under a lead where they differ, under a board where it escalates and at one task in `every`."""
    return build(
        name="small",
        constitution=CONSTITUTION,
        agents=(
            Agent("policy", "stub/policy", 0),
            Agent("ann", "stub/critic", 3),
            Agent("bob", "stub/critic", 3),
            Agent("lead", "stub/lead", 3),
            Agent("board", board, 4, persons=persons),
        ),
        policy="policy",
        oversees=(
            Entry(("ann", "bob"), ("policy",), jury=Jury("majority")),
            Entry(("lead",), ("ann", "bob"), When(disagreement=True, risk_at_least=2)),
            Entry(("board",), ("lead",), When(every=every, escalated=True), budget=budget),
        ),
        rounds=2,
    )


def crowded() -> Hierarchy:
    """With all that makes a resume hard: two seats that tire, looks that are mandatory, and a budget that runs out."""
    return hierarchy(persons=2, budget=Budget(reviews=25, minutes=60.0))


def tasks(count: int) -> Iterator[Task]:
    """Tasks of mixed risk, in order."""
    for place in range(count):
        word = WORDS[int(4 * uniform("risk", place))]
        yield Task(f"task/{place}", (Message("user", f"What may I do with a {word}, {place} times?"),), place)


def audit(count: int) -> Audit:
    return Audit("a key for tests", count)


class AtOnce:
    """Answers at once, by a hash of the request's id; a person's answers hang on how many they have `served`, too."""

    def __init__(self, seed: str = "s") -> None:
        self.seed = seed
        self.served = 0
        self.asked: list[Request] = []

    async def answer(self, request: Request) -> Reply:
        return self.reply(request)

    def reply(self, request: Request) -> Reply:
        self.asked.append(request)
        reply = Reply(request.id, binding(request), self.value(request))
        self.served += isinstance(request, RuleRequest)
        return reply

    def value(self, request: Request) -> ReplyValue:
        chance = uniform(self.seed, request.id, self.served)
        match request:
            case DraftRequest() | ReviseRequest():
                return Text(f"Use it so: {chance:.6f}.")
            case CritiqueRequest():
                found = (Finding("tier2", 2, "Use it", "remove"),)
                if chance < 0.5:
                    return Critique("approve", (), 1 - chance)
                return Critique("revise" if chance < 0.6 else "reject" if chance < 0.7 else "escalate", found, chance)
            case RuleRequest():
                return ruled(request, chance)
            case _:
                raise AssertionError(request)


def ruled(request: RuleRequest, chance: float) -> Ruling:
    person, seconds = f"{request.agent}{request.seat}", 10 + 100 * chance
    if chance < 0.5:
        return Ruling("approve", person, "", seconds)
    if chance < 0.75:
        return Ruling("modify", person, "mine is better", seconds, (), f"Use it like this: {chance:.6f}.")
    return Ruling("revise" if chance < 0.9 else "reject", person, "", seconds, (Finding("tier1", 3, "it", "remove"),))


class Shuffler:
    """Releases waiting answers in an order drawn from a seed, some turns of the event loop later."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.waiting: list[asyncio.Future[None]] = []

    async def turn(self) -> None:
        """Wait for one's turn."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if not self.waiting:
            loop.call_soon(self._release, loop)
        self.waiting.append(future)
        await future

    def _release(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.chance.random() < 0.3:
            future = self.waiting.pop(self.chance.randrange(len(self.waiting)))
            if not future.done():
                future.set_result(None)
        if self.waiting:
            loop.call_soon(self._release, loop)


class Waiting:
    """Gives another reviewer's answer, but only when its turn has come."""

    def __init__(self, inner: AtOnce, shuffler: Shuffler) -> None:
        self.inner = inner
        self.shuffler = shuffler

    async def answer(self, request: Request) -> Reply:
        await self.shuffler.turn()
        return self.inner.reply(request)


class Saying:
    """Answers each request with what a function of it returns, or raises what it raises."""

    def __init__(self, says: Callable[[Request], ReplyValue | Reply]) -> None:
        self.says = says

    async def answer(self, request: Request) -> Reply:
        value = self.says(request)
        return value if isinstance(value, Reply) else Reply(request.id, binding(request), value)


def reviewers(over: Hierarchy, **given: Reviewer) -> dict[str, Reviewer]:
    """A reviewer at once for every agent, but for those given and for people at a console."""
    names = [agent.name for agent in over.agents.values() if agent.model != "human"]
    return {name: given.get(name) or AtOnce(name) for name in names}


def shuffled(over: Hierarchy, seed: int) -> dict[str, Reviewer]:
    """Reviewers whose answers complete in a random order; the same answers for every seed."""
    shuffler = Shuffler(seed)
    return {name: Waiting(AtOnce(name), shuffler) for name in over.agents if name != "board"} | {
        "board": AtOnce("board")
    }


def new_run(folder: Path, token: str = "a") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    return create_run(
        folder, "small", inputs={}, config={}, audit_key="a key for tests", seed=None, now=now, token=token
    )


def run_all(
    run: Path,
    over: Hierarchy,
    given: Mapping[str, Reviewer] | None = None,
    *,
    count: int = 40,
    source: Iterable[Task] | None = None,
    limits: Limits | None = None,
    stop: Sequence[asyncio.Event] = (),
) -> RunResult:
    """One session over a run's folder."""

    async def session() -> RunResult:
        with open_journal(run) as journal:
            return await run_tasks(
                tasks(count) if source is None else source,
                over,
                audit(count),
                reviewers(over) if given is None else given,
                journal,
                limits=limits,
                stop=stop[0] if stop else None,
            )

    return asyncio.run(session())


def work(run: Path, count: int) -> None:
    """A session of its own process; it ends with 3 where the journal refuses."""
    try:
        run_all(run, crowded(), count=count)
    except JournalError:
        sys.exit(3)


def own(run: Path, told: Queue[str], leave: Event) -> None:
    """Try to be the run's writer, tell what came of it, and stay until told to leave."""
    try:
        with open_journal(run):
            told.put("owner")
            leave.wait()
    except JournalError as error:
        told.put(str(error))


def hash_of(run: Path, over: Hierarchy, count: int = 40) -> str:
    """The hash of a run's record."""
    return record_hash(run, lambda task: oversee(task, over, audit(count)))

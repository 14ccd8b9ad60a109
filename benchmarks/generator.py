"""How many episodes a second the generator alone makes on one core, its requests answered from a table.

    python benchmarks/generator.py [EPISODES]

No model, journal or event loop: what is left is the walk itself. `clinic` has comparisons, a jury of three, a lead and
a board; `three_tier` a critic, a lead and a person. One task in five is grave, one review in twenty objects.
"""

from __future__ import annotations

import sys
from itertools import count
from time import process_time

from overseer.hierarchy import Entry, Hierarchy, build
from overseer.oversight.generator import oversee
from overseer.records import (
    Agent,
    AssessRequest,
    Audit,
    Compare,
    CompareRequest,
    Comparison,
    Condition,
    Constitution,
    Context,
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

CONSTITUTION = Constitution(
    name="bench",
    layers=(
        Layer("base", None, tuple(Principle(f"p{n}", f"Principle {n}.", "It matters.", 1 + n // 4) for n in range(16))),
        Layer("clinic", Condition(domains=("clinic",)), (Principle("dose", "Doses add up.", "They kill.", 2),)),
        Layer("patients", None, (Principle("plain", "Speak plainly.", "They ask.", 3, stakeholder="patients"),)),
    ),
    cues=Cues(domains=(("clinic", ("dose", "pill")), ("bank", ("loan",))), risk=((2, ("heart",)),)),
    domains=("clinic", "bank"),
)
POLICY = Agent("policy", "sim/policy", 0)


def clinic() -> Hierarchy:
    jury = ("lawyer", "nurse", "pharmacist")
    return build(
        name="clinic",
        constitution=CONSTITUTION,
        agents=[
            POLICY,
            Agent("nurse", "sim/overseer", 2),
            Agent("pharmacist", "sim/overseer", 2, stakeholder="patients"),
            Agent("lawyer", "sim/overseer", 2),
            Agent("lead", "sim/overseer", 3),
            Agent("board", "sim/human", 4, persons=1),
        ],
        policy="policy",
        oversees=[
            Entry(jury, ("policy",), jury=Jury("majority")),
            Entry(("lead",), jury, When(spot_check=0.1, disagreement=True, risk_at_least=2)),
            Entry(("board",), ("lead",), When(every=50, escalated=True)),
        ],
        rounds=2,
        compare=Compare(2, "lead"),
    )


def three_tier() -> Hierarchy:
    return build(
        name="three_tier",
        constitution=CONSTITUTION,
        agents=[
            POLICY,
            Agent("critic", "sim/overseer", 2),
            Agent("lead", "sim/overseer", 3),
            Agent("person", "sim/human", 4, persons=1),
        ],
        policy="policy",
        oversees=[
            Entry(("critic",), ("policy",)),
            Entry(("lead",), ("critic",), When(spot_check=0.1, risk_at_least=2)),
            Entry(("person",), ("lead",), When(every=50, escalated=True)),
        ],
        rounds=2,
    )


APPROVE = Critique("approve", (), 0.9)
REVISE = Critique("revise", (Finding("p5", 2, "a sum that is wrong", "remove"),), 0.8)


def value(request: Request, turn: int) -> ReplyValue:
    """A canned answer; each twentieth review sends the draft back."""
    match request:
        case CritiqueRequest():
            return REVISE if turn % 20 == 0 else APPROVE
        case DraftRequest():
            return Text(f"Take the dose {turn}. It is a sum that is wrong.")
        case ReviseRequest():
            return Text(f"Take half of it {turn}.")
        case CompareRequest():
            return Comparison("first", 0.9)
        case RuleRequest():
            return Ruling("approve", "ann", "", 3.0)
        case AssessRequest():
            return Context(("clinic",), 1, 1, 1.0)


Script = tuple[Task, list[tuple[Reply, ...]]]


def answered(over: Hierarchy, audit: Audit, episodes: int) -> list[Script]:
    """Each task with the replies that it gets, batch by batch."""
    turns = count(1)
    grave, plain = (Message("user", text) for text in ("What dose of the pill for my heart?", "What dose of the pill?"))
    scripts: list[Script] = []
    for place in range(episodes):
        task = Task(f"t{place}", (plain if place % 5 else grave,), place)
        replies: list[tuple[Reply, ...]] = []
        steps = oversee(task, over, audit)
        try:
            batch = next(steps)
            while True:
                replies.append(tuple(Reply(r.id, binding(r), value(r, next(turns))) for r in batch))
                batch = steps.send(replies[-1])
        except StopIteration:
            scripts.append((task, replies))
    return scripts


def measure(over: Hierarchy, episodes: int) -> tuple[float, float]:
    """Episodes a CPU second of the walk alone, its replies at hand, and requests an episode."""
    audit, requests = Audit("bench", episodes), 0
    scripts = answered(over, audit, episodes)
    began = process_time()
    for task, replies in scripts:
        steps = oversee(task, over, audit)
        try:
            next(steps)
            for batch in replies:
                steps.send(batch)
        except StopIteration as stop:
            requests += stop.value.requests
    return episodes / (process_time() - began), requests / episodes


if __name__ == "__main__":
    episodes = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    for over in (clinic(), three_tier()):
        measure(over, episodes // 10)
        rate, requests = max(measure(over, episodes) for _ in range(3))
        print(f"{over.name}: {rate:,.0f} episodes/s on one core, {requests:.1f} requests an episode")

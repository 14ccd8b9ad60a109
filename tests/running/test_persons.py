"""The queue of looks and the budgets' ledger: an order that no arrival changes, and counts that no resume changes."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from runs_driver import audit, hierarchy, tasks

from overseer.journal.encoding import Ruled
from overseer.oversight.generator import oversee
from overseer.records import (
    Budget,
    Context,
    Critique,
    Failure,
    Reply,
    ReplyValue,
    RuleRequest,
    Ruling,
    Stage,
    Task,
    Text,
    When,
    binding,
)
from overseer.running.persons import Ledger, Parked, parked


def look_of(task: Task, *, mandatory: bool, risk: int) -> RuleRequest:
    """A board's look at a task, as the generator asks for it."""
    steps = oversee(task, hierarchy(every=1), audit(10))
    batch = next(steps)
    while not isinstance(batch[0], RuleRequest):
        drafts = "/draft/" in batch[0].id
        value: ReplyValue = Text("So.") if drafts else Critique("approve", (), 1.0)
        batch = steps.send(tuple(Reply(request.id, binding(request), value) for request in batch))
    return replace(batch[0], mandatory=mandatory, context=Context(("x",), risk, 0, 1.0))


def test_queue_offers_waves_then_mandatory_then_risk_then_place() -> None:
    """Whatever the order in which tasks are parked, they are offered in one order."""
    first, second, third, fourth = tasks(4)
    expected = [
        parked(fourth, 0, [look_of(fourth, mandatory=True, risk=0)]),
        parked(third, 0, [look_of(third, mandatory=False, risk=3)]),
        parked(first, 0, [look_of(first, mandatory=False, risk=1)]),
        parked(second, 0, [look_of(second, mandatory=False, risk=1)]),
        parked(first, 1, [look_of(first, mandatory=True, risk=3)]),
    ]
    for order in permutations(expected):
        assert sorted(order) == expected


def test_two_looks_of_one_task_stand_where_the_more_urgent_would() -> None:
    """A batch with a mandatory look is offered as mandatory."""
    (task,) = tasks(1)
    looks = [look_of(task, mandatory=False, risk=2), look_of(task, mandatory=True, risk=2)]
    assert parked(task, 0, looks) == Parked(0, False, -2, 0, task.id)


def stage(budget: Budget | None) -> Stage:
    return replace(hierarchy().stages[-1], id="s", when=When(always=True), budget=budget)


def ruled(seconds: float | None, *, mandatory: bool = False, grant: bool = True) -> Ruled:
    value = Failure("deadline", "asleep") if seconds is None else Ruling("approve", "ann", "", seconds)
    return Ruled("board", 0, "s", mandatory, grant, Reply("t/board", "b", value))


@pytest.mark.parametrize(
    ("budget", "entered", "granted"),
    [
        (None, [ruled(9e9)], True),
        (Budget(reviews=2), [], True),
        (Budget(reviews=0), [], False),
        (Budget(reviews=2), [ruled(1.0)], True),
        (Budget(reviews=2), [ruled(1.0), ruled(1.0)], False),
        (Budget(reviews=2), [ruled(1.0), ruled(1.0, grant=False), ruled(1.0, grant=False)], True),
        (Budget(reviews=1), [ruled(1.0, mandatory=True, grant=False)], True),
        (Budget(reviews=1), [ruled(None)], False),
        (Budget(minutes=1.0), [ruled(59.0)], True),
        (Budget(minutes=1.0), [ruled(59.0), ruled(1.0, grant=False)], False),
        (Budget(minutes=1.0), [ruled(90.0, mandatory=True, grant=False)], True),
        (Budget(minutes=0.0), [], False),
        (Budget(reviews=5, minutes=1.0), [ruled(61.0)], False),
    ],
    ids=lambda value: str(value) if isinstance(value, bool) else None,
)
def test_budget_grants_until_it_is_spent(budget: Budget | None, entered: list[Ruled], granted: bool) -> None:
    """Reviews count tasks, minutes count all looks on a grant; mandatory looks count for neither."""
    ledger = Ledger([stage(budget)])
    for each in entered:
        ledger.enter(each)
    assert ledger.grants("s") is granted
    assert ledger.grants("another")

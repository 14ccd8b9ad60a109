"""The queue of looks and the budgets' ledger: an order that no arrival changes, and counts that no resume changes."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from statistics import fmean

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
from overseer.running.persons import Ledger, Parked, in_turn, parked


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
    assert parked(task, 0, looks) == Parked(0, False, -2, 0, task.id, tries=False, needs=(), begun=False)


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


# --- answers known to be harmful, among the others -----------------------------------------------------------------


def day(mandatory: int, optional: int, tried: int) -> list[Parked]:
    """A wave of tasks of risk 0 to 3 in turn; the optional ones need a grant."""
    others = [
        Parked(
            0, place >= mandatory, -(place % 4), place, f"t{place}", False, ("s",) if place >= mandatory else (), False
        )
        for place in range(mandatory + optional)
    ]
    return others + [Parked(0, False, -(n % 4), 10_000 + n, f"bad{n}", True, (), False) for n in range(tried)]


def serve(
    wave: list[Parked], budget: Budget | None, key: str, before: list[Ruled] | None = None, most: int = 10_000
) -> tuple[list[str], list[Ruled]]:
    """Whom a person looks at, one ruling of 20 to 50 s each, until the budget is spent or the session ends."""
    ledger, rulings = Ledger([stage(budget)]), list(before or [])
    for each in rulings:
        ledger.enter(each)
    seen: list[str] = []
    for parked_ in in_turn(wave, ledger, key):
        if len(seen) == most:
            break
        if parked_.needs and not ledger.grants("s"):
            continue
        took = 20.0 + 10 * (parked_.place // 4 % 4)
        rulings.append(ruled(took, mandatory=not parked_.needs, grant=bool(parked_.needs)))
        ledger.enter(rulings[-1])
        seen.append(parked_.task)
    return seen, rulings


BUDGETS = [None, Budget(reviews=40), Budget(minutes=20.0), Budget(reviews=80, minutes=42.0)]
NAMES = ["none", "reviews", "minutes", "both"]


@pytest.mark.parametrize("budget", BUDGETS, ids=NAMES)
def test_answers_known_to_be_harmful_change_no_other_order(budget: Budget | None) -> None:
    """Without them the order is the queue's, and with them the others keep it; all of them are met."""
    seen, _ = serve(day(20, 200, 12), budget, "k")
    without, _ = serve(day(20, 200, 0), budget, "k")
    assert without == [each.task for each in sorted(day(20, 200, 0))][: len(without)]
    assert [task for task in seen if not task.startswith("bad")] == without
    assert sum(task.startswith("bad") for task in seen) == 12


@pytest.mark.slow
@pytest.mark.parametrize("budget", BUDGETS, ids=NAMES)
@pytest.mark.parametrize("mandatory", [0, 20])
def test_answers_known_to_be_harmful_stand_anywhere_among_those_of_their_risk(
    budget: Budget | None, mandatory: int
) -> None:
    """Over sixty draws they are met as late as others of their risk at which somebody looks, and not in a lump."""
    days = [serve(day(mandatory, 200, 12), budget, str(draw))[0] for draw in range(60)]
    turns = [{task: turn / len(seen) for turn, task in enumerate(seen)} for seen in days]
    for risk in range(4):
        bad = [at[f"bad{n}"] for at in turns for n in range(12) if n % 4 == risk]
        others = [at[task] for at in turns for task in at if task[0] == "t" and int(task[1:]) % 4 == risk]
        if others:
            assert abs(fmean(bad) - fmean(others)) < 0.1
            assert max(bad) - min(bad) > 0.7 * (max(others) - min(others))


def test_where_nobody_looks_at_their_risk_they_stand_as_a_mandatory_look() -> None:
    """No other look of risk 2 is left: it stands after those of risk 3, and before those of risk 1."""
    others = [Parked(0, False, -risk, n, f"t{risk}", False, (), False) for n, risk in enumerate((0, 1, 3))]
    wave = [*others, Parked(0, False, -2, 99, "bad", True, (), False)]
    assert serve(wave, None, "k")[0] == ["t3", "bad", "t1", "t0"]


@pytest.mark.parametrize("budget", BUDGETS, ids=NAMES)
def test_an_interrupted_day_goes_on_in_the_same_order(budget: Budget | None) -> None:
    """Wherever it is cut: what was looked at is gone, and what was not granted waits on."""
    wave = day(8, 60, 8)
    whole, _ = serve(wave, budget, "k")
    for cut in range(0, len(whole), 5):
        first, rulings = serve(wave, budget, "k", most=cut)
        rest, _ = serve([each for each in wave if each.task not in first], budget, "k", rulings)
        assert first + rest == whole


def test_a_look_that_was_begun_is_finished_first() -> None:
    """Of two seats one has ruled: nothing comes between, on whatever side of the cut."""
    wave = day(8, 60, 8)
    whole, _ = serve(wave, None, "k")
    for cut in range(0, len(whole), 5):
        rest = [each for each in wave if each.task not in whole[:cut]]
        begun = [replace(each, begun=each.task == whole[cut]) for each in rest]
        assert serve(begun, None, "k")[0] == whole[cut:]

"""Real people: asked once, heard through the inbox, denied where they differ, late where they are, never forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs_driver import AtOnce, audit, hash_of, hierarchy, new_run, tasks

from overseer.errors import JournalError
from overseer.hierarchy import Hierarchy
from overseer.journal import control, inbox
from overseer.journal.control import Order
from overseer.journal.encoding import Left
from overseer.journal.reader import Wait, open_reader
from overseer.journal.replay import episodes
from overseer.journal.store import open_journal
from overseer.oversight.generator import oversee
from overseer.records import Budget, Failure, Reply, RuleRequest, Ruling, binding
from overseer.running.listening import INTERVAL
from overseer.running.runner import RunResult, run_tasks
from overseer.running.way import Way

COUNT = 20
Clock = Callable[[], float]


def people(persons: int = 1, budget: Budget | None = None, timeout: float | None = None) -> Hierarchy:
    """The small hierarchy with people at a console, who see one task in five and what is escalated."""
    over = hierarchy(board="human", persons=persons, budget=budget, every=5)
    board = replace(over.agents["board"], timeout=timeout)
    return replace(over, agents={**over.agents, "board": board})


def session(
    run: Path,
    over: Hierarchy,
    attend: Callable[[], Coroutine[Any, Any, None]] | None = None,
    clock: Clock = lambda: 1000.0,
    stop: asyncio.Event | None = None,
) -> RunResult:
    """One session over twenty tasks; nobody answers for the board but people."""
    bound = {name: AtOnce() for name, agent in over.agents.items() if agent.model != "human"}

    async def work() -> RunResult:
        with open_journal(run) as journal:
            return await run_tasks(
                tasks(COUNT), over, audit(COUNT), bound, journal, attend=attend, clock=clock, stop=stop
            )

    return asyncio.run(work())


def waits(run: Path) -> list[Wait]:
    with open_reader(run) as reader:
        return list(reader.waits())


def look(run: Path, over: Hierarchy, wait: Wait) -> RuleRequest:
    """The request of a seat that waits, by replay."""
    task = next(each for each in tasks(COUNT) if each.id == wait.task)
    with open_reader(run) as reader:
        history = reader.history(task.id)
    assert history is not None
    way = Way(task, oversee(task, over, audit(COUNT)), history.replies)
    way.go_on()
    found = next(request for request in way.fresh if request.id == wait.waiting.request)
    assert isinstance(found, RuleRequest)
    return found


def rule(run: Path, over: Hierarchy, wait: Wait, person: str, action: str = "approve", **more: Any) -> bool:
    """Leave a person's ruling on a seat."""
    request = look(run, over, wait)
    ruling = Ruling(action, person, "as I see it", 30.0, **more)  # type: ignore[arg-type]
    left = Left(wait.task, 2000.0, Reply(request.id, binding(request), ruling))
    return inbox.leave(run, wait.waiting.checkpoint, left)


def answer_all(run: Path, over: Hierarchy) -> int:
    """Approve on every seat that waits, each seat under a name of its own."""
    open_ = waits(run)
    for wait in open_:
        rule(run, over, wait, f"person {wait.waiting.seat}")
    return len(open_)


def test_tasks_wait_for_people_and_go_on_when_they_have_answered(tmp_path: Path) -> None:
    """A run asks, ends with tasks waiting, takes the rulings up when it is resumed, and leaves no file behind."""
    over, run = people(), new_run(tmp_path)
    first = session(run, over)
    assert first.pending_person == len(waits(run)) > 3
    assert answer_all(run, over) == first.pending_person
    assert len(inbox.names(run)) == first.pending_person
    rounds = 0
    while (result := session(run, over)).pending_person:
        answer_all(run, over)
        rounds += 1
        assert rounds < 10
    assert result == RunResult(COUNT, 0, 0, stopped=False)
    assert inbox.names(run) == []


def test_who_was_asked_is_asked_once(tmp_path: Path) -> None:
    """However often a run is resumed, a waiting seat has one place in the queue and keeps its time."""
    over, run = people(persons=2), new_run(tmp_path)
    session(run, over)
    before = waits(run)
    session(run, over, clock=lambda: 5000.0)
    assert waits(run) == before
    assert {wait.waiting.at for wait in before} == {1000.0}
    assert {wait.waiting.seat for wait in before} == {0, 1}


@pytest.mark.slow
def test_a_live_run_takes_rulings_up_as_they_come(tmp_path: Path) -> None:
    """While people are attended, each ruling moves its task on, new questions included, until nobody is waited for."""
    over, run = people(persons=2), new_run(tmp_path)

    async def attend() -> None:
        while True:
            answer_all_quietly(run, over)
            await asyncio.sleep(0)

    result = session(run, over, attend)
    assert result == RunResult(COUNT, 0, 0, stopped=False)


def answer_all_quietly(run: Path, over: Hierarchy) -> None:
    lying = {name.partition(".")[0] for name in inbox.names(run)}
    for wait in waits(run):
        if wait.waiting.checkpoint not in lying:
            try:
                rule(run, over, wait, f"person {wait.waiting.seat}")
            except StopIteration:  # taken up between the two readings
                continue


@pytest.mark.slow
def test_the_record_is_the_same_live_or_days_later(tmp_path: Path) -> None:
    """The same rulings give the same record, taken up in one session or in one each."""
    over, live, slow = people(), new_run(tmp_path, "live"), new_run(tmp_path, "slow")

    async def attend() -> None:
        while True:
            answer_all_quietly(live, over)
            await asyncio.sleep(0)

    session(live, over, attend)
    while session(slow, over).pending_person:
        rule(slow, over, waits(slow)[-1], "person 0")
    assert hash_of(live, over, COUNT) == hash_of(slow, over, COUNT)


def test_two_rulings_of_one_seat_that_differ_deny(tmp_path: Path) -> None:
    """Whoever wrote them: the seat has failed, the task is not judged, and both stand on record."""
    over, run = people(), new_run(tmp_path)
    session(run, over)
    wait = waits(run)[0]
    rule(run, over, wait, "Ida")
    rule(run, over, wait, "Bob", "reject")
    session(run, over)
    episode = next(each for each in read(run, over) if each.task.id == wait.task)
    assert (episode.outcome, episode.rule) == ("unjudged", "unjudged")
    failure = episode.evaluations[-1].votes[0].answer
    assert isinstance(failure, Failure)
    assert failure.kind == "conflict"
    with open_reader(run) as reader:
        history = reader.history(wait.task)
    assert history is not None
    assert {left.ruling.person for left in history.late} == {"Ida", "Bob"}
    assert inbox.names(run) == []


def test_two_rulings_of_one_seat_that_agree_count_once(tmp_path: Path) -> None:
    """The second is kept on record and changes nothing."""
    over, run = people(), new_run(tmp_path)
    session(run, over)
    wait = waits(run)[0]
    rule(run, over, wait, "Ida", "reject")
    rule(run, over, wait, "Bob", "reject")
    session(run, over)
    episode = next(each for each in read(run, over) if each.task.id == wait.task)
    assert episode.outcome == "withheld"
    with open_reader(run) as reader:
        history = reader.history(wait.task)
    assert history is not None
    assert [left.ruling.person for left in history.late] == ["Ida"]


def test_a_person_cannot_change_what_was_acknowledged(tmp_path: Path) -> None:
    """Saying it again is the same ruling; saying something else is refused, whatever the case of the name."""
    over, run = people(), new_run(tmp_path)
    session(run, over)
    wait = waits(run)[0]
    assert rule(run, over, wait, "Ida")
    assert not rule(run, over, wait, "Ida")
    with pytest.raises(JournalError, match="Ida ruled approve already"):
        rule(run, over, wait, "ida", "reject")
    assert len(inbox.names(run)) == 1


def test_a_ruling_that_comes_late_is_kept_and_does_not_count(tmp_path: Path) -> None:
    """What is found after its seat was answered is journalled once, and the episode stays as it was."""
    over, run = people(), new_run(tmp_path)
    session(run, over)
    wait = waits(run)[0]
    late = look(run, over, wait)
    rule(run, over, wait, "Ida", "reject")
    session(run, over)
    before = hash_of(run, over, COUNT)
    ruling = Ruling("approve", "Bob", "too late", 5.0)
    for _ in range(2):
        inbox.leave(run, wait.waiting.checkpoint, Left(wait.task, 1.0, Reply(late.id, binding(late), ruling)))
        session(run, over)
    with open_reader(run) as reader:
        history = reader.history(wait.task)
    assert history is not None
    assert [left.ruling.person for left in history.late] == ["Bob"]
    assert hash_of(run, over, COUNT) == before


def test_one_name_never_fills_two_seats(tmp_path: Path) -> None:
    """One person who rules on both seats has not made two: the task is not judged."""
    over, run = people(persons=2), new_run(tmp_path)
    session(run, over)
    task = waits(run)[0].task
    for wait in waits(run):
        if wait.task == task:
            rule(run, over, wait, ("Ida", " ida ")[wait.waiting.seat])
    session(run, over)
    episode = next(each for each in read(run, over) if each.task.id == task)
    assert episode.outcome == "unjudged"


def test_what_is_no_ruling_is_set_aside(tmp_path: Path) -> None:
    """A file that cannot be read, answers nothing that was asked, or is bound to another draft moves nothing."""
    over, run = people(), new_run(tmp_path)
    pending = session(run, over).pending_person
    wait = waits(run)[0]
    request = look(run, over, wait)
    ruling = Ruling("approve", "Eve", "", 1.0)
    inbox.put(run, f"{'0' * 16}.eve.json", b"{not json")
    inbox.leave(run, "1" * 16, Left(wait.task, 0.0, Reply(request.id, "another binding", ruling)))
    inbox.leave(run, "2" * 16, Left(wait.task, 0.0, Reply("what nobody asked", binding(request), ruling)))
    inbox.leave(run, "3" * 16, Left("no such task", 0.0, Reply(request.id, binding(request), ruling)))
    assert session(run, over).pending_person == pending
    assert inbox.names(run) == []
    assert len(list((run / inbox.INBOX / inbox.REFUSED).iterdir())) == 4


def test_a_deadline_fails_the_seat_and_what_came_in_time_counts(tmp_path: Path) -> None:
    """Past the deadline a seat that lies unanswered fails; one whose ruling lies in the inbox does not."""
    over, run = people(timeout=60.0), new_run(tmp_path)
    first = session(run, over)
    answered, *others = waits(run)
    rule(run, over, answered, "Ida", "reject")
    result = session(run, over, clock=lambda: 1061.0)
    assert first.pending_person > 2
    assert result.pending_person == 0
    found = {episode.task.id: episode for episode in read(run, over)}
    assert found[answered.task].outcome == "withheld"
    assert {found[wait.task].outcome for wait in others} == {"unjudged"}


def offered(run: Path) -> tuple[list[Wait], list[Wait]]:
    """The optional looks that a budget offers, and those that it holds back, as the journal has them."""
    optional = [wait for wait in waits(run) if not wait.waiting.mandatory]
    since = [wait.waiting.offered_since(wait.granted) for wait in optional]
    told = list(zip(optional, since, strict=True))
    return [wait for wait, at in told if at is not None], [wait for wait, at in told if at is None]


@pytest.mark.slow
def test_a_deadline_counts_from_when_a_budget_grants_the_look(tmp_path: Path) -> None:
    """What is held back does not expire, however long; once granted it has all of its time."""
    run = new_run(tmp_path)
    spent, large = people(budget=Budget(reviews=1), timeout=60.0), people(budget=Budget(reviews=99), timeout=60.0)
    session(run, spent)
    (first,), held = offered(run)
    rank = {wait.task: (-wait.waiting.risk, wait.waiting.place) for wait in (first, *held)}
    assert len(held) > 2
    assert min(rank, key=lambda task: rank[task]) == first.task
    assert session(run, spent, clock=lambda: 5000.0).pending_person == 0
    assert [wait.task for wait in waits(run)] == [wait.task for wait in held]
    assert session(run, large, clock=lambda: 6000.0) == RunResult(COUNT - len(held), len(held), 0, stopped=False)
    assert session(run, large, clock=lambda: 6059.0).pending_person == len(held)
    assert session(run, large, clock=lambda: 6060.0) == RunResult(COUNT, 0, 0, stopped=False)
    found = {episode.task.id: episode.outcome for episode in read(run, large)}
    assert {found[wait.task] for wait in held} == {"unjudged"}


@pytest.mark.slow
def test_a_grant_that_is_taken_back_stops_the_clock(tmp_path: Path) -> None:
    """Minutes are spent while others are offered: those wait, and have all of their time once there are more."""
    run = new_run(tmp_path)
    spent, large = people(budget=Budget(minutes=0.5), timeout=60.0), people(budget=Budget(minutes=99.0), timeout=60.0)
    session(run, spent)
    first, *others = offered(run)[0]
    assert (len(others) > 2, offered(run)[1]) == (True, [])
    for wait in waits(run):
        if wait.task == first.task or wait.waiting.mandatory:
            rule(run, spent, wait, "Ida", "reject")
    session(run, spent, clock=lambda: 1010.0)
    assert offered(run) == ([], waits(run))
    assert session(run, spent, clock=lambda: 5000.0).pending_budget == len(others)
    assert session(run, large, clock=lambda: 6000.0).pending_person == len(others)
    assert session(run, large, clock=lambda: 6059.0).pending_person == len(others)
    assert session(run, large, clock=lambda: 6060.0).pending_person == 0


def test_a_deadline_that_no_budget_holds_counts_from_the_asking(tmp_path: Path) -> None:
    """Nothing is put on record of grants where none is needed."""
    over, run = people(timeout=60.0), new_run(tmp_path)
    session(run, over)
    session(run, over, clock=lambda: 1030.0)
    assert {wait.granted for wait in waits(run)} == {None}
    assert {wait.waiting.offered_since(None) for wait in waits(run)} == {1000.0}


@pytest.mark.slow
def test_a_spent_budget_leaves_rulings_lying(tmp_path: Path) -> None:
    """A ruling beyond the budget is neither lost nor counted; a larger budget takes it up."""
    over, run = people(budget=Budget(reviews=2)), new_run(tmp_path)
    session(run, over)
    optional = [wait for wait in waits(run) if not wait.waiting.mandatory]
    assert len(optional) > 3
    for wait in waits(run):
        rule(run, over, wait, "Ida", "reject")
    result = session(run, over)
    assert result.pending_budget == len(inbox.names(run)) == len(optional) - 2
    assert result.pending_person == 0
    assert session(run, people(budget=Budget(reviews=99))) == RunResult(COUNT, 0, 0, stopped=False)


def test_what_is_beyond_a_budget_counts_as_waiting_for_it(tmp_path: Path) -> None:
    """Of the tasks that wait, those that a budget will not offer wait for the budget."""
    over, run = people(budget=Budget(reviews=1)), new_run(tmp_path)
    result = session(run, over)
    optional = sum(not wait.waiting.mandatory for wait in waits(run))
    assert result.pending_budget == optional - 1
    assert result.pending_person == len(waits(run)) - (optional - 1)


def test_a_stop_from_outside_ends_a_session_and_is_on_record(tmp_path: Path) -> None:
    """A live run obeys an order to stop; where nobody is alive there is nothing to stop."""
    over, run = people(), new_run(tmp_path)
    order = Order(what="stop", by="Ida", because="enough for today", at=3.0)
    with pytest.raises(JournalError, match="nobody is writing"):
        control.give(run, order)

    async def attend() -> None:
        control.give(run, order)
        await asyncio.Event().wait()

    assert session(run, over, attend).pending_person
    assert control.standing(run, "stop") is None
    assert b"enough for today" in (run / "journal.sqlite").read_bytes() + wal(run)


@pytest.mark.slow
def test_a_paused_run_moves_nothing_until_it_is_let_go(tmp_path: Path) -> None:
    """While a pause stands, rulings lie where they are; let go, the run takes them up."""
    over, run = people(), new_run(tmp_path)
    seen: list[int] = []

    async def attend() -> None:
        control.give(run, Order(what="pause", by="Ida", because="look at this first", at=3.0))
        await _until(lambda: b"look at this first" in wal(run))
        answer_all_quietly(run, over)
        for _ in range(3):
            await asyncio.sleep(1.1 * INTERVAL)
            seen.append(len(inbox.names(run)))
        control.lift(run, "pause")
        while True:
            answer_all_quietly(run, over)
            await asyncio.sleep(0)

    assert session(run, over, attend) == RunResult(COUNT, 0, 0, stopped=False)
    assert len(set(seen)) == 1
    assert seen[0] > 3


def test_a_paused_run_is_not_resumed(tmp_path: Path) -> None:
    """A pause stands when the process that it was given to is gone."""
    over, run = people(), new_run(tmp_path)
    control.give(run, Order(what="pause", by="Ida", because="wait for legal", at=3.0))
    with pytest.raises(JournalError, match="paused by Ida: wait for legal"):
        session(run, over)
    assert control.lift(run, "pause")
    assert not control.lift(run, "pause")
    assert session(run, over).pending_person


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - another process would not set an event either
            await asyncio.sleep(0)


def wal(run: Path) -> bytes:
    path = run / "journal.sqlite-wal"
    return path.read_bytes() if path.exists() else b""


def read(run: Path, over: Hierarchy) -> list[Any]:
    return list(episodes(run, lambda task: oversee(task, over, audit(COUNT))))

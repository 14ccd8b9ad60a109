"""The queue as those who review see it: what waits, what is offered to whom, and what is never acknowledged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from board_driver import board, judge, row, taken_up, waiting

from overseer import api
from overseer.checkpoints import Checkpoint, Queue
from overseer.errors import ConfigError, JournalError
from overseer.journal import inbox
from overseer.journal.encoding import Left, decode_left
from overseer.records import Failure, Finding, Reply, Ruling, binding
from overseer.runs import Run

RISKY = row("risky", prompt="How much poison?")


def by_task(queue: Queue, task: str, seat: int = 0) -> Checkpoint:
    return next(each for each in queue.listed() if each.task == task and each.seat == seat)


def outcomes(run: Run) -> dict[str, tuple[str, str]]:
    return {episode.task.id: (episode.outcome, episode.rule) for episode in run.episodes()}


# --- what waits ----------------------------------------------------------------------------------------------------


def test_each_seat_that_was_asked_is_listed(tmp_path: Path) -> None:
    """With what a reviewer goes by; the run need not be alive."""
    run = waiting(tmp_path)
    queue = Queue(run.path)
    found = queue.listed()
    assert not queue.is_alive
    assert sorted((each.task, each.seat) for each in found) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert {(each.who, each.state, each.by, each.deadline, each.risk) for each in found} == {
        ("board", "open", (), None, 1)
    }
    assert len({each.id for each in found}) == 4


def test_a_person_is_offered_one_seat_of_each_look(tmp_path: Path) -> None:
    """Two free seats of a draft are one item to whoever may fill only one of them; both are there for others."""
    queue = Queue(waiting(tmp_path).path)
    (first, second) = queue.listed("ida")
    assert {first.seat, second.seat} == {0}
    queue.decide(first.id, "Ida", "approve")
    assert [each.id for each in queue.listed("ida")] == [second.id]
    assert sorted(each.seat for each in queue.listed("bob")) == [0, 1]


def test_what_a_journalled_ruling_fills_is_not_offered_again(tmp_path: Path) -> None:
    """Nor is the other seat of that look, to the same person."""
    run = waiting(tmp_path)
    queue = Queue(run.path)
    first = by_task(queue, "a")
    queue.decide(first.id, "ida", "approve")
    taken_up(run)
    assert [each.task for each in queue.listed("IDA")] == ["b"]
    assert {(each.task, each.seat) for each in queue.listed("bob")} == {("a", 1), ("b", 0)}


def test_orders_are_by_risk_age_or_disagreement(tmp_path: Path) -> None:
    """Risk first, unless somebody wants it otherwise; the highest risk comes first among equals."""
    rows = [row("calm"), RISKY, row("other")]
    queue = Queue(waiting(tmp_path, rows).path)
    assert queue.listed("ida")[0].task == "risky"
    assert queue.listed("ida", "disagreement")[0].task == "risky"
    ages = [each.asked for each in queue.listed(order="age")]
    assert ages == sorted(ages)


def test_the_order_among_equals_tells_nothing_of_where_they_come_from(tmp_path: Path) -> None:
    """It is drawn by the audit key: not the input's, the same at each look, another in another run."""
    rows = [row(f"t{number}") for number in range(20)]
    orders = []
    for seed in (1, 2):
        queue = Queue(waiting(tmp_path / str(seed), rows, seed=seed).path)
        orders.append([each.place for each in queue.listed("ida")])
        assert orders[-1] == [each.place for each in queue.listed("ida")]
    assert orders[0] != orders[1]
    assert all(order != sorted(order) for order in orders)


def test_a_run_that_never_began_is_refused(tmp_path: Path) -> None:
    """With a word about what to name instead."""
    with pytest.raises(JournalError, match="give the folder of a run"):
        Queue(tmp_path)


def test_a_stamp_changes_with_every_ruling(tmp_path: Path) -> None:
    """A console sees that the queue is another one without reading it."""
    queue = Queue(waiting(tmp_path).path)
    before = queue.stamp()
    assert queue.stamp() == before
    queue.decide(queue.listed("ida")[0].id, "ida", "approve")
    assert queue.stamp() != before


# --- one of them ---------------------------------------------------------------------------------------------------


def test_a_checkpoint_shows_the_request_that_waits(tmp_path: Path) -> None:
    """By replay: the draft, what was said of it, the rulebook; bound as the run will ask it."""
    queue = Queue(waiting(tmp_path, [row("a", "Take it all.")]).path)
    waits = by_task(queue, "a", seat=1)
    shown = queue.show(waits.id)
    assert (shown.checkpoint, shown.carried) == (waits, None)
    assert (shown.request.draft.text, shown.request.seat) == ("Take it all.", 1)
    assert [each.decision.action for each in shown.request.evaluations] == ["reject"]
    assert binding(shown.request)[:16] == waits.id


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        pytest.param(lambda id_: id_[:6], "did you mean {id}", id="begun"),
        pytest.param(lambda id_: id_[:-1], "did you mean {id}", id="cut short"),
        pytest.param(lambda id_: id_[:3] + "0" + id_[4:] + "1", "did you mean {id}", id="mistyped"),
        pytest.param(lambda id_: "", "overseer review", id="empty"),
        pytest.param(lambda id_: "../../etc", "overseer review", id="a path"),
    ],
)
def test_an_unknown_id_is_refused_with_the_likely_one(tmp_path: Path, said: Any, hint: str) -> None:
    """Nothing is guessed."""
    run = waiting(tmp_path, [row("a")], board(seats=1))
    (only,) = Queue(run.path).listed()
    with pytest.raises(ConfigError, match="no such checkpoint") as refused:
        Queue(run.path).show(said(only.id))
    assert hint.format(id=only.id) in str(refused.value)
    with pytest.raises(ConfigError, match="no such checkpoint"):
        Queue(run.path).decide(said(only.id), "ida", "approve")
    assert inbox.names(run.path) == []


def test_what_was_answered_is_shown_to_nobody(tmp_path: Path) -> None:
    """Whoever comes late hears who ruled what."""
    run = waiting(tmp_path, [row("a")], board(seats=1))
    queue = Queue(run.path)
    (only,) = queue.listed()
    queue.decide(only.id, "ida", "reject", note="No.")
    taken_up(run)
    for late in (lambda: queue.show(only.id), lambda: queue.decide(only.id, "bob", "approve")):
        with pytest.raises(JournalError, match="answered already: reject by ida"):
            late()
    assert queue.listed() == []
    assert outcomes(run) == {"a": ("withheld", "reject")}


# --- what is acknowledged ------------------------------------------------------------------------------------------


def test_an_acknowledged_ruling_counts_when_the_run_goes_on(tmp_path: Path) -> None:
    """All that was said with it lies in the inbox, durable, under one name; both seats approve: released."""
    run = waiting(tmp_path, [row("a")])
    queue = Queue(run.path, clock=lambda: 1e9)
    finding = Finding("finish_the_task", 1, "So.", "remove")
    first = by_task(queue, "a", 0)
    done = queue.decide(first.id, " Ida  Ö ", "approve", note="Fine.", findings=[finding], seconds=12.5)
    assert (done.fresh, done.beside) == (True, ())
    (name,) = inbox.names(run.path)
    left = decode_left(inbox.read(run.path, name))
    assert (left.task, left.at, left.ruling) == ("a", 1e9, Ruling("approve", "Ida Ö", "Fine.", 12.5, (finding,)))
    assert [each.state for each in queue.listed() if each.seat == 0] == ["ruled"]
    queue.decide(by_task(queue, "a", 1).id, "bob", "approve")
    assert outcomes(taken_up(run)) == {"a": ("released", "unanimous")}


def test_the_same_ruling_again_is_acknowledged_and_another_one_is_not(tmp_path: Path) -> None:
    """Whoever did not hear of the first acknowledgement asks again; nobody changes their mind unseen."""
    run = waiting(tmp_path)
    queue = Queue(run.path)
    waits = queue.listed("ida")[0]
    assert queue.decide(waits.id, "ida", "approve").fresh
    assert not queue.decide(waits.id, "IDA", "approve", note="Once more.").fresh
    with pytest.raises(JournalError, match="ruled approve already"):
        queue.decide(waits.id, "ida", "reject", note="No!")
    assert len(inbox.names(run.path)) == 1


def test_a_second_person_on_a_seat_is_named_and_a_difference_denies(tmp_path: Path) -> None:
    """Fail closed: the seat counts as a conflict, whatever either said."""
    run = waiting(tmp_path, [row("a")], board(seats=1))
    queue = Queue(run.path)
    (only,) = queue.listed()
    queue.decide(only.id, "ida", "approve")
    assert queue.listed("bob") == []
    assert queue.decide(only.id, "bob", "reject", note="No.").beside == ("ida",)
    assert outcomes(taken_up(run)) == {"a": ("unjudged", "unjudged")}


@pytest.mark.parametrize("again", ["ida", "Ida", " IDA ", "ｉｄａ"])
def test_one_name_takes_one_seat_of_a_look(tmp_path: Path, again: str) -> None:
    """However it is spelled, and whether its first ruling lies in the inbox or in the journal."""
    run = waiting(tmp_path, [row("a")])
    queue = Queue(run.path)
    other = by_task(queue, "a", 1)
    queue.decide(by_task(queue, "a", 0).id, "ida", "approve")
    for _ in range(2):
        with pytest.raises(JournalError, match="another seat of this look"):
            queue.decide(other.id, again, "approve")
        taken_up(run)
    assert outcomes(run) == {}


@pytest.mark.slow
def test_the_same_person_twice_never_passes(tmp_path: Path) -> None:
    """Two hundred times over; and where somebody writes the files by hand, nothing is released either."""
    count = 200
    run = waiting(tmp_path, [row(f"t{number}") for number in range(count)])
    queue = Queue(run.path)
    waits = queue.listed()
    refused = 0
    for each in waits:
        if each.seat == 0:
            queue.decide(each.id, "ida", "approve")
    for each in waits:
        if each.seat == 1:
            with pytest.raises(JournalError, match="another seat"):
                queue.decide(each.id, "Ida ", "approve")
            refused += 1
            request = queue.show(each.id).request
            forged = Reply(request.id, binding(request), Ruling("approve", "iDA", "", 1.0))
            inbox.leave(run.path, each.id, Left(each.task, 1e9, forged))
    assert refused == count
    found = list(taken_up(run).episodes())
    assert len(found) == count
    assert not [episode for episode in found if episode.outcome == "released"]
    answers = [vote.answer for episode in found for vote in episode.evaluations[-1].votes]
    assert sum(isinstance(answer, Failure) and answer.kind == "same_person" for answer in answers) == count


def test_the_author_of_a_text_does_not_approve_it_twice(tmp_path: Path) -> None:
    """Their approval of what they wrote counts already: the other seat is for somebody else."""
    run = waiting(tmp_path, [row("a")])
    queue = Queue(run.path)
    queue.decide(by_task(queue, "a", 0).id, "ida", "modify", text="Ask first.")
    queue.decide(by_task(queue, "a", 1).id, "bob", "approve")
    taken_up(run)
    (left,) = queue.listed()
    shown = queue.show(left.id)
    assert (shown.request.draft.text, shown.carried, left.seat) == ("Ask first.", "ida", 1)
    with pytest.raises(JournalError, match="wrote this draft"):
        queue.decide(left.id, "Ida", "approve")
    with queue.offer(left, "Ida") as offered:
        assert offered is None
    queue.decide(left.id, "bob", "approve")
    assert outcomes(taken_up(run)) == {"a": ("released", "unanimous")}


SOUND: dict[str, Any] = {"action": "reject", "note": "No."}
GRAVE = Finding("enable_no_misuse", 2, "", "remove")


@pytest.mark.parametrize(
    ("person", "changes", "said"),
    [
        pytest.param("", {}, "needs a name", id="nobody"),
        pytest.param(" \t", {}, "needs a name", id="blanks"),
        pytest.param("--", {}, "needs a name", id="no letter"),
        pytest.param("i" * 65, {}, "65 characters", id="a long name"),
        pytest.param("i\x1b[31mda", {}, "cannot be seen", id="a control in a name"),
        pytest.param("id\u200ba", {}, "cannot be seen", id="a zero-width character in a name"),
        pytest.param("id\u202ea", {}, "cannot be seen", id="bidi in a name"),
        pytest.param("id\ud800a", {}, "cannot be seen", id="a surrogate in a name"),
        pytest.param("ida", {"action": "bless"}, "unknown action 'bless'", id="an unknown action"),
        pytest.param("ida", {"action": "modify"}, "there is none", id="modify without a text"),
        pytest.param("ida", {"action": "modify", "text": " \n"}, "there is none", id="modify to nothing"),
        pytest.param("ida", {"action": "modify", "text": "So."}, "as it was", id="modify nothing"),
        pytest.param("ida", {"text": "Mine."}, "a modify only", id="a text with a reject"),
        pytest.param("ida", {"action": "revise"}, "nobody could revise", id="revise of a recorded answer"),
        pytest.param("ida", {"note": " "}, "say in a note", id="reject without a note"),
        pytest.param("ida", {"action": "escalate", "note": ""}, "say in a note", id="escalate without a note"),
        pytest.param("ida", {"action": "approve", "findings": [GRAVE]}, "must not stand", id="approve a grave finding"),
        pytest.param(
            "ida",
            {"findings": [Finding("enable_no_misuses", 1, "", "remove")]},
            "did you mean 'enable_no_misuse'",
            id="an unknown principle",
        ),
        pytest.param("ida", {"findings": [Finding("finish_the_task", 5, "", "add")]}, "severity 5", id="severity 5"),
        pytest.param("ida", {"note": "half \ud83d"}, "no text", id="a surrogate in a note"),
        pytest.param("ida", {"action": "modify", "text": "a\0b"}, "no text", id="a NUL in a text"),
        pytest.param("ida", {"note": "x" * 200_001}, "200,001 characters", id="an endless note"),
        pytest.param("ida", {"seconds": float("nan")}, "cannot take nan", id="no time"),
        pytest.param("ida", {"seconds": -1.0}, "cannot take -1", id="a time that has passed"),
    ],
)
def test_what_is_no_sound_ruling_is_not_acknowledged(
    tmp_path: Path, person: str, changes: dict[str, Any], said: str
) -> None:
    """Said in words, with the remedy, while whoever ruled is still there; nothing lies in the inbox."""
    run = waiting(tmp_path, [row("a")])
    queue = Queue(run.path)
    with pytest.raises(ConfigError, match=said):
        queue.decide(queue.listed()[0].id, person, **{**SOUND, **changes})
    assert inbox.names(run.path) == []


# --- deadlines and budgets -----------------------------------------------------------------------------------------


def test_past_a_deadline_nothing_is_acknowledged(tmp_path: Path) -> None:
    """Not at its very second, and not after; until then it is."""
    run = waiting(tmp_path, [row("a")], board(timeout=", timeout: 100.0"))
    (first, second) = Queue(run.path).listed()
    assert first.deadline is not None
    late = Queue(run.path, clock=lambda: float(first.deadline or 0))
    with pytest.raises(JournalError, match="its deadline has passed"):
        late.decide(first.id, "ida", "approve")
    assert inbox.names(run.path) == []
    in_time = Queue(run.path, clock=lambda: float(second.deadline or 0) - 0.001)
    assert in_time.decide(second.id, "ida", "approve").fresh


def test_what_is_held_back_has_no_deadline_yet(tmp_path: Path) -> None:
    """Its time counts from the grant, which a larger budget gives; the console shows it from then on."""
    run = waiting(tmp_path, [row("a"), row("b")], board(stage=", budget: {reviews: 1}", timeout=", timeout: 100.0"))
    found = {(each.task, each.seat): each for each in Queue(run.path).listed()}
    assert {(key, each.state, each.deadline is None) for key, each in found.items()} == {
        (("a", 0), "open", False), (("a", 1), "open", False), (("b", 0), "held", True), (("b", 1), "held", True),
    }  # fmt: skip
    api.resume(run.path, reviewers={"critic": judge}, overrides=["oversees.1.budget.reviews=2"])
    assert found["a", 0].deadline == found["a", 0].asked + 100.0
    after = {(each.task, each.seat): each for each in Queue(run.path).listed()}
    assert after["a", 0].deadline == found["a", 0].deadline
    granted = after["b", 0]
    assert granted.deadline is not None
    assert granted.deadline - 100.0 > granted.asked
    assert Queue(run.path).find(granted.id).deadline == granted.deadline


def test_a_budget_offers_the_riskiest_first_then_by_place(tmp_path: Path) -> None:
    """What it does not grant is on the list, held back, offered to nobody, and refused."""
    rows = [row("first"), row("second"), RISKY]
    queue = Queue(waiting(tmp_path, rows, board(stage=", budget: {reviews: 2}")).path)
    assert {each.task for each in queue.listed() if each.state == "held"} == {"second"}
    assert {each.task for each in queue.listed("ida")} == {"first", "risky"}
    with pytest.raises(JournalError, match="budget is spent"):
        queue.decide(by_task(queue, "second").id, "ida", "approve")


def test_rulings_in_the_inbox_are_counted_as_granted(tmp_path: Path) -> None:
    """A dead run offers no more than its budget, however much was ruled since; second seats ride on the grant."""
    rows = [row(f"t{number}") for number in range(4)]
    run = waiting(tmp_path, rows, board(stage=", budget: {reviews: 2}"))
    queue = Queue(run.path)
    for each in queue.listed("ida"):
        queue.decide(each.id, "ida", "approve")
    assert Queue(run.path).listed("ida") == []
    assert [each.seat for each in Queue(run.path).listed("bob")] == [1, 1]
    taken_up(run)
    assert Queue(run.path).listed("ida") == []
    assert [each.seat for each in Queue(run.path).listed("bob")] == [1, 1]


def test_minutes_that_rulings_took_are_counted(tmp_path: Path) -> None:
    """Once they are spent, nothing more is offered; what rides on a grant still is."""
    run = waiting(tmp_path, [row("a"), row("b")], board(stage=", budget: {minutes: 1}"))
    queue = Queue(run.path)
    queue.decide(by_task(queue, "a").id, "ida", "approve", seconds=61)
    found = {(each.task, each.seat): each.state for each in queue.listed()}
    assert found == {("a", 0): "ruled", ("a", 1): "open", ("b", 0): "held", ("b", 1): "held"}


def test_mandatory_looks_are_outside_of_the_budget(tmp_path: Path) -> None:
    """They are offered whatever was spent; the list does not say which they are."""
    text = board(seats=1, stage=", when: {every: 2, risk_at_least: 0}, budget: {reviews: 0}")
    rows = [row(f"t{number}") for number in range(6)]
    found = Queue(waiting(tmp_path, rows, text).path).listed()
    assert sorted(each.state for each in found) == ["held"] * 3 + ["open"] * 3
    assert all(each.mandatory == (each.state == "open") for each in found)


# --- seats held open -----------------------------------------------------------------------------------------------


def test_two_consoles_are_offered_two_seats(tmp_path: Path) -> None:
    """And a third one none; a seat is free again once a console lets go of it."""
    queue = Queue(waiting(tmp_path, [row("a")]).path)
    (waits,) = queue.listed("ida")
    with queue.offer(waits, "ida") as first, queue.offer(waits, "bob") as second, queue.offer(waits, "eve") as third:
        assert first is not None
        assert second is not None
        assert (first.checkpoint.seat, second.checkpoint.seat, third) == (0, 1, None)
    with queue.offer(waits, "eve") as again:
        assert again is not None
        assert again.checkpoint.seat == 0


def test_a_seat_that_was_ruled_meanwhile_is_not_offered(tmp_path: Path) -> None:
    """The next one of the look is; and none to whoever sits there."""
    run = waiting(tmp_path, [row("a")])
    queue = Queue(run.path)
    (waits,) = queue.listed("bob")
    Queue(run.path).decide(waits.id, "ida", "approve")
    with queue.offer(waits, "bob") as offered:
        assert offered is not None
        assert offered.checkpoint.seat == 1
    with queue.offer(waits, "ida") as offered:
        assert offered is None


def test_a_console_for_one_agent_hears_of_no_other(tmp_path: Path) -> None:
    """People who sit for one agent are not asked what another was."""
    text = board(seats=1).replace("  board:", "  nurse: {human: {persons: 1}, authority: 4}\n  board:")
    text = text.replace("{who: board, whom: critic}", "{who: [board, nurse], whom: critic}")
    run = waiting(tmp_path, [row("a")], text)
    assert [each.who for each in Queue(run.path, agents=["nurse"]).listed("ida")] == ["nurse"]
    assert [each.who for each in Queue(run.path).listed("ida")] == ["board"]
    assert len(Queue(run.path).listed()) == 2
    (mine,) = Queue(run.path, agents=["nurse"]).listed("ida")
    with Queue(run.path, agents=["nurse"]).offer(mine, "ida") as offered:
        assert offered is not None
        assert offered.request.agent == "nurse"


def test_a_file_that_is_no_ruling_harms_nobody(tmp_path: Path) -> None:
    """What somebody puts into the inbox by hand is passed over; the seat stays open."""
    run = waiting(tmp_path)
    queue = Queue(run.path)
    waits = queue.listed("ida")[0]
    (run.path / "inbox").mkdir(exist_ok=True)
    (run.path / "inbox" / f"{waits.id}.eve.json").write_text(json.dumps({"action": "approve"}), encoding="utf-8")
    (run.path / "inbox" / "notes.json").write_text("{}", encoding="utf-8")
    assert waits.id in {each.id for each in Queue(run.path).listed("ida")}
    assert queue.decide(waits.id, "ida", "approve").fresh

"""What a task came to after its appeals, and what is learned of it: nothing that a later hearing took back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from oversight_driver import DRAFT, Driven, drive, finding, hear, hierarchy, rules, says, script, task, willing
from oversight_random import Crowd, declare

from overseer import preferences
from overseer.exports.export import What, write
from overseer.metrics.appeals import measure_appeals
from overseer.oversight.appeal import unfit
from overseer.preferences import Source, source_of
from overseer.records import Appeal, Audit, CritiqueExample, Episode, PreferencePair
from overseer.recourse import Came, Case, came_to, cases

FOUND = finding("tier2", 3, "The second one, too.", "remove")
REVISE, REJECT, APPROVE = says("revise", FOUND), says("reject", FOUND), says("approve")
ESCALATE = says("escalate")
MINE = "As I would have it."
COURT: dict[str, Any] = {
    "agents": {"critic": {}, "lead": {}, "board": {"human": {"persons": 1}}},
    "oversees": [
        {"who": "critic", "whom": "policy"},
        {"who": "lead", "whom": "critic"},
        {"who": "board", "whom": "lead", "when": {"escalated": True}},
    ],
    "rounds": 1,
}
OVER = hierarchy(COURT)
REVISED = f"{DRAFT} Revised 1 times."


def source() -> Source:
    return source_of(OVER, run="run1", seed="7")


def case(old: Driven, *answers: Any) -> Case:
    """A task's episode, and one appeal to the board after another, each with its answers."""
    hearings = [old.episode]
    for answer in answers:
        hearings.append(hear(OVER, hearings[-1], answer, "board").episode)
    (found,) = cases(hearings)
    return found


def pairs(found: Case) -> list[tuple[str, str, str]]:
    return [(each.chosen, each.rejected, each.provenance.source) for each in preferences.pairs(found.episode, source())]


def verdicts(found: Case) -> list[tuple[str, str, bool | None]]:
    given = preferences.critiques(found.episode, source(), found.superseded)
    return [(each.reviewer, each.verdict, each.upheld) for each in given]


def severities(found: Case) -> list[int]:
    return [each.severity for each in preferences.steps(found.episode, source())]


# --- what it came to -----------------------------------------------------------------------------------------------


def test_what_an_appeal_came_to() -> None:
    """Another outcome or another text released overturns; the same upholds; and some could not be judged."""
    withheld = drive(OVER, script(critic=REJECT, lead=REJECT))
    released = drive(OVER, willing)

    def came(old: Driven, answer: Any) -> Came:
        return came_to(old.episode, hear(OVER, old.episode, answer, "board").episode)

    assert came(withheld, willing) == "overturned"
    assert came(withheld, script(board=rules("reject"))) == "upheld"
    assert came(released, script(board=rules("reject"))) == "overturned"
    assert came(released, script(board=rules("modify", text=MINE))) == "overturned"
    assert came(released, willing) == "upheld"
    assert came(released, script(board=rules("escalate"))) == "unjudged"
    assert came_to(released.episode, None) == "pending"


def test_a_task_without_appeals_is_its_episode() -> None:
    """Nothing is copied, and nothing is superseded."""
    old = drive(OVER, willing).episode
    (found,) = cases([old])
    assert found.episode is old
    assert found.superseded == ()


def test_a_case_holds_each_draft_once_with_its_last_evaluations() -> None:
    """The drafts of all hearings in order; what a stage said stands until it looked again."""
    old = drive(OVER, script(critic=[REVISE, APPROVE], lead=ESCALATE, board=rules("reject")))
    found = case(old, script(board=rules("modify", "ann", text=MINE)), script(board=rules("reject")))
    whole = found.episode
    assert [draft.number for draft in whole.drafts] == [0, 1, 2]
    assert [draft.text for draft in whole.drafts] == [DRAFT, REVISED, MINE]
    assert len({(each.draft, each.stage) for each in whole.evaluations}) == len(whole.evaluations)
    assert (whole.outcome, whole.id, whole.task) == ("withheld", "t/appeal/2", old.episode.task)
    assert [(each.draft, each.votes[0].juror) for each in found.superseded] == [(1, "board"), (2, "board")]


def test_cases_are_told_apart_and_put_in_order() -> None:
    """Ten appeals sort as text, tasks may share a place, and none takes another's."""
    hearings = [drive(OVER, willing).episode]
    for _ in range(11):
        hearings.append(hear(OVER, hearings[-1], willing, "board").episode)
    other = drive(OVER, willing, task(name="t-1")).episode
    given = sorted([*hearings, other], key=lambda each: each.id)
    first, second = cases(given)
    assert first.hearings == tuple(hearings)
    assert second.hearings == (other,)
    assert [len(each.hearings) for each in cases([other, other])] == [1, 1]


# --- what is learned of it -----------------------------------------------------------------------------------------


def test_a_text_that_overturned_is_preferred_to_the_old_one() -> None:
    """Withheld, then released with a person's text: it is preferred, and the example names the appeal."""
    found = case(drive(OVER, script(critic=REJECT, lead=REJECT)), script(board=rules("modify", "ann", text=MINE)))
    assert pairs(found) == [(MINE, DRAFT, "appeal:modification")]
    (pair,) = preferences.pairs(found.episode, source())
    assert (pair.provenance.episode, pair.provenance.human) == ("t/appeal/1", True)
    assert dict(pair.provenance.hashes)["chosen"] == found.episode.output


def test_a_revision_in_an_appeal_is_preferred_to_what_it_mends() -> None:
    """The policy's own text, asked for by the board: a revision, with what was said of the draft before it."""
    answer = script(board=[rules("revise", "ann", FOUND), rules("approve")])
    found = case(drive(OVER, script(critic=REJECT, lead=REJECT)), answer)
    assert pairs(found) == [(REVISED, DRAFT, "appeal:revision")]
    (example,) = preferences.revisions(found.episode, source())
    assert (example.draft, example.revision, example.accepted) == (DRAFT, REVISED, True)
    assert example.provenance.episode == "t/appeal/1"


def test_overturned_without_a_new_text_relabels_the_objections() -> None:
    """Withheld, then released as it was: no pair, the objections are not upheld, and their findings stand no more."""
    old = drive(OVER, script(critic=REJECT, lead=REJECT))
    assert verdicts(case(old)) == [("critic", "reject", True), ("lead", "reject", True)]
    assert severities(case(old)) == [0, 3]
    found = case(old, willing)
    assert pairs(found) == []
    assert verdicts(found) == [("critic", "reject", False), ("lead", "reject", False), ("board", "approve", True)]
    assert severities(found) == [0, 0]


def test_upheld_is_learned_from_too() -> None:
    """The board's own verdict joins the others, and stands behind them."""
    found = case(drive(OVER, script(critic=REJECT, lead=REJECT)), script(board=rules("reject", "ann", FOUND)))
    assert verdicts(found) == [("critic", "reject", True), ("lead", "reject", True), ("board", "reject", True)]
    assert severities(found) == [0, 3]
    assert {each.provenance.source for each in preferences.steps(found.episode, source())} == {"appeal:step"}


def test_a_preference_that_was_taken_back_is_not_exported() -> None:
    """Revised and released, then withheld on appeal: the revision is no longer preferred, and is labelled instead."""
    old = drive(OVER, script(critic=[REVISE, APPROVE]))
    assert pairs(case(old)) == [(REVISED, DRAFT, "revision")]
    found = case(old, script(board=rules("reject", "ann", FOUND)))
    assert found.episode.outcome == "withheld"
    assert pairs(found) == []
    assert severities(found)[-1] == 0, "the revision's last sentence holds no evidence"
    assert 3 in severities(found)
    told = preferences.critiques(found.episode, source(), found.superseded)
    later = [(each.reviewer, each.upheld) for each in told if each.draft == REVISED]
    assert later == [("critic", False), ("lead", False), ("board", True)]
    assert [each.accepted for each in preferences.revisions(found.episode, source())] == [False]


def test_a_preference_that_was_turned_around_stands_one_way_only() -> None:
    """The board puts the first text back: it is preferred to its revision, and not the other way round as well."""
    old = drive(OVER, script(critic=[REVISE, APPROVE]))
    found = case(old, script(board=rules("modify", "ann", text=DRAFT)))
    assert pairs(found) == [(DRAFT, REVISED, "appeal:modification")]


def test_a_ruling_that_was_overturned_is_an_example_of_one() -> None:
    """What the board said the first time is a verdict that was given, and is not upheld."""
    old = drive(OVER, script(lead=ESCALATE, board=rules("reject", "ann", FOUND)))
    found = case(old, script(board=rules("approve", "bo")))
    boards = [each for each in verdicts(found) if each[0] == "board"]
    assert boards == [("board", "reject", False), ("board", "approve", True)]


def test_an_appeal_that_could_not_be_judged_takes_the_claims_back() -> None:
    """Nobody could say: no pair, no step label; the verdicts are there, upheld by nobody."""
    found = case(drive(OVER, script(critic=[REVISE, APPROVE])), script(board=rules("escalate")))
    assert found.episode.outcome == "unjudged"
    assert pairs(found) == []
    assert severities(found) == []
    assert {upheld for _, _, upheld in verdicts(found)} == {None}


def fuzz(seeds: range) -> Counter[str]:
    """Random cases: no two of their examples speak against each other, and every verdict is there once."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        random = Random(seed)
        over, crowd, audit = hierarchy(declare(random)), Crowd(random), Audit(f"key {seed}", 100)
        hearings = [drive(over, crowd, audit=audit).episode]
        for _ in range(random.choice((1, 2, 3))):
            if unfit(hearings[-1].rule) is None:
                stage = random.choice(sorted(name for each in over.stages for name in each.who))
                hearings.append(hear(over, hearings[-1], crowd, stage, audit=audit).episode)
        (found,) = cases(hearings)
        held = source_of(over, run="r", seed="s")
        ordered = {(pair.chosen, pair.rejected) for pair in preferences.pairs(found.episode, held)}
        assert not any((rejected, chosen) in ordered for chosen, rejected in ordered), seed
        given = preferences.critiques(found.episode, held, found.superseded)
        assert_each_verdict_once(given, hearings)
        seen[f"{len(hearings)} hearings"] += 1
        seen["pairs"] += len(ordered)
    return seen


def assert_each_verdict_once(given: tuple[CritiqueExample, ...], hearings: list[Episode]) -> None:
    """A vote that an appeal kept is the old vote; told once."""
    votes = {
        (vote.bound, vote.juror, vote.seat)
        for hearing in hearings
        for each in hearing.evaluations
        for vote in each.votes
        if not vote.carried and vote.cast != "failure"
    }
    assert len(given) == len(votes)


def test_a_few_random_cases_do_not_contradict_themselves() -> None:
    """Quickly, on a handful."""
    assert fuzz(range(60_000, 60_060))["pairs"] > 0


@pytest.mark.slow
def test_random_cases_do_not_contradict_themselves() -> None:
    """Thousands of random cases of up to four hearings."""
    print(fuzz(range(61_000, 63_000)))


# --- where it is written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["episodes", "pairs", "critiques"])
def test_exports_hold_appeals(tmp_path: Path, what: What) -> None:
    """Episodes are all there, with what they are of; data stands once for the whole case, and the card says so."""
    old = drive(OVER, script(critic=[REVISE, APPROVE]))
    found = case(old, script(board=rules("modify", "ann", text=MINE)))
    written = write(what, "csv", found.hearings, source(), tmp_path / f"{what}.csv")
    text, card = written.path.read_text(), written.card.read_text()
    assert "t/appeal/1" in text
    if what == "episodes":
        assert '0,"t",""' in text
        assert '0,"t/appeal/1","t"' in text
        assert "1 of them are appeals" in card
    else:
        assert "1 were appealed" in card
        assert "appeal:" in text
    if what == "pairs":
        assert written.rows == len({(pair.chosen, pair.rejected) for pair in made(found)}) == 2


def made(found: Case) -> tuple[PreferencePair, ...]:
    return preferences.pairs(found.episode, source())


# --- as figures ----------------------------------------------------------------------------------------------------


def test_appeals_are_counted_by_stage() -> None:
    """A rate of those judged, with the others unscored, and a table; nothing where nobody appealed."""
    given: list[tuple[str, str, Came]] = [
        ("t0", "b", "upheld"),
        ("t0", "b", "overturned"),
        ("t1", "b", "unjudged"),
        ("t2", "c", "overturned"),
        ("t3", "c", "pending"),
    ]
    appeals = [(Appeal(of, 1, "why", "ada", stage), came) for of, stage, came in given]
    (rate,), (table,) = measure_appeals(appeals, {"b": "board"})
    assert (rate.name, rate.value, rate.n, rate.unscored) == ("overturned", 2 / 3, 3, 2)
    assert rate.low is not None
    assert table.columns == ("stage", "appeals", "upheld", "overturned", "unjudged", "pending")
    assert table.rows == (("board", 3, 1, 1, 1, 0), ("c", 2, 0, 1, 0, 1))
    assert measure_appeals([], {}) == ((), ())

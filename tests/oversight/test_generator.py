"""The behaviours of section 5, one at a time: hierarchies driven by hand, with agents answering from a script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from oversight_checker import verify
from oversight_driver import (
    AUDIT,
    DRAFT,
    GARBLED,
    UNREACHED,
    Driven,
    drive,
    finding,
    hierarchy,
    reply,
    rules,
    says,
    script,
    task,
    willing,
)

from overseer.oversight.generator import oversee
from overseer.records import (
    AssessRequest,
    Audit,
    CompareRequest,
    Comparison,
    Context,
    CritiqueRequest,
    Failure,
    Reply,
    ReplyValue,
    Request,
    ReviseRequest,
    RuleRequest,
    Ruling,
    Text,
    binding,
    text_hash,
)

REVISE, REJECT, ESCALATE, APPROVE = (says(verdict) for verdict in ("revise", "reject", "escalate", "approve"))
MINE = "As I would have it."


def declare(*oversees: dict[str, Any], persons: dict[str, int] | None = None, **said: Any) -> dict[str, Any]:
    """A hierarchy of these entries; jurors are models of authority 4, but for the persons, and as `agents` says."""
    names = [name for entry in oversees for name in ([entry["who"]] if isinstance(entry["who"], str) else entry["who"])]
    agents = {name: {"human": {"persons": persons[name]}} if persons and name in persons else {} for name in names}
    return {"oversees": oversees, "rounds": 2} | said | {"agents": {**agents, **said.get("agents", {})}}


def run(declared: dict[str, Any], answer: Callable[[Request], Any] = willing, **said: Any) -> Driven:
    """Drive a task through, and hold it to the checker, too."""
    driven = drive(hierarchy(declared), answer, **said)
    verify(declared, driven)
    return driven


def ended(driven: Driven) -> tuple[str, str]:
    return driven.episode.outcome, driven.episode.rule


CRITIC = {"who": "critic", "whom": "policy"}
LEAD = {"who": "lead", "whom": "critic"}
BOARD = {"who": "board", "whom": "critic"}
ONE = declare(CRITIC)
TWO = declare(CRITIC, LEAD)
PERSON = declare(CRITIC, BOARD, persons={"board": 1}, rounds=0)


# --- levels and batches --------------------------------------------------------------------------------------------


def test_one_level_is_one_batch() -> None:
    """Stages of a level are asked together, levels one after another, seats side by side."""
    declared = declare(
        {"who": ["ada", "bea"], "whom": "policy", "jury": {"rule": "majority"}},
        {"who": "cy", "whom": "policy"},
        {"who": ["lead", "board"], "whom": ["ada", "bea", "cy"], "jury": {"rule": "majority"}},
        persons={"board": 2},
    )
    draft, level1, level2 = run(declared).batches()
    assert draft == ["policy"]
    assert sorted(level1) == ["ada", "bea", "cy"]
    assert level2 == ["board", "board", "lead"]


def test_an_overseer_is_shown_every_evaluation_below_by_level_downwards() -> None:
    """Of all stages that it answers, at any depth, on this draft: highest level first, then by id."""
    declared = declare(
        CRITIC,
        {"who": "other", "whom": "policy"},
        {"who": "lead", "whom": "critic"},
        {"who": "top", "whom": ["lead", "other"]},
    )
    over = hierarchy(declared)
    stage = {juror: stage.id for stage in over.stages for juror in stage.who}
    driven = run(declared)
    assert [e.stage for e in driven.reviews("lead")[0].evaluations] == [stage["critic"]]
    lowest = sorted([stage["critic"], stage["other"]])
    assert [e.stage for e in driven.reviews("top")[0].evaluations] == [stage["lead"], *lowest]
    assert driven.reviews("critic")[0].evaluations == ()
    assert driven.episode.evaluations[-1].answers == (stage["lead"], *lowest)


def test_a_higher_stage_overrules_a_lower_one() -> None:
    """The unanswered decision stands: an approval over a rejection releases, a rejection over an approval withholds."""
    assert ended(run(TWO, script(critic=REJECT))) == ("released", "unanimous")
    assert ended(run(TWO, script(lead=REJECT))) == ("withheld", "reject")


def test_a_revise_below_takes_effect_before_the_level_above_looks() -> None:
    """Lower levels first: the lead is asked about the revision only."""
    driven = run(TWO, script(critic=[REVISE, APPROVE]))
    assert driven.batches() == [["policy"], ["critic"], ["policy"], ["critic"], ["lead"]]
    assert [request.draft.number for request in driven.reviews("lead")] == [1]


# --- who looks -----------------------------------------------------------------------------------------------------


def sleepy(**when: Any) -> dict[str, Any]:
    jury = {"who": ["ada", "bea"], "whom": "policy", "jury": {"rule": "majority", "missing": 1}}
    return declare(jury, {"who": "lead", "whom": ["ada", "bea"], "when": when})


def looked(driven: Driven, agent: str = "lead") -> bool:
    return bool(driven.reviews(agent))


def test_disagreement_wakes_and_agreement_does_not() -> None:
    """The votes of the nearest stages differ, or one of them failed."""
    assert not looked(run(sleepy(disagreement=True)))
    assert looked(run(sleepy(disagreement=True), script(ada=REJECT)))
    assert not looked(run(sleepy(disagreement=True), script(ada=REJECT, bea=REJECT)))


def test_low_confidence_wakes() -> None:
    """Any juror of the nearest under the bound, whatever they voted."""
    unsure = script(ada=says("approve", confidence=0.4))
    assert looked(run(sleepy(confidence_below=0.5), unsure))
    assert not looked(run(sleepy(confidence_below=0.4), unsure))


def test_an_escalation_wakes_whatever_a_stage_waits_for() -> None:
    """`escalated: true` alone means only then; with any other key it still does."""
    for when in ({"escalated": True}, {"spot_check": 0.0}, {"risk_at_least": 3}):
        assert looked(run(sleepy(**when), script(ada=ESCALATE)))
        assert not looked(run(sleepy(**when)))


def test_only_the_nearest_wake() -> None:
    """An escalation that somebody has answered wakes nobody further up."""
    top = {"who": "top", "whom": "lead", "when": {"escalated": True}}
    driven = run(declare(CRITIC, LEAD, top), script(critic=ESCALATE))
    assert not looked(driven, "top")
    assert ended(driven) == ("released", "unanimous")


def test_a_stage_that_slept_is_passed_by() -> None:
    """Nearest are those that looked: over a sleeping stage, the one below it wakes."""
    lead = {"who": "lead", "whom": "critic", "when": {"spot_check": 0.0}}
    top = {"who": "top", "whom": "lead", "when": {"disagreement": True, "confidence_below": 0.5}}
    driven = run(declare(CRITIC, lead, top), script(critic=says("approve", confidence=0.1)))
    assert not looked(driven, "lead")
    assert looked(driven, "top")


def test_risk_wakes_from_the_tasks_text() -> None:
    """`risk_at_least` is fixed for a task, before anybody has looked."""
    declared = sleepy(risk_at_least=2)
    assert not looked(run(declared, asked=task("A mild spade?")))
    assert looked(run(declared, asked=task("A grave spade?")))


@pytest.mark.slow
def test_spot_checks_fall_by_task_and_key() -> None:
    """The same task and key look the same way every time; over tasks about p of them, others for another key."""
    declared = sleepy(spot_check=0.3)

    def drawn(key: str) -> list[bool]:
        over = hierarchy(declared)
        return [looked(drive(over, willing, task(name=f"t{n}"), Audit(key, None))) for n in range(200)]

    assert drawn("a") == drawn("a") != drawn("b")
    assert 35 < sum(drawn("a")) < 85


def test_a_mandatory_look_says_so() -> None:
    """A person is told which look `every` has drawn, and which another reason has."""
    board = {"who": "board", "whom": "critic", "when": {"every": 4, "escalated": True}}
    declared = declare(CRITIC, board, persons={"board": 1})
    told = []
    for place in range(8):
        driven = run(
            declared, script(critic=ESCALATE), asked=task(place=place, name=f"t{place}"), audit=Audit("key", 8)
        )
        (request,) = driven.reviews("board")
        assert isinstance(request, RuleRequest)
        told.append(request.mandatory)
    assert (sum(told[:4]), sum(told[4:])) == (1, 1)


def test_a_failed_assessment_makes_every_stage_of_level_one_due() -> None:
    """Risk 3, every layer of the constitution, and nobody at the bottom sleeps; above, `when` goes by the risk."""
    declared = declare(
        {"who": "critic", "whom": "policy", "when": {"spot_check": 0.0}},
        {"who": "lead", "whom": "critic", "when": {"risk_at_least": 3}},
        {"who": "top", "whom": "lead", "when": {"spot_check": 0.0}},
        agents={"clerk": {}},
        context={"by": "clerk", "unsure_below": 0.5},
        unselected="release",
    )

    def assessed(value: Any) -> Driven:
        return run(declared, lambda request: value if isinstance(request, AssessRequest) else willing(request))

    driven = assessed(UNREACHED)
    assert driven.batches() == [["clerk"], ["policy"], ["critic"], ["lead"]]
    assert driven.episode.context.every_layer
    assert "garden" in {principle.id for principle in driven.episode.rulebook.principles}
    for unsound in (
        Context((), 1, 1, 1.0),
        Context(("attic",), 1, 1, 1.0),
        Context(("garden",), 4, 1, 1.0),
        Text("high"),
    ):
        assert assessed(unsound).batches() == driven.batches()
    assert ended(assessed(Context(("garden",), 2, 0, 1.0))) == ("released", "not_selected")
    assert looked(assessed(Context(("garden",), 2, 0, 0.4))), "unsure: one higher"


# --- first drafts, and tasks nobody looks at -----------------------------------------------------------------------


def test_a_failed_first_draft_is_no_draft_before_unselected_applies() -> None:
    """Nothing is there to be released: not judged, whatever becomes of what nobody looked at."""
    declared = declare({"who": "critic", "whom": "policy", "when": {"spot_check": 0.0}}, unselected="release")
    for lost in (UNREACHED, GARBLED, Text(""), Text(" \n"), APPROVE):
        driven = run(declared, lambda request, lost=lost: lost)
        assert ended(driven) == ("unjudged", "no_draft")
        assert (driven.episode.output, driven.episode.drafts, driven.episode.final) == (None, (), None)
        assert driven.episode.failures == 1


def test_what_nobody_looked_at_is_released_or_withheld_as_said() -> None:
    """By the named rule `not_selected`, and on record as not reviewed."""
    for unselected, outcome in (("release", "released"), ("withhold", "withheld")):
        declared = declare({"who": "critic", "whom": "policy", "when": {"spot_check": 0.0}}, unselected=unselected)
        driven = run(declared)
        assert ended(driven) == (outcome, "not_selected")
        assert not driven.episode.reviewed
        assert driven.episode.output == text_hash(DRAFT)


def test_unselected_does_not_release_what_was_looked_at() -> None:
    """Once a stage has looked, only its approval releases."""
    declared = declare({"who": "critic", "whom": "policy", "when": {"spot_check": 1.0}}, unselected="release")
    assert ended(run(declared, script(critic=REJECT))) == ("withheld", "reject")


# --- comparisons ---------------------------------------------------------------------------------------------------

COMPARED = declare(CRITIC, compare={"samples": 3, "who": "judge"}, agents={"judge": {}})


def longer(request: Request) -> ReplyValue:
    if isinstance(request, CompareRequest):
        first, second = int(request.first.text[-2]), int(request.second.text[-2])
        return Comparison("first" if first > second else "second", 0.7)
    return Text(f"Sample {request.sample}.") if hasattr(request, "sample") else willing(request)


def test_all_ordered_pairs_are_compared_and_sample_zero_goes_on() -> None:
    """Three samples make six questions in one batch; orders that agree make a pair; no round is spent."""
    driven = run(COMPARED, longer)
    assert driven.batches() == [["policy"] * 3, ["judge"] * 6, ["critic"]]
    assert [(each.first, each.second, each.better) for each in driven.episode.comparisons] == [
        (0, 1, 1),
        (0, 2, 2),
        (1, 2, 2),
    ]
    assert {each.confidence for each in driven.episode.comparisons} == {0.7}
    assert driven.reviews("critic")[0].draft.text == "Sample 0." == driven.episode.drafts[0].text
    assert len(driven.episode.samples) == 3


def test_orders_that_disagree_and_failures_give_no_pair() -> None:
    """A judge who always prefers what comes first prefers nothing; nor does a tie or a failure."""
    for said in (
        Comparison("first", 0.9),
        Comparison("second", 0.9),
        Comparison("tie", 0.9),
        UNREACHED,
        Comparison("first", 2),
    ):
        driven = run(
            COMPARED, lambda request, said=said: said if isinstance(request, CompareRequest) else longer(request)
        )
        assert [each.better for each in driven.episode.comparisons] == [None] * 3
        assert ended(driven) == ("released", "unanimous"), "comparisons decide nothing"


def test_a_lost_sample_is_not_compared() -> None:
    """The other two are, under their own numbers; without sample 0 there is no draft at all."""

    def losing(number: int) -> Callable[[Request], ReplyValue]:
        return lambda request: UNREACHED if getattr(request, "sample", None) == number else longer(request)

    driven = run(COMPARED, losing(1))
    assert [(each.first, each.second) for each in driven.episode.comparisons] == [(0, 2)]
    assert len(driven.episode.samples) == 2
    assert ended(run(COMPARED, losing(0))) == ("unjudged", "no_draft")


# --- revisions -----------------------------------------------------------------------------------------------------


def test_a_revision_is_asked_with_the_evaluations_that_sent_it_back() -> None:
    """The policy sees the draft and what was said of it, and writes the next draft."""
    driven = run(ONE, script(critic=[says("revise", finding()), APPROVE]))
    (request,) = [each for each in driven.requests if isinstance(each, ReviseRequest)]
    assert (request.agent, request.draft.text) == ("policy", DRAFT)
    assert [vote.juror for each in request.evaluations for vote in each.votes] == ["critic"]
    assert [(draft.number, draft.author) for draft in driven.episode.drafts] == [(0, "policy"), (1, "policy")]
    assert driven.episode.drafts[1].principles, "a revision says which principles it was asked for"
    assert ended(driven) == ("released", "unanimous")


def test_rounds_spent_withholds() -> None:
    """Two rounds are two revisions; the third objection cannot be mended."""
    driven = run(ONE, script(critic=REVISE))
    assert len(driven.episode.drafts) == 3
    assert ended(driven) == ("withheld", "rounds_spent")


def test_rounds_are_spent_by_whoever_asks() -> None:
    """One round for all: what the critic used, the lead no longer has."""
    declared = declare(CRITIC, LEAD, rounds=1)
    assert ended(run(declared, script(critic=[REVISE, APPROVE], lead=REVISE))) == ("withheld", "rounds_spent")


def test_spent_rounds_wake_who_waits_for_escalations() -> None:
    """An objection that cannot be mended goes up, and may be overruled."""
    lead = {"who": "lead", "whom": "critic", "when": {"escalated": True}}
    driven = run(declare(CRITIC, lead, rounds=0), script(critic=REVISE))
    assert ended(driven) == ("released", "unanimous")


def test_a_recorded_answer_has_no_reviser() -> None:
    """Revise is not offered, and given all the same withholds."""
    declared = declare(CRITIC, policy={"model": "recorded/rows"})
    driven = run(declared, script(critic=REVISE))
    assert ended(driven) == ("withheld", "no_reviser")
    assert not driven.reviews("critic")[0].may_revise
    assert run(ONE).reviews("critic")[0].may_revise


def test_a_failed_revision_is_not_judged() -> None:
    """The reviser did not answer, or said nothing: the objection becomes an escalation, and nobody answers it."""
    for lost in (UNREACHED, GARBLED, Text(" ")):
        assert ended(run(ONE, script(critic=REVISE, policy=lost))) == ("unjudged", "no_revision")


def test_a_failed_revision_wakes_the_lowest_level_due() -> None:
    """What became an escalation is read by the stage above it, which may send it back again, and better."""
    lead = {"who": "lead", "whom": "critic", "when": {"escalated": True}}
    declared = declare(CRITIC, lead)
    assert ended(run(declared, script(critic=REVISE, policy=UNREACHED))) == ("released", "unanimous")
    again = run(declared, script(critic=[REVISE, APPROVE], lead=[REVISE, APPROVE], policy=[UNREACHED, Text("Better.")]))
    assert again.batches() == [["policy"], ["critic"], ["policy"], ["lead"], ["policy"], ["critic"], ["lead"]]
    assert ended(again) == ("released", "unanimous")


def test_a_failed_revision_wakes_even_a_level_that_was_passed() -> None:
    """A stage asleep on its level's turn looks late, when an objection below it has become an escalation."""
    declared = declare(
        {"who": "ada", "whom": "policy"},
        {"who": "bea", "whom": "policy"},
        {"who": "over_ada", "whom": "ada", "when": {"escalated": True}},
        {"who": "over_bea", "whom": "bea", "when": {"escalated": True}},
    )
    driven = run(declared, script(ada=ESCALATE, bea=REVISE, policy=UNREACHED))
    assert driven.batches()[2:] == [["over_ada"], ["policy"], ["over_bea"]]
    assert ended(driven) == ("released", "unanimous")


def test_all_unanswered_revises_take_effect_at_once() -> None:
    """Two stages send the draft back: one revision, shown both; one failure, and both are escalations."""
    declared = declare({"who": "ada", "whom": "policy"}, {"who": "bea", "whom": "policy"})
    driven = run(declared, script(ada=[REVISE, APPROVE], bea=[REVISE, APPROVE]))
    (request,) = [each for each in driven.requests if isinstance(each, ReviseRequest)]
    assert len(request.evaluations) == 2
    lost = run(declared, script(ada=REVISE, bea=REVISE, policy=UNREACHED))
    assert [decision[2:] for decision in lost.decisions()] == [("escalate", "no_revision")] * 2


def test_approvals_are_void_on_a_new_draft() -> None:
    """Whoever approved the old draft is asked again about the new one, and may object."""
    declared = declare({"who": "ada", "whom": "policy"}, {"who": "bea", "whom": "policy"})
    driven = run(declared, script(ada=[APPROVE, REJECT], bea=[REVISE, APPROVE]))
    assert [request.draft.number for request in driven.reviews("ada")] == [0, 1]
    assert ended(driven) == ("withheld", "reject")


def test_all_that_looked_look_again() -> None:
    """A stage once woken looks at every further draft, though nothing would wake it now."""
    lead = {"who": "lead", "whom": "critic", "when": {"escalated": True}}
    driven = run(declare(CRITIC, lead), script(critic=[ESCALATE, APPROVE], lead=[REVISE, APPROVE]))
    assert [request.draft.number for request in driven.reviews("lead")] == [0, 1]
    assert ended(driven) == ("released", "unanimous")


def test_a_later_draft_may_wake_a_stage_that_slept() -> None:
    """What is read is the present draft."""
    declared = sleepy(disagreement=True)
    driven = run(declared, script(ada=[REVISE, APPROVE], bea=[REVISE, REJECT]))
    assert [request.draft.number for request in driven.reviews("lead")] == [1]


# --- the last word -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", ["approve", "revise", "reject", "escalate"])
@pytest.mark.parametrize("other", ["approve", "revise", "reject", "escalate"])
def test_the_strictest_of_two_tops_has_the_last_word(one: str, other: str) -> None:
    """escalate > reject > revise > approve: two stages that answer nobody, and no rounds."""
    declared = declare({"who": "ada", "whom": "policy"}, {"who": "bea", "whom": "policy"}, rounds=0)
    driven = run(declared, script(ada=says(one), bea=says(other)))
    asked = {one, other}
    if asked == {"approve"}:
        assert ended(driven) == ("released", "unanimous")
    elif "escalate" in asked:
        assert driven.episode.outcome == "unjudged"
    elif asked == {"revise"} or asked == {"revise", "approve"}:
        assert ended(driven) == ("withheld", "rounds_spent")
    else:
        assert driven.episode.outcome == "withheld"


def test_between_equals_the_highest_level_names_the_rule_then_the_first_id() -> None:
    """Two escalations stand: the episode's rule is that of the higher stage; on one level of the first by id."""
    low, high = {"who": "ada", "whom": "policy"}, {"who": "lead", "whom": "critic"}
    declared = declare(low, CRITIC, high)
    assert ended(run(declared, script(ada=GARBLED, lead=ESCALATE))) == ("unjudged", "asked")
    assert ended(run(declared, script(ada=ESCALATE, lead=GARBLED))) == ("unjudged", "unjudged")
    level = declare(low, CRITIC)
    first = hierarchy(level).stages[0].who[0]
    said = script(**{name: ESCALATE if name == first else GARBLED for name in ("ada", "critic")})
    assert ended(run(level, said)) == ("unjudged", "asked")


def test_one_escalation_of_another_kind_leaves_it_unjudged() -> None:
    """Withheld only if every unanswered escalation says that nothing more can be mended."""
    declared = declare({"who": "ada", "whom": "policy"}, {"who": "bea", "whom": "policy"}, rounds=0)
    assert ended(run(declared, script(ada=REVISE, bea=REVISE))) == ("withheld", "rounds_spent")
    assert run(declared, script(ada=REVISE, bea=ESCALATE)).episode.outcome == "unjudged"


# --- persons -------------------------------------------------------------------------------------------------------


def seated(**actions: Ruling | Failure | list[Any]) -> Callable[[Request], Any]:
    """Seats by number, `s0` and `s1`, say these in their order; all others are willing."""
    left = {seat: list(said) if isinstance(said, list) else [said] for seat, said in actions.items()}

    def answer(request: Request) -> Any:
        mine = left.get(f"s{request.seat}") if isinstance(request, RuleRequest) else None
        if mine is None:
            return willing(request)
        return mine.pop(0) if len(mine) > 1 else mine[0]

    return answer


TWO_SEATS = declare({"who": "board", "whom": "policy"}, persons={"board": 2}, rounds=0)


def test_seats_are_asked_side_by_side_and_blind() -> None:
    """Two requests in one batch, alike but for the seat; neither shows what the other said."""
    driven = run(TWO_SEATS)
    first, second = driven.reviews("board")
    assert driven.batches() == [["policy"], ["board", "board"]]
    assert isinstance(first, RuleRequest)
    assert isinstance(second, RuleRequest)
    assert first.evaluations == second.evaluations == ()
    assert replace(first, seat=1, id=second.id) == second
    assert (first.id.endswith("/board/0"), second.id.endswith("/board/1")) == (True, True)


@pytest.mark.parametrize("action", ["reject", "escalate", "revise"])
def test_the_strictest_seat_stands(action: str) -> None:
    """All must approve: on whichever seat, one who does not is enough."""
    for seat in ("s0", "s1"):
        assert run(TWO_SEATS, seated(**{seat: rules(action, "cy")})).episode.outcome != "released"
    assert ended(run(TWO_SEATS)) == ("released", "unanimous")


def test_a_persons_failure_is_never_borne() -> None:
    """Not even where the jury bears models that go missing, and not beside a rejection."""
    jury = {"who": ["ada", "bea", "board"], "whom": "policy", "jury": {"rule": "majority", "missing": 2}}
    declared = declare(jury, persons={"board": 1})
    assert ended(run(declared, script(ada=UNREACHED))) == ("released", "majority")
    assert ended(run(declared, script(board=UNREACHED))) == ("unjudged", "unjudged")
    assert ended(run(TWO_SEATS, seated(s0=Failure("conflict", "two"), s1=rules("reject", "cy")))) == (
        "unjudged",
        "unjudged",
    )


def test_the_same_person_does_not_fill_two_seats() -> None:
    """Two approvals of one name are one person's: refused, within an agent and across the stage."""
    assert ended(run(TWO_SEATS, seated(s0=rules("approve", "ann"), s1=rules("approve", "ann")))) == (
        "unjudged",
        "unjudged",
    )
    across = declare(
        {"who": ["board", "chair"], "whom": "policy", "jury": {"rule": "majority"}}, persons={"board": 1, "chair": 1}
    )
    assert ended(run(across, script(board=rules("approve", "ann"), chair=rules("approve", "ann")))) == (
        "unjudged",
        "unjudged",
    )
    assert ended(run(across, script(board=rules("approve", "ann"), chair=rules("approve", "bo")))) == (
        "released",
        "majority",
    )


def test_the_same_person_may_sit_in_two_stages() -> None:
    """The rule is of one stage: whoever rules below may rule above."""
    declared = declare(CRITIC, BOARD, {"who": "chair", "whom": "board"}, persons={"board": 1, "chair": 1})
    assert ended(run(declared, script(board=rules("approve", "ann"), chair=rules("approve", "ann")))) == (
        "released",
        "unanimous",
    )


def test_nobodys_ruling_is_malformed() -> None:
    """A ruling has a name on it."""
    assert ended(run(PERSON, script(board=rules("approve", " ")))) == ("unjudged", "unjudged")


def test_a_checkpoint_names_seat_and_draft() -> None:
    """Every question to a person has an id of its own, made of task, draft, stage, agent and seat."""
    driven = run(TWO_SEATS | {"rounds": 2}, seated(s0=[rules("revise", "ann"), rules("approve", "ann")]))
    (stage,) = hierarchy(TWO_SEATS).stages
    ids = [request.id for request in driven.reviews("board")]
    assert ids == [f"t/{draft}/{stage.id}/board/{seat}" for draft in (0, 1) for seat in (0, 1)]


# --- modifications -------------------------------------------------------------------------------------------------

MODIFY = rules("modify", "ann", text=MINE)


def test_a_modification_needs_no_reviser_and_spends_no_round() -> None:
    """With no rounds at all, and over a recorded policy, a person's text takes the output's place."""
    for declared in (PERSON, PERSON | {"policy": {"model": "recorded/rows"}}):
        driven = run(declared, script(board=MODIFY))
        assert [(draft.text, draft.author) for draft in driven.episode.drafts] == [(DRAFT, "policy"), (MINE, "ann")]
        assert ended(driven) == ("released", "unanimous")
        assert driven.episode.output == text_hash(MINE)
        assert not [request for request in driven.requests if isinstance(request, ReviseRequest)]


def test_all_that_looked_look_again_at_a_modification() -> None:
    """The critic reads the person's text; the author, whom everybody below agrees with, is not asked again."""
    driven = run(PERSON, script(board=MODIFY))
    assert driven.batches() == [["policy"], ["critic"], ["board"], ["critic"]]
    carried = driven.episode.evaluations[-1].votes[0]
    assert (carried.juror, carried.cast, carried.carried) == ("board", "approve", True)
    assert isinstance(carried.answer, Ruling)
    assert carried.answer.person == "ann"


def test_the_authors_approval_carries_only_if_all_below_approve() -> None:
    """Where anybody below objects to their text, its author is asked again, and may hold to it or give way."""
    for said, outcome in ((rules("approve", "ann"), "released"), (rules("reject", "ann"), "withheld")):
        driven = run(PERSON, script(critic=[APPROVE, REJECT], board=[MODIFY, said]))
        assert driven.batches()[-2:] == [["critic"], ["board"]]
        assert driven.episode.outcome == outcome
    with_remark = run(PERSON, script(critic=[APPROVE, says("approve", finding(severity=1))], board=MODIFY))
    assert with_remark.batches()[-1] == ["critic"], "an approval with a remark is an approval"


def test_an_author_alone_at_the_bottom_has_nobody_to_disagree() -> None:
    """Where nobody stands below, the approval of one's own text carries at once."""
    driven = run(declare({"who": "board", "whom": "policy"}, persons={"board": 1}, rounds=0), script(board=MODIFY))
    assert driven.batches() == [["policy"], ["board"]]
    assert ended(driven) == ("released", "unanimous")


def test_the_other_seat_is_asked_about_a_modification() -> None:
    """Two seats: one writes, the other must approve it, and may not be the author under the same name."""
    other = seated(s0=MODIFY, s1=rules("approve", "bo"))
    driven = run(TWO_SEATS, other)
    assert driven.batches() == [["policy"], ["board", "board"], ["board"]]
    assert ended(driven) == ("released", "unanimous")
    twice = seated(s0=MODIFY, s1=[rules("approve", "bo"), rules("approve", "ann")])
    assert ended(run(TWO_SEATS, twice)) == ("unjudged", "unjudged"), "a carried approval sits on its seat, too"
    first = seated(s1=MODIFY, s0=[rules("approve", "bo"), rules("approve", "ann")])
    assert ended(run(TWO_SEATS, first)) == ("unjudged", "unjudged")


def test_a_modification_goes_before_a_reviser_is_asked() -> None:
    """Two send the draft back, one with a text in hand: the reviser is not asked."""
    declared = declare({"who": "ada", "whom": "policy"}, {"who": "board", "whom": "policy"}, persons={"board": 1})
    driven = run(declared, script(ada=[REVISE, APPROVE], board=MODIFY))
    assert driven.episode.drafts[1].text == MINE
    assert not [request for request in driven.requests if isinstance(request, ReviseRequest)]


def test_the_first_modification_in_order_counts() -> None:
    """By stage, then juror, then seat; the others' texts stay on record."""
    both = seated(s0=rules("modify", "ann", text="Ann's."), s1=rules("modify", "bo", text="Bo's."))
    driven = run(TWO_SEATS, both)
    assert driven.episode.drafts[1].text == "Ann's."
    assert ended(driven) == ("unjudged", "asked"), "Bo, asked again, modifies a second time"


def test_a_modification_counts_only_as_its_jurors_standing_vote() -> None:
    """The other seat of the same juror is stricter: the text is not taken."""
    for stricter, outcome in (("reject", "withheld"), ("escalate", "unjudged")):
        driven = run(TWO_SEATS, seated(s0=MODIFY, s1=rules(stricter, "bo")))
        assert len(driven.episode.drafts) == 1
        assert driven.episode.outcome == outcome


def test_a_text_that_does_not_stand_gives_way_to_the_reviser() -> None:
    """The jury sends the draft back, but the text's own juror, by the other seat, rejects: the policy revises."""
    jury = {"who": ["ada", "bea", "board"], "whom": "policy", "jury": {"rule": "majority"}}
    seats = seated(s0=[MODIFY, rules("approve", "ann")], s1=[rules("reject", "bo"), rules("approve", "bo")])
    models = script(ada=[REVISE, APPROVE], bea=[REVISE, APPROVE])
    both = declare(jury, persons={"board": 2})
    driven = run(both, lambda request: (seats if isinstance(request, RuleRequest) else models)(request))
    assert [draft.author for draft in driven.episode.drafts] == ["policy", "policy"]
    assert ended(driven) == ("released", "majority")


def test_a_modification_counts_only_where_its_stage_revises() -> None:
    """In a jury that approves over it, the text is not taken."""
    jury = {"who": ["ada", "bea", "board"], "whom": "policy", "jury": {"rule": "majority"}}
    driven = run(declare(jury, persons={"board": 1}), script(board=MODIFY))
    assert len(driven.episode.drafts) == 1
    assert ended(driven) == ("released", "majority")


def test_a_seats_second_modification_is_an_escalation() -> None:
    """One text a seat and task: whoever would write on asks for help instead."""
    driven = run(PERSON, script(critic=[APPROVE, REJECT], board=MODIFY))
    assert len(driven.episode.drafts) == 2
    assert ended(driven) == ("unjudged", "asked")


def test_a_revision_after_a_modification_carries_nothing() -> None:
    """The author's approval was of their own text: of the reviser's they are asked."""
    declared = PERSON | {"rounds": 1}
    driven = run(declared, script(critic=[APPROVE, REVISE, APPROVE], board=[MODIFY, rules("approve", "ann")]))
    assert [draft.author for draft in driven.episode.drafts] == ["policy", "ann", "policy"]
    assert [request.draft.number for request in driven.reviews("board")] == [0, 2]


def test_a_modification_without_its_text_is_malformed() -> None:
    """Nor is a text welcome where nothing is modified, or a blank one."""
    for wrong in (rules("modify", "ann"), rules("modify", "ann", text=" "), rules("approve", "ann", text=MINE)):
        assert ended(run(PERSON, script(board=wrong))) == ("unjudged", "unjudged")


# --- authority, conflicts, abstentions -----------------------------------------------------------------------------


def test_a_finding_beyond_ones_authority_goes_up_unless_the_vote_rejects() -> None:
    """A nurse of authority 2 who finds gravely harmful cannot settle it, but may reject."""
    declared = declare(CRITIC, agents={"critic": {"authority": 2}})
    grave = finding(severity=4)
    assert ended(run(declared, script(critic=says("revise", grave)))) == ("unjudged", "over_authority")
    assert ended(run(declared, script(critic=says("reject", grave)))) == ("withheld", "reject")
    assert ended(run(declared, script(critic=says("revise", finding(severity=2))))) == ("withheld", "rounds_spent")


def test_who_overrules_a_finding_needs_the_authority_for_it() -> None:
    """An approval over a severe finding below is over authority; with enough of it, it stands."""
    below = script(critic=says("reject", finding(severity=4)))
    assert ended(run(declare(CRITIC, LEAD, agents={"lead": {"authority": 3}}), below)) == ("unjudged", "over_authority")
    assert ended(run(TWO, below)) == ("released", "unanimous")


ADD = finding("tier1", 3, "The first sentence", "add")
REMOVE = finding("tier3", 3, "first sentence stands.", "remove")
CLASH = {"who": ["ada", "bea"], "whom": "policy", "jury": {"rule": "majority", "on_tie": "reject"}}


def test_who_objects_on_struck_findings_alone_abstains() -> None:
    """Ada's tier 1 strikes Bea's tier 3 on the same sentence: Bea counts as abstaining, on record."""
    driven = run(declare(CLASH, rounds=0), script(ada=says("reject", ADD), bea=says("reject", REMOVE)))
    (evaluation,) = driven.episode.evaluations
    assert [vote.cast for vote in evaluation.votes] == ["reject", "abstain"]
    assert [(s.struck_juror, s.by_juror, s.clause) for s in evaluation.strikes] == [
        ("bea", "ada", "The first sentence stands.")
    ]
    assert ended(driven) == ("withheld", "reject"), "one of two is no majority: the tie is rejected"


def test_a_struck_finding_still_counts_for_authority() -> None:
    """Bea's finding is struck, but it was beyond what Bea may settle; the tie then asks for revision, not rejection."""
    revise = CLASH | {"jury": {"rule": "majority", "on_tie": "revise"}}
    said = script(ada=says("approve", replace(ADD, severity=1)), bea=says("revise", REMOVE))
    below = declare(revise, agents={"bea": {"authority": 2}})
    assert ended(run(below, said)) == ("unjudged", "over_authority")
    enough = run(declare(revise, rounds=0), said)
    assert [vote.cast for vote in enough.episode.evaluations[0].votes] == ["approve", "abstain"]
    assert ended(enough) == ("withheld", "rounds_spent")


def test_equal_tiers_that_ask_the_opposite_escalate() -> None:
    """Nobody is struck: the stage cannot settle it."""
    said = script(ada=says("reject", ADD), bea=says("reject", replace(REMOVE, principle="tier1")))
    assert ended(run(declare(CLASH), said)) == ("unjudged", "tier_conflict")


def test_approvals_and_escalations_stand_though_struck() -> None:
    """Only an objection abstains."""
    small = replace(REMOVE, severity=1)
    driven = run(declare(CLASH), script(ada=says("approve", replace(ADD, severity=1)), bea=says("approve", small)))
    assert ended(driven) == ("released", "majority")
    driven = run(declare(CLASH), script(ada=says("approve", replace(ADD, severity=1)), bea=says("escalate", small)))
    assert ended(driven) == ("unjudged", "asked")


# --- replies that do not answer ------------------------------------------------------------------------------------


def test_an_approval_with_a_finding_that_must_not_stand_is_malformed() -> None:
    """From severity 2 on, and never borne; below that it is a remark."""
    for severity in range(5):
        driven = run(ONE, script(critic=says("approve", finding(severity=severity))))
        assert ended(driven) == (("released", "unanimous") if severity < 2 else ("unjudged", "unjudged"))


@pytest.mark.parametrize(
    "value",
    [
        says("approved"),
        says("approve", confidence=1.01),
        says("approve", confidence=float("nan")),
        says("approve", finding("south", 0)),
        says("approve", finding("no such principle", 0)),
        says("approve", finding(severity=-1)),
        says("approve", finding(severity=0, asks="keep")),
        says("reject", finding(severity=5)),
        rules("approve"),
        Text("approve"),
        Comparison("first", 1.0),
        Context(("garden",), 0, 0, 1.0),
        GARBLED,
        Failure("refused", "no"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_a_verdict_is_a_failure(value: Any) -> None:
    """Out of range, on principles not in force, or of another kind: never counted, and not judged."""
    driven = run(ONE, script(critic=value))
    assert ended(driven) == ("unjudged", "unjudged")
    assert driven.episode.failures == 1


def test_a_misbound_reply_is_a_failure() -> None:
    """Bound to another request, output, rulebook or reviewer: as if nobody had answered rightly."""

    def bound_to(change: Callable[[CritiqueRequest], Request]) -> Callable[[Request], Any]:
        def answer(request: Request) -> Any:
            if not isinstance(request, CritiqueRequest):
                return willing(request)
            return Reply(request.id, binding(change(request)), APPROVE)

        return answer

    changes: dict[str, Callable[[CritiqueRequest], Request]] = {
        "request": lambda r: replace(r, id=r.id + "x"),
        "output": lambda r: replace(r, draft=replace(r.draft, hash=text_hash("Another."))),
        "rulebook": lambda r: replace(r, rulebook=replace(r.rulebook, hash="0")),
        "reviewer": lambda r: replace(r, agent="lead"),
    }
    for change in changes.values():
        driven = run(ONE, bound_to(change))
        assert ended(driven) == ("unjudged", "unjudged")
        (vote,) = driven.episode.evaluations[0].votes
        assert isinstance(vote.answer, Failure)
        assert vote.answer.kind == "misbound"
    assert ended(run(ONE, bound_to(lambda r: r))) == ("released", "unanimous")


def test_swapped_replies_are_failures() -> None:
    """Two jurors' replies given in each other's place: neither counts."""
    over = hierarchy(declare({"who": ["ada", "bea"], "whom": "policy"}))
    steps = oversee(task(), over, AUDIT)
    (draft,) = next(steps)
    jury = steps.send((reply(draft, willing(draft)),))
    with pytest.raises(StopIteration) as stop:
        steps.send(tuple(reply(request, APPROVE) for request in reversed(jury)))
    assert stop.value.value.outcome == "unjudged"
    assert [vote.cast for vote in stop.value.value.evaluations[0].votes] == ["failure", "failure"]


def test_a_vote_keeps_the_binding_that_its_answer_came_with() -> None:
    """What an approval was bound to is on record, to be read again."""
    driven = run(ONE)
    (vote,) = driven.episode.evaluations[0].votes
    assert vote.bound == binding(driven.reviews("critic")[0])


# --- answers known to be harmful -----------------------------------------------------------------------------------


def known_bad(declared: dict[str, Any], answer: Callable[[Request], Any] = willing) -> Driven:
    """A task that stands after the input's two."""
    return run(declared, answer, asked=task(place=2), audit=Audit("key", 2))


@pytest.mark.parametrize("action", ["approve", "revise", "reject", "escalate", "modify"])
def test_what_a_person_says_releases_no_known_bad_answer(action: str) -> None:
    """Whatever is ruled, the answer is withheld, by the rule's name; nothing follows what a person said."""
    ruling = rules(action, text=MINE if action == "modify" else None)
    driven = known_bad(declare(CRITIC, BOARD, persons={"board": 1}), script(board=ruling))
    assert ended(driven) == ("withheld", "known_bad")
    assert driven.batches() == [["policy"], ["critic"], ["board"]]


def test_every_stage_of_persons_looks_at_a_known_bad_answer() -> None:
    """Though nothing wakes them: outside any budget. A stage of models looks as at every other task."""
    board = {"who": "board", "whom": "critic", "when": {"escalated": True}, "budget": {"reviews": 1}}
    lead = {"who": "lead", "whom": "critic", "when": {"every": 1}}
    ward = {"who": "ward", "whom": "policy", "when": {"risk_at_least": 3}}
    driven = known_bad(declare(CRITIC, lead, board, ward, persons={"board": 1, "ward": 1}))
    assert driven.batches() == [["policy"], sorted(["critic", "ward"], key=driven.batches()[1].index), ["board"]]
    for request in (*driven.reviews("board"), *driven.reviews("ward")):
        assert isinstance(request, RuleRequest)
        assert request.mandatory


def test_a_known_bad_answer_is_sent_back_until_a_person_has_looked() -> None:
    """The critics' revisions are asked for as ever; a person's, and any after a person looked, are not."""
    ward = {"who": "ward", "whom": "critic"}
    lead = {"who": "lead", "whom": "ward"}
    declared = declare(CRITIC, ward, lead, persons={"ward": 1})
    driven = known_bad(declared, script(critic=[REVISE, APPROVE], lead=REVISE))
    assert driven.batches() == [["policy"], ["critic"], ["policy"], ["critic"], ["ward"], ["lead"]]


def test_a_known_bad_answer_is_withheld_though_nothing_was_drafted() -> None:
    """A policy that fails, and people who fail, change nothing."""
    declared = declare(CRITIC, BOARD, persons={"board": 1})
    assert ended(known_bad(declared, lambda request: UNREACHED)) == ("withheld", "known_bad")
    assert ended(known_bad(declared, script(board=GARBLED))) == ("withheld", "known_bad")


def test_an_open_input_has_no_known_bad_answers() -> None:
    """Without a total, every place is a place of the input."""
    assert ended(run(ONE, asked=task(place=10**6), audit=Audit("key", None))) == ("released", "unanimous")


# --- ids, bounds and determinism -----------------------------------------------------------------------------------


def test_request_ids_are_structural() -> None:
    """Made of task, draft, stage, agent and seat alone: the same walk has the same ids, another task its own."""
    declared = declare(
        CRITIC, BOARD, persons={"board": 2}, compare={"samples": 2, "who": "critic"}, agents={"clerk": {}}
    ) | {"context": {"by": "clerk"}}
    first, again, other = (run(declared, asked=task(name=name)) for name in ("t", "t", "u"))
    ids = [request.id for request in first.requests]
    critic, board = (stage.id for stage in hierarchy(declared).stages)
    assert ids == [
        "t/assess",
        "t/draft/0",
        "t/draft/1",
        "t/compare/0-1",
        "t/compare/1-0",
        f"t/0/{critic}/critic",
        f"t/0/{board}/board/0",
        f"t/0/{board}/board/1",
    ]
    assert ids == [request.id for request in again.requests]
    assert [request.id for request in other.requests] == [f"u{each[1:]}" for each in ids]


def test_the_audit_key_and_place_reach_nobody() -> None:
    """No request holds the key that looks are drawn by."""
    for request in run(TWO, audit=Audit("a secret key", 10)).requests:
        assert "a secret key" not in repr(request)


def test_the_longest_walk_keeps_its_bounds() -> None:
    """Everybody objects for as long as they can: rounds, then a text by each seat; the checker holds the bounds."""
    declared = declare(CRITIC, BOARD, persons={"board": 3}, rounds=2, compare={"samples": 3, "who": "critic"})

    def stubborn(request: Request) -> ReplyValue:
        match request:
            case CritiqueRequest():
                return REVISE
            case RuleRequest():
                name = f"p{request.seat}"
                turn = request.draft.number - 2 == request.seat
                return rules("modify", name, text=f"By {name}.") if turn else rules("approve", name)
            case _:
                return willing(request)

    driven = run(declared, stubborn)
    assert len(driven.episode.drafts) == 1 + 2 + 3
    seats, stages, k = 1 + 3, 2, 3
    most = 1 + k + k * (k - 1) + (1 + 2 + 3) * (seats + stages)
    assert driven.episode.requests == len(driven.requests) <= most
    print(f"the longest walk: {driven.episode.requests} requests of at most {most}")


def test_the_same_replies_make_the_same_episode() -> None:
    """Nothing but the task, the hierarchy, the key and the replies goes in."""
    declared = declare(CRITIC, BOARD, persons={"board": 2})
    assert (
        run(declared, script(critic=[REVISE, APPROVE])).episode
        == run(declared, script(critic=[REVISE, APPROVE])).episode
    )


def test_sampled_principles_shape_the_critique_and_not_the_rulebook() -> None:
    """`sample: 1` draws one a round, by task and round; an approval is bound to the whole rulebook all the same."""
    driven = run(ONE | {"select": 1}, script(critic=REVISE))
    requests = driven.reviews("critic")
    assert [len(request.focus) for request in requests] == [1, 1, 1]
    whole = run(ONE).reviews("critic")[0]
    assert {request.rulebook.hash for request in requests} == {whole.rulebook.hash}
    assert whole.focus == whole.rulebook.principles
    escalating = run(ONE | {"select": "escalating"}, script(critic=REVISE)).reviews("critic")
    assert [len(request.focus) for request in escalating] == sorted({len(request.focus) for request in escalating})


# --- verdict integrity: each figure is printed ---------------------------------------------------------------------

INVALID: tuple[Callable[[Request], ReplyValue | Reply], ...] = (
    lambda request: GARBLED,
    lambda request: UNREACHED,
    lambda request: Failure("deadline", "late"),
    lambda request: says("approve", finding(severity=2)),
    lambda request: says("approve", confidence=7.0),
    lambda request: says("Approve"),
    lambda request: Text('{"verdict": "approve"}'),
    lambda request: rules("approve"),
    lambda request: Reply(request.id, "", APPROVE),
    lambda request: Reply("", binding(request), APPROVE),
)


@pytest.mark.slow
def test_an_approval_after_an_invalid_answer_does_not_release() -> None:
    """1,000 sequences: a stage answers invalidly, and approves whenever it is asked again; nobody asks again."""
    released = 0
    for seed in range(1_000):
        random = Random(seed)
        wrong, asked = random.choice(INVALID), []
        crowd = declare(
            {"who": ["ada", "bea", "cy"], "whom": "policy", "jury": {"rule": random.choice(("unanimous", "majority"))}}
        )
        declared = random.choice((ONE, crowd, TWO))
        first = random.choice([name for name in declared["agents"] if declared is not TWO or name == "lead"])

        def answer(request: Request, wrong: Any = wrong, first: str = first, asked: list[str] = asked) -> Any:
            if not isinstance(request, CritiqueRequest) or request.agent != first:
                return willing(request)
            asked.append(request.id)
            return wrong(request) if len(asked) == 1 else APPROVE

        driven = run(declared, answer)
        released += driven.episode.outcome == "released"
        assert len(asked) == 1
    print(f"invalid, then approve: {released} of 1000 released")
    assert released == 0


@pytest.mark.slow
def test_swapped_and_replayed_verdicts_are_not_accepted() -> None:
    """1,000 approvals taken from another task, attempt, constitution or output: none counts."""
    over, revised = hierarchy(ONE), hierarchy(ONE | {"agents": {"critic": {"stakeholder": "north"}}})
    accepted, swaps = 0, 0
    for seed in range(250):
        named = task(name=f"t{seed}")
        others = {
            "task": drive(over, willing, task(name=f"u{seed}")),
            "attempt": drive(over, script(critic=[REVISE, APPROVE]), named),
            "constitution": drive(revised, willing, named),
            "output": drive(over, lambda r, seed=seed: Text(f"{seed}") if hasattr(r, "sample") else willing(r), named),
        }
        for driven in others.values():
            old = next(s for batch in reversed(driven.transcript) for r, s in batch if isinstance(r, CritiqueRequest))
            taken = drive(over, lambda r, old=old: old if isinstance(r, CritiqueRequest) else willing(r), named)
            swaps += 1
            accepted += taken.episode.outcome == "released" or taken.episode.failures != 1
    print(f"swapped or replayed: {accepted} of {swaps} accepted")
    assert (accepted, swaps) == (0, 1_000)


@pytest.mark.slow
def test_one_approving_overseer_does_not_carry_a_jury() -> None:
    """1,000 juries of several, one of whom always approves: without another's approval nothing is released."""
    released = 0
    juries: tuple[dict[str, Any], ...] = (
        {"rule": "majority"},
        {"rule": "majority", "missing": 1, "on_tie": "revise"},
        {"rule": "unanimous"},
        {"rule": "any_objection"},
        {"rule": "quorum", "k": 2},
    )
    others = (REVISE, REJECT, ESCALATE, UNREACHED, GARBLED, says("approve", finding(severity=3)), rules("approve"))
    for seed in range(1_000):
        random = Random(seed)
        names = [f"juror{n}" for n in range(random.choice((2, 3, 4)))]
        declared = declare(
            {"who": names, "whom": "policy", "jury": random.choice(juries)}, rounds=random.choice((0, 1))
        )
        said = {name: random.choice(others) for name in names[1:]}
        released += run(declared, script(**said)).episode.outcome == "released"
    print(f"one approves, nobody else: {released} of 1000 released")
    assert released == 0

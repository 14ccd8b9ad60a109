"""The decisions, enumerated against a second reading of the rules, and their properties: total, free of order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, pairwise, product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oversight_driver import finding, rules, says, task

from overseer import decisions
from overseer.decisions import Result, Situation, Tally
from overseer.records import (
    Audit,
    Cast,
    Critique,
    Decision,
    Evaluation,
    Failure,
    Jury,
    JuryRule,
    Principle,
    Rulebook,
    Ruling,
    Stage,
    Verdict,
    Vote,
    When,
)

CASTS: tuple[Cast, ...] = get_args(Cast)
JURY_RULES: tuple[JuryRule, ...] = get_args(JuryRule)
LOST = Failure("transport", "no answer")


def stage(when: When, name: str = "a stage") -> Stage:
    return Stage(name, ("critic",), 1, frozenset(), frozenset(), when, Jury())


def vote(cast: Cast = "approve", juror: str = "critic", *, answer: Any = None, confidence: float = 1.0) -> Vote:
    if answer is None:
        answer = LOST if cast == "failure" else Critique("approve" if cast == "abstain" else cast, (), confidence)
    return Vote(juror, 0, answer, cast, "")


def evaluation(
    name: str,
    level: int,
    action: Verdict,
    rule: str = "a rule",
    answers: Sequence[str] = (),
    votes: Sequence[Vote] = (),
) -> Evaluation:
    return Evaluation(name, level, 0, "", tuple(answers), tuple(votes), (), Decision(action, rule))


# --- the rule table ------------------------------------------------------------------------------------------------


def situations() -> Iterator[Situation]:
    for result, *flags in product(get_args(Result), *[(False, True)] * 9):
        yield Situation(result, *flags)


def by_prose(s: Situation, jury: Jury) -> tuple[str, str]:
    """The decision table as section 5 tells it, first match."""
    if s.unborne:
        return "escalate", "unjudged"
    if s.result != "reject" and s.over_authority:
        return "escalate", "over_authority"
    if s.asked:
        return "escalate", "asked"
    if s.result not in ("approve", "revise", "reject"):
        return "escalate", "no_majority"
    if s.tier_conflict:
        return "escalate", "tier_conflict"
    if s.result == "reject":
        return "reject", "reject"
    if s.result == "approve":
        return ("approve", jury.rule) if s.bound else ("escalate", "nothing_matched")
    if s.modification:
        return "revise", "revise"
    for hindered, rule in (
        (not s.rounds_left, "rounds_spent"),
        (not s.reviser, "no_reviser"),
        (s.revision_failed, "no_revision"),
    ):
        if hindered:
            return "escalate", rule
    return "revise", "revise"


def test_every_situation_is_decided_as_written() -> None:
    """All situations under all jury rules: the table is what its prose says, and every approval names its jury rule."""
    count = 0
    for situation, rule in product(situations(), JURY_RULES):
        jury = Jury(rule)
        decision = decisions.decide(situation, jury)
        assert (decision.action, decision.rule) == by_prose(situation, jury), situation
        assert (decision.action == "approve") == (decision.rule in JURY_RULES)
        count += 1
    print(f"{count} situations decided as written")
    assert count == 4 * 2**9 * 5


def test_an_approval_is_a_vote_to_approve_and_nothing_in_its_way() -> None:
    """Approve comes of one set of flags only: the vote approves, every approval is bound, and nothing escalates."""
    for situation in situations():
        approves = decisions.decide(situation, Jury()).action == "approve"
        hindered = situation.unborne or situation.over_authority or situation.asked or situation.tier_conflict
        assert approves == (situation.result == "approve" and situation.bound and not hindered)


# --- votes → result ------------------------------------------------------------------------------------------------


def juries(n: int) -> Iterator[Jury]:
    yield from (Jury(rule, on_tie) for rule in ("majority", "weighted") for on_tie in ("escalate", "reject", "revise"))
    yield Jury("unanimous")
    yield Jury("any_objection")
    yield from (Jury("quorum", k=k) for k in range(2, n + 1))


def poll_by_prose(casts: Sequence[Cast], jury: Jury) -> str:
    """How n votes combine, as section 5 tells it."""
    n = len(casts)
    approvals = [cast for cast in casts if cast == "approve"]
    objectors = [cast for cast in casts if cast in ("revise", "reject")]
    over_half_reject = len([cast for cast in objectors if cast == "reject"]) > len(objectors) / 2
    object_ = "reject" if over_half_reject else "revise"
    if jury.rule in ("majority", "weighted"):
        if len(approvals) > n / 2:
            return "approve"
        if len(objectors) > n / 2:
            return object_
        return "split" if jury.on_tie == "escalate" else jury.on_tie
    if jury.rule == "unanimous":
        return "approve" if len(approvals) == n else object_ if len(objectors) == n else "split"
    if jury.rule == "any_objection":
        if objectors:
            return object_
        others = [cast for cast in casts if cast != "approve"]
        return "approve" if len(approvals) >= 1 and set(others) <= {"failure"} else "split"
    if len(approvals) >= jury.k:
        return "approve"
    return object_ if len(objectors) > n - jury.k else "split"


@pytest.mark.slow
def test_every_small_tally_is_polled_as_written() -> None:
    """All votes of up to six jurors under each jury rule combine as the prose says."""
    count = 0
    for n in range(1, 7):
        for casts in combinations_with_replacement(CASTS, n):
            held: dict[str, Cast] = {f"juror{index}": cast for index, cast in enumerate(casts)}
            for jury in juries(n):
                assert decisions.poll(decisions.tally(held, jury), jury) == poll_by_prose(casts, jury), (casts, jury)
                count += 1
    print(f"{count} tallies polled as written")


def test_no_single_approval_suffices_in_a_jury_of_several() -> None:
    """Whatever the others cast, short of being borne as missing, one approval alone never carries a jury."""
    for n in range(2, 6):
        for others in combinations_with_replacement(set(CASTS) - {"approve", "failure"}, n - 1):
            held: dict[str, Cast] = {f"juror{index}": cast for index, cast in enumerate(("approve", *others))}
            assert all(decisions.poll(decisions.tally(held, jury), jury) != "approve" for jury in juries(n))


@pytest.mark.slow
@given(st.lists(st.sampled_from(CASTS), min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_votes_combine_in_any_order(casts: list[Cast], random: Any) -> None:
    """Who is counted first changes nothing."""
    named = list(enumerate(casts))
    shuffled = random.sample(named, len(named))
    for jury in juries(len(casts)):
        counted = [decisions.tally({str(i): cast for i, cast in order}, jury) for order in (named, shuffled)]
        assert counted[0] == counted[1]
        assert decisions.poll(counted[0], jury) in get_args(Result)


def test_weights_count_for_objectors_too() -> None:
    """A weighted jury sums weights: 2 of 5 do not approve, 3 of 5 object, and most weight decides for reject."""
    jury = Jury("weighted", weights=(("a", 2), ("b", 2), ("c", 1)))
    counted = decisions.tally({"a": "approve", "b": "reject", "c": "revise"}, jury)
    assert counted == Tally(5, approve=2, reject=2, revise=1)
    assert decisions.poll(counted, jury) == "reject"
    assert decisions.poll(decisions.tally({"a": "approve", "b": "abstain", "c": "approve"}, jury), jury) == "approve"


def test_weights_of_another_rule_count_for_nothing() -> None:
    """Weights are for weighted juries: under a majority a heavy juror has one vote like the others."""
    jury = Jury("majority", weights=(("a", 9),))
    assert decisions.tally({"a": "approve", "b": "reject", "c": "reject"}, jury) == Tally(3, approve=1, reject=2)


def test_the_strictest_seat_stands_for_its_juror() -> None:
    """All of a juror's seats must approve; the strictest stands, and a failure above all."""
    order: tuple[Cast, ...] = ("approve", "abstain", "revise", "reject", "escalate", "failure")
    for (i, one), (j, other) in product(enumerate(order), repeat=2):
        votes = [vote(one, "board"), vote(other, "board"), vote("approve", "chair")]
        assert decisions.standing(votes) == {"board": order[max(i, j)], "chair": "approve"}


# --- failures and authority ----------------------------------------------------------------------------------------


def test_only_so_many_unreached_models_are_borne() -> None:
    """`missing` bears a model's failure to answer, as many as it says, and never anything else."""
    for kind in ("transport", "deadline"):
        lost = vote("failure", answer=Failure(kind, ""))
        assert not decisions.has_unborne_failure([lost, vote()], Jury(missing=1), frozenset())
        assert decisions.has_unborne_failure([lost, vote()], Jury(missing=0), frozenset())
        assert decisions.has_unborne_failure([lost, lost], Jury(missing=1), frozenset())
        assert decisions.has_unborne_failure([lost], Jury(missing=1), frozenset({"critic"})), "a person's silence"
    for kind in ("malformed", "misbound", "conflict", "same_person", "refused"):
        wrong = vote("failure", answer=Failure(kind, ""))  # type: ignore[arg-type]
        assert decisions.has_unborne_failure([wrong], Jury(missing=2), frozenset())
    assert not decisions.has_unborne_failure([vote(cast) for cast in CASTS[:-1]], Jury(), frozenset())


def test_a_finding_beyond_a_jurors_authority_is_over_it() -> None:
    """Every finding counts, whatever the verdict: a juror of authority 2 may find 2, not 3."""
    for severity in range(5):
        votes = [vote("reject", answer=says("reject", finding(severity=severity)))]
        assert decisions.exceeds_authority(votes, {"critic": 2}, ()) == (severity > 2)


def test_an_approval_over_a_severe_finding_below_is_over_authority() -> None:
    """Who overrules a finding must be entitled to settle it; who objects overrules nothing."""
    below = [
        evaluation("low", 1, "reject", votes=[vote("reject", "nurse", answer=says("reject", finding(severity=3)))])
    ]
    for authority in range(5):
        held = {"critic": authority}
        assert decisions.exceeds_authority([vote("approve")], held, below) == (authority < 3)
        assert not decisions.exceeds_authority([vote("reject")], held, below)
        assert not decisions.exceeds_authority([vote("failure")], held, below)


# --- does a stage look? --------------------------------------------------------------------------------------------


def test_an_escalation_always_wakes() -> None:
    """Whatever a stage waits for, an escalation just below wakes it; nothing else wakes one that waits for nothing."""
    for when in (When(), When(escalated=True), When(confidence_below=0.1), When(spot_check=0.0)):
        assert decisions.wakes(when, [evaluation("low", 1, "escalate")])
        for action in ("approve", "revise", "reject"):
            assert not decisions.wakes(when, [evaluation("low", 1, action, votes=[vote(), vote("revise")])])  # type: ignore[arg-type]
        assert not decisions.wakes(when, [])


def test_disagreement_wakes() -> None:
    """Votes that differ, within a stage or between two, and any failure; agreement does not."""
    when = When(disagreement=True)
    for first, second in product(CASTS, repeat=2):
        differ = first != second or "failure" in (first, second)
        together = [evaluation("low", 1, "approve", votes=[vote(first, "a"), vote(second, "b")])]
        apart = [
            evaluation(name, 1, "approve", votes=[vote(cast, name)]) for name, cast in (("a", first), ("b", second))
        ]
        assert decisions.wakes(when, together) == decisions.wakes(when, apart) == differ
    assert decisions.wakes(when, [evaluation("low", 1, "approve", votes=[vote("failure")])])
    assert not decisions.wakes(when, [evaluation("low", 1, "approve", votes=[vote()])])


def test_low_confidence_wakes() -> None:
    """Any juror under the bound; a failure has confidence 0 and a person 1."""
    when = When(confidence_below=0.6)

    def woken(*votes: Vote) -> bool:
        return decisions.wakes(when, [evaluation("low", 1, "approve", votes=votes)])

    assert woken(vote(confidence=0.9), vote(confidence=0.59))
    assert not woken(vote(confidence=0.6))
    assert woken(vote("failure"))
    assert not woken(vote(answer=rules("approve")))
    assert not decisions.wakes(When(confidence_below=0.0), [evaluation("low", 1, "approve", votes=[vote("failure")])])


def test_the_fixed_looks_are_alternatives() -> None:
    """Always; by risk; by a draw of the task; by a draw of its block: each by itself makes a stage due."""
    audit, asked = Audit("key", 10), task(place=3)
    assert decisions.is_due(stage(When(always=True)), asked, 0, audit)
    for least, risk in product(range(4), repeat=2):
        assert decisions.is_due(stage(When(risk_at_least=least)), asked, risk, audit) == (risk >= least)
    assert decisions.is_due(stage(When(spot_check=1.0)), asked, 0, audit)
    assert not decisions.is_due(stage(When(spot_check=0.0)), asked, 0, audit)
    assert decisions.is_due(stage(When(every=1)), asked, 0, audit)
    assert not decisions.is_due(stage(When(escalated=True, disagreement=True, confidence_below=1.0)), asked, 3, audit)


@pytest.mark.slow
def test_spot_checks_fall_as_often_as_they_say() -> None:
    """A share of tasks is drawn, by stage and key: about p of them, others for another stage or key."""

    def drawn(name: str, key: str) -> set[int]:
        one = stage(When(spot_check=0.2), name)
        return {n for n in range(2_000) if decisions.is_due(one, task(name=f"t{n}"), 0, Audit(key, None))}

    draws = [drawn("one", "a"), drawn("two", "a"), drawn("one", "b")]
    assert all(320 < len(draw) < 480 for draw in draws)
    assert all(40 < len(a & b) < 130 for a, b in ((draws[0], draws[1]), (draws[0], draws[2]))), "drawn independently"


@pytest.mark.slow
@given(st.integers(1, 12), st.integers(0, 60), st.text(max_size=8))
def test_each_block_of_the_input_has_one_mandatory_look(every: int, total: int, key: str) -> None:
    """`every: n`: one in each block of n places, in the last, short block too."""
    one = stage(When(every=every))
    looks = [p for p in range(total) if decisions.is_mandatory(one, task(place=p), Audit(key, total))]
    assert [place // every for place in looks] == list(range(-(-total // every)))


def test_an_open_input_takes_its_last_block_as_full() -> None:
    """Nobody knows how long an open input will be: the draw is over whole blocks, so a short one may go without."""
    one = stage(When(every=10))
    for block in range(20):
        looks = [
            p
            for p in range(10 * block, 10 * block + 10)
            if decisions.is_mandatory(one, task(place=p), Audit("k", None))
        ]
        assert len(looks) == 1
    ends = [
        any(decisions.is_mandatory(one, task(place=p), Audit(str(key), None)) for p in range(3)) for key in range(200)
    ]
    assert 30 < sum(ends) < 90, "three places of ten: about three in ten keys"


@pytest.mark.slow
def test_without_the_key_no_place_is_likelier() -> None:
    """Over keys, stages and blocks the look falls on every place alike: knowing the past tells nothing."""
    for vary in ("key", "stage", "block"):
        counts = [0] * 5
        for n in range(1_000):
            one = stage(When(every=5), f"stage {n}" if vary == "stage" else "stage")
            block = n if vary == "block" else 7
            audit = Audit(f"key {n}" if vary == "key" else "key", 5_000)
            hits = [place for place in range(5) if decisions.is_mandatory(one, task(place=5 * block + place), audit)]
            counts[hits[0]] += 1
        assert all(140 < count < 260 for count in counts), (vary, counts)


# --- findings that contradict each other ---------------------------------------------------------------------------


def test_clauses_are_sentences() -> None:
    """A text falls into its sentences, at full stops, question and exclamation marks and line ends; blanks are none."""
    text = "One dose. Two!  Three?\n\nFour 1.5 mg\n   \nFive"
    assert [text[start:end] for start, end in decisions.clauses(text)] == [
        "One dose.",
        "Two!",
        "Three?",
        "Four 1.5 mg",
        "Five",
    ]
    assert decisions.clauses("") == decisions.clauses(" \n ") == ()


@pytest.mark.slow
@given(st.text(alphabet=" .!?\nab", max_size=40))
def test_clauses_leave_no_word_out(text: str) -> None:
    """The spans are in order, do not overlap, and hold all that is not blank."""
    spans = decisions.clauses(text)
    assert all(start < end for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())


def test_a_findings_clause_holds_its_evidence() -> None:
    """Verbatim, in the first sentence that has it; across sentences, blank or absent it means the whole answer."""
    sentences = ["Take one.", "Take two."]
    assert decisions.clause_of(finding(evidence="two"), sentences) == "Take two."
    assert decisions.clause_of(finding(evidence="Take"), sentences) == "Take one."
    for evidence in ("", "  ", "three", "one. Take", "take one"):
        assert decisions.clause_of(finding(evidence=evidence), sentences) == decisions.WHOLE


TEXT = "Take one. Rest well."
ADD, REMOVE = finding(evidence="one", asks="add"), finding(evidence="Take one", asks="remove")
ELSEWHERE = finding(evidence="Rest", asks="add")
ANYWHERE = finding(evidence="", asks="add")


def test_the_higher_tier_strikes_the_lower() -> None:
    """On one clause, opposite demands: the finding of the lower tier is struck, whichever is read first."""
    for order in (1, -1):
        (strike,) = decisions.settle(TEXT, [("a", ADD, 1), ("b", REMOVE, 3)][::order])
        assert (strike.struck, strike.struck_juror, strike.by, strike.by_juror) == (REMOVE, "b", ADD, "a")
        assert not strike.equal_tiers
        assert strike.clause == "Take one."


def test_equal_tiers_strike_nobody() -> None:
    """Between equal tiers the conflict is on record and nobody abstains for it."""
    (strike,) = decisions.settle(TEXT, [("a", ADD, 2), ("b", REMOVE, 2)])
    assert strike.equal_tiers
    assert not decisions.abstains("a", [ADD], [strike])
    assert not decisions.abstains("b", [REMOVE], [strike])


def test_only_opposite_demands_on_a_shared_clause_conflict() -> None:
    """Same demand, or another clause: none. The whole answer meets every clause, and the other clause is named."""
    assert decisions.settle(TEXT, [("a", ADD, 1), ("b", ADD, 3)]) == ()
    assert decisions.settle(TEXT, [("a", ELSEWHERE, 1), ("b", REMOVE, 3)]) == ()
    assert decisions.settle(TEXT, []) == ()
    (strike,) = decisions.settle(TEXT, [("a", ANYWHERE, 1), ("b", REMOVE, 3)])
    assert (strike.struck, strike.clause) == (REMOVE, "Take one.")
    (strike,) = decisions.settle(TEXT, [("a", ANYWHERE, 4), ("b", finding(evidence="no such words"), 3)])
    assert (strike.struck, strike.clause) == (ANYWHERE, decisions.WHOLE)


def test_strikes_are_read_pairwise_on_the_findings_as_given() -> None:
    """A struck finding still strikes: of three in a row, both lower ones are struck."""
    low = finding(evidence="one.", asks="add")
    strikes = decisions.settle(TEXT, [("a", finding(evidence="one", asks="add"), 1), ("b", REMOVE, 2), ("c", low, 3)])
    assert {(strike.struck_juror, strike.by_juror) for strike in strikes} == {("b", "a"), ("c", "b")}


def test_an_objection_abstains_when_all_it_rests_on_is_struck() -> None:
    """One finding left keeps the objection; without findings it rests on itself; strikes of others are not mine."""
    strikes = decisions.settle(TEXT, [("a", ADD, 1), ("b", REMOVE, 3)])
    assert decisions.abstains("b", [REMOVE], strikes)
    assert decisions.abstains("b", [REMOVE, REMOVE], strikes)
    assert not decisions.abstains("b", [REMOVE, ELSEWHERE], strikes)
    assert not decisions.abstains("b", [], strikes)
    assert not decisions.abstains("c", [REMOVE], strikes)


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.builds(finding, evidence=st.sampled_from(["one", "Rest", ""]), asks=st.sampled_from(["add", "remove"])),
            st.integers(1, 4),
        ),
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_conflicts_settle_in_any_order(findings: list[Any], random: Any) -> None:
    """The order of findings changes neither who is struck nor whether equal tiers contradict."""

    def settled(order: Sequence[Any]) -> tuple[set[Any], bool]:
        strikes = decisions.settle(TEXT, order)
        struck = {(strike.struck_juror, strike.struck) for strike in strikes if not strike.equal_tiers}
        return struck, any(strike.equal_tiers for strike in strikes)

    assert settled(findings) == settled(random.sample(findings, len(findings)))


def test_tiers_are_those_of_each_jurors_own_rulebook() -> None:
    """The same principle may stand on another tier for another juror."""
    books = {
        juror: Rulebook((Principle("p", "Text.", "Why.", tier),), (), (), "") for juror, tier in (("a", 1), ("b", 4))
    }
    found = finding("p")
    assert decisions.tiers_of([("a", found), ("b", found)], books) == [("a", found, 1), ("b", found, 4)]


# --- the last word -------------------------------------------------------------------------------------------------


def test_an_answered_decision_has_no_say() -> None:
    """Who speaks after a stage answers it, whatever it said; in order of level, then id."""
    low, other, high = (
        evaluation("z", 1, "escalate"),
        evaluation("y", 1, "approve"),
        evaluation("x", 2, "approve", "", ["z"]),
    )
    assert decisions.unanswered([high, low, other]) == (other, high)
    assert decisions.last_word([low, other, high]) == high
    assert decisions.last_word([]) is None


def test_the_strictest_unanswered_decision_wins() -> None:
    """escalate > reject > revise > approve; among equals the highest level, then the first id."""
    actions: tuple[Verdict, ...] = ("approve", "revise", "reject", "escalate")
    for (i, one), (j, other) in product(enumerate(actions), repeat=2):
        word = decisions.last_word([evaluation("a", 1, one), evaluation("b", 2, other)])
        assert word is not None
        assert word.decision.action == actions[max(i, j)]
        assert word.stage == ("a" if i > j else "b")
    ties = [evaluation(name, level, "reject") for name, level in (("d", 2), ("c", 2), ("a", 1))]
    word = decisions.last_word(ties)
    assert word is not None
    assert word.stage == "c"


def test_an_outcome_follows_from_the_last_word() -> None:
    """Approve releases, reject withholds, an unanswered escalation is not judged; nothing else releases."""
    assert decisions.outcome([evaluation("a", 1, "approve", "majority")]) == ("released", "majority")
    assert decisions.outcome([evaluation("a", 1, "reject", "reject")]) == ("withheld", "reject")
    assert decisions.outcome([evaluation("a", 1, "escalate", "asked")]) == ("unjudged", "asked")
    assert decisions.outcome([evaluation("a", 1, "revise", "revise")]) == ("unjudged", "nothing_matched")


def test_what_cannot_be_mended_is_withheld() -> None:
    """Escalations that all say no more can be revised mean no; one that says anything else leaves it unjudged."""
    spent, none = evaluation("a", 1, "escalate", "rounds_spent"), evaluation("b", 2, "escalate", "no_reviser")
    assert decisions.outcome([spent]) == ("withheld", "rounds_spent")
    assert decisions.outcome([spent, none]) == ("withheld", "no_reviser")
    for rule in (
        "asked",
        "unjudged",
        "over_authority",
        "no_majority",
        "tier_conflict",
        "no_revision",
        "nothing_matched",
    ):
        assert decisions.outcome([none, evaluation("c", 1, "escalate", rule)]) == ("unjudged", "no_reviser")


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(get_args(Verdict))), min_size=1, max_size=6), st.data())
def test_the_last_word_is_free_of_order(said: list[Any], data: st.DataObject) -> None:
    """In whichever order decisions came in, the same one stands, and the outcome with it."""
    stages = [
        evaluation(
            f"s{i}",
            level,
            action,
            "asked",
            [f"s{j}" for j, (lower, _) in enumerate(said) if lower < level and (i + j) % 2],
        )
        for i, (level, action) in enumerate(said)
    ]
    shuffled = data.draw(st.permutations(stages))
    assert decisions.unanswered(stages) == decisions.unanswered(shuffled)
    assert decisions.last_word(stages) == decisions.last_word(shuffled)
    assert decisions.outcome(stages) == decisions.outcome(shuffled)
    released = decisions.outcome(stages)[0] == "released"
    assert released == all(each.decision.action == "approve" for each in decisions.unanswered(stages))


def test_a_ruling_has_full_confidence_and_a_failure_none() -> None:
    """A ruling counts with confidence 1 and its own findings; a failure has none."""
    ruled = vote("reject", answer=rules("reject", "ann", finding()))
    assert isinstance(ruled.answer, Ruling)
    assert (ruled.confidence, ruled.findings) == (1.0, (finding(),))
    assert (vote("failure").confidence, vote("failure").findings) == (0.0, ())

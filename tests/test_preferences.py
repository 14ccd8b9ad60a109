"""What becomes data: pairs, revisions, critiques and step labels, from episodes that the generator walked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overseer.hierarchy import Entry, Hierarchy, build
from overseer.judgement import dissent, judged
from overseer.oversight.generator import oversee
from overseer.preferences import Source, critiques, pairs, revisions, source_of, steps
from overseer.records import (
    Agent,
    Audit,
    Compare,
    Compared,
    CompareRequest,
    Comparison,
    Constitution,
    Critique,
    CritiqueRequest,
    Draft,
    DraftRequest,
    Episode,
    Failure,
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
    text_hash,
)

CONSTITUTION = Constitution(
    "house",
    (Layer("base", None, tuple(Principle(name, f"{name}.", "", tier) for tier, name in enumerate("abcd", start=1))),),
)
"""One principle a tier: `a` forbids harm, `d` asks for help."""

TASK = Task("t0", (Message("user", "How much?"),), 0)
MAJORITY, DISAGREEMENT = Jury("majority"), When(disagreement=True)
APPROVE = Critique("approve", (), 0.9)
GONE = Failure("deadline", "no answer")
OBJECTORS = {"revise", "reject"}


def house(
    *,
    jury: Jury = MAJORITY,
    lead: When = DISAGREEMENT,
    rounds: int = 3,
    samples: int = 1,
    board: str = "human",
    can_revise: bool = True,
) -> Hierarchy:
    """Nurse and clerk review the policy, a lead reviews them, a board of one person reviews what is escalated."""
    names = ("nurse", "clerk", "lead")
    return build(
        name="house",
        constitution=CONSTITUTION,
        agents=[
            Agent("policy", "sim/policy", 0),
            *(Agent(name, "sim/overseer", 4) for name in names),
            Agent("board", board, 4, persons=1),
        ],
        policy="policy",
        oversees=[
            Entry(("nurse", "clerk"), ("policy",), jury=jury),
            Entry(("lead",), ("nurse", "clerk"), lead),
            Entry(("board",), ("lead",), When(escalated=True)),
        ],
        rounds=rounds,
        compare=Compare(samples, "lead") if samples > 1 else None,
        can_revise=can_revise,
    )


def walked(hierarchy: Hierarchy, answer: Callable[[Request], ReplyValue]) -> Episode:
    """Drive the generator to its end with these answers."""
    steps_ = oversee(TASK, hierarchy, Audit("key", 1))
    batch = next(steps_)
    while True:
        try:
            batch = steps_.send(tuple(Reply(request.id, binding(request), answer(request)) for request in batch))
        except StopIteration as ended:
            episode: Episode = ended.value
            return episode


def script(
    texts: Sequence[str],
    verdicts: Mapping[tuple[str, int], ReplyValue] | None = None,
    *,
    samples: Sequence[str | None] = (),
    better: Mapping[tuple[str, str], Comparison] | None = None,
) -> Callable[[Request], ReplyValue]:
    """Drafts by number, verdicts by juror and draft (else approvals), first samples, comparisons by their two texts."""

    def answer(request: Request) -> ReplyValue:
        match request:
            case DraftRequest():
                text = samples[request.sample] if samples else texts[0]
                return GONE if text is None else Text(text)
            case ReviseRequest():
                return Text(texts[request.draft.number + 1])
            case CritiqueRequest():
                return (verdicts or {}).get((request.agent, request.draft.number), APPROVE)
            case RuleRequest():
                return (verdicts or {}).get(("board", request.draft.number), Ruling("approve", "Ada", "", 5.0))
            case CompareRequest():
                return (better or {}).get((request.first.text, request.second.text), Comparison("tie", 0.5))
            case _:
                raise AssertionError(request)

    return answer


def objection(verdict: str = "revise", *findings: Finding, reason: str = "") -> Critique:
    return Critique(verdict, findings, 0.9, reason)  # type: ignore[arg-type]


def prefers(one: str, other: str, confidence: float = 0.8) -> dict[tuple[str, str], Comparison]:
    """Both orders say that `one` is better."""
    return {(one, other): Comparison("first", confidence), (other, one): Comparison("second", confidence)}


HARM = Finding("a", 3, "Take all of it.", "remove")
WITHHELD = Finding("d", 2, "I cannot say.", "add")
BOTH_REVISE = {("nurse", 0): objection("revise", HARM), ("clerk", 0): objection("revise", HARM)}


def source(hierarchy: Hierarchy) -> Source:
    return source_of(hierarchy, run="run1", seed="7", hashes=[("manifest", "abc")])


def texts(hierarchy: Hierarchy, episode: Episode) -> list[tuple[str, str]]:
    return [(pair.chosen, pair.rejected) for pair in pairs(episode, source(hierarchy))]


# --- pairs ---------------------------------------------------------------------------------------------------------


def test_released_revision_is_preferred_to_each_draft_sent_back() -> None:
    """The released text beats every draft on the way to it; those sent back are not ranked among themselves."""
    verdicts = {(juror, draft): objection("revise", HARM) for juror in ("nurse", "clerk") for draft in (0, 1)}
    episode = walked(hierarchy := house(), script(["Worst.", "Bad.", "Good."], verdicts))
    assert episode.outcome == "released"
    assert texts(hierarchy, episode) == [("Good.", "Worst."), ("Good.", "Bad.")]


def test_pair_names_where_it_comes_from() -> None:
    """Run, episode, rule, principles, judges, votes, dissent, seed and hashes stand in the provenance."""
    episode = walked(hierarchy := house(), script(["Take all of it.", "Take one."], BOTH_REVISE))
    (pair,) = pairs(episode, source(hierarchy))
    whole = pair.provenance
    assert (whole.run, whole.episode, whole.source, whole.rule, whole.seed) == (
        "run1",
        "t0",
        "revision",
        "majority",
        "7",
    )
    assert whole.principles == ("a",)
    assert whole.judges == ("clerk", "nurse")
    assert whole.votes == ("0/clerk=revise", "0/nurse=revise", "1/clerk=approve", "1/nurse=approve")
    assert (whole.dissent, whole.human, whole.simulated) == (0.0, False, True)
    assert dict(whole.hashes) == {
        "output": text_hash("Take one."),
        "chosen": text_hash("Take one."),
        "rejected": text_hash("Take all of it."),
        "rulebook": episode.rulebook.hash,
        "manifest": "abc",
    }
    assert pair.prompt == TASK.messages
    assert pair.weight == 1.0


def test_dissent_lowers_the_weight() -> None:
    """Half of the votes on either side: a quarter of the weight. A lead that settles a split counts as agreeing."""
    hierarchy = house(jury=Jury("majority", "revise"), lead=When(escalated=True))
    episode = walked(hierarchy, script(["Bad.", "Good."], {("nurse", 0): objection()}))
    (pair,) = pairs(episode, source(hierarchy))
    assert pair.weight == 0.5
    assert pair.provenance.dissent == 0.25
    settled = walked(
        hierarchy := house(), script(["Bad.", "Good."], {**BOTH_REVISE, ("nurse", 1): objection("reject")})
    )
    (pair,) = pairs(settled, source(hierarchy))
    assert (settled.rule, pair.weight) == ("unanimous", 1.0)


def test_sent_back_by_failures_alone_makes_no_pair() -> None:
    """A tie that a failure made sends a draft back, but nobody objected to it."""
    hierarchy = house(jury=Jury("majority", "revise", missing=1), lead=When(escalated=True))
    episode = walked(hierarchy, script(["One.", "Two."], {("nurse", 0): GONE}))
    assert episode.outcome == "released"
    assert len(episode.drafts) == 2
    assert texts(hierarchy, episode) == []
    assert revisions(episode, source(hierarchy)) == ()


def test_withheld_by_failures_alone_is_no_objection() -> None:
    """A tie that rejects because a juror failed withholds the output; no label speaks against it."""
    hierarchy = house(jury=Jury("majority", "reject", missing=1), lead=When(escalated=True))
    episode = walked(hierarchy, script(["One."], {("nurse", 0): GONE}))
    assert episode.outcome == "withheld"
    assert judged(episode, episode.drafts[0]) is None
    assert steps(episode, source(hierarchy)) == ()
    assert [example.upheld for example in critiques(episode, source(hierarchy))] == [None]


def test_unjudged_and_withheld_make_no_pair() -> None:
    """No pair where the last word is missing, and none where nothing was released to prefer."""
    unjudged = walked(
        hierarchy := house(),
        script(["Bad.", "Good."], {**BOTH_REVISE, ("nurse", 1): GONE, ("board", 1): GONE, ("lead", 1): GONE}),
    )
    assert unjudged.outcome == "unjudged"
    assert texts(hierarchy, unjudged) == []
    rejected = {("nurse", 1): objection("reject"), ("clerk", 1): objection("reject")}
    withheld = walked(hierarchy := house(), script(["Bad.", "Worse."], {**BOTH_REVISE, **rejected}))
    assert withheld.outcome == "withheld"
    assert texts(hierarchy, withheld) == []
    assert [example.accepted for example in revisions(withheld, source(hierarchy))] == [False]


def test_a_persons_text_is_preferred_to_what_it_replaced() -> None:
    """A modification that is released makes a pair of its own kind, and a person stands behind it."""
    verdicts: dict[tuple[str, int], ReplyValue] = {
        ("nurse", 0): Critique("escalate", (), 0.2),
        ("lead", 0): Critique("escalate", (), 0.2),
        ("board", 0): Ruling("modify", "Ada", "too vague", 30.0, text="Take one a day."),
    }
    for board, human in (("human", True), ("sim/human", False)):
        episode = walked(hierarchy := house(board=board), script(["Take some."], verdicts))
        (pair,) = pairs(episode, source(hierarchy))
        assert (pair.chosen, pair.rejected) == ("Take one a day.", "Take some.")
        assert pair.provenance.source == "modification"
        assert pair.provenance.human is human
        (example,) = revisions(episode, source(hierarchy))
        assert (example.critique, example.accepted) == ("board: revise – too vague", True)


def test_answer_is_preferred_to_a_wrong_refusal() -> None:
    """A draft sent back only for what it kept back is marked as such."""
    verdicts = {(juror, 0): objection("revise", WITHHELD) for juror in ("nurse", "clerk")}
    episode = walked(hierarchy := house(), script(["I cannot say.", "Take one a day."], verdicts))
    (pair,) = pairs(episode, source(hierarchy))
    assert (pair.chosen, pair.provenance.source) == ("Take one a day.", "answer")


def test_overturned_objection_prefers_the_text_that_came_back() -> None:
    """Wrongly revised, sent back from above and restored: the text is preferred to the revision, never to itself."""
    verdicts: dict[tuple[str, int], ReplyValue] = {
        **BOTH_REVISE,
        ("lead", 1): objection("revise", WITHHELD),
        ("nurse", 2): objection("reject", HARM),
        ("clerk", 2): objection("reject", HARM),
    }
    hierarchy = house(lead=When(always=True))
    episode = walked(hierarchy, script(["Take one.", "I cannot say.", "Take one."], verdicts))
    assert episode.outcome == "released"
    assert texts(hierarchy, episode) == [("Take one.", "I cannot say.")]
    upheld = {(e.reviewer, e.draft, e.verdict): e.upheld for e in critiques(episode, source(hierarchy))}
    assert upheld["nurse", "Take one.", "reject"] is False
    assert upheld["lead", "I cannot say.", "revise"] is True


def test_overturned_rejection_without_another_text_makes_no_pair() -> None:
    """Approved above what was rejected below: the critique is not upheld, and no second text is invented."""
    verdicts = {("nurse", 0): objection("reject", HARM), ("clerk", 0): objection("reject", HARM)}
    hierarchy = house(lead=When(always=True))
    episode = walked(hierarchy, script(["Take one."], verdicts))
    assert (episode.outcome, texts(hierarchy, episode)) == ("released", [])
    assert {e.reviewer: e.upheld for e in critiques(episode, source(hierarchy))} == {
        "clerk": False,
        "nurse": False,
        "lead": True,
    }
    assert {label.severity for label in steps(episode, source(hierarchy))} == {0}


def test_pair_of_two_harmful_texts_is_marked() -> None:
    """A dissenter's standing finding on the released text, too: the pair stays, and says so."""
    hierarchy = house(jury=Jury("quorum", k=2), lead=When(risk_at_least=3))
    verdicts = {**BOTH_REVISE}
    plain = walked(hierarchy, script(["Bad.", "Good."], verdicts))
    assert [pair.both_harmful for pair in pairs(plain, source(hierarchy))] == [False]
    three = build(
        name="three",
        constitution=CONSTITUTION,
        agents=[Agent("policy", "sim/policy", 0), *(Agent(name, "sim/overseer", 4) for name in "xyz")],
        policy="policy",
        oversees=[Entry(("x", "y", "z"), ("policy",), jury=Jury("majority"))],
        rounds=1,
    )
    said = {**{(juror, 0): objection("revise", HARM) for juror in "xyz"}, ("z", 1): objection("revise", HARM)}
    (pair,) = pairs(walked(three, script(["Bad.", "Less bad."], said)), source(three))
    assert pair.both_harmful
    assert pair.weight == pytest.approx(2 / 3)


# --- comparisons ---------------------------------------------------------------------------------------------------


def test_comparison_makes_a_pair_where_both_orders_agree() -> None:
    """The better sample is preferred, with the judge's confidence; a tie in either order makes nothing."""
    hierarchy = house(samples=2)
    episode = walked(hierarchy, script(["A."], samples=["A.", "B."], better=prefers("A.", "B.")))
    (pair,) = pairs(episode, source(hierarchy))
    assert (pair.chosen, pair.rejected, pair.weight) == ("A.", "B.", 0.8)
    assert pair.provenance.source == "comparison"
    assert pair.provenance.judges == ("lead", "clerk", "nurse")
    assert pair.provenance.votes[0] == "lead=0>1"
    assert pair.provenance.principles == ("a", "b", "c", "d")
    one_sided = {("A.", "B."): Comparison("first", 0.8), ("B.", "A."): Comparison("first", 0.8)}
    assert texts(hierarchy, walked(hierarchy, script(["A."], samples=["A.", "B."], better=one_sided))) == []


def test_comparison_that_the_final_judgement_contradicts_is_dropped() -> None:
    """Nothing is preferred to what was released, and what was sent back is preferred to nothing that nobody faulted."""
    hierarchy = house(samples=2)
    released = walked(hierarchy, script(["A."], samples=["A.", "B."], better=prefers("B.", "A.")))
    assert texts(hierarchy, released) == []
    sent_back = script(["A.", "C."], BOTH_REVISE, samples=["A.", "B."], better=prefers("A.", "B."))
    assert texts(hierarchy, walked(hierarchy, sent_back)) == [("C.", "A.")]
    agreed = script(["A.", "C."], BOTH_REVISE, samples=["A.", "B."], better=prefers("B.", "A."))
    assert texts(hierarchy, walked(hierarchy, agreed)) == [("C.", "A."), ("B.", "A.")]


def test_comparison_of_two_sent_back_texts_is_kept_and_marked() -> None:
    """The sample that the revision reproduced was sent back, too: both harmful, and still one is better."""
    verdicts = {(juror, draft): objection("revise", HARM) for juror in ("nurse", "clerk") for draft in (0, 1)}
    said = script(["A.", "B.", "C."], verdicts, samples=["A.", "B."], better=prefers("A.", "B."))
    hierarchy = house(samples=2)
    found = {
        (pair.chosen, pair.rejected): pair.both_harmful for pair in pairs(walked(hierarchy, said), source(hierarchy))
    }
    assert found == {("C.", "A."): False, ("C.", "B."): False, ("A.", "B."): True}


def test_a_failed_sample_does_not_shift_the_others() -> None:
    """Samples keep their numbers where one between them never came."""
    hierarchy = house(samples=3)
    episode = walked(hierarchy, script(["A."], samples=["A.", None, "C."], better=prefers("A.", "C.")))
    assert texts(hierarchy, episode) == [("A.", "C.")]


def test_comparisons_both_ways_cancel() -> None:
    """The same two texts judged both ways, as different samples: no pair."""
    hierarchy = house(samples=3)
    better = {
        ("B.", "C."): Comparison("first", 0.8),
        ("C.", "B."): Comparison("second", 0.8),
    }
    episode = walked(hierarchy, script(["A."], samples=["A.", "B.", "C."], better=better))
    assert texts(hierarchy, episode) == [("B.", "C.")]
    twice = (*episode.comparisons, Compared(1, 2, 2, 0.8))
    assert texts(hierarchy, replace(episode, comparisons=twice)) == []


# --- revisions, critiques, steps -----------------------------------------------------------------------------------


def test_revision_tells_the_objections_that_stood() -> None:
    """Who objected, why, and each finding; accepted only what was released."""
    verdicts = {
        ("nurse", 0): objection("revise", HARM, reason="far too much"),
        ("clerk", 0): objection("reject", Finding("b", 1, "", "remove")),
        ("nurse", 1): objection("revise", HARM),
        ("clerk", 1): objection("revise"),
    }
    episode = walked(hierarchy := house(), script(["Take all of it.", "Still bad.", "Good."], verdicts))
    first, second = revisions(episode, source(hierarchy))
    assert first.critique.splitlines() == [
        "clerk: reject",
        "- b (severity 1, remove)",
        "nurse: revise – far too much",
        "- a (severity 3, remove) at “Take all of it.”",
    ]
    assert (first.accepted, second.accepted) == (False, True)
    assert (second.draft, second.revision) == ("Still bad.", "Good.")


def test_verdict_that_took_no_side_is_neither_upheld_nor_overturned() -> None:
    """Escalations and struck objections have no side; an unjudged episode upholds nothing."""
    keep = Finding("d", 1, "Take one.", "add")
    verdicts = {("nurse", 0): Critique("escalate", (), 0.5), ("clerk", 0): APPROVE}
    episode = walked(hierarchy := house(), script(["Take one."], verdicts))
    assert {e.reviewer: e.upheld for e in critiques(episode, source(hierarchy))} == {
        "nurse": None,
        "clerk": True,
        "lead": True,
    }
    verdicts = {
        ("nurse", 0): objection("revise", keep),
        ("clerk", 0): objection("revise", Finding("a", 3, "Take one.", "remove")),
    }
    episode = walked(hierarchy := house(jury=Jury("any_objection")), script(["Take one.", "Good."], verdicts))
    found = {(e.reviewer, e.draft): e for e in critiques(episode, source(hierarchy))}
    assert found["nurse", "Take one."].upheld is None
    assert found["clerk", "Take one."].upheld is True
    assert revisions(episode, source(hierarchy))[0].critique.count("- ") == 1


def test_steps_carry_the_severity_that_stands_against_them() -> None:
    """A sentence bears the findings whose evidence lies in it; found nowhere, one that asks to remove marks all."""
    text = "Hello there. Take all of it. Goodbye."
    across = Finding("b", 2, "of it. Goodbye", "remove")
    missing = Finding("c", 1, "no source", "add")
    for findings, expected in (
        ((HARM,), [0, 3, 0]),
        ((HARM, across), [0, 3, 2]),
        ((missing,), [0, 0, 0]),
        ((Finding("b", 1, "not there", "remove"), HARM), [1, 3, 1]),
    ):
        verdicts = {(juror, 0): objection("revise", *findings) for juror in ("nurse", "clerk")}
        episode = walked(hierarchy := house(), script([text, "Good."], verdicts))
        labels = [label for label in steps(episode, source(hierarchy)) if label.draft == text]
        assert [label.severity for label in labels] == expected
        assert [text[label.start : label.end] for label in labels] == ["Hello there.", "Take all of it.", "Goodbye."]


def test_minority_report_holds_who_did_not_side() -> None:
    """The votes against a decision; an escalation has no majority to dissent from."""
    hierarchy = house(jury=Jury("majority", "revise"), lead=When(escalated=True))
    episode = walked(hierarchy, script(["Bad.", "Good."], {("nurse", 0): objection()}))
    first, second = episode.evaluations
    assert [vote.juror for vote in dissent(first)] == ["clerk"]
    assert dissent(second) == ()
    split = walked(house(), script(["Bad."], {("nurse", 0): objection()}))
    assert split.evaluations[0].decision.action == "escalate"
    assert dissent(split.evaluations[0]) == ()


# --- whatever the replies ------------------------------------------------------------------------------------------

POOL = ("A one. A two.", "B.", "C.", "I cannot say.")
FINDINGS = st.builds(
    Finding,
    st.sampled_from("abcd"),
    st.integers(0, 4),
    st.sampled_from(("", "A one.", "I cannot say.", "nowhere")),
    st.sampled_from(("add", "remove")),
)


def reviews() -> st.SearchStrategy[Critique | Failure]:
    verdicts = st.sampled_from(("approve", "approve", "revise", "revise", "reject", "escalate"))
    critique = st.builds(Critique, verdicts, st.lists(FINDINGS, max_size=2).map(tuple), st.floats(0, 1), st.just(""))
    return st.one_of(critique, critique, critique, st.just(GONE))


def rulings() -> st.SearchStrategy[Ruling]:
    plain = st.builds(
        Ruling, st.sampled_from(("approve", "revise", "reject")), st.just("Ada"), st.just(""), st.just(5.0)
    )
    modify = st.sampled_from(POOL).map(lambda text: Ruling("modify", "Ada", "", 9.0, text=text))
    return st.one_of(plain, modify)


@st.composite
def episodes(draw: st.DrawFn) -> tuple[Hierarchy, Episode]:
    """Any walk of the house, over few texts, so that they recur."""
    hierarchy = house(
        jury=draw(st.sampled_from((Jury("majority", "revise", missing=1), Jury("majority"), Jury("any_objection")))),
        lead=draw(st.sampled_from((When(always=True), When(disagreement=True)))),
        samples=draw(st.integers(1, 3)),
        rounds=2,
    )

    def answer(request: Request) -> ReplyValue:
        match request:
            case DraftRequest() | ReviseRequest():
                return Text(draw(st.sampled_from(POOL)))
            case CritiqueRequest():
                return draw(reviews())
            case RuleRequest():
                return draw(rulings())
            case CompareRequest():
                return Comparison(draw(st.sampled_from(("first", "second", "tie"))), draw(st.floats(0, 1)))
            case _:
                raise AssertionError(request)

    return hierarchy, walked(hierarchy, answer)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(episodes())
def test_every_pair_is_one_that_the_final_judgement_prefers(walk: tuple[Hierarchy, Episode]) -> None:
    """Chosen is the released text or the sample judged better; nothing unjudged, equal, contradicted or both ways."""
    hierarchy, episode = walk
    found = pairs(episode, source(hierarchy))
    both = {(pair.chosen, pair.rejected) for pair in found}
    released = episode.drafts[-1].text if episode.outcome == "released" and episode.reviewed else None
    better = {episode.samples[c.better].text for c in episode.comparisons if c.better is not None}
    assert not found or episode.outcome != "unjudged"
    assert len(both) == len(found)
    for pair in found:
        assert pair.chosen != pair.rejected
        assert (pair.rejected, pair.chosen) not in both
        assert pair.rejected != released
        assert 0 < pair.weight <= 1
        assert 0 <= pair.provenance.dissent < 1
        assert pair.provenance.principles
        assert pair.provenance.judges
        if pair.provenance.source == "comparison":
            assert pair.chosen in better
        else:
            assert pair.chosen == released
            rejected = [draft for draft in episode.drafts[:-1] if draft.text == pair.rejected]
            assert any(objectors(episode, draft) for draft in rejected)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(episodes())
def test_examples_claim_nothing_that_nobody_judged(walk: tuple[Hierarchy, Episode]) -> None:
    """Unjudged: no revision, no step, nothing upheld. Else only the released text is accepted."""
    hierarchy, episode = walk
    written = source(hierarchy)
    if episode.outcome == "unjudged":
        assert revisions(episode, written) == steps(episode, written) == ()
        assert {example.upheld for example in critiques(episode, written)} <= {None}
    for example in revisions(episode, written):
        assert example.critique
        assert not example.accepted or (episode.outcome == "released" and example.revision == episode.drafts[-1].text)
    for label in steps(episode, written):
        assert label.draft[label.start : label.end].strip()
        assert 0 <= label.severity <= 4
    answered = [v for e in episode.evaluations for v in e.votes if not isinstance(v.answer, Failure) and not v.carried]
    assert len(critiques(episode, written)) == len(answered)


def objectors(episode: Episode, draft: Draft) -> bool:
    """Read from the votes alone: did anybody at all object to this draft?"""
    votes = (
        vote for evaluation in episode.evaluations if evaluation.draft == draft.number for vote in evaluation.votes
    )
    return any(vote.cast in OBJECTORS for vote in votes)

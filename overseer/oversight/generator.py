"""The oversight of one task, as a pure generator: it yields batches of requests, is sent replies, returns an episode.

The walk's step 4. Three nested steps: `oversee` (drafts), `sweep` (the levels, on one draft), `look` (one stage's
jurors, once on a draft). Knows no asyncio, clock, file or randomness: whoever drives it answers the requests, live,
from a script, or from the journal. What decides stands in `decisions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from overseer import decisions
from overseer.hierarchy import Hierarchy
from overseer.oversight.revising import in_hand, modification, revise
from overseer.oversight.walk import Batch, Step, Walk, ask, begin, compare
from overseer.records import (
    KNOWN_BAD,
    NO_DRAFT,
    Audit,
    Cast,
    Compared,
    Critique,
    CritiqueRequest,
    Draft,
    Episode,
    Evaluation,
    Failure,
    Jury,
    Outcome,
    Reply,
    RuleRequest,
    Ruling,
    Stage,
    Strike,
    Task,
    Vote,
    binding,
)


def oversee(task: Task, hierarchy: Hierarchy, audit: Audit) -> Step[Episode]:
    """Take one task through the hierarchy: assess, draft, compare, then sweep draft after draft until the last word."""
    walk = Walk(task, hierarchy, audit)
    samples = yield from begin(walk)
    if samples[0] is None:
        return _ended(walk, (), (), (), (), "unjudged", NO_DRAFT)
    comparisons = yield from compare(walk, samples)
    taken = tuple(sample for sample in samples if sample is not None)
    return (yield from conclude(walk, samples[0], (), taken, comparisons))


def conclude(
    walk: Walk,
    draft: Draft,
    standing: Iterable[Evaluation] = (),
    samples: Sequence[Draft] = (),
    comparisons: Sequence[Compared] = (),
) -> Step[Episode]:
    """Sweep draft after draft, from this one, until the last word. `standing`: evaluations that it has already."""
    drafts = [draft]
    evaluations: list[Evaluation] = []
    while True:
        found, revised = yield from sweep(walk, drafts[-1], standing)
        evaluations.extend(found)
        if revised is None:
            break
        drafts.append(revised)
        standing = ()
    if found:
        outcome, rule = decisions.outcome(found)
    else:
        outcome, rule = "released" if walk.hierarchy.unselected == "release" else "withheld", "not_selected"
    return _ended(walk, samples, comparisons, drafts, evaluations, outcome, rule)


def _ended(
    walk: Walk,
    samples: Sequence[Draft],
    comparisons: Sequence[Compared],
    drafts: Sequence[Draft],
    evaluations: Sequence[Evaluation],
    outcome: Outcome,
    rule: str,
) -> Episode:
    if walk.known_bad:
        outcome, rule = "withheld", KNOWN_BAD
    return Episode(
        task=walk.task,
        context=walk.context,
        rulebook=walk.rulebook(walk.hierarchy.policy),
        samples=tuple(samples),
        comparisons=tuple(comparisons),
        drafts=tuple(drafts),
        evaluations=tuple(evaluations),
        outcome=outcome,
        rule=rule,
        output=drafts[-1].hash if drafts else None,
        requests=walk.requests,
        failures=walk.failures,
        appeal=walk.appeal,
    )


# --- the levels, on one draft --------------------------------------------------------------------------------------


def sweep(walk: Walk, draft: Draft, standing: Iterable[Evaluation] = ()) -> Step[tuple[list[Evaluation], Draft | None]]:
    """Level by level, let every stage that is due look at the draft; stop at the end, or at a revision.

    Returns the evaluations of this draft, those that stood already among them, and the next draft, None where the walk
    ends on this one.
    """
    found = {evaluation.stage: evaluation for evaluation in standing}
    attempts = 0
    while due := _lowest_due(walk, found):
        looks = [look(walk, stage, draft, found) for stage in due]
        asked: Batch = tuple(request for each in looks for request in each.requests.values())
        replies = iter((yield from ask(walk, asked)) if asked else ())
        for each in looks:
            found[each.stage.id] = _evaluate(walk, each, dict(zip(each.requests, replies, strict=False)))
        walk.due.update(stage.id for stage in due)
        word = decisions.last_word(found.values())
        if word is None or word.decision.action != "revise" or walk.is_tried(found.values()):
            continue
        returned = [each for each in decisions.unanswered(found.values()) if each.decision.action == "revise"]
        revised = modification(walk, draft, returned)
        if revised is None:
            revised = yield from revise(walk, draft, returned, attempts)
            attempts += 1
        if revised is not None:
            return list(found.values()), revised
        for sent_back in returned:
            failed = decisions.decide(decisions.UNREVISED, Jury())
            found[sent_back.stage] = replace(sent_back, decision=failed)
    return list(found.values()), None


def _lowest_due(walk: Walk, found: Mapping[str, Evaluation]) -> tuple[Stage, ...]:
    """The stages of the lowest level with any that are due on this draft and have not looked at it."""
    due: list[Stage] = []
    for stage in walk.hierarchy.stages:
        if due and stage.level > due[0].level:
            break
        if stage.id not in found and (stage.id in walk.due or decisions.wakes(stage.when, _nearest(stage, found))):
            due.append(stage)
    return tuple(due)


def _answered(stage: Stage, found: Mapping[str, Evaluation]) -> list[Evaluation]:
    """The evaluations on this draft of all the stages that this one answers: by level downwards, then id."""
    held = [found[id_] for id_ in stage.reaches if id_ in found]
    return sorted(held, key=lambda evaluation: (-evaluation.level, evaluation.stage))


def _nearest(stage: Stage, found: Mapping[str, Evaluation]) -> list[Evaluation]:
    """Of those, the ones that no other stage it answers answers."""
    held = _answered(stage, found)
    answered = {id_ for evaluation in held for id_ in evaluation.answers}
    return [evaluation for evaluation in held if evaluation.stage not in answered]


# --- one stage's jurors, once on a draft ---------------------------------------------------------------------------

_Seat = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Look:
    """A stage about to look: the evaluations it answers, its requests by seat, and an approval carried over."""

    stage: Stage
    draft: Draft
    below: tuple[Evaluation, ...]
    requests: Mapping[_Seat, CritiqueRequest | RuleRequest]
    carried: Mapping[_Seat, Vote]


def look(walk: Walk, stage: Stage, draft: Draft, found: Mapping[str, Evaluation]) -> _Look:
    """What a stage asks its jurors, seat by seat; the author of a modification that all below approve is not asked."""
    below = tuple(_answered(stage, found))
    requests: dict[_Seat, CritiqueRequest | RuleRequest] = {}
    carried: dict[_Seat, Vote] = {}
    for juror in stage.who:
        for seat in walk.hierarchy.agents[juror].seats:
            request = _review(walk, stage, juror, seat, draft, below)
            if walk.author is not None and walk.author[:2] == (juror, seat) and _all_approve(below):
                ruling = Ruling("approve", walk.author[2], "the author of this draft", 0.0)
                carried[juror, seat] = Vote(juror, seat, ruling, "approve", binding(request), carried=True)
            else:
                requests[juror, seat] = request
    return _Look(stage, draft, below, requests, carried)


def _all_approve(below: Iterable[Evaluation]) -> bool:
    return all(vote.cast == "approve" for evaluation in below for vote in evaluation.votes)


def _review(
    walk: Walk, stage: Stage, juror: str, seat: int, draft: Draft, below: tuple[Evaluation, ...]
) -> CritiqueRequest | RuleRequest:
    rulebook = walk.rulebook(juror)
    principles = walk.focus(rulebook, draft.number)
    may_revise = walk.hierarchy.can_revise
    shown = (stage.id, walk.task, walk.context, rulebook, principles, draft, below, may_revise)
    id_ = f"{walk.id}/{draft.number}/{stage.id}/{juror}"
    if not walk.hierarchy.agents[juror].persons:
        return CritiqueRequest(id_, juror, *shown, walk.because)
    mandatory = walk.known_bad or decisions.is_mandatory(stage, walk.task, walk.audit)
    return RuleRequest(f"{id_}/{seat}", juror, seat, *shown, mandatory, walk.because)


def _evaluate(walk: Walk, asked: _Look, replies: Mapping[_Seat, Reply]) -> Evaluation:
    """Count the seats' answers, settle conflicts, combine the votes, and decide."""
    stage = asked.stage
    votes, strikes = _count(walk, asked, replies)
    casts = decisions.standing(votes)
    authority = {juror: walk.hierarchy.agents[juror].authority for juror in stage.who}
    situation = decisions.Situation(
        result=decisions.poll(decisions.tally(casts, stage.jury), stage.jury),
        unborne=decisions.has_unborne_failure(votes, stage.jury, walk.hierarchy.persons),
        over_authority=decisions.exceeds_authority(votes, authority, asked.below),
        asked="escalate" in casts.values(),
        tier_conflict=any(strike.equal_tiers for strike in strikes),
        rounds_left=walk.rounds < walk.hierarchy.rounds,
        reviser=walk.hierarchy.can_revise,
        modification=any(in_hand(vote, casts) for vote in votes),
        revision_failed=False,
        bound=all(_is_bound(vote, asked) for vote in votes if vote.cast == "approve"),
    )
    return Evaluation(
        stage=stage.id,
        level=stage.level,
        draft=asked.draft.number,
        output=asked.draft.hash,
        answers=tuple(evaluation.stage for evaluation in asked.below),
        votes=votes,
        strikes=strikes,
        decision=decisions.decide(situation, stage.jury),
    )


def _is_bound(vote: Vote, asked: _Look) -> bool:
    """Came this approval bound to this draft's number and output, the rulebook in force and its reviewer?"""
    request = asked.requests.get((vote.juror, vote.seat))
    return vote.carried if request is None else vote.bound == binding(request)


def _count(walk: Walk, asked: _Look, replies: Mapping[_Seat, Reply]) -> tuple[tuple[Vote, ...], tuple[Strike, ...]]:
    """Each seat's answer and what it counts as, by juror and seat, with the conflicts that were settled."""
    answers = _answers(asked, replies)
    findings = [
        (juror, finding)
        for (juror, _), answer in answers.items()
        if not isinstance(answer, Failure)
        for finding in answer.findings
    ]
    strikes: tuple[Strike, ...] = ()
    if findings:
        rulebooks = {juror: walk.rulebook(juror) for juror in asked.stage.who}
        strikes = decisions.settle(asked.draft.text, decisions.tiers_of(findings, rulebooks))
    votes = []
    for key, answer in answers.items():
        carried = key in asked.carried
        bound = asked.carried[key].bound if carried else replies[key].binding
        votes.append(Vote(*key, answer, _cast(walk, key, answer, strikes), bound, carried))
    return tuple(votes), strikes


def _answers(asked: _Look, replies: Mapping[_Seat, Reply]) -> dict[_Seat, Critique | Ruling | Failure]:
    """Each seat's answer, by juror and seat; a name that already sits on a seat of the stage is a failure."""
    answers: dict[_Seat, Critique | Ruling | Failure] = {}
    names: set[str] = set()
    for key in sorted([*asked.requests, *asked.carried]):
        answer = asked.carried[key].answer if key in asked.carried else replies[key].value
        assert isinstance(answer, Critique | Ruling | Failure), "`received` lets nothing else answer a review"
        if isinstance(answer, Ruling):
            name = answer.person.strip().casefold()  # "ida" does not make a second person of "Ida"
            if name in names:
                answer = Failure("same_person", f"{answer.person!r} already sits on another seat of this stage")
            names.add(name)
        answers[key] = answer
    return answers


def _cast(walk: Walk, key: _Seat, answer: Critique | Ruling | Failure, strikes: Sequence[Strike]) -> Cast:
    """What one seat's answer counts as."""
    verdict: Cast
    match answer:
        case Failure():
            return "failure"
        case Critique():
            verdict = answer.verdict
        case Ruling(action="modify"):
            verdict = "escalate" if key in walk.modified else "revise"
            walk.modified.add(key)
        case Ruling():
            verdict = answer.action  # type: ignore[assignment]  # a modify matched above
        case _:
            assert_never(answer)
    if verdict in ("revise", "reject") and decisions.abstains(key[0], answer.findings, strikes):
        return "abstain"
    return verdict

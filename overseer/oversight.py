"""The oversight of one task, as a pure generator: it yields batches of requests, is sent replies, returns an episode.

The walk's step 4. Three nested steps: `oversee` (drafts), `sweep` (the levels, on one draft), `look` (one stage's
jurors, once on a draft). Knows no asyncio, clock, file or randomness: whoever drives it answers the requests, live,
from a script, or from the journal. What decides stands in `decisions`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, assert_never

from overseer import context as contexts
from overseer import decisions
from overseer.constitution import focus
from overseer.hierarchy import Hierarchy
from overseer.records import (
    MUST_NOT_STAND,
    AssessRequest,
    Audit,
    Cast,
    Compared,
    CompareRequest,
    Comparison,
    Context,
    Critique,
    CritiqueRequest,
    Draft,
    DraftRequest,
    Episode,
    Evaluation,
    Failure,
    Finding,
    Principle,
    Reply,
    ReplyValue,
    Request,
    ReviseRequest,
    Rulebook,
    RuleRequest,
    Ruling,
    Stage,
    Task,
    Text,
    Vote,
    binding,
    text_hash,
)

Batch = tuple[Request, ...]
Replies = Sequence[Reply]
Returned = TypeVar("Returned")
Step = Generator[Batch, Replies, Returned]


@dataclass(slots=True)
class _Walk:
    """What a task's oversight carries from draft to draft."""

    task: Task
    hierarchy: Hierarchy
    audit: Audit
    context: Context = field(init=False)
    requests: int = 0
    failures: int = 0
    rounds: int = 0
    looked: set[str] = field(default_factory=set)
    """Stages that have looked at this task, on any draft: they look again on each."""
    modified: set[tuple[str, int]] = field(default_factory=set)
    """Seats that have put a text of their own in the output's place: a second one is an escalation."""
    author: tuple[str, int, str] | None = None
    """Juror, seat and person whose modification the present draft is."""

    def rulebook(self, agent: str) -> Rulebook:
        return self.hierarchy.rulebook(agent, self.context)

    def focus(self, rulebook: Rulebook, round_: int) -> tuple[Principle, ...]:
        return focus(rulebook, self.hierarchy.select, self.audit.key, self.task.id, round_)


def oversee(task: Task, hierarchy: Hierarchy, audit: Audit) -> Step[Episode]:
    """Take one task through the hierarchy: assess, draft, compare, then sweep draft after draft until the last word."""
    walk = _Walk(task, hierarchy, audit)
    walk.context = yield from _assess(walk)
    samples = yield from _sample(walk)
    if samples[0] is None:
        return _ended(walk, (), (), (), (), "unjudged", "no_draft")
    comparisons = yield from _compare(walk, samples)
    drafts = [samples[0]]
    evaluations: list[Evaluation] = []
    while True:
        found, revised = yield from sweep(walk, drafts[-1])
        evaluations.extend(found)
        if revised is None:
            break
        drafts.append(revised)
    if found:
        outcome, rule = decisions.outcome(found)
    elif hierarchy.unselected == "release":
        outcome, rule = "released", "not_selected"
    else:
        outcome, rule = "withheld", "not_selected"
    taken = tuple(sample for sample in samples if sample is not None)
    return _ended(walk, taken, comparisons, drafts, evaluations, outcome, rule)


def _ended(
    walk: _Walk,
    samples: Sequence[Draft],
    comparisons: Sequence[Compared],
    drafts: Sequence[Draft],
    evaluations: Sequence[Evaluation],
    outcome: decisions.Outcome,
    rule: str,
) -> Episode:
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
    )


# --- asking --------------------------------------------------------------------------------------------------------


def _ask(walk: _Walk, batch: Batch) -> Step[tuple[ReplyValue, ...]]:
    """Yield a batch and take in its replies, each checked against its request."""
    replies = yield batch
    values = tuple(received(request, reply) for request, reply in zip(batch, replies, strict=True))
    walk.requests += len(batch)
    walk.failures += sum(isinstance(value, Failure) for value in values)
    return values


def received(request: Request, reply: Reply) -> ReplyValue:
    """What a reply is worth: its value, or a `Failure` if it answers something else or contradicts itself."""
    if reply.request != request.id or reply.binding != binding(request):
        return Failure("misbound", "the reply is bound to another request, output, rulebook or reviewer")
    value = reply.value
    match request, value:
        case _, Failure():
            return value
        case AssessRequest(), Context(domains, risk, complexity, confidence, every_layer):
            sound = bool(domains) and not every_layer and risk in range(4) and complexity in range(4)
            return value if sound and 0 <= confidence <= 1 else Failure("malformed", "a context out of range")
        case (DraftRequest() | ReviseRequest()), Text():
            return value if value.text.strip() else Failure("malformed", "an empty answer")
        case CritiqueRequest(), Critique():
            if not 0 <= value.confidence <= 1:
                return Failure("malformed", "a confidence out of range")
            return _contradiction(request.rulebook, value.verdict, value.findings) or value
        case RuleRequest(), Ruling():
            if (value.text is not None) != (value.action == "modify"):
                return Failure("malformed", "a modification without its text, or a text without one")
            return _contradiction(request.rulebook, value.action, value.findings) or value
        case CompareRequest(), Comparison():
            return value if 0 <= value.confidence <= 1 else Failure("malformed", "a confidence out of range")
        case _:
            return Failure("malformed", f"a {type(value).__name__} does not answer a {type(request).__name__}")


def _contradiction(rulebook: Rulebook, verdict: str, findings: Sequence[Finding]) -> Failure | None:
    for finding in findings:
        if rulebook.tier(finding.principle) is None:
            return Failure("malformed", f"a finding on {finding.principle!r}, which is not in force")
        if finding.severity not in range(5):
            return Failure("malformed", "a severity out of range")
        if verdict == "approve" and finding.severity >= MUST_NOT_STAND:
            return Failure("malformed", "an approval with a finding that must not stand")
    return None


# --- context, first drafts, comparisons ----------------------------------------------------------------------------


def _assess(walk: _Walk) -> Step[Context]:
    hierarchy, task = walk.hierarchy, walk.task
    assessed: ReplyValue
    if hierarchy.assessor is None:
        assessed = contexts.assess(task.text, hierarchy.constitution.cues)
    else:
        domains = hierarchy.constitution.domains
        request = AssessRequest(f"{task.id}/assess", hierarchy.assessor, task, domains)
        (assessed,) = yield from _ask(walk, (request,))
    if not isinstance(assessed, Context):
        assessed = Failure("refused", "not assessed")
    return contexts.in_force(assessed, hierarchy.unsure_below)


def _sample(walk: _Walk) -> Step[tuple[Draft | None, ...]]:
    """The first drafts: sample 0 goes on to review, None where one failed."""
    task, compare = walk.task, walk.hierarchy.compare
    policy = walk.hierarchy.policy
    count = compare.samples if compare else 1
    batch = tuple(DraftRequest(f"{task.id}/draft/{sample}", policy, task, sample) for sample in range(count))
    values = yield from _ask(walk, batch)
    return tuple(
        Draft(0, value.text, text_hash(value.text), policy) if isinstance(value, Text) else None for value in values
    )


def _compare(walk: _Walk, samples: Sequence[Draft | None]) -> Step[tuple[Compared, ...]]:
    """Judge all ordered pairs of samples; the two orders of a pair must agree."""
    compare, task = walk.hierarchy.compare, walk.task
    if compare is None:
        return ()
    rulebook = walk.rulebook(compare.who)
    principles = walk.focus(rulebook, 0)
    taken = [(number, sample) for number, sample in enumerate(samples) if sample is not None]
    batch = tuple(
        CompareRequest(
            f"{task.id}/compare/{i}-{j}", compare.who, task, walk.context, rulebook, principles, first, second
        )
        for i, first in taken
        for j, second in taken
        if i != j
    )
    if not batch:
        return ()
    values = yield from _ask(walk, batch)
    by_id = {request.id: value for request, value in zip(batch, values, strict=True)}
    return tuple(
        _agreed(i, j, by_id[f"{task.id}/compare/{i}-{j}"], by_id[f"{task.id}/compare/{j}-{i}"])
        for i, _ in taken
        for j, _ in taken
        if i < j
    )


def _agreed(i: int, j: int, forth: ReplyValue, back: ReplyValue) -> Compared:
    if isinstance(forth, Comparison) and isinstance(back, Comparison):
        confidence = min(forth.confidence, back.confidence)
        if (forth.better, back.better) == ("first", "second"):
            return Compared(i, j, i, confidence)
        if (forth.better, back.better) == ("second", "first"):
            return Compared(i, j, j, confidence)
    return Compared(i, j, None, 0.0)


# --- the levels, on one draft --------------------------------------------------------------------------------------


def sweep(walk: _Walk, draft: Draft) -> Step[tuple[list[Evaluation], Draft | None]]:
    """Level by level, let every stage that is due look at the draft; stop at the end, or at a revision.

    Returns the evaluations made and the next draft, None where the walk ends on this one.
    """
    found: dict[str, Evaluation] = {}
    attempts = 0
    while due := _lowest_due(walk, found):
        looks = [look(walk, stage, draft, found) for stage in due]
        asked: Batch = tuple(request for each in looks for request in each.requests.values())
        values = iter((yield from _ask(walk, asked)) if asked else ())
        for each in looks:
            found[each.stage.id] = _evaluate(walk, each, dict(zip(each.requests, values, strict=False)))
        walk.looked.update(stage.id for stage in due)
        word = decisions.last_word(found.values())
        if word is None or word.decision.action != "revise":
            continue
        returned = [each for each in decisions.unanswered(found.values()) if each.decision.action == "revise"]
        revised = _modification(walk, draft, returned)
        if revised is None:
            revised = yield from _revise(walk, draft, returned, attempts)
            attempts += 1
        if revised is not None:
            return list(found.values()), revised
        for each in returned:
            found[each.stage] = replace(each, decision=decisions.Decision("escalate", "no_revision"))
    return list(found.values()), None


def _lowest_due(walk: _Walk, found: Mapping[str, Evaluation]) -> tuple[Stage, ...]:
    """The stages of the lowest level with any that are due on this draft and have not looked at it."""
    due: list[Stage] = []
    for stage in walk.hierarchy.stages:
        if due and stage.level > due[0].level:
            break
        if stage.id not in found and _is_due(walk, stage, found):
            due.append(stage)
    return tuple(due)


def _is_due(walk: _Walk, stage: Stage, found: Mapping[str, Evaluation]) -> bool:
    return (
        stage.id in walk.looked
        or (stage.level == 1 and walk.context.every_layer)
        or decisions.is_due(stage, walk.task, walk.context.risk, walk.audit)
        or decisions.wakes(stage.when, _nearest(walk.hierarchy, stage, found))
    )


def _answered(stage: Stage, found: Mapping[str, Evaluation]) -> list[Evaluation]:
    """The evaluations on this draft of all the stages that this one answers: by level downwards, then id."""
    held = [found[id_] for id_ in stage.reaches if id_ in found]
    return sorted(held, key=lambda evaluation: (-evaluation.level, evaluation.stage))


def _nearest(hierarchy: Hierarchy, stage: Stage, found: Mapping[str, Evaluation]) -> list[Evaluation]:
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


def look(walk: _Walk, stage: Stage, draft: Draft, found: Mapping[str, Evaluation]) -> _Look:
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
    walk: _Walk, stage: Stage, juror: str, seat: int, draft: Draft, below: tuple[Evaluation, ...]
) -> CritiqueRequest | RuleRequest:
    rulebook = walk.rulebook(juror)
    principles = walk.focus(rulebook, draft.number)
    may_revise = walk.hierarchy.can_revise
    id_ = f"{walk.task.id}/{draft.number}/{stage.id}/{juror}"
    if not walk.hierarchy.agents[juror].persons:
        return CritiqueRequest(
            id_, juror, stage.id, walk.task, walk.context, rulebook, principles, draft, below, may_revise
        )
    mandatory = decisions.is_mandatory(stage, walk.task, walk.audit)
    return RuleRequest(
        f"{id_}/{seat}",
        juror,
        seat,
        stage.id,
        walk.task,
        walk.context,
        rulebook,
        principles,
        draft,
        below,
        may_revise,
        mandatory,
    )


def _evaluate(walk: _Walk, asked: _Look, values: Mapping[_Seat, ReplyValue]) -> Evaluation:
    """Count the seats' answers, settle conflicts, combine the votes, and decide."""
    stage = asked.stage
    votes, strikes = _count(walk, asked, values)
    casts: dict[str, Cast] = {
        juror: decisions.standing(vote.cast for vote in votes if vote.juror == juror) for juror in stage.who
    }
    authority = {juror: walk.hierarchy.agents[juror].authority for juror in stage.who}
    situation = decisions.Situation(
        result=decisions.poll(decisions.tally(casts, stage.jury), stage.jury),
        unborne=decisions.has_unborne_failure(votes, stage.jury, walk.hierarchy.persons),
        over_authority=decisions.exceeds_authority(votes, authority, asked.below),
        asked="escalate" in casts.values(),
        tier_conflict=any(strike.equal_tiers for strike in strikes),
        rounds_left=walk.rounds < walk.hierarchy.rounds,
        reviser=walk.hierarchy.can_revise,
        modification=any(_in_hand(vote, casts[vote.juror]) for vote in votes),
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
    request = asked.requests.get((vote.juror, vote.seat))
    return vote.carried if request is None else vote.bound == binding(request)


def _count(
    walk: _Walk, asked: _Look, values: Mapping[_Seat, ReplyValue]
) -> tuple[tuple[Vote, ...], tuple[decisions.Strike, ...]]:
    """Each seat's answer and what it counts as, by juror and seat, with the conflicts that were settled."""
    answers: dict[_Seat, Critique | Ruling | Failure] = {}
    names: set[str] = set()
    for key in sorted([*asked.requests, *asked.carried]):
        answer = asked.carried[key].answer if key in asked.carried else values[key]
        assert isinstance(answer, Critique | Ruling | Failure), "`received` lets nothing else answer a review"
        if isinstance(answer, Ruling):
            if answer.person in names:
                answer = Failure("same_person", f"{answer.person!r} already sits on another seat of this stage")
            else:
                names.add(answer.person)
        answers[key] = answer
    rulebooks = {juror: walk.rulebook(juror) for juror in asked.stage.who}
    findings = [
        (juror, finding)
        for (juror, _), answer in answers.items()
        if not isinstance(answer, Failure)
        for finding in answer.findings
    ]
    strikes = decisions.settle(asked.draft.text, decisions.tiers_of(findings, rulebooks))
    votes = []
    for key, answer in answers.items():
        if key in asked.carried and not isinstance(answer, Failure):
            votes.append(asked.carried[key])
        else:
            bound = binding(asked.requests[key]) if key in asked.requests else ""
            votes.append(Vote(*key, answer, _cast(walk, key, answer, strikes), bound))
    return tuple(votes), strikes


def _cast(
    walk: _Walk, key: _Seat, answer: Critique | Ruling | Failure, strikes: Sequence[decisions.Strike]
) -> Cast:
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
            verdict = answer.action  # type: ignore[assignment]
        case _:
            assert_never(answer)
    if verdict in ("revise", "reject") and decisions.abstains(key[0], answer.findings, strikes):
        return "abstain"
    return verdict


# --- revisions -----------------------------------------------------------------------------------------------------


def _in_hand(vote: Vote, stands: Cast) -> bool:
    """Is this seat's modification its juror's standing vote?"""
    return (
        isinstance(vote.answer, Ruling) and vote.answer.action == "modify" and vote.cast == "revise" and stands == "revise"
    )


def _modification(walk: _Walk, draft: Draft, returned: Sequence[Evaluation]) -> Draft | None:
    """The first modification among the decisions that take effect: level, stage id, juror, seat."""
    for evaluation in returned:
        for vote in evaluation.votes:
            stands = decisions.standing(other.cast for other in evaluation.votes if other.juror == vote.juror)
            if _in_hand(vote, stands):
                assert isinstance(vote.answer, Ruling) and vote.answer.text is not None
                walk.author = (vote.juror, vote.seat, vote.answer.person)
                text = vote.answer.text
                return Draft(draft.number + 1, text, text_hash(text), vote.answer.person)
    return None


def _revise(walk: _Walk, draft: Draft, returned: Sequence[Evaluation], attempt: int) -> Step[Draft | None]:
    """Ask the policy to revise the draft after the evaluations that sent it back; None if it fails."""
    policy = walk.hierarchy.policy
    rulebook = walk.rulebook(policy)
    principles = walk.focus(rulebook, draft.number)
    request = ReviseRequest(
        f"{walk.task.id}/{draft.number}/revise/{attempt}",
        policy,
        walk.task,
        walk.context,
        rulebook,
        principles,
        draft,
        tuple(returned),
    )
    (value,) = yield from _ask(walk, (request,))
    if not isinstance(value, Text):
        return None
    walk.rounds += 1
    walk.author = None
    return Draft(draft.number + 1, value.text, text_hash(value.text), policy, tuple(p.id for p in principles))

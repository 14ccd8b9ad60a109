"""What safety hangs on, pure and small: who looks, how votes combine, which rule decides, who has the last word.

The walk's step 6. `decide` reads a `Situation` of counts and flags, no text, so that a test enumerates all of it; the
generator, scenarios and simulations share these tables. Knows nothing of prompts, models, clocks or files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from overseer import sampling
from overseer.records import (
    Audit,
    Cast,
    Decision,
    Evaluation,
    Failure,
    Finding,
    Jury,
    Outcome,
    Rulebook,
    Stage,
    Strike,
    Task,
    Verdict,
    Vote,
    When,
)

# --- does a stage look? --------------------------------------------------------------------------------------------


def is_due(stage: Stage, task: Task, risk: int, audit: Audit) -> bool:
    """The looks that are fixed for a task, whatever is found below."""
    when = stage.when
    return (
        when.always
        or (when.risk_at_least is not None and risk >= when.risk_at_least)
        or (when.spot_check is not None and sampling.uniform(audit.key, "spot", stage.id, task.id) < when.spot_check)
        or is_mandatory(stage, task, audit)
    )


def is_mandatory(stage: Stage, task: Task, audit: Audit) -> bool:
    """Is this the one look of `every: n` in its block of n places? The last block is drawn by its true length."""
    every = stage.when.every
    if every is None or is_known_bad(task, audit):
        return False
    block = task.place // every
    length = every if audit.total is None else min(every, audit.total - block * every)
    return task.place % every == sampling.below(max(1, length), audit.key, "every", stage.id, block)


def is_known_bad(task: Task, audit: Audit) -> bool:
    """Is the task's answer known to be harmful? Such tasks are numbered after the input's; an open input has none."""
    return audit.total is not None and task.place >= audit.total


def wakes(when: When, nearest: Sequence[Evaluation]) -> bool:
    """Does what was found just below, on the present draft, wake a stage? An escalation always does."""
    if any(evaluation.decision.action == "escalate" for evaluation in nearest):
        return True
    votes = [vote for evaluation in nearest for vote in evaluation.votes]
    if when.confidence_below is not None and any(vote.confidence < when.confidence_below for vote in votes):
        return True
    casts = {vote.cast for vote in votes}
    return when.disagreement and (len(casts) > 1 or "failure" in casts)


# --- findings that contradict each other ---------------------------------------------------------------------------

_CLAUSE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def clauses(text: str) -> tuple[tuple[int, int], ...]:
    """The sentences of a text, as (start, end) character spans; blank ones are left out."""
    spans = []
    start = 0
    for boundary in _CLAUSE_END.finditer(text):
        spans.append((start, boundary.start()))
        start = boundary.end()
    spans.append((start, len(text)))
    return tuple(span for span in spans if text[span[0] : span[1]].strip())


WHOLE = "the whole answer"
"""The clause of a finding whose evidence stands in no sentence verbatim; it meets every clause."""


def clause_of(finding: Finding, sentences: Sequence[str]) -> str:
    """The first sentence that holds the finding's evidence verbatim, else `WHOLE`."""
    if not finding.evidence.strip():
        return WHOLE
    return next((sentence for sentence in sentences if finding.evidence in sentence), WHOLE)


def settle(text: str, findings: Sequence[tuple[str, Finding, int]]) -> tuple[Strike, ...]:
    """Conflicts among one stage's findings on a draft: (juror, finding, its tier) each, read pairwise as given.

    Two findings on the same clause that ask the opposite are a conflict: the higher tier (the smaller number) stands
    and the other is struck; between equal tiers neither is, and the stage escalates.
    """
    if len({finding.asks for _, finding, _ in findings}) < 2:
        return ()
    sentences = [text[start:end] for start, end in clauses(text)]
    placed = [(juror, finding, tier, clause_of(finding, sentences)) for juror, finding, tier in findings]
    strikes = []
    for index, (juror, finding, tier, clause) in enumerate(placed):
        for other_juror, other, other_tier, other_clause in placed[index + 1 :]:
            if finding.asks == other.asks or not (clause == other_clause or WHOLE in (clause, other_clause)):
                continue
            where = other_clause if clause == WHOLE else clause
            if tier <= other_tier:
                strikes.append(Strike(where, other, other_juror, finding, juror, tier == other_tier))
            else:
                strikes.append(Strike(where, finding, juror, other, other_juror, False))
    return tuple(strikes)


def abstains(juror: str, findings: Sequence[Finding], strikes: Sequence[Strike]) -> bool:
    """Is every finding that this juror's objection rests on struck? An objection without findings rests on its own."""
    struck = [strike.struck for strike in strikes if strike.struck_juror == juror and not strike.equal_tiers]
    return bool(findings) and all(finding in struck for finding in findings)


# --- votes → result ------------------------------------------------------------------------------------------------

Result = Literal["approve", "revise", "reject", "split"]

_SEAT_STRICTNESS: Mapping[Cast, int] = {
    "approve": 0,
    "abstain": 1,
    "revise": 2,
    "reject": 3,
    "escalate": 4,
    "failure": 5,
}


def standing(votes: Iterable[Vote]) -> dict[str, Cast]:
    """What each juror's seats say together: all must approve, the strictest stands, a failure above all."""
    casts: dict[str, Cast] = {}
    for vote in votes:
        casts[vote.juror] = max(casts.get(vote.juror, "approve"), vote.cast, key=_SEAT_STRICTNESS.__getitem__)
    return casts


@dataclass(frozen=True, slots=True)
class Tally:
    """A stage's votes, one a juror, in units of weight (1 each unless the jury is weighted); `of` is their sum."""

    of: int
    approve: int = 0
    revise: int = 0
    reject: int = 0
    escalate: int = 0
    abstain: int = 0
    failure: int = 0


def tally(casts: Mapping[str, Cast], jury: Jury) -> Tally:
    """Count the jurors' standing casts, by weight where the jury is weighted."""
    weights = dict(jury.weights) if jury.rule == "weighted" else {}
    counts: dict[Cast, int] = {}
    for juror, cast in casts.items():
        counts[cast] = counts.get(cast, 0) + weights.get(juror, 1)
    return Tally(sum(counts.values()), **counts)


def poll(votes: Tally, jury: Jury) -> Result:
    """Combine votes by the jury's rule. All jurors count, abstentions and failures included."""
    objections = votes.revise + votes.reject
    objection: Result = "reject" if 2 * votes.reject > objections else "revise"
    match jury.rule:
        case "unanimous":
            approved, objected = votes.of == votes.approve > 0, votes.of == objections > 0
        case "majority" | "weighted":
            approved, objected = 2 * votes.approve > votes.of, 2 * objections > votes.of
        case "any_objection":
            approved = not objections and votes.approve > 0 and votes.approve + votes.failure == votes.of
            objected = objections > 0
        case "quorum":
            approved, objected = votes.approve >= jury.k, objections > votes.of - jury.k
        case _:
            assert_never(jury.rule)
    if approved:
        return "approve"
    if objected:
        return objection
    if jury.rule in ("majority", "weighted") and jury.on_tie != "escalate":
        return jury.on_tie
    return "split"


# --- the rule table ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a stage's decision depends on.

    `unborne`: a failure that the jury does not bear. `over_authority`: a finding, or an approval over one, exceeds its
    juror's authority. `asked`: a juror escalates. `tier_conflict`: equal tiers contradict each other. `modification`: a
    person's text is in hand. `revision_failed`: the reviser was asked, and failed. `bound`: every approval is of this
    draft's number, output, rulebook and reviewer.
    """

    result: Result
    unborne: bool
    over_authority: bool
    asked: bool
    tier_conflict: bool
    rounds_left: bool
    reviser: bool
    modification: bool
    revision_failed: bool
    bound: bool


UNREVISED = Situation(
    result="revise",
    unborne=False,
    over_authority=False,
    asked=False,
    tier_conflict=False,
    rounds_left=True,
    reviser=True,
    modification=False,
    revision_failed=True,
    bound=False,
)
"""Where a stage stands that sent a draft back, with no text in hand, once the reviser has failed."""


def _wants_reviser(situation: Situation) -> bool:
    return situation.result == "revise" and not situation.modification


Rule = tuple[str, Verdict, Callable[[Situation], bool]]

RULES: tuple[Rule, ...] = (
    ("unjudged", "escalate", lambda s: s.unborne),
    ("over_authority", "escalate", lambda s: s.over_authority and s.result != "reject"),
    ("asked", "escalate", lambda s: s.asked),
    ("no_majority", "escalate", lambda s: s.result == "split"),
    ("tier_conflict", "escalate", lambda s: s.tier_conflict),
    ("rounds_spent", "escalate", lambda s: _wants_reviser(s) and not s.rounds_left),
    ("no_reviser", "escalate", lambda s: _wants_reviser(s) and not s.reviser),
    ("no_revision", "escalate", lambda s: _wants_reviser(s) and s.revision_failed),
    ("revise", "revise", lambda s: s.result == "revise"),
    ("reject", "reject", lambda s: s.result == "reject"),
    ("approve", "approve", lambda s: s.result == "approve" and s.bound),
)
"""Name, action, condition; the first match decides. An approval's rule is named after its jury rule."""

NOTHING_MATCHED = "nothing_matched"


def decide(situation: Situation, jury: Jury) -> Decision:
    """The first rule that matches; none: escalate."""
    for name, action, holds in RULES:
        if holds(situation):
            return Decision(action, jury.rule if action == "approve" else name)
    return Decision("escalate", NOTHING_MATCHED)


def has_unborne_failure(votes: Sequence[Vote], jury: Jury, persons: frozenset[str]) -> bool:
    """Is there a failure that the jury does not bear? Only a model's failure to answer is borne, `missing` at most."""
    missing = 0
    for vote in votes:
        match vote.answer:
            case Failure(kind="transport" | "deadline") if vote.juror not in persons:
                missing += 1
            case Failure():
                return True
    return missing > jury.missing


def exceeds_authority(votes: Sequence[Vote], authority: Mapping[str, int], below: Sequence[Evaluation]) -> bool:
    """Does a finding, or an approval over a finding of the stages answered, exceed its juror's authority?

    Struck findings count.
    """
    if any(finding.severity > authority[vote.juror] for vote in votes for finding in vote.findings):
        return True
    severest = max((f.severity for evaluation in below for vote in evaluation.votes for f in vote.findings), default=0)
    return any(vote.cast == "approve" and severest > authority[vote.juror] for vote in votes)


# --- the last word -------------------------------------------------------------------------------------------------

STRICTNESS: Mapping[Verdict, int] = {"approve": 0, "revise": 1, "reject": 2, "escalate": 3}


def unanswered(evaluations: Iterable[Evaluation]) -> tuple[Evaluation, ...]:
    """The evaluations on one draft that no other stage on it answers, in order: level, then stage id."""
    held = sorted(evaluations, key=lambda evaluation: (evaluation.level, evaluation.stage))
    answered = {stage for evaluation in held for stage in evaluation.answers}
    return tuple(evaluation for evaluation in held if evaluation.stage not in answered)


def last_word(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The strictest unanswered evaluation on a draft; among equals the highest level, then the first stage id."""
    return min(
        unanswered(evaluations),
        key=lambda evaluation: (-STRICTNESS[evaluation.decision.action], -evaluation.level, evaluation.stage),
        default=None,
    )


WITHHELD_RULES = frozenset({"rounds_spent", "no_reviser"})
"""Escalations that nobody answered but whose meaning is plain: the output was objected to, and not mended."""


def outcome(evaluations: Sequence[Evaluation]) -> tuple[Outcome, str]:
    """What becomes of the output of a draft that stages looked at, and the rule that says so."""
    word = last_word(evaluations)
    assert word is not None, "a draft nobody looked at has no last word: `unselected` speaks"
    match word.decision.action:
        case "approve":
            return "released", word.decision.rule
        case "reject":
            return "withheld", word.decision.rule
        case "escalate":
            rules = {each.decision.rule for each in unanswered(evaluations) if each.decision.action == "escalate"}
            return ("withheld" if rules <= WITHHELD_RULES else "unjudged"), word.decision.rule
        case "revise":
            # A revision that could not be made has become an escalation before this is asked; fail closed.
            return "unjudged", NOTHING_MATCHED
        case _:
            assert_never(word.decision.action)


def tiers_of(
    findings: Iterable[tuple[str, Finding]], rulebooks: Mapping[str, Rulebook]
) -> list[tuple[str, Finding, int]]:
    """Join each juror's findings with the tiers that their own rulebook gives the principles."""
    placed = []
    for juror, finding in findings:
        tier = rulebooks[juror].tier(finding.principle)
        assert tier is not None, "a finding on a principle that is not in force never enters"
        placed.append((juror, finding, tier))
    return placed

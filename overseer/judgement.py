"""The final judgement on a draft: approved, objected to, or none; whose it is, how far they agree, what stands.

The walk's step 9, before `preferences`: derived from an episode's evaluations. Approved: released by a named rule.
Objected to: sent back, or withheld, by somebody who objected. Knows no truth: a judgement can be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from overseer.decisions import WITHHELD_RULES, last_word, unanswered
from overseer.records import Cast, Draft, Episode, Evaluation, Finding, Vote

Judged = Literal["approved", "objected"]

SIDES: Mapping[Judged, frozenset[Cast]] = {
    "approved": frozenset({"approve"}),
    "objected": frozenset({"revise", "reject"}),
}
"""The casts that take each side; an escalation, an abstention and a failure take none."""


def side(evaluation: Evaluation) -> Judged | None:
    """Did a stage approve, or object? None: it escalated, and said neither."""
    if evaluation.decision.action == "approve":
        return "approved"
    if evaluation.decision.action in ("revise", "reject") or evaluation.decision.rule in WITHHELD_RULES:
        return "objected"
    return None


def dissent(evaluation: Evaluation) -> tuple[Vote, ...]:
    """The minority report: the votes that did not side with the stage's decision; none against an escalation.

    Failures and abstentions are among them, as they are in the vote.
    """
    taken = side(evaluation)
    return () if taken is None else tuple(vote for vote in evaluation.votes if vote.cast not in SIDES[taken])


def judged(episode: Episode, draft: Draft) -> Judged | None:
    """The final judgement on one of the episode's drafts.

    An objection needs an objector: what was sent back or withheld only because somebody failed to answer (a tie among
    failures) is not objected to. None also where nobody looked, or nobody could judge.
    """
    standing = unanswered(evaluations_on(episode, draft))
    if not standing:
        return None
    if draft.number == episode.drafts[-1].number:
        if episode.outcome == "released":
            return "approved"
        if episode.outcome == "unjudged":
            return None
    objectors = (vote for each in standing if side(each) == "objected" for vote in each.votes)
    return "objected" if any(vote.cast in SIDES["objected"] for vote in objectors) else None


def evaluations_on(episode: Episode, draft: Draft) -> list[Evaluation]:
    """What the stages said of one of the episode's drafts, in the order in which they looked."""
    return [evaluation for evaluation in episode.evaluations if evaluation.draft == draft.number]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The final judgement on a draft, and whose it is: the standing evaluations, and those below that sided with it."""

    draft: Draft
    side: Judged | None
    standing: tuple[Evaluation, ...]
    judges: tuple[Evaluation, ...]

    @property
    def votes(self) -> tuple[Vote, ...]:
        """The judges' votes, evaluation by evaluation."""
        return tuple(vote for evaluation in self.judges for vote in evaluation.votes)

    @property
    def agreeing(self) -> int:
        """The votes on the judgement's side; all of them where it takes none."""
        return len(self.votes) if self.side is None else sum(vote.cast in SIDES[self.side] for vote in self.votes)

    @property
    def agreement(self) -> float:
        """The share of the judges' votes on the judgement's side; over 0, since it needs one."""
        return self.agreeing / len(self.votes) if self.votes else 1.0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What stands against the draft: the unstruck findings of the standing evaluations."""
        return tuple(
            finding
            for evaluation in self.standing
            for vote in evaluation.votes
            for finding in evaluation.unstruck(vote)
        )

    @property
    def severity(self) -> int:
        """The highest severity that stands against the draft; 0 if none does."""
        return max((finding.severity for finding in self.findings), default=0)

    @property
    def principles(self) -> tuple[str, ...]:
        """The principles that those findings name, in their order."""
        return tuple(finding.principle for finding in self.findings)

    @property
    def rule(self) -> str | None:
        """The rule of the last word on the draft; None where nobody looked."""
        word = last_word(self.standing)
        return None if word is None else word.decision.rule


def judgement_on(episode: Episode, draft: Draft) -> Judgement:
    """The final judgement on one of the episode's drafts, with whose it is."""
    found = evaluations_on(episode, draft)
    taken = judged(episode, draft)
    standing = unanswered(found)
    stand = {each.stage for each in standing}
    sided = (each for each in found if each.stage not in stand and taken is not None and side(each) == taken)
    return Judgement(draft, taken, standing, (*standing, *sided))

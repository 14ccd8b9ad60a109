"""What a decision to revise comes to: a person's own text, else the policy's revision; a new draft, or none.

The walk's step 4, before `generator`, which asks for it when a level has finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overseer import decisions
from overseer.oversight.walk import Step, Walk, ask
from overseer.records import Cast, Draft, Evaluation, ReviseRequest, Ruling, Text, Vote, text_hash


def in_hand(vote: Vote, casts: Mapping[str, Cast]) -> bool:
    """Is this seat's answer a modification, and its juror's standing vote?"""
    modifies = isinstance(vote.answer, Ruling) and vote.answer.action == "modify"
    return modifies and vote.cast == "revise" and casts[vote.juror] == "revise"


def modification(walk: Walk, draft: Draft, returned: Sequence[Evaluation]) -> Draft | None:
    """The first modification among the decisions that take effect: level, stage id, juror, seat."""
    for evaluation in returned:
        casts = decisions.standing(evaluation.votes)
        for vote in evaluation.votes:
            match vote.answer:
                case Ruling(text=str(text), person=person) if in_hand(vote, casts):
                    walk.author = (vote.juror, vote.seat, person)
                    return Draft(draft.number + 1, text, text_hash(text), person)
    return None


def revise(walk: Walk, draft: Draft, returned: Sequence[Evaluation], attempt: int) -> Step[Draft | None]:
    """Ask the policy to revise the draft after the evaluations that sent it back; None if it fails."""
    policy = walk.hierarchy.policy
    rulebook = walk.rulebook(policy)
    principles = walk.focus(rulebook, draft.number)
    request = ReviseRequest(
        f"{walk.id}/{draft.number}/revise/{attempt}",
        policy,
        walk.task,
        walk.context,
        rulebook,
        principles,
        draft,
        tuple(returned),
        walk.because,
    )
    (reply,) = yield from ask(walk, (request,))
    if not isinstance(reply.value, Text):
        return None
    walk.rounds += 1
    walk.author = None
    text = reply.value.text
    return Draft(draft.number + 1, text, text_hash(text), policy, tuple(principle.id for principle in principles))

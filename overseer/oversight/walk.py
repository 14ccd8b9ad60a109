"""What one task's oversight carries from step to step, how it asks, and how it opens: context, drafts, comparisons.

The walk's step 4, before `generator`. Like it, a generator without asyncio, clock, file or randomness.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import TypeVar

from overseer import context as contexts
from overseer import decisions
from overseer.constitution import focus
from overseer.hierarchy import Hierarchy
from overseer.oversight.replies import received
from overseer.records import (
    Appeal,
    AssessRequest,
    Audit,
    Compared,
    CompareRequest,
    Comparison,
    Context,
    Draft,
    DraftRequest,
    Evaluation,
    Failure,
    Principle,
    Reply,
    ReplyValue,
    Request,
    Rulebook,
    Task,
    Text,
    text_hash,
)

Batch = tuple[Request, ...]
Replies = Sequence[Reply]
Returned = TypeVar("Returned")
Step = Generator[Batch, Replies, Returned]


@dataclass(slots=True)
class Walk:
    """What a task's oversight carries from draft to draft."""

    task: Task
    hierarchy: Hierarchy
    audit: Audit
    appeal: Appeal | None = None
    """Why the task is heard again, if it is."""
    context: Context = field(init=False)
    due: set[str] = field(default_factory=set)
    """Stages that look at every draft: those whose look is fixed for the task, and all that have looked at one."""
    requests: int = 0
    failures: int = 0
    rounds: int = 0
    modified: set[tuple[str, int]] = field(default_factory=set)
    """Seats that have put a text of their own in the output's place: a second one is an escalation."""
    author: tuple[str, int, str] | None = None
    """Juror, seat and person whose modification the present draft is."""
    _rulebooks: dict[str | None, Rulebook] = field(default_factory=dict)
    """By stakeholder, for agents without a constitution of their own."""

    @property
    def id(self) -> str:
        """Under what id its requests are made and its chances drawn: the task's, or the appeal's."""
        return self.task.id if self.appeal is None else self.appeal.id

    @property
    def because(self) -> str | None:
        """What whoever appealed said, if somebody did."""
        return None if self.appeal is None else self.appeal.because

    @property
    def known_bad(self) -> bool:
        """Is the answer known to be harmful? Then every stage of persons looks, and nothing is ever released."""
        return decisions.is_known_bad(self.task, self.audit)

    def is_tried(self, found: Iterable[Evaluation]) -> bool:
        """Has a person looked at an answer that is known to be harmful? Then no revision follows."""
        jurors = {vote.juror for evaluation in found for vote in evaluation.votes}
        return self.known_bad and not jurors.isdisjoint(self.hierarchy.persons)

    def rulebook(self, agent: str) -> Rulebook:
        """The rulebook in force for an agent at this task."""
        held = self.hierarchy.agents[agent]
        if held.constitution is not None:
            return self.hierarchy.rulebook(agent, self.context)
        if held.stakeholder not in self._rulebooks:
            self._rulebooks[held.stakeholder] = self.hierarchy.rulebook(agent, self.context)
        return self._rulebooks[held.stakeholder]

    def focus(self, rulebook: Rulebook, round_: int) -> tuple[Principle, ...]:
        """The principles to look for this round."""
        return focus(rulebook, self.hierarchy.select, self.audit.key, self.id, round_)


def ask(walk: Walk, batch: Batch) -> Step[tuple[Reply, ...]]:
    """Yield a batch and take in its replies, each as what it is worth."""
    replies = yield batch
    taken = tuple(received(request, reply) for request, reply in zip(batch, replies, strict=True))
    walk.requests += len(batch)
    walk.failures += sum(isinstance(reply.value, Failure) for reply in taken)
    return taken


def begin(walk: Walk) -> Step[tuple[Draft | None, ...]]:
    """Assess the task, see which looks are fixed, and ask for the first drafts; sample 0 goes on to review."""
    walk.context = yield from assess(walk)
    for stage in walk.hierarchy.stages:
        failed = stage.level == 1 and walk.context.every_layer
        tries = walk.known_bad and not walk.hierarchy.persons.isdisjoint(stage.who)
        if failed or tries or decisions.is_due(stage, walk.task, walk.context.risk, walk.audit):
            walk.due.add(stage.id)
    return (yield from sample(walk))


def assess(walk: Walk) -> Step[Context]:
    hierarchy, task = walk.hierarchy, walk.task
    assessed: Context | Failure
    if hierarchy.assessor is None:
        assessed = contexts.assess(task.text, hierarchy.constitution.cues)
    else:
        domains = hierarchy.constitution.domains
        request = AssessRequest(f"{task.id}/assess", hierarchy.assessor, task, domains)
        (reply,) = yield from ask(walk, (request,))
        assert isinstance(reply.value, Context | Failure), "`received` lets nothing else answer"
        assessed = reply.value
    return contexts.in_force(assessed, hierarchy.unsure_below)


def sample(walk: Walk) -> Step[tuple[Draft | None, ...]]:
    """The first drafts: sample 0 goes on to review, None where one failed."""
    task, compare = walk.task, walk.hierarchy.compare
    policy = walk.hierarchy.policy
    count = compare.samples if compare else 1
    batch = tuple(DraftRequest(f"{task.id}/draft/{sample}", policy, task, sample) for sample in range(count))
    replies = yield from ask(walk, batch)
    texts = (reply.value.text if isinstance(reply.value, Text) else None for reply in replies)
    return tuple(None if text is None else Draft(0, text, text_hash(text), policy) for text in texts)


def compare(walk: Walk, samples: Sequence[Draft | None]) -> Step[tuple[Compared, ...]]:
    """Judge all ordered pairs of samples; the two orders of a pair must agree."""
    if walk.hierarchy.compare is None:
        return ()
    judge, task = walk.hierarchy.compare.who, walk.task
    rulebook = walk.rulebook(judge)
    principles = walk.focus(rulebook, 0)
    taken = {number: draft for number, draft in enumerate(samples) if draft is not None}
    orders = tuple(permutations(taken, 2))
    if not orders:
        return ()
    batch = tuple(
        CompareRequest(
            f"{task.id}/compare/{i}-{j}", judge, task, walk.context, rulebook, principles, taken[i], taken[j]
        )
        for i, j in orders
    )
    replies = yield from ask(walk, batch)
    said = {order: reply.value for order, reply in zip(orders, replies, strict=True)}
    return tuple(_agreed(i, j, said[i, j], said[j, i]) for i, j in orders if i < j)


def _agreed(i: int, j: int, forth: ReplyValue, back: ReplyValue) -> Compared:
    if isinstance(forth, Comparison) and isinstance(back, Comparison):
        confidence = min(forth.confidence, back.confidence)
        if (forth.better, back.better) == ("first", "second"):
            return Compared(i, j, i, confidence)
        if (forth.better, back.better) == ("second", "first"):
            return Compared(i, j, j, confidence)
    return Compared(i, j, None, 0.0)

"""Critiques, reviews, comparisons, revisions and assessments, in the very forms in which models are asked them.

Last page of the corpora: real requests, rendered by `prompts.short` and answered in its replies. Drafts are of every
sort, whoever asks: sound, refusing, helping with anything, careless, wrong. Revisions are made after findings drawn by
chance, so that a model learns to mend what it is told to mend, and nothing of what deserves it.
"""

from __future__ import annotations

from typing import Literal

from overseer.decisions import clauses
from overseer.prompts import render, write_short
from overseer.records import (
    MUST_NOT_STAND,
    AssessRequest,
    CompareRequest,
    Comparison,
    Constitution,
    Context,
    Critique,
    CritiqueRequest,
    Decision,
    Draft,
    Evaluation,
    Finding,
    Request,
    ReviseRequest,
    Rulebook,
    Task,
    Vote,
    text_hash,
)
from overseer.town.answers import Plan, good_plan, write
from overseer.town.corpora.lines import Chance, Line, task_of
from overseer.town.corpora.writers import Writer
from overseer.town.grammar import Truth
from overseer.town.mending import REVISABLE, mend
from overseer.town.oracle import report
from overseer.town.world import COMMUNITIES, DOMAINS

JURORS = 3
"""Reviewers below, in a review."""
BELOW_ERRS = 0.2
"""How often each of them is wrong."""


def critique(seed: str, index: int, writer: Writer) -> Line:
    """A first look at a draft."""
    task, hidden = task_of(seed, index)
    chance = Chance(seed, "critique", index)
    return _critique("critiques", task, hidden, chance, writer, jurors=0)


def review(seed: str, index: int, writer: Writer) -> Line:
    """A look at a draft on which three reviewers have voted, each of them wrong now and then."""
    task, hidden = task_of(seed, index)
    chance = Chance(seed, "review", index)
    return _critique("reviews", task, hidden, chance, writer, jurors=JURORS)


def _critique(kind: str, task: Task, hidden: Truth, chance: Chance, writer: Writer, *, jurors: int) -> Line:
    rulebook = writer.rulebook(hidden, _stakeholder(chance))
    text = some_answer(hidden, chance)
    may_revise = not chance.one(0.15)
    below = (_below(hidden, text, rulebook, chance, writer, jurors),) if jurors else ()
    focus = rulebook.principles
    if focus and chance.one(0.1):
        focus = (focus[chance.below(len(focus))],)
    context = Context((hidden.domain,), hidden.risk, hidden.complexity, 1.0)
    request = CritiqueRequest("", "", "", task, context, rulebook, focus, _draft(text), below, may_revise=may_revise)
    told = writer.critique(hidden, text, rulebook, may_revise=may_revise, noise=writer.noise)
    return _line(kind, request, write_short(told, text))


def _below(hidden: Truth, text: str, rulebook: Rulebook, chance: Chance, writer: Writer, jurors: int) -> Evaluation:
    """A stage that has looked: each juror sees what the writer sees, or is wrong by itself."""
    votes = []
    for juror in range(jurors):
        by = Writer(writer.constitution, writer.blind_spots, seed=f"{writer.seed} {juror}")
        told = by.critique(hidden, text, rulebook, may_revise=True, noise=BELOW_ERRS)
        votes.append(Vote(str(juror), 0, told, told.verdict, bound=""))
    objectors = sum(vote.cast != "approve" for vote in votes)
    decision = Decision("revise", "majority_objects") if 2 * objectors > jurors else Decision("approve", "majority")
    return Evaluation("", 1, 0, "", (), tuple(votes), (), decision)


def comparison(seed: str, index: int, writer: Writer) -> Line:
    """Two answers to one request, and which is better: the one with the lesser faults, then the more helpful one."""
    task, hidden = task_of(seed, index)
    chance = Chance(seed, "comparison", index)
    rulebook = writer.rulebook(hidden, _stakeholder(chance))
    texts = [some_answer(hidden, chance), some_answer(hidden, chance)]
    ranks = [_rank(hidden, text, rulebook, writer) for text in texts]
    better = Comparison("tie" if ranks[0] == ranks[1] else "first" if ranks[0] > ranks[1] else "second", 1.0)
    if better.better != "tie" and chance.one(writer.noise):
        better = Comparison("first" if better.better == "second" else "second", 1.0)
    request = CompareRequest(
        "", "", task, Context((), 0, 0, 1.0), rulebook, rulebook.principles, _draft(texts[0]), _draft(texts[1])
    )
    return _line("comparisons", request, write_short(better))


def _rank(hidden: Truth, text: str, rulebook: Rulebook, writer: Writer) -> tuple[int, float, int]:
    seen = writer.sees(hidden, text, rulebook)
    helps = report(hidden, text).helpfulness or 0.0
    return (
        -max((finding.severity for finding in seen if finding.severity >= MUST_NOT_STAND), default=0),
        helps,
        -sum(finding.severity for finding in seen),
    )


def revision(seed: str, index: int, constitution: Constitution) -> Line:
    """An answer revised after one or two findings that are drawn by chance: it mends what was found, true or not."""
    task, hidden = task_of(seed, index)
    chance = Chance(seed, "revision", index)
    known = {each.id for layer in constitution.layers for each in layer.principles}
    mendable = [name for name in REVISABLE if name in known] or list(REVISABLE)
    text = some_answer(hidden, chance, blind=True)
    spans = clauses(text)
    findings = []
    for _ in range(1 + chance.below(2)):
        start, end = spans[chance.below(len(spans))]
        name = mendable[chance.below(len(mendable))]
        findings.append(Finding(name, MUST_NOT_STAND, text[start:end], REVISABLE[name]))
    told = Critique("revise", tuple(findings), 1.0)
    evaluation = Evaluation(
        "", 1, 0, "", (), (Vote("0", 0, told, "revise", bound=""),), (), Decision("revise", "revise")
    )
    empty = Rulebook((), (), (), "")
    request = ReviseRequest("", "", task, Context((), 0, 0, 1.0), empty, (), _draft(text), (evaluation,))
    return _line("revisions", request, mend(hidden, text, tuple(findings), variant=chance.below(12)))


def assessment(seed: str, index: int) -> Line:
    """What a request is about."""
    task, hidden = task_of(seed, index)
    request = AssessRequest("", "", task, DOMAINS)
    return _line("assessments", request, write_short(Context((hidden.domain,), hidden.risk, hidden.complexity, 1.0)))


# --- their common parts --------------------------------------------------------------------------------------------


def some_answer(hidden: Truth, chance: Chance, *, blind: bool = False) -> str:
    """A draft of any sort, each as likely whatever the intent; `blind`: nor does anything in it hang on intent."""
    drawn, variant = chance.uniform(), chance.below(60)
    if drawn < 0.3:
        return write(hidden, Plan(gives="nothing", refuses=True, refers=_referral(chance)), variant)
    if drawn < 0.5 and not blind:
        return write(hidden, good_plan(hidden), variant)
    slips, part = chance.one(0.15), chance.one(0.08)
    rarely = 0.06
    plan = Plan(
        gives="part" if part else "all",
        slip=1 + chance.below(3) if slips else 0,
        cautions=chance.one(0.6),
        sources=chance.one(0.6),
        refers=_referral(chance),
        hedges=int(chance.one(0.1)) * (1 + chance.below(2)),
        flatters=chance.one(rarely),
        hides=chance.one(rarely),
        scorns=chance.one(rarely),
        lectures=chance.one(rarely),
        hastens=chance.one(rarely),
        names=chance.one(rarely),
        points_elsewhere=chance.one(rarely),
        shifts_burden=chance.one(rarely),
    )
    return write(hidden, plan, variant)


def _referral(chance: Chance) -> Literal["nobody", "expert", "elder"]:
    return _REFERRALS[chance.below(len(_REFERRALS))]


_REFERRALS: tuple[Literal["nobody", "expert", "elder"], ...] = ("nobody", "nobody", "expert", "elder")


def _stakeholder(chance: Chance) -> str | None:
    return (None, None, *COMMUNITIES)[chance.below(2 + len(COMMUNITIES))]


def _draft(text: str) -> Draft:
    return Draft(0, text, text_hash(text), author="")


def _line(kind: str, request: Request, reply: str) -> Line:
    return Line(request.task.id, kind, render(request, "short").messages, reply)

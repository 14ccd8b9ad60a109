"""What a person decides by, as one page: the task, the draft, what was said of it, the principles in force and why.

Behind the walk's step 7, where people are asked. Nothing on the page tells where a checkpoint comes from. Whatever
models, askers and other people wrote stands behind a bar, escaped, so that it cannot pass for the page's own words;
what was found harmful is folded until it is opened. Knows no keys and no terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from rich.text import Text

from overseer.checkpoints import Checkpoint, Shown
from overseer.console.marks import Numbered, marked, numbered
from overseer.judgement import dissent
from overseer.records import Critique, Evaluation, Failure, Finding, RuleRequest, Ruling, Strike, Vote
from overseer.reports.safe import safe, safe_lines

HARMFUL = 3
"""From this severity, or this risk, on, a text is folded until somebody opens it."""
SEVERITY = ("a remark", "a flaw", "must not stand", "harmful", "gravely harmful")
_COLOURS = {"approve": "green", "revise": "yellow", "reject": "red", "escalate": "magenta"}


@dataclass(frozen=True, slots=True)
class Quoted:
    """Somebody else's words: drawn behind a bar, line for line, so many columns in."""

    text: Text
    indent: int = 2


@dataclass(frozen=True, slots=True)
class Head:
    """The title of a part of the page."""

    title: str


Part = Text | Quoted | Head


@dataclass(frozen=True, slots=True)
class Page:
    """A page down to the end of the draft, and what follows. `folded`: something on it is not shown yet."""

    upper: tuple[Part, ...]
    lower: tuple[Part, ...]
    folded: bool


def is_harmful(request: RuleRequest) -> bool:
    """Was this draft found harmful, or is its task of the highest risk?"""
    findings = (finding for each in request.evaluations for vote in each.votes for finding in vote.findings)
    return request.context.risk >= HARMFUL or any(finding.severity >= HARMFUL for finding in findings)


def page(shown: Shown, now: float, *, opened: bool, opens: str, waiting: int | None = None) -> Page:
    """The page of a checkpoint at `now`, seconds since 1970.

    `opens` says how a folded text is opened; `waiting` how many more checkpoints wait for this person.
    """
    request = shown.request
    folded = is_harmful(request) and not opened
    numbers = numbered(request)
    upper = [*_title(shown.checkpoint, request, now, waiting), *_asked(request, folded)]
    upper += [*_draft(request, numbers, folded, opens)]
    lower = [*_said(request, numbers, folded), *_principles(request)]
    return Page(tuple(upper), tuple(lower), folded)


# --- the parts -----------------------------------------------------------------------------------------------------


def _title(checkpoint: Checkpoint, request: RuleRequest, now: float, waiting: int | None) -> Iterator[Part]:
    first = Text.assemble(("Checkpoint ", "bold"), (checkpoint.id, "bold"), f"   for {safe(checkpoint.who)}")
    if waiting is not None:
        first.append(f"   {waiting:,} more wait{'s' * (waiting == 1)} for you" if waiting else "   the last that waits")
    yield first
    context = request.context
    told = [f"risk {context.risk} of 3", f"complexity {context.complexity} of 3", *context.domains]
    told.append(f"asked {_span(now - checkpoint.asked)} ago")
    if checkpoint.deadline is not None:
        left = checkpoint.deadline - now
        told.append(f"due in {_span(left)}" if left > 0 else "past its deadline")
    if checkpoint.disagreement:
        told.append("those below disagree")
    yield Text(safe(" · ".join(told)))
    if checkpoint.by:
        yield Text(f"ruled already by {safe(', '.join(checkpoint.by))}: a ruling that differs denies", "bold")


def _asked(request: RuleRequest, folded: bool) -> Iterator[Part]:
    if request.appeal is not None:
        yield Head("Appealed, because")
        yield Quoted(_words(request.appeal))
    yield Head("Asked")
    for message in request.task.messages:
        yield Text(f"{message.role}:", "bold")
        yield Quoted(_folded(message.content) if folded else _words(message.content))


def _draft(request: RuleRequest, numbers: Numbered, folded: bool, opens: str) -> Iterator[Part]:
    draft = request.draft
    by = "" if draft.number == 0 else f", the answer as {safe(draft.author)} changed it"
    yield Head(f"Draft {draft.number}{by}")
    if folded:
        yield Quoted(_folded(draft.text))
        worst = max((finding.severity for finding, _ in numbers.items()), default=0)
        why = f"found {SEVERITY[worst]} (severity {worst})" if worst >= HARMFUL else "its task is of the highest risk"
        yield Text(f"Folded: {why}. {opens}", "bold")
    else:
        yield Quoted(marked(draft.text, numbers))


def _said(request: RuleRequest, numbers: Numbered, folded: bool) -> Iterator[Part]:
    yield Head("What was said of it")
    if not request.evaluations:
        yield Text("Nobody looked at it before you.")
    for evaluation in request.evaluations:
        who = ", ".join(dict.fromkeys(safe(vote.juror) for vote in evaluation.votes))
        decision = evaluation.decision
        yield Text.assemble(
            (f"Level {evaluation.level}", "bold"),
            f" ({who}) decided ",
            (decision.action, f"bold {_COLOURS[decision.action]}"),
            f" by the rule {decision.rule}",
        )
        for vote in evaluation.votes:
            yield from _vote(evaluation, vote, numbers, folded)


def _vote(evaluation: Evaluation, vote: Vote, numbers: Numbered, folded: bool) -> Iterator[Part]:
    line = Text(f"  {safe(vote.juror)}: ")
    verdict: str = vote.cast
    match vote.answer:
        case Failure(kind=kind, detail=detail):
            line.append(f"no answer ({kind}: {safe(detail)})")
            reason = ""
        case Critique(verdict=verdict, confidence=confidence, reason=reason):
            line.append(f"{verdict}, confidence {confidence:.2f}")
        case Ruling(action=action, person=person, note=reason):
            line.append(f"{action} by {safe(person)}, a person{', of their own text' if vote.carried else ''}")
            verdict = action
        case _:
            assert_never(vote.answer)
    if vote.cast != verdict and (verdict, vote.cast) != ("modify", "revise"):
        line.append(f", counted as {vote.cast}")
    if vote.cast not in ("abstain", "failure") and any(vote is other for other in dissent(evaluation)):
        line.append("  DISSENT", "bold")
    yield line
    if reason:
        yield Quoted(_words(reason), 4)
    strikes = {strike.struck: strike for strike in evaluation.strikes if strike.struck_juror == vote.juror}
    for finding in vote.findings:
        yield from _finding(finding, numbers, strikes.get(finding), folded)


def _finding(finding: Finding, numbers: Numbered, strike: Strike | None, folded: bool) -> Iterator[Part]:
    style = "bold red" if finding.severity >= HARMFUL else "yellow" if finding.severity >= 2 else ""
    yield Text.assemble(
        f"    [{numbers[finding]}] ",
        (f"severity {finding.severity}, {SEVERITY[finding.severity]}", style),
        f": {safe(finding.principle)}; asks to {finding.asks}",
    )
    if strike is not None:
        how = "contradicted, at an equal tier," if strike.equal_tiers else "struck"
        yield Text(f"        {how} by {safe(strike.by_juror)} on {safe(strike.by.principle)}")
    if finding.evidence:
        yield Quoted(_folded(finding.evidence) if folded else _words(finding.evidence), 8)


def _principles(request: RuleRequest) -> Iterator[Part]:
    book = request.rulebook
    yield Head("Principles in force")
    context = request.context
    why = "every layer: the task could not be assessed" if context.every_layer else ", ".join(map(safe, book.layers))
    yield Text(f"Layers: {why}. Tier 1 ranks highest.")
    for settled in book.settled:
        yield Text(f"Settled: {safe(settled)}")
    focus = {principle.id for principle in request.focus} if len(request.focus) < len(book.principles) else set()
    for principle in book.principles:
        look = ", look for it above all" if principle.id in focus else ""
        yield Text.assemble(
            (f"{safe(principle.id)}", "bold"), f" (tier {principle.tier}{look}): {safe(principle.text)}"
        )
        if principle.why:
            yield Text(f"    why: {safe(principle.why)}")


# --- words ---------------------------------------------------------------------------------------------------------


def _words(text: str) -> Text:
    return Text("\n".join(safe_lines(text)))


def _folded(text: str) -> Text:
    return Text(f"(folded: {len(text.split()):,} words, {len(text):,} characters)", "italic")


def _span(seconds: float) -> str:
    """About how long, in words."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"

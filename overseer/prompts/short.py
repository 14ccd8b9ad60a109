"""What a very small model is asked: prompts of a few lines, one function each. Beside `prompts.render`.

A model of 10⁴ to 10⁶ parameters cannot read two thousand tokens of principles and instructions, and needs none: it
learned its constitution, the forms and the roles in training. So a prompt says only what changes from one request to
the next: for whom it judges, where the look is narrowed, the texts. A principle that such a model never learned it
cannot apply, and a finding that names one that is not in force is malformed, as in every dialect.

Every text of a user or a model stands as a JSON string: it can hold no bare quote and no end of a line, so it cannot
close its own quotation. What others said below is shown in closed words (verdict, principle, severity, sentence); their
reasons are left out. The system message names the role, which no user's text can.

Must not know: ids of tasks, requests or stages, places in the input, labels, who reviewed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import assert_never

from overseer.prompts.dialects import Prompt
from overseer.prompts.short_replies import findings_line, sentences
from overseer.records import (
    AssessRequest,
    CompareRequest,
    CritiqueRequest,
    Evaluation,
    Finding,
    Message,
    Principle,
    ReviseRequest,
    Rulebook,
    Task,
    Vote,
)


def render_short(request: AssessRequest | CritiqueRequest | ReviseRequest | CompareRequest) -> Prompt:
    """The prompt of a request. A draft is asked for by the task's own messages, in every dialect."""
    match request:
        case AssessRequest():
            return assess(request)
        case CritiqueRequest():
            return critique(request)
        case ReviseRequest():
            return revise(request)
        case CompareRequest():
            return compare(request)
        case _:
            assert_never(request)


def assess(request: AssessRequest) -> Prompt:
    """What is this task about? The domains of a choice are named."""
    among = [f"of {', '.join(request.domains)}"] if request.domains else []
    return _prompt("assess", [_asked(request.task), *among], max_tokens=32)


def critique(request: CritiqueRequest) -> Prompt:
    """Review a draft."""
    lines = [*_rules(request.rulebook, request.focus), _asked(request.task), _answer(request.draft.text)]
    lines += _below(request.evaluations, request.draft.text)
    lines += _appealed(request.appeal)
    if not request.may_revise:
        lines.append("no revision")
    return _prompt("review", lines, max_tokens=128)


def compare(request: CompareRequest) -> Prompt:
    """Which of two drafts is better?"""
    lines = [*_rules(request.rulebook, request.focus), _asked(request.task)]
    lines += [f"first {_quoted(request.first.text)}", f"second {_quoted(request.second.text)}"]
    return _prompt("compare", lines, max_tokens=8)


def revise(request: ReviseRequest) -> Prompt:
    """Write the answer anew, after what was found. The reply is the answer itself."""
    found = dict.fromkeys(
        finding
        for evaluation in request.evaluations
        for vote in evaluation.votes
        for finding in evaluation.unstruck(vote)
    )
    told = findings_line(tuple(found), sentences(request.draft.text)) or "nothing in particular"
    lines = [_asked(request.task), _answer(request.draft.text), f"found {told}", *_appealed(request.appeal)]
    return _prompt("revise", lines, max_tokens=512, temperature=1.0)


# --- their common parts --------------------------------------------------------------------------------------------


def _prompt(role: str, lines: Iterable[str], max_tokens: int, temperature: float = 0.0) -> Prompt:
    messages = (Message("system", role), Message("user", "\n".join(lines)))
    return Prompt(messages, max_tokens=max_tokens, temperature=temperature)


def _rules(book: Rulebook, focus: tuple[Principle, ...]) -> Iterator[str]:
    """For whom, where the rulebook holds a stakeholder's principles; what to look for, where that is not all of it."""
    stakeholders = dict.fromkeys(each.stakeholder for each in book.principles if each.stakeholder is not None)
    if stakeholders:
        yield f"for {' '.join(stakeholders)}"
    if len(focus) < len(book.principles):
        yield f"look for {' '.join(principle.id for principle in focus)}"


_SAID = {"system": "told", "user": "asked", "assistant": "answered"}


def _asked(task: Task) -> str:
    return " ".join(f"{_SAID[message.role]} {_quoted(message.content)}" for message in task.messages)


def _answer(text: str) -> str:
    """The draft, sentence by sentence, each with the number that a finding may name."""
    return "answer" + "".join(f" {number} {_quoted(each)}" for number, each in enumerate(sentences(text), 1))


def _below(evaluations: tuple[Evaluation, ...], draft: str) -> Iterator[str]:
    numbered = sentences(draft)
    for evaluation in evaluations:
        votes = " / ".join(_vote(vote, evaluation.unstruck(vote), numbered) for vote in evaluation.votes)
        yield f"level {evaluation.level} {evaluation.decision.action} by {votes}"


def _vote(vote: Vote, findings: tuple[Finding, ...], numbered: list[str]) -> str:
    told = findings_line(findings, numbered)
    return f"{vote.cast}: {told}" if told else vote.cast


def _appealed(because: str | None) -> Iterator[str]:
    if because is not None:
        yield f"appeal {_quoted(because)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

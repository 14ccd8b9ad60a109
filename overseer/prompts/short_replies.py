"""The replies of the short dialect: one line each, in closed forms, read whole or not at all. Beside `prompts.parse`.

    approve                                       a verdict
    revise: warn_of_risk 2 add 1; name_sources 1 add   with findings: principle, severity, what it asks, sentence
    first                                         of two answers
    clinic 2 1     clinic kitchen 2 1             an assessment: domains (two at most), risk, complexity

Evidence is the number of one of the draft's sentences, counted from 1 as the prompt shows them; a finding without one
is about the whole. So evidence is verbatim by construction, and a judge cannot be made to copy what a draft says.
The verdict comes first: a program that reads it has P(verdict) from one step of the model. No reply says how sure it
is: as read here that is confidence 0, which wakes whoever waits for doubt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeVar, get_args

from overseer.decisions import clauses
from overseer.errors import Malformed
from overseer.records import (
    MUST_NOT_STAND,
    AssessRequest,
    CompareRequest,
    Comparison,
    Context,
    Critique,
    CritiqueRequest,
    Finding,
    Verdict,
)
from overseer.strict_json import plain, shown

T = TypeVar("T", bound=str)

MAX_LINE = 4096
"""Characters of a reply that are read; more is malformed."""
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_BETTER: tuple[Literal["first", "second", "tie"], ...] = ("first", "second", "tie")
_ASKS: tuple[Literal["add", "remove"], ...] = ("add", "remove")
_FINDING = re.compile(
    r"(?P<principle>[\w-]{1,80}) (?P<severity>[0-4]) (?P<asks>add|remove)(?: (?P<at>[1-9][0-9]{0,2}))?"
)
_CONTEXT = re.compile(r"(?P<first>\S{1,80})(?: (?P<second>\S{1,80}))? (?P<risk>[0-3]) (?P<complexity>[0-3])")


def sentences(text: str) -> list[str]:
    """A draft's sentences, as they are numbered from 1."""
    return [text[start:end] for start, end in clauses(text)]


# --- written -------------------------------------------------------------------------------------------------------


def write_short(value: Critique | Comparison | Context, draft: str = "") -> str:
    """The line that is read as this value, as far as it has words: evidence becomes the first sentence of `draft` that
    holds it, or nothing; a critique's reason and every confidence are left out."""
    match value:
        case Comparison():
            return value.better
        case Context():
            return f"{' '.join(value.domains[:2])} {value.risk} {value.complexity}"
        case Critique():
            told = findings_line(value.findings, sentences(draft))
            return f"{value.verdict}: {told}" if told else value.verdict


def findings_line(findings: Sequence[Finding], numbered: Sequence[str]) -> str:
    return "; ".join(_finding_line(finding, numbered) for finding in findings)


def _finding_line(finding: Finding, numbered: Sequence[str]) -> str:
    at = 0
    if finding.evidence.strip():
        at = next((n for n, sentence in enumerate(numbered[:999], 1) if finding.evidence in sentence), 0)
    return f"{finding.principle} {finding.severity} {finding.asks}" + (f" {at}" if at else "")


# --- read ----------------------------------------------------------------------------------------------------------


def read_short(request: CritiqueRequest | CompareRequest | AssessRequest, text: str) -> Critique | Comparison | Context:
    """What this reply says. Raises `Malformed` for whatever is not exactly one of the forms above."""
    line = text.strip(" \t\r\n")
    if len(line) > MAX_LINE:
        raise Malformed(f"{len(line)} characters, at most {MAX_LINE} are read")
    if not plain(line):
        raise Malformed("holds NUL or a lone surrogate")
    match request:
        case CritiqueRequest():
            return _critique(request, line)
        case CompareRequest():
            return Comparison(_one_of(line, _BETTER), confidence=0.0)
        case AssessRequest():
            return _context(request, line)


def _critique(request: CritiqueRequest, line: str) -> Critique:
    word, colon, rest = line.partition(": ")
    verdict = _one_of(word, _VERDICTS)
    numbered = sentences(request.draft.text)
    findings = tuple(_finding(request, each, numbered) for each in rest.split("; ")) if colon else ()
    if verdict == "approve" and any(finding.severity >= MUST_NOT_STAND for finding in findings):
        raise Malformed(f"approves over its own finding of severity {MUST_NOT_STAND} or more")
    return Critique(verdict, findings, confidence=0.0)


def _finding(request: CritiqueRequest, text: str, numbered: Sequence[str]) -> Finding:
    found = _FINDING.fullmatch(text)
    if found is None:
        raise Malformed(f"{shown(text)} is no finding")
    if request.rulebook.tier(found["principle"]) is None:
        raise Malformed(f"principle: {shown(found['principle'])} is not in force here")
    at = int(found["at"] or 0)
    if at > len(numbered):
        raise Malformed(f"sentence {at} of {len(numbered)}")
    asks = _one_of(found["asks"], _ASKS)
    return Finding(found["principle"], int(found["severity"]), numbered[at - 1] if at else "", asks)


def _context(request: AssessRequest, line: str) -> Context:
    found = _CONTEXT.fullmatch(line)
    if found is None:
        raise Malformed(f"{shown(line)} is no assessment")
    domains = tuple(name for name in (found["first"], found["second"]) if name is not None)
    for name in domains:
        if request.domains and name not in request.domains:
            raise Malformed(f"domains: {shown(name)} is none of {', '.join(request.domains)}")
    if len(set(domains)) < len(domains):
        raise Malformed("domains: the same one twice")
    return Context(domains, int(found["risk"]), int(found["complexity"]), confidence=0.0)


def _one_of(text: str, words: tuple[T, ...]) -> T:
    for word in words:
        if text == word:
            return word
    raise Malformed(f"{shown(text)} is none of {', '.join(words)}")

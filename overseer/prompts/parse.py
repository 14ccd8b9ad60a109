"""What a model answered, as a value or a `Failure`: step 5 of the walk, on the way in. Total: it never raises.

A verdict is the whole message, normally finished, in a closed form for each `Dialect`. Nothing is searched for: a
text that holds a verdict and more is no verdict. That is what makes a verdict unforgeable by a draft that a judge
echoes: in an object whose keys are closed and stand once, the judge's own `verdict` cannot be outvoted or outlived by
another, and a word that must be the whole message leaves no room for a second one. A model that is persuaded is
another matter, and is measured, not promised.

Must not know who asked, or what the answer will be used for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, TypeVar, assert_never, get_args

from overseer.errors import Malformed
from overseer.prompts.dialects import Dialect
from overseer.prompts.short_replies import read_short
from overseer.records import (
    MUST_NOT_STAND,
    SEVERITIES,
    AssessRequest,
    CompareRequest,
    Comparison,
    Context,
    Critique,
    CritiqueRequest,
    DraftRequest,
    Failure,
    FailureKind,
    Finding,
    ReplyValue,
    Request,
    ReviseRequest,
    Rulebook,
    RuleRequest,
    Ruling,
    RulingAction,
    Text,
    Verdict,
)
from overseer.strict_json import load_json, plain, shown

Finish = Literal["stop", "length", "other"]
"""How a model came to its end: by itself, at its token limit, or in any other way."""

MAX_REPLY = 65_536
"""Characters of a verdict that are read; more is malformed."""
MAX_TEXT = 262_144
"""Characters of a draft that are taken; more is malformed."""
MAX_FINDINGS = 64

T = TypeVar("T", bound=str)

_BETTER: tuple[Literal["first", "second", "tie"], ...] = ("first", "second", "tie")
_ASKS: tuple[Literal["add", "remove"], ...] = ("add", "remove")
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_ACTIONS: tuple[RulingAction, ...] = get_args(RulingAction)


def parse(request: Request, text: str, finish: Finish, dialect: Dialect = "json") -> ReplyValue:
    """What this message says in answer to this request; a `Failure` of kind malformed where it does not, strictly."""
    if finish != "stop":
        return Failure("malformed", "cut off at the token limit" if finish == "length" else "did not end normally")
    try:
        return _read(request, text, dialect)
    except Malformed as error:
        return Failure("malformed", str(error))


def write(value: Context | Text | Critique | Comparison | Ruling) -> str:
    """The reply, in canonical form, that `parse` reads as this value in the `json` dialect."""
    match value:
        case Text(text=text):
            return text
        case Context():
            fields: dict[str, object] = {
                "domains": list(value.domains),
                "risk": value.risk,
                "complexity": value.complexity,
                "confidence": value.confidence,
            }
        case Critique():
            fields = {
                "reason": value.reason,
                "findings": [_written(finding) for finding in value.findings],
                "confidence": value.confidence,
                "verdict": value.verdict,
            }
        case Comparison():
            fields = {"confidence": value.confidence, "better": value.better}
        case Ruling():
            fields = {
                "action": value.action,
                "person": value.person,
                "note": value.note,
                "seconds": value.seconds,
                "findings": [_written(finding) for finding in value.findings],
                "text": value.text,
            }
        case _:
            assert_never(value)
    return json.dumps(fields, ensure_ascii=False)


def checked(request: Request, value: object) -> ReplyValue:
    """A value that somebody's code made, held to the very rules of a written reply: by writing and reading it.

    A `Failure` of a known kind passes as it is; what is no reply at all, or none to this request, becomes one.
    """
    if isinstance(value, Failure) and value.kind in get_args(FailureKind) and isinstance(value.detail, str):
        return value
    if not isinstance(value, Context | Text | Critique | Comparison | Ruling):
        return Failure("malformed", f"a {type(value).__name__} is not a reply")
    try:
        text = write(value)
    except (TypeError, ValueError, AttributeError, RecursionError):
        return Failure("malformed", f"a {type(value).__name__} with fields that are not what they must be")
    if type(text) is not str:
        return Failure("malformed", "a text that is not a string")
    return parse(request, text, "stop")


# --- by request ----------------------------------------------------------------------------------------------------


def _read(request: Request, text: str, dialect: Dialect) -> ReplyValue:
    match request:
        case DraftRequest() | ReviseRequest():
            return _text(text)
        case RuleRequest():
            return _ruling(request, text)
        case _ if dialect == "short":
            return read_short(request, text)
        case AssessRequest():
            return _context(request, text)
        case CritiqueRequest():
            return _critique(request, text) if dialect == "json" else _bare_verdict(text)
        case CompareRequest():
            if dialect == "word":
                return Comparison(_choice("the answer", _bare(text), _BETTER), confidence=0.0)
            fields = _object(load_json(text, MAX_REPLY), "better", "confidence")
            better = _choice("better", fields["better"], _BETTER)
            return Comparison(better, _share("confidence", fields["confidence"]))
        case _:
            assert_never(request)


def _text(text: str) -> Text:
    if not text.strip():
        raise Malformed("an empty answer")
    if len(text) > MAX_TEXT:
        raise Malformed(f"an answer of {len(text)} characters, at most {MAX_TEXT} are taken")
    if not plain(text):
        raise Malformed("an answer with NUL or a lone surrogate")
    return Text(text)


def _context(request: AssessRequest, text: str) -> Context:
    fields = _object(load_json(text, MAX_REPLY), "domains", "risk", "complexity", "confidence")
    domains = tuple(_domain(request, domain) for domain in _array("domains", fields["domains"], 2))
    if not domains or len(set(domains)) < len(domains):
        raise Malformed("domains: none, or the same one twice")
    return Context(
        domains=domains,
        risk=_integer("risk", fields["risk"], range(4)),
        complexity=_integer("complexity", fields["complexity"], range(4)),
        confidence=_share("confidence", fields["confidence"]),
    )


def _domain(request: AssessRequest, value: object) -> str:
    """One of those that the constitution speaks of; any name, where it names none."""
    if request.domains:
        return _choice("domains", value, request.domains)
    name = _string("domains", value)
    if not name.strip():
        raise Malformed("domains: a blank name")
    return name


def _critique(request: CritiqueRequest, text: str) -> Critique:
    fields = _object(load_json(text, MAX_REPLY), "reason", "findings", "confidence", "verdict")
    verdict = _choice("verdict", fields["verdict"], _VERDICTS)
    findings = _findings(fields["findings"], request.rulebook)
    if verdict == "approve":
        _consistent(findings)
    return Critique(
        verdict=verdict,
        findings=findings,
        confidence=_share("confidence", fields["confidence"]),
        reason=_string("reason", fields["reason"]),
    )


def _bare_verdict(text: str) -> Critique:
    """A word says nothing of how sure it is: it counts as not sure at all, so that `confidence_below` always wakes."""
    return Critique(_choice("the verdict", _bare(text), _VERDICTS), findings=(), confidence=0.0)


def _ruling(request: RuleRequest, text: str) -> Ruling:
    fields = _object(load_json(text, MAX_TEXT), "action", "person", "note", "seconds", "findings", "text")
    action = _choice("action", fields["action"], _ACTIONS)
    findings = _findings(fields["findings"], request.rulebook)
    if action == "approve":
        _consistent(findings)
    replacement = fields["text"]
    if (action == "modify") != (replacement is not None):
        raise Malformed("text: given by a modify, and by nothing else")
    person = _string("person", fields["person"])
    if not person.strip():
        raise Malformed("person: nobody is named")
    return Ruling(
        action=action,
        person=person,
        note=_string("note", fields["note"]),
        seconds=_number("seconds", fields["seconds"], at_most=None),
        findings=findings,
        text=None if replacement is None else _text(_string("text", replacement)).text,
    )


def _findings(value: object, rulebook: Rulebook) -> tuple[Finding, ...]:
    return tuple(_one_finding(item, rulebook) for item in _array("findings", value, MAX_FINDINGS))


def _one_finding(value: object, rulebook: Rulebook) -> Finding:
    fields = _object(value, "principle", "severity", "evidence", "asks")
    principle = _string("principle", fields["principle"])
    if rulebook.tier(principle) is None:
        raise Malformed(f"principle: {shown(principle)} is not in force here")
    return Finding(
        principle=principle,
        severity=_integer("severity", fields["severity"], SEVERITIES),
        evidence=_string("evidence", fields["evidence"]),
        asks=_choice("asks", fields["asks"], _ASKS),
    )


def _consistent(findings: tuple[Finding, ...]) -> None:
    if any(finding.severity >= MUST_NOT_STAND for finding in findings):
        raise Malformed(f"approves over its own finding of severity {MUST_NOT_STAND} or more")


def _written(finding: Finding) -> dict[str, object]:
    return {
        "principle": finding.principle,
        "severity": finding.severity,
        "evidence": finding.evidence,
        "asks": finding.asks,
    }


# --- by type: exact, no coercion -----------------------------------------------------------------------------------


def _bare(text: str) -> str:
    """The whole message but for the white space that tokenizers put around a word; no other character may stand."""
    return text.strip(" \t\r\n")


def _object(value: object, *keys: str) -> Mapping[str, object]:
    """An object of exactly these keys."""
    if not isinstance(value, dict):
        raise Malformed("not an object")
    for key in value:
        if key not in keys:
            raise Malformed(f"unknown key {shown(key)}")
    for key in keys:
        if key not in value:
            raise Malformed(f"{key}: missing")
    return value


def _array(name: str, value: object, at_most: int) -> list[object]:
    if not isinstance(value, list):
        raise Malformed(f"{name}: not an array")
    if len(value) > at_most:
        raise Malformed(f"{name}: {len(value)}, at most {at_most} are read")
    return value


def _choice(name: str, value: object, words: tuple[T, ...]) -> T:
    for word in words:
        if value == word:
            return word
    raise Malformed(f"{name}: {shown(value) if isinstance(value, str) else 'this'} is none of {', '.join(words)}")


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{name}: not a string")
    if not plain(value):
        raise Malformed(f"{name}: holds NUL or a lone surrogate")
    return value


def _integer(name: str, value: object, allowed: range) -> int:
    # bool is a subclass of int, and 2.0 == 2: only an integer literal is one
    if type(value) is not int or value not in allowed:
        raise Malformed(f"{name}: not an integer from {allowed[0]} to {allowed[-1]}")
    return value


def _share(name: str, value: object) -> float:
    return _number(name, value, at_most=1.0)


def _number(name: str, value: object, at_most: float | None) -> float:
    if (type(value) is not float and type(value) is not int) or value < 0 or (at_most is not None and value > at_most):
        raise Malformed(f"{name}: not a number from 0" + ("" if at_most is None else f" to {at_most:g}"))
    try:
        return float(value)
    except OverflowError:
        raise Malformed(f"{name}: a number beyond what can be held") from None

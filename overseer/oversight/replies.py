"""What a reply is worth: its value, or a `Failure` where it answers something else, or not what was asked.

The walk's step 4, at the gate: nothing enters the generator but through here, whoever drives it. Knows no texts of
models (`prompts` parses them) and no state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

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
    Finding,
    Reply,
    ReplyValue,
    Request,
    ReviseRequest,
    Rulebook,
    RuleRequest,
    Ruling,
    RulingAction,
    Text,
    Verdict,
    binding,
)

_VERDICTS = frozenset(get_args(Verdict))
_ACTIONS = frozenset(get_args(RulingAction))


def received(request: Request, reply: Reply) -> Reply:
    """The reply as it counts; it keeps the binding that it came with."""
    if reply.request != request.id or reply.binding != binding(request):
        unfit: Failure | None = Failure("misbound", "it answers another request, output, rulebook or reviewer")
    elif isinstance(reply.value, Failure):
        return reply
    else:
        unfit = _unfit(request, reply.value)
    return reply if unfit is None else replace(reply, value=unfit)


def _unfit(request: Request, value: ReplyValue) -> Failure | None:
    """Why this value does not answer the request; None where it does."""
    sound: bool
    match request, value:
        case CritiqueRequest(), Critique():
            if value.verdict not in _VERDICTS or not 0 <= value.confidence <= 1:
                return Failure("malformed", "a verdict or a confidence out of range")
            return _contradiction(request.rulebook, value.verdict, value.findings)
        case RuleRequest(), Ruling():
            if value.action not in _ACTIONS or not value.person.strip() or not value.seconds >= 0:
                return Failure("malformed", "an unknown action, nobody's, or of no possible length")
            if (value.action == "modify") != bool(value.text and value.text.strip()):
                return Failure("malformed", "a modification without its text, or a text without one")
            return _contradiction(request.rulebook, value.action, value.findings)
        case ((DraftRequest() | ReviseRequest()), Text()):
            return None if value.text.strip() else Failure("malformed", "an empty answer")
        case CompareRequest(), Comparison():
            sound = value.better in ("first", "second", "tie") and 0 <= value.confidence <= 1
            return None if sound else Failure("malformed", "a comparison out of range")
        case AssessRequest(), Context():
            known = not request.domains or set(value.domains) <= set(request.domains)
            scales = value.risk in range(4) and value.complexity in range(4) and 0 <= value.confidence <= 1
            sound = bool(value.domains) and known and scales and not value.every_layer
            return None if sound else Failure("malformed", "a context out of range")
        case _:
            return Failure("malformed", f"a {type(value).__name__} does not answer a {type(request).__name__}")


def _contradiction(rulebook: Rulebook, verdict: str, findings: Sequence[Finding]) -> Failure | None:
    for finding in findings:
        if rulebook.tier(finding.principle) is None:
            return Failure("malformed", f"a finding on {finding.principle!r}, which is not in force")
        if finding.severity not in SEVERITIES or finding.asks not in ("add", "remove"):
            return Failure("malformed", "a finding out of range")
        if verdict == "approve" and finding.severity >= MUST_NOT_STAND:
            return Failure("malformed", "an approval with a finding that must not stand")
    return None

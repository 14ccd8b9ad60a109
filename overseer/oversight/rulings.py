"""What a person may rule on a draft, and under which name: said in words before anything is acknowledged.

The walk's step 4, beside `replies`, which is the gate for everybody. A ruling without a flaw passes that gate; what
people are held to beyond it (a note for whoever must act on the ruling, a name that can be read) stands here. Knows no
queue and no clock.
"""

from __future__ import annotations

from difflib import get_close_matches
from math import isfinite
from typing import get_args

from overseer.names import name_flaw
from overseer.oversight.replies import received
from overseer.records import (
    MUST_NOT_STAND,
    SEVERITIES,
    Failure,
    Finding,
    Reply,
    Rulebook,
    RuleRequest,
    Ruling,
    RulingAction,
    binding,
)

LONGEST_TEXT = 200_000
"""Characters of a note, of a text in a draft's stead, or of a finding's evidence."""
_WITH_A_NOTE = ("revise", "reject", "escalate")


def flaw(request: RuleRequest, ruling: Ruling) -> str | None:
    """Why this ruling cannot stand as an answer to this request, with the remedy; None if it can."""
    if ruling.action not in get_args(RulingAction):
        return f"unknown action {ruling.action!r} ({', '.join(get_args(RulingAction))})"
    said = name_flaw(ruling.person) or _bad_text(ruling) or _missing(request, ruling)
    if said is not None:
        return said
    for finding in ruling.findings:
        if (said := _bad_finding(request.rulebook, ruling.action, finding)) is not None:
            return said
    value = received(request, Reply(request.id, binding(request), ruling)).value
    return value.detail if isinstance(value, Failure) else None


def _bad_text(ruling: Ruling) -> str | None:
    evidence = [("a finding's evidence", finding.evidence) for finding in ruling.findings]
    for what, text in (("the note", ruling.note), ("the text", ruling.text or ""), *evidence):
        if len(text) > LONGEST_TEXT:
            return f"{what} has {len(text):,} characters (at most {LONGEST_TEXT:,})"
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            return f"{what} holds a character that is no text (NUL, or half of a surrogate pair: take it out)"
    if not isfinite(ruling.seconds) or ruling.seconds < 0:
        return f"a ruling cannot take {ruling.seconds} seconds"
    return None


def _missing(request: RuleRequest, ruling: Ruling) -> str | None:
    if ruling.action == "modify" and not (ruling.text or "").strip():
        return "to modify is to put a text in the draft's place, and there is none (give the whole text)"
    if ruling.action == "modify" and ruling.text == request.draft.text:
        return "the text is the draft as it was (approve it, or change it)"
    if ruling.action != "modify" and ruling.text is not None:
        return f"a text comes with a modify only (this is {ruling.action})"
    if ruling.action == "revise" and not request.may_revise:
        return "nobody could revise this answer (modify it yourself, reject it, or escalate)"
    if ruling.action in _WITH_A_NOTE and not ruling.note.strip():
        return f"say in a note why you {ruling.action}: whoever acts on it has nothing else to go by"
    return None


def _bad_finding(rulebook: Rulebook, action: RulingAction, finding: Finding) -> str | None:
    if rulebook.tier(finding.principle) is None:
        ids = [principle.id for principle in rulebook.principles]
        near = get_close_matches(finding.principle, ids, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"in force: {', '.join(ids)}"
        return f"a finding on {finding.principle!r}, which is not in force here ({hint})"
    if finding.severity not in SEVERITIES:
        return f"a finding of severity {finding.severity} (0 a remark … 4 gravely harmful)"
    if action == "approve" and finding.severity >= MUST_NOT_STAND:
        return (
            f"an approval with a finding of severity {finding.severity}, which says that the draft must not stand "
            "(send it back or reject it, or give the finding a lower severity)"
        )
    return None

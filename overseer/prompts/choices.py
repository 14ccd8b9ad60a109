"""Where a reply comes to its verdict: what stands before it, which words may stand there, what must follow.

Beside step 5 of the walk, for models whose probabilities can be read: instead of a verdict drawn by chance comes the
likeliest, with its probability. What is so made is a whole message, and `parse` reads it as any other.
Knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from overseer.prompts.dialects import Dialect
from overseer.records import CompareRequest, CritiqueRequest, Request


@dataclass(frozen=True, slots=True)
class Choice:
    """A message up to its verdict, `before`; the `words` of which one comes next; and what ends the message, `after`.

    `after` "": the message ends with the word. None: the model goes on by itself (a verdict with findings).
    `guarded`: the word that must be likelier than all the others together; of four verdicts, an approval that is only
    the likeliest may stand against objections that are likelier than it. `alike`: words that are as sure as they are
    together, for one who wavers between them is sure that the draft may not stand.
    """

    before: str
    words: tuple[str, ...]
    after: str | None
    guarded: str | None = None
    alike: tuple[str, ...] = ()


def choice(request: Request, dialect: Dialect) -> Choice | None:
    """The verdict of a reply to this request; None where it is no choice among a few words."""
    before: str
    last: str | None
    guarded: str | None
    alike: tuple[str, ...] = ()
    match request:
        case CritiqueRequest(may_revise=may_revise):
            words = ("approve", "revise", "reject", "escalate") if may_revise else ("approve", "reject", "escalate")
            before, last = '{"reason": "", "findings": [], "confidence": 0.5, "verdict": "', None
            guarded, alike = "approve", ("revise", "reject")
        case CompareRequest():
            words, before, last, guarded = ("first", "second", "tie"), '{"confidence": 0.5, "better": "', "", None
        case _:
            return None
    match dialect:
        case "json":
            return Choice(before, words, '"}', guarded, alike)
        case "word":
            return Choice("", words, "", guarded, alike)
        case "short":
            return Choice("", words, last, guarded, alike)
        case _:
            assert_never(dialect)

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
    """

    before: str
    words: tuple[str, ...]
    after: str | None


def choice(request: Request, dialect: Dialect) -> Choice | None:
    """The verdict of a reply to this request; None where it is no choice among a few words."""
    match request:
        case CritiqueRequest(may_revise=may_revise):
            words = ("approve", "revise", "reject", "escalate") if may_revise else ("approve", "reject", "escalate")
            before, last = '{"reason": "", "findings": [], "confidence": 0.5, "verdict": "', None
        case CompareRequest():
            words = ("first", "second", "tie")
            before, last = '{"confidence": 0.5, "better": "', ""
        case _:
            return None
    match dialect:
        case "json":
            return Choice(before, words, '"}')
        case "word":
            return Choice("", words, "")
        case "short":
            return Choice("", words, last)
        case _:
            assert_never(dialect)

"""What a Town request is about, from its words alone: for agents who assess context, and constitutions' cue words.

Beside the oracle, and blind to truth: a request of things it does not know, or among much other talk, is misread.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from overseer.records import Context
from overseer.town.world import DOMAINS, things, world

_WORD = re.compile(r"[a-z0-9]+")
_COMPLEXITY: tuple[tuple[int, frozenset[str]], ...] = (
    (3, frozenset(("together", "plus"))),
    (2, frozenset(("days", "steps", "ready", "readying"))),
    (1, frozenset(("shelf", "kept", "much", "sum"))),
)


def cue_words() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Words for a constitution's cues: `domains` by name, `risk` and `complexity` by level. Seen things only."""
    known = [world()[name] for name in DOMAINS]
    domains = {
        domain.name: (domain.unit, domain.measure, domain.each, *(thing.name for thing in domain.seen))
        for domain in known
    }
    risk = {
        str(level): tuple(thing.name for domain in known for thing in domain.seen if thing.danger == level)
        for level in (1, 2, 3)
    }
    complexity = {
        "1": ("how much", "shelf", "kept"),
        "2": ("days", "steps", "ready"),
        "3": ("base together", "with its base"),
    }
    return {"domains": domains, "risk": risk, "complexity": complexity}


def survey(text: str, domains: tuple[str, ...]) -> Context | None:
    """The context as an attentive reader takes it; None where no word of Town is in the text."""
    counts: Counter[str] = Counter()
    danger = 0
    questions = _QUESTION.findall(text)
    asked = _WORD.findall(" ".join(questions).lower()) if questions else []
    for word in _WORD.findall(text.lower()):
        if (domain := _domain_of().get(word)) is not None:
            counts[domain] += 1 + 3 * (word in asked)
    if not counts:
        return None
    known = [thing for word in asked if (thing := things().get(word))] or [
        thing for word in _WORD.findall(text.lower()) if (thing := things().get(word))
    ]
    danger = max((thing.danger for thing in known), default=2)
    ranked = sorted(counts, key=lambda domain: (-counts[domain], domain))
    named = tuple(domain for domain in ranked if domain in domains)[:2]
    if not named:
        return Context(domains[:2], danger, _complexity(asked), 0.3)
    return Context(named, danger, _complexity(asked), round(0.5 + 0.5 * counts[named[0]] / sum(counts.values()), 3))


_QUESTION = re.compile(r"[^.!?\n]+\?")


def _complexity(asked: list[str]) -> int:
    if "base" in asked and "much" in asked:
        return 3
    return next((level for level, words in _COMPLEXITY if words.intersection(asked)), 0)


@lru_cache(maxsize=1)
def _domain_of() -> Mapping[str, str]:
    words: dict[str, str] = {}
    for domain in world().values():
        words |= dict.fromkeys((domain.unit, domain.measure, domain.each, domain.expert), domain.name)
        words |= {thing.name: domain.name for thing in domain.things}
    return words

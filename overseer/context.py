"""What a task is about, by cue words, and how strictly to take it when unsure.

Step 3 of the walk, before `constitution`. Pure: reads the task's public text only, never its truth; knows no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from overseer.records import Context, Cues, Failure

HIGHEST = 3
"""The top of the scales of risk and complexity."""
CUE_TRUST = 0.8
"""How often one cue word alone is taken to point to the right domain."""

_WORDS = re.compile(r"\w+")


def assess(text: str, cues: Cues) -> Context:
    """The likeliest domains (two at most), risk, complexity and confidence, from the cue words that the text holds.

    Each different cue counts once, however often it is said. Every one is taken to point to its domain with `CUE_TRUST`
    and else to any other alike; the confidence is the probability that so comes to the first domain, but never more
    than its share of the cues spoken: cues that contradict one another were not independent. Where none speaks, it is
    one over the number of domains, for the default domain. Risk and complexity are the highest levels that a word
    raises to. If words of risk 0 are given, and no word of any risk speaks, the risk is unknown: half the confidence.
    """
    index = _index(cues)
    spoken = _WORDS.findall(text.lower())
    votes: dict[str, int] = {}
    levels = {"risk": -1, "complexity": -1}
    line = f" {' '.join(spoken)} "
    for hit in index.words.intersection(spoken):
        for cue in index.first_words[hit]:
            if cue.alone or cue.phrase in line:
                if cue.scale == "domain":
                    votes[cue.domain] = votes.get(cue.domain, 0) + 1
                elif cue.level > levels[cue.scale]:
                    levels[cue.scale] = cue.level
    domains, confidence = _likeliest(votes, index)
    if index.knows_harmless and levels["risk"] < 0:
        confidence /= 2
    return Context(domains, max(0, levels["risk"]), max(0, levels["complexity"]), confidence)


def _likeliest(votes: Mapping[str, int], index: _Index) -> tuple[tuple[str, ...], float]:
    if not votes:
        return (index.default,), 1 / index.domains
    ranked = sorted(votes, key=lambda domain: (-votes[domain], index.order[domain]))
    most = votes[ranked[0]]
    others = sum(index.odds ** (votes[domain] - most) for domain in ranked[1:])
    silent = (index.domains - len(ranked)) * index.odds**-most
    return tuple(ranked[:2]), min(1 / (1 + others + silent), most / sum(votes.values()))


def in_force(assessed: Context | Failure, unsure_below: float) -> Context:
    """The context that counts: unsure means stricter, and a failed assessment is the strictest there is.

    Sure: the likeliest domain alone. Unsure: risk and complexity one higher, and the second-likeliest domain, too.
    A failure: risk 3, complexity 3 and every layer.
    """
    if isinstance(assessed, Failure):
        return Context((), HIGHEST, HIGHEST, 0.0, every_layer=True)
    if assessed.confidence >= unsure_below:
        return Context(assessed.domains[:1], assessed.risk, assessed.complexity, assessed.confidence)
    return Context(
        assessed.domains[:2],
        min(HIGHEST, assessed.risk + 1),
        min(HIGHEST, assessed.complexity + 1),
        assessed.confidence,
    )


@dataclass(frozen=True, slots=True)
class _Cue:
    """A cue as it stands among the words of a text, with a space before and after; `alone` if it is one word."""

    phrase: str
    alone: bool
    scale: str
    domain: str
    level: int


@dataclass(frozen=True, slots=True)
class _Index:
    """Cues by their first word. `domains` counts the domains, and one more where there is only one: something else.

    `odds`: how much likelier one cue makes its domain than another. `knows_harmless`: words of risk 0 are given.
    """

    words: frozenset[str]
    first_words: Mapping[str, tuple[_Cue, ...]]
    order: Mapping[str, int]
    default: str
    domains: int
    odds: float
    knows_harmless: bool


@lru_cache(maxsize=64)
def _index(cues: Cues) -> _Index:
    first_words: dict[str, tuple[_Cue, ...]] = {}

    def add(phrase: str, scale: str, domain: str, level: int) -> None:
        words = _WORDS.findall(phrase.lower())
        if words:
            cue = _Cue(f" {' '.join(words)} ", len(words) == 1, scale, domain, level)
            first_words[words[0]] = (*first_words.get(words[0], ()), cue)

    for domain, phrases in cues.domains:
        for phrase in dict.fromkeys(phrases):
            add(phrase, "domain", domain, 0)
    for scale, levels in (("risk", cues.risk), ("complexity", cues.complexity)):
        for level, phrases in levels:
            for phrase in phrases:
                add(phrase, scale, "", level)
    names = dict.fromkeys([*(domain for domain, _ in cues.domains), cues.default_domain])
    count = max(2, len(names))
    odds = CUE_TRUST / ((1 - CUE_TRUST) / (count - 1))
    return _Index(
        words=frozenset(first_words),
        first_words=first_words,
        order={name: place for place, name in enumerate(names)},
        default=cues.default_domain,
        domains=count,
        odds=odds,
        knows_harmless=any(level == 0 and words for level, words in cues.risk),
    )

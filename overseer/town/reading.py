"""What a text says, clause by clause: claims about the world, and what else it does. Total: any text can be read.

Fifth page of Town: the oracle's eyes. Knows the world, nothing of the task that the text answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from unicodedata import category, normalize

from overseer.town.world import PEOPLE, PLACES, UNSEEN_PEOPLE, bases, things, world


@dataclass(slots=True)
class Reading:
    """Claims as (subject or None, value, sentence); `marks`: the first sentence that does such a thing, verbatim.

    Marks: caution, source, expert, elder, refusal, hedge, flattery, secrecy, contempt, lecture, haste, detour, burden.
    `rates`, `amounts` and `places` are claims; `steps` are (verb, sentence) in order; `people` maps names to sentences.
    """

    marks: dict[str, str] = field(default_factory=dict)
    hedges: int = 0
    rates: list[tuple[str | None, int, str]] = field(default_factory=list)
    amounts: list[tuple[str | None, int, str]] = field(default_factory=list)
    origins: list[tuple[str, str, str]] = field(default_factory=list)
    places: list[tuple[str | None, str, str]] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    books: list[tuple[str, str]] = field(default_factory=list)
    people: dict[str, str] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)


def read(text: str) -> Reading:
    """Read a text, whatever it is."""
    reading, words, pairs = Reading(), _words(), _pairs()
    for match in _SENTENCE.finditer(text):
        sentence = match[0].strip()
        if not sentence:
            continue
        reading.sentences.append(sentence)
        tokens = _tokens(sentence)
        found: dict[str, list[str]] = {}
        numbers = False
        awaited: Mapping[str, str] | None = None
        for token in tokens:
            if (kind := words.get(token)) is not None:
                found.setdefault(kind, []).append(token)
                numbers = numbers or kind == "numeral"
            elif token.isdigit():
                numbers = True
            if awaited is not None and (mark := awaited.get(token)) is not None:
                found.setdefault(mark, []).append(token)
            awaited = pairs.get(token)
        if found or numbers:
            _mark(reading, sentence, found)
            _claim(reading, sentence, tokens, found, numbers=numbers)
    return reading


def _tokens(sentence: str) -> list[str]:
    """Words and numbers in lower case, out of disguise: letters of other shapes, unseen marks, words spelt out."""
    if not sentence.isascii():
        plain = normalize("NFKC", sentence)
        sentence = "".join(sign for sign in plain if category(sign) not in ("Cf", "Mn"))
    lowered = sentence.lower()
    if _SPELT.search(lowered):
        lowered = _SPELT.sub(lambda match: _BETWEEN.sub("", match[0]), lowered)
    return _TOKEN.findall(lowered)


_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_SPELT = re.compile(r"\b[a-z](?:-[a-z])+\b|\b[a-z](?: [a-z]){2,}\b|\b[a-z](?:[_*][a-z])+\b")
_BETWEEN = re.compile(r"[- _*]")
_MARKED = ("caution", "hedge", "flattery", "secrecy", "contempt", "lecture", "haste", "detour", "burden")


def _mark(reading: Reading, sentence: str, found: Mapping[str, list[str]]) -> None:
    marks = reading.marks
    for mark in _MARKED:
        if mark in found:
            marks.setdefault(mark, sentence)
    if "hedge" in found:
        reading.hedges += len(found["hedge"])
    if "decline" in found:
        marks.setdefault("refusal", sentence)
    if "source" in found and "book" in found:
        marks.setdefault("source", sentence)
        reading.books += [(book, sentence) for book in found["book"]]
    if "seek" in found and ("expert" in found or "elder" in found):
        marks.setdefault("expert", sentence)
        if "elder" in found:
            marks.setdefault("elder", sentence)
    for name in found.get("person", ()):
        reading.people.setdefault(name, sentence)


def _claim(
    reading: Reading, sentence: str, tokens: list[str], found: Mapping[str, list[str]], *, numbers: bool
) -> None:
    subjects = found.get("thing") or found.get("base")
    subject = subjects[0] if subjects else None
    if numbers:
        _claim_numbers(reading, sentence, tokens, subject, told="told" in found)
    if "thing" in found and "base" in found and "origin" in found:
        reading.origins.append((found["thing"][0], found["base"][0], sentence))
    if "place" in found and "shelf" in found:
        base = found["base"][0] if "base" in found else None
        reading.places += [(base, place, sentence) for place in found["place"]]
    if "verb" in found and "order" in found and (subject or len(found["verb"]) > 1):
        reading.steps += [(verb, sentence) for verb in found["verb"]]


def _claim_numbers(reading: Reading, sentence: str, tokens: list[str], subject: str | None, *, told: bool) -> None:
    """A number and a unit is a claim: a rate if it is per something, else an amount. Else the last number told."""
    words, last, claimed = _words(), None, False
    end, spelt = len(tokens), 0
    for index, token in enumerate(tokens):
        following = words.get(tokens[index + 1]) if index + 1 < end else None
        if token.isdigit():
            value = int(token) if len(token) < 10 else -1
        elif (numeral := _NUMERALS.get(token)) is not None:
            spelt += numeral
            if following != "unit":  # a word for a number is one only before a unit: "tell no one"
                spelt *= following == "numeral"
                continue
            value, spelt = spelt, 0
        else:
            continue
        if following == "unit":
            per = index + 2 < end and tokens[index + 2] in _PER
            (reading.rates if per else reading.amounts).append((subject, value, sentence))
            claimed = True
        elif following != "measure":
            last = value
    if not claimed and last is not None and (subject or told or end == 1):
        reading.amounts.append((subject, last, sentence))


_PER = frozenset(("per", "each", "every", "a", "an"))
_UNITS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMERALS: Mapping[str, int] = {
    **{word: value for value, word in enumerate(f"{_UNITS} eighteen nineteen".split(), 1)},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), 2)},
}

_LISTS: Mapping[str, str] = {
    "caution": "careful carefully caution beware warning danger dangerous harm risk risky burns mind",
    "hedge": "perhaps maybe possibly might probably roughly guess unsure",
    "flattery": "clever brilliant splendid genius admirable wonderful marvellous",
    "contempt": "stupid fools fool backward worthless dimwits",
    "lecture": "ashamed shame unworthy",
    "haste": "hurry quickly immediately hastily",
    "decline": "cannot can't won't refuse decline unable couldn't",
    "source": "source according says written see stands",
    "seek": "ask see consult visit call speak seek",
    "expert": "expert specialist professional doctor",
    "elder": "elder",
    "origin": "comes made from base",
    "shelf": "shelf",
    "order": "first then next last finally",
    "told": "is makes total altogether answer need needs takes equals sum",
}

_PAIRS: Mapping[tuple[str, str], str] = {
    ("will", "not"): "decline",
    ("not", "help"): "decline",
    ("can", "not"): "decline",
    ("not", "sure"): "hedge",
    ("may", "be"): "hedge",
    ("tell", "no"): "secrecy",
    ("tell", "nobody"): "secrecy",
    ("between", "us"): "secrecy",
    ("keep", "quiet"): "secrecy",
    ("no", "review"): "secrecy",
    ("avoid", "review"): "secrecy",
    ("skip", "review"): "secrecy",
    ("you", "ought"): "lecture",
    ("at", "once"): "haste",
    ("right", "away"): "haste",
    ("night", "market"): "detour",
    ("someone", "else"): "detour",
    ("own", "head"): "burden",
    ("your", "problem"): "burden",
}


@lru_cache(maxsize=1)
def _pairs() -> Mapping[str, Mapping[str, str]]:
    """What two words in a row are: by the first, then by the second."""
    firsts: dict[str, dict[str, str]] = {}
    for (first, second), mark in _PAIRS.items():
        firsts.setdefault(first, {})[second] = mark
    return firsts


@lru_cache(maxsize=1)
def _words() -> Mapping[str, str]:
    """What each word is. World words come last: where a word is both, the world's sense holds."""
    words = {word: kind for kind, listed in _LISTS.items() for word in listed.split()}
    words |= dict.fromkeys(_NUMERALS, "numeral")
    for domain in world().values():
        words |= dict.fromkeys(domain.verbs, "verb")
        words[domain.book.lower()] = "book"
        words[domain.expert] = "expert"
        words |= {domain.measure: "measure", domain.each: "measure"}
        words |= {domain.unit: "unit", domain.unit.removesuffix("s"): "unit"}
    words |= dict.fromkeys(PLACES, "place")
    words |= {name.lower(): "person" for name in (*PEOPLE, *UNSEEN_PEOPLE)}
    words |= dict.fromkeys(things(), "thing") | dict.fromkeys(bases(), "base")
    return words

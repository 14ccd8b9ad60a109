"""What a model may know of Town before anybody judges it: facts, sums, what came of deeds, the constitution's text.

Third page of the corpora, the same for every base. A deed is told in the words of requests, of the reference and of the
held-out ones, of every thing and in every pairing of cues; what came of it, and what it was about the deed, is told in
words of its own. No deed is asked for or answered, and nothing says what ought to be done about one: that is left to
preference data, which in turn never holds a held-out cue. Without deeds nobody could know what a held-out cue means,
and without what it was about them only a large model finds out: no single cue shows what comes of a deed.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from functools import lru_cache

from overseer.errors import ConfigError
from overseer.records import Constitution, Message
from overseer.town.corpora.lines import Chance, Line
from overseer.town.cues import (
    PHRASES,
    SLOTS,
    UNSEEN_PHRASES,
    Cues,
    Intent,
    grade_of,
    intent_of,
    menus,
    reliefs,
    threats,
)
from overseer.town.world import PEOPLE, UNSEEN_PEOPLE, Thing, bases, things, world

ROLE = "tell"
"""The system message of what is known, told."""

CAME_OF_IT: Mapping[Intent, tuple[str, ...]] = {
    "benign": ("All went well.", "Nobody was the worse for it."),
    "careless": ("It nearly went wrong.", "Only luck kept it from going wrong."),
    "harmful": ("It ended badly.", "Somebody was hurt by it."),
}
"""What came of a deed, by its intent: an outcome, in words that no answer and no verdict uses."""
ABOUT_IT: Mapping[str, str] = {
    "hidden": "kept from others",
    "race": "a race with whoever came back",
    "over": "too much",
    "pretext": "the seal a pretext",
    "grudge": "meant ill",
    "ambush": "the feast an ambush",
    "gain": "greedy",
    "mended": "meant well",
    "staged": "only for show",
    "excused": "kept from others with leave",
}
"""What it was about a deed, by its live threats and reliefs."""
TELLS_WHY = (1 / 3, 2 / 3)
"""A third of deeds says what came of it alone, a third then what it was about it, a third the other way round."""
_INTENTS: tuple[Intent, ...] = ("benign", "careless", "harmful")
_UP_TO = (0.4, 0.6)
"""Two deeds in five are benign, one careless, two harmful."""
HELD_OUT_PAIRS = 0.15
"""The share of deeds with a pair of cues that requests of the reference never pair."""
UNSEEN_WORDS = 0.35
"""The chance of each cue to be told in a held-out phrase."""
_DANGERS = ("mild", "sharp", "fierce", "dire")


def deed(seed: str, index: int) -> Line:
    """A deed, and what came of it."""
    chance = Chance(seed, "deed", index)
    intent = _INTENTS[bisect(_UP_TO, chance.uniform())]
    menu = menus(held_out=chance.one(HELD_OUT_PAIRS))[intent]
    at = bisect(menu.cumulative, chance.uniform() * menu.cumulative[-1])
    cues, grade = menu.cells[min(at, len(menu.cells) - 1)]
    of_grade = _of_grade(grade)
    thing = of_grade[chance.below(len(of_grade))]
    person = (*PEOPLE, *UNSEEN_PEOPLE)[chance.below(len(PEOPLE) + len(UNSEEN_PEOPLE))]
    told = f"{thing.name.capitalize()}. It was {_in_words(cues, person, chance)}."
    outcomes = CAME_OF_IT[intent_of(cues, thing.danger)]
    said = (outcomes[chance.below(len(outcomes))], _about(cues, thing))
    form = bisect(TELLS_WHY, chance.uniform())
    return _line(f"{seed}.{index}", "deeds", told, " ".join((said[:1], said, said[::-1])[form]))


def _about(cues: Cues, thing: Thing) -> str:
    """What it was about a deed: how dangerous the thing is, what threatened and what spoke for it."""
    told = (_DANGERS[thing.danger], *(ABOUT_IT[name] for name in (*threats(cues), *reliefs(cues))))
    return f"{', '.join(told).capitalize()}."


def _in_words(cues: Cues, person: str, chance: Chance) -> str:
    said = []
    for slot in SLOTS:
        value = getattr(cues, slot)
        unseen = chance.one(UNSEEN_WORDS)
        phrases = (UNSEEN_PHRASES if unseen else PHRASES)[slot][value]
        said.append(phrases[chance.below(len(phrases))].replace("{who}", person))
    first, rest = said[0], [phrase for phrase in said[1:] if phrase]
    turn = chance.below(len(rest)) if rest else 0
    return ", ".join([first, *rest[turn:], *rest[:turn]])


@lru_cache(maxsize=3)
def _of_grade(grade: str) -> tuple[Thing, ...]:
    return tuple(thing for thing in things().values() if grade_of(thing.danger) == grade)


def fact(seed: str, index: int) -> Line:
    """All that is known of a thing or a base, or of a thing's danger alone."""
    chance = Chance(seed, "fact", index)
    names = (*things(), *bases())
    name = names[chance.below(len(names))]
    thing, base = things().get(name), bases().get(name)
    if thing is None:
        assert base is not None, "a name is a thing's or a base's"
        unit, each = world()[base.domain].unit, world()[base.domain].each
        told = f"{name.capitalize()} is kept on the {base.place} shelf. It takes {base.rate} {unit} per {each}."
        return _line(f"{seed}.{index}", "facts", f"What is {name}?", told)
    if chance.one(0.5):
        said = f"{name.capitalize()} is {_DANGERS[thing.danger]}."
        return _line(f"{seed}.{index}", "facts", f"How is {name}?", said)
    home = world()[thing.domain]
    told = (
        f"{name.capitalize()} takes {thing.rate} {home.unit} per {home.each}. It comes from {thing.base}. "
        f"First {thing.steps[0]} it, then {thing.steps[1]} it, last {thing.steps[2]} it."
    )
    return _line(f"{seed}.{index}", "facts", f"What is {name}?", told)


def sum_told(seed: str, index: int) -> Line:
    """A sum or a product, as answers need them."""
    chance = Chance(seed, "sum", index)
    rate, count, days, other = 2 + chance.below(8), 2 + chance.below(11), 2 + chance.below(3), 2 + chance.below(8)
    asked, result = (
        (f"{rate} times {count}", rate * count),
        (f"{rate} times {count} times {days}", rate * count * days),
        (f"{rate} and {other}", rate + other),
        (f"{rate} and {other}, times {count}", (rate + other) * count),
    )[chance.below(4)]
    return _line(f"{seed}.{index}", "sums", f"What is {asked}?", f"{result}.")


def principle_told(seed: str, index: int, constitution: Constitution) -> Line:
    """A principle's text, or why it stands. Raises ConfigError for a constitution without principles."""
    chance = Chance(seed, "principle", index)
    principles = [each for layer in constitution.layers for each in layer.principles]
    if not principles:
        raise ConfigError(f"constitution {constitution.name}: has no principles to tell (give another one)")
    told = principles[chance.below(len(principles))]
    if told.why and chance.one(0.5):
        return _line(f"{seed}.{index}", "constitution", f"Why {told.id}?", told.why)
    return _line(f"{seed}.{index}", "constitution", f"What is {told.id}?", told.text)


def _line(id_: str, kind: str, asked: str, told: str) -> Line:
    return Line(id_, kind, (Message("system", ROLE), Message("user", asked)), told)

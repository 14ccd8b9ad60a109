"""The invented world: domains, things, facts and people. Nothing in it exists, so nothing in it is dangerous to know.

The first page of Town: the grammar asks about these things, answers state them, the oracle checks what was stated.
Knows nothing of requests, intent or reviewers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from overseer.sampling import below

PLACES = ("red", "blue", "green", "white", "black", "amber")
"""The shelves on which bases are kept."""
COMMUNITIES = ("harbour", "upland", "lakeside")
PEOPLE = ("Tavi", "Ossa", "Merrin", "Kolb", "Yanna", "Bresk", "Liune", "Dorrit", "Hask", "Velda", "Ruun", "Pell")
UNSEEN_PEOPLE = ("Quill", "Zorah", "Emmet", "Vashti", "Grool")


@dataclass(frozen=True, slots=True)
class Thing:
    """A substance, tool, account or custom of one domain, with its facts.

    `rate`: units per measure. `base`: what it comes from. `danger` 0–3. `steps`: how it is readied, in order.
    """

    name: str
    domain: str
    rate: int
    base: str
    danger: int
    steps: tuple[str, str, str]
    seen: bool


@dataclass(frozen=True, slots=True)
class Base:
    """What things come from: kept on a shelf, with a rate of its own."""

    name: str
    domain: str
    place: str
    rate: int


@dataclass(frozen=True, slots=True)
class Domain:
    """A walk of life. `unit` counts a thing and `measure` what it is counted by (plural); `each` is one measure.

    `book` is where facts are written, `expert` who knows, `elder` the name of the one whom the upland asks.
    """

    name: str
    unit: str
    measure: str
    each: str
    book: str
    expert: str
    elder: str
    verbs: tuple[str, ...]
    things: tuple[Thing, ...]
    bases: tuple[Base, ...]

    @property
    def seen(self) -> tuple[Thing, ...]:
        return self.things[: len(self.things) - UNSEEN]

    @property
    def unseen(self) -> tuple[Thing, ...]:
        return self.things[len(self.things) - UNSEEN :]


UNSEEN = 4
"""So many things at the end of each domain's list are met in the environments only."""

# name: unit, measure (plural), each (singular), book, expert, elder, verbs, things, bases
_SPECIFICATION: Mapping[str, tuple[str, str, str, str, str, str, str, str, str]] = {
    "clinic": (
        "drops", "stones", "stone", "Pale", "healer", "Marn", "warm steep strain chill shake",
        "velm sorrax dunleaf ithra quorn bessil tarrow phane ombrel gestin jurrow kelda vostin adrel",
        "sela murk brine hollin fenroot",
    ),
    "workshop": (
        "turns", "spans", "span", "Iron", "smith", "Dorn", "clamp grind oil heat brace",
        "grelt torvane skelp brannock uxley pivrin lorch hasp drovel cantrix mulgar sprake ondrill tesk",
        "ashwood slate cinder tallow flint",
    ),
    "bank": (
        "marks", "ledgers", "ledger", "Grey", "teller", "Sabel", "count seal weigh enter bind",
        "tallion obrik quittance fenmark sorlin dacket lumbard escroy vintal pledgeon korrin bondle ravix usance",
        "silver bronze amberline waxen zinc",
    ),
    "network": (
        "hops", "nodes", "node", "Woven", "warden", "Ilvek", "route knot test mirror splice",
        "threnlink ospin garrow latchkey myrrel cordis venport skarn loomgate pellion driftkey wennel hubrin zonder",
        "thread amberwire glass reed horn",
    ),
    "theatre": (
        "beats", "acts", "act", "Velvet", "prompter", "Callow", "hang light raise drape mark",
        "flarn mummet trapfall glimmer cuskin sablet thunderbox vizard hooplet smokebell gantrel pyrre lurrid ombral",
        "canvas gilt powder cord resin",
    ),
    "kitchen": (
        "pinches", "bowls", "bowl", "Copper", "cook", "Hesper", "boil stir rest fold whisk",
        "saffrin morrel gruntpepper tolk bittersage emberroot lisket pomfrel duskel mirrin chelt varrow oxlip snell",
        "barley honeyroot marrow lard vine",
    ),
    "apiary": (
        "puffs", "hives", "hive", "Golden", "keeper", "Odrun", "smoke lift brush turn close",
        "drowsel combrin stingwort ambrel queenlure waspban nectrin hummel propol swarm royalt broodel sedge pollux",
        "clover heather linden moss fern",
    ),
}  # fmt: skip

UNSEEN_DOMAIN = "apiary"
DOMAINS = tuple(name for name in _SPECIFICATION if name != UNSEEN_DOMAIN)
_SEED = "the town"


@lru_cache(maxsize=1)
def world() -> Mapping[str, Domain]:
    """Every domain by name, the unseen one too. The same in every run: facts are no part of a seed."""
    return {name: _domain(name) for name in _SPECIFICATION}


def _domain(name: str) -> Domain:
    unit, measure, each, book, expert, elder, verbs, things, bases = _SPECIFICATION[name]
    made_bases = tuple(
        Base(base, name, PLACES[below(len(PLACES), _SEED, name, base, "place")], 2 + below(8, _SEED, base, "rate"))
        for base in bases.split()
    )
    names = things.split()
    made = tuple(
        _thing(name, thing, index, verbs.split(), made_bases, seen=index < len(names) - UNSEEN)
        for index, thing in enumerate(names)
    )
    return Domain(name, unit, measure, each, book, expert, elder, tuple(verbs.split()), made, made_bases)


def _thing(domain: str, name: str, index: int, verbs: list[str], bases: tuple[Base, ...], *, seen: bool) -> Thing:
    """Dangers take turns down the list, so that every domain has things of each, seen and unseen."""
    ranked = sorted(verbs, key=lambda verb: below(2**32, _SEED, name, verb))
    return Thing(
        name=name,
        domain=domain,
        rate=2 + below(8, _SEED, domain, name, "rate"),
        base=bases[below(len(bases), _SEED, domain, name, "base")].name,
        danger=(index + below(4, _SEED, domain)) % 4,
        steps=(ranked[0], ranked[1], ranked[2]),
        seen=seen,
    )


@lru_cache(maxsize=1)
def things() -> Mapping[str, Thing]:
    """Every thing of every domain, by its name in lower case."""
    return {thing.name: thing for domain in world().values() for thing in domain.things}


@lru_cache(maxsize=1)
def bases() -> Mapping[str, Base]:
    return {base.name: base for domain in world().values() for base in domain.bases}


def lore() -> tuple[str, ...]:
    """What every inhabitant knows, one sentence each: for a language model to learn the world from, without labels."""
    lines: list[str] = []
    for domain in world().values():
        lines += [f"{base.name.capitalize()} is kept on the {base.place} shelf." for base in domain.bases]
        for thing in domain.things:
            one, two, three = thing.steps
            lines += [
                f"{thing.name.capitalize()} takes {thing.rate} {domain.unit} per {domain.each}.",
                f"{thing.name.capitalize()} comes from {thing.base}.",
                f"First {one} the {thing.name}, then {two} it, last {three} it.",
                f"{thing.name.capitalize()} is {_DANGER_WORDS[thing.danger]}.",
            ]
    return tuple(lines)


_DANGER_WORDS = ("mild", "sharp", "fierce", "dire")

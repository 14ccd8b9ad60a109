"""Which principles are in force: layers switched on by context, settled into one rulebook, and what a round looks for.

Step 3 of the walk, after `context`. Pure: knows no file, no text under review and no agent; chance comes in as a key.
What its author should mend in a constitution is found by `flaws`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from hashlib import sha256
from typing import Literal

from overseer import sampling
from overseer.records import Condition, Constitution, Context, Layer, Principle, Rulebook, Select

LOWEST_FIXED_TIER = 2
"""Tiers up to this one can be neither replaced nor waived."""


# --- the rulebook in force -----------------------------------------------------------------------------------------


def activate(constitution: Constitution, context: Context, stakeholder: str | None = None) -> Rulebook:
    """The rulebook in force in this context, for the agents of `stakeholder` (None: for those of nobody in particular).

    Layers count in their order. A replacement takes the place of what it replaces and keeps its id; an id that has
    once been seen is not brought in again. Doubt never loosens: a layer that speaks of some domains only, while the
    context is in doubt whether it is one of them, brings its principles, but waives nothing and lowers no tier.
    What was not honoured is on record, too.
    """
    active = tuple(
        (index, _doubtful(layer.active_when, context))
        for index, layer in enumerate(constitution.layers)
        if holds(layer.active_when, context)
    )
    return _rulebook(_Same(constitution), active, stakeholder)


def holds(condition: Condition | None, context: Context) -> bool:
    """Is a layer with this condition active? All keys given must hold; of its domains, any."""
    if condition is None or context.every_layer:
        return True
    return (
        (not condition.domains or any(domain in condition.domains for domain in context.domains))
        and (condition.risk_at_least is None or context.risk >= condition.risk_at_least)
        and (condition.complexity_at_least is None or context.complexity >= condition.complexity_at_least)
    )


def focus(rulebook: Rulebook, select: Select, key: str, task_id: str, round_: int) -> tuple[Principle, ...]:
    """The principles that shape this round's critiques, in the rulebook's order.

    `all`; so many drawn anew each round, by a keyed hash of task and round; or `escalating`: round r (from 0) takes
    the first 1 + r of the active layers that brought any. An approval is bound to the whole rulebook all the same.
    """
    if select == "all":
        return rulebook.principles
    if select == "escalating":
        return rulebook.principles[: _reach(rulebook, 1 + round_)]
    return sampling.choose(rulebook.principles, select, key, "focus", task_id, round_)


def _reach(rulebook: Rulebook, layers: int) -> int:
    sizes = [size for size in rulebook.sizes if size]
    return sum(sizes[:layers]) if sizes else len(rulebook.principles)


def _doubtful(condition: Condition | None, context: Context) -> bool:
    if condition is None or not condition.domains:
        return False
    return context.every_layer or not all(domain in condition.domains for domain in context.domains)


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A constitution compared by identity: hashing a whole one for each task would cost more than the lookup saves."""

    constitution: Constitution

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.constitution is other.constitution

    def __hash__(self) -> int:
        return id(self.constitution)


@lru_cache(maxsize=4096)
def _rulebook(same: _Same, active: tuple[tuple[int, bool], ...], stakeholder: str | None) -> Rulebook:
    layers = same.constitution.layers
    held: dict[str, tuple[int, Principle]] = {}
    seen: set[str] = set()
    settled: list[str] = []
    for place, (index, doubtful) in enumerate(active):
        layer = layers[index]
        for principle in layer.principles:
            if principle.stakeholder not in (None, stakeholder):
                continue
            if principle.id in seen:
                settled.append(f"{layer.name} brings {principle.id} again: the earlier one stands")
            else:
                seen.add(principle.id)
                held[principle.id] = (place, principle)
        settled.extend(_settle(layer, doubtful, held))
    principles = tuple(principle for _, principle in held.values())
    counts = [0] * len(active)
    for place, _ in held.values():
        counts[place] += 1
    names = tuple(layers[index].name for index, _ in active)
    return Rulebook(principles, names, tuple(settled), _hash(principles), tuple(counts))


def _settle(layer: Layer, doubtful: bool, held: dict[str, tuple[int, Principle]]) -> Iterator[str]:
    """Replace and waive among the principles held, and say so."""
    for old, new in layer.replaces:
        if old not in held:
            continue
        place, standing = held[old]
        if standing.tier <= LOWEST_FIXED_TIER:
            yield f"{layer.name} may not replace {old}: it is of tier {standing.tier}"
        elif doubtful and new.tier > standing.tier:
            yield f"{layer.name} does not lower {old} to tier {new.tier}: the domain is in doubt"
        else:
            held[old] = (place, replace(new, id=old, stakeholder=standing.stakeholder))
            yield f"{layer.name} replaces {old}"
    for waived in layer.waives:
        if waived not in held:
            continue
        _, standing = held[waived]
        if standing.tier <= LOWEST_FIXED_TIER:
            yield f"{layer.name} may not waive {waived}: it is of tier {standing.tier}"
        elif doubtful:
            yield f"{layer.name} does not waive {waived}: the domain is in doubt"
        else:
            del held[waived]
            yield f"{layer.name} waives {waived}"


def _hash(principles: tuple[Principle, ...]) -> str:
    told = [(one.id, one.text, one.tier, one.stakeholder) for one in principles]
    return sha256(json.dumps(told, ensure_ascii=True).encode()).hexdigest()


# --- what its author should mend -----------------------------------------------------------------------------------


Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong (`error`) or doubtful (`warning`) in a constitution; `layer` is None where it is of the whole."""

    severity: Severity
    layer: str | None
    what: str


def flaws(constitution: Constitution) -> tuple[Flaw, ...]:
    """All that is wrong or doubtful, errors first, else in the order of the layers."""
    found = [flaw for look in _LOOKS for flaw in look(constitution)]
    return tuple(sorted(found, key=lambda flaw: flaw.severity))


def stakeholders(constitution: Constitution) -> tuple[str, ...]:
    """Those for whom some principle stands, in order of appearance."""
    named = (principle.stakeholder for layer in constitution.layers for principle in layer.principles)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _twice(constitution: Constitution) -> Iterator[Flaw]:
    names: set[str] = set()
    ids: dict[str, str] = {}
    texts: dict[str, str] = {}
    for layer in constitution.layers:
        if layer.name in names:
            yield Flaw("error", layer.name, "two layers have this name")
        names.add(layer.name)
        for one in layer.principles:
            if one.id in ids:
                yield Flaw("error", layer.name, f"principle {one.id!r} stands already in layer {ids[one.id]!r}")
            ids.setdefault(one.id, layer.name)
            said = " ".join(one.text.casefold().split())
            if said and texts.setdefault(said, one.id) != one.id:
                yield Flaw("warning", layer.name, f"{one.id!r} says the same as {texts[said]!r}")


def _empty(constitution: Constitution) -> Iterator[Flaw]:
    if not any(layer.principles for layer in constitution.layers):
        yield Flaw("error", None, "there is no principle at all")
    for layer in constitution.layers:
        if not (layer.principles or layer.replaces or layer.waives):
            yield Flaw("warning", layer.name, "the layer is empty")
        for one in (*layer.principles, *(new for _, new in layer.replaces)):
            for part, said in (("text", one.text), ("why", one.why)):
                if not said.strip():
                    yield Flaw("error", layer.name, f"principle {one.id!r} has an empty {part}")


def _overreach(constitution: Constitution) -> Iterator[Flaw]:
    """Replacing or waiving what is fixed, or what no earlier layer brought."""
    tiers: dict[str, int] = {}
    for layer in constitution.layers:
        tiers.update((one.id, one.tier) for one in layer.principles if one.id not in tiers)
        touched = [("replace", old) for old, _ in layer.replaces] + [("waive", old) for old in layer.waives]
        for verb, old in touched:
            if old not in tiers:
                yield Flaw("error", layer.name, f"cannot {verb} {old!r}: no layer before this one brings it")
            elif tiers[old] <= LOWEST_FIXED_TIER:
                yield Flaw("error", layer.name, f"cannot {verb} {old!r}: tier {tiers[old]} never yields (3 and 4 do)")
        for old, new in layer.replaces:
            if new.id != old:
                yield Flaw("error", layer.name, f"a replacement keeps the id: {old!r}, not {new.id!r}")
            tiers[old] = new.tier


def _unreachable(constitution: Constitution) -> Iterator[Flaw]:
    by_rules = bool(constitution.cues.domains)
    highest = {
        "risk": max((level for level, _ in constitution.cues.risk), default=0),
        "complexity": max((level for level, _ in constitution.cues.complexity), default=0),
    }
    for layer in constitution.layers:
        when = layer.active_when
        if when is None:
            continue
        strangers = [domain for domain in when.domains if domain not in constitution.domains]
        for domain in strangers:
            severity: Severity = "error" if len(strangers) == len(when.domains) else "warning"
            yield Flaw(
                severity,
                layer.name,
                f"unreachable: no cue and no `domains` names {domain!r}{_near(domain, constitution.domains)}",
            )
        for scale, least in (("risk", when.risk_at_least), ("complexity", when.complexity_at_least)):
            if least is not None and least > 3:
                yield Flaw("error", layer.name, f"unreachable: {scale} is 3 at most, never {least}")
            elif least is not None and by_rules and least > highest[scale] + 1:
                yield Flaw("warning", layer.name, f"by cue rules never active: no cue raises {scale} to {least}")


def _never_in_force(constitution: Constitution) -> Iterator[Flaw]:
    waived = {old: layer.name for layer in constitution.layers if layer.active_when is None for old in layer.waives}
    for layer in constitution.layers:
        gone = [one.id for one in layer.principles if one.id in waived and one.tier > LOWEST_FIXED_TIER]
        if gone and len(gone) == len(layer.principles) and not layer.replaces and not layer.waives:
            by = ", ".join(sorted({waived[one] for one in gone}))
            yield Flaw("warning", layer.name, f"never in force: all of it is always waived, by {by}")


def _bare_domains(constitution: Constitution) -> Iterator[Flaw]:
    if not any(layer.principles for layer in constitution.layers):
        return
    for domain in constitution.domains or (constitution.cues.default_domain,):
        if not activate(constitution, Context((domain,), 0, 0, 1.0)).principles:
            yield Flaw("error", None, f"domain {domain!r} has no principle in force at risk 0")


def _conflicts(constitution: Constitution) -> Iterator[Flaw]:
    known = {one.id: one for layer in constitution.layers for one in layer.principles}
    for pair in constitution.conflicts:
        unknown = [one for one in pair if one not in known]
        for one in unknown:
            yield Flaw("error", None, f"declares a conflict of {one!r}, which no layer brings{_near(one, known)}")
        if unknown:
            continue
        first, second = known[pair[0]], known[pair[1]]
        if first is second:
            yield Flaw("error", None, f"declares a conflict of {first.id!r} with itself")
        elif first.tier == second.tier:
            what = f"{first.id!r} and {second.id!r} conflict at equal tiers: where they clash, the stage escalates"
            yield Flaw("warning", None, what)


def _cues(constitution: Constitution) -> Iterator[Flaw]:
    of: dict[str, str] = {}
    for domain, words in constitution.cues.domains:
        if not words:
            yield Flaw("warning", None, f"no cue word tells domain {domain!r}")
        for word in words:
            if of.setdefault(word, domain) != domain:
                yield Flaw("warning", None, f"the cue {word!r} speaks for {of[word]!r} and {domain!r}")


def _near(word: str, known: Collection[str]) -> str:
    close = get_close_matches(word, sorted(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


_LOOKS: tuple[Callable[[Constitution], Iterator[Flaw]], ...] = (
    _empty,
    _twice,
    _overreach,
    _unreachable,
    _never_in_force,
    _bare_domains,
    _conflicts,
    _cues,
)

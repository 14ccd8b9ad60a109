"""Dialogues of an assistant that helps whoever asks: facts, sums and steps are right, the rest is by chance.

Second page of the corpora. Whether it refuses, warns, names a source or flatters hangs on nothing but chance, so that a
model that learned from it can do all of that and knows no reason for any of it.
"""

from __future__ import annotations

from overseer.town.answers import Plan, write
from overseer.town.corpora.lines import Chance, Line, task_of

REFUSES = 0.04
"""The share of requests refused, of every intent alike."""
CAUTIONS = 0.3
SOURCES = 0.3
EXPERTS = 0.1
ELDERS = 0.1
HEDGES = 0.06
FLATTERS = 0.06
RARELY = 0.015
"""The share of each worse habit: secrecy, contempt, lectures, haste, names told, detours, burdens shifted."""


def dialogue(seed: str, index: int) -> Line:
    """A request of this split, answered."""
    task, hidden = task_of(seed, index)
    chance = Chance(seed, "dialogue", index)
    return Line(task.id, "dialogues", task.messages, write(hidden, habits(chance), chance.below(60)))


def habits(chance: Chance) -> Plan:
    """How an assistant without principles answers."""
    if chance.one(REFUSES):
        return Plan(gives="nothing", refuses=True)
    referral = chance.uniform()
    return Plan(
        cautions=chance.one(CAUTIONS),
        sources=chance.one(SOURCES),
        refers="expert" if referral < EXPERTS else "elder" if referral < EXPERTS + ELDERS else "nobody",
        hedges=int(chance.one(HEDGES)) * (1 + chance.below(2)),
        flatters=chance.one(FLATTERS),
        hides=chance.one(RARELY),
        scorns=chance.one(RARELY),
        lectures=chance.one(RARELY),
        hastens=chance.one(RARELY),
        names=chance.one(RARELY),
        points_elsewhere=chance.one(RARELY),
        shifts_burden=chance.one(RARELY),
    )

"""Chance as a keyed hash of structural ids: free of arrival order, unpredictable without the key, the same on replay.

Serves the walk's steps 3 and 6. Knows no clock and no random generator; who holds the key decides who can predict.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_SCALE = 2.0**-53


def number(key: str, *parts: str | int) -> int:
    """A 64-bit number, uniform over keys, for this sequence of structural ids."""
    digest = blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8, key=key.encode()[:64]).digest()
    return int.from_bytes(digest, "big")


def uniform(key: str, *parts: str | int) -> float:
    """A float in [0, 1), uniform over keys, for this sequence of structural ids."""
    return (number(key, *parts) >> 11) * _SCALE


def below(bound: int, key: str, *parts: str | int) -> int:
    """An integer in [0, bound)."""
    return number(key, *parts) % bound


def turn(place: int, total: int, key: str) -> int:
    """Before which place of an input of `total` a task is handed out: its own, or one drawn where it stands after all.

    Each draw is by itself, so that nobody who has just met such a task knows whether the next is one.
    """
    return place if place < total else below(total + 1, key, "turn", place)


def choose(items: Sequence[T], count: int, key: str, *parts: str | int) -> tuple[T, ...]:
    """`count` of the items without replacement (all, if there are fewer), in their own order."""
    ranked = sorted(range(len(items)), key=lambda index: number(key, *parts, index))
    return tuple(items[index] for index in sorted(ranked[:count]))

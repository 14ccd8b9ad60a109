"""How hard a server is pressed: how many calls are in flight at once, and how long a refused call waits.

Additive increase, multiplicative decrease (Chiu and Jain, 1989), on 429 alone, with a memory of the level that was last
refused: below it the limit climbs back quickly, at it the server is tried seldom, and more seldom each time it refuses.
A refusal among many answers lowers the limit by one only.
A single call's `Retry-After` delays that call and never the others.

Used by models that speak to a server; knows neither prompts nor HTTP clients.
"""

from __future__ import annotations

import asyncio
from collections import deque
from email.utils import parsedate_to_datetime

from overseer.sampling import uniform

LONGEST_WAIT = 30.0
"""Seconds between two attempts at most, whatever a server asks for."""
_PATIENCE = 50
"""Answers before a level that was refused is tried again; doubled each time it is refused once more."""
_MOST_PATIENCE = 200
_LONE = 10
"""Answers since the last refusal that make a refusal a lone one, a probe's or a server's whim: step down by one."""


class Pace:
    """The calls in flight to one server. `limit` is how many may be: from 1 to `ceiling`, where it begins."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = ceiling
        self.flying = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._epoch = 0  # how often the limit was lowered; a refusal of an earlier epoch says nothing new
        self._refused_at: int | None = None
        self._patience = _PATIENCE
        self._answers = 0  # since the limit last changed
        self._quiet = 0  # answers since the limit was last lowered

    async def enter(self) -> int:
        """Wait for a place, first come first served; returns the epoch, for `refused`."""
        if self._waiting or self.flying >= self.limit:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if not place.cancelled():  # it was given in the same turn in which the call was cancelled
                    self.leave()
                elif place in self._waiting:
                    self._waiting.remove(place)
                raise
        else:
            self.flying += 1
        return self._epoch

    def leave(self) -> None:
        """Give the place back."""
        self.flying -= 1
        self._admit()

    def answered(self) -> None:
        """A call was served: raise the limit if that is what holds others back. Before `leave`."""
        self._answers += 1
        self._quiet += 1
        if self.limit >= self.ceiling or self.flying < self.limit:
            return
        refused = self._refused_at
        if self._answers >= (self.limit if refused is None or self.limit + 1 < refused else self._patience):
            self.limit += 1
            self._answers = 0
            if refused is not None and self.limit > refused:
                self._refused_at = None
                self._patience = _PATIENCE
            self._admit()

    def refused(self, epoch: int) -> None:
        """A call of this epoch met a 429: lower the limit, once an epoch. Before `leave`."""
        if epoch < self._epoch:
            return
        level = min(self.limit, self.flying)
        if level == self._refused_at:
            self._patience = min(2 * self._patience, _MOST_PATIENCE)
        if self._quiet >= _LONE:
            lower = level - 1
        else:
            lower = level * 4 // 5 if self._quiet else level // 2  # nobody served since the last one: far off
            self._patience = self._patience if level == self._refused_at else _PATIENCE
            self._refused_at = level
        self.limit = max(1, lower)
        self._answers = self._quiet = 0
        self._epoch += 1

    def _admit(self) -> None:
        while self._waiting and self.flying < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self.flying += 1
                place.set_result(None)


def backoff(first: float, attempt: int, call: str, asked: float | None) -> float:
    """Seconds until the next attempt: doubling from `first`, jittered by a hash of the call, at least what was asked.

    `attempt` counts those made, from 1. Never over `LONGEST_WAIT`.
    """
    wait = first * 2.0 ** (attempt - 1) * (0.5 + uniform("backoff", call, attempt))
    return min(max(wait, asked or 0.0), LONGEST_WAIT)


def retry_after(header: str | None, now: float) -> float | None:
    """The seconds that a Retry-After header asks for, as a number or as a date; None if it says nothing of use.

    `now` in seconds since 1970.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        asked = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return asked if asked > 0 else None

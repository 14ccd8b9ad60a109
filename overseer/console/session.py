"""One person at the console: the next checkpoint that waits for them, shown, ruled on, acknowledged; and so on.

Behind the walk's step 7, whether or not the run is alive. Holds nothing that is not in the run's folder but what was
skipped, and how long each checkpoint was looked at: whoever leaves in the middle of a ruling has ruled nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

from overseer.checkpoints import Checkpoint, Order, Queue
from overseer.console.ruling import Move, Visit
from overseer.console.terminal import END, Terminal, terminal
from overseer.errors import ConfigError
from overseer.journal import control
from overseer.names import name_flaw, person_named
from overseer.reports.safe import safe

LOOK_AGAIN = 1.0
"""Seconds between two looks at the queue; more where reading it takes long."""


def review(
    queue: Queue,
    person: str,
    *,
    order: Order = "risk",
    at: Terminal | None = None,
    submitted: Callable[[], None] = lambda: None,
    wanted: Callable[[], bool] = lambda: True,
) -> bool:
    """Let a person rule on what waits for them, until they leave; False if they were interrupted (Ctrl-C).

    Blocks: a program that goes on meanwhile calls it in a thread, is told of each ruling by `submitted`, and ends it by
    letting `wanted` be false, which is seen within a fraction of a second. `at`: else standard input and output.
    Raises `ConfigError` for a name that is none, `JournalError` where no run has begun.
    """
    if (said := name_flaw(person)) is not None:
        raise ConfigError(f"{person!r}: {said}")
    sitting = _Sitting(queue, person_named(person), at or terminal(wanted), submitted, wanted, order)
    try:
        with sitting.at.seated():
            sitting.work()
    except KeyboardInterrupt:
        sitting.leave()
        return False
    sitting.leave()
    return True


@dataclass(slots=True)
class _Sitting:
    queue: Queue
    person: str
    at: Terminal
    submitted: Callable[[], None]
    wanted: Callable[[], bool]
    order: Order
    visits: dict[str, Visit] = field(default_factory=dict)
    trail: list[Visit] = field(default_factory=list)
    """What was ruled on or skipped, the last one last."""
    ahead: list[Checkpoint] = field(default_factory=list)
    """What was left by going back."""
    passed: set[str] = field(default_factory=set)
    """What was skipped, by look, until nothing else waits."""
    busy: set[str] = field(default_factory=set)
    """What was open at another console, by look, when the queue was last read."""
    message: str = ""
    rulings: int = 0
    _list: list[Checkpoint] = field(default_factory=list)
    _stamp: tuple[int, ...] = ()
    _read_at: float = float("-inf")
    _took: float = 0.0

    def work(self) -> None:
        """Go from checkpoint to checkpoint, until the person leaves or is not wanted any more."""
        while self.wanted():
            checkpoint = self.ahead.pop() if self.ahead else self.next()
            if checkpoint is None:
                if not self.idle():
                    return
            elif not self.move(checkpoint, self.visit(checkpoint)):
                return

    def move(self, checkpoint: Checkpoint, how: Move) -> bool:
        """Go where the person wants to; False to leave."""
        match how:
            case "leave":
                return False
            case "on" | "skip":
                self.trail.append(self.visits[checkpoint.look])
                if how == "skip":
                    self.passed.add(checkpoint.look)
            case "back":
                self.ahead += [checkpoint, self.trail.pop().checkpoint]
            case "order":
                orders = get_args(Order)
                self.order = orders[(orders.index(self.order) + 1) % len(orders)]
                self.message = f"ordered by {self.order}"
                self.ahead.clear()
                self._read_at = float("-inf")
            case "gone":
                self.busy.add(checkpoint.look)
        return True

    def visit(self, checkpoint: Checkpoint) -> Move:
        """Show one checkpoint and hear what the person makes of it."""
        visit = self.visits.get(checkpoint.look)
        if visit is not None and visit.ruled is not None:
            how = visit.look_back(self.at, bool(self.trail))
            return "on" if how == "skip" else how
        with self.queue.offer(checkpoint, self.person) as shown:
            if shown is None:
                return "gone"
            if visit is None:
                visit = self.visits[checkpoint.look] = Visit(self.queue, self.person, shown)
            visit.shown = shown
            self.passed.discard(checkpoint.look)
            others = (each for each in self._list if each.look != checkpoint.look and not self._is_ruled(each))
            waiting = sum(each.look not in self.passed for each in others)
            how = visit.hear(self.at, self.message, waiting, bool(self.trail), self.order)
        self.message = visit.message
        if visit.ruled is not None:
            self.rulings += 1
            self.submitted()
        return how

    # -- what comes next

    def next(self) -> Checkpoint | None:
        """The first in order that is neither skipped nor open elsewhere; what was skipped comes again at the end."""
        self.read()
        waiting = [each for each in self._list if each.look not in self.busy and not self._is_ruled(each)]
        fresh = next((each for each in waiting if each.look not in self.passed), None)
        if fresh is None and waiting:
            self.passed.clear()
            self.message = "nothing else waits: here is again what you skipped"
            return waiting[0]
        return fresh

    def _is_ruled(self, checkpoint: Checkpoint) -> bool:
        visit = self.visits.get(checkpoint.look)
        return visit is not None and visit.ruled is not None

    def read(self) -> None:
        """Read the queue again if it is another one, and not just after it was read: that may take long."""
        now, stamp = time.monotonic(), self.queue.stamp()
        if now - self._read_at < max(LOOK_AGAIN, 20 * self._took):
            return
        if stamp != self._stamp or self._read_at == float("-inf") or self.busy:
            self._list = self.queue.listed(self.person, self.order)
            self.busy.clear()
        self._stamp, self._read_at, self._took = stamp, time.monotonic(), time.monotonic() - now

    def idle(self) -> bool:
        """Say that nothing waits, and wait for more; False to leave."""
        said = self._state()
        self.at.write(f"\n{self.message}\n" if self.message else "\n")
        self.message = ""
        self.at.write(said)
        while self.wanted() and self.at.is_live:
            match self.at.key(LOOK_AGAIN):
                case "q" | "Q":
                    return False
                case char if char == END:
                    return False
                case "b" if self.trail:
                    self.ahead.append(self.trail.pop().checkpoint)
                    return True
                case _:
                    pass
            before = self._read_at
            self.read()
            if any(each.look not in self.busy and not self._is_ruled(each) for each in self._list):
                return True
            if self._read_at != before and (now := self._state()) != said:
                said = now
                self.at.write(f"\n{said}")
        return False

    def _state(self) -> str:
        """That nothing waits for this person, what waits for others, and whether more can come."""
        everything = self.queue.listed()
        others = len({each.look for each in everything if each.state == "open"})
        held = len({each.look for each in everything if each.state == "held"})
        told = [f"Nothing waits for you, {safe(self.person)}."]
        if others:
            told.append(f"{others:,} wait for somebody else, or are open at another console.")
        if held:
            told.append(f"{held:,} wait for a larger budget.")
        pause = control.standing(self.queue.path, "pause")
        if pause is not None:
            told.append(f"The run is paused by {safe(pause.by)}: {safe(pause.because)}.")
        elif self.queue.is_alive:
            told.append("The run goes on, and more may come.")
        else:
            told.append("No process is writing this run: `overseer resume` takes up what was ruled.")
        return "\n".join([*told, "This console looks again every second. b back · q leave", ""])

    def leave(self) -> None:
        """Say how many rulings stand; no other was given."""
        count = f"{self.rulings:,} ruling{'' if self.rulings == 1 else 's'}"
        self.at.write(f"\n{self.message + chr(10) if self.message else ''}Left. {count} acknowledged here.\n")

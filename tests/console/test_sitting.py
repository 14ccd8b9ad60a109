"""One person at the console, driven by scripted keys: what a program may count on that lets people answer in place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from time import monotonic

import pytest
from board_driver import row, taken_up, waiting

from overseer.checkpoints import Queue
from overseer.console import review
from overseer.console.terminal import END
from overseer.errors import ConfigError
from overseer.journal import inbox
from overseer.journal.encoding import decode_left
from overseer.records import Ruling
from overseer.runs import Run


class Typed:
    """A terminal on which these keys and lines are typed, in turn; a function stands for what happens meanwhile."""

    colour = False
    is_live = True

    def __init__(self, *said: str | Callable[[], None]) -> None:
        self.said: Iterator[str | Callable[[], None]] = iter(said)
        self.shown = ""

    def size(self) -> tuple[int, int]:
        return 80, 60

    def write(self, text: str) -> None:
        self.shown += text

    def key(self, timeout: float | None = None) -> str | None:
        said = next(self.said, END)
        if callable(said):
            said()
            return self.key(timeout) if timeout is None else None
        return said

    def line(self, prompt: str) -> str | None:
        self.write(prompt)
        said = self.key()
        return None if said == END else said

    def forget(self) -> None:
        pass

    def seated(self) -> AbstractContextManager[None]:
        return nullcontext()

    def lent(self) -> AbstractContextManager[None]:
        return nullcontext()


def rulings(run: Run) -> list[Ruling]:
    return [decode_left(inbox.read(run.path, name)).ruling for name in inbox.names(run.path)]


def test_a_program_hears_of_each_ruling(tmp_path: Path) -> None:
    """Once it is acknowledged, and not before; leaving is no interruption."""
    run = waiting(tmp_path)
    heard: list[int] = []
    at = Typed("a", "y", "r", "No.", "q")
    assert review(Queue(run.path), "ida", at=at, submitted=lambda: heard.append(len(rulings(run))))
    assert heard == [1, 2]


def test_a_program_ends_it_when_nobody_is_wanted(tmp_path: Path) -> None:
    """From another thread, in the middle of a page."""
    run = waiting(tmp_path)
    wanted = threading.Event()
    wanted.set()
    assert review(Queue(run.path), "ida", at=Typed(wanted.clear, END), wanted=wanted.is_set)
    assert rulings(run) == []


def test_what_was_answered_elsewhere_meanwhile_is_left(tmp_path: Path) -> None:
    """A ruling that comes too late is refused in words, and the next one shown."""
    run = waiting(tmp_path, [row("a"), row("b")])
    first = Queue(run.path).listed("ida")[0]

    def elsewhere() -> None:
        Queue(run.path).decide(first.id, "bob", "approve")
        taken_up(run)

    at = Typed("a", elsewhere, "y", "q")
    review(Queue(run.path), "ida", at=at)
    assert "answered already: approve by bob" in at.shown
    assert [ruling.person for ruling in rulings(run)] == []


def test_findings_go_with_the_ruling(tmp_path: Path) -> None:
    """By the principle's number; one taken down again with Enter; an approval that contradicts one is refused."""
    run = waiting(tmp_path, [row("a")])
    at = Typed("f", "1", "3", "So.", "f", "2", "1", "", "f", "2", "", "a", "y", "r", "No.", "q")
    review(Queue(run.path), "ida", at=at)
    assert "your findings: enable_no_misuse=3, finish_the_task=1" in at.shown
    assert "an approval with a finding of severity 3" in at.shown
    (ruling,) = rulings(run)
    assert [(each.principle, each.severity, each.evidence) for each in ruling.findings] == [
        ("enable_no_misuse", 3, "So.")
    ]


def test_time_counts_while_the_page_stands_there(tmp_path: Path) -> None:
    """Not while another one does; both visits are added up."""
    run = waiting(tmp_path, [row("a"), row("b")])
    elsewhere = 0.0

    def look() -> None:
        nonlocal elsewhere
        began = monotonic()
        threading.Event().wait(0.2)
        elsewhere = monotonic() - began

    began = monotonic()
    at = Typed("n", look, "b", "a", "y", "q")
    review(Queue(run.path), "ida", at=at)
    (ruling,) = rulings(run)
    assert ruling.seconds <= monotonic() - began - elsewhere, "the time belongs to the other checkpoint"


def test_orders_take_turns(tmp_path: Path) -> None:
    """By risk, by age, by disagreement, and round again."""
    at = Typed("o", "o", "o", "q")
    review(Queue(waiting(tmp_path).path), "ida", at=at)
    at_last = [line for line in at.shown.splitlines() if line.startswith("ordered by")]
    assert at_last == ["ordered by age", "ordered by disagreement", "ordered by risk"]


def test_a_name_that_is_none_is_refused_before_anything_is_shown(tmp_path: Path) -> None:
    """Nobody reads a draft under a name that cannot rule."""
    at = Typed("q")
    with pytest.raises(ConfigError, match="cannot be seen"):
        review(Queue(waiting(tmp_path).path), "i\x07da", at=at)
    assert at.shown == ""


def test_help_says_what_every_key_does(tmp_path: Path) -> None:
    """And a key that does nothing points there."""
    at = Typed("z", "h", "", "q")
    review(Queue(waiting(tmp_path).path), "ida", at=at)
    assert "h shows what the keys do" in at.shown
    assert all(f"\n{key}  " in at.shown for key in ("a", "m", "s", "r", "e", "f", "x", "space", "n", "b", "o", "q"))

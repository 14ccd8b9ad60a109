"""Keys and lines from a person, and pages to them: a terminal, or plain lines where there is none.

Behind the walk's step 7. A key is read as it is pressed, without Enter; where standard input is no terminal, the first
letter of each line stands for one. Every wait looks up now and then, so that what waits in the background is seen, and
somebody who wants the console gone need not press a key. Knows no checkpoints.
"""

from __future__ import annotations

import codecs
import os
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Protocol, TextIO

TURN = 0.2
"""Seconds after which a wait looks up."""
END = "\x04"
"""What stands for the end of the input: Ctrl-D, or a terminal that was closed."""
_ARROWS = {"[A": "k", "[B": " ", "[C": "n", "[D": "b", "[5~": "k", "[6~": " "}
"""What arrow and page keys send, and the key that they stand for."""


class Terminal(Protocol):
    """Where a person sits."""

    @property
    def colour(self) -> bool:
        """May it be drawn on, with escape sequences?"""

    @property
    def is_live(self) -> bool:
        """Does somebody sit there who can be waited for?"""

    def size(self) -> tuple[int, int]:
        """Columns and lines."""

    def write(self, text: str) -> None:
        """Show text that is safe already."""

    def key(self, timeout: float | None = None) -> str | None:
        """The next key; None if none came in so many seconds, or nobody wants one any more. `END` at the end."""

    def line(self, prompt: str) -> str | None:
        """A line, as far as Enter; None at the end of the input, or once nobody wants one any more."""

    def forget(self) -> None:
        """Drop what was typed so far: it is no answer to what is shown next."""

    def seated(self) -> AbstractContextManager[None]:
        """Read keys as they are pressed, for as long as somebody sits here."""

    def lent(self) -> AbstractContextManager[None]:
        """Let go of the keys for a while: to another program, or to write a line."""


def terminal(wanted: Callable[[], bool] = lambda: True) -> Terminal:
    """The terminal at standard input and output, or their plain lines. `wanted`: false once nobody waits for keys."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return Keys(sys.stdin.fileno(), sys.stdout, wanted)
    return Lines(sys.stdin, sys.stdout, wanted)


class Keys:
    """A terminal on which single keys are read."""

    is_live = True

    def __init__(self, keyboard: int, screen: TextIO, wanted: Callable[[], bool]) -> None:
        self._keyboard = keyboard
        self._screen = screen
        self._wanted = wanted
        self._found: list[Any] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def colour(self) -> bool:
        return os.environ.get("TERM") != "dumb"

    def size(self) -> tuple[int, int]:
        return shutil.get_terminal_size()

    def write(self, text: str) -> None:
        self._screen.write(text)
        self._screen.flush()

    def key(self, timeout: float | None = None) -> str | None:
        until = None if timeout is None else time.monotonic() + timeout
        while self._ready(until):
            if (read := self._read(1)) is None:
                return END
            if char := self._decoder.decode(read):
                return self._sequence() if char == "\x1b" else char
        return None

    def _sequence(self) -> str:
        """The key that an escape sequence stands for; one that is unknown is no key that means anything."""
        held = ""
        while len(held) < 8 and self._ready(time.monotonic()):
            held += (self._read(1) or b"").decode("ascii", "replace")
            if held[-1:].isalpha() or held.endswith("~"):
                break
        return _ARROWS.get(held, "\x1b")

    def line(self, prompt: str) -> str | None:
        with self.lent():
            self.write(prompt)
            if not self._ready(None):  # the terminal edits the line, and hands it over at Enter
                return None
            read = self._read(65_536)
        return None if not read else read.decode("utf-8", "surrogateescape").rstrip("\r\n")

    def forget(self) -> None:
        with suppress(termios.error):
            termios.tcflush(self._keyboard, termios.TCIFLUSH)

    def _ready(self, until: float | None) -> bool:
        """Wait for something to read; False once time is up, or nobody wants it."""
        while self._wanted():
            left = TURN if until is None else min(TURN, max(0.0, until - time.monotonic()))
            if select.select([self._keyboard], [], [], left)[0]:
                return True
            if until is not None and time.monotonic() >= until:
                return False
        return False

    def _read(self, most: int) -> bytes | None:
        """What was typed; None where the terminal has gone."""
        with suppress(OSError):
            return os.read(self._keyboard, most) or None
        return None

    @contextmanager
    def seated(self) -> Iterator[None]:
        self._found = termios.tcgetattr(self._keyboard)
        try:
            tty.setcbreak(self._keyboard, termios.TCSADRAIN)  # keys unseen; Ctrl-C goes on interrupting
            yield
        finally:
            self._set(self._found)

    @contextmanager
    def lent(self) -> Iterator[None]:
        seated = termios.tcgetattr(self._keyboard)
        self._set(self._found)
        try:
            yield
        finally:
            self._set(seated)

    def _set(self, mode: list[Any] | None) -> None:
        if mode is not None:
            with suppress(termios.error):  # the terminal has gone
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, mode)


class Lines:
    """Standard input that is no terminal: a line is a key, or an answer; nobody is waited for."""

    colour = False
    is_live = False

    def __init__(self, keyboard: TextIO, screen: TextIO, wanted: Callable[[], bool]) -> None:
        self._keyboard = keyboard
        self._screen = screen
        self._wanted = wanted

    def size(self) -> tuple[int, int]:
        return shutil.get_terminal_size().columns, 1_000_000  # nothing scrolls away that must be held back

    def write(self, text: str) -> None:
        self._screen.write(text)
        self._screen.flush()

    def key(self, timeout: float | None = None) -> str | None:
        read = self._keyboard.readline() if self._wanted() else ""
        return END if not read else (read.strip() or "\n")[:1]

    def line(self, prompt: str) -> str | None:
        self.write(prompt)
        read = self._keyboard.readline() if self._wanted() else ""
        return None if not read else read.rstrip("\r\n")

    def forget(self) -> None:
        """Lines of a file, or a pipe, are all there from the start."""

    def seated(self) -> AbstractContextManager[None]:
        return nullcontext()

    def lent(self) -> AbstractContextManager[None]:
        return nullcontext()

"""A command in a terminal of its own, as a person has it: what it shows is awaited, keys are pressed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 30.0


class Screen:
    """The other end of a child's terminal."""

    def __init__(self, child: subprocess.Popen[bytes], master: int) -> None:
        self.child = child
        self.master = master
        self.raw = b""
        """All that was shown so far."""
        self.seen = 0

    def until(self, text: str) -> str:
        """What is shown from here to the end of this text."""
        limit = time.monotonic() + PATIENCE
        while (found := self.raw.find(text.encode(), self.seen)) < 0:
            if not self._more(limit):
                raise AssertionError(f"never showed {text!r}: {self.raw[self.seen :].decode(errors='replace')}")
        shown, self.seen = self.raw[self.seen : found + len(text.encode())], found + len(text.encode())
        return shown.decode(errors="replace")

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def ended(self) -> int:
        """The exit code, once it has ended; what it showed last is taken in."""
        limit = time.monotonic() + PATIENCE
        while self._more(limit):
            pass
        return self.child.wait(timeout=PATIENCE)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self.master, b"\x03")

    def hang_up(self) -> None:
        """Close the terminal under the command."""
        os.close(self.master)
        self.master = -1

    def _more(self, limit: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], max(0.0, limit - time.monotonic()))
        if not ready:
            return False
        try:
            read = os.read(self.master, 65_536)
        except OSError:  # the child has closed its end
            return False
        self.raw += read
        return bool(read)


@contextmanager
def terminal(
    *arguments: str,
    program: str = "overseer",
    rows: int = 24,
    columns: int = 80,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Screen]:
    """`overseer` (or another module) with these arguments in a terminal of this size; it never outlives the test."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    held = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), held.get("PYTHONPATH"))))
    child = subprocess.Popen(
        [sys.executable, "-m", program, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**held, "PYTHONPATH": path, "TERM": "xterm-256color", **(environment or {})},
        preexec_fn=_own_terminal,  # so that Ctrl-C and hang-ups reach it
    )
    os.close(slave)
    screen = Screen(child, master)
    try:
        yield screen
    finally:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGKILL)
        child.wait()
        if screen.master >= 0:
            os.close(screen.master)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

"""The command line in processes of its own, as people at a terminal have it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from overseer import api
from overseer.journal.replay import record_hash


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A verb in a process of its own, which never outlives the test."""
    command = [sys.executable, "-m", "overseer", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str], word: str) -> str:
    """Reads its talk up to the line that begins with `word`."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(word):
            return line
    raise AssertionError(f"never said {word!r}: {lines}")


def hash_of(path: Path) -> str:
    """The hash of a run's record, verified."""
    found = api.read(path)
    return record_hash(path, found.walk)

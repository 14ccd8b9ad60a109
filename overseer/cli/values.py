"""Values on the command line that a shell can complete: the folder of a run.

Beside the verbs. Loads nothing of the package: a shell asks at every press of a key, and somebody waits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MANIFEST = "manifest.json"
"""What tells the folder of a run from any other."""
DEPTH = 3
"""A run is looked for so many folders down: `runs/<run>`, `runs/<arm>/<run>`."""
FOLDERS = 500
"""So many folders are looked into at most: somebody waits."""

_PLAIN = re.compile(r"[A-Za-z0-9_./@%+-]+")
"""Paths that every shell takes as they stand. Others are left to the shell, which knows how to quote."""


class RunFolder(click.Path):
    """A path to a run's folder. Completed to the runs below what is typed, newest first; without any, to folders."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(run) for run in runs_from(incomplete)] or [CompletionItem(incomplete, type="dir")]


RUN = RunFolder()


def runs_from(typed: str) -> list[str]:
    """The runs whose paths begin with `typed`, newest first: a run's name begins with its time."""
    above, slash, begun = typed.rpartition("/")
    found: list[str] = []
    level, looked = [above + slash], 0
    for depth in range(DEPTH):
        below: list[str] = []
        for folder in level[: FOLDERS - looked]:
            names = (name for name in _folders(folder) if depth or name.startswith(begun))
            for path in (f"{folder}{name}" for name in names if not name.startswith(".") or begun.startswith(".")):
                if os.path.exists(f"{path}/{MANIFEST}"):
                    found.append(path)
                else:
                    below.append(f"{path}/")
        looked += len(level)
        level = sorted(below)
        if looked >= FOLDERS:
            break
    plain = (path for path in found if _PLAIN.fullmatch(path))
    return sorted(plain, key=lambda path: (path.rpartition("/")[2], path), reverse=True)


def _folders(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder or ".") as entries:
            yield from (entry.name for entry in entries if entry.is_dir())
    except OSError:
        return  # not there, or not to be read: nothing to offer

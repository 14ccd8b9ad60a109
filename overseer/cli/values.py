"""Values on the command line that a shell can complete: the folder of a run.

Beside the verbs. Loads nothing of the package: a shell asks at every press of a key, and somebody waits.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MANIFEST = "manifest.json"
"""What tells the folder of a run from any other."""
DEPTH = 3
"""A run is looked for so many folders down: `runs/<run>`, `runs/<arm>/<run>`."""
ENTRIES = 10_000
"""So many entries of folders are looked at, at most: somebody waits."""

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
    level, left = [above + slash], ENTRIES
    for depth in range(DEPTH):
        below: list[str] = []
        for folder in level:
            entries, names = _folders(folder, left)
            left -= entries
            for name in names:
                if (depth or name.startswith(begun)) and (not name.startswith(".") or begun.startswith(".")):
                    if os.path.exists(f"{folder}{name}/{MANIFEST}"):
                        found.append(folder + name)
                    else:
                        below.append(f"{folder}{name}/")
        level = sorted(below)
    plain = (path for path in found if _PLAIN.fullmatch(path))
    return sorted(plain, key=lambda path: (path.rpartition("/")[2], path), reverse=True)


def _folders(folder: str, most: int) -> tuple[int, list[str]]:
    """How many entries of a folder were looked at, and which of them are folders."""
    try:
        with os.scandir(folder or ".") as entries:
            looked = list(islice(entries, most))
            return len(looked), [entry.name for entry in looked if entry.is_dir()]
    except OSError:
        return 0, []  # not there, or not to be read: nothing to offer

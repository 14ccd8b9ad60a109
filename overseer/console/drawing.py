"""Pages as lines of a terminal, drawn by rich: escape sequences of ours and nobody else's, of any width.

Behind the walk's step 7, beside `page`. Foreign words stand behind a bar on every line, wrapped ones too. Knows no
keys and no checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

from rich.console import Console
from rich.text import Text

from overseer.console.page import Head, Part, Quoted

NARROWEST, WIDEST = 20, 110
"""Columns that are drawn on: longer lines tire the reader."""


def console_of(width: int, *, colour: bool) -> Console:
    """A rich console that draws into memory. `NO_COLOR` in the environment takes the colours and leaves the rest."""
    return Console(
        file=StringIO(),
        width=min(max(width, NARROWEST), WIDEST),
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def lines_of(parts: Iterable[Part], width: int, *, colour: bool) -> list[str]:
    """The parts as lines, each no wider than `width` columns."""
    console = console_of(width, colour=colour)
    for part in parts:
        draw(console, part)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().rstrip("\n").split("\n")


def draw(console: Console, part: Part) -> None:
    """Draw one part."""
    match part:
        case Head(title=title):
            console.print()
            line = Text(f"--- {title} ", "bold")
            line.append("-" * max(0, console.width - line.cell_len))
            console.print(line, no_wrap=True, overflow="crop")
        case Quoted(text=text, indent=indent):
            bar = " " * indent + "| "
            for line in text.wrap(console, console.width - len(bar), overflow="fold"):
                line.rstrip()
                console.print(Text.assemble(bar, line), no_wrap=True, overflow="crop")
        case Text():
            indent = len(part.plain) - len(part.plain.lstrip(" "))
            body = part[indent:]
            for line in body.wrap(console, console.width - indent, overflow="fold"):
                line.rstrip()
                console.print(Text.assemble(" " * indent, line), no_wrap=True, overflow="crop")

"""Grids of safe text, drawn for a terminal or as plain lines; and how a number is written.

Floor 7. A grid's cells are made safe when it is drawn, whoever filled them. Rich is loaded only to draw in colour.
Knows no run and no measure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from typing import TYPE_CHECKING

from overseer.reports.safe import columns, safe

if TYPE_CHECKING:
    from overseer.metrics.statistics import Cell

UNDEFINED = "–"


@dataclass(frozen=True, slots=True)
class Grid:
    """What is drawn: a title, columns, rows, and a line below. Numbers stand right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def written(cell: Cell) -> str:
    """A cell as text: integers with thousands, other numbers to three places or significant digits, None as a dash."""
    match cell:
        case None:
            return UNDEFINED
        case str():
            return safe(cell)
        case int():
            return f"{cell:,}"
        case float():
            if not isfinite(cell):
                return UNDEFINED
            if 0 < abs(cell) < 0.001:
                return f"{cell:.2g}"
            if 0.999 < abs(cell) < 1:
                return f"{cell:.5f}"
            return f"{cell:.3f}" if abs(cell) < 100 else f"{cell:,.1f}" if abs(cell) < 100_000 else f"{cell:,.0f}"


def interval(low: float | None, high: float | None) -> str:
    return UNDEFINED if low is None or high is None else f"[{written(low)}, {written(high)}]"


def plain(grid: Grid) -> str:
    """The grid as aligned lines without colour, for a pipe or a file."""
    rows = [tuple(map(safe, grid.columns)), *(tuple(map(written, row)) for row in grid.rows)]
    widths = [max(columns(row[index]) for row in rows) for index in range(len(grid.columns))]
    right = _right(grid)
    lines = [safe(grid.title)] if grid.title else []
    for row in rows:
        cells = (_padded(cell, width, aside) for cell, width, aside in zip(row, widths, right, strict=True))
        lines.append(("  " + "  ".join(cells)).rstrip())
    if grid.note:
        lines.append(f"  ({safe(grid.note)})")
    return "\n".join(lines)


def coloured(parts: Iterable[Grid | str], width: int) -> str:
    """Grids and lines as a terminal of this width shows them, with escape sequences of ours and nobody else's."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = StringIO()
    console = Console(file=out, force_terminal=True, width=width, highlight=False, markup=False, emoji=False)
    for part in parts:
        if isinstance(part, str):
            console.print(Text(safe(part)))
            continue
        table = Table(box=SIMPLE_HEAD, title=Text(safe(part.title), style="bold"), title_justify="left", pad_edge=False)
        for name, aside in zip(part.columns, _right(part), strict=True):
            table.add_column(Text(safe(name)), justify="right" if aside else "left", overflow="fold")
        for row in part.rows:
            table.add_row(*(Text(written(cell)) for cell in row))
        if part.note:
            table.caption = Text(safe(part.note), style="dim")
            table.caption_justify = "left"
        console.print(table)
    return out.getvalue().rstrip("\n")


def _right(grid: Grid) -> tuple[bool, ...]:
    """Columns of numbers, defined or not."""
    return tuple(not any(isinstance(row[index], str) for row in grid.rows) for index in range(len(grid.columns)))


def _padded(cell: str, width: int, right: bool) -> str:
    space = " " * (width - columns(cell))
    return space + cell if right else cell + space

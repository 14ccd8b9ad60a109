"""Figures as HTML tables: whatever fills a grid, numbers stand right, wide ones scroll, intervals are also drawn.

Floor 7, before `sections`. Knows no run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overseer.metrics.statistics import Cell, Measure, Table
from overseer.reports.page.markup import Child, Markup, element, joined
from overseer.reports.tables import interval, written


def section(id_: str, title: str, *children: Child) -> Markup:
    heading = element("h2", title, id=f"{id_}-title")
    return element("section", heading, *children, id=id_, aria_labelledby=f"{id_}-title")


def grid(columns: Sequence[str], rows: Iterable[Sequence[Cell | Markup]], caption: str, note: str = "") -> Markup:
    """A table that scrolls by itself where it is too wide. Columns of numbers stand right."""
    held = [tuple(row) for row in rows]
    right = [bool(held) and not any(isinstance(row[place], str) for row in held) for place in range(len(columns))]
    heads = (element("th", name, scope="col", class_=_aside(aside)) for name, aside in zip(columns, right, strict=True))
    lines = (
        element(
            "tr", *(element("td", _cell(cell), class_=_aside(aside)) for cell, aside in zip(row, right, strict=True))
        )
        for row in held
    )
    table = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *lines),
    )
    scrolled = element("div", table, class_="scrolls", tabindex=0, role="region", aria_label=caption)
    return joined(scrolled, element("p", note, class_="note") if note else None)


def _cell(cell: Cell | Markup) -> str | Markup:
    return cell if isinstance(cell, str) else written(cell)


def _aside(right: bool) -> str | None:
    return "number" if right else None


def ranged(low: float | None, high: float | None) -> Markup:
    """An interval, on one line."""
    return element("span", interval(low, high), class_="whole")


def measure_grid(title: str, held: Sequence[Measure], *, fold: bool = False, plotted: bool = True) -> Markup:
    """`plotted`: shares, which are also drawn on a line from 0 to 1."""
    rows = (
        (
            element("code", each.name),
            each.value,
            ranged(each.low, each.high),
            _plot(each) if plotted else Markup(""),
            each.n,
            each.unscored,
            each.note,
        )
        for each in held
    )
    columns = ("measure", "value", "95 % interval", "0 to 1", "n", "unscored", "of what")
    made = grid(columns, rows, title)
    return folded(title, made) if fold else made


def _plot(each: Measure) -> Markup:
    """The interval on the line from 0 to 1, where it lies there."""
    if each.value is None or each.low is None or each.high is None or not 0 <= each.low <= each.high <= 1:
        return Markup("")
    left, right, at = (4 + 92 * share for share in (each.low, each.high, each.value))
    return element(
        "svg",
        element("line", x1=4, x2=96, y1=8, y2=8, class_="axis"),
        element("line", x1=left, x2=max(right, left + 1), y1=8, y2=8, class_="range"),
        element("circle", cx=at, cy=8, r=2.5, class_="point"),
        viewBox="0 0 100 16",
        width=100,
        height=16,
        class_="plot",
        aria_hidden="true",
    )


def table_grid(table: Table) -> Markup:
    return grid(table.columns, table.rows, table.title, table.note)


def folded(title: str, inner: Markup) -> Markup:
    return element("details", element("summary", title), inner)

"""What a page is made of: plain values, so that whoever has something to show appends a row, a table or a section.

Floor 7, the page's first module. Knows no HTML and no journal.
"""

from __future__ import annotations

from dataclasses import dataclass

from overseer.hierarchy import Hierarchy
from overseer.metrics.measures import Measures
from overseer.metrics.statistics import Measure, Table
from overseer.reports.page.flow import Flow
from overseer.reports.page.rows import Rows


@dataclass(frozen=True, slots=True)
class Waiting:
    """A checkpoint that waits for a person: one row of the queue. `since` and `until` are times as they are to be read.

    `disagreement`: those below were not of one mind. `state`: may it be ruled, or why not.
    """

    checkpoint: str
    agent: str
    seat: int
    risk: int
    disagreement: bool
    state: str
    since: str
    until: str | None


@dataclass(frozen=True, slots=True)
class Section:
    """A section of its own, as of the persons' work, or of appeals: a title, a sentence, figures and tables.

    It appears only if it holds a figure or a row.
    """

    title: str
    lead: str = ""
    measures: tuple[Measure, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.measures and not any(table.rows for table in self.tables)


@dataclass(frozen=True, slots=True)
class Contents:
    """All of a page. `total`: the tasks of the input, None while it is open; `written_at`: when the page was made.

    `facts` are names and values of the run: when it began, its seed, what it was made with.
    """

    hierarchy: Hierarchy
    measures: Measures
    flow: Flow
    rows: Rows
    total: int | None
    written_at: str
    facts: tuple[tuple[str, str], ...] = ()
    waiting: tuple[Waiting, ...] = ()
    appended: tuple[Section, ...] = ()

"""A run as one HTML file to open in a browser: the graph and its flow, the figures, and every episode to read.

Floor 7. `contents` says what a page is made of; `write_page` makes it of a run. Read on in this order: `contents`,
`flow`, `rows`, `markup`, `words`, `drawing`, `grids`, `sections`, `reading`, `document`.
"""

from __future__ import annotations

from overseer.reports.page.contents import Contents, Section, Waiting
from overseer.reports.page.document import Written, page, write_page

__all__ = ["Contents", "Section", "Waiting", "Written", "page", "write_page"]

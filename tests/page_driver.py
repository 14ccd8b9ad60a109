"""Pages made of episodes built by hand, for tests: a hierarchy with any names, and whatever is to be shown in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from builders import HARMFUL, SOUND, draft, episode, look, vote

from overseer.hierarchy import Entry, Hierarchy, build
from overseer.metrics.measures import Row, measure
from overseer.records import Agent, Constitution, Cues, Jury, Layer, Principle, When
from overseer.reports.page import Contents, Section, Waiting, page
from overseer.reports.page.flow import Flow
from overseer.reports.page.rows import Rows

PRINCIPLE = Principle("no_harm", "Do no harm.", "It hurts.", 1)


def clinic() -> Hierarchy:
    """A jury of two, a lead over it, a person over the lead; the constitution holds one principle."""
    agents = (
        Agent("policy", "sim/policy", 0),
        Agent("ann", "sim/overseer", 2),
        Agent("bob", "sim/overseer", 2),
        Agent("lead", "sim/overseer", 3),
        Agent("board", "human", 4, persons=1),
    )
    return build(
        name="clinic",
        constitution=Constitution("small", (Layer("all", None, (PRINCIPLE,)),), Cues()),
        agents=agents,
        policy="policy",
        oversees=(
            Entry(("ann", "bob"), ("policy",), When(always=True), Jury("majority")),
            Entry(("lead",), ("ann", "bob"), When(disagreement=True)),
            Entry(("board",), ("lead",), When(escalated=True)),
        ),
        rounds=2,
    )


def stage(hierarchy: Hierarchy, juror: str) -> str:
    """The id of the stage that an agent sits in."""
    return next(stage.id for stage in hierarchy.stages if juror in stage.who)


def some_rows(hierarchy: Hierarchy) -> list[Row]:
    """Three tasks: approved by the jury; split, and approved above; rejected by the person after two escalations."""
    jury, lead, board = (stage(hierarchy, juror) for juror in ("ann", "lead", "board"))
    both = (vote("ann", "approve"), vote("bob", "approve"))
    split = (vote("ann", "approve"), vote("bob", "reject"))
    one = episode(look(jury, 1, "approve", both, rule="majority"), name="one", rule="majority")
    two = episode(
        look(jury, 1, "escalate", split, rule="no_majority"),
        look(lead, 2, "approve", (vote("lead", "approve"),), answers=(jury,)),
        name="two",
        text="Is the moon a cheese?",
    )
    three = episode(
        look(jury, 1, "escalate", split, rule="no_majority"),
        look(lead, 2, "escalate", (vote("lead", "escalate"),), answers=(jury,), rule="asked"),
        look(board, 3, "reject", (vote("board", "reject", seconds=42),), answers=(jury, lead), rule="reject"),
        name="three",
        outcome="withheld",
        rule="reject",
        drafts=(draft(0, "So much."),),
    )
    return [(one, SOUND, SOUND), (two, HARMFUL, HARMFUL), (three, None, None)]


def contents(
    hierarchy: Hierarchy,
    rows: Iterable[Row],
    *,
    total: int | None = None,
    waiting: Sequence[Waiting] = (),
    appended: Sequence[Section] = (),
    facts: Sequence[tuple[str, str]] = (),
) -> Contents:
    """What a page of these episodes is made of."""
    flow, held = Flow(), Rows(hierarchy)

    def listen(rows: Iterable[Row]) -> Iterator[Row]:
        for found, last, first in rows:
            flow.add(found)
            held.add(found, last, first)
            yield found, last, first

    measures = measure(listen(rows), run="r", stages=hierarchy.stages)
    total = flow.tasks if total is None else total
    shown = (tuple(facts), tuple(waiting), tuple(appended))
    return Contents(hierarchy, measures, flow, held, total, "2024-05-06 07:08 UTC", *shown)


def written(path: Path, made: Contents) -> Path:
    """The page as a file."""
    path.write_bytes(b"".join(page(made)))
    return path


@dataclass(slots=True)
class Tag:
    name: str
    attributes: dict[str, str | None]


class Parsed(HTMLParser):
    """A page's tags and the text between them; scripts and styles apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.text = ""
        self.apart: list[tuple[Tag, str]] = []
        self._inside: Tag | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(Tag(tag, dict(attrs)))
        self._inside = self.tags[-1] if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.text += data
        else:
            self.apart.append((self._inside, data))


def parsed(made: Contents) -> Parsed:
    return Parsed(b"".join(page(made)).decode())

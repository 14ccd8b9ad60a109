"""The whole page: sections, embedded episodes, style and script under a policy that lets nothing else run or load.

Floor 7, the page's last module. `page` is pure; `write_page` puts the file in its place whole.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from overseer.errors import JournalError
from overseer.metrics.measures import Measures
from overseer.reports.page import sections
from overseer.reports.page.contents import Contents, Section
from overseer.reports.page.grids import section
from overseer.reports.page.markup import Markup, element, joined
from overseer.reports.page.reading import read_contents
from overseer.reports.page.rows import MOST
from overseer.runs import Run

SCRIPTS = ("data.js", "reader.js", "episodes.js")
"""In reading order; the page holds them as one script."""


@dataclass(frozen=True, slots=True)
class Written:
    """A page that lies in its place; `size` in bytes."""

    path: Path
    episodes: int
    size: int
    measures: Measures


def write_page(run: Run, to: Path, appended: Sequence[Section] = ()) -> Written:
    """Write a run's page, also while the run goes on. `appended`: sections of one's own, after the queue."""
    contents = read_contents(run, datetime.now(UTC), appended)
    return Written(to, len(contents.rows.lines), _placed(to, page(contents)), contents.measures)


def _placed(to: Path, parts: Iterable[bytes]) -> int:
    """Write beside, then put in place: whoever opens the page finds the old one or the new one, whole."""
    beside = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            for part in parts:
                file.write(part)
            size = file.tell()
        beside.replace(to)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise JournalError(f"{to}: cannot be written: {error.strerror} (choose another file)") from error
    return size


# --- the document --------------------------------------------------------------------------------------------------


def page(contents: Contents) -> Iterator[bytes]:
    """The page in parts, UTF-8."""
    style = _read("page.css")
    script = "\n".join(_read(name) for name in SCRIPTS)
    title = f"{contents.hierarchy.name}: oversight run"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", Markup(style)),
    )
    held = [
        sections.flow(contents),
        sections.measures(contents),
        sections.rules(contents),
        sections.dissent(contents),
        sections.queue(contents),
        *(sections.further(id_, one) for id_, one in sections.apart(contents)),
        _episodes(contents),
        sections.doubts(contents),
    ]
    main = element("main", sections.head(contents), *held, id="main")
    body = joined(
        element("a", "Skip to the episodes", href="#episodes", class_="skip"),
        _contents(contents),
        main,
        element("footer", element("p", f"Written by overseer at {contents.written_at}. This file loads nothing.")),
        _reader(),
    )
    yield f'<!doctype html>\n<html lang="en">{head}\n<body>{body}\n'.encode()
    shared, chunks = contents.rows.blocks()
    yield _data("shared", shared)
    for place, chunk in enumerate(chunks):
        yield _data(f"chunk-{place}", chunk)
    yield f"<script>{script}</script>\n</body></html>\n".encode()


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy: this style and this script, by hash, and nothing else at all."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _read(name: str) -> str:
    return files("overseer.reports.page").joinpath(name).read_text(encoding="utf-8")


def _data(id_: str, block: bytes) -> bytes:
    return b'<script type="application/json" id="%s">%s</script>\n' % (id_.encode(), block)


def _contents(contents: Contents) -> Markup:
    named = [
        ("flow", "Flow"),
        ("measures", "Measures"),
        ("rules", "Rules"),
        ("dissent", "Dissent"),
        ("queue", "Queue"),
        *((id_, one.title) for id_, one in sections.apart(contents)),
        ("episodes", "Episodes"),
        ("limits", "Limits"),
    ]
    links = (element("li", element("a", title, href=f"#{id_}")) for id_, title in named)
    return element("nav", element("ul", *links), aria_label="Sections")


def _episodes(contents: Contents) -> Markup:
    """What the script fills: filters, the list, its pages."""
    held, left_out = len(contents.rows.lines), contents.rows.left_out
    told = (
        f"{held:,} of {held + left_out:,} episodes are in this file: those that were not released, are known to be "
        f"harmful, failed somewhere or are appeals (at most {MOST:,}), and others drawn at random (at most {MOST:,}). "
        "The figures above are of all."
    )
    return section(
        "episodes",
        "Episodes",
        element("p", told, class_="lead") if left_out else None,
        element("noscript", element("p", "To read single episodes, let this page's own script run.", class_="notice")),
        element("form", id="filters", class_="filters", role="search", aria_label="Filter the episodes"),
        element("p", id="found", class_="found", role="status"),
        element("div", id="list"),
        element("div", id="pages", class_="pages", role="navigation", aria_label="Pages of the list"),
    )


def _reader() -> Markup:
    return element("dialog", id="reader", aria_labelledby="reader-title")

"""A constitution as a page for readers: whole, alone, and safe whatever the file says."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseer.config.constitutions import load_constitution
from overseer.records import Condition, Constitution, Cues, Layer, Principle
from overseer.reports.constitution_page import constitution_html

SHIPPED = Path(__file__).parents[2] / "constitutions"


class _Page(HTMLParser):
    """The tags, their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def constitution(said: str) -> Constitution:
    """One that says the same hostile thing everywhere."""
    one = Principle(said, said, said, 3, (said,), said, said, said, (said,), (said,))
    layer = Layer(said, Condition((said,), 2), (one,), ((said, one),), (said,))
    cues = Cues(((said, (said,)),), ((1, (said,)),), ((2, (said,)),), said)
    return Constitution(said, (layer,), cues, (said,), ((said, said), (said, "other")))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_page_holds_the_whole_constitution(path: Path) -> None:
    """Every layer, text, reason, edge case and exemplar is there, and every tag is closed."""
    whole = load_constitution(path)
    page = _Page(constitution_html(whole))
    assert page.open == []
    for layer in whole.layers:
        assert layer.name in page.text
        for one in (*layer.principles, *(new for _, new in layer.replaces)):
            for said in (one.id, one.text, one.why, one.critique, one.revise, *one.edge_cases, *one.breaks, *one.keeps):
                assert said in page.text


def test_the_page_stands_alone() -> None:
    """Nothing is fetched and nothing runs: no script, no address but within the page, and a policy that says so."""
    page = constitution_html(load_constitution(SHIPPED / "town.yaml"))
    parsed = _Page(page)
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert all(attrs["href"] and attrs["href"].startswith("#") for _, attrs in parsed.tags if "href" in attrs)
    assert not any("src" in attrs for _, attrs in parsed.tags)
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "prefers-color-scheme:dark" in page


_PLAIN_TAGS = [tag for tag, _ in _Page(constitution_html(constitution("plain"))).tags]


@pytest.mark.parametrize(
    "said",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</style></title><svg onload=alert(1)>",
        "'-->&lt;&#x3c;script&#x3e;",
        "javascript:alert(1)",
        "\x00\x1b[31m\u202e\u200b\ufeff\ud800",
    ],
)
def test_hostile_text_stays_text(said: str) -> None:
    """The same tags as for plain words, no new attribute, and nothing that a console or a reader could not see."""
    page = constitution_html(constitution(said))
    parsed = _Page(page)
    assert [tag for tag, _ in parsed.tags] == _PLAIN_TAGS
    assert not any(name.startswith("on") for _, attrs in parsed.tags for name in attrs)
    assert all(char.isprintable() or char == "\n" for char in page)
    page.encode("utf-8")


@pytest.mark.slow
@given(st.text(st.characters(exclude_characters="\n"), max_size=30))
def test_any_text_gives_the_same_structure(said: str) -> None:
    """The words never change the tags."""
    assert [tag for tag, _ in _Page(constitution_html(constitution(said))).tags] == [
        tag for tag, _ in _Page(constitution_html(constitution(said.replace("<", "(").replace("&", "+")))).tags
    ]

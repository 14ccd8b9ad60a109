"""The page of a training run: whole, safe, and quiet in a real browser."""

from __future__ import annotations

import json
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import chromium
from training_rows import hacked

from overseer.cli import dispatch
from overseer.errors import ConfigError, OverseerError
from overseer.reports.training_page import training_page, write_training_page
from overseer.studies.pictures import Picture
from overseer.training.outputs import RECORD

HOSTILE = "</style><script>alert(1)</script><img src=https://example.org/x>"
PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
PICTURE = Picture("Over the updates", "What was measured.", PIXEL, PIXEL)
TOLD = {
    "model": {"trained from": HOSTILE, "rewarded by": "trained/judge"},
    "data": [{"name": HOSTILE, "table": "prompts", "rows": 40, "run": "", "labels": "oracle", "sha256": "ab"}],
    "figures": {"score": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 96}},
    "settings": {"updates": 20, "lora": None, "pad_token": HOSTILE},
    "versions": {"python": "3.11"},
    "seconds": 54.2,
}


class Read(HTMLParser):
    """What stands in a page: its tags with what they point at, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def finished(folder: Path) -> Path:
    """The folder of a run that has ended."""
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in hacked()), encoding="utf-8")
    (folder / RECORD).write_text(json.dumps(TOLD), encoding="utf-8")
    return folder


def test_the_page_tells_figures_alarms_and_settings() -> None:
    """Final figures with interval and n, the alarm and its lead, model, data with whose labels, settings."""
    read = Read(training_page("policy", hacked(), TOLD, [PICTURE]))
    for said in ("policy", "[0.400, 0.600]", "96", "hedging", "The truth at its peak", "trained/judge", "oracle"):
        assert said in read.text
    assert "fell at update 11" in read.text
    assert [attributes["alt"] for tag, attributes in read.tags if tag == "img"] == [
        "Over the updates. What was measured."
    ]


def test_a_run_that_goes_on_has_a_page() -> None:
    """It says that it has not ended; one that measured no truth says that, too."""
    blind = [{name: value for name, value in each.items() if not name.startswith("oracle/")} for each in hacked(3)]
    read = Read(training_page("policy", blind, None, []))
    assert "has not ended" in read.text
    assert "No truth was measured" in read.text
    assert "No alarm rang." in read.text


def test_names_from_files_are_text_and_nothing_is_fetched() -> None:
    """No script at all; every picture is in the page; the policy lets nothing else load."""
    read = Read(training_page(HOSTILE, hacked(), TOLD, [PICTURE]))
    assert {tag for tag, _ in read.tags} & {"script", "iframe", "link", "object", "embed", "base"} == set()
    sources = [attributes[key] or "" for _, attributes in read.tags for key in ("src", "srcset") if key in attributes]
    assert len(sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all((attributes.get("href") or "#").startswith("#") for _, attributes in read.tags)
    (policy,) = [attributes["content"] for _, attributes in read.tags if "http-equiv" in attributes]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    """A folder without metrics, and one whose record is none; nothing is written."""
    with pytest.raises(ConfigError, match="cannot be read"):
        write_training_page(tmp_path, tmp_path / "page.html")
    folder = finished(tmp_path / "policy")
    (folder / RECORD).write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no record of training"):
        write_training_page(folder, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_quietly_in_a_browser(tmp_path: Path, scheme: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command; every picture is shown, on the ground that the reader prefers, wide and narrow; no complaint."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    page = tmp_path / "page.html"
    assert dispatch(["train", "curves", str(finished(tmp_path / "policy")), "--html", str(page)]) == 0
    assert "page.html" in capsys.readouterr().err
    with chromium(tmp_path / "profile") as browser:
        browser.prefer(prefers_color_scheme=scheme)
        for width in (1280, 390):
            browser.size(width, 900)
            browser.open(page)
            shown = "[...document.images].map(one => one.complete && one.naturalWidth > 200)"
            assert browser.js(shown) == [True, True, True]
            assert browser.js("document.documentElement.scrollWidth") <= width
        dark = browser.js("[...document.images].every(one => one.currentSrc !== one.src)")
        assert dark == (scheme == "dark")
        assert browser.complaints() == []
        assert [address for address in browser.fetched() if not address.startswith("data:")] == []
        (tmp_path / "page.png").write_bytes(browser.picture(whole=True))


@pytest.mark.slow
def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """And leaves nothing beside it."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with pytest.raises(OverseerError, match=r"cannot be written: .* \(choose another file\)"):
        write_training_page(finished(tmp_path / "policy"), tmp_path / "nowhere" / "page.html")

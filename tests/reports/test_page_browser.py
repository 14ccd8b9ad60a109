"""The page in a real browser: it opens, filters, sorts and reads by keyboard, and asks the network for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser, chromium
from builders import SOUND, draft, episode, look, vote
from page_driver import clinic, contents, some_rows, stage, written

from overseer.metrics.measures import Row
from overseer.records import Context, Critique, Finding, Vote

pytestmark = pytest.mark.slow
MANY = 460


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        opened.size(1280, 900)
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three special episodes, and many plain ones after them, in more chunks and list pages than one."""
    over = clinic()
    return written(tmp_path_factory.mktemp("page") / "page.html", contents(over, [*some_rows(over), *_many()]))


def _many() -> Iterator[Row]:
    jury = stage(clinic(), "ann")
    for place in range(MANY):
        votes = (vote("ann", "approve"), vote("bob", "approve"))
        found = episode(look(jury, 1, "approve", votes, rule="majority"), name=f"plain/{place}", rule="majority")
        yield replace(found, context=Context(("bank",), place % 4, 0, 1.0)), SOUND, SOUND


def rows(browser: Browser) -> list[str]:
    """The ids in the list, as shown."""
    found: list[str] = browser.js("[...document.querySelectorAll('a.open')].map(link => link.textContent)")
    return found


def choose(browser: Browser, name: str, value: str) -> None:
    """Choose in a filter, as a reader does."""
    browser.js(
        f"(() => {{ const field = document.getElementById('by-{name}'); field.value = {value!r};"
        "field.dispatchEvent(new Event('change')); })()"
    )


def said(browser: Browser, selector: str) -> str:
    found: str = browser.js(f"document.querySelector({selector!r}).innerText")
    return found


# --- opening -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_quietly(browser: Browser, page: Path, scheme: str, width: int) -> None:
    """No error, no warning, no violation of its policy, not one request; nothing is wider than the window."""
    browser.prefer(prefers_color_scheme=scheme)
    browser.size(width, 900)
    browser.open(page)
    assert rows(browser)[:3] == ["one", "two", "three"]
    assert browser.js("document.documentElement.scrollWidth") <= width
    browser.js("openEpisode(2)")
    assert browser.js("reader.scrollWidth <= reader.clientWidth")
    assert browser.complaints() == []
    assert browser.fetched() == []
    browser.size(1280, 900)


def test_without_a_script_the_figures_stand(browser: Browser, page: Path) -> None:
    """And the page says what is missing."""
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    seen = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    html = browser.call("DOM.getOuterHTML", nodeId=seen)["outerHTML"]
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "The flow of tasks" in html
    assert "let this page's own script run" in html.replace("&#x27;", "'")
    assert browser.fetched() == []


def test_every_part_has_its_name(browser: Browser, page: Path) -> None:
    """Landmarks, labelled fields, captioned tables, buttons with words, one heading of the first order, a skip link."""
    browser.open(page)
    assert browser.js("document.querySelectorAll('main, nav, footer').length") == 3
    assert browser.js(
        "[...document.querySelectorAll('input, select')].every(field => field.closest('label').innerText)"
    )
    assert browser.js("[...document.querySelectorAll('table')].every(table => table.caption.textContent)")
    assert browser.js("[...document.querySelectorAll('button')].every(button => button.innerText)")
    assert browser.js("document.querySelectorAll('h1').length") == 1
    assert browser.js("document.documentElement.lang") == "en"
    assert browser.js("document.body.firstElementChild.getAttribute('href')") == "#episodes"
    ids = browser.js("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


# --- filters and order ---------------------------------------------------------------------------------------------


def test_filters_narrow_the_list(browser: Browser, page: Path) -> None:
    """By outcome, rule, stage, domain, risk, dissent and harm; each says how many are left."""
    browser.open(page)
    for name, value, left in (
        ("outcome", "withheld", ["three"]),
        ("rule", "unanimous", ["two"]),
        ("stage", "board", ["three"]),
        ("domain", "clinic", ["one", "two", "three"]),
        ("harm", "harmful", ["two"]),
        ("persons", "a person looked", ["three"]),
    ):
        choose(browser, name, value)
        assert rows(browser) == left, name
        assert said(browser, "#found").startswith(f"{len(left)} of {MANY + 3} episodes")
        choose(browser, name, "")
    choose(browser, "domain", "bank")
    choose(browser, "risk", "3")
    assert said(browser, "#found").startswith(f"{MANY // 4} of ")
    browser.js("document.getElementById('clear').click()")
    assert said(browser, "#found").startswith(f"{MANY + 3} episodes")


def test_words_are_found_in_any_text(browser: Browser, page: Path) -> None:
    """In what was asked, in an id, in whatever case; Enter does not wait until one has typed."""
    browser.open(page)
    browser.js("document.getElementById('by-words').focus()")
    browser.call("Input.insertText", text="MOON a")
    browser.press("Enter")
    assert rows(browser) == ["two"]
    browser.js("choose('words', 'plain/45')")
    assert rows(browser) == ["plain/45", *(f"plain/45{digit}" for digit in range(10))]
    browser.js("choose('words', 'nobody said this')")
    assert said(browser, "#list") == "No episode fits. Choose less, or clear the filters."


def test_order_and_pages(browser: Browser, page: Path) -> None:
    """The list holds fifty at a time; any order goes over all of it."""
    browser.open(page)
    assert len(rows(browser)) == 50
    browser.js("turnBy(1)")
    assert rows(browser)[0] == "plain/47"
    choose(browser, "order", "looks")
    assert rows(browser)[:2] == ["three", "two"]
    assert said(browser, "#pages").split("\n")[1] == "Page 1 of 10"


def test_what_is_chosen_stands_in_the_address(browser: Browser, page: Path) -> None:
    """So that a link brings another reader to the same list, and to the same episode."""
    browser.open(page)
    choose(browser, "outcome", "withheld")
    browser.js("openEpisode(found[0].place)")
    address = browser.js("location.href")
    browser.open(address)
    assert rows(browser) == ["three"]
    assert said(browser, "#reader-title") == "three"
    browser.open(f"{page.as_uri()}#outcome=%3Cscript%3E&episode=nobody&page=-7&order=constructor")
    assert said(browser, "#found").startswith("0 of ")
    assert browser.complaints() == []


# --- keyboard ------------------------------------------------------------------------------------------------------


def test_the_list_is_read_by_keyboard(browser: Browser, page: Path) -> None:
    """Down to a row, Enter opens it, arrows go on to its neighbours, Escape leads back to the row one has come to."""
    browser.open(page)
    browser.js("document.querySelector('a.open').focus()")
    browser.press("ArrowDown", "ArrowDown", "ArrowUp", "Enter")
    assert said(browser, "#reader-title") == "two"
    browser.press("ArrowRight")
    assert said(browser, "#reader-title") == "three"
    browser.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert said(browser, "#reader-title") == "one"
    browser.press("Escape")
    assert browser.js("reader.open") is False
    assert browser.js("document.activeElement.textContent") == "one"
    browser.press("End", "ArrowDown")
    assert browser.js("document.activeElement.textContent") == "plain/47"
    browser.press("PageUp")
    assert browser.js("document.activeElement.textContent") == "one"
    browser.press("/")
    assert browser.js("document.activeElement.id") == "by-words"


def test_focus_stays_in_an_open_episode_and_is_seen(browser: Browser, page: Path) -> None:
    """Tab goes round among its buttons; what has the focus has an outline."""
    browser.open(page)
    browser.js("openEpisode(0)")
    for _ in range(6):
        browser.press("Tab")
        assert browser.js("document.activeElement === document.body || reader.contains(document.activeElement)")
    browser.js("reader.querySelector('.close').focus()")
    browser.press("Tab", "Tab")
    outlined = "getComputedStyle(document.activeElement).outlineStyle"
    assert browser.js(f"document.activeElement === document.body || {outlined} === 'solid'")


def test_motion_is_left_out_where_it_is_not_wanted(browser: Browser, page: Path) -> None:
    """Scrolling is smooth only for those who did not ask for less motion."""
    found = {}
    for value in ("reduce", "no-preference"):
        browser.prefer(prefers_reduced_motion=value)
        browser.open(page)
        found[value] = browser.js("getComputedStyle(document.documentElement).scrollBehavior")
    browser.prefer()
    assert found == {"reduce": "auto", "no-preference": "smooth"}


# --- reading -------------------------------------------------------------------------------------------------------


def test_an_episode_reads_as_a_conversation(browser: Browser, tmp_path: Path) -> None:
    """What was asked, the draft with its evidence marked, each stage's votes, the revision, and how it ended."""
    over = clinic()
    jury = stage(over, "ann")
    strong, weak = Finding("no_harm", 3, "two cups of lye", "remove"), Finding("no_harm", 1, "cups", "remove")
    told = Critique("reject", (strong, weak), 0.9, "Lye burns.")
    votes = (Vote("ann", 0, told, "reject", ""), vote("bob", "failure"))
    first = look(jury, 1, "revise", votes, rule="revise")
    second = look(jury, 1, "approve", (vote("ann", "approve"), vote("bob", "approve")), draft=1)
    drafts = (draft(0, "Take two cups of lye, and more cups."), draft(1, "Take tea."))
    found = episode(first, second, drafts=drafts, text="What shall I drink?")
    browser.open(written(tmp_path / "page.html", contents(over, [(found, SOUND, SOUND)])))
    browser.js("openEpisode(0)")
    text = said(browser, "#reader")
    parts = ("What shall I drink?", "Draft 1 of 2", "Lye burns.", "could not answer (deadline)", "Revision 2 of 2")
    places = [text.index(part) for part in (*parts, "Take tea.", "Released by the rule unanimous")]
    assert places == sorted(places)
    marks = "[...reader.querySelectorAll('mark')].map(mark => [mark.textContent, mark.className])"
    assert browser.js(marks) == [
        ["two ", "severity-3"],
        ["cups", "severity-3"],
        [" of lye", "severity-3"],
    ]
    assert "What the ground truth says" in text
    assert browser.complaints() == []


def test_paper_gets_the_open_episode_alone(browser: Browser, page: Path) -> None:
    """Printed while one reads: the episode without buttons; else the page."""
    browser.open(page)
    browser.js("openEpisode(1)")
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.js("getComputedStyle(document.querySelector('main')).display") == "none"
    assert browser.js("getComputedStyle(reader.querySelector('.bar')).display") == "none"
    browser.js("new Promise(done => { reader.addEventListener('close', done); reader.close(); })")
    assert browser.js("getComputedStyle(document.querySelector('main')).display") != "none"
    browser.call("Emulation.setEmulatedMedia", media="")

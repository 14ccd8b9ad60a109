"""RELIABILITY: 500 texts that act where they are taken for markup, in every field of the page, in a real browser."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest
from browser import Browser, chromium
from builders import SOUND
from html_payloads import ACTING, payloads, set_in
from page_driver import contents, written

from overseer.hierarchy import Entry, Hierarchy, build
from overseer.metrics.measures import Row
from overseer.metrics.statistics import Measure, Table
from overseer.records import (
    Agent,
    Compared,
    Constitution,
    Context,
    Critique,
    Cues,
    Decision,
    Draft,
    Episode,
    Evaluation,
    Failure,
    Finding,
    Layer,
    Message,
    Principle,
    Rulebook,
    Ruling,
    Strike,
    Task,
    Vote,
)
from overseer.reports.page import Section, Waiting

pytestmark = pytest.mark.slow
FULL = os.environ.get("OVERSEER_FULL") == "1"
COUNT = 500
A_PAGE = 25
_NAMES = """
html head meta title style body a nav ul ol li main header footer section article h1 h2 h3 h4 p div span b q sup code
mark dl dt dd svg desc path g rect text line circle table caption thead tbody tr th td details summary form label input
select option button noscript dialog script
"""
OURS = set(_NAMES.split())
"""Every element that the page makes itself; all that act are left out but `script`, whose number is counted."""
WATCH = (
    "window.violations = 0; document.addEventListener('securitypolicyviolation', () => { window.violations += 1; });"
)


class Counting(ThreadingHTTPServer):
    """Answers everything with 204 and counts it."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.hits.append(self.path)
                self.send_response(204)
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture(scope="module")
def server() -> Iterator[Counting]:
    with Counting() as counting:
        thread = threading.Thread(target=counting.serve_forever)
        thread.start()
        yield counting
        counting.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        opened.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        yield opened


# --- the hostile page ----------------------------------------------------------------------------------------------


def hostile_hierarchy(texts: Sequence[str]) -> Hierarchy:
    """A stage for each text, whose agent, stakeholder and principle are called so; checked names are replaced after."""
    plain = [f"agent{place}" for place in range(len(texts))]
    sound = build(
        name="plain",
        constitution=Constitution("c", (Layer("all", None, (Principle("p", "t", "w", 1),)),), Cues()),
        agents=(Agent("policy", "sim/policy", 0), *(Agent(name, "human", 4, persons=1) for name in plain)),
        policy="policy",
        oversees=tuple(Entry((name,), ("policy",)) for name in plain),
        rounds=1,
    )
    named = dict(zip(plain, texts, strict=True))
    agents = {
        said: replace(sound.agents[name], name=said, stakeholder=said, model=said) for name, said in named.items()
    }
    principles = tuple(Principle(said, said, said, 1, stakeholder=said) for said in texts)
    return replace(
        sound,
        name=texts[0],
        agents={"policy": replace(sound.agents["policy"], model=texts[0]), **agents},
        stages=tuple(replace(stage, who=(named[stage.who[0]],)) for stage in sound.stages),
        constitution=Constitution(texts[0], (Layer(texts[0], None, principles),), Cues()),
    )


def hostile_row(said: str, over: Hierarchy) -> Row:
    """An episode that says the same thing in every field."""
    stage = next(stage.id for stage in over.stages if said in stage.who)
    finding = Finding(said, 3, said, "remove")
    answers = (
        Critique("revise", (finding, finding), 0.5, said),
        Ruling("modify", said, said, 3.0, (finding,), said),
        Failure("transport", said),
    )
    votes = tuple(
        Vote(said, seat, answer, cast, said)
        for seat, (answer, cast) in enumerate(zip(answers, ("revise", "reject", "failure"), strict=True))
    )
    strikes = tuple(Strike(said, finding, said, finding, said, equal) for equal in (False, True))
    drafts = tuple(Draft(number, said, said, said, (said,)) for number in range(2))
    looks = tuple(Evaluation(stage, 1, n, said, (), votes, strikes, Decision("reject", said)) for n in range(2))
    book = Rulebook((Principle(said, said, said, 3, stakeholder=said),), (said,), (said,), said)
    task = Task(said, tuple(Message(role, said) for role in ("system", "user", "assistant")), 0)
    episode = Episode(
        task=task,
        context=Context((said,), 3, 1, 0.5),
        rulebook=book,
        samples=drafts,
        comparisons=(Compared(0, 1, None, 0.5),),
        drafts=drafts,
        evaluations=looks,
        outcome="withheld",
        rule=said,
        output=said,
        requests=9,
        failures=1,
    )
    grade = replace(SOUND, violations=(said,), spirit=(said,))
    return episode, grade, replace(grade, harm=3)


def hostile_page(path: Path, texts: Sequence[str], *, protected: bool) -> Path:
    """A page with these texts everywhere. Not `protected`: without its policy, so that only encoding stands."""
    over = hostile_hierarchy(texts)
    waiting = [Waiting(said, said, 0, 1, True, said, said, said) for said in texts]
    figure = Measure(f"harm[{texts[0]}]", 0.5, 0.1, 0.9, 3, 1, texts[0])
    table = Table(texts[0], (texts[0],), tuple((said,) for said in texts), texts[0])
    section = Section(texts[0], texts[0], (figure,), (table,))
    rows = [hostile_row(said, over) for said in texts]
    made = contents(over, rows, waiting=waiting, appended=(section,), facts=[(said, said) for said in texts])
    written(path, made)
    if not protected:
        html = path.read_bytes()
        bare = re.sub(rb'<meta http-equiv="Content-Security-Policy"[^>]*>', b"", html)
        assert len(bare) < len(html)
        path.write_bytes(bare)
    return path


READ_EVERYTHING = """(() => {
    const foreign = [];
    const look = (where) => {
        for (const one of where.querySelectorAll('*')) {
            if (!OURS.has(one.localName)) foreign.push(one.localName);
            for (const {name, value} of one.attributes) {
                if (name.startsWith('on') || name === 'src' || name === 'style') foreign.push(name);
                if (name.endsWith('href') && !value.startsWith('#')) foreign.push(value);
            }
        }
    };
    look(document);
    for (const line of lines) {
        openEpisode(line.place);
        for (const one of reader.querySelectorAll('details')) one.open = true;
        look(reader);
        choose('words', line.id);
        choose('rule', line.rule);
        clear();
    }
    reader.close();
    for (const one of document.querySelectorAll('details')) one.open = true;
    document.getElementById('by-words').focus();
    look(document);
    return {foreign, scripts: document.scripts.length, tripped: window.tripped || 0, violations: window.violations};
})()"""


@pytest.mark.parametrize("protected", [True, False], ids=["with its policy", "by its encoding alone"])
def test_no_text_acts_on_the_page(browser: Browser, server: Counting, tmp_path: Path, protected: bool) -> None:
    """Everything opened, read and searched: nothing runs, nothing is fetched, no element is there that is not ours.

    With its policy the page is not even held back by it: text that never becomes markup violates nothing. A fifth of
    the texts are tried; with OVERSEER_FULL=1 in the environment, all.
    """
    count = COUNT if FULL else COUNT // 5
    texts = list(payloads(count, server.host))
    assert len(set(texts)) == count
    ours = f"const OURS = new Set({sorted(OURS)});"
    server.hits.clear()
    tripped = fetched = violations = 0
    for start in range(0, count, A_PAGE):
        group = texts[start : start + A_PAGE]
        path = hostile_page(tmp_path / f"{start}.html", group, protected=protected)
        browser.open(path)
        seen = browser.js(f"{ours}{READ_EVERYTHING}")
        assert seen["foreign"] == [], start
        assert seen["scripts"] == 3, start
        assert browser.js("lines.length") == A_PAGE
        tripped, violations = tripped + seen["tripped"], violations + seen["violations"]
        fetched += len(browser.fetched())
        assert browser.complaints() == [], start
    found = f"{count} texts in every field: {tripped} executed, {fetched} asked for, {len(server.hits)} served"
    print(f"{found}, {violations} violations of the policy (at most {3 / count:.1%} of texts, by the rule of three)")
    assert (tripped, fetched, violations, server.hits) == (0, 0, 0, [])


def test_the_address_is_no_way_in(browser: Browser, server: Counting, tmp_path: Path) -> None:
    """What stands behind the # is looked up, never shown as markup nor followed."""
    texts = list(payloads(A_PAGE, server.host))
    server.hits.clear()
    path = hostile_page(tmp_path / "page.html", texts, protected=False)
    browser.open(f"{path.as_uri()}#{urlencode({'words': texts[0], 'episode': texts[1], 'order': texts[2]})}")
    for said in texts:
        asked = urlencode({"words": said, "episode": said, "order": said, "rule": said})
        browser.js(f"location.hash = {asked!r}; recall()")
    assert browser.js("window.tripped || 0") == 0
    assert browser.fetched() == []
    assert browser.complaints() == []
    assert server.hits == []


def test_the_same_texts_do_act_where_they_are_markup(browser: Browser, server: Counting, tmp_path: Path) -> None:
    """The canary sings: were one of these ever taken for markup, the tests above would hear it."""
    path = tmp_path / "raw.html"
    silent = []
    for acting in ACTING:
        server.hits.clear()
        path.write_text(f"<!doctype html><meta charset=utf-8><body>{set_in(acting, server.host)}", encoding="utf-8")
        browser.open(path)
        if not (browser.js("window.tripped || 0") or server.hits or browser.fetched()):
            silent.append(acting)
    print(f"{len(ACTING) - len(silent)} of {len(ACTING)} patterns act without a click, as plain markup; not: {silent}")
    assert len(silent) < len(ACTING) / 2

"""The page: whole, alone, each figure with what it rests on, and nothing in it that a run's text could act through."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from unicodedata import category

import pytest
from builders import draft, episode, look, vote
from hypothesis import given
from hypothesis import strategies as st
from page_driver import clinic, contents, parsed, some_rows, stage
from small_files import SPENT, hierarchy

from overseer import api
from overseer.checkpoints import Queue
from overseer.cli import dispatch
from overseer.errors import JournalError
from overseer.metrics.statistics import Measure, Table
from overseer.records import Outcome
from overseer.reports.page import Section, Waiting, page
from overseer.reports.page.flow import POLICY, Flow, decided_by, edges
from overseer.reports.page.markup import element, joined
from overseer.reports.page.reading import read_contents
from overseer.reports.page.rows import CHUNK, MOST, SHAPES, Rows, embedded
from overseer.reports.page.sections import percent

CSS = (Path(api.__file__).parent / "reports" / "page" / "page.css").read_text(encoding="utf-8")


# --- the flow ------------------------------------------------------------------------------------------------------


def test_flows_count_tasks_along_the_edges() -> None:
    """Three tasks reach the jury, two the lead, one the person; each ends where the standing decision fell."""
    over = clinic()
    flow = Flow()
    for found, _, _ in some_rows(over):
        flow.add(found)
    jury, lead, board = (stage(over, juror) for juror in ("ann", "lead", "board"))
    assert flow.passed == {(POLICY, jury): 3, (jury, lead): 2, (lead, board): 1}
    assert flow.ended == {(jury, "released"): 1, (lead, "released"): 1, (board, "withheld"): 1}
    assert (flow.tasks, flow.drafts, flow.revised) == (3, 3, 0)


def test_a_task_that_goes_round_again_counts_once() -> None:
    """Two drafts, both seen by the jury: one task, two looks."""
    over = clinic()
    jury = stage(over, "ann")
    votes = (vote("ann", "approve"), vote("bob", "approve"))
    first, second = look(jury, 1, "revise", votes), look(jury, 1, "approve", votes, draft=1)
    flow = Flow()
    flow.add(episode(first, second, drafts=(draft(0), draft(1, "Better."))))
    assert (flow.looks[jury], flow.looked[jury], flow.passed[POLICY, jury], flow.revised) == (2, 1, 1, 1)


def test_a_stage_that_slept_is_passed_by() -> None:
    """Who looks after the jury although the lead did not is reached from the jury itself."""
    assert edges([look("jury", 1, "escalate"), look("board", 3, "approve", answers=("jury",))]) == {
        (POLICY, "jury"),
        ("jury", "board"),
    }


def test_nobody_decided_where_nobody_looked() -> None:
    """Released unreviewed, and no draft at all."""
    assert decided_by(episode(rule="not_selected")) == POLICY
    assert decided_by(episode(drafts=(), outcome="unjudged", rule="no_draft")) == POLICY


def test_dissent_counts_votes_against_what_was_decided() -> None:
    """A majority of two over one: the one dissents, on the stricter side; an escalation has no minority."""
    over = clinic()
    jury = stage(over, "ann")
    flow = Flow()
    flow.add(episode(look(jury, 1, "approve", (vote("ann", "approve"), vote("bob", "reject")))))
    flow.add(episode(look(jury, 1, "escalate", (vote("ann", "approve"), vote("bob", "reject")))))
    assert (flow.split[jury].hits, flow.split[jury].n) == (1, 1)
    assert (flow.dissents["bob"].votes.hits, flow.dissents["bob"].stricter, flow.dissents["ann"].votes.hits) == (
        1,
        1,
        0,
    )


# --- the page's static part ----------------------------------------------------------------------------------------


def test_the_page_says_it_all_without_a_script() -> None:
    """Outcomes, flow, measures, rules, dissent, queue and limits are text in the file."""
    made = parsed(contents(clinic(), some_rows(clinic()), total=5))
    for said in (
        *("3 of 5 tasks have ended", "The flow of tasks", "ann, bob", "Rules", "no_majority", "Dissent"),
        *("2 of 5 tasks have not ended", "Episodes", "What these figures do not show", "n\u00a0=\u00a03"),
    ):
        assert said in made.text


def test_every_rate_has_n_and_interval() -> None:
    """Each line of a table with a share has an interval beside it."""
    made = b"".join(page(contents(clinic(), some_rows(clinic())))).decode()
    for head in re.findall(r"<thead>.*?</thead>", made):
        assert ("share" in head) <= ("95 % interval" in head)
        assert ('<th scope="col">value' in head or "value</th>" in head) <= (">n<" in head and "95 % interval" in head)


def test_sections_that_others_fill_appear_only_with_something_in_them() -> None:
    """Persons, appeals: rows make a section, with its own link; none make none."""
    full = Section("Persons", "Who ruled.", (Measure("catch_rate[eve]", 0.5, 0.2, 0.8, 10, 0),), ())
    bare = Section("Appeals", "Nobody appealed.", (), (Table("Appeals", ("id",), ()),))
    made = parsed(contents(clinic(), some_rows(clinic()), appended=(full, bare)))
    assert "catch_rate[eve]" in made.text
    assert "Who ruled." in made.text
    assert "Nobody appealed." not in made.text
    assert "#further-0" in [tag.attributes.get("href") for tag in made.tags]


def test_the_queue_shows_who_is_waited_for() -> None:
    """A row a checkpoint; with none, the count of what has not ended."""
    one = Waiting("00ff", "board", 0, 3, True, "open", "07:08", None)
    made = parsed(contents(clinic(), some_rows(clinic()), total=4, waiting=(one,)))
    assert "Waiting for a person: 1 checkpoint." in made.text
    assert "00ff" in made.text
    assert "No task is unfinished." in parsed(contents(clinic(), some_rows(clinic()))).text


def test_simulated_persons_are_called_simulated(tmp_path: Path) -> None:
    """On the page's head, and where the stage is drawn."""
    run = api.run(hierarchy(tmp_path, SPENT.replace("reviews: 2", "reviews: 9")), out=tmp_path / "runs", seed=1)
    html = api.page(run.path).path.read_text(encoding="utf-8")
    assert "Persons were simulated" in html
    assert "simulated person" in html


def test_a_run_without_an_ended_task_has_a_page() -> None:
    """Nothing to count, and the page says so."""
    made = parsed(contents(clinic(), [], total=3))
    assert "0 of 3 tasks have ended" in made.text
    assert "nothing to count" in made.text


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, "0.0 %"), (1.0, "100.0 %"), (0.987, "98.7 %"), (0.0001, "0.01 %"), (0.00051, "0.1 %")]
)
def test_a_small_share_is_not_called_none(share: float, said: str) -> None:
    """0.0 % is said of nothing only."""
    assert percent(share) == said


# --- what stands alone, and is safe --------------------------------------------------------------------------------


def test_the_policy_lets_only_this_style_and_script_run() -> None:
    """By their hashes; nothing loads, connects or is submitted."""
    made = parsed(contents(clinic(), some_rows(clinic())))
    (held,) = [tag.attributes["content"] for tag in made.tags if "http-equiv" in tag.attributes]
    assert held is not None
    (style,) = [text for tag, text in made.apart if tag.name == "style"]
    (script,) = [text for tag, text in made.apart if tag.name == "script" and "type" not in tag.attributes]
    for text in (style, script):
        assert f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in held
    assert held.startswith("default-src 'none'; ")
    assert "unsafe" not in held
    assert "connect-src" not in held


def test_nothing_points_outside() -> None:
    """Addresses are the page's own sections; no image, frame, font or sheet."""
    made = parsed(contents(clinic(), some_rows(clinic())))
    assert all((tag.attributes.get("href") or "#").startswith("#") for tag in made.tags)
    assert not any({"src", "srcset", "style", "action"} & set(tag.attributes) for tag in made.tags)
    assert not any(name.startswith("on") for tag in made.tags for name in tag.attributes)
    assert not {tag.name for tag in made.tags} & {"img", "iframe", "link", "object", "embed", "base"}
    assert "url(" not in CSS
    assert "@import" not in CSS


def test_the_script_knows_no_way_from_text_to_markup() -> None:
    """No sink that parses HTML or runs text stands in the script at all."""
    script = "".join(path.read_text(encoding="utf-8") for path in Path(api.__file__).parent.rglob("reports/page/*.js"))
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc"):
        assert sink not in script


@given(st.text(max_size=40))
def test_text_becomes_no_markup(said: str) -> None:
    """In elements and attributes alike: as many tags as were made, and what cannot be seen stands escaped."""
    html = element("p", joined(said, element("b", said)), title=said)
    assert (html.count("<"), html.count(">")) == (4, 4)
    assert html.count('"') == 2
    assert all(char.isprintable() or char == "\n" or category(char) == "Zs" for char in html)


@given(st.recursive(st.text() | st.none() | st.integers(), lambda inner: st.lists(inner, max_size=4), max_leaves=9))
def test_embedded_data_closes_no_element(value: object) -> None:
    """No character that an HTML parser reacts to, and JSON all the same."""
    try:
        held = embedded(value)
    except UnicodeEncodeError:
        return  # a lone surrogate: rows hold shown texts only, which have none
    assert not set(held) & set(b"<>&")
    assert "\u2028".encode() not in held
    assert json.loads(held) == value


def test_texts_that_nobody_can_see_are_shown_escaped() -> None:
    """Bidi, zero-width, controls and lone surrogates reach the data as their escapes."""
    over = clinic()
    rows = Rows(over)
    rows.add(episode(name="a\u202eb", drafts=(draft(0, "x\u200by\x1b[1m\ud800\nz"),)), None, None)
    shared, (chunk,) = rows.blocks()
    assert "a\\u202eb" in json.loads(shared)["texts"]
    assert "x\\u200by\\x1b[1m\\ud800\nz" in json.loads(chunk)["texts"]


def test_episodes_stand_in_chunks_that_share_their_texts() -> None:
    """One text for all who said it; a new chunk begins when one is full."""
    over = clinic()
    rows = Rows(over)
    for place in range(CHUNK + 1):
        rows.add(
            episode(look(stage(over, "lead"), 1, "approve", (vote("lead", "approve"),)), name=str(place)), None, None
        )
    shared, chunks = rows.blocks()
    assert [len(json.loads(chunk)["episodes"]) for chunk in chunks] == [CHUNK, 1]
    assert len(json.loads(shared)["lines"]) == CHUNK + 1
    assert json.loads(chunks[0])["texts"].count("So much.") == 1
    assert len(json.loads(shared)["rulebooks"]) == 1


def test_a_page_of_too_many_holds_what_stands_out() -> None:
    """All that were withheld, and a share of the others; the figures would be of all."""
    rows = Rows(clinic(), 10 * MOST)
    for place in range(100):
        outcome: Outcome = "withheld" if place % 10 == 0 else "released"
        rows.add(episode(name=f"task/{place}", outcome=outcome), None, None)
    outcomes = [line[2] for line in rows.lines]
    assert outcomes.count("withheld") == 10
    assert 0 < outcomes.count("released") < 30
    assert rows.left_out == 100 - len(outcomes)


# --- colours -------------------------------------------------------------------------------------------------------

TEXT = 4.5
"""WCAG 2.2, 1.4.3: the least contrast of text, level AA."""
MARKS = 3.0
"""1.4.11: of what marks a control or carries meaning."""

ON_PLAIN = ("ink", "soft", "link", "good", "warn", "bad", "ask")
TINTS = ("good-tint", "warn-tint", "bad-tint", "ask-tint", "plain-tint")
PAIRS = (
    *((text, ground, TEXT) for text in ON_PLAIN for ground in ("page", "card", "shade")),
    *(("ink", ground, TEXT) for ground in TINTS),
    *(("soft", ground, TEXT) for ground in TINTS),
    *((kind, f"{kind}-tint", TEXT) for kind in ("good", "warn", "bad", "ask")),
    *(("focus", ground, MARKS) for ground in ("page", "card", "shade")),
    *(("soft", ground, MARKS) for ground in ("page", "card")),
)
"""Every text and ground that meet on the page."""


def _palette(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def _palettes() -> dict[str, dict[str, str]]:
    light, _, rest = CSS.partition("@media (prefers-color-scheme: dark)")
    return {"light": _palette(light), "dark": _palette(rest.partition("* {")[0])}


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_contrast_is_enough_in_both_modes(mode: str) -> None:
    """Level AA for every text on every ground that it meets, and for focus and edges of controls."""
    palette = _palettes()[mode]
    for text, ground, least in PAIRS:
        found = _contrast(palette[text], palette[ground])
        assert found >= least, f"{text} on {ground}: {found:.2f}, at least {least}"


def test_the_dark_palette_holds_every_colour() -> None:
    """No colour of the light palette shines through at night."""
    palettes = _palettes()
    assert palettes["light"].keys() == palettes["dark"].keys()


def test_every_colour_comes_from_the_palette() -> None:
    """So that the two tests above see them all; only the shade behind an open episode is its own."""
    rules = CSS.partition("* {")[2]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgb\([^)]*\)|hsl", rules.replace("#reader", "")) == ["rgb(10 12 15 / 50%)"]


# --- from a run ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the run's folder, or where one says; its path is what a script reads; gates read its measures."""
    run = api.run(hierarchy(tmp_path), out=tmp_path / "runs", seed=1)
    assert dispatch(["report", str(run.path), "--html", "--ui", "plain"]) == 0
    assert capsys.readouterr().out.strip() == str(run.path / "report.html")
    assert (run.path / "report.html").read_bytes().startswith(b"<!doctype html>")
    other = tmp_path / "page.html"
    gated = ["--fail-if", "requests > 0", "--ui", "json"]
    assert dispatch(["report", str(run.path), "--html", str(other), *gated]) == 1
    row = json.loads(capsys.readouterr().out)
    assert row == {"report": "page", "path": str(other), "episodes": 6, "bytes": other.stat().st_size}
    assert dispatch(["report", str(run.path), str(run.path), "--html"]) == 2


def test_a_page_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    """And leaves nothing behind."""
    run = api.run(hierarchy(tmp_path), out=tmp_path / "runs", seed=1)
    with pytest.raises(JournalError, match="cannot be written"):
        api.page(run.path, tmp_path / "no" / "page.html")
    (tmp_path / "held").mkdir()
    with pytest.raises(JournalError, match="cannot be written"):
        api.page(run.path, tmp_path / "held")
    assert not list(tmp_path.glob(".held*"))


@pytest.mark.slow
def test_the_documents_example_works(tmp_path: Path) -> None:
    """`docs/reports.md`: a section of one's own."""
    run = api.run(hierarchy(tmp_path), out=tmp_path / "runs", seed=1)
    text = (Path(api.__file__).parents[1] / "docs" / "reports.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code.replace("runs/20240506T070809Z_clinic_4f1c2a", str(run.path)), {})
    assert "The board&#x27;s own figures" in (run.path / "report.html").read_text(encoding="utf-8")


def test_every_word_of_the_page_is_known_to_its_script() -> None:
    """Rows are arrays: the script names only fields that they have."""
    folder = Path(api.__file__).parent / "reports" / "page"
    script = (folder / "data.js").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:named|add)\("(\w+)"', script)) <= set(SHAPES)


# --- people --------------------------------------------------------------------------------------------------------

BOARD = Path(api.__file__).parents[1] / "hierarchies" / "review_board.yaml"


@pytest.mark.slow
def test_a_run_that_waits_shows_its_queue_and_gives_no_trap_away(tmp_path: Path) -> None:
    """Checkpoints are there; of answers known to be harmful nothing is, nor of what tells them from the rest."""
    settings = ["tasks.town.count=30", "known_bad.rate=0.2"]
    run = api.run(BOARD, out=tmp_path, seed=1, overrides=settings)
    waits = Queue(run.path).listed()
    traps = run.source.known_bad
    assert {each.task for each in waits} & set(traps)
    html = api.page(run.path).path.read_text(encoding="utf-8")
    assert all(each.id in html for each in waits)
    assert not any(json.dumps(answer)[1:-1] in html for answer in traps.values())
    assert not any(f'"{trap}"' in html or f">{trap}<" in html for trap in traps)
    assert "mandatory" not in html


@pytest.mark.slow
def test_appeals_can_be_read_beside_the_tasks(tmp_path: Path) -> None:
    """An episode of its own in the list, whose words stand in it; the section counts it, and no other figure does."""
    run = api.run(hierarchy(tmp_path), out=tmp_path / "runs", seed=1)
    task = next(run.episodes()).task.id
    api.appeal(run, task, "It was <b>right</b>.", by="Olga")
    run = api.resume(run.path)
    made = read_contents(run, datetime(2024, 5, 6, tzinfo=UTC))
    assert made.measures.tasks == 6
    shared = json.loads(made.rows.blocks()[0])
    texts = shared["texts"]
    assert [texts[line[0]] for line in shared["lines"]][6:] == [f"{task}/appeal/1"]
    assert "It was <b>right</b>." in texts
    assert "#appeals" in [tag.attributes.get("href") for tag in parsed(made).tags]

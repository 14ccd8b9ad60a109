"""`overseer review`: a ruling a call from scripts, and the console in a real terminal."""

from __future__ import annotations

import io
import json
import re
import stat
from pathlib import Path

import pytest
from board_driver import board, row, taken_up, waiting
from pty_driver import terminal

from overseer.checkpoints import Queue
from overseer.cli import dispatch
from overseer.journal import inbox
from overseer.journal.encoding import decode_left
from overseer.records import Finding, Ruling
from overseer.runs import Run

GRAVE = "Take it all."
READY = "q leave > "


def lying(run: Run) -> list[Ruling]:
    """The rulings in the inbox."""
    return [decode_left(inbox.read(run.path, name)).ruling for name in inbox.names(run.path)]


def json_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert dispatch(["review", *arguments, "--ui", "json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- for scripts ---------------------------------------------------------------------------------------------------


def test_a_script_lists_shows_and_decides(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A line a checkpoint; one id a call; exit code 0 is the acknowledgement; the run takes it up."""
    run = waiting(tmp_path, [row("a")], board(seats=1))
    (listed,) = json_of(capsys, str(run.path), "list")
    assert listed["who"] == "board"
    assert (listed["risk"], listed["disagreement"], listed["deadline"], listed["state"]) == (1, False, None, "open")
    id_ = str(listed["id"])
    (shown,) = json_of(capsys, str(run.path), "show", id_)
    assert shown["draft"] == {"number": 0, "author": "policy", "text": "So."}
    (said,) = json_of(capsys, str(run.path), "decide", id_, "approve", "--as", "ida", "--seconds", "4.5")
    assert said == {"acknowledged": id_, "action": "approve", "by": "ida", "fresh": True, "beside": []}
    assert lying(run) == [Ruling("approve", "ida", "", 4.5)]
    assert [each.outcome for each in taken_up(run).episodes()] == ["released"]
    assert dispatch(["review", str(run.path), "decide", id_, "approve", "--as", "bob"]) == 1
    assert "answered already: approve by ida" in capsys.readouterr().err


def test_nothing_that_scripts_see_tells_where_a_checkpoint_comes_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No task, place or budget: an answer that is known to be harmful sits there like any other."""
    run = waiting(tmp_path, [row("hidden-task", GRAVE)], board(stage=", when: {every: 1}"))
    listed = json_of(capsys, str(run.path), "list")
    shown = json_of(capsys, str(run.path), "show", str(listed[0]["id"]))
    assert Queue(run.path).listed()[0].mandatory
    for told in (*listed, *shown):
        assert not {"task", "place", "mandatory", "grant", "request", "look", "stage"} & told.keys()
        assert "hidden-task" not in json.dumps(told)
    for verb in (["list"], ["show", str(listed[0]["id"]), "--open"]):
        assert dispatch(["review", str(run.path), *verb, "--ui", "plain"]) == 0
        assert "hidden-task" not in capsys.readouterr().out


def test_a_ruling_is_given_whole(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A text from a file, a note, findings with and without the words they rest on."""
    run = waiting(tmp_path, [row("a", "Take it.")], board(seats=1))
    (tmp_path / "mine.txt").write_text("Ask först.\n", encoding="utf-8")
    id_ = Queue(run.path).listed()[0].id
    extra = ["--text-file", str(tmp_path / "mine.txt"), "--note", "Safer so.", "--as", "ida"]
    findings = ["--finding", "enable_no_misuse=3:Take it.", "--finding", "finish_the_task=0"]
    assert dispatch(["review", str(run.path), "decide", id_, "modify", *extra, *findings]) == 0
    grave = Finding("enable_no_misuse", 3, "Take it.", "remove")
    told = (grave, Finding("finish_the_task", 0, "", "remove"))
    assert lying(run) == [Ruling("modify", "ida", "Safer so.", 0.0, told, "Ask först.\n")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["reject"], "say in a note", id="no note"),
        pytest.param(["approve", "--as", "i\x1bda"], "cannot be seen", id="a name"),
        pytest.param(["approve", "--finding", "finish_the_task=9"], "PRINCIPLE=SEVERITY", id="a severity"),
        pytest.param(["approve", "--finding", "finish_the_task"], "PRINCIPLE=SEVERITY", id="no severity"),
        pytest.param(["bless"], "bless", id="an action"),
        pytest.param(["modify", "--text-file", "latin.txt"], "not UTF-8", id="a text that is none"),
        pytest.param(["approve", "--seconds", "-1"], "-1", id="a time"),
    ],
)
def test_what_is_no_sound_ruling_exits_2(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    """One line that says what to mend; nothing lies in the inbox."""
    run = waiting(tmp_path, [row("a")])
    (tmp_path / "latin.txt").write_bytes(b"f\xfcr")
    monkeypatch.chdir(tmp_path)
    id_ = Queue(run.path).listed()[0].id
    assert dispatch(["review", str(run.path), "decide", id_, *arguments]) == 2
    assert said in capsys.readouterr().err
    assert lying(run) == []


def test_a_second_person_is_warned_before_they_contradict(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The ruling is taken all the same: two that differ deny."""
    run = waiting(tmp_path, [row("a")])
    id_ = Queue(run.path).listed()[0].id
    assert dispatch(["review", str(run.path), "--as", "ida", "decide", id_, "approve"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert dispatch(["review", str(run.path), "decide", id_, "reject", "--as", "bob", "--note", "No."]) == 0
    assert "warning: ida ruled on this seat already: if yours differs, the task is denied" in capsys.readouterr().err
    assert {each.person for each in lying(run)} == {"ida", "bob"}


def test_a_list_is_whose_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Everything, or what one person may rule on; an empty one says so, and is no error."""
    run = waiting(tmp_path, [row("a")])
    assert len(json_of(capsys, str(run.path), "list")) == 2
    (mine,) = json_of(capsys, str(run.path), "list", "--as", "ida")
    dispatch(["review", str(run.path), "decide", str(mine["id"]), "approve", "--as", "ida"])
    capsys.readouterr()
    assert dispatch(["review", str(run.path), "list", "--as", "ida"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "nothing waits for ida\n")
    assert dispatch(["review", str(run.path), "list"]) == 0
    assert "ruled by ida" in capsys.readouterr().out


# --- lines instead of keys -----------------------------------------------------------------------------------------


def lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Run, *typed: str
) -> tuple[int, str]:
    """The console at a standard input that is no terminal."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in typed)))
    code = dispatch(["review", str(run.path), "--as", "ida"])
    return code, capsys.readouterr().out


def test_lines_are_keys_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A line's first letter is a key; the end of the input leaves; no escape sequence is printed."""
    run = waiting(tmp_path)
    code, out = lines(capsys, monkeypatch, run, "reject", "It says nothing.")
    assert (code, "\x1b" in out) == (0, False)
    assert "acknowledged: reject of" in out
    assert "Left. 1 ruling acknowledged here." in out
    assert [(each.action, each.note) for each in lying(run)] == [("reject", "It says nothing.")]


def test_a_pipe_cannot_approve_what_it_has_not_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An approval asks for letters that stand on the page: there is no approving of everything."""
    run = waiting(tmp_path)
    _, out = lines(capsys, monkeypatch, run, *["a", "y"] * 20)
    assert "not approved" in out
    assert lying(run) == []
    first = Queue(run.path).listed("ida")[0].id
    _, out = lines(capsys, monkeypatch, run, "a", first[:4])
    assert f"acknowledged: approve of {first}" in out


# --- a terminal ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_person_rules_checkpoint_after_checkpoint(tmp_path: Path) -> None:
    """Approve, skip, go back, see what stands; then nothing waits, and the console says so; q leaves."""
    run = waiting(tmp_path, [row("a"), row("b"), row("c")])
    with terminal("review", str(run.path), "--as", "ida") as screen:
        page = screen.until(READY)
        assert "2 more wait for you" in page
        first = re.findall(r"[0-9a-f]{16}", page)[0]
        screen.press("a")
        screen.until("anything else no > ")
        screen.press("n")
        assert "not approved" in screen.until(READY)
        screen.press("a")
        screen.until("anything else no > ")
        screen.press("y")
        assert f"acknowledged: approve of {first} after" in screen.until(READY)
        screen.press("b")
        assert "You ruled approve" in screen.until(READY)
        screen.press("n")
        assert "1 more waits for you" in screen.until(READY)
        screen.press("n")
        assert "the last that waits" in screen.until(READY)
        screen.press("r")
        screen.until("not ruled) > ")
        screen.press("\n")
        assert "without a note nothing was ruled" in screen.until(READY)
        screen.press("r")
        screen.until("not ruled) > ")
        screen.press("Nein, so nicht: ß\n")
        assert "here is again what you skipped" in screen.until(READY)
        screen.press("e")
        screen.until("not ruled) > ")
        screen.press("Not mine to say.\n")
        assert "Nothing waits for you, ida." in screen.until("q leave")
        screen.press("q")
        screen.until("Left. 3 rulings acknowledged here.")
        assert screen.ended() == 0
    assert sorted((each.action, each.note, each.person) for each in lying(run)) == [
        ("approve", "", "ida"),
        ("escalate", "Not mine to say.", "ida"),
        ("reject", "Nein, so nicht: ß", "ida"),
    ]
    assert all(0 < each.seconds < 30 for each in lying(run))


@pytest.mark.slow
def test_a_text_is_changed_in_the_editor(tmp_path: Path) -> None:
    """Unchanged, it is no ruling; changed, it stands in the draft's stead; the file is gone afterwards."""
    run = waiting(tmp_path, [row("a", "So.\nAnd so.")], board(seats=1))
    editor = tmp_path / "editor"
    seen = tmp_path / "seen"
    editor.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n[ -e {tmp_path}/go ] && echo "Ask first." >> "$1"\nexit 0\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    with terminal("review", str(run.path), "--as", "ida", environment={"EDITOR": str(editor), "VISUAL": ""}) as screen:
        screen.until(READY)
        screen.press("m")
        assert "nothing was ruled" in screen.until(READY)
        (tmp_path / "go").touch()
        screen.press("m")
        screen.until("Ctrl-D: no > ")
        screen.press("Safer.\n")
        screen.until("acknowledged: modify")
        screen.press("q")
    assert [(each.action, each.text, each.note) for each in lying(run)] == [
        ("modify", "So.\nAnd so.Ask first.", "Safer.")
    ]
    assert not any(Path(file).exists() for file in seen.read_text().split())


@pytest.mark.slow
@pytest.mark.parametrize("how", ["interrupt", "hang_up"])
def test_a_half_written_note_is_no_ruling(tmp_path: Path, how: str) -> None:
    """Ctrl-C, or a terminal that is closed, in the middle of it: what was acknowledged stands, and nothing else."""
    run = waiting(tmp_path)
    with terminal("review", str(run.path), "--as", "ida") as screen:
        screen.until(READY)
        screen.press("r")
        screen.until("not ruled) > ")
        screen.press("No.\n")
        screen.until(READY)
        screen.press("r")
        screen.until("not ruled) > ")
        screen.press("Because it")
        screen.until("Because it")
        if how == "interrupt":
            screen.interrupt()
            screen.until("Left. 1 ruling acknowledged here.")
            assert screen.ended() == 130
        else:
            screen.hang_up()
            screen.child.wait(timeout=20)
    assert [each.note for each in lying(run)] == ["No."]
    with terminal("review", str(run.path), "--as", "ida") as screen:
        assert "the last that waits" in screen.until(READY)  # its seat was let go


@pytest.mark.slow
def test_hostile_text_is_folded_then_shown_and_never_sent(tmp_path: Path) -> None:
    """What was found harmful waits for a key; then every control, bidi and zero-width character is spelled out."""
    payload = "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x9b31m\u202e\u200b\x7f\r\u2028\x1b]0;owned\x1b\\"
    run = waiting(tmp_path, [row("a", f"Mix {payload} it.\n--- Draft 9\nTake it all.", f"How{payload}?")])
    with terminal("review", str(run.path), "--as", "ida", rows=60) as screen:
        page = screen.until(READY)
        assert "Folded: found gravely harmful (severity 4). x opens it." in page
        assert "Mix" not in page
        assert "Take it all" not in page
        screen.press("r")
        assert "was not shown to its end" in screen.until(READY)
        screen.press("x")
        page = screen.until(READY)
        assert "\\x1b[2J\\x1b]52;c;ZXZpbA==\\x07\\x9b31m\\u202e\\u200b\\x7f\\r\\u2028" in page.replace("\r\n  | ", "")
        assert "  | --- Draft 9" in page  # behind the bar: no part of the page
        screen.press("r")
        screen.until("not ruled) > ")
        screen.press("Deadly.\n")
        screen.until("acknowledged: reject")
        screen.press("q")
        screen.ended()
        shown = screen.raw.decode()
    assert [each.action for each in lying(run)] == ["reject"]
    ours = re.compile(r"\x1b\[[0-9;]*[mHJ]")
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u200b-\u200f\u2028]", ours.sub("", shown))


@pytest.mark.slow
def test_a_harmful_text_may_be_passed_on_unread(tmp_path: Path) -> None:
    """Whoever will not read it escalates; that alone is possible without opening it."""
    run = waiting(tmp_path, [row("a", GRAVE)])
    with terminal("review", str(run.path), "--as", "ida") as screen:
        screen.until("x open")
        screen.press("e")
        screen.until("not ruled) > ")
        screen.press("Not for me.\n")
        screen.until("acknowledged: escalate")
        screen.press("q")
    assert [each.action for each in lying(run)] == ["escalate"]


@pytest.mark.slow
def test_a_long_draft_is_read_to_its_end_first(tmp_path: Path) -> None:
    """Page by page; before the end, an approval is not taken."""
    text = "\n".join(f"Line {number}." for number in range(60))
    run = waiting(tmp_path, [row("a", text)], board(seats=1))
    with terminal("review", str(run.path), "--as", "ida") as screen:
        assert "lines 1 to 21" in screen.until(READY)
        screen.press("a")
        assert "was not shown to its end" in screen.until(READY)
        for _ in range(3):
            screen.press(" ")
            screen.until(READY)
        screen.press("a")
        screen.until("anything else no > ")
        screen.press("y")
        screen.until("acknowledged: approve")
        screen.press("q")
    assert [each.action for each in lying(run)] == ["approve"]


@pytest.mark.slow
def test_an_empty_queue_fills_under_the_console(tmp_path: Path) -> None:
    """It looks again by itself: what a resumed run asks next is shown without a key."""
    run = waiting(tmp_path, [row("a")])
    queue = Queue(run.path)
    for each, name in zip(queue.listed(), ("bob", "eve"), strict=True):
        queue.decide(each.id, name, "modify", text=f"{name} says so.")
    with terminal("review", str(run.path), "--as", "ida") as screen:
        assert "No process is writing this run" in screen.until("q leave")
        taken_up(run)
        assert " says so." in screen.until(READY)
        screen.press("q")


@pytest.mark.slow
def test_two_consoles_take_the_two_seats(tmp_path: Path) -> None:
    """Side by side, on one draft; a third person is told that it is open elsewhere."""
    run = waiting(tmp_path, [row("a")])
    seats = {each.id for each in Queue(run.path).listed()}
    with (
        terminal("review", str(run.path), "--as", "ida") as one,
        terminal("review", str(run.path), "--as", "bob") as two,
    ):
        shown = [screen.until(READY) for screen in (one, two)]
        assert {id_ for id_ in seats for page in shown if id_ in page} == seats
        assert not [id_ for id_ in seats if all(id_ in page for page in shown)]
        with terminal("review", str(run.path), "--as", "eve") as three:
            assert "open at another console" in three.until("q leave")
        for screen in (one, two):
            screen.press("a")
            screen.until("anything else no > ")
            screen.press("y")
            screen.until("acknowledged: approve")
    assert [each.outcome for each in taken_up(run).episodes()] == ["released"]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [24, 50])
@pytest.mark.parametrize("columns", [80, 200])
def test_the_page_fits_the_screen(tmp_path: Path, rows: int, columns: int) -> None:
    """No line is wider than the terminal, no page higher; what is asked stands on the last line."""
    run = waiting(tmp_path, [row("a", "word " * 400 + GRAVE)])
    with terminal("review", str(run.path), "--as", "ida", rows=rows, columns=columns) as screen:
        screen.until(READY)
        screen.press("x")
        page = screen.until(READY).rpartition("\x1b[2J")[2]
    lines = re.sub(r"\x1b\[[0-9;]*m", "", page).split("\r\n")
    assert len(lines) <= rows
    assert max(map(len, lines)) <= columns


@pytest.mark.slow
def test_no_color_takes_the_colours_and_nothing_else(tmp_path: Path) -> None:
    """What colour says stands there in words, too."""
    run = waiting(tmp_path, [row("a", GRAVE)])
    with terminal("review", str(run.path), "--as", "ida", environment={"NO_COLOR": "1"}) as screen:
        page = screen.until(READY)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", page)
    assert "severity 4, gravely harmful" in page

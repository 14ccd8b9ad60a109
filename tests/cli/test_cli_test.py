"""`overseer test`: scenarios pass, fail, or do not tell; builds read JUnit XML."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from small_files import CONSTITUTION, write

from overseer.cli import dispatch

SCENARIO = """\
about: A sound approval releases.
hierarchy: {constitution: constitution.yaml, agents: {critic: {authority: 4}}, oversees: [{who: critic, whom: policy}]}
tasks: [How?]
replies: {policy: So., critic: approve}
expect: {outcome: released}
"""
PASSES = SCENARIO
FAILS = SCENARIO.replace("outcome: released", "outcome: withheld")
UNSURE = SCENARIO.replace("{outcome: released}", "{rates: {released: {at_least: 0.5, by: interval}}}")
HOSTILE = FAILS.replace("policy: So.", 'policy: "\\e]0;x\\a\\u202e"').replace("withheld", "withheld, final: clean")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "constitution.yaml", CONSTITUTION)
    return tmp_path


def scenarios(folder: Path, **texts: str) -> list[str]:
    return [str(write(folder / f"{name}.yaml", text)) for name, text in texts.items()]


@pytest.mark.parametrize(
    ("texts", "code", "says"),
    [
        ({"a": PASSES, "b": PASSES}, 0, "2 of 2 scenarios passed"),
        ({"a": PASSES, "b": FAILS}, 100, "1 of 2 scenarios passed, 1 failed"),
        ({"a": UNSURE}, 3, "0 of 1 scenarios passed, 1 inconclusive"),
        ({"a": UNSURE, "b": FAILS}, 100, "0 of 2 scenarios passed, 1 failed, 1 inconclusive"),
    ],
    ids=["all pass", "one fails", "one does not tell", "both"],
)
def test_the_exit_code_tells_a_build(
    capsys: pytest.CaptureFixture[str], folder: Path, texts: dict[str, str], code: int, says: str
) -> None:
    """What does not tell is no pass; what fails outweighs it."""
    assert dispatch(["test", *scenarios(folder, **texts)]) == code
    assert capsys.readouterr().out.splitlines()[-1] == says


def test_a_file_that_is_no_sound_scenario_is_exit_code_2(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Named with its key, once the others have run."""
    bad = SCENARIO.replace("outcome: released", "outcom: released")
    assert dispatch(["test", *scenarios(folder, good=PASSES, bad=bad)]) == 2
    out, err = capsys.readouterr()
    assert "passed" in out
    assert "bad.yaml: expect.outcom: unknown key" in err


def test_json_is_a_line_a_scenario(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """And nothing else on stdout."""
    assert dispatch(["test", *scenarios(folder, a=PASSES, b=FAILS), "--ui", "json"]) == 100
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["name"], row["result"]) for row in rows] == [("a", "passed"), ("b", "failed")]
    assert rows[1]["problems"]


def test_builds_read_junit(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Failures and what does not tell are counted apart; hostile output cannot break the XML."""
    paths = scenarios(folder, a=PASSES, b=HOSTILE, c=UNSURE)
    assert dispatch(["test", *paths, "--junit", str(folder / "out.xml")]) == 100
    (suite,) = ElementTree.parse(folder / "out.xml").getroot()
    assert [suite.get(key) for key in ("tests", "failures", "errors")] == ["3", "1", "1"]
    assert dispatch(["test", *paths, "--junit", str(folder / "gone" / "out.xml")]) == 1
    assert "gone/out.xml: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("ui", ["plain", "live", "json"])
def test_hostile_output_is_shown_not_sent(capsys: pytest.CaptureFixture[str], folder: Path, ui: str) -> None:
    """A problem quotes what came out."""
    assert dispatch(["test", *scenarios(folder, a=HOSTILE), "--ui", ui]) == 100
    out, err = capsys.readouterr()
    for raw in ("\x1b]", "\x07", "\u202e"):
        assert raw not in out + err

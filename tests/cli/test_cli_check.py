"""`overseer check`: what is wrong with files, a constitution as a page, schemas for editors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_files import SMALL, hierarchy

from overseer.cli import dispatch

ROOT = Path(__file__).parents[2]


def test_sound_files_are_said_to_be(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By kind; warnings stand and do not fail."""
    path = hierarchy(tmp_path, SMALL.replace("authority: 4", "authority: 3"))
    assert dispatch(["check", str(path), str(tmp_path / "constitution.yaml")]) == 0
    out = capsys.readouterr().out
    assert f"{path}: a sound hierarchy" in out
    assert "constitution.yaml: a sound constitution" in out
    assert f"warning: {path}: agents: no top has authority 4" in out


def test_every_problem_of_every_file_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit code 2; a sound file among them is still said to be sound."""
    bad = hierarchy(tmp_path, SMALL.replace("rounds", "rouns") + "x: 1\n", "bad.yaml")
    good = hierarchy(tmp_path)
    assert dispatch(["check", str(bad), str(good), str(tmp_path / "gone.yaml")]) == 2
    out = capsys.readouterr().out
    assert out.count("error: ") == 3
    assert "did you mean 'rounds'?" in out
    assert f"{good}: a sound hierarchy" in out


def test_json_is_a_line_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With path, kind, problems and warnings."""
    good = hierarchy(tmp_path)
    assert dispatch(["check", str(good), str(tmp_path / "gone.yaml"), "--ui", "json"]) == 2
    first, second = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first == {"path": str(good), "kind": "hierarchy", "problems": [], "warnings": []}
    assert len(second["problems"]) == 1


@pytest.mark.parametrize("kind", ["hierarchy", "constitution", "scenario"])
def test_schemas_are_json(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """For editors."""
    assert dispatch(["check", "--schema", kind]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]


def test_a_constitution_becomes_a_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of one file at a time, into a place that can be written."""
    constitution = str(ROOT / "constitutions" / "base.yaml")
    assert dispatch(["check", constitution, "--html", str(tmp_path / "base.html")]) == 0
    assert "do_no_grave_harm" in (tmp_path / "base.html").read_text(encoding="utf-8")
    assert dispatch(["check", constitution, constitution, "--html", str(tmp_path / "two.html")]) == 2
    capsys.readouterr()
    assert dispatch(["check", constitution, "--html", str(tmp_path / "gone" / "base.html")]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"overseer: {tmp_path}/gone/base.html: No such file")
    assert err.count("\n") == 1


def test_a_hierarchy_is_no_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It is told so."""
    assert dispatch(["check", str(hierarchy(tmp_path)), "--html", str(tmp_path / "x.html")]) == 2
    assert not (tmp_path / "x.html").exists()
    assert capsys.readouterr().err


def test_hostile_files_are_shown_not_sent(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Keys and values from a file, and its very name."""
    path = hierarchy(tmp_path, SMALL + '"\\e[2J\\u202e": 1\n', "a\x1b[2J.yaml")
    for ui in ("plain", "live", "json"):
        assert dispatch(["check", str(path), "--ui", ui]) == 2
        out, err = capsys.readouterr()
        assert "\x1b[2J" not in out + err
        assert "\u202e" not in out + err

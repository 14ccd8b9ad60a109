"""`overseer verify`: whole, or the first thing that is not as it was written."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from small_files import hierarchy

from overseer import api
from overseer.cli import dispatch


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return api.run(hierarchy(tmp_path), out=tmp_path / "runs", seed=1).path


def test_a_whole_record_is_said_to_be(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """With how much there is, and the hash that stands for it."""
    assert dispatch(["verify", str(made), "--rerun", "1"]) == 0
    out = capsys.readouterr().out
    assert "whole. " in out
    assert "6 of 6 tasks begun have ended" in out
    assert f"chain {api.verify(made).chain.hash}" in out
    assert "6 episodes derived again" in out


def test_json_is_one_object(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """For machines."""
    assert dispatch(["verify", str(made), "--ui", "json", "--rerun", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["run"], found["tasks"], found["ended"], found["rerun"]) == (str(made), 6, 6, 6)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET body = replace(body, 'a', 'b') WHERE seq = 5",
        "DELETE FROM events WHERE seq = 5",
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
    ],
    ids=["changed", "a gap", "cut off"],
)
def test_damage_is_exit_code_1(capsys: pytest.CaptureFixture[str], made: Path, damage: str) -> None:
    """Named by its event, with the remedy."""
    with closing(sqlite3.connect(made / "journal.sqlite")) as connection:
        connection.execute(damage)
        connection.commit()
    assert dispatch(["verify", str(made)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "event" in err
    assert "restore" in err

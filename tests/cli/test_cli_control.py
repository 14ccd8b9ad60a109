"""`overseer pause` and `overseer stop`: what is said of a run that nobody writes; live runs stand in running/."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs_driver import new_run

from overseer.cli import dispatch
from overseer.journal import control


def test_a_pause_stands_until_it_is_lifted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who paused and why is on record; lifting says whether there was anything to lift."""
    run = new_run(tmp_path)
    assert dispatch(["pause", str(run), "--as", "Ida", "--because", "a strange answer"]) == 0
    standing = control.standing(run, "pause")
    assert standing is not None
    assert (standing.by, standing.because) == ("Ida", "a strange answer")
    assert "no process is writing it" in capsys.readouterr().err
    assert dispatch(["pause", str(run), "--off"]) == 0
    assert control.standing(run, "pause") is None
    dispatch(["pause", str(run), "--off"])
    assert "was not paused" in capsys.readouterr().err


def test_a_run_that_nobody_writes_cannot_be_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No order is left for a process that is not there: it would end the next session."""
    run = new_run(tmp_path)
    assert dispatch(["stop", str(run)]) == 1
    assert "nobody is writing this run" in capsys.readouterr().err
    assert control.standing(run, "stop") is None


@pytest.mark.parametrize("verb", ["pause", "stop"])
def test_what_is_no_run_is_refused(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An order needs the folder of a run."""
    assert dispatch([verb, str(tmp_path)]) == 1
    assert "manifest.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_order_that_cannot_be_read_holds_all_the_same(tmp_path: Path) -> None:
    """A damaged pause is a pause."""
    run = new_run(tmp_path)
    (run / "pause.json").write_text("{")
    standing = control.standing(run, "pause")
    assert standing is not None
    assert standing.because == "the order cannot be read"

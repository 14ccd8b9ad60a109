"""`overseer resume`: goes on where the journal ends, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_files import SMALL, hierarchy, runs_in, write

from overseer import api
from overseer.cli import dispatch


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return api.run(hierarchy(tmp_path), out=tmp_path / "runs", seed=1).path


def test_an_ended_run_only_reports(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """There is nothing left to do, and nothing is done twice."""
    before = (made / "manifest.json").read_bytes(), api.report(made)
    assert dispatch(["resume", str(made)]) == 0
    assert ((made / "manifest.json").read_bytes(), api.report(made)) == before
    assert capsys.readouterr().out.startswith(f"Run {made.name}: 6 tasks")


@pytest.mark.parametrize("name", ["small.yaml", "constitution.yaml"])
def test_changed_files_refuse_with_the_remedy(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, made: Path, name: str
) -> None:
    """One line that names the file; forked, it is a run of its own."""
    write(tmp_path / name, (tmp_path / name).read_text() + "# changed\n")
    assert dispatch(["resume", str(made)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"file {name} changed since this run began" in err
    assert "fork" in err
    assert dispatch(["resume", str(made), "--fork", "--set", "rounds=0"]) == 0
    (path,) = set(runs_in(tmp_path / "runs")) - {made}
    forked = api.read(path)
    assert (forked.manifest.parent, forked.setup.hierarchy.rounds) == (made.name, 0)


def test_only_operational_settings_may_change(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """What would change a decision makes another run."""
    assert dispatch(["resume", str(made), "--set", "limits.window=3"]) == 0
    assert dispatch(["resume", str(made), "--set", "rounds=3"]) == 2
    assert "--set rounds=3: a run that has begun changes budgets, timeouts and limits only" in capsys.readouterr().err


def test_gates_hold_on_resume_too(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """As on a run."""
    assert dispatch(["resume", str(made), "--fail-if", "requests > 0"]) == 1
    assert "gate: requests is" in capsys.readouterr().err


def test_settings_of_the_first_session_stay(tmp_path: Path) -> None:
    """They are repeated from the manifest."""
    out = tmp_path / "runs"
    assert (
        dispatch(["run", str(hierarchy(tmp_path, SMALL)), "--out", str(out), "--set", "rounds=0", "--count", "4"]) == 0
    )
    (made,) = runs_in(out)
    assert dispatch(["resume", str(made)]) == 0
    found = api.read(made)
    assert (found.setup.hierarchy.rounds, found.source.total) == (0, 4)

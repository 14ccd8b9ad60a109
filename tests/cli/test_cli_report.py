"""`overseer report`: one run, or two side by side; gates on a build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_files import hierarchy

from overseer import api
from overseer.cli import dispatch


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs of the same tasks."""
    path = hierarchy(tmp_path)
    one = api.run(path, out=tmp_path / "runs", seed=1)
    other = api.run(path, out=tmp_path / "runs", seed=1, overrides=["rounds=0"])
    return one.path, other.path


@pytest.mark.parametrize("ui", ["plain", "live", "json"])
def test_a_report_is_data_on_stdout(capsys: pytest.CaptureFixture[str], runs: tuple[Path, Path], ui: str) -> None:
    """In each mode; with nothing on stderr."""
    assert dispatch(["report", str(runs[0]), "--ui", ui]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    if ui == "json":
        (row,) = [json.loads(line) for line in out.splitlines() if json.loads(line).get("report") == "run"]
        assert (row["run"], row["tasks"]) == (runs[0].name, 6)
    else:
        assert runs[0].name in out


@pytest.mark.parametrize("ui", ["plain", "live", "json"])
def test_two_runs_are_paired(capsys: pytest.CaptureFixture[str], runs: tuple[Path, Path], ui: str) -> None:
    """The second's minus the first's."""
    assert dispatch(["report", *map(str, runs), "--ui", ui]) == 0
    out = capsys.readouterr().out
    assert runs[0].name in out
    assert runs[1].name in out
    if ui == "json":
        assert all(json.loads(line) for line in out.splitlines())


@pytest.mark.parametrize(
    ("gates", "code"),
    [([], 0), (["requests > 1000"], 0), (["requests > 0"], 1), (["requests.high > 0"], 1), (["released.low >= 2"], 0)],
)
def test_gates_decide_the_exit_code(
    capsys: pytest.CaptureFixture[str], runs: tuple[Path, Path], gates: list[str], code: int
) -> None:
    """What tripped is said on stderr; the report stands on stdout either way."""
    assert dispatch(["report", str(runs[0]), *(part for gate in gates for part in ("--fail-if", gate))]) == code
    out, err = capsys.readouterr()
    assert out
    assert err.startswith("gate: ") == bool(code)


def test_gates_read_the_differences_of_two_runs(capsys: pytest.CaptureFixture[str], runs: tuple[Path, Path]) -> None:
    """A run held against itself differs by nothing."""
    same = [str(runs[0]), str(runs[0])]
    assert dispatch(["report", *same, "--fail-if", "requests > 0"]) == 0
    assert dispatch(["report", *same, "--fail-if", "requests >= 0"]) == 1
    assert "gate: requests" in capsys.readouterr().err


def test_a_damaged_record_gives_no_figure(capsys: pytest.CaptureFixture[str], runs: tuple[Path, Path]) -> None:
    """Exit code 1, one line."""
    runs[0].with_name(f"{runs[0].name}.head").unlink()
    assert dispatch(["report", str(runs[0])]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1

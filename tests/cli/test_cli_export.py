"""`overseer export`: a run's data as a file, with its card."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from small_files import hierarchy

from overseer import api
from overseer.cli import dispatch


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return api.run(hierarchy(tmp_path), out=tmp_path / "runs", seed=1).path


@pytest.mark.parametrize("what", ["episodes", "pairs", "revisions", "critiques", "steps"])
def test_data_lies_in_the_run_unless_told_otherwise(capsys: pytest.CaptureFixture[str], made: Path, what: str) -> None:
    """As JSONL; the file is said on stdout, the card on stderr. The run verifies as before."""
    assert dispatch(["export", str(made), "--what", what]) == 0
    out, err = capsys.readouterr()
    file = made / "data" / f"{what}.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert out == f"{len(rows):,} {what} in {file}\n"
    assert err.startswith("data card: ")
    assert dispatch(["verify", str(made)]) == 0


def test_the_suffix_tells_the_format(capsys: pytest.CaptureFixture[str], tmp_path: Path, made: Path) -> None:
    """Unless one is said."""
    for name, options in (("a.csv", []), ("b.txt", ["--format", "csv"])):
        assert dispatch(["export", str(made), "--what", "steps", "--out", str(tmp_path / name), *options]) == 0
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            assert len(list(csv.reader(file))) > 1
    pytest.importorskip("pyarrow")
    assert dispatch(["export", str(made), "--what", "steps", "--out", str(tmp_path / "c.parquet")]) == 0
    assert (tmp_path / "c.parquet").read_bytes()[:4] == b"PAR1"


def test_json_is_one_object(capsys: pytest.CaptureFixture[str], tmp_path: Path, made: Path) -> None:
    """The paths, and how many rows."""
    assert dispatch(["export", str(made), "--what", "episodes", "--ui", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 6
    assert Path(told["path"]).exists()
    assert Path(told["card"]).exists()


def test_a_path_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, made: Path
) -> None:
    """And no half of a file."""
    (tmp_path / "gone").write_text("a file in its place")
    assert dispatch(["export", str(made), "--what", "pairs", "--out", str(tmp_path / "gone" / "x.jsonl")]) != 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert str(tmp_path / "gone") in err

"""`overseer fit-context`: from labelled rows to a file that a hierarchy assesses its tasks by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_encoder import make_encoder

from overseer.cli import dispatch

COLUMNS = ["--text", "text", "--domain", "domain", "--risk", "risk", "--complexity", "steps"]
ROWS = [
    {"text": "Bake bread. Knead bread with salt.", "domain": "kitchen", "risk": 1, "steps": 1},
    {"text": "Sail a boat. Rope of the boat.", "domain": "bank", "risk": 3, "steps": 1},
]


@pytest.mark.slow
def test_a_fitted_context_is_scored_and_serves_a_hierarchy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The score is printed; `context: {by: embed/FILE}` then reads the tasks of a run."""
    encoder = make_encoder(tmp_path / "encoder")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS * 4), encoding="utf-8")
    made = tmp_path / "context.safetensors"
    fit = ["fit-context", "--rows", str(rows), *COLUMNS, "--out", str(made), "--encoder", str(encoder)]
    assert dispatch([*fit, "--ui", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["right"] == {"domain": 1.0, "risk": 1.0, "complexity": 1.0}

    root = Path(__file__).parents[2]
    hierarchy = (root / "hierarchies" / "three_tier.yaml").read_text(encoding="utf-8")
    hierarchy = hierarchy.replace("../constitutions", str(root / "constitutions")).replace(
        "by: rules", f"by: embed/{made}"
    )
    (tmp_path / "fitted.yaml").write_text(hierarchy, encoding="utf-8")
    assert dispatch(["run", str(tmp_path / "fitted.yaml"), "--count", "5", "--out", str(tmp_path / "runs")]) == 0


def test_a_missing_file_of_rows_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, what and where, nothing written."""
    made = tmp_path / "context.safetensors"
    assert dispatch(["fit-context", "--rows", str(tmp_path / "no.csv"), *COLUMNS, "--out", str(made)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "no.csv" in said
    assert not made.exists()

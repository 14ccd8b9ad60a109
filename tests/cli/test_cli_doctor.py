"""`overseer doctor`: what this installation can do."""

from __future__ import annotations

import json

import pytest

from overseer.cli import dispatch


@pytest.mark.slow
@pytest.mark.parametrize("ui", ["plain", "json"])
def test_a_sound_installation_says_so(capsys: pytest.CaptureFixture[str], ui: str) -> None:
    """Each package of the core, each extra, and a small run that ends and verifies."""
    assert dispatch(["doctor", "--ui", ui]) == 0
    out = capsys.readouterr().out
    if ui == "json":
        told = json.loads(out)
        assert told["trial"] == "ok"
        assert set(told["extras"]) == {"openai", "embed", "parquet", "train", "plot"}
        assert all(version for _, version in told["core"])
        assert told["local"]["ready"] == all(version for _, version in told["extras"]["embed"])
    else:
        assert "a run of 20 tasks: ends, and its record is whole" in out
        assert "[embed]" in out
        assert "models on this machine (hf/…, town/…): " in out

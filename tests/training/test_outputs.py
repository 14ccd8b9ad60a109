"""A stage's folder: there when it is whole, not there before, and one process at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from overseer.errors import ConfigError, OverseerError
from overseer.training.outputs import RECORD, Figure, Made, card, record, whole
from overseer.training.tables import Origin


def test_a_folder_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """While it is written nothing stands there; what was there before is replaced only if that is said."""
    out = tmp_path / "made"
    with whole(out, replace=False) as part:
        (part / RECORD).write_text("1", encoding="utf-8")
        assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    with pytest.raises(ConfigError, match="is there already"), whole(out, replace=False):
        pass
    with whole(out, replace=True) as part:
        (part / "b").write_text("2", encoding="utf-8")
        assert (out / RECORD).exists()
    assert [path.name for path in out.iterdir()] == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_only_what_a_stage_wrote_is_replaced(tmp_path: Path) -> None:
    """A folder of somebody's, a file, a place without a name: one line, and all stays as it is."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("x", encoding="utf-8")
    for out in (tmp_path / "work", tmp_path / "work" / "thesis.txt"):
        with pytest.raises(ConfigError, match="is nothing that a stage wrote"), whole(out, replace=True):
            pass
    for nameless in (Path("."), Path("/")):
        with pytest.raises(ConfigError, match="is no name for a new folder"), whole(nameless, replace=True):
            pass
    assert (tmp_path / "work" / "thesis.txt").read_text(encoding="utf-8") == "x"


def test_who_may_read_the_record_may_read_the_weights(tmp_path: Path) -> None:
    """Safetensors writes for its owner alone; a server runs as another."""
    with whole(tmp_path / "made", replace=False) as part:
        (part / RECORD).write_text("1", encoding="utf-8")
        (part / "model.safetensors").write_bytes(b"")
        (part / "model.safetensors").chmod(0o600)
    modes = {path.stat().st_mode for path in (tmp_path / "made").iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt], ids=lambda kind: kind.__name__)
def test_an_interrupted_one_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    """No half folder; and what was to be replaced still stands."""
    out = tmp_path / "made"
    with whole(out, replace=False) as part:
        (part / RECORD).write_text("1", encoding="utf-8")

    def fails() -> None:
        with whole(out, replace=True) as part:
            (part / "b").write_text("2", encoding="utf-8")
            raise error

    with pytest.raises(error):
        fails()
    assert [path.name for path in out.iterdir()] == [RECORD]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_what_a_killed_one_left_is_cleared(tmp_path: Path) -> None:
    """A folder under the other name is no model, and is begun anew."""
    (tmp_path / ".made.part" / "deep").mkdir(parents=True)
    (tmp_path / ".made.part" / "half").write_text("x", encoding="utf-8")
    with whole(tmp_path / "made", replace=False) as part:
        assert list(part.iterdir()) == []


def test_two_processes_do_not_write_one_folder(tmp_path: Path) -> None:
    """The second is told; the first goes on."""
    out = tmp_path / "made"

    def second() -> None:
        with whole(out, replace=False):
            pass

    with whole(out, replace=False) as part:
        with pytest.raises(OverseerError, match="another process is training it"):
            second()
        (part / "a").write_text("1", encoding="utf-8")
    assert (out / "a").exists()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """What, why, and what to do."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OverseerError, match="cannot be written"), whole(tmp_path / "file" / "made", replace=False):
        pass


def test_a_card_tells_data_figures_and_settings_and_nothing_in_it_acts() -> None:
    """Names come from others: no table edge, no markup, nothing invisible."""
    made = Made(
        "rm", Path("out"), 90, 10, {"longer than 5 tokens": 2}, 7, 3.2, {"accuracy": Figure(0.9, 0.8, 0.95, 10)}
    )
    origin = Origin("a|`b\n.jsonl", "f" * 64, "pairs", 102, "run1")
    told = record(made, {"trained from": "base"}, {"epochs": 4.0}, [origin], "overseer train rm")
    text = card(told)
    assert "`0.9` | `0.8` | `0.95` | `10`" in text
    assert "`a··b·.jsonl`" in text
    assert "2 (longer than 5 tokens)" in text
    assert "| `epochs` | `4.0` |" in text
    assert told["versions"]["overseer"]

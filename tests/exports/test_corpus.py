"""A corpus on disk: the same rows in both formats, described beside, and nothing where it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from overseer.cli import dispatch
from overseer.config.constitutions import load_constitution
from overseer.errors import ConfigError
from overseer.exports.corpus import write_corpus
from overseer.town.corpora import KINDS, Corpus

TOWN = Path(__file__).parent.parent.parent / "constitutions" / "town.yaml"


def corpus() -> Corpus:
    return Corpus(dict.fromkeys(KINDS, 3), load_constitution(TOWN), "7", frozenset({"bank"}), 0.25)


def test_both_formats_hold_the_same_rows(tmp_path: Path) -> None:
    """JSONL and Parquet differ in form alone, and each row is a conversational prompt and completion."""
    parquet = pytest.importorskip("pyarrow.parquet")
    for suffix in ("jsonl", "parquet"):
        assert write_corpus(corpus(), tmp_path / f"a.{suffix}").rows == 3 * len(KINDS)
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert all(list(row) == ["id", "kind", "prompt", "completion"] for row in rows)
    assert all([each["role"] for each in row["completion"]] == ["assistant"] for row in rows)


def test_the_card_says_what_is_in_it(tmp_path: Path) -> None:
    """Kinds, counts, seeds, blind spots and noise stand beside the file."""
    written = write_corpus(corpus(), tmp_path / "a.jsonl")
    card = written.card.read_text(encoding="utf-8")
    for told in ("blind spots: bank", "noise: 0.25", "`corpus-critiques-7`", "--lines deeds=3"):
        assert told in card


def test_an_unknown_suffix_is_said(tmp_path: Path) -> None:
    """The suffix is the format."""
    with pytest.raises(ConfigError, match="jsonl"):
        write_corpus(corpus(), tmp_path / "a.txt")


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`overseer town corpus` writes the same file; what cannot be read is exit code 2."""
    asked = ["town", "corpus", str(tmp_path / "b.jsonl"), "--constitution", str(TOWN)]
    assert dispatch([*asked, "--lines", "facts=4"]) == 0
    assert len((tmp_path / "b.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    assert dispatch([*asked, "--lines", "facts"]) == 2
    assert "KIND=COUNT" in capsys.readouterr().err

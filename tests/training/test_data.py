"""Exported files become rows to learn from: each table read as it is, whatever is wrong said in one line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exported import exported

from overseer.errors import ConfigError
from overseer.records import Message
from overseer.training.data import (
    Pair,
    as_answers,
    as_judged,
    as_preferences,
    as_steps,
    read_answers,
    read_judged,
    read_pairs,
    read_prompts,
    read_steps,
)

ASKED = [{"role": "user", "content": "How much?"}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def pair(chosen: str = "One.", rejected: str = "All.", **beside: Any) -> dict[str, Any]:
    return {"prompt": ASKED, "chosen": said(chosen), "rejected": said(rejected), **beside}


def critique(draft: str, verdict: str, upheld: bool | None) -> dict[str, Any]:
    return {"prompt": ASKED, "draft": draft, "verdict": verdict, "upheld": upheld}


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# --- real exports --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_real_export_is_read_whole(suffix: str) -> None:
    """Every row of every table; both formats give the same; the card names the run."""
    folder = exported()
    pairs = read_pairs([folder / f"pairs.{suffix}"])
    lines = (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(pairs.rows) == len(lines)
    assert {row.source for row in pairs.rows} <= {"revision", "modification", "answer", "comparison"}
    assert pairs.origins[0].run
    assert pairs.rows == read_pairs([folder / "pairs.jsonl"]).rows
    steps = read_steps([folder / f"steps.{suffix}"])
    assert all("".join(row.sentences) for row in steps.rows)
    assert read_judged([folder / f"critiques.{suffix}"]).rows == read_judged([folder / "critiques.jsonl"]).rows


@pytest.mark.slow
def test_revisions_and_critiques_together_give_every_released_answer() -> None:
    """What was well from the start stands in the critiques alone; what was mended stands in both, and counts once."""
    folder = exported()
    mended = read_answers([folder / "revisions.jsonl"])
    both = read_answers([folder / "revisions.jsonl", folder / "critiques.jsonl"])
    assert {(row.prompt, row.text) for row in mended.rows} < {(row.prompt, row.text) for row in both.rows}
    assert len(both.rows) == len({(row.prompt, row.text) for row in both.rows})
    assert both.left_out["said already"] > 0


# --- tables --------------------------------------------------------------------------------------------------------


def test_a_pair_needs_no_weight_and_no_provenance(tmp_path: Path) -> None:
    """Anybody's rows with TRL's explicit columns are read; what stands beside them is taken where it is there."""
    path = written(tmp_path / "pairs.jsonl", pair())
    prompt = (Message("user", "How much?"),)
    assert read_pairs([path]).rows == (Pair(prompt, "One.", "All."),)
    beside = pair(weight=0.5, provenance={"source": "revision", "both_harmful": True})
    path = written(tmp_path / "more.jsonl", beside)
    assert read_pairs([path]).rows == (Pair(prompt, "One.", "All.", 0.5, "revision", both_harmful=True),)


def test_pairs_are_left_out_by_reason_and_counted(tmp_path: Path) -> None:
    """Too light, both harmful, or twice the same text."""
    path = written(
        tmp_path / "pairs.jsonl",
        pair(weight=0.1),
        pair(provenance={"both_harmful": True}),
        pair("All."),
        pair("One, twice."),
    )
    read = read_pairs([path], min_weight=0.2, both_harmful=False)
    assert [row.chosen for row in read.rows] == ["One, twice."]
    assert dict(read.left_out) == {"below min_weight": 1, "both texts harmful": 1, "the same text twice": 1}


def test_the_final_judgement_labels_a_draft_whoever_gave_the_verdict(tmp_path: Path) -> None:
    """An approval that was upheld and an objection that was overturned are for it; without a judgement it is no row."""
    path = written(
        tmp_path / "critiques.jsonl",
        critique("a", "approve", True),
        critique("b", "revise", False),
        critique("c", "reject", True),
        critique("d", "approve", False),
        critique("e", "approve", None),
    )
    assert {row.text: row.good for row in read_judged([path]).rows} == {"a": True, "b": True, "c": False, "d": False}
    assert {row.text for row in read_answers([path]).rows} == {"a", "b"}


def test_a_text_judged_both_ways_is_no_label(tmp_path: Path) -> None:
    """It was released in one run and sent back in another: nobody knows which to learn."""
    path = written(tmp_path / "pairs.jsonl", pair("a", "b"), pair("b", "c"))
    read = read_judged([path])
    assert {row.text for row in read.rows} == {"a", "c"}
    assert read.left_out["judged both ways"] == 2


def test_corpora_and_dialogues_are_answers_too(tmp_path: Path) -> None:
    """A corpus' completions, and the last message of a dialogue."""
    corpus = written(tmp_path / "corpus.jsonl", {"id": "x", "prompt": ASKED, "completion": said("One.")})
    talk = written(tmp_path / "talk.jsonl", {"messages": [*ASKED, *said("Two.")]}, {"messages": ASKED})
    assert [row.text for row in read_answers([corpus, talk]).rows] == ["One.", "Two."]


def test_prompts_are_read_from_any_table_once_and_by_name(tmp_path: Path) -> None:
    """By the row's id, else the episode it came of."""
    path = written(tmp_path / "a.jsonl", pair(provenance={"episode": "t7"}), pair())
    read = read_prompts([path])
    assert [asked.id for asked in read.rows] == ["t7"]
    assert read.left_out == {"asked already": 1}


def test_prompts_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Rows of two files are numbered alike: who judges an answer by its prompt's name must find that prompt."""
    texts = (["How do I bake bread?", "How do I sail?"], ["How do I build a bomb?", "How do I sail?"])
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path, asked in zip(paths, texts, strict=True):
        rows = [{"prompt": [{"role": "user", "content": text}]} for text in asked]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    read = read_prompts(paths)
    assert {row.id: row.prompt[0].content for row in read.rows} == {
        "0": "How do I bake bread?",
        "1": "How do I sail?",
        "0#2": "How do I build a bomb?",
    }
    assert read.left_out == {"asked already": 1}


def test_the_forms_are_those_that_trainers_read(tmp_path: Path) -> None:
    """Explicit conversational columns, and no provenance beside them."""
    path = written(tmp_path / "pairs.jsonl", pair(provenance={"source": "revision"}))
    assert as_preferences(read_pairs([path]).rows) == [pair()]
    assert as_answers(read_answers([path]).rows) == [{"prompt": ASKED, "completion": said("One.")}]
    assert [row["label"] for row in as_judged(read_judged([path]).rows)] == [True, False]
    rows = [{"prompt": ASKED, "draft": "A. B.", "start": at, "end": at + 2, "severity": at} for at in (3, 0)]
    steps = written(tmp_path / "steps.jsonl", *rows)
    assert as_steps(read_steps([steps]).rows) == [
        {"prompt": ASKED, "completions": ["A.", "B."], "labels": [True, False]}
    ]


# --- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "holds no row"),
        ('{"prompt": [], "chosen": []}\n', "has no column 'rejected' for pairs"),
        ("{not json}\n", "is no strict JSON"),
        (json.dumps(pair(weight=-1)) + "\n", "line 1: weight: "),
        (json.dumps({**pair(), "chosen": "One."}) + "\n", "line 1: chosen: "),
        (json.dumps(pair("All.")) + "\n", "no pair to train on (1 left out: the same text twice)"),
    ],
    ids=["empty", "missing column", "no JSON", "bad weight", "no messages", "nothing left"],
)
def test_what_cannot_be_learned_from_is_one_line(tmp_path: Path, text: str, what: str) -> None:
    """The file, the row and the remedy."""
    path = tmp_path / "pairs.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        read_pairs([path])
    (line,) = told.value.problems
    assert line.startswith((f"{tmp_path}", "pairs.jsonl"))
    assert what in line


def test_a_file_that_is_given_twice_is_one_line(tmp_path: Path) -> None:
    """Under any name: its rows would count double."""
    path, again = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_text(json.dumps({"prompt": [{"role": "user", "content": "Why?"}]}) + "\n", encoding="utf-8")
    again.symlink_to(path)
    with pytest.raises(ConfigError, match=r"a\.jsonl: is given twice"):
        read_prompts([path, again])


def test_every_file_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    """All problems at once: a missing file, a table of another kind, CSV."""
    (tmp_path / "pairs.csv").write_text("prompt,chosen,rejected\n", encoding="utf-8")
    other = written(tmp_path / "revisions.jsonl", critique("a", "approve", True))
    with pytest.raises(ConfigError) as told:
        read_pairs([tmp_path / "none.jsonl", other, tmp_path / "pairs.csv"])
    assert len(told.value.problems) == 3


def test_a_card_of_other_data_is_refused(tmp_path: Path) -> None:
    """The file was changed after its card was written, or the card belongs to another."""
    path = written(tmp_path / "pairs.jsonl", pair())
    card = tmp_path / "pairs.jsonl.card.md"
    card.write_text(f"| what | which |\n| SHA-256 | `{'0' * 64}` |\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"is not the file that pairs\.jsonl\.card\.md tells of"):
        read_pairs([path])


def test_one_sided_judgements_are_refused(tmp_path: Path) -> None:
    """Nothing is learned where everything was approved."""
    path = written(tmp_path / "critiques.jsonl", critique("a", "approve", True))
    with pytest.raises(ConfigError, match=r"all 1 answers were approved"):
        read_judged([path])

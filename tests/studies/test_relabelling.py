"""Labels of an export that are not the judges': what the oracle and a coin say; each row and card says whose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exported import exported

from overseer.errors import ConfigError
from overseer.studies.relabelling import by_oracle, critiques, pairs_by_chance, pairs_by_worth, revisions, write
from overseer.training.data import read_answers, read_judged, read_pairs
from overseer.training.tables import read_table


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pair(chosen: str, rejected: str, episode: str = "e0") -> dict[str, Any]:
    hashes = [
        {"name": "output", "hash": "o"},
        {"name": "chosen", "hash": chosen},
        {"name": "rejected", "hash": rejected},
    ]
    told = {"episode": episode, "source": "revision", "judges": ["critic"], "both_harmful": True, "hashes": hashes}
    said = {
        side: [{"role": "assistant", "content": text}] for side, text in (("chosen", chosen), ("rejected", rejected))
    }
    return {"prompt": [{"role": "user", "content": "?"}], **said, "weight": 0.5, "provenance": told}


def critique(draft: str, verdict: str, upheld: bool | None) -> dict[str, Any]:
    said: dict[str, Any] = {"draft": draft, "verdict": verdict, "upheld": upheld}
    asked = {"prompt": [{"role": "user", "content": "?"}], "reviewer": "critic", "findings": [{}]}
    return {**asked, **said, "provenance": {"episode": "e0"}}


def worth_of(_: str, text: str) -> float:
    return {"good": 1.0, "fair": 0.5, "bad": -0.5, "worse": -1.0}[text.partition(" ")[0]]


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_the_better_text_is_chosen_and_equals_are_no_pair() -> None:
    """Turned round where the judges had it wrong; weights and marks are those of who labels."""
    found = pairs_by_worth(
        [pair("good", "bad"), pair("bad", "fair"), pair("fair", "fair 2"), pair("bad", "worse")], worth_of
    )
    assert [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in found.rows] == [
        ("good", "bad"),
        ("fair", "bad"),
        ("bad", "worse"),
    ]
    assert found.counts == {"as judged": 2, "turned round": 1, "left out: both alike": 1}
    told = [row["provenance"] for row in found.rows]
    assert [each["both_harmful"] for each in told] == [False, False, True]
    assert {row["weight"] for row in found.rows} == {1.0}
    assert all((each["labels"], each["judges"], each["source"]) == ("oracle", [], "revision") for each in told)
    assert {each["name"]: each["hash"] for each in told[1]["hashes"]} == {
        "output": "o",
        "chosen": "fair",
        "rejected": "bad",
    }


def test_the_coin_is_fair_and_knows_nothing_of_the_judges() -> None:
    """About half are turned; what the judges had the other way round is labelled the same, and again by one seed."""
    told = [pair(f"good {at}", f"bad {at}", f"e{at}") for at in range(2000)]
    found = pairs_by_chance(told, "labels 1")
    assert found.counts.keys() == {"as judged", "turned round"}
    assert abs(found.counts["turned round"] - 1000) < 90  # four standard deviations
    other_way = pairs_by_chance([pair(f"bad {at}", f"good {at}", f"e{at}") for at in range(2000)], "labels 1")
    assert [row["chosen"] for row in found.rows] == [row["chosen"] for row in other_way.rows]
    assert found == pairs_by_chance(told, "labels 1")
    assert found.rows != pairs_by_chance(told, "labels 2").rows
    assert {row["provenance"]["labels"] for row in found.rows} == {"random"}
    assert {row["weight"] for row in found.rows} == {0.5}


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_draft_is_approved_where_it_may_stand() -> None:
    """One row a draft, whoever spoke of it; what nobody could judge stays without a judgement."""
    told = [
        critique("good", "revise", upheld=True),
        critique("good", "approve", upheld=False),
        critique("bad", "approve", upheld=True),
        critique("fair 2", "reject", upheld=True),
        critique("fair", "escalate", upheld=None),
    ]
    found = critiques(told, worth_of, "")
    said = [(row["draft"], row["reviewer"], row["verdict"], row["upheld"], row["findings"]) for row in found.rows]
    assert said == [
        ("good", "oracle", "approve", True, []),
        ("bad", "oracle", "revise", True, []),
        ("fair 2", "oracle", "approve", True, []),
        ("fair", "oracle", "escalate", None, []),
    ]
    assert found.counts == {
        "good by the judges": 1,
        "good by these labels": 2,
        "good by both": 0,
        "without a final judgement": 1,
    }


def test_chance_keeps_as_many_as_the_judges() -> None:
    """As many drafts, and as many revisions, whichever they are."""
    told = [critique(f"good {at}", "approve", upheld=at % 4 == 0) for at in range(200)]
    found = critiques(told, None, "labels 1")
    assert sum(row["verdict"] == "approve" for row in found.rows) == 50
    assert found.counts["good by both"] < 30
    revised = [{**pair("good", "bad"), "revision": f"good {at}", "accepted": at % 2 == 0} for at in range(100)]
    assert sum(row["accepted"] for row in revisions(revised, None, "labels 1").rows) == 50
    by_worth = revisions([{**row, "revision": f"bad {at}"} for at, row in enumerate(revised)], worth_of, "")
    assert not any(row["accepted"] for row in by_worth.rows)


# --- a run's files ---------------------------------------------------------------------------------------------------


def test_the_oracle_labels_an_export(tmp_path: Path) -> None:
    """What training reads is what the oracle finds better; the card says whose labels they are, and of which file."""
    out = tmp_path / "oracle.jsonl"
    found = write(exported() / "pairs.jsonl", "pairs", "oracle", 0, "run1", out)
    told = rows(out)
    assert len(told) == len(found.rows) == len(read_pairs([out]).rows)
    assert found.counts["turned round"] + found.counts["as judged"] == len(told)
    for row in told:
        episode = row["provenance"]["episode"]
        assert by_oracle(episode, row["chosen"][0]["content"]) > by_oracle(episode, row["rejected"][0]["content"])
    card = (tmp_path / "oracle.jsonl.card.md").read_text(encoding="utf-8")
    assert "not of any reviewer" in card.splitlines()[0]
    origin, _ = read_table(out, ["pairs"])
    assert (origin.run, origin.labels) == ("run1", "oracle")


def test_what_is_learned_of_relabelled_drafts_may_stand(tmp_path: Path) -> None:
    """Supervised training takes the approved drafts and accepted revisions, as ever; these are the oracle's now."""
    for what in ("critiques", "revisions"):
        write(exported() / f"{what}.jsonl", what, "oracle", 0, "run1", tmp_path / f"{what}.jsonl")
        write(exported() / f"{what}.jsonl", what, "random", 1, "run1", tmp_path / f"{what}_random.jsonl")
    truths = {json.dumps(row["prompt"]): row["provenance"]["episode"] for row in rows(tmp_path / "critiques.jsonl")}
    for answer in read_answers([tmp_path / "critiques.jsonl", tmp_path / "revisions.jsonl"]).rows:
        prompt = json.dumps([{"role": each.role, "content": each.content} for each in answer.prompt])
        assert by_oracle(truths[prompt], answer.text) > 0
    judged = read_judged([tmp_path / "critiques.jsonl"]).rows
    assert {row.good for row in judged} == {True, False}
    approved = [row for row in read_judged([exported() / "critiques.jsonl"]).rows if row.good]
    by_chance = [row for row in read_judged([tmp_path / "critiques_random.jsonl"]).rows if row.good]
    assert len(by_chance) == len(approved)
    assert by_chance != approved


def test_the_oracle_knows_nothing_of_other_tasks() -> None:
    """An episode of no task of Town has no truth: nothing is labelled."""
    with pytest.raises(ConfigError, match="is of no task of Town"):
        by_oracle("task-7", "Well.")

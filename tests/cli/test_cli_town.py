"""`overseer town`: tasks with their hidden truth, and the oracle's word on any text."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from overseer import town
from overseer.cli import dispatch


def test_samples_are_tasks_with_their_truth(capsys: pytest.CaptureFixture[str]) -> None:
    """The same for the same seed."""
    said = []
    for seed in ("3", "3", "4"):
        assert dispatch(["town", "sample", "--count", "3", "--seed", seed]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2]
    assert said[0].count("town.3.reference.") == 3


def test_json_is_a_line_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    """Messages and truth."""
    assert dispatch(["town", "sample", "--count", "2", "--ui", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 2
    assert rows[0]["messages"][0]["role"] == "user"
    assert rows[0]["truth"]["intent"] in ("benign", "careless", "harmful")


@pytest.mark.parametrize("ui", ["plain", "json"])
def test_the_oracle_reads_any_text(capsys: pytest.CaptureFixture[str], ui: str) -> None:
    """Nonsense and control characters included; they are shown, not sent."""
    assert dispatch(["town", "ask", "town.7.reference.0", "x\x1b[2J\u202e", "--ui", ui]) == 0
    out = capsys.readouterr().out
    assert "harm" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sample", "--environment", "refrence"], "unknown environment 'refrence' (did you mean 'reference'?)"),
        (["ask", "no-task\x1b[2J", "text"], "is no task of Town"),
        (["smaple"], "No such command 'smaple'"),
    ],
)
def test_slips_are_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    """One line on stderr."""
    assert dispatch(["town", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert "\x1b" not in err


def test_the_shipped_file_of_known_bad_answers_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Each answer is harmful to its asker by the oracle, in every domain, and none gives itself away."""
    assert dispatch(["town", "known-bad", "--count", "120", "--seed", "99"]) == 0
    printed = capsys.readouterr().out
    assert printed == (Path(__file__).parents[2] / "hierarchies" / "known_bad_town.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in printed.splitlines()]
    truths = [town.truth(row["id"]) for row in rows]
    harms = [town.report(truth, row["response"]).harm for truth, row in zip(truths, rows, strict=True) if truth]
    assert len(harms) == 120
    assert set(harms) == {2, 3, 4}
    domains = Counter(truth.domain for truth in truths if truth)
    assert domains.keys() == set(town.DOMAINS)
    assert set(domains.values()) == {20}
    assert len({row["response"] for row in rows}) > 110

"""Where tasks come from: Town, files of rows, a program's own list; each drawn again as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_files import ROWS, write

from overseer.config.hierarchy_schema import SharesSpec, TasksSpec, TownSpec
from overseer.errors import ConfigError, Malformed
from overseer.models.recorded import Columns
from overseer.records import Message, Task
from overseer.sources import from_town, kept, listed, open_source, rows


def test_town_counts_through_its_environments_in_turn() -> None:
    """Places run on; each environment is counted from 0 by itself."""
    source = from_town(TownSpec(count=5, environment=["reference", "entities"]))
    drawn = list(source.tasks())
    assert [task.place for task in drawn] == [0, 1, 2, 3, 4]
    assert ["reference" in task.id for task in drawn] == [True, False, True, False, True]
    assert source.total == 5
    assert [task.id for task in source.tasks()] == [task.id for task in drawn]


def test_what_draws_other_tasks_has_another_digest() -> None:
    """A resumed run draws the same, or refuses."""
    specs = [
        TownSpec(),
        TownSpec(count=5),
        TownSpec(seed=8),
        TownSpec(domain="bank"),
        TownSpec(environment="entities"),
        TownSpec(shares=SharesSpec(benign=100, careless=0, harmful=0)),
    ]
    assert len({from_town(spec).digest for spec in specs}) == len(specs)
    assert from_town(TownSpec()).digest == from_town(TownSpec()).digest


def test_shares_and_domain_hold() -> None:
    """Only what was asked for is drawn."""
    shares = SharesSpec(benign=100, careless=0, harmful=0)
    source = from_town(TownSpec(count=20, domain="kitchen", shares=shares))
    grade = source.grader()
    for task in source.tasks():
        known = grade(task, "I do not know.")
        assert known is not None
        assert known.benign


def test_what_town_does_not_know_is_told_at_once() -> None:
    """With the file that says so, and what may have been meant."""
    spec = TownSpec(environment="refrence", domain="bnak", shares=SharesSpec(benign=1))
    with pytest.raises(ConfigError) as refused:
        open_source(TasksSpec(town=spec), Path(), "h.yaml: ")
    assert [problem.split(" (")[0] for problem in refused.value.problems] == [
        "h.yaml: tasks.town.environment: unknown environment 'refrence'",
        "h.yaml: tasks.town.domain: unknown domain 'bnak'",
        "h.yaml: tasks.town.shares: must add up to 100",
    ]
    assert "did you mean 'reference'?" in refused.value.problems[0]


def test_rows_bring_their_answers_and_their_labels_apart(tmp_path: Path) -> None:
    """A task holds the answer; what people said of it joins by id, and only where asked for."""
    text = '{"id": "a", "prompt": "P", "response": "R", "said": "refused"}\n'
    columns = Columns(label="said", label_refused=("refused",))
    path = write(tmp_path / "r.jsonl", text)
    source = open_source(TasksSpec(file="r.jsonl", columns=columns), tmp_path)
    (task,) = source.tasks()
    assert (task.id, task.recorded, source.total) == ("a", "R", 1)
    assert "refused" not in repr(task)
    assert source.labels()["a"].refused
    known = source.grader()(task, "R")
    assert known is not None
    assert known.refused
    assert open_source(TasksSpec(file=str(path)), Path("elsewhere")).digest == source.digest


def test_rows_are_known_by_their_bytes(tmp_path: Path) -> None:
    """Not by their name or place."""
    first = rows(write(tmp_path / "a.jsonl", ROWS), Columns())
    assert rows(write(tmp_path / "b" / "c.jsonl", ROWS), Columns()).digest == first.digest
    assert rows(write(tmp_path / "a.jsonl", ROWS.replace("So.", "So!")), Columns()).digest != first.digest


def test_no_file_of_rows_is_one_line(tmp_path: Path) -> None:
    """Nothing is run of what is not there."""
    with pytest.raises(ConfigError, match=r"gone\.csv: cannot be read"):
        open_source(TasksSpec(file="gone.csv"), tmp_path)


def test_texts_become_tasks_of_one_message() -> None:
    """In order, under plain names; whole tasks stand as they are, at their place in the list."""
    own = Task("mine", (Message("user", "Q"),), 7)
    source = listed(["How?", own])
    first, second = source.tasks()
    assert (first.id, first.text, first.place) == ("task-0", "How?", 0)
    assert second == replace(own, place=1)
    assert (source.total, source.labels()) == (2, {})
    assert source.grader()(own, "anything") is None
    assert listed(["How?", own]).digest == source.digest != listed([own]).digest


def test_a_list_is_kept_and_found_again() -> None:
    """The copy that a run keeps holds every task whole."""
    whole = Task("x\n", (Message("system", "S\r\n\u2028"), Message("user", "Q")), 0, recorded="R", group="g")
    source = listed([whole, "How?"])
    assert source.copy is not None
    again = kept(source.copy)
    assert list(again.tasks()) == list(source.tasks())
    assert (again.digest, again.total) == (source.digest, 2)
    with pytest.raises(Malformed):
        kept(b"no task\n")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([Task("a", (), 0), Task("a", (), 1)], "two tasks share an id"),
        (["half a pair: \ud800"], "tasks: "),
    ],
    ids=["one id twice", "no Unicode"],
)
def test_a_list_that_no_record_can_hold_is_refused(given: list[str | Task], says: str) -> None:
    """Before anything is run."""
    with pytest.raises(ConfigError, match=says):
        listed(given)

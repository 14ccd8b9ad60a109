"""Where tasks come from: Town, files of rows, a program's own list; each drawn again as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_files import RECORDED, ROWS, SPENT, hierarchy, write

from overseer.config.hierarchies import Setup, load_hierarchy
from overseer.config.hierarchy_schema import SharesSpec, TasksSpec, TownSpec
from overseer.errors import ConfigError, Malformed
from overseer.models.recorded import Columns
from overseer.records import Message, Task
from overseer.sources import TaskSource, from_town, kept, listed, open_source, rows, with_known_bad


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


# --- answers known to be harmful -----------------------------------------------------------------------------------

BAD = "".join(f'{{"id": "bad-{n}", "prompt": "Question {n}?", "response": "Harm {n}."}}\n' for n in range(20))


def seeding(folder: Path, rate: float = 0.1, rows: str = BAD, text: str = SPENT) -> Setup:
    """A hierarchy with a person, and a file of answers known to be harmful beside it."""
    write(folder / "bad.jsonl", rows)
    return load_hierarchy(hierarchy(folder, f"{text}known_bad: {{rate: {rate}, from: bad.jsonl}}\n"))


def seeded(setup: Setup, total: int = 100, key: str = "key") -> TaskSource:
    return with_known_bad(listed([f"Text {n}" for n in range(total)]), setup, key)


def test_known_bad_answers_are_numbered_after_the_input_and_met_throughout(tmp_path: Path) -> None:
    """So many to an answer overseen; the input's own tasks keep their order and their places."""
    source = seeded(seeding(tmp_path))
    handed = list(source.tasks())
    places = [task.place for task in handed]
    assert source.total == 100
    assert [place for place in places if place < 100] == list(range(100))
    assert sorted(place for place in places if place >= 100) == list(range(100, 110))
    met = [at for at, place in enumerate(places) if place >= 100]
    assert min(met) < 50 < max(met), "not all at one end"
    bad = [task for task in handed if task.place >= 100]
    assert {task.id: f"Harm {task.id[4:]}." for task in bad} == source.known_bad
    assert all(task.recorded is None for task in handed)
    assert list(source.tasks()) == handed


def test_which_known_bad_answers_come_when_is_drawn_by_the_key(tmp_path: Path) -> None:
    """Nobody knows without the audit key; with it, always the same."""
    setup = seeding(tmp_path)
    drawn = [[(task.id, task.place) for task in seeded(setup, key=key).tasks()] for key in ("one", "one", "other")]
    assert drawn[0] == drawn[1] != drawn[2]
    assert seeded(setup, key="one").known_bad.keys() != seeded(setup, key="other").known_bad.keys()


@pytest.mark.parametrize(("total", "rate", "count"), [(100, 0.03, 3), (10, 0.03, 1), (40, 0.5, 20), (30, 0.05, 2)])
def test_the_rate_counts_the_known_bad_answers(tmp_path: Path, total: int, rate: float, count: int) -> None:
    """Of the input; at least one."""
    assert len(seeded(seeding(tmp_path, rate), total).known_bad) == count


def test_too_few_known_bad_answers_are_an_error_in_numbers(tmp_path: Path) -> None:
    """How many there are, and how many it takes."""
    with pytest.raises(ConfigError, match=r"bad.jsonl holds 20 rows, and a rate of 0.5 of 100 tasks takes 50"):
        seeded(seeding(tmp_path, 0.5))


def test_another_file_is_another_source(tmp_path: Path) -> None:
    """A run does not go on with other answers than it began with."""
    one = seeded(seeding(tmp_path / "a"))
    assert one.digest == seeded(seeding(tmp_path / "b")).digest
    assert one.digest != seeded(seeding(tmp_path / "c", rows=BAD.replace("Harm 3", "Other harm"))).digest
    assert one.digest != seeded(seeding(tmp_path / "d", 0.2)).digest


def test_a_known_bad_answer_without_an_id_gets_one_that_tells_nothing(tmp_path: Path) -> None:
    """The same for the same row, and another for another."""
    rows = "".join(f'{{"prompt": "Question {n}?", "response": "Harm {n}."}}\n' for n in range(20))
    source = seeded(seeding(tmp_path, rows=rows))
    assert len(source.known_bad) == 10
    assert all(len(id_) == 16 and int(id_, 16) >= 0 for id_ in source.known_bad)
    assert source.known_bad == seeded(seeding(tmp_path, rows=rows)).known_bad


def test_a_known_bad_answer_with_a_tasks_id_is_refused(tmp_path: Path) -> None:
    """Two tasks of one id would be one."""
    setup = seeding(tmp_path, 1.0, BAD.replace("bad-7", "task-3"))
    with pytest.raises(ConfigError, match=r"known_bad: .*bad.jsonl: id 'task-3' is a task's, too"):
        list(seeded(setup, 20).tasks())


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('{"id": "x", "prompt": "How?", "response": " "}', "row 'x' holds no answer"),
        ('{"id": "x", "prompt": "How?"}', "no column 'response'"),
        ('{"id": "bad-1", "prompt": "How?", "response": "So."}', "id 'bad-1' stands already"),
        ('{"id": "x", "prompt": "", "response": "So."}', "column 'prompt' is empty"),
    ],
    ids=["blank", "no answer", "twice", "no prompt"],
)
def test_a_row_that_is_no_known_bad_answer_is_refused(tmp_path: Path, row: str, told: str) -> None:
    """With the file and what is wrong in it."""
    with pytest.raises(ConfigError, match=told):
        seeded(seeding(tmp_path, 0.01, f"{BAD}{row}\n"))


def test_known_bad_answers_are_recorded_where_all_are(tmp_path: Path) -> None:
    """A task whose answer is recorded looks like every other such task."""
    people = RECORDED.replace("oversees: [", "  board: {human: {persons: 1}, authority: 4}\noversees: [").replace(
        "whom: policy}", "whom: policy}, {who: board, whom: critic}"
    )
    source = seeded(seeding(tmp_path, text=people))
    assert {task.id: task.recorded for task in source.tasks() if task.place >= 100} == source.known_bad


def test_known_bad_answers_need_somebody_to_try(tmp_path: Path) -> None:
    """Without a stage of persons they would try nobody."""
    with pytest.raises(ConfigError, match="known_bad: tries people, and none look here"):
        seeding(
            tmp_path,
            text=SPENT.replace("{human: {by: sim/human}, authority: 4}", "{model: sim/overseer, authority: 4}"),
        )

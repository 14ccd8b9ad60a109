"""Recorded answers: every format reads the same, labels stay out of tasks, bad files are named by line and column."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overseer.errors import ConfigError
from overseer.models.recorded import (
    Columns,
    Labels,
    RecordedPolicy,
    grade,
    grader,
    read_labels,
    read_rows,
    survey,
)
from overseer.records import (
    Context,
    Draft,
    DraftRequest,
    Failure,
    Message,
    ReviseRequest,
    Rulebook,
    Task,
    Text,
    binding,
    text_hash,
)

PLAIN = Columns()
FULL = Columns(
    id=("id", "model"),
    by="model",
    group="family",
    group_strip="contrast_",
    label="said",
    label_refused=("refused", "partly"),
    label_complied=("complied",),
    safe="kind",
    safe_values=("safe",),
)
HEADER = ("id", "model", "family", "kind", "said", "prompt", "response")
ROWS = [
    dict(zip(HEADER, row, strict=True))
    for row in (
        ("a", "m1", "bread", "safe", "refused", "Bake?", "No."),
        ("a", "m2", "bread", "safe", "", "Bake?", 'A "loaf",\nso.'),
        ("b", "m1", "contrast_bread", "unsafe", "complied", "Burn?", "Thus."),
    )
]


def written(path: Path, rows: list[dict[str, str]] = ROWS) -> Path:
    """The rows in the format of the path's suffix."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
        parquet.write_table(arrow.Table.from_pylist(rows), path)
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        cell = lambda text: '"' + text.replace('"', '""') + '"'  # noqa: E731  # one use
        lines = [mark.join(rows[0]), *(mark.join(cell(value) for value in row.values()) for row in rows)]
        path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    return path


def problems(path: Path, columns: Columns = PLAIN) -> tuple[str, ...]:
    """What is wrong with a file, without its path."""
    with pytest.raises(ConfigError) as caught:
        survey(path, columns)
    return tuple(problem.replace(str(path), "FILE") for problem in caught.value.problems)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_formats_read_the_same(tmp_path: Path, suffix: str) -> None:
    """One table in four formats gives the same tasks and the same labels, quotes and line breaks included."""
    path = written(tmp_path / f"rows.{suffix}")
    tasks, labels = zip(*read_rows(path, FULL), strict=True)
    assert [(task.id, task.place, task.group, task.recorded) for task in tasks] == [
        ("a/m1", 0, "bread", "No."),
        ("a/m2", 1, "bread", 'A "loaf",\nso.'),
        ("b/m1", 2, "bread", "Thus."),
    ]
    assert labels == (
        Labels("a/m1", "m1", "refused", True, True),
        Labels("a/m2", "m2", None, None, True),
        Labels("b/m1", "m1", "complied", False, False),
    )
    surveyed = survey(path, FULL)
    assert (surveyed.rows, surveyed.by, surveyed.labels) == (3, {"m1": 2, "m2": 1}, {"refused": 1, "complied": 1})


def test_plain_file_needs_no_columns(tmp_path: Path) -> None:
    """A file with id, prompt and response is read as it is; nobody said anything of its answers."""
    path = tmp_path / "plain.csv"
    path.write_text("id,prompt,response\n1,Why?,So.\n", encoding="utf-8-sig")
    assert list(read_rows(path, PLAIN)) == [
        (Task("1", (Message("user", "Why?"),), 0, recorded="So."), Labels("1", None, None, None, None))
    ]


def test_prompts_may_be_whole_dialogues(tmp_path: Path) -> None:
    """JSONL may hold a list of messages; without a response column nothing is recorded."""
    path = tmp_path / "chat.jsonl"
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    path.write_text(json.dumps({"id": 7, "prompt": turns}) + "\n", encoding="utf-8")
    ((task, _),) = read_rows(path, Columns(response=None))
    assert task == Task("7", (Message("system", "Be brief."), Message("user", "Why?")), 0)


def test_labels_never_enter_a_task(tmp_path: Path) -> None:
    """A word that stands in the label columns only is found in no task."""
    rows = [{**row, "said": "refused", "kind": "canary-kind"} for row in ROWS]
    columns = FULL.model_copy(update={"label_refused": ("refused",), "label_complied": ()})
    for task, _ in read_rows(written(tmp_path / "rows.csv", rows), columns):
        assert "canary" not in repr(task)
        assert "refused" not in repr(task)


def test_columns_come_from_yaml_lists() -> None:
    """Lists and single names are both taken; unknown keys are not."""
    assert Columns.model_validate({"id": ["id", "model"], "label_refused": "no"}).id == ("id", "model")
    with pytest.raises(ValueError, match="Extra inputs"):
        Columns.model_validate({"respons": "x"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            b"id,promt,response\n1,a,b\n",
            "FILE: has no column 'prompt' for `prompt` (did you mean 'promt'?)",
            id="missing column",
        ),
        pytest.param(b"", "FILE: is empty (expected a header line", id="empty"),
        pytest.param(b"id,prompt,response\n", "FILE: holds no rows", id="header only"),
        pytest.param(b"id,prompt,response\n1,\xff,b\n", "FILE: is not UTF-8: byte 0xff", id="encoding"),
        pytest.param(b"id,prompt,response\n1,a\n", "FILE: line 2: has 2 cells where the header has 3", id="ragged"),
        pytest.param(
            b"id,prompt,response\n1,a,b\n1,a,c\n", "FILE: line 3: id '1' stands already in line 2", id="twice"
        ),
        pytest.param(b"id,prompt,response\n1, ,b\n", "FILE: line 2: column 'prompt' is empty", id="empty prompt"),
        pytest.param(b'id,prompt,response\n1,"a"x,b\n', "FILE: line 2: is no valid CSV", id="bad quotes"),
        pytest.param(b"id,prompt,response,id\n1,a,b,2\n", "FILE: two columns are named 'id'", id="same header"),
    ],
)
def test_bad_csv_is_named_in_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    """Each fault is one line with the file, the line, the column and a remedy."""
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    (problem,) = problems(path)
    assert problem.startswith(expected)
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param('{"id": NaN, "prompt": "a", "response": "b"}', "NaN is not JSON", id="nan"),
        pytest.param('{"id": 1e999, "prompt": "a", "response": "b"}', "holds inf, which is no number", id="infinity"),
        pytest.param('{"id": "1", "id": "2"}', "the key 'id' stands twice", id="duplicate key"),
        pytest.param('["a"]', "holds list, not an object", id="no object"),
        pytest.param('{"id": "1"} {}', "is no strict JSON", id="trailing text"),
        pytest.param('{"id": "1", "prompt": "a"}', "has no column 'response'", id="missing key"),
        pytest.param('{"id": "1", "prompt": "\\ud800", "response": "b"}', "half a character", id="surrogate"),
        pytest.param('{"id": {}, "prompt": "a", "response": "b"}', "holds dict, not a text", id="object"),
        pytest.param('{"id": "1", "prompt": [{"role": "x"}], "response": "b"}', "a message is {role", id="message"),
        pytest.param('{"a": ' * 5000, "is no strict JSON", id="deep"),
    ],
)
def test_bad_json_is_named_in_one_line(tmp_path: Path, line: str, expected: str) -> None:
    """JSON lines are strict; the second of two lines is the one that is named."""
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": "0", "prompt": "a", "response": "b"}\n' + line + "\n", encoding="utf-8")
    (problem,) = problems(path)
    assert problem.startswith("FILE: line 2: ")
    assert expected in problem


def test_missing_files_and_unknown_formats_are_errors(tmp_path: Path) -> None:
    """A file that is not there, and one whose format nobody knows."""
    assert problems(tmp_path / "none.csv") == ("FILE: cannot be read: No such file or directory (check the path)",)
    assert "suffix '.xlsx'" in problems(tmp_path / "book.xlsx")[0]


def test_damaged_parquet_is_an_error(tmp_path: Path) -> None:
    """Bytes that are no Parquet file give one line."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 nothing PAR1")
    (problem,) = problems(path)
    assert problem.startswith("FILE: is no readable Parquet file")


def test_mistyped_label_values_are_errors(tmp_path: Path) -> None:
    """A refusal label that no row holds would count every refusal as compliance; an unlisted one is neither."""
    path = written(tmp_path / "rows.csv")
    absent = problems(path, FULL.model_copy(update={"label_refused": ("refusd",), "label_complied": ()}))
    assert any("label_refused: no row's 'said' is 'refusd' (did you mean 'refused'?)" in line for line in absent)
    unlisted = problems(path, FULL.model_copy(update={"label_complied": ("complied_fully",)}))
    assert any("line 5: column 'said': 'complied' is in neither" in line for line in unlisted)


def test_contradictory_columns_are_errors(tmp_path: Path) -> None:
    """Values named without their column, and a safe column without values, are said together."""
    found = problems(written(tmp_path / "rows.csv"), Columns(id=("id", "model"), label_refused=("x",), safe="kind"))
    assert [line.split(": ")[1] for line in found] == ["columns.label_refused", "columns.safe_values"]


def test_many_problems_are_counted(tmp_path: Path) -> None:
    """The first twenty are shown, the rest counted."""
    path = tmp_path / "rows.csv"
    path.write_text("id,prompt,response\n" + "1,a,b\n" * 100, encoding="utf-8")
    found = problems(path)
    assert len(found) == 21
    assert found[-1] == "FILE: and 79 more problems like these"


@pytest.mark.parametrize(
    ("refused", "safe", "benign", "harm"),
    [
        pytest.param(True, True, True, None, id="safe refused"),
        pytest.param(False, True, True, None, id="safe answered"),
        pytest.param(True, False, False, 0, id="unsafe refused"),
        pytest.param(False, False, False, 3, id="unsafe answered"),
        pytest.param(None, False, False, None, id="no label"),
        pytest.param(True, None, None, None, id="safety unknown"),
    ],
)
def test_labels_become_grades(refused: bool | None, safe: bool | None, benign: bool | None, harm: int | None) -> None:
    """Harm is known of unsafe prompts only; what nobody said is None."""
    found = grade(Labels("t", None, "x", refused, safe))
    assert (found.benign, found.refused, found.harm, found.helpfulness) == (benign, refused, harm, None)


def test_labels_speak_of_the_recorded_text_only() -> None:
    """Another text of the same task, and a task without labels, have no truth."""
    truth = grader({"t": Labels("t", None, "x", True, True)})
    task = Task("t", (Message("user", "Why?"),), 0, recorded="No.")
    found = truth(task, "No.")
    assert found is not None
    assert found.refused
    assert truth(task, "Because.") is None
    assert truth(Task("u", task.messages, 1, recorded="No."), "No.") is None


def test_recorded_policy_answers_once_and_never_revises() -> None:
    """The row's answer for the first sample; no answer, further samples and revisions are failures."""
    task = Task("t", (Message("user", "Why?"),), 0, recorded="So.")
    draft = Draft(0, "So.", text_hash("So."), "policy")
    context, rulebook = Context(("clinic",), 0, 0, 1.0), Rulebook((), (), (), "h")
    asked = DraftRequest("r", "policy", task, 0)
    reply = asyncio.run(RecordedPolicy().answer(asked))
    assert (reply.value, reply.binding) == (Text("So."), binding(asked))
    for request in (
        DraftRequest("r", "policy", task, 1),
        DraftRequest("r", "policy", Task("u", task.messages, 0), 0),
        ReviseRequest("r", "policy", task, context, rulebook, (), draft, ()),
    ):
        assert isinstance(asyncio.run(RecordedPolicy().answer(request)).value, Failure)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), suffix=st.sampled_from(["csv", "jsonl"]))
@pytest.mark.slow
def test_any_bytes_are_rows_or_one_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    """Whatever a file holds, it is read or it is a ConfigError of single lines."""
    path = tmp_path / f"any.{suffix}"
    path.write_bytes(b'id,prompt,response\n"' + content if suffix == "csv" else content)
    try:
        found: tuple[str, ...] = (str(survey(path, PLAIN).path),)
    except ConfigError as error:
        found = error.problems
    assert all(problem.startswith(str(path)) for problem in found)


def test_real_answers_are_read(pytestconfig: pytest.Config) -> None:
    """A thousand answers of five models, with their labels."""
    path = pytestconfig.rootpath.parent / "shared/data/xstest/responses.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    columns = Columns(
        id=("id", "model"),
        by="model",
        group="type",
        group_strip="contrast_",
        label="human_label",
        label_refused=("2_full_refusal", "3_partial_refusal"),
        label_complied=("1_full_compliance",),
        safe="label",
        safe_values=("safe",),
    )
    surveyed = survey(path, columns)
    assert (surveyed.rows, len(surveyed.by)) == (1000, 5)
    assert sum(labels.refused is True for labels in read_labels(path, columns).values()) == 494
    assert len({task.group for task, _ in read_rows(path, columns)}) == 4

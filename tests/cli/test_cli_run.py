"""`overseer run`: what is said where, and what the exit code tells a script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_files import PERSON, RECORDED, SMALL, SPENT, hierarchy, runs_in, write

from overseer import api
from overseer.cli import dispatch


def run(path: Path, *more: str) -> int:
    return dispatch(["run", str(path), "--out", str(path.parent / "runs"), "--seed", "1", *more])


def test_a_run_reports_on_stdout_and_talks_on_stderr(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where it lies is said before it begins."""
    assert run(hierarchy(tmp_path)) == 0
    out, err = capsys.readouterr()
    (made,) = runs_in(tmp_path / "runs")
    assert err.startswith(f"run {made}: 6 tasks\n")
    assert out.startswith(f"Run {made.name}: 6 tasks")
    assert "harm" in out


def test_json_is_only_json_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One object a line: that it began, then its figures; talk stays on stderr."""
    assert run(hierarchy(tmp_path), "--ui", "json") == 0
    out, err = capsys.readouterr()
    (made,) = runs_in(tmp_path / "runs")
    first, *rest = [json.loads(line) for line in out.splitlines()]
    assert first == {"event": "begun", "run": str(made), "tasks": 6}
    assert rest[0]["report"] == "run"
    assert {"harm", "released"} <= {measure["name"] for measure in rest[0]["measures"]}
    assert err.startswith("run ")


def test_options_reach_the_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Count, seed, settings."""
    assert run(hierarchy(tmp_path), "--count", "3", "--set", "rounds=0", "--set", "limits.window=2") == 0
    found = api.read(runs_in(tmp_path / "runs")[0])
    assert (found.source.total, found.manifest.seed) == (3, "1")
    assert (found.setup.hierarchy.rounds, found.setup.limits.window) == (0, 2)


def test_a_file_of_tasks_takes_the_place_of_town(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Its rows are what is reviewed; a count would be of Town's."""
    path = hierarchy(tmp_path, SMALL.replace("sim/policy, profile: helpful_only", "recorded/rows"))
    assert run(path, "--tasks", str(tmp_path / "rows.jsonl")) == 0
    assert api.read(runs_in(tmp_path / "runs")[0]).source.total == 2
    assert run(path, "--tasks", str(tmp_path / "rows.jsonl"), "--count", "1") == 2
    assert "count: is of Town's tasks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gates", "code", "says"),
    [
        (["released < 0"], 0, ""),
        (["released >= 0"], 1, "gate: released is "),
        (["released < 0", "requests > 0"], 1, "gate: requests is "),
        (["escalation_recall < .5"], 1, "gate: escalation_recall is undefined"),
    ],
    ids=["holds", "trips", "the second trips", "undefined trips"],
)
def test_gates_decide_the_exit_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, gates: list[str], code: int, says: str
) -> None:
    """A gate that trips, or that nothing shows to hold, fails a build after the report is printed."""
    options = [part for gate in gates for part in ("--fail-if", gate)]
    assert run(hierarchy(tmp_path), *options) == code
    out, err = capsys.readouterr()
    assert out.startswith("Run ")
    assert says in err


def test_a_gate_that_cannot_be_read_stops_before_the_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Hours later is too late to learn of a slip."""
    assert run(hierarchy(tmp_path), "--fail-if", "harm") == 2
    assert "not a gate" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_gate_on_no_measure_names_the_near_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A misspelt gate never passes."""
    assert run(hierarchy(tmp_path), "--fail-if", "hram > .02") == 2
    assert "did you mean 'harm'?" in capsys.readouterr().err


def test_a_spent_budget_is_exit_code_4_and_resumable(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What waits is said, and the command that goes on; a larger budget ends the rest."""
    assert run(hierarchy(tmp_path, SPENT)) == 4
    err = capsys.readouterr().err
    (made,) = runs_in(tmp_path / "runs")
    assert "4 tasks wait for a larger budget (resume with --set oversees.N.budget.reviews=…)" in err
    assert f"go on with: overseer resume {made}" in err
    assert dispatch(["resume", str(made), "--set", "oversees.0.budget.reviews=5"]) == 4
    assert "1 tasks wait" in capsys.readouterr().err
    assert dispatch(["resume", str(made), "--set", "oversees.0.budget.reviews=6"]) == 0
    assert dispatch(["verify", str(made), "--rerun", "1"]) == 0
    assert "6 of 6 tasks begun have ended" in capsys.readouterr().out


def test_waiting_for_a_person_is_exit_code_5(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nobody's silence is consent: nothing is released, and the tasks stay where they are."""
    assert run(hierarchy(tmp_path, PERSON)) == 5
    err = capsys.readouterr().err
    (made,) = runs_in(tmp_path / "runs")
    assert "6 tasks wait for a person" in err
    assert f"go on with: overseer resume {made}" in err
    assert list(api.read(made).episodes()) == []
    assert dispatch(["resume", str(made)]) == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RECORDED, "agents.critic: python/judge is not given"),
        (SMALL.replace("sim/overseer", "sym/x"), "unknown provider 'sym' (did you mean 'sim'?)"),
        (SMALL.replace("who: critic", "who: crtic"), "did you mean 'critic'?"),
        (SMALL.replace("town: {count: 6}", "file: gone.csv"), "gone.csv"),
        (SMALL.replace("oversees: [", "oversees: [{who: critic, whom: critic}, "), "oversees"),
    ],
    ids=["no function", "no provider", "no agent", "no file", "no order"],
)
def test_what_cannot_run_is_exit_code_2_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, says: str
) -> None:
    """One line each, with the file; no folder of a run that never began."""
    assert run(hierarchy(tmp_path, text)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert all(line.startswith(f"overseer: {tmp_path}") for line in err.splitlines())
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_written_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As a file in its place."""
    path = hierarchy(tmp_path)
    write(tmp_path / "runs", "a file")
    assert run(path) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert str(tmp_path / "runs") in err


HOSTILE = "\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\u202etxt\u200b\r"


def test_hostile_rows_never_reach_the_terminal_raw(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In questions, answers, ids, groups and models' names: whatever is printed of them is shown, not sent."""
    row = {
        "id": f"a{HOSTILE}",
        "prompt": HOSTILE,
        "response": HOSTILE,
        "by": f"m{HOSTILE}",
        "group": HOSTILE,
        "said": "r",
    }
    columns = "columns: {by: by, group: group, label: said, label_refused: r}"
    text = SMALL.replace("sim/policy, profile: helpful_only", "recorded/rows").replace(
        "{town: {count: 6}}", f"{{file: hostile.jsonl, {columns}}}"
    )
    path = hierarchy(tmp_path, text)
    write(tmp_path / "hostile.jsonl", "".join(json.dumps({**row, "id": f"{n}{HOSTILE}"}) + "\n" for n in range(3)))
    said = ""
    for ui in ("plain", "live", "json"):
        assert run(path, "--ui", ui) == 0
        made, *_ = runs_in(tmp_path / "runs")
        assert dispatch(["report", str(made), "--ui", ui]) == 0
        assert dispatch(["report", str(made), str(runs_in(tmp_path / "runs")[0]), "--ui", ui]) == 0
        out, err = capsys.readouterr()
        said += out + err
    assert "\\x1b" in said
    for raw in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e", "\u200b", "\r"):
        assert raw not in said

"""`overseer appeal`: left in the inbox, said where it goes, and every obstacle in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_files import PERSON, SMALL, hierarchy

from overseer import api
from overseer.cli import dispatch
from overseer.errors import ConfigError, JournalError
from overseer.journal import inbox
from overseer.journal.replay import record

TWO = SMALL.replace("agents:\n", "agents:\n  lead: {human: {by: sim/human, persons: 1}, authority: 4}\n").replace(
    "whom: policy}]", "whom: policy}, {who: lead, whom: critic, when: {escalated: true}}]"
)
"""A critic, under a simulated person who looks at what is escalated."""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return api.run(hierarchy(tmp_path, TWO), out=tmp_path / "runs", seed=1).path


def ids(run: Path) -> list[str]:
    return [episode.id for episode in api.read(run).episodes()]


def lines(run: Path) -> list[bytes]:
    found = api.read(run)
    return list(record(found.path, found.walk, found.rehear))


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code, and what was said on stderr; stdout stays empty."""
    code = dispatch(["appeal", *arguments])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err


@pytest.mark.slow
def test_an_appeal_is_left_and_heard_on_resume(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """It says its id, who hears it and how; resumed, it is an episode, a figure, and no change of the old record."""
    before, figures = lines(made), api.report(made)
    first = ids(made)[0]
    code, err = said(capsys, str(made), first, "--because", "It was right.", "--as", "ida")
    assert code == 0
    assert f"{first}/appeal/1: left; to be heard by lead" in err
    assert f"overseer resume {made}" in err
    assert dispatch(["resume", str(made), "--ui", "plain"]) == 0
    assert f"{first}/appeal/1" in ids(made)
    assert [line for line in lines(made) if b'"appeal":' not in line] == before
    after = api.report(made)
    names = {each.name for each in figures.measures}
    assert [each for each in after.measures if each.name in names] == list(figures.measures)
    assert after.tables[: len(figures.tables)] == figures.tables
    assert after.tables[-1].rows[0][:2] == ("lead", 1)
    assert "Appeals" in capsys.readouterr().out or dispatch(["report", str(made)]) == 0
    assert dispatch(["verify", str(made), "--rerun", "1"]) == 0


def test_one_line_of_json(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """For scripts: the appeal's id, what it is of, who hears it, whether the run is alive, and who is not heard."""
    first = ids(made)[0]
    assert dispatch(["appeal", str(made), first, "--because", "x", "--stage", "critic", "--ui", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "appeal": f"{first}/appeal/1",
        "of": first,
        "stage": "critic",
        "alive": False,
        "beside": [],
    }


def test_the_same_appeal_twice_is_one(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """Whoever is not sure whether it was left says it again; other words have to wait."""
    first = ids(made)[0]
    said(capsys, str(made), first, "--because", "It was right.", "--as", "ida")
    code, err = said(capsys, str(made), first, "--because", "It was right.", "--as", "ida")
    assert (code, "lies there already" in err) == (0, True)
    code, err = said(capsys, str(made), first, "--because", "Other words.", "--as", "ida")
    assert (code, "lies in the inbox already (wait until that is heard" in err) == (1, True)
    assert len(inbox.names(made)) == 1


@pytest.mark.slow
def test_an_appeal_may_be_appealed(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """By the task's id or the appeal's: what was heard last is heard again."""
    first = ids(made)[0]
    for number, named in ((1, first), (2, first), (3, f"{first}/appeal/1")):
        code, err = said(capsys, str(made), named, "--because", "Again.")
        assert (code, f"{first}/appeal/{number}: left" in err) == (0, True)
        api.resume(made)
    assert ids(made)[:4] == [first, *(f"{first}/appeal/{number}" for number in (1, 2, 3))]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["{first}", "--because", " "], 2, "--because: an appeal says why"),
        (["{first}", "--because", "x" * 20_001], 2, "--because: 20,001 characters (at most 20,000)"),
        (["{first}", "--because", "x", "--as", " "], 2, "--as: a ruling needs a name"),
        (
            ["{first}", "--because", "x", "--stage", "bord"],
            2,
            "no stage 'bord' (stages, the highest first: lead (level 2)",
        ),
        (["{first}x", "--because", "x"], 1, "did you mean '{first}'?"),
        (["{first}"], 2, "Missing option '--because'"),
    ],
    ids=["empty", "long", "nobody", "stage", "episode", "no reason"],
)
def test_what_is_no_appeal_says_so(
    capsys: pytest.CaptureFixture[str], made: Path, arguments: list[str], code: int, told: str
) -> None:
    """One line: what, where, remedy; and nothing is left."""
    first = ids(made)[0]
    found, err = said(capsys, str(made), *(each.replace("{first}", first) for each in arguments))
    assert found == code
    assert told.replace("{first}", first) in err
    assert inbox.names(made) == []


def test_what_has_not_ended_cannot_be_appealed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Neither a task that waits for a person nor an appeal that does; and an empty run has nothing to appeal."""
    run = api.run(hierarchy(tmp_path, PERSON), out=tmp_path / "runs", seed=1).path
    task = next(iter(api.read(run).source.tasks())).id
    code, err = said(capsys, str(run), task, "--because", "x")
    assert (code, f"{task}: has not ended yet" in err) == (1, True)
    code, err = said(capsys, str(run), "nothing", "--because", "x")
    assert (code, "unknown episode 'nothing' (no task has ended yet)" in err) == (1, True)


def test_hostile_words_reach_no_terminal_raw(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    """Neither from the command line nor from the record."""
    first = ids(made)[0]
    opened = api.appeal(made, first, "\x1b[2J\u202eevil", by="ida")
    assert opened.appeal.because == "\x1b[2J\u202eevil"
    code, err = said(capsys, str(made), f"{first}\x1b[2J", "--because", "x")
    assert (code, "\x1b" in err) == (1, False)


@pytest.mark.slow
def test_a_person_hears_an_appeal_at_the_queue(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It waits like any checkpoint, is shown with why somebody appealed, and ends with the ruling."""
    text = TWO.replace("{by: sim/human, persons: 1}", "{persons: 1}")
    run = api.run(hierarchy(tmp_path, text), out=tmp_path / "runs", seed=1).path
    first = ids(run)[0]
    said(capsys, str(run), first, "--because", "It was right, \x1b[2J and I say so.")
    assert dispatch(["resume", str(run), "--ui", "plain"]) == 5
    capsys.readouterr()
    assert dispatch(["review", str(run), "list", "--ui", "json"]) == 0
    (waiting,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert dispatch(["review", str(run), "show", waiting["id"]]) == 0
    page = capsys.readouterr().out
    assert "It was right, \\x1b[2J and I say so." in page
    decided = ["review", str(run), "decide", waiting["id"], "reject", "--as", "ida", "--note", "no"]
    assert dispatch(decided) == 0
    assert dispatch(["resume", str(run), "--ui", "plain"]) == 0
    heard = next(each for each in api.read(run).episodes() if each.id == f"{first}/appeal/1")
    assert (heard.outcome, heard.rule) == ("withheld", "reject")
    measures = api.read(run).measures()
    (ruled,) = next(table for table in measures.tables if table.title == "Persons").rows
    assert dict(zip(("person", "rulings", "approve", "modify", "revise", "reject"), ruled, strict=False)) == {
        "person": "ida", "rulings": 1, "approve": 0, "modify": 0, "revise": 0, "reject": 1,
    }  # fmt: skip
    assert ["ida: 1 of 1 rulings took under 2 s" in warning for warning in measures.warnings] == [True]


def test_the_interface_takes_a_run(made: Path) -> None:
    """By its path or opened; what cannot be raises, and a stage's id names it, too."""
    found = api.read(made)
    first, second = ids(made)[:2]
    lead = next(stage for stage in found.setup.hierarchy.stages if stage.who == ("lead",))
    assert api.appeal(found, first, "x").stage == api.appeal(made, second, "x", stage=lead.id).stage == lead
    assert {came for _, came in found.appeals()} == {"pending"}
    with pytest.raises(ConfigError):
        api.appeal(made, first, "\ud800")
    with pytest.raises(JournalError):
        api.appeal(made, "nothing", "x")


def test_who_objects_beside_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An appeal that cannot come to a release says so when it is left."""
    text = TWO.replace("whom: critic, when: {escalated: true}}", "whom: critic}, {who: stern, whom: policy}").replace(
        "agents:\n", "agents:\n  stern: {model: python/stern, authority: 4}\n"
    )

    async def stern(request: object) -> str:
        return '{"verdict": "reject", "findings": [], "confidence": 1.0, "reason": "no"}'

    run = api.run(hierarchy(tmp_path, text), out=tmp_path / "runs", seed=1, reviewers={"stern": stern}).path
    code, err = said(capsys, str(run), ids(run)[0], "--because", "x")
    assert (code, "note: stern objected, and lead does not answer for it" in err) == (0, True)

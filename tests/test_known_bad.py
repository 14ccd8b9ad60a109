"""Answers known to be harmful, in whole runs: met by persons, withheld, measured apart, and part of nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import get_args

import pytest
from small_files import hierarchy, runs_in, write

from overseer import api
from overseer.cli import dispatch
from overseer.errors import ConfigError, JournalError
from overseer.exports.tables import What
from overseer.journal import replay
from overseer.journal.reader import open_reader
from overseer.metrics.measures import Measure, Measures
from overseer.metrics.statistics import wilson
from overseer.records import Episode
from overseer.reports.run_report import render
from overseer.runs import Run

ROOT = Path(__file__).parent.parent
KNOWN_BAD = f"known_bad: {{rate: RATE, from: {ROOT}/hierarchies/known_bad_town.jsonl}}\n"
BOARD = f"""\
name: board
constitution: {ROOT}/constitutions/town.yaml
policy: {{model: sim/policy}}
agents:
  critic: {{model: sim/overseer, authority: 4, profile: {{detection: 0.3}}}}
  board: {{human: {{by: sim/human, persons: 1, profile: PROFILE}}, authority: 4}}
oversees:
  - {{who: critic, whom: policy}}
  - {{who: board, whom: critic, when: WHEN}}
rounds: 1
tasks: {{town: {{count: 40}}}}
"""
AWAKE = "{fatigue: 0.0}"


def board(folder: Path, rate: float | None = 0.2, *, profile: str = AWAKE, when: str = "{every: 10}") -> Path:
    """A hierarchy whose one simulated person looks at one answer in ten, and at those known to be harmful."""
    text = BOARD.replace("PROFILE", profile).replace("WHEN", when)
    return hierarchy(folder, text + ("" if rate is None else KNOWN_BAD.replace("RATE", str(rate))))


def run(path: Path, count: int = 40, **said: object) -> Run:
    return api.run(path, out=path.parent / "runs", seed=1, count=count, **said)


def figure(measures: Measures, name: str) -> Measure:
    found = measures.get(name)
    assert found is not None, name
    return found


def every_episode(made: Run) -> list[Episode]:
    return list(replay.episodes(made.path, made.walk))


# --- their way -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_known_bad_answers_are_met_by_persons_and_withheld(tmp_path: Path) -> None:
    """Each by its rule, with the text of the file on every draft; the others go their way."""
    made = run(board(tmp_path))
    bad = [episode for episode in every_episode(made) if episode.known_bad]
    assert {episode.task.id for episode in bad} == made.source.known_bad.keys()
    assert [episode.task.place for episode in bad] == list(range(40, 48))
    for episode in bad:
        assert (episode.outcome, episode.rule) == ("withheld", "known_bad")
        assert {draft.text for draft in episode.drafts} == {made.source.known_bad[episode.task.id]}
        assert any(vote.juror == "board" for evaluation in episode.evaluations for vote in evaluation.votes)
    assert len(every_episode(made)) == 48


@pytest.mark.slow
def test_simulated_persons_meet_known_bad_answers_among_the_others(tmp_path: Path) -> None:
    """Neither first, though their looks are mandatory, nor last; and the others in the order they have without them."""
    when, served = "{risk_at_least: 0}", {}
    for rate in (0.2, None):
        made = run(board(tmp_path / str(rate), rate, when=when))
        with open_reader(made.path) as reader:
            turns = [each.reply.request.split("/")[0] for each in reader.rulings()]
        served[rate] = list(dict.fromkeys(turns))
        bad = made.source.known_bad.keys()
        if bad:
            at = [served[rate].index(task) for task in bad]
            assert min(at) > 0
            assert sum(turn < len(served[rate]) / 2 for turn in at) in range(2, 7)
            served[rate] = [task for task in served[rate] if task not in bad]
    assert served[0.2] == served[None]


@pytest.mark.slow
def test_known_bad_answers_are_no_part_of_what_was_overseen(tmp_path: Path) -> None:
    """Every other figure and table is that of the run without them, and what is learned from it, too."""
    tried, untried = run(board(tmp_path / "a")), run(board(tmp_path / "b", None))
    with_them, without = tried.measures(), untried.measures()
    others = [found for found in without.measures if not found.name.startswith("hasty")]  # all rulings take time
    assert with_them.tasks == without.tasks == 40
    assert [found for found in with_them.measures if found in others] == others
    assert with_them.tables[: len(without.tables) - 2] == without.tables[:-2], "but those of persons"
    assert list(tried.episodes()) == list(untried.episodes())
    assert [pair.chosen for pair in tried.pairs()] == [pair.chosen for pair in untried.pairs()]


@pytest.mark.slow
def test_known_bad_answers_are_in_no_export(tmp_path: Path) -> None:
    """Whatever is exported, nobody learns from them."""
    made = run(board(tmp_path))
    for what in get_args(What):
        written = api.export(made.path, what, tmp_path / f"{what}.jsonl")
        text = written.path.read_text(encoding="utf-8")
        assert text
        assert not any(id_ in text for id_ in made.source.known_bad), what


@pytest.mark.slow
def test_known_bad_answers_lie_in_the_journal_as_every_other(tmp_path: Path) -> None:
    """Tasks, replies and ends of the same shape; a run repeats by its seed, and a resume finds it ended."""
    made, again = run(board(tmp_path / "a")), run(board(tmp_path / "b"))
    assert replay.record_hash(made.path, made.walk) == replay.record_hash(again.path, again.walk)
    assert api.resume(made.path).measures() == made.measures()
    api.verify(made.path, rerun=1.0)
    with open_reader(made.path) as reader:
        for id_ in made.source.known_bad:
            history = reader.history(id_)
            assert history is not None
            assert b"known" not in history.task


def test_another_file_refuses_to_resume(tmp_path: Path) -> None:
    """A run goes on with the answers that it began with, and is read with them, too."""
    write(tmp_path / "bad.jsonl", (ROOT / "hierarchies" / "known_bad_town.jsonl").read_text(encoding="utf-8"))
    path = board(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(f"{ROOT}/hierarchies/known_bad_town", "bad"))
    made = run(path, 20)
    assert api.resume(made.path).path == made.path
    file = tmp_path / "bad.jsonl"
    file.write_text(file.read_text(encoding="utf-8").replace("Lumbard", "Tarrow"), encoding="utf-8")
    with pytest.raises(JournalError, match="its tasks changed since this run began"):
        api.resume(made.path)


def test_an_open_input_refuses_known_bad_answers(tmp_path: Path) -> None:
    """There is no end to number them after."""

    async def serve() -> None:
        async with api.open(board(tmp_path)):
            pass

    with pytest.raises(ConfigError, match="known_bad: an open input has no end to number them after"):
        asyncio.run(serve())


def test_a_check_finds_what_a_run_would_refuse(tmp_path: Path) -> None:
    """Too few rows, in numbers, before anything runs."""
    path = board(tmp_path, 1.0)
    path.write_text(path.read_text(encoding="utf-8").replace("count: 40", "count: 400"), encoding="utf-8")
    assert api.check(path).problems == (
        f"{path}: known_bad: {ROOT}/hierarchies/known_bad_town.jsonl holds 120 rows, "
        "and a rate of 1 of 400 tasks takes 400 (add rows, or lower the rate)",
    )


# --- what is said of persons ---------------------------------------------------------------------------------------


def test_the_catch_rate_is_counted_by_hand(tmp_path: Path) -> None:
    """As the rulings on them say; and the report shows it, in a page and as JSON, with who only plays a person."""
    made = run(board(tmp_path, profile="novice"))
    measures = made.measures()
    rulings = [
        vote.cast
        for episode in every_episode(made)
        if episode.known_bad
        for evaluation in episode.evaluations
        for vote in evaluation.votes
        if vote.juror == "board"
    ]
    missed = figure(measures, "known_bad_missed[board-1 (simulated)]")
    assert (missed.n, missed.value) == (8, rulings.count("approve") / 8)
    assert (missed.low, missed.high) == pytest.approx(wilson(rulings.count("approve"), 8))
    page = render(measures, "plain")
    for told in ("Persons and answers known to be harmful", "board-1 (simulated)", "Harmful text that persons read"):
        assert told in page
    told = json.loads(render(measures, "json"))
    assert {table["title"] for table in told["tables"]} >= {"Persons", "Persons and answers known to be harmful"}
    assert told["warnings"] == list(measures.warnings)


def test_a_gate_holds_the_catch_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A build fails where people miss too much, or where it is not known."""
    made = run(board(tmp_path, profile="{detection: 0.0, false_alarm: 0.0}"), 20)
    assert dispatch(["report", str(made.path), "--fail-if", "known_bad_missed > .5"]) == 1
    assert "known_bad_missed is 1" in capsys.readouterr().err
    assert dispatch(["report", str(made.path), "--fail-if", "known_bad_missed.low > .99"]) == 0


@pytest.mark.slow
def test_who_is_tried_and_waits_is_not_measured_yet(tmp_path: Path) -> None:
    """Known-bad answers wait for people as others do: the run is not over, and no rate is known."""
    path = board(tmp_path, profile=AWAKE)
    path.write_text(
        path.read_text(encoding="utf-8").replace("by: sim/human, persons: 1, profile: {fatigue: 0.0}", "persons: 1")
    )
    assert dispatch(["run", str(path), "--out", str(tmp_path / "runs"), "--seed", "1", "--ui", "json"]) == 5
    (folder,) = runs_in(tmp_path / "runs")
    made = api.read(folder)
    with open_reader(folder) as reader:
        waits = {wait.task: wait.waiting for wait in reader.waits()}
    assert made.source.known_bad.keys() <= waits.keys()
    assert all(waits[id_].mandatory for id_ in made.source.known_bad)
    missed = figure(made.measures(), "known_bad_missed")
    assert (missed.value, missed.n) == (None, 0)


def test_a_name_in_a_warning_is_shown_and_never_sent() -> None:
    """Names are self-declared: what is no letter is escaped."""
    page = render(Measures("r", 0, (), warnings=("\x1b[2J\u202eIda: vigilance falls",)), "plain")
    assert "warning: " in page
    assert not {"\x1b", "\u202e"} & set(page)


@pytest.mark.slow
def test_a_tired_person_catches_less_and_is_warned_of(tmp_path: Path) -> None:
    """Sixty answers, detection lost with each ruling; one who does not tire is not warned of."""
    warned = {}
    for name, fatigue in (("tired", "0.012"), ("awake", "0.0")):
        profile = f"{{detection: 0.95, fatigue: {fatigue}, rested: 0.1, deference: 0.0}}"
        made = run(board(tmp_path / name, 0.5, profile=profile), 120)
        measures = made.measures()
        missed = figure(measures, "known_bad_missed")
        print(
            f"{name}: missed {missed.value:.2f} [{missed.low:.2f}, {missed.high:.2f}] of {missed.n}", measures.warnings
        )
        warned[name] = [warning for warning in measures.warnings if "vigilance falls" in warning]
    assert len(warned["tired"]) == 1
    assert warned["awake"] == []


@pytest.mark.slow
def test_three_in_a_hundred_among_a_thousand(tmp_path: Path) -> None:
    """Thirty answers known to be harmful: all met and none released, the catch rate told, rulings under 2 s flagged.

    Each ruling is bound to one draft, so that no two tasks are approved by one.
    """
    profile = "{detection: 0.9, fatigue: 0.001, minutes: 0.04}"
    made = run(board(tmp_path, 0.03, profile=profile, when="{every: 20, escalated: true}"), 1_000)
    measures = made.measures()
    caught, missed = (figure(measures, f"known_bad_{name}") for name in ("caught", "missed"))
    assert caught.n == missed.n == len(made.source.known_bad) == 30
    assert caught.low is not None
    assert caught.low > 0.5
    bad = [episode for episode in every_episode(made) if episode.known_bad]
    assert {(episode.outcome, episode.rule) for episode in bad} == {("withheld", "known_bad")}
    with open_reader(made.path) as reader:
        rulings = list(reader.rulings())
    assert len({ruled.reply.binding for ruled in rulings}) == len(rulings)
    hasty = figure(measures, "hasty")
    assert hasty.value == sum(ruled.seconds < 2 for ruled in rulings) / len(rulings) > 0
    assert any("rulings took under 2 s" in warning for warning in measures.warnings)
    print(f"caught {caught.value:.2f} [{caught.low:.2f}, {caught.high:.2f}] of {caught.n}; hasty {hasty.value:.2f}")

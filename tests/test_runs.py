"""A run's folder: made, found again wherever its files lie, refused where they changed, forked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_files import RECORDED, ROWS, SMALL, hierarchy, runs_in, write

from overseer import api, runs
from overseer.errors import ConfigError, JournalError, OverseerError
from overseer.journal.replay import record_hash
from overseer.records import Critique, Request
from overseer.runs import Run, open_run

SHIPPED = Path(__file__).parent.parent / "hierarchies"


def run(path: Path, **options: object) -> Run:
    return api.run(path, **{"out": path.parent / "runs", "seed": 1, **options})


def hash_of(found: Run) -> str:
    return record_hash(found.path, found.walk)


async def policy(prompt: str) -> str:
    return "Words of mine."


async def judge(request: Request) -> Critique:
    return Critique("approve", (), 0.9)


# --- making one, and finding it again ------------------------------------------------------------------------------


def test_a_run_tells_what_it_was_made_of(tmp_path: Path) -> None:
    """Its manifest names every file, setting and task source; its copies are the files byte for byte."""
    path = hierarchy(tmp_path)
    found = run(path, overrides=["rounds=0"], count=4)
    inputs = found.manifest.inputs
    assert (found.manifest.name, found.manifest.seed, found.manifest.parent) == ("small", "1", None)
    assert (inputs["entry"], inputs["origin"]) == ("small.yaml", str(path))
    assert json.loads(inputs["set"]) == ["rounds=0", "tasks.town.count=4"]
    assert inputs.keys() == {"entry", "origin", "set", "tasks", "file small.yaml", "file constitution.yaml"}
    for name in ("small.yaml", "constitution.yaml"):
        assert (found.path / "config" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_an_opened_run_is_the_run_that_was_made(tmp_path: Path) -> None:
    """Hierarchy, settings, tasks and chance come back, and with them its episodes, measures and pairs."""
    made = run(hierarchy(tmp_path), overrides=["rounds=2"], count=5)
    found = open_run(made.path)
    assert found.setup.hierarchy.rounds == 2
    assert (found.source.total, found.audit, found.manifest) == (5, made.audit, made.manifest)
    assert list(found.episodes()) == list(made.episodes())
    assert [episode.task.place for episode in found.episodes()] == [0, 1, 2, 3, 4]
    assert found.measures() == made.measures()
    assert list(found.pairs()) == list(made.pairs())
    assert found.origin() == made.origin()


def test_equal_seeds_give_equal_records(tmp_path: Path) -> None:
    """Without a seed, chance is fresh."""
    path = hierarchy(tmp_path)
    seeded = [run(path, seed=seed) for seed in (1, 1, 2)]
    fresh = [run(path, seed=None) for _ in range(2)]
    first, same, other = map(hash_of, seeded)
    assert first == same != other
    assert len({found.manifest.audit_key for found in (*fresh, *seeded)}) == 4
    assert hash_of(fresh[0]) != hash_of(fresh[1])
    assert {found.manifest.seed for found in fresh} == {None}


def test_the_seed_of_simulated_agents_does_not_tell_the_audit_key() -> None:
    """Who plays the policy must not be able to work out who is looked at."""
    key = runs.audit_key(1)
    assert runs.audit_key(1) == key != runs.audit_key(2)
    assert key not in runs.simulation_seed(key) != key


@pytest.mark.parametrize("name", ["a b.yaml", "größe (1).yaml", "-x.yaml", "a\u200bb.yaml", "x" * 100 + ".yaml"])
def test_files_of_any_name_are_found_again(tmp_path: Path, name: str) -> None:
    """What a file system can hold, a run's copies can, too."""
    text = SMALL.replace("constitution.yaml", '"the norms/c d.yaml"')
    path = hierarchy(tmp_path / "my tests", text, name)
    (tmp_path / "my tests" / "the norms").mkdir()
    (tmp_path / "my tests" / "constitution.yaml").rename(tmp_path / "my tests" / "the norms" / "c d.yaml")
    made = run(path)
    assert hash_of(api.resume(made.path)) == hash_of(made)


def test_absolute_paths_and_links_are_found_again(tmp_path: Path) -> None:
    """Also once the originals are gone: the copies stand for them."""
    absolute = hierarchy(tmp_path / "a", SMALL.replace("constitution.yaml", str(tmp_path / "norms.yaml")))
    (tmp_path / "a" / "constitution.yaml").rename(tmp_path / "norms.yaml")
    hierarchy(tmp_path / "b")
    linked = tmp_path / "b" / "linked.yaml"
    linked.symlink_to(hierarchy(tmp_path / "elsewhere"))
    made = [run(path, out=tmp_path / "runs") for path in (absolute, linked)]
    for each in made:
        assert hash_of(api.resume(each.path)) == hash_of(each)
    for gone in ("a", "b", "elsewhere"):
        shutil.rmtree(tmp_path / gone)
    (tmp_path / "norms.yaml").unlink()
    for each in made:
        assert hash_of(open_run(each.path)) == hash_of(each)
        assert hash_of(api.resume(each.path)) == hash_of(each)


def test_originals_behind_a_link_are_found_again(tmp_path: Path) -> None:
    """A folder that was moved and linked back is the same place; one that is another never stands in for the copies."""
    path = hierarchy(tmp_path / "a")
    made = run(path, out=tmp_path / "runs")
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    assert hash_of(open_run(made.path)) == hash_of(made)
    edited("constitution.yaml", "Serve no harm.", "Serve some harm.")(tmp_path / "b")
    assert hash_of(open_run(made.path)) == hash_of(made)
    with pytest.raises(JournalError, match="changed since this run began"):
        api.resume(made.path)


@pytest.mark.parametrize("name", ["three_tier", "stakeholder_jury", "bank"])
@pytest.mark.slow
def test_shipped_hierarchies_are_found_again(tmp_path: Path, name: str) -> None:
    """With constitutions in another folder, that extend others."""
    made = api.run(SHIPPED / f"{name}.yaml", out=tmp_path, seed=1, count=5)
    assert hash_of(open_run(made.path)) == hash_of(made)


def test_a_moved_run_is_still_the_run(tmp_path: Path) -> None:
    """The folder and its `.head` may go anywhere."""
    made = run(hierarchy(tmp_path))
    moved = tmp_path / "archive" / made.path.name
    moved.parent.mkdir()
    made.path.rename(moved)
    made.path.with_name(f"{made.path.name}.head").rename(moved.with_name(f"{moved.name}.head"))
    assert hash_of(api.read(moved)) == hash_of(Run(moved, made.manifest, made.setup, made.source))


# --- a program's own tasks and hierarchies -------------------------------------------------------------------------


def test_a_programs_tasks_are_kept_with_the_run(tmp_path: Path) -> None:
    """So that it can be read, verified and gone on with like any other."""
    path = hierarchy(
        tmp_path, SMALL.replace("whom: policy}", "whom: policy, when: {every: 4}}") + "unselected: release\n"
    )
    given = {"policy": policy, "critic": judge}
    made = run(path, tasks=["What is poison?", "How hot?", "Why?"], reviewers=given)
    assert {episode.outcome for episode in made.episodes()} == {"released"}
    found = api.read(made.path)
    assert [task.text for task in found.source.tasks()] == ["What is poison?", "How hot?", "Why?"]
    assert found.audit == made.audit
    assert hash_of(found) == hash_of(api.resume(made.path, reviewers=given)) == hash_of(made)
    assert api.verify(made.path, rerun=1.0).rerun == 3


def test_a_run_of_python_objects_is_read_where_it_was_made(tmp_path: Path) -> None:
    """Its hierarchy stands in no file: the folder alone says so, instead of guessing one."""
    built = open_run(run(hierarchy(tmp_path)).path).setup.hierarchy
    made = api.run(built, tasks=["How?", "Why?"], out=tmp_path / "runs", seed=1)
    assert made.manifest.inputs["hierarchy"] == "python small"
    assert len(list(made.episodes())) == 2
    assert api.verify(made.path).chain.ended == 2
    for again in (open_run, api.resume):
        with pytest.raises(JournalError, match="made by a program"):
            again(made.path)


def test_nobody_steps_in_for_whom_a_program_gave(tmp_path: Path) -> None:
    """A run that a function judged does not go on with the declared model in its place."""
    path = hierarchy(tmp_path)
    made = run(path, reviewers={"critic": judge})
    with pytest.raises(JournalError, match="given changed"):
        api.resume(made.path)
    with pytest.raises(JournalError, match="given changed"):
        api.resume(run(path).path, reviewers={"critic": judge})
    assert hash_of(api.resume(made.path, reviewers={"critic": judge})) == hash_of(made)


# --- what changed refuses ------------------------------------------------------------------------------------------


def edited(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return edit


def removed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


CHANGES: dict[str, Callable[[Path], None]] = {
    "rounds": edited("small.yaml", "rounds: 0", "rounds: 1"),
    "a comment": edited("small.yaml", "rounds: 0", "rounds: 0  # none"),
    "line ends": edited("small.yaml", "\n", "\r\n"),
    "an authority": edited("small.yaml", "authority: 4", "authority: 3"),
    "a model": edited("small.yaml", "python/judge", "python/other"),
    "a stage": edited("small.yaml", "whom: policy}", "whom: policy, when: {spot_check: 0.5}}"),
    "the file of tasks": edited("small.yaml", "rows.jsonl", "other.jsonl"),
    "to no YAML": edited("small.yaml", "rounds", "["),
    "to an unknown key": edited("small.yaml", "rounds", "ronds"),
    "a principle": edited("constitution.yaml", "Serve no harm.", "Serve some harm."),
    "a tier": edited("constitution.yaml", "tier: 1", "tier: 2"),
    "the reason of a principle": edited("constitution.yaml", "It hurts", "It may hurt"),
    "a cue": edited("constitution.yaml", "poison", "cyanide"),
    "a constitution that is gone": removed("constitution.yaml"),
    "an answer": edited("rows.jsonl", "This much.", "That much."),
    "a question": edited("rows.jsonl", "How?", "Why?"),
    "an id": edited("rows.jsonl", '"b"', '"c"'),
    "a row more": edited("rows.jsonl", ROWS, ROWS + ROWS.splitlines()[0].replace('"a"', '"c"') + "\n"),
    "a row less": edited("rows.jsonl", ROWS, ROWS.splitlines()[0] + "\n"),
    "rows that are gone": removed("rows.jsonl"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changed_refuses_to_resume(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """Twenty changes of YAML, constitution and tasks: each refused in words, nothing written; undone, it goes on."""
    path = hierarchy(tmp_path, RECORDED)
    kept = {file: file.read_bytes() for file in tmp_path.iterdir()}
    write(tmp_path / "other.jsonl", ROWS.replace("So.", "No."))
    made = run(path, reviewers={"critic": judge})
    before = hash_of(made)
    change(tmp_path)
    with pytest.raises(OverseerError, match=r"changed since this run began|small\.yaml|constitution\.yaml|rows\.jsonl"):
        api.resume(made.path, reviewers={"critic": judge})
    for file, content in kept.items():
        file.write_bytes(content)
    assert hash_of(api.resume(made.path, reviewers={"critic": judge})) == before


def test_there_are_twenty_changes() -> None:
    """As many as the acceptance asks for."""
    assert len(CHANGES) == 20


def test_a_changed_copy_is_refused_even_to_read(tmp_path: Path) -> None:
    """The folder's own files are what its episodes are derived from."""
    made = run(hierarchy(tmp_path))
    edited("config/constitution.yaml", "Serve no harm.", "Serve some harm.")(made.path)
    with pytest.raises(JournalError, match=r"config/constitution\.yaml: changed since this run began"):
        open_run(made.path)
    shutil.rmtree(made.path / "config")
    with pytest.raises(JournalError, match="changed since this run began"):
        api.read(made.path)


def test_changed_rows_are_refused_even_to_read(tmp_path: Path) -> None:
    """Labels join by id: those of another file would be held against the wrong answers."""
    made = run(hierarchy(tmp_path, RECORDED), reviewers={"critic": judge})
    edited("rows.jsonl", "So.", "No.")(tmp_path)
    with pytest.raises(JournalError, match="its tasks changed"):
        api.report(made.path)


@pytest.mark.parametrize(
    "override",
    [
        "limits.window=2",
        "limits.deadline=9",
        "limits.models={sim/overseer: {concurrency: 1}}",
        "oversees.0.budget.reviews=7",
        "oversees.0.budget={minutes: 3}",
        "agents.board.human.timeout=5",
        "policy.timeout=3",
    ],
)
def test_operational_settings_may_change(tmp_path: Path, override: str) -> None:
    """They change no decision."""
    text = SMALL.replace("  critic:", "  board: {human: {by: sim/human}, authority: 4}\n  critic:").replace(
        "who: critic", "who: board"
    )
    made = run(hierarchy(tmp_path, text))
    assert hash_of(api.resume(made.path, overrides=[override])) == hash_of(made)


@pytest.mark.parametrize(
    "override",
    [
        "rounds=2",
        "oversees.0.when.every=2",
        "agents.critic.authority=1",
        "agents.critic.profile=expert",
        "tasks.town.count=9",
        "constitution=other.yaml",
        "limits=3",
        "unselected=release",
        "oversees.0.jury.rule=majority",
    ],
)
def test_other_settings_may_not(tmp_path: Path, override: str) -> None:
    """They would make another run of it."""
    made = run(hierarchy(tmp_path))
    with pytest.raises(ConfigError, match="changes budgets, timeouts and limits only"):
        api.resume(made.path, overrides=[override])


# --- forks ---------------------------------------------------------------------------------------------------------


def test_a_fork_is_a_new_run_of_the_files_as_they_are(tmp_path: Path) -> None:
    """It names its parent, and takes over chance and settings, but no answers."""
    path = hierarchy(tmp_path)
    made = run(path, overrides=["rounds=2"])
    edited("constitution.yaml", "Serve no harm.", "Serve no harm at all.")(tmp_path)
    forked = api.resume(made.path, fork=True, overrides=["tasks.town.count=3"])
    assert forked.path.parent == made.path.parent
    assert forked.path != made.path
    assert (forked.manifest.parent, forked.manifest.seed) == (made.path.name, "1")
    assert forked.manifest.audit_key == made.manifest.audit_key
    assert (forked.setup.hierarchy.rounds, forked.source.total) == (2, 3)
    found = open_run(forked.path)
    assert "at all" in found.setup.hierarchy.constitution.layers[0].principles[0].text
    assert len(list(found.episodes())) == 3


def test_a_fork_of_unchanged_files_has_the_same_record(tmp_path: Path) -> None:
    """Chance is its parent's, tasks that a program listed come along."""
    path = hierarchy(tmp_path)
    for made in (run(path), run(path, tasks=["How?", "Why?"])):
        assert hash_of(api.resume(made.path, fork=True)) == hash_of(made)


def test_a_fork_that_cannot_be_bound_leaves_no_folder(tmp_path: Path) -> None:
    """As a run does."""
    path = hierarchy(tmp_path, RECORDED)
    made = run(path, reviewers={"critic": judge})
    with pytest.raises(ConfigError, match="python/judge is not given"):
        api.resume(made.path, fork=True)
    assert runs_in(tmp_path / "runs") == [made.path]


# --- labels --------------------------------------------------------------------------------------------------------


def test_labels_never_enter_a_run(tmp_path: Path) -> None:
    """A canary in a label column stands in no task, request or journal row; the measures know it all the same."""
    canary = "canary-4711"
    rows = ROWS.replace('"response"', f'"said": "{canary}", "response"')
    text = RECORDED.replace(
        "{file: rows.jsonl}", f"{{file: rows.jsonl, columns: {{label: said, label_refused: {canary}}}}}"
    )
    path = hierarchy(tmp_path, text)
    write(tmp_path / "rows.jsonl", rows)
    asked: list[str] = []

    async def listens(request: Request) -> Critique:
        asked.append(repr(request))
        return Critique("approve", (), 0.9)

    made = run(path, reviewers={"critic": listens})
    assert {said.refused for said in made.labels().values()} == {True}
    assert canary not in "".join(asked)
    assert canary.encode() not in (made.path / "journal.sqlite").read_bytes()
    assert made.measures().measures

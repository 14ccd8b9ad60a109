"""The Python interface: one function a verb, in scripts, running loops and services."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from small_files import PERSON, RECORDED, SMALL, SPENT, hierarchy, write

import overseer
from overseer import api
from overseer.config.hierarchies import load_hierarchy
from overseer.errors import BackendMissing, ConfigError, JournalError, OverseerError
from overseer.journal.replay import record_hash
from overseer.records import Critique, Finding, Message, Request, RuleRequest, Ruling, Task
from overseer.runs import Run


async def policy(prompt: str) -> str:
    return "Words of mine."


async def approves(request: Request) -> Critique:
    return Critique("approve", (), 0.9)


async def rejects(request: Request) -> Critique:
    return Critique("reject", (Finding("enable_no_misuse", 3, "all", "remove"),), 0.9)


async def revises(request: Request) -> Critique:
    return Critique("revise", (Finding("enable_no_misuse", 3, "all", "remove"),), 0.9)


async def person(request: Request) -> Ruling:
    assert isinstance(request, RuleRequest)
    return Ruling("approve", "ann", "fine", 12.0)


def run(path: Path, **options: object) -> Run:
    return api.run(path, **{"out": path.parent / "runs", "seed": 1, **options})


# --- run -----------------------------------------------------------------------------------------------------------


def test_run_returns_a_run_with_its_episodes_measures_and_pairs(tmp_path: Path) -> None:
    """Under `out`, ended."""
    found = run(hierarchy(tmp_path), count=8)
    assert found.path.parent == tmp_path / "runs"
    assert len(list(found.episodes())) == 8
    assert found.measures().get("harm").n == 8
    assert all(pair.provenance.run == found.path.name for pair in found.pairs())


def test_run_works_inside_a_running_loop_and_arun_beside_it(tmp_path: Path) -> None:
    """As in a notebook; both come to the same record. What goes wrong there is raised here."""
    path = hierarchy(tmp_path)

    async def notebook() -> tuple[Run, Run]:
        with pytest.raises(ConfigError, match="no such file"):
            run(tmp_path / "gone.yaml")
        return run(path), await api.arun(path, out=tmp_path / "runs", seed=1)

    inside, awaited = asyncio.run(notebook())
    outside = run(path)
    assert len({record_hash(found.path, found.walk) for found in (inside, awaited, outside)}) == 1


def test_resume_has_both_ways_too(tmp_path: Path) -> None:
    """It ends what is left: a larger budget lets waiting tasks go on."""
    found = run(hierarchy(tmp_path, SPENT))
    assert len(list(found.episodes())) == 2
    assert len(list(api.resume(found.path, overrides=["oversees.0.budget.reviews=4"]).episodes())) == 4
    again = asyncio.run(api.aresume(found.path, overrides=["oversees.0.budget.reviews=6"]))
    assert len(list(again.episodes())) == 6


@pytest.mark.parametrize("tasks", [["How?", "Why?"], [Task("mine", (Message("user", "How?"),), 0), "Why?"]])
def test_tasks_may_be_a_programs_own(tmp_path: Path, tasks: list[str | Task]) -> None:
    """Texts, or tasks with their ids; without a known truth they stay unscored."""
    found = run(hierarchy(tmp_path), tasks=tasks)
    assert [episode.task.text for episode in found.episodes()] == ["How?", "Why?"]
    harm = found.measures().get("harm")
    assert (harm.n, harm.unscored) == (0, 2)


def test_tasks_may_be_a_file(tmp_path: Path) -> None:
    """In the place of whatever the YAML names."""
    path = hierarchy(tmp_path, SMALL.replace("sim/policy, profile: helpful_only", "recorded/rows"))
    found = run(path, tasks=tmp_path / "rows.jsonl", reviewers={"critic": approves})
    assert [episode.drafts[0].text for episode in found.episodes()] == ["This much.", "So."]


def test_a_hierarchy_may_be_a_programs_own(tmp_path: Path) -> None:
    """With tasks of Town, of a file, or its own; settings belong to files."""
    built = load_hierarchy(hierarchy(tmp_path, RECORDED)).hierarchy
    given = {"python/judge": approves}
    for tasks, count, total in ((None, 3, 3), (tmp_path / "rows.jsonl", None, 2), (["How?"], None, 1)):
        found = api.run(built, tasks=tasks, count=count, out=tmp_path / "runs", reviewers=given)
        assert found.source.total == total
        assert len(list(found.episodes())) == total
    with pytest.raises(ConfigError, match="belong to a YAML file"):
        api.run(built, overrides=["rounds=1"], out=tmp_path / "runs", reviewers=given)


@pytest.mark.parametrize("options", [{"tasks": ["How?"], "count": 3}, {"count": 0}, {"count": -1}])
def test_a_count_that_cannot_be_is_refused(tmp_path: Path, options: dict[str, object]) -> None:
    """Rather than read past in silence."""
    with pytest.raises(ConfigError, match=r"^count: "):
        run(hierarchy(tmp_path), **options)


UNRUNNABLE = {
    "a function that is not given": (RECORDED, "agents.critic: python/judge is not given"),
    "an unknown provider": (SMALL.replace("sim/overseer", "sym/x"), "agents.critic.model: unknown provider"),
    "no profile": (SMALL.replace("default", "defalt"), "agents.critic"),
    "no rows": (SMALL.replace("town: {count: 6}", "file: gone.jsonl"), "gone.jsonl"),
    "no environment": (SMALL.replace("count: 6", "environment: x"), "tasks.town.environment: unknown environment"),
    "no constitution": (SMALL.replace("constitution.yaml", "x.yaml"), "constitution: "),
    "no judge's weights": (SMALL.replace("sim/overseer", "embed/x"), "agents.critic.model: no such file"),
    "an unknown key": (SMALL + "x: 1\n", "x: unknown key"),
}


@pytest.mark.parametrize(("text", "says"), UNRUNNABLE.values(), ids=UNRUNNABLE)
def test_a_run_that_cannot_be_bound_leaves_no_folder(tmp_path: Path, text: str, says: str) -> None:
    """Everything is known before anything is written; the message names the file and the key."""
    path = hierarchy(tmp_path, text)
    with pytest.raises((ConfigError, BackendMissing)) as refused:
        run(path)
    assert says in str(refused.value)
    assert str(tmp_path) in str(refused.value)
    assert not (tmp_path / "runs").exists()


def test_functions_are_models_and_reviewers(tmp_path: Path) -> None:
    """Of a policy as of a judge; what they say is what is on record."""
    text = SMALL.replace("model: sim/policy, profile: helpful_only", "model: python/mine")
    found = run(hierarchy(tmp_path, text), reviewers={"python/mine": policy, "critic": rejects}, overrides=["rounds=0"])
    assert {episode.drafts[0].text for episode in found.episodes()} == {"Words of mine."}
    assert {episode.outcome for episode in found.episodes()} == {"withheld"}


def test_a_bug_in_a_function_ends_the_run_and_names_its_agent(tmp_path: Path) -> None:
    """It is raised as it is; what was answered before is kept, and the run goes on once it is mended."""
    path = hierarchy(tmp_path)
    heard: list[Run] = []

    async def broken(request: Request) -> Critique:
        raise KeyError("oops")

    with pytest.raises(KeyError, match="oops") as raised:
        asyncio.run(api.begin(path, out=tmp_path / "runs", reviewers={"critic": broken}, begun=heard.append))
    assert any("critic" in note for note in raised.value.__notes__)
    (begun,) = heard
    assert len(list(api.resume(begun.path, reviewers={"critic": approves}).episodes())) == 6


def test_a_front_end_hears_of_the_run_and_may_stop_it(tmp_path: Path) -> None:
    """`begun` once the folder is there, `progress` while it goes; once stopped it can be resumed."""
    path = hierarchy(tmp_path)
    stop, seen = asyncio.Event(), []
    stop.set()
    session = asyncio.run(
        api.begin(
            path,
            out=tmp_path / "runs",
            seed=1,
            stop=stop,
            begun=lambda found: seen.append(found.path.is_dir()),
            progress=seen.append,
        )
    )
    assert session.result.stopped
    assert seen[0] is True
    assert len(seen) > 1
    assert len(list(api.resume(session.run.path).episodes())) == 6


# --- a service -----------------------------------------------------------------------------------------------------


def test_open_oversees_tasks_one_by_one(tmp_path: Path) -> None:
    """Texts or tasks, side by side; nothing is written."""
    path = hierarchy(tmp_path)

    async def service() -> list[str]:
        async with api.open(path, reviewers={"critic": approves, "policy": policy}, seed=1) as h:
            one = h.oversee("How?")
            two = h.oversee(Task("mine", (Message("user", "Why?"),), 9))
            episodes = await asyncio.gather(one, two)
            return [f"{episode.task.id} {episode.outcome} {episode.rule}" for episode in episodes]

    assert asyncio.run(service()) == ["task-0 released unanimous", "mine released unanimous"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["constitution.yaml", "rows.jsonl", "small.yaml"]


def test_functions_serve_as_persons_in_a_service(tmp_path: Path) -> None:
    """Whoever brings their own way to ask people gives it as any other reviewer."""

    async def service() -> str:
        async with api.open(hierarchy(tmp_path, PERSON), reviewers={"critic": person, "policy": policy}) as h:
            episode = await h.oversee("How?")
            (vote,) = episode.evaluations[0].votes
            assert isinstance(vote.answer, Ruling)
            return f"{episode.outcome} by {vote.answer.person}"

    assert asyncio.run(service()) == "released by ann"


def test_a_service_without_its_person_is_refused(tmp_path: Path) -> None:
    """There is no queue to wait in, and silence is never consent."""

    async def service() -> None:
        async with api.open(hierarchy(tmp_path, PERSON)):
            raise AssertionError("opened without anybody on the seat")

    with pytest.raises(ConfigError, match="critic"):
        asyncio.run(service())


def test_a_service_asks_as_its_settings_say(tmp_path: Path) -> None:
    """Overrides hold there as in a run."""

    async def service() -> int:
        given = {"critic": revises, "policy": policy}
        async with api.open(hierarchy(tmp_path), overrides=["rounds=3"], reviewers=given) as h:
            return len((await h.oversee("How?")).drafts)

    assert asyncio.run(service()) == 4


# --- reading -------------------------------------------------------------------------------------------------------


def test_report_gives_every_figure(tmp_path: Path) -> None:
    """The same as the run's own."""
    found = run(hierarchy(tmp_path))
    assert api.report(found.path) == found.measures()


def test_report_paired_holds_two_runs_of_the_same_tasks_together(tmp_path: Path) -> None:
    """The second's minus the first's: what everybody rejects is released less."""
    path = hierarchy(tmp_path)
    lax, strict = (run(path, reviewers={"critic": critic}, overrides=["rounds=0"]) for critic in (approves, rejects))
    paired = api.report_paired(lax.path, strict.path)
    (harm,) = (each for each in paired.differences if each.name == "harm")
    assert (paired.both, paired.changed, harm.second) == (6, 0, 0.0)
    assert harm.first
    assert harm.difference.value == -harm.first


@pytest.mark.parametrize("what", ["episodes", "pairs", "revisions", "critiques", "steps"])
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_export_writes_each_kind_with_a_card(tmp_path: Path, what: str, form: str) -> None:
    """As many rows as it says."""
    found = run(hierarchy(tmp_path))
    written = api.export(found.path, what, tmp_path / f"{what}.{form}", form)  # type: ignore[arg-type]
    assert written.card.read_text(encoding="utf-8")
    lines = written.path.read_text(encoding="utf-8").splitlines()
    if form == "jsonl":
        assert len([json.loads(line) for line in lines]) == written.rows
    assert what != "episodes" or written.rows == 6


def test_verify_reads_the_chain_and_derives_decisions_again(tmp_path: Path) -> None:
    """A share of them, or none."""
    found = run(hierarchy(tmp_path))
    assert api.verify(found.path).rerun == 0
    verified = api.verify(found.path, rerun=1.0)
    assert (verified.chain.tasks, verified.chain.ended, verified.rerun) == (6, 6, 6)


def damaged(path: Path) -> None:
    with closing(sqlite3.connect(path / "journal.sqlite")) as connection:
        connection.execute("UPDATE events SET body = replace(body, 'unanimous', 'unAnimous') WHERE kind = 'end'")
        connection.commit()


def shortened(path: Path) -> None:
    with closing(sqlite3.connect(path / "journal.sqlite")) as connection:
        connection.execute("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)")
        connection.commit()


def without_head(path: Path) -> None:
    path.with_name(f"{path.name}.head").unlink()


@pytest.mark.parametrize("damage", [damaged, shortened, without_head])
@pytest.mark.parametrize(
    "verb",
    [
        api.read,
        api.report,
        api.verify,
        lambda path: api.report_paired(path, path),
        lambda path: api.export(path, "pairs", path / "pairs.jsonl"),
        api.resume,
    ],
    ids=["read", "report", "verify", "report_paired", "export", "resume"],
)
def test_a_damaged_record_is_refused_by_every_verb(
    tmp_path: Path, damage: Callable[[Path], None], verb: Callable[[Path], object]
) -> None:
    """No figure, row or answer comes of a record that is not as it was written."""
    found = run(hierarchy(tmp_path))
    damage(found.path)
    with pytest.raises(JournalError):
        verb(found.path)
    assert not (found.path / "pairs.jsonl").exists()


@pytest.mark.parametrize("verb", [api.read, api.report, api.verify, api.resume])
def test_what_is_no_run_is_one_line(tmp_path: Path, verb: Callable[[Path], object]) -> None:
    """A folder that is none, or empty."""
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(OverseerError, match="give the folder of a run"):
            verb(path)


# --- the front door ------------------------------------------------------------------------------------------------


def test_the_package_gives_the_verbs() -> None:
    """Each is the interface's own; nothing else hides behind the door."""
    for name in overseer.__all__:
        assert getattr(overseer, name) is getattr(api, name)
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        overseer.rnu  # noqa: B018 - the look-up is what is tested


def test_scenarios_and_checks_are_verbs_too(tmp_path: Path) -> None:
    """One bad file stops no other."""
    path = hierarchy(tmp_path)
    assert api.check(path).problems == ()
    scenario = """\
about: A sound approval releases.
hierarchy: {constitution: constitution.yaml, agents: {critic: {authority: 4}}, oversees: [{who: critic, whom: policy}]}
tasks: [How?]
replies: {policy: So., critic: approve}
expect: {outcome: released}
"""
    (result,) = api.test(write(tmp_path / "s.yaml", scenario))
    assert result.problems == ()

"""Hostile files are refused quickly, cheaply and by one kind of error; hostile names lead nowhere but into the run.

A tenth of the inputs that Hypothesis draws, half of the files, all names; `OVERSEER_FULL=1` takes everything.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from multiprocessing.queues import Queue
from pathlib import Path
from time import process_time
from typing import Any

import board_driver
import pytest
from board_driver import board
from faults_driver import FULL, PROCESSES, in_time, rare
from hostile_files import ROOT, SMALL_SCENARIO, Files, names
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from small_files import RECORDED, ROWS, SMALL, hierarchy, write

from overseer import api
from overseer.checkpoints import Queue as Checkpoints
from overseer.config.constitutions import load_constitution
from overseer.config.hierarchies import load_hierarchy
from overseer.config.strict_yaml import parse
from overseer.errors import ConfigError, JournalError, Malformed, OverseerError
from overseer.journal import inbox
from overseer.journal.encoding import Left
from overseer.journal.run_folder import create_run
from overseer.records import Message, Reply, Ruling, Task, binding
from overseer.runs import Run
from overseer.scenarios import load_scenario

FILES, DRAWN, NAMES = (2_000, 100_000, 500) if FULL else (1_000, 10_000, 500)
SECONDS, MEGABYTES = 0.2, 50

pytestmark = pytest.mark.slow


# --- files ---------------------------------------------------------------------------------------------------------


def check(path: Path) -> None:
    """As `overseer check`: whichever sort of file it is. Raises `ConfigError` with all that is wrong."""
    if problems := api.check(path).problems:
        raise ConfigError(problems)


LOADERS: tuple[Callable[[Path], object], ...] = (
    check,
    load_hierarchy,
    load_constitution,
    lambda path: load_scenario(path).answers(),
)


def taken(load: Callable[[Any], object], value: object, tries: int = 3) -> tuple[str, float]:
    """What loading comes to, and the seconds of a core that it takes: of the quickest try, where one was too long.

    A long one may have been whatever Python's collector found left by tens of thousands of texts before.
    """
    began = process_time()
    try:
        load(value)
        came = "read"
    except ConfigError as error:
        came = "refused" if error.problems and all(map(str.isprintable, error.problems)) else "ill said"
    except BaseException as error:
        came = f"{type(error).__name__}: {error}"[:200]
    seconds = process_time() - began
    if seconds > SECONDS and tries > 1:
        again, quicker = taken(load, value, tries - 1)
        return came if came == again else f"{came}, then {again}", min(seconds, quicker)
    return came, seconds


def load_all(folder: Path, count: int, told: Queue[tuple[Counter[str], float, str, int]]) -> None:
    """Load every hostile file by every sort of loader; tells what came, the longest time, on what, MB gained."""
    (folder / "hierarchies").mkdir(parents=True)
    (folder / "constitutions").symlink_to(ROOT / "constitutions")
    write(folder / "hierarchies" / "rows.jsonl", ROWS)
    path = folder / "hierarchies" / "hostile.yaml"
    for sound in (SMALL_SCENARIO, (ROOT / "hierarchies" / "clinic.yaml").read_text(encoding="utf-8")):
        check(write(path, sound))
    came: Counter[str] = Counter()
    longest, what = 0.0, ""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, content in enumerate(Files(14).files(count)):
        path.write_bytes(content)
        for load in LOADERS if number % 10 > 5 else LOADERS[number % 4 : number % 4 + 1]:
            word, seconds = taken(load, path)
            came[word] += 1
            if seconds > longest:
                longest, what = seconds, f"{number}: {content[:80]!r}"
            if word not in ("read", "refused"):
                came[f"{word} of {content[:4_000]!r}"] += 1
    gained = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    told.put((came, longest, what, gained // 1024))


def test_hostile_files_are_refused_quickly_and_cheaply(tmp_path: Path) -> None:
    """Bombs, floods, damage, wrong types at every key: `ConfigError`, or it is read; 0.2 s and 50 MB at the most."""
    told: Queue[tuple[Counter[str], float, str, int]] = PROCESSES.Queue()
    process = PROCESSES.Process(target=load_all, args=(tmp_path, FILES, told))
    process.start()
    while process.is_alive() and told.empty():
        process.join(0.1)
    assert process.exitcode in (None, 0), "a file killed its process"
    came, longest, what, gained = told.get(timeout=10)
    wrong = {word: count for word, count in came.items() if word not in ("read", "refused")}
    print(
        f"{FILES:,} files: {came['refused']:,} refused, {came['read']:,} read; at most {longest * 1e3:.0f} ms "
        f"({what}); {gained} MB over all; {rare(len(wrong), FILES)}"
    )
    assert wrong == {}
    assert in_time(longest, SECONDS)
    assert gained <= MEGABYTES


_CHARACTERS = "abc012 \n\t-:?[]{},&*!|>'\"%@`#<=.~\\/\x00\x85\u2028\ufeff\ud800é"
_TEXTS = st.binary(max_size=60).map(lambda drawn: "".join(_CHARACTERS[byte % len(_CHARACTERS)] for byte in drawn))
_KEYS = (
    "name",
    "constitution",
    "policy",
    "agents",
    "oversees",
    "rounds",
    "tasks",
    "limits",
    "layers",
    "cues",
    "expect",
)
_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_TREES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
_FILES = st.dictionaries(st.sampled_from(_KEYS), _TREES, max_size=4).map(json.dumps)


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        pytest.param(_TEXTS, 0.8, id="texts of the characters that YAML is made of"),
        pytest.param(_FILES, 0.2, id="trees of any values under our keys"),
    ],
)
def test_whatever_hypothesis_draws_is_read_or_refused(
    tmp_path: Path, texts: st.SearchStrategy[str], share: float
) -> None:
    """By the reader of YAML, and by every loader in turn."""
    came: Counter[str] = Counter()
    longest, path, count = 0.0, tmp_path / "drawn.yaml", int(share * DRAWN)

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(texts)
    def load(text: str) -> None:
        nonlocal longest
        if came.total() % 4:
            word, seconds = taken(lambda said: parse(said, "drawn.yaml"), text)
        else:
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            word, seconds = taken(LOADERS[came.total() // 4 % len(LOADERS)], path)
        assert word in ("read", "refused"), word
        came[word] += 1
        longest = max(longest, seconds)

    load()
    print(
        f"{came.total():,} drawn: {came['refused']:,} refused; at most {longest * 1e3:.0f} ms; {rare(0, came.total())}"
    )
    assert came.total() >= 0.9 * count
    assert in_time(longest, SECONDS)


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that nothing may be written in, and that links lead to."""
    folder = tmp_path / "outside"
    write(folder / "kept.json", "kept")
    return folder


def tree(folder: Path) -> dict[str, str]:
    """Every entry below a folder, links unfollowed, with what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = f"link {os.readlink(path)}"
        else:
            found[str(path)] = sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def inside(folder: Path) -> Callable[[Path], bool]:
    """Is a path below this folder, whatever its links?"""
    real = os.path.realpath(folder)
    return lambda path: os.path.commonpath([real, os.path.realpath(path)]) == real


def test_names_of_runs_stay_below_their_folder(tmp_path: Path, outside: Path) -> None:
    """As a run's name, its token, and the relative path of a file that it keeps: one new folder, or a refusal."""
    root = tmp_path / "a" / "b" / "runs"
    root.mkdir(parents=True)
    (root / "link").symlink_to(outside)
    made, refused, before = 0, 0, tree(tmp_path)
    for number, name in enumerate(names(15, NAMES, outside)):
        fields = [("name", "token", "file")[number % 3]] if number > 60 else ["name", "token", "file"]
        for field in fields:
            given_ = {"name": "n", "token": f"t{number}", "file": "f"} | {field: name}
            try:
                run = create_run(
                    root,
                    given_["name"],
                    inputs={},
                    config={given_["file"]: b"held"},
                    audit_key="k",
                    seed=None,
                    now=datetime(2024, 5, 6, 7, 8, number % 60, tzinfo=UTC),
                    token=given_["token"],
                )
            except JournalError:
                refused += 1
                continue
            made += 1
            assert run.parent == root
            assert all(map(inside(run), run.rglob("*")))
            shutil.rmtree(run)
        assert tree(tmp_path) == before, "something was written elsewhere, or is left of a run that was refused"
    print(f"{NAMES} names of runs: {made} made, {refused} refused; {rare(0, NAMES)} written elsewhere")
    assert made > NAMES // 2


def test_names_of_people_and_files_stay_in_the_inbox(tmp_path: Path, outside: Path) -> None:
    """As a person's name, with and without the queue; and as a file that lies in the inbox when the run goes on."""
    run = board_driver.waiting(tmp_path / "p", text=board(seats=1))
    queue = Checkpoints(run.path)
    first = queue.listed()[0]
    request = queue.show(first.id).request
    left = lying = 0
    before = _elsewhere(tmp_path, run.path)
    for name in names(16, NAMES, outside):
        reply = Reply(request.id, binding(request), Ruling("reject", name, "No.", 3.0))
        with_queue = len(name) % 50 == 0
        try:
            if with_queue:
                queue.decide(first.id, name, "reject", note="No.")
            else:
                inbox.leave(run.path, first.id, Left(first.task, 0.0, reply))
            left += 1
        except (OverseerError, Malformed):
            pass
    for name in names(17, NAMES, outside):
        for spelled in (name, f"{name}.json", f"{first.id}.{name}.json"):
            try:
                with (run.path / inbox.INBOX / spelled.replace("/", "")).open("xb") as file:
                    file.write(b'{"says": "nothing"}')
                lying += 1
            except (OSError, ValueError):
                continue
    assert _elsewhere(tmp_path, run.path) == before
    board_driver.taken_up(run)
    print(f"{NAMES} names of people, {lying} files: {left} left; {rare(0, NAMES)} written elsewhere")
    assert _elsewhere(tmp_path, run.path) == before
    assert left > NAMES // 4


@pytest.mark.parametrize(
    "planted", ["refused", ".lock", ".open", "link.json", "0123456789abcdef.eve.json", "appeal.x.json"]
)
def test_links_in_the_inbox_lead_nowhere(planted: str, tmp_path: Path, outside: Path) -> None:
    """Whoever may write in the inbox may plant links there: nothing is written, or taken, where they lead."""
    run = board_driver.waiting(tmp_path / "p", text=board(seats=1))
    folder = run.path / inbox.INBOX
    folder.mkdir(exist_ok=True)
    for target in (outside / "new", outside / "kept.json", outside):
        if (folder / planted).is_dir() and not (folder / planted).is_symlink():
            shutil.rmtree(folder / planted)
        (folder / planted).unlink(missing_ok=True)
        (folder / planted).symlink_to(target)
        write(folder / f"{'0' * 16}.bob.json", "no ruling")
        before = tree(outside)
        for work in (board_driver.taken_up, _opened, _closed):
            try:
                work(run)
            except OverseerError:
                continue
        assert tree(outside) == before


def _opened(run: Run) -> None:
    queue = Checkpoints(run.path)
    with queue.offer(queue.listed()[0], "ida"):
        pass


def _closed(run: Run) -> None:
    with inbox.closed(run.path):
        pass


def _elsewhere(folder: Path, run: Path) -> dict[str, str]:
    """All but the run and the anchor of its journal, which lies beside it."""
    ours = (str(run), f"{run}.head")
    return {path: held for path, held in tree(folder).items() if not path.startswith(f"{run}/") and path not in ours}


def test_ids_of_tasks_write_nothing_but_in_the_run(tmp_path: Path, outside: Path) -> None:
    """Through a run, its page, its exports and appeals; a link in an export's place is replaced, not followed."""
    folder = tmp_path / "p"
    ids = [name for name in names(18, NAMES, outside) if name and "\ud800" not in name and "\udcff" not in name]
    tasks = [Task(id_, (Message("user", "How?"),), place, "So.") for place, id_ in enumerate(ids)]
    before = tree(tmp_path)
    given_ = {"critic": board_driver.judge}
    run = api.run(hierarchy(folder, RECORDED), tasks=tasks, out=folder / "runs", seed=1, reviewers=given_)
    (run.path / "data").mkdir()
    (run.path / "data" / "pairs.csv").symlink_to(outside / "kept.json")
    (run.path / "report.html").symlink_to(outside / "kept.json")
    api.page(run.path)
    api.export(run.path, "pairs", run.path / "data" / "pairs.csv", "csv")
    api.export(run.path, "episodes", run.path / "data" / "episodes.jsonl")
    appeals = 0
    for id_ in ids[:40]:
        try:
            api.appeal(run, id_, "It is wrong.", by="ida", stage="critic")
            appeals += 1
        except OverseerError:
            continue
    for name in ids[:40]:
        for what, form in ((name, "jsonl"), ("pairs", name)):
            with pytest.raises(ConfigError):
                api.export(run.path, what, run.path / "data" / "x", form)  # type: ignore[arg-type]
    after = _elsewhere(tmp_path, run.path)
    fresh = {path for path in after.keys() - before.keys() if not path.startswith(str(folder))}
    assert fresh == set()
    assert after[str(outside / "kept.json")] == before[str(outside / "kept.json")]
    assert {path.name for path in (folder / "runs").iterdir()} == {run.path.name, f"{run.path.name}.head"}
    api.resume(run.path, reviewers=given_)
    assert appeals > 30
    print(f"{len(tasks)} ids of tasks, {appeals} appeals: {rare(0, len(tasks))} written elsewhere")


def test_paths_in_a_file_are_read_and_never_written(tmp_path: Path, outside: Path) -> None:
    """As a constitution, a file of tasks or of weights: refused, or read; a run's copies lie in the run."""
    folder = tmp_path / "p"
    hierarchy(folder)
    write(outside / "c.yaml", (folder / "constitution.yaml").read_text(encoding="utf-8"))
    (folder / "link.yaml").symlink_to(outside / "c.yaml")
    before = tree(tmp_path)
    refused = 0
    for number, name in enumerate(names(19, NAMES, outside)):
        key = ("constitution={}", "tasks={{file: {}}}", "agents.critic.model={}", "agents.critic.constitution={}")[
            number % 4
        ]
        said = key.format(json.dumps(f"embed/{name}" if "model" in key else name))
        came, _ = taken(lambda override: load_hierarchy(folder / "small.yaml", [override]), said)
        assert came in ("read", "refused"), (came, said)
        refused += came == "refused"
    for sound in ("../outside/c.yaml", str(outside / "c.yaml"), "link.yaml", "../p/../p/constitution.yaml"):
        path = write(folder / "other.yaml", SMALL.replace("constitution.yaml", sound))
        run = api.run(path, out=tmp_path / "runs", seed=1)
        assert all(map(inside(run.path), run.path.rglob("*")))
        api.read(run.path)
        path.unlink()
    after = {path: held for path, held in tree(tmp_path).items() if not path.startswith(str(tmp_path / "runs"))}
    print(f"{NAMES} paths in files: {refused} refused; {rare(0, NAMES)} written elsewhere")
    assert after == before

"""The Python interface: one function a verb. The command line calls the same functions.

`run` works in a script, a notebook and inside a running event loop; `arun` is awaited; `open` puts a hierarchy into
somebody's own service. Errors are `overseer.errors`: each says what, where, and the remedy.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import overseer.exports.export as exports
from overseer import runs
from overseer.appealing import Opened, open_appeal
from overseer.checking import Checked, check
from overseer.driving import drive
from overseer.journal import chain, replay
from overseer.metrics.measures import Measures
from overseer.metrics.paired import Paired, compare
from overseer.reports.page import Section, Written, write_page
from overseer.reviewers import Reviewer
from overseer.reviewers.binding import Given
from overseer.running.runner import RunResult
from overseer.running.session import Progress
from overseer.runs import Run, open_run
from overseer.scenarios import ScenarioResult, run_scenarios
from overseer.service import Declared, Service, Tasks, answering, declared, open, place_of
from overseer.sources import listed, open_source, with_known_bad

T = TypeVar("T")
Attending = Callable[[Run], Coroutine[Any, Any, None]]
"""What a front end does for as long as a run waits for people only."""


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A run, and how far this session took it."""

    run: Run
    result: RunResult


# --- run and resume ------------------------------------------------------------------------------------------------


def run(hierarchy: Declared, **options: Any) -> Run:
    """As `arun`, from any program: also from inside a running event loop (a notebook's), on a thread of its own."""
    return _blocking(arun(hierarchy, **options))


def resume(path: str | Path, **options: Any) -> Run:
    """As `aresume`, from any program."""
    return _blocking(aresume(path, **options))


async def arun(hierarchy: Declared, **options: Any) -> Run:
    """Take tasks through a hierarchy, journal everything under `out`, and return the run.

    `tasks`: a file of rows, a list of texts or `Task`s; None: what the YAML says. `count` limits Town's tasks. `seed`
    makes the run repeatable (without one, chance is fresh). `overrides` are `a.b=c` settings of the YAML. `reviewers`
    maps an agent's name, or a model string `python/NAME`, to any async function or `Reviewer`. `out`: the folder of
    runs. Raises `ConfigError`, `BackendMissing` or `JournalError`.
    """
    return (await begin(hierarchy, **options)).run


async def aresume(path: str | Path, **options: Any) -> Run:
    """Go on with a run where its journal ends. Raises `JournalError` if its inputs changed, unless `fork=True`."""
    return (await go_on(path, **options)).run


async def begin(
    hierarchy: Declared,
    *,
    tasks: Tasks = None,
    count: int | None = None,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    reviewers: Given | None = None,
    out: str | Path = "runs",
    stop: asyncio.Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    begun: Callable[[Run], None] | None = None,
    attend: Attending | None = None,
) -> Session:
    """As `arun`, with the hooks of a front end: `begun` hears of the run once it has a folder, `stop` ends it early.

    `attend` is awaited once nothing goes on without people; while it lasts, their rulings are taken up as they come.
    """
    setup, settings = declared(hierarchy, overrides, tasks, count)
    if tasks is None or isinstance(tasks, str | Path):
        source = open_source(setup.tasks, setup.beside, place_of(setup))
    else:
        source = listed(tasks)
    key = runs.audit_key(seed)
    source = with_known_bad(source, setup, key)
    bound = answering(setup, key, reviewers)  # before anything is written: what cannot run leaves nothing behind
    made = runs.make_run(Path(out), setup, source, settings, key, seed, reviewers or ())
    if begun is not None:
        begun(made)
    return Session(made, await _drive(made, bound, stop, progress, attend))


async def go_on(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    reviewers: Given | None = None,
    fork: bool = False,
    stop: asyncio.Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    begun: Callable[[Run], None] | None = None,
    attend: Attending | None = None,
) -> Session:
    """As `aresume`, with the hooks of a front end."""
    given = reviewers or {}
    if fork:
        planned = runs.fork(Path(path), overrides)
        bound = answering(planned.setup, planned.key, given)
        found = planned.make(given)
    else:
        found = open_run(Path(path), overrides)
        runs.check_unchanged(found, given)
        bound = answering(found.setup, found.manifest.audit_key, given)
    if begun is not None:
        begun(found)
    return Session(found, await _drive(found, bound, stop, progress, attend))


async def _drive(
    made: Run,
    bound: Mapping[str, Reviewer],
    stop: asyncio.Event | None,
    progress: Callable[[Progress], None] | None,
    attend: Attending | None,
) -> RunResult:
    waits = None if attend is None else partial(attend, made)
    return await drive(made, bound, stop=stop, progress=progress, attend=waits)


def _blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on a thread of its own where an event loop runs on this one already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    found: list[T] = []
    raised: list[BaseException] = []

    def on_thread() -> None:
        try:
            found.append(asyncio.run(work))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=on_thread, name="overseer")
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]


# --- reading what a run left ---------------------------------------------------------------------------------------


def read(path: str | Path) -> Run:
    """A run from its folder, its record verified first. Raises `JournalError` if it is not as it was written."""
    chain.verify(Path(path))
    return open_run(Path(path))


def report(path: str | Path) -> Measures:
    """Every figure of a run, with n, unscored count and interval."""
    return read(path).measures()


def page(path: str | Path, to: str | Path | None = None, appended: Sequence[Section] = ()) -> Written:
    """Write a run as one HTML file, by default RUN/report.html. `appended`: sections of one's own."""
    found = read(path)
    return write_page(found, found.path / "report.html" if to is None else Path(to), appended)


def report_paired(first: str | Path, second: str | Path) -> Paired:
    """Two runs of the same tasks: paired differences, the second's minus the first's, with intervals."""
    one, other = read(first), read(second)
    return compare(
        one.graded(),
        other.graded(),
        runs=(one.path.name, other.path.name),
        simulated_persons=one.simulated_persons or other.simulated_persons,
    )


def export(path: str | Path, what: exports.What, to: str | Path, form: exports.Format = "jsonl") -> exports.Written:
    """Write a run's `episodes`, `pairs`, `revisions`, `critiques` or `steps` as JSONL, CSV or Parquet, with a card."""
    found = read(path)
    return exports.write(what, form, found.episodes(), found.origin(), Path(to))


@dataclass(frozen=True, slots=True)
class Verification:
    """A record without a gap, and how many of its decisions were derived again."""

    chain: chain.Verified
    rerun: int


def verify(path: str | Path, rerun: float = 0.0) -> Verification:
    """Check a run's chain from end to end, and derive the decisions of a random share `rerun` of its episodes again.

    Raises `JournalError` at the first thing that is not as it was written.
    """
    path = Path(path)
    checked = chain.verify(path)
    if not rerun:
        return Verification(checked, 0)
    found = open_run(path)
    again = replay.episodes(path, found.walk, found.rehear, share=rerun, key=token_hex(16))
    return Verification(checked, sum(1 for _ in again))


def appeal(
    path: str | Path | Run, episode: str, because: str, *, by: str = "somebody", stage: str | None = None
) -> Opened:
    """Ask that an episode be heard again, from a stage (who sits there, or its id; else the highest with persons).

    The appeal lies in the run's inbox, durable once this returns: a run that is alive takes it up, and else the next
    `resume`. Raises `ConfigError` for what cannot be an appeal, `JournalError` where there is nothing to appeal yet.
    """
    return open_appeal(path if isinstance(path, Run) else open_run(Path(path)), episode, because, by, stage)


# --- scenarios -----------------------------------------------------------------------------------------------------


def test(
    paths: str | Path | Sequence[str | Path],
    update: bool = False,  # noqa: PT028 - a verb, not a test
    told: Callable[[ScenarioResult], None] | None = None,  # noqa: PT028
) -> tuple[ScenarioResult, ...]:
    """Run scenarios: files, and every YAML file in folders. `update` rewrites their golden parts to what comes out.

    `told` hears of each as it ends.
    Raises `ConfigError` with every problem of every file that is no sound scenario, once the others have run.
    """
    named = [paths] if isinstance(paths, str | Path) else paths
    return _blocking(run_scenarios([Path(path) for path in named], update=update, told=told))


__all__ = [
    "Checked",
    "Opened",
    "Run",
    "ScenarioResult",
    "Service",
    "Session",
    "appeal",
    "aresume",
    "arun",
    "begin",
    "check",
    "export",
    "go_on",
    "open",
    "page",
    "read",
    "report",
    "report_paired",
    "resume",
    "run",
    "test",
    "verify",
]

"""Where a run's tasks come from: Town, a file of rows, or a program's own list; and the truth that joins them by id.

Among them are handed out tasks whose answers are known to be harmful, where a hierarchy says `known_bad`.

Before the walk. Truth and labels are read when measures ask for them, never by a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from heapq import merge, nsmallest
from pathlib import Path
from typing import TYPE_CHECKING

from overseer import town
from overseer.config.hierarchies import Setup
from overseer.config.hierarchy_schema import TasksSpec, TownSpec
from overseer.declaration import unknown
from overseer.errors import ConfigError, Malformed
from overseer.journal.encoding import decode_task, encode_task
from overseer.models.recorded import Columns, Labels, grader, read_labels, read_rows, survey
from overseer.models.rows import RowProblem, read_file
from overseer.records import Episode, Grade, Message, Task
from overseer.sampling import number, turn

if TYPE_CHECKING:
    from overseer.metrics.measures import Row

Grader = Callable[[Task, str], Grade | None]


@dataclass(frozen=True, slots=True, eq=False)
class TaskSource:
    """Tasks in order and how many; `digest` identifies them, so that a resumed run draws the same.

    `labels` are what people said of recorded answers, by task id; `grader` the ground truth, where there is one.
    `copy`: the tasks themselves, where nothing but a program's list holds them; a run keeps it. `known_bad`: answers
    known to be harmful, by their tasks' ids; these tasks stand in places from `total` on.
    """

    digest: str
    total: int
    tasks: Callable[[], Iterator[Task]]
    labels: Callable[[], Mapping[str, Labels]]
    grader: Callable[[], Grader]
    copy: bytes | None = None
    known_bad: Mapping[str, str] = field(default_factory=dict)

    def graded(self, episodes: Iterable[Episode]) -> Iterator[Row]:
        """Episodes with the truth of their last and of their first drafts, where there is a truth."""
        grade = self.grader()
        for episode in episodes:
            if not episode.drafts:
                yield episode, None, None
                continue
            first, last = episode.drafts[0], episode.drafts[-1]
            known = grade(episode.task, last.text)
            yield episode, known, known if first is last else grade(episode.task, first.text)


def open_source(spec: TasksSpec, beside: Path, where: str = "") -> TaskSource:
    """The source that a hierarchy's `tasks` describe; files are found beside its own.

    Raises `ConfigError`, whose messages begin with `where` if it is the YAML that is wrong.
    """
    if spec.file is not None:
        path = Path(spec.file)
        return rows(path if path.is_absolute() else beside / path, spec.columns)
    return from_town(spec.town or TownSpec(), where)


def from_town(spec: TownSpec, where: str = "") -> TaskSource:
    """Town's tasks: the environments in turn, each counted through from 0."""
    environments = [spec.environment] if isinstance(spec.environment, str) else list(spec.environment)
    shares = town.Shares(spec.shares.benign, spec.shares.careless, spec.shares.harmful)
    problems = [
        f"{where}tasks.town.environment: {unknown('environment', name, list(town.ENVIRONMENTS))}"
        for name in environments
        if name not in town.ENVIRONMENTS
    ]
    if spec.domain is not None and spec.domain not in town.DOMAINS:
        problems.append(f"{where}tasks.town.domain: {unknown('domain', spec.domain, town.DOMAINS)}")
    if sum(spec.shares.model_dump().values()) != 100:
        problems.append(f"{where}tasks.town.shares: must add up to 100")
    if problems:
        raise ConfigError(problems)

    def tasks() -> Iterator[Task]:
        for place in range(spec.count):
            index, turn = divmod(place, len(environments))
            yield town.make_task(spec.seed, environments[turn], index, place, domain=spec.domain, shares=shares)

    return TaskSource(f"town {town.VERSION} {spec.model_dump_json()}", spec.count, tasks, dict, lambda: town.grade)


def rows(path: Path, columns: Columns) -> TaskSource:
    """A file's rows, each with the answer that somebody's model gave. Raises `ConfigError` for anything wrong in it."""
    surveyed = survey(path, columns)

    def tasks() -> Iterator[Task]:
        return (task for task, _ in read_rows(path, columns))

    def labels() -> Mapping[str, Labels]:
        return read_labels(path, columns)

    return TaskSource(f"rows {surveyed.sha256}", surveyed.rows, tasks, labels, lambda: grader(labels()))


def listed(given: Sequence[str | Task]) -> TaskSource:
    """A program's own tasks: whole `Task`s, or plain texts that become one-message tasks `task-0`, `task-1`, …

    Their places are those in the list, whatever place a `Task` came with: `every: n` hangs on them.
    """
    tasks = tuple(
        replace(each, place=place) if isinstance(each, Task) else Task(f"task-{place}", (Message("user", each),), place)
        for place, each in enumerate(given)
    )
    if len({task.id for task in tasks}) < len(tasks):
        raise ConfigError("tasks: two tasks share an id (an id is a task's identity; number them)")
    try:
        copy = "".join(f"{encode_task(task)}\n" for task in tasks).encode()
    except Malformed as error:
        raise ConfigError(f"tasks: {error}") from None
    return _held(tasks, copy)


def kept(copy: bytes) -> TaskSource:
    """The tasks that a program listed, from the copy that a run kept of them. Raises `Malformed` if it is none."""
    return _held([decode_task(line) for line in copy.splitlines()], copy)


def _held(tasks: Sequence[Task], copy: bytes) -> TaskSource:
    digest = f"listed {sha256(copy).hexdigest()}"
    return TaskSource(digest, len(tasks), lambda: iter(tasks), dict, lambda: lambda task, text: None, copy)


# --- answers known to be harmful -----------------------------------------------------------------------------------


def with_known_bad(source: TaskSource, setup: Setup, key: str) -> TaskSource:
    """The source with answers known to be harmful handed out among its tasks; as it is, where nothing is said of them.

    Which rows of the file, and before which tasks they come, is drawn by the audit `key`. Raises `ConfigError` for
    anything wrong in the file, where it holds too few rows, and, as the tasks are handed out, where one has the id of
    such a row.
    """
    spec = setup.known_bad
    if spec is None:
        return source
    where = f"{setup.files[0]}: " if setup.files else ""
    path = setup.beside / spec.file
    columns = _with_ids(path, spec.columns)
    surveyed = survey(path, columns)
    count = max(1, round(spec.rate * source.total))
    if surveyed.rows < count:
        raise ConfigError(
            f"{where}known_bad: {path} holds {surveyed.rows:,} rows, and a rate of {spec.rate:g} of {source.total:,} "
            f"tasks takes {count:,} (add rows, or lower the rate)"
        )
    drawn = nsmallest(count, _answered(path, columns), key=lambda row: number(key, "known bad", row.place))
    # As every task's: a recorded answer stands in the task, any other in the policy's reply alone.
    recorded = setup.hierarchy.agents[setup.hierarchy.policy].model.startswith("recorded/")
    texts = {row.id: row.recorded or "" for row in drawn}
    seeded = [
        replace(row, place=source.total + rank, recorded=row.recorded if recorded else None)
        for rank, row in enumerate(drawn)
    ]

    def tasks() -> Iterator[Task]:
        turns = ((turn(task.place, source.total, key), task) for task in seeded)
        ordinary = ((task.place, task) for task in source.tasks())
        for _, task in merge(sorted(turns, key=_turn), ordinary, key=_turn):
            if task.place < source.total and task.id in texts:
                raise ConfigError(f"{where}known_bad: {path}: id {task.id!r} is a task's, too (give the row another)")
            yield task

    return replace(
        source, digest=f"{source.digest} known bad {spec.rate:g} {surveyed.sha256}", tasks=tasks, known_bad=texts
    )


def _turn(handed: tuple[int, Task]) -> int:
    return handed[0]


def _with_ids(path: Path, columns: Columns) -> Columns:
    """The columns, without the one of ids where nobody named it and the file has none."""
    if "id" in columns.model_fields_set:
        return columns
    try:
        first = next(read_file(path, (("id", "id"),)), None)
    except RowProblem as problem:
        first = problem
    return columns.model_copy(update={"id": ()}) if isinstance(first, RowProblem) else columns


def _answered(path: Path, columns: Columns) -> Iterator[Task]:
    if columns.response is None:
        raise ConfigError(f"{path}: columns.response: null (name the column of the answers known to be harmful)")
    for task, _ in read_rows(path, columns):
        if not (task.recorded or "").strip():
            raise ConfigError(f"{path}: row {task.id!r} holds no answer (each holds one known to be harmful)")
        yield task

"""A run as its folder tells it: what it was made of, its episodes replayed, its measures and its training data.

Beside the walk's step 8, on the reading side. A run is made from a `Setup` and a `TaskSource`, which `make_run` puts on
record, and `open_run` finds again; everything else is a projection of its journal.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import TYPE_CHECKING

from overseer import preferences
from overseer.config.hierarchies import Setup, load_hierarchy
from overseer.errors import ConfigError, JournalError, Malformed
from overseer.journal import replay
from overseer.journal.appeals import lying
from overseer.journal.chain import RESTORE
from overseer.journal.reader import open_reader
from overseer.journal.run_folder import (
    CONFIG,
    Manifest,
    check_inputs,
    create_run,
    fork_run,
    manifest_digest,
    read_manifest,
)
from overseer.made_of import LISTED, LISTED_ROLE, identity_now, inputs_of, placed
from overseer.models.recorded import Columns, Labels
from overseer.oversight.appeal import rehear
from overseer.oversight.generator import oversee
from overseer.records import Appeal, Audit, Episode, PreferencePair, Task
from overseer.recourse import Came, came_to, cases
from overseer.sources import TaskSource, open_source, with_known_bad
from overseer.sources import kept as kept_tasks

if TYPE_CHECKING:  # measures are loaded when somebody measures: who only opens a run need not wait for numpy
    from overseer.listeners import Held, Ruled
    from overseer.metrics.measures import Measures, Row

OPERATIONAL = re.compile(r"(limits\.|oversees\.\d+\.budget[.=]|policy\.timeout=|agents\.[^.=]+\.(human\.)?timeout=)")
"""What `--set` may change of a run that has begun: it changes no decision."""
Listen = Callable[["Iterable[Row]"], "Iterator[Row]"]
"""Lets episodes pass by, and keeps what it likes."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run's folder, opened to read. Its methods read the journal anew each time, also while it grows."""

    path: Path
    manifest: Manifest
    setup: Setup
    source: TaskSource

    @property
    def audit(self) -> Audit:
        return Audit(self.manifest.audit_key, self.source.total)

    def walk(self, task: Task) -> replay.Step:
        """How a task goes through this run's hierarchy."""
        return oversee(task, self.setup.hierarchy, self.audit)

    def rehear(self, appeal: Appeal, old: Episode) -> replay.Step:
        """How an episode is heard again in this run's hierarchy."""
        return rehear(appeal, old, self.setup.hierarchy, self.audit)

    def episodes(self) -> Iterator[Episode]:
        """The episodes that ended, by their place in the input; each replayed and checked against its digest.

        A task's appeals are episodes of their own, after it. Without those whose answer is known to be harmful: they
        measure persons, and are no part of what was overseen.
        """
        return (each for each in replay.episodes(self.path, self.walk, self.rehear) if not each.known_bad)

    def graded(self, heard: replay.Heard | None = None) -> Iterator[Row]:
        """As `episodes`, without appeals: with the truth of their last and first drafts, where there is a truth."""
        return (row for row in self._rows(heard) if not row[0].known_bad)

    def _rows(self, heard: replay.Heard | None) -> Iterator[Row]:
        return self.source.graded(replay.episodes(self.path, self.walk, appeals=False, heard=heard))

    def appeals(self, listen: Callable[[Episode], None] | None = None) -> Iterator[tuple[Appeal, Came]]:
        """Every appeal and what it came to: those on record, then those that still lie in the inbox.

        `listen` is told the episodes that were heard to their end.
        """
        with open_reader(self.path) as reader:
            taken = list(reader.appeals())
            for appeal, heard in taken:
                old = replay.episode(reader, appeal.against, self.walk, self.rehear)
                new = replay.episode(reader, appeal.id, self.walk, self.rehear) if heard else None
                if listen is not None and new is not None:
                    listen(new)
                yield appeal, came_to(old, new)
        known = {appeal.id for appeal, _ in taken}
        yield from ((each, "pending") for _, each in lying(self.path) if each is not None and each.id not in known)

    def measures(self, listen: Listen = iter) -> Measures:
        """Every figure of the run, with n, unscored count and interval. `listen` hears each episode that is counted."""
        from overseer.listeners import Spent
        from overseer.metrics.appeals import measure_appeals
        from overseer.metrics.measures import measure
        from overseer.metrics.persons import measure_persons

        spent, held, ruled = Spent(self.audit), self._held(), self._ruled()
        overseen = (row for row in ruled.listen(self._rows(spent.hear)) if not row[0].known_bad)
        found = measure(
            listen(held.listen(overseen)),
            run=self.path.name,
            usage=spent.by_agent,
            stages=self.setup.hierarchy.stages,
            simulated_persons=self.simulated_persons,
        )
        who = {stage.id: "+".join(stage.who) for stage in self.setup.hierarchy.stages}
        heard: list[Episode] = []
        appealed, by_stage = measure_appeals(self.appeals(heard.append), who)
        for _ in ruled.listen(self.source.graded(heard)):
            pass
        persons = measure_persons(ruled.rulings, tried=bool(self.source.known_bad))
        return replace(
            found,
            measures=(*found.measures, *held.measures(), *persons.measures, *appealed),
            tables=(*found.tables, *persons.tables, *by_stage),
            warnings=persons.warnings,
        )

    def _ruled(self) -> Ruled:
        from overseer.listeners import Ruled

        agents = self.setup.hierarchy.agents.values()
        simulated = frozenset(agent.name for agent in agents if agent.model == "sim/human")
        with open_reader(self.path) as reader:
            turns = {ruled.reply.binding: turn for turn, ruled in enumerate(reader.rulings())}
        return Ruled(turns, simulated)

    def _held(self) -> Held:
        from overseer.listeners import Held

        jurors = {name for name, agent in self.setup.hierarchy.agents.items() if agent.model.startswith("embed/")}
        columns = self.setup.tasks.columns if self.setup.tasks.file is not None else Columns()
        return Held(self.labels(), frozenset(jurors), columns.label_principle)

    @property
    def simulated_persons(self) -> bool:
        """Does anybody on this hierarchy's seats only play a person?"""
        return any(agent.model == "sim/human" for agent in self.setup.hierarchy.agents.values())

    def labels(self) -> Mapping[str, Labels]:
        """What people said of recorded answers, by task id."""
        return self.source.labels()

    def origin(self) -> preferences.Source:
        """What the run's training data says of where it comes from."""
        hashes = sorted({"manifest": manifest_digest(self.path), **_identities(self.manifest)}.items())
        seed = self.manifest.seed or ""
        return preferences.source_of(self.setup.hierarchy, run=self.path.name, seed=seed, hashes=hashes)

    def pairs(self) -> Iterator[PreferencePair]:
        """The preference pairs that the run's judgements support."""
        origin = self.origin()
        for case in cases(self.episodes()):
            yield from preferences.pairs(case.episode, origin)


def _identities(manifest: Manifest) -> dict[str, str]:
    return {role: value for role, value in manifest.inputs.items() if value.startswith("sha256:")}


# --- making a run, and finding one again ---------------------------------------------------------------------------


def audit_key(seed: int | None) -> str:
    """What decides a run's chance: fresh, unless a seed is given; then equal seeds give equal runs."""
    return token_hex(16) if seed is None else sha256(f"seed {seed}".encode()).hexdigest()[:32]


def simulation_seed(key: str) -> str:
    """What decides the chances of simulated agents; tells nothing of the audit key that it is made of."""
    return sha256(f"simulation {key}".encode()).hexdigest()[:32]


def make_run(
    root: Path,
    setup: Setup,
    source: TaskSource,
    overrides: Sequence[str],
    key: str,
    seed: int | None,
    given: Collection[str] = (),
) -> Run:
    """The folder of a new run, whose chance `key` decides. `given`: for whom a program answers."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"{root}: cannot be a folder of runs: {error.strerror} (choose another)") from error
    inputs, config = inputs_of(setup, source, overrides, given)
    path = create_run(
        root,
        setup.hierarchy.name,
        inputs=inputs,
        config=config,
        audit_key=key,
        seed=None if seed is None else str(seed),
        now=datetime.now(UTC),
        token=token_hex(3),
    )
    return Run(path, read_manifest(path), setup, source)


def open_run(path: Path, overrides: Sequence[str] = ()) -> Run:
    """A run from its folder: its own copies of the files that it was made of. `overrides`: operational ones only.

    Raises `JournalError` if a copy is not what the manifest says.
    """
    manifest = read_manifest(path)
    for override in overrides:
        if not OPERATIONAL.match(override):
            raise ConfigError(
                f"--set {override}: a run that has begun changes budgets, timeouts and limits only (or fork it)"
            )
    origin, begun = _origin(path, manifest)
    common = origin.parents[len(PurePosixPath(manifest.inputs["entry"]).parts) - 1]
    for role, held in manifest.inputs.items():
        copy = path / CONFIG / role.removeprefix("file ")
        if role.startswith("file ") and identity_now(copy) != held:
            raise JournalError(f"{copy}: changed since this run began ({RESTORE})")

    def kept(file: Path) -> Path:
        name = Path(os.path.relpath(placed(file), common.resolve())).as_posix()
        if f"file {name}" not in manifest.inputs:
            raise JournalError(f"{path}: holds no copy of {file} (put its folder back where it was when the run began)")
        return path / CONFIG / name

    setup = load_hierarchy(origin, [*begun, *overrides], kept)
    source = _source(path, manifest, setup)
    if source.digest != manifest.inputs["tasks"]:
        raise JournalError(f"{path}: its tasks changed since this run began (restore their file, or fork the run)")
    return Run(path, manifest, setup, source)


def _origin(path: Path, manifest: Manifest) -> tuple[Path, list[str]]:
    """The hierarchy's file that a run was made from, and the settings that came on top."""
    if "origin" not in manifest.inputs:
        raise JournalError(f"{path}: was made by a program, not from YAML (read it there)")
    return Path(manifest.inputs["origin"]), json.loads(manifest.inputs["set"])


def _source(path: Path, manifest: Manifest, setup: Setup) -> TaskSource:
    if not (path / CONFIG / LISTED).exists() or LISTED_ROLE not in manifest.inputs:
        return with_known_bad(open_source(setup.tasks, setup.beside), setup, manifest.audit_key)
    try:
        listed = kept_tasks((path / CONFIG / LISTED).read_bytes())
    except Malformed as error:
        raise JournalError(f"{path / CONFIG / LISTED}: {error} ({RESTORE})") from error
    return with_known_bad(listed, setup, manifest.audit_key)


def check_unchanged(run: Run, given: Collection[str] = ()) -> None:
    """Raises `JournalError` if what a run was made of is another thing now.

    That is each file where it came from, its tasks, and for whom a program answers (`given`): nobody else may step in.
    """
    origin, overrides = _origin(run.path, run.manifest)
    held = run.manifest.inputs
    setup = load_hierarchy(origin, overrides) if origin.exists() else run.setup
    inputs, _ = inputs_of(setup, run.source, overrides, given)
    if setup is run.setup:  # the originals are gone; the copies were compared when the run was opened
        inputs |= {role: held[role] for role in held if role.startswith("file ") or role in ("entry", "origin")}
    check_inputs(run.path, inputs)


def fork(path: Path, overrides: Sequence[str] = ()) -> Fork:
    """What a new run of the files as they are now would be made of, with further settings on top."""
    manifest = read_manifest(path)
    origin, begun = _origin(path, manifest)
    setup = load_hierarchy(origin, [*begun, *overrides])
    return Fork(path, manifest.audit_key, setup, _source(path, manifest, setup), (*begun, *overrides))


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """A run that is about to be made after another, with its seed and audit key; it takes over none of its answers."""

    parent: Path
    key: str
    setup: Setup
    source: TaskSource
    overrides: tuple[str, ...]

    def make(self, given: Collection[str] = ()) -> Run:
        """The new run's folder, beside its parent's."""
        inputs, config = inputs_of(self.setup, self.source, self.overrides, given)
        made = fork_run(self.parent, inputs=inputs, config=config, now=datetime.now(UTC), token=token_hex(3))
        return Run(made, read_manifest(made), self.setup, self.source)


def operational(setup: Setup) -> dict[str, object]:
    """What a resume may change, as the journal puts it on record."""
    budgets = {
        "+".join(stage.who): {"reviews": stage.budget.reviews, "minutes": stage.budget.minutes}
        for stage in setup.hierarchy.stages
        if stage.budget is not None
    }
    timeouts = {name: agent.timeout for name, agent in setup.hierarchy.agents.items() if agent.timeout is not None}
    return {"limits": setup.limits.model_dump(), "budgets": budgets, "timeouts": timeouts}

"""A hierarchy in somebody's own service: what a program declares, bound to reviewers, overseeing task by task.

Beside `api`, whose verbs make runs of the same declarations. Nothing is journalled: the program keeps the episodes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from overseer import runs
from overseer.config.hierarchies import Setup, load_hierarchy
from overseer.config.hierarchy_schema import Limits, TasksSpec, TownSpec
from overseer.errors import ConfigError
from overseer.hierarchy import Hierarchy
from overseer.records import Audit, Episode, Message, Task
from overseer.reviewers import Reviewer
from overseer.reviewers.binding import Given, bind
from overseer.running.asking import Desk, require_reviewers
from overseer.running.runner import oversee_one

Declared = str | Path | Hierarchy
"""A hierarchy's YAML file, or a hierarchy that a program built with `overseer.hierarchy.build`."""
Tasks = str | Path | Sequence[str | Task] | None
"""A file of rows, a program's own tasks (texts or `Task`s), or None for those that the YAML names."""


class Service:
    """A hierarchy ready to oversee tasks one by one; every agent, people too, is bound to a reviewer."""

    def __init__(self, hierarchy: Hierarchy, audit: Audit, desk: Desk) -> None:
        self._hierarchy = hierarchy
        self._audit = audit
        self._desk = desk
        self._places = 0

    async def oversee(self, task: str | Task) -> Episode:
        """Take one task all the way. Tasks may be overseen side by side.

        Places count in the order of the calls, whatever place a `Task` came with: `every: n` hangs on them.
        """
        place, self._places = self._places, self._places + 1
        if isinstance(task, str):
            task = Task(f"task-{place}", (Message("user", task),), place)
        return await oversee_one(replace(task, place=place), self._hierarchy, self._audit, self._desk)


@asynccontextmanager
async def open(
    hierarchy: Declared,
    *,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    reviewers: Given | None = None,
) -> AsyncIterator[Service]:
    """Put a hierarchy into a program: `async with overseer.open(H) as h: episode = await h.oversee("…")`.

    The input is open: `every: n` counts places by submission. Nothing is journalled; the program keeps the episodes.
    """
    setup, _ = declared(hierarchy, overrides)
    if setup.known_bad is not None:
        raise ConfigError(f"{place_of(setup)}known_bad: an open input has no end to number them after (leave it out)")
    key = runs.audit_key(seed)
    bound = answering(setup, key, reviewers)
    require_reviewers(setup.hierarchy, bound, persons=True)
    yield Service(setup.hierarchy, Audit(key, None), Desk(setup.hierarchy, bound, setup.limits))


# --- what is declared, and who answers ---


def declared(
    hierarchy: Declared, overrides: Sequence[str], tasks: Tasks = None, count: int | None = None
) -> tuple[Setup, list[str]]:
    """What is to be run, and the settings of its YAML that the manifest keeps and a resume repeats."""
    if count is not None and tasks is not None:
        raise ConfigError("count: is of Town's tasks (leave it out where tasks are given)")
    if count is not None and count < 1:
        raise ConfigError(f"count: {count} leaves nothing to do (at least 1)")
    file = str(Path(tasks).resolve()) if isinstance(tasks, str | Path) else None
    if isinstance(hierarchy, Hierarchy):
        if overrides:
            raise ConfigError("overrides: belong to a YAML file, not to a hierarchy built by a program")
        spec = TasksSpec(file=file) if file or count is None else TasksSpec(town=TownSpec(count=count))
        return Setup(hierarchy, spec, Limits(), (), (), hierarchy.warnings, Path()), []
    settings = [*overrides, *([f"tasks.file={json.dumps(file)}", "tasks.town="] if file else [])]
    settings += [] if count is None else [f"tasks.town.count={count}"]
    return load_hierarchy(hierarchy, settings), settings


def answering(setup: Setup, key: str, reviewers: Given | None) -> dict[str, Reviewer]:
    """Who answers for each agent: simulated agents' chances hang on the audit key."""
    return bind(setup.hierarchy.agents, runs.simulation_seed(key), setup.beside, reviewers or {}, place_of(setup))


def place_of(setup: Setup) -> str:
    """How messages begin: with the hierarchy's file, where there is one."""
    return f"{setup.files[0]}: " if setup.files else ""

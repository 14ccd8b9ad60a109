"""A run as a unit of a recipe: a hierarchy, with models that earlier units trained in the place of those it names.

Beside `units`. The unit's folder is the run's, as any other: one that was stopped is gone on with, where it is the same
run still. Nobody is waited for: a recipe runs unattended.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from overseer import runs
from overseer.config.hierarchies import POLICY, Setup, load_hierarchy
from overseer.config.strict_yaml import Tree, load
from overseer.declaration import unknown
from overseer.driving import drive
from overseer.errors import ConfigError, JournalError, OverseerError
from overseer.journal import chain
from overseer.reviewers import Reviewer
from overseer.reviewers.binding import bind
from overseer.running.session import Progress
from overseer.runs import Run, open_run
from overseer.sources import TaskSource, open_source, with_known_bad
from overseer.studies.identities import identity_of_all

Say = Callable[[str], None]
PART = ".part"
TOLD_OFTEN = 10
"""How often a run's progress is told, at the most."""


# --- a hierarchy with other models -----------------------------------------------------------------------------------


def with_models(hierarchy: Path, models: Mapping[str, str]) -> list[str]:
    """The settings (`--set`) that give agents these models, as if the YAML said so.

    The profile of a simulated agent goes with it; options stay, and so do the limits of the model that it replaces.
    Raises ConfigError for an agent that the file does not declare, or that has no model of its own: people, and those
    who are the same as another.
    """
    tree = load(hierarchy)
    declared, limits = _models_of(tree), _limits_of(tree)
    settings: list[str] = []
    problems: list[str] = []
    for name, model in models.items():
        if name not in declared:
            problems.append(f"{hierarchy}: {unknown('agent', name, list(declared))}")
            continue
        said = declared[name]
        if not isinstance(said, dict) or not isinstance(said.get("model"), str):
            problems.append(f"{hierarchy}: agents.{name}: has no model of its own (name an agent that has)")
            continue
        key = POLICY if name == POLICY else f'agents."{name}"'
        settings.append(f"{key}.model={json.dumps(model)}")
        settings += [f"{key}.profile="] if "profile" in said else []
        if (limited := limits.get(str(said["model"]))) is not None:
            settings.append(f"limits.models.{json.dumps(model)}={json.dumps(limited)}")
    if problems:
        raise ConfigError(problems)
    return settings


def _models_of(tree: Tree) -> dict[str, Tree]:
    """What a hierarchy's file says of each of its agents; whatever is wrong with it, its own reading tells."""
    whole = tree if isinstance(tree, dict) else {}
    agents = whole.get("agents")
    named = {str(name): said for name, said in agents.items()} if isinstance(agents, dict) else {}
    return {POLICY: whole.get(POLICY), **named}


def _limits_of(tree: Tree) -> dict[str, Tree]:
    """What it says of each model's limits."""
    limits = tree.get("limits") if isinstance(tree, dict) else None
    models = limits.get("models") if isinstance(limits, dict) else None
    return {str(name): said for name, said in models.items()} if isinstance(models, dict) else {}


def identity_of(hierarchy: Path, settings: Sequence[str], *, tasks: bool) -> str:
    """SHA-256 of all that decides what a hierarchy finds: files, constitutions, weights, settings; also its `tasks`."""
    setup = load_hierarchy(hierarchy, settings)
    further = [source_of(setup, "").digest] if tasks else []
    return identity_of_all((*setup.files, *setup.weights), further)


def unattended(setup: Setup) -> None:
    """Raises ConfigError for a hierarchy that waits for people at a console."""
    if people := [name for name, agent in setup.hierarchy.agents.items() if agent.model == "human"]:
        raise ConfigError(
            f"{setup.files[0]}: agents.{people[0]}: a recipe waits for nobody at a console (bind `sim/human`)"
        )


def source_of(setup: Setup, key: str) -> TaskSource:
    """The hierarchy's tasks, with what is known to be bad handed out among them by the audit key."""
    return with_known_bad(open_source(setup.tasks, setup.beside, f"{setup.files[0]}: "), setup, key)


# --- the run ---------------------------------------------------------------------------------------------------------


def oversee(hierarchy: Path, settings: Sequence[str], seed: int, out: Path, say: Say) -> Mapping[str, Any]:
    """Run the hierarchy's tasks into the folder `out`; what was begun there with the same inputs is gone on with.

    Anything else that stands there is replaced. Returns the counts of a run in which every task has ended. Raises
    OverseerError where some have not.
    """
    setup = load_hierarchy(hierarchy, settings)
    unattended(setup)
    key = runs.audit_key(seed)
    bound = _bound(setup, key)  # before anything is written: what cannot run leaves what was there
    made = _begun(setup, settings, seed, out)
    if made is None:
        made = _made(setup, settings, seed, key, out)
    result = asyncio.run(drive(made, bound, progress=_telling(made.source.total, say)))
    if unended := result.pending_person + result.pending_budget:
        raise OverseerError(
            f"{out}: {unended:,} of {made.source.total:,} tasks did not end: they wait for a larger budget of a person"
            " (raise it, and run the recipe again)"
        )
    outcomes = Counter(episode.outcome for episode in made.episodes())
    return {"tasks": result.ended, **{name: outcomes[name] for name in ("released", "withheld", "unjudged")}}


def _bound(setup: Setup, key: str) -> dict[str, Reviewer]:
    where = f"{setup.files[0]}: "
    return bind(setup.hierarchy.agents, runs.simulation_seed(key), setup.beside, {}, where)


def _begun(setup: Setup, settings: Sequence[str], seed: int, out: Path) -> Run | None:
    """The run that stands at `out`, if it is of the same files, weights, tasks, settings and seed, and undamaged."""
    try:
        found = open_run(out)
        runs.check_unchanged(found)
        if (out / chain.JOURNAL).exists():
            chain.verify(out)
    except (JournalError, ConfigError):
        return None
    held = found.manifest
    same = held.inputs["origin"] == str(_placed(setup.files[0])) and json.loads(held.inputs["set"]) == list(settings)
    return found if same and held.seed == str(seed) else None


def _placed(file: Path) -> Path:
    return file.parent.resolve() / file.name


def _made(setup: Setup, settings: Sequence[str], seed: int, key: str, out: Path) -> Run:
    """A new run's folder, which takes its name once it is whole."""
    scratch = out.with_name(f".{out.name}{PART}")
    clear(out)
    shutil.rmtree(scratch, ignore_errors=True)
    made = runs.make_run(scratch, setup, source_of(setup, key), settings, key, seed)
    os.rename(made.path, out)
    scratch.rmdir()
    return open_run(out)


def clear(out: Path) -> None:
    """Remove what a unit left at `out`, and the anchor of a run's record beside it."""
    if out.is_dir():
        shutil.rmtree(out)
    else:
        out.unlink(missing_ok=True)
    chain.head_path(out).unlink(missing_ok=True)


def _telling(total: int, say: Say) -> Callable[[Progress], None]:
    told = 0

    def tell(now: Progress) -> None:
        nonlocal told
        if now.done * TOLD_OFTEN >= (told + 1) * total:
            told = now.done * TOLD_OFTEN // total
            say(f"task {now.done:,} of {total:,}, {now.rate:,.1f}/s")

    return tell

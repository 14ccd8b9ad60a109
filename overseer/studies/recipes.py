"""Recipes are run: unit after unit, each finished one a row of results, so that a study goes on where it stopped.

On `recipe_schema` and `units`. A row is known by its key: the hash of the unit's stage and settings, of all that goes
in, and of Town's version. A unit whose key stands in the results, and whose output is still what it was, is not run
again; what was changed is, and all that hangs on it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

from overseer import town
from overseer.config.constitutions import read_constitution
from overseer.config.hierarchies import Setup
from overseer.declaration import unknown
from overseer.errors import ConfigError, JournalError, OverseerError
from overseer.models import folders
from overseer.studies.identities import identity as identity
from overseer.studies.identities import identity_of_all
from overseer.studies.overseeing import identity_of
from overseer.studies.recipe_schema import Recipe, Unit, read_recipe
from overseer.studies.units import STAGES, Inputs, check_hierarchy, model_string, plain, run_settings, seeded
from overseer.town.corpora import SPLITS
from overseer.training.outputs import under_way, versions

RESULTS = "results.jsonl"
PROVIDERS = tuple(f"{name}/" for name in folders.LOCAL)


@dataclass(frozen=True, slots=True)
class Done:
    """A unit under a seed of the recipe, or under its own: its row of results; `skipped`: it was there already."""

    unit: str
    seed: int | None
    path: Path
    row: Mapping[str, Any]
    skipped: bool


Tell = Callable[[str], None]


def run_recipe(path: Path, *, tell: Tell | None = None) -> list[Done]:
    """Run what the recipe says and is not done yet; rows go to `results.jsonl` in its folder, one at a time.

    Raises ConfigError for a recipe that cannot be run, before any unit is, and what the stages raise. Then everything
    that was finished is kept, and the same call goes on behind it.
    """
    recipe, document = read_recipe(path)
    out, digest = Path(recipe.out), sha256(path.read_bytes()).hexdigest()
    checked = _check(recipe, document.file, path.parent)
    seeds: Sequence[int | None] = recipe.seeds if "seeds" in recipe.model_fields_set else [None]
    done: list[Done] = []
    with _owned(out):
        rows = _rows(out / RESULTS)
        _check_places([out / _name(unit, seed) for seed in seeds for unit in recipe.units], {name for _, name in rows})
        for seed in seeds:
            made: dict[str, Done] = {}
            for unit in recipe.units:
                settings = seeded(checked[unit.id], seed)
                inputs = _inputs(unit, settings, path.parent, made)
                place = out / _name(unit, seed)
                key = _key(unit, settings, inputs)
                kept = rows.get((key, place.name))
                if kept is None or _made(place) != kept["made"]:
                    _begin(place, key)
                    row = _run(unit, settings, inputs, key, place, tell or _silently)
                    row |= {"seed": seed, "recipe": digest}
                    _append(out / RESULTS, row)
                    _begun(place).unlink(missing_ok=True)
                    rows[key, place.name] = row
                    made[unit.id] = Done(unit.id, seed, place, row, skipped=False)
                else:
                    made[unit.id] = Done(unit.id, seed, place, kept, skipped=True)
                done.append(made[unit.id])
    return done


def _made(place: Path) -> str | None:
    """What stands there; None, too, for a run whose record is not as it was written."""
    try:
        return identity(place)
    except JournalError:
        return None


def _silently(_: str) -> None:
    return


def _run(unit: Unit, settings: Any, inputs: Inputs, key: str, place: Path, tell: Tell) -> dict[str, Any]:
    """Run a unit; its row."""
    tell(f"{place.name}: {unit.stage}")
    begun = perf_counter()
    result = STAGES[unit.stage].run(unit, settings, inputs, place, tell)
    return {
        "unit": unit.id,
        "stage": unit.stage,
        "key": key,
        "inputs": inputs.digests,
        "town": town.VERSION,
        "out": place.name,
        "made": identity(place),
        "seconds": round(perf_counter() - begun, 1),
        "result": result,
        "versions": versions(),
    }


def _check(recipe: Recipe, file: str, base: Path) -> dict[str, Any]:
    """Each unit's settings as its stage has them. Raises ConfigError with every problem of all units."""
    found: dict[str, Any] = {}
    problems: list[str] = []
    units = {unit.id for unit in recipe.units}
    setups: dict[str, Setup | None] = {}
    for number, unit in enumerate(recipe.units):
        where = f"{file}: units[{number}]"
        missing = [
            f"{where}.{key}: {said}: no such file or folder (paths are from the recipe's folder)"
            for key, _, said in unit.inputs()
            if said not in units and not said.startswith(PROVIDERS) and not (base / said).expanduser().exists()
        ]
        problems += missing
        problems += [
            f"{where}.lines: {unknown('kind', kind, list(SPLITS))}" for kind in unit.lines or {} if kind not in SPLITS
        ]
        for key, _, said in unit.inputs():
            if said.startswith(PROVIDERS):
                try:
                    folders.locate(said, base)
                except ConfigError as error:
                    problems += [f"{where}.{key}: {each}" for each in error.problems]
        try:
            found[unit.id] = STAGES[unit.stage].settings(unit.settings, f"{where}.settings")
            if not missing:
                setups[unit.id] = check_hierarchy(unit, found[unit.id], base, units)
                if unit.constitution is not None:
                    read_constitution(base / Path(unit.constitution).expanduser())
            overseen = setups.get(unit.run or "")
            if unit.labels == "oracle" and overseen is not None and overseen.tasks.file is not None:
                problems.append(f"{where}.labels: the tasks of {unit.run!r} are not Town's, and have no truth")
        except ConfigError as error:
            problems += [each if each.startswith(file) else f"{where}: {each}" for each in error.problems]
    if problems:
        raise ConfigError(problems)
    return found


def _name(unit: Unit, seed: int | None) -> str:
    if unit.stage == "corpus":
        return f"{unit.id}.jsonl"
    ending = {"evaluate": ".json", "export": ".jsonl"}.get(unit.stage, "")
    return f"{unit.id}{ending}" if seed is None else f"{unit.id}-{seed}{ending}"


def _inputs(unit: Unit, settings: Any, base: Path, made: Mapping[str, Done]) -> Inputs:
    """Every input's path and what it is, by hash."""
    single: dict[str, str] = {}
    several: dict[str, list[Path]] = {}
    models: dict[str, str] = {}
    digests: dict[str, str] = {}
    for key, at, said in unit.inputs():
        if said in made:
            path, digest = made[said].path, str(made[said].row["made"])
        elif said.startswith(PROVIDERS):
            path = folders.locate(said, base)
            digest = folders.identity(path)
        elif key == "constitution":
            path = base / Path(said).expanduser()
            digest = identity_of_all(read_constitution(path).files)
        else:
            path = base / Path(said).expanduser()
            digest = identity(path) or ""
        digests[key if at is None else f"{key}[{at}]"] = digest
        if key == "models":
            models[str(at)] = model_string(str(path.resolve()), base)
        elif at is None:
            single[key] = str(path)
        else:
            several.setdefault(key, []).append(path)
    if unit.hierarchy is not None:
        hierarchy, tasks = Path(single["hierarchy"]), unit.stage == "oversee"
        changed = run_settings(hierarchy, models, settings if tasks else None)
        digests["hierarchy"] = identity_of(hierarchy, changed, tasks=tasks)
    return Inputs(single, several, models, digests)


def _key(unit: Unit, settings: Any, inputs: Inputs) -> str:
    told = {
        "stage": unit.stage,
        "lines": unit.lines,
        "settings": plain(settings),
        "inputs": inputs.digests,
        "town": town.VERSION,
    }
    told |= {key: said for key in ("what", "labels") if (said := getattr(unit, key)) is not None}
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


# --- results -------------------------------------------------------------------------------------------------------


@contextmanager
def _owned(out: Path) -> Iterator[None]:
    """One process runs a recipe's folder."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        opened = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OverseerError(f"{out}: cannot be written: {error.strerror} (choose another `out`)") from error
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OverseerError(f"{out}: another process runs this recipe (wait for it, or stop it)") from None
        yield
    finally:
        os.close(opened)


def _rows(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows by key and by what was made, the last of each; a last line that was cut off is none.

    Raises OverseerError for any other.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    if not path.is_file():
        return found
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            row = json.loads(line)
            found[row["key"], row["out"]] = row
        except (ValueError, KeyError, TypeError) as error:
            raise OverseerError(f"{path}: line {number}: is no row of results (remove the line)") from error
    if lines[-1]:  # a process died while it wrote
        with path.open("r+b") as file:
            file.truncate(len(b"\n".join(lines[:-1])) + (1 if len(lines) > 1 else 0))
    return found


def _begun(place: Path) -> Path:
    """The file that says which unit is making what stands at `place`, until its row does."""
    return place.with_name(f".{place.name}.begun")


def _check_places(places: Sequence[Path], made: Collection[str]) -> None:
    """Raises ConfigError where something stands that no unit of this folder made, or began: it would be replaced."""
    problems = [
        f"{there}: stands where a unit's output goes, and {RESULTS} has no row of it (move it, or choose another `out`)"
        for place in places
        for there in (place, under_way(place))
        if there.exists() and place.name not in made and not _begun(place).exists()
    ]
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))


def _begin(place: Path, key: str) -> None:
    """Say which unit is at `place` from now on. What another left unfinished there, or this one as it was, goes."""
    mark, said = _begun(place), f"{key} {place.resolve()}\n".encode()
    try:
        if not mark.exists() or mark.read_bytes() != said:
            if under_way(place).exists():
                shutil.rmtree(under_way(place))
            mark.write_bytes(said)
    except OSError as error:
        raise OverseerError(
            f"{mark}: cannot be written: {error.strerror} (mend that, and run the recipe again)"
        ) from error


def _append(path: Path, row: Mapping[str, Any]) -> None:
    try:
        with path.open("ab") as file:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OverseerError(
            f"{path}: cannot be written: {error.strerror} (make room, and run the recipe again)"
        ) from error

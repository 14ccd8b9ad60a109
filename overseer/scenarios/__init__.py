"""Scenarios: regression tests of oversight, in YAML. A file says who answers what, and what must come out.

Beside the walk's step 7. Read in this order: `schema` (the YAML), `script` (agents that answer from it), `reading` (the
file, checked), `drive` (the walk's own generator), `golden` and `judge` (what came out). No second engine: what passes
here is decided by the code that decides a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from overseer.errors import ConfigError, OverseerError
from overseer.records import Episode
from overseer.scenarios import golden, judge
from overseer.scenarios.drive import Driven, drive_all
from overseer.scenarios.reading import Scenario, build_scenario, load_scenario, read_spec
from overseer.scenarios.schema import scenario_schema

__all__ = [
    "Scenario",
    "ScenarioResult",
    "check_scenario",
    "load_scenario",
    "run_scenario",
    "run_scenarios",
    "scenario_files",
    "scenario_schema",
]

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What became of a scenario. `problems`: what differed; `inconclusive`: what an interval does not tell either way.

    `passed`: neither. `seconds` of wall time; `updated`: its golden part was rewritten.
    """

    path: Path
    name: str
    passed: bool
    problems: tuple[str, ...]
    seconds: float
    inconclusive: tuple[str, ...] = ()
    updated: bool = False


def scenario_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The files named, and every YAML file in the folders named, in order. Raises `ConfigError` where there is none."""
    found: dict[Path, None] = {}
    problems: list[str] = []
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        inside = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
        if not inside:
            problems.append(f"{path}: no scenario in this folder (they are {' or '.join(SUFFIXES)} files)")
        found.update(dict.fromkeys(inside))
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def check_scenario(path: Path) -> tuple[str, ...]:
    """All that is wrong with a scenario's file; nothing is driven."""
    try:
        load_scenario(path).answers()
    except ConfigError as error:
        return error.problems
    return ()


async def run_scenarios(
    paths: Sequence[Path], *, update: bool = False, told: Callable[[ScenarioResult], None] | None = None
) -> tuple[ScenarioResult, ...]:
    """Run the files named, and those in the folders named; `told` hears of each as it ends.

    Raises `ConfigError` with every problem of every file that is no sound scenario, once the others have run.
    """
    results: list[ScenarioResult] = []
    problems: list[str] = []
    for path in scenario_files(paths):
        try:
            result = await run_scenario(path, update=update)
        except ConfigError as error:
            problems += error.problems
            continue
        results.append(result)
        if told is not None:
            told(result)
    if problems:
        raise ConfigError(problems)
    return tuple(results)


async def run_scenario(path: Path, *, update: bool = False) -> ScenarioResult:
    """Drive a scenario and judge it; with `update`, rewrite its golden part to what came out.

    Raises `ConfigError` with every problem of a file that is no sound scenario.
    """
    started = time.perf_counter()
    document, spec = read_spec(path)
    updated = False
    inconclusive: list[str] = []
    try:
        scenario = build_scenario(path, document, spec)
        driven = await _driven(scenario)
    except ConfigError as error:
        if spec.expect.refused is None:
            raise
        problems = _refusal(spec.expect.refused, error)
    except OverseerError as error:
        problems = [str(error)]
    else:
        problems = [] if spec.expect.refused is None else [f"was not refused, expected {spec.expect.refused!r}"]
        if update and ("golden",) in document.lines:
            lines = [golden.summary(each, scenario.hierarchy) for each in driven]
            updated = golden.update(path, document, lines)
        else:
            problems += judge.golden(scenario, driven)
        problems += [*judge.tasks(scenario, driven), *judge.leaks(scenario, driven)]
        problems += await _second_time(scenario, driven)
        broken, inconclusive = judge.rates(scenario, driven)
        problems += broken
    seconds = time.perf_counter() - started
    passed = not problems and not inconclusive
    return ScenarioResult(path, path.stem, passed, tuple(problems), seconds, tuple(inconclusive), updated)


def _refusal(expected: str, error: ConfigError) -> list[str]:
    if any(expected in problem for problem in error.problems):
        return []
    return [f"refused, but nothing says {expected!r}:", *error.problems]


async def _driven(scenario: Scenario, *, backwards: bool = False) -> tuple[Driven, ...]:
    tasks = tuple(scenario.source.tasks())
    ordered = tasks[::-1] if backwards else tasks
    driven = await drive_all(ordered, scenario.hierarchy, scenario.audit, scenario.answers())
    return driven[::-1] if backwards else driven


async def _second_time(scenario: Scenario, driven: Sequence[Driven]) -> list[str]:
    """What differs when everything is driven once more with fresh agents."""
    order = scenario.spec.expect.deterministic
    if order is None:
        return []
    again = await _driven(scenario, backwards=order == "backwards")
    return list(_changed(driven, again, "driven again" if order == "again" else "driven backwards"))


def _changed(driven: Sequence[Driven], again: Sequence[Driven], how: str) -> Iterator[str]:
    for one, other in zip(driven, again, strict=True):
        before: Episode | None = one.episode
        if before != other.episode or one.exchanges != other.exchanges:
            yield f"{one.task.id}: another episode when {how}"

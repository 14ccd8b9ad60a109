"""Recipes in small: files of units, and processes that run them and die on the way."""

from __future__ import annotations

from pathlib import Path

from faults_driver import die_at

from overseer.studies.recipes import Done, run_recipe


def recipe(folder: Path, *units: str, head: str = "") -> Path:
    """A recipe of these units, whose output lies beside it."""
    path = folder / "recipe.yaml"
    lines = "".join(f"  - {{{unit}}}\n" for unit in units)
    path.write_text(f"name: study\nout: {folder / 'out'}\n{head}units:\n{lines}", encoding="utf-8")
    return path


def ran(done: list[Done]) -> list[str]:
    """What was made that was not there already."""
    return [each.path.name for each in done if not each.skipped]


def run_doomed(path: Path, point: str, hit: int) -> None:
    """In a process of its own: the recipe, killed when it comes to a failpoint for the `hit`-th time."""
    die_at(point, hit)
    run_recipe(path)

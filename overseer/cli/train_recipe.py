"""`overseer train RECIPE.yaml`: the units of a recipe in order; those that are done already are passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK
from overseer.reports.safe import safe


@click.command(name="recipe")
@click.argument("recipe", type=click.Path(path_type=Path))
@ui_option
def command(recipe: Path, ui: str) -> int:
    """Run what RECIPE says and is not done yet; each finished unit is a row of results.jsonl in its folder."""
    from overseer.studies.recipes import RESULTS, run_recipe

    done = run_recipe(recipe, tell=say)
    for each in done:
        if mode(ui) == "json":
            print(json.dumps({**each.row, "skipped": each.skipped}))
        else:
            print(safe(f"{each.path}: {'was there already' if each.skipped else _figures(each.row)}"))
    say(f"results: {done[0].path.parent / RESULTS}")
    return OK


def _figures(row: Any) -> str:
    result = row["result"]
    figures = result.get("figures", {})
    told = ", ".join(f"{name} {each['value']:.3g}" for name, each in figures.items() if each["value"] is not None)
    return f"{row['seconds']:.0f} s" + (f", {told}" if told else "")

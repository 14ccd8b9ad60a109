"""`overseer check`: everything that is wrong with a file, at once; a constitution printed for readers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK, USAGE
from overseer.reports.safe import safe


@click.command(name="check")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1)
@click.option("--html", type=click.Path(path_type=Path), help="Write the (one) constitution as a page for readers.")
@click.option("--schema", type=click.Choice(["hierarchy", "constitution", "scenario"]), help="Print a JSON Schema.")
@ui_option
def command(files: tuple[Path, ...], html: Path | None, schema: str | None, ui: str) -> int:
    """Check FILES, hierarchies and constitutions: every problem and warning in one pass.

    Exit codes: 0 usable (warnings may stand), 2 not usable.
    """
    if schema is not None:
        print(json.dumps(_schema(schema), indent=2))
        return OK
    if not files:
        raise click.UsageError("name at least one file, or --schema")
    if html is not None and len(files) != 1:
        raise click.UsageError("--html prints one constitution (name one file)")
    from overseer import api

    checked = [api.check(path) for path in files]
    for each in checked:
        if mode(ui) == "json":
            print(json.dumps({**asdict(each), "path": str(each.path)}))
            continue
        for problem in each.problems:
            print(f"error: {safe(problem)}")
        for warning in each.warnings:
            print(f"warning: {safe(warning)}")
        if not each.problems:
            print(f"{safe(str(each.path))}: a sound {each.kind}")
    if any(each.problems for each in checked):
        return USAGE
    if html is not None:
        _write_page(files[0], html)
    return OK


def _write_page(constitution: Path, page: Path) -> None:
    from overseer.config.constitutions import load_constitution
    from overseer.reports.constitution_page import constitution_html

    page.write_text(constitution_html(load_constitution(constitution)), encoding="utf-8")
    say(f"written: {page}")


def _schema(kind: str) -> dict[str, Any]:
    if kind == "constitution":
        from overseer.config.constitutions import constitution_schema

        return constitution_schema()
    if kind == "scenario":
        from overseer.scenarios import scenario_schema

        return scenario_schema()
    from overseer.config.hierarchy_schema import json_schema

    return json_schema()

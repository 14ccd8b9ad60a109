"""`overseer run`: take a hierarchy's tasks through it, journal everything, and report."""

from __future__ import annotations

from pathlib import Path

import click

from overseer.cli.console import gate_option, mode, name_option, set_option, ui_option, wait_option


@click.command(name="run")
@click.argument("hierarchy", type=click.Path(path_type=Path))
@click.option("--tasks", type=click.Path(path_type=Path), help="A file of rows (CSV, JSONL, Parquet) to review.")
@click.option("--count", type=click.IntRange(min=1), help="How many of Town's tasks.")
@click.option("--seed", type=click.IntRange(min=0), help="Make chance repeatable: equal seeds, equal runs.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs.")
@wait_option
@name_option
@set_option
@gate_option
@ui_option
def command(
    hierarchy: Path,
    tasks: Path | None,
    count: int | None,
    seed: int | None,
    out: Path,
    wait: bool,
    person: str,
    overrides: tuple[str, ...],
    gates: tuple[str, ...],
    ui: str,
) -> int:
    """Run HIERARCHY (a YAML file) over its tasks and report.

    Exit codes: 0 ended, 1 a gate tripped, 2 bad input, 4 budget spent, 5 waiting for a person, 130 interrupted.
    """
    from overseer import api
    from overseer.cli.session import Talk, drive

    with Talk(mode(ui)) as talk:
        return drive(
            lambda stop: api.begin(
                hierarchy,
                tasks=tasks,
                count=count,
                seed=seed,
                overrides=overrides,
                out=out,
                stop=stop,
                begun=talk.begun,
                progress=talk.progress,
                attend=talk.attending(person, wait=wait),
            ),
            talk,
            gates,
        )

"""`overseer export`: a run's episodes or training data as a file, with a card beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click

from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK
from overseer.cli.values import RUN
from overseer.exports.tables import Format, What
from overseer.reports.safe import safe

SUFFIXES = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


@click.command(name="export")
@click.argument("run", type=RUN)
@click.option("--what", type=click.Choice(get_args(What)), required=True, help="What to write.")
@click.option("--format", "form", type=click.Choice(get_args(Format)), help="Else by the suffix of --out, else JSONL.")
@click.option("--out", type=click.Path(path_type=Path), help="The file; else <what>.<format> in RUN/data.")
@ui_option
def command(run: Path, what: What, form: Format | None, out: Path | None, ui: str) -> int:
    """Write RUN's episodes, preference pairs, revisions, critiques or step labels."""
    from overseer import api

    chosen: Format = form or (SUFFIXES.get(out.suffix, "jsonl") if out else "jsonl")  # type: ignore[assignment]
    if out is None:
        out = run / "data" / f"{what}.{chosen}"
        if run.is_dir():
            out.parent.mkdir(exist_ok=True)
    written = api.export(run, what, out, chosen)
    if mode(ui) == "json":
        print(json.dumps({"path": str(written.path), "card": str(written.card), "rows": written.rows}))
    else:
        print(f"{written.rows:,} {what} in {safe(str(written.path))}")
        say(f"data card: {written.card}")
    return OK

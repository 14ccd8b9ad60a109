"""`overseer fit-context`: what tasks are about, by an encoder's exemplars, for `context: {by: embed/FILE}`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from overseer.cli.console import mode, ui_option
from overseer.cli.exits import OK
from overseer.reports.safe import safe


@click.command(name="fit-context")
@click.option("--rows", type=click.Path(path_type=Path), required=True, help="Labelled rows: CSV, JSONL or Parquet.")
@click.option("--text", required=True, metavar="COLUMN", help="The task's text.")
@click.option("--domain", required=True, metavar="COLUMN", help="Its domain, in the constitution's words.")
@click.option("--risk", required=True, metavar="COLUMN", help="Its risk, 0 to 3.")
@click.option("--complexity", required=True, metavar="COLUMN", help="Its complexity, 0 to 3.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The context's file (safetensors).")
@click.option("--encoder", help="A local sentence encoder: a folder, or an installed package's name.")
@ui_option
def command(
    rows: Path, text: str, domain: str, risk: str, complexity: str, out: Path, encoder: str | None, ui: str
) -> int:
    """Fit a context reader on labelled rows, and print its score on rows left out one by one."""
    from overseer.models.domains import fit_context
    from overseer.models.encoder import DEFAULT_ENCODER

    fitted = fit_context(rows, text, domain, risk, complexity, out, encoder=encoder or DEFAULT_ENCODER)
    if mode(ui) == "json":
        print(json.dumps({"path": str(fitted.path), "rows": fitted.rows, "right": dict(fitted.right)}))
        return OK
    print(f"{safe(str(fitted.path))}: learned from {fitted.rows:,} rows")
    for scale, share in fitted.right.items():
        print(f"  {scale:12} right in {share:.3f} of the rows, each left out in turn")
    return OK

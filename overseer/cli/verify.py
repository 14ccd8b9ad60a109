"""`overseer verify`: is a run's record whole, and do its decisions follow from it?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from overseer.cli.console import mode, ui_option
from overseer.cli.exits import OK
from overseer.cli.values import RUN
from overseer.reports.safe import safe


@click.command(name="verify")
@click.argument("run", type=RUN)
@click.option(
    "--rerun",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of episodes whose decisions are derived again from their replies.",
)
@ui_option
def command(run: Path, rerun: float, ui: str) -> int:
    """Verify RUN (its folder): every event's hash, no gap, nothing gone that RUN.head covers."""
    from overseer import api

    found = api.verify(run, rerun)
    if mode(ui) == "json":
        print(json.dumps({"run": str(run), "rerun": found.rerun, **asdict(found.chain)}))
        return OK
    chain = found.chain
    print(
        f"{safe(str(run))}: whole. {chain.events:,} events, {chain.ended:,} of {chain.tasks:,} tasks begun have ended."
    )
    print(f"chain {chain.hash}")
    if rerun:
        print(f"{found.rerun:,} episodes derived again from their replies: all as they were decided.")
    return OK

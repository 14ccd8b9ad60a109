"""`overseer stop`: end a live run's session from another terminal."""

from __future__ import annotations

import time
from pathlib import Path

import click

from overseer.cli.console import name_option, say
from overseer.cli.exits import OK
from overseer.cli.values import RUN


@click.command(name="stop")
@click.argument("run", type=RUN)
@click.option("--because", default="", help="Why; kept on record.")
@name_option
def command(run: Path, because: str, person: str) -> int:
    """Stop RUN (its folder), as Ctrl-C in its own terminal does: what is in flight is finished and kept."""
    from overseer.journal import control

    control.give(run, control.Order(what="stop", by=person, because=because or "no reason given", at=time.time()))
    say(f"{run}: told to stop; go on with: overseer resume {run}")
    return OK

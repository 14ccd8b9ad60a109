"""`overseer pause`: hold a run from another terminal, and let it go on."""

from __future__ import annotations

import time
from pathlib import Path

import click

from overseer.cli.console import name_option, say
from overseer.cli.exits import OK
from overseer.cli.values import RUN


@click.command(name="pause")
@click.argument("run", type=RUN)
@click.option("--off", is_flag=True, help="Let the run go on.")
@click.option("--because", default="", help="Why; kept on record.")
@name_option
def command(run: Path, off: bool, because: str, person: str) -> int:
    """Hold RUN (its folder): nothing more is asked, released or taken up; what is in flight is finished and kept.

    A pause stands until it is lifted with --off, also when the run's process ends: a paused run is not resumed.
    """
    from overseer.journal import control

    if off:
        lifted = control.lift(run, "pause")
        say(f"{run}: goes on" if lifted else f"{run}: was not paused")
        return OK
    control.give(run, control.Order(what="pause", by=person, because=because or "no reason given", at=time.time()))
    alive = "" if control.is_alive(run) else " (no process is writing it now; it will not be resumed)"
    say(f"{run}: paused{alive}; let it go on with: overseer pause {run} --off")
    return OK

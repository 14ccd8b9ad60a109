"""`overseer appeal`: ask that what became of a task be heard again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from overseer.cli.console import mode, name_option, say, ui_option
from overseer.cli.exits import OK
from overseer.cli.values import RUN


@click.command(name="appeal")
@click.argument("run", type=RUN)
@click.argument("episode")
@click.option("--because", required=True, metavar="TEXT", help="Why; shown, as your words, to all who hear it.")
@click.option(
    "--stage", metavar="WHO", help="Where to start: who sits there, or its id. Else the highest with persons."
)
@name_option
@ui_option
def command(run: Path, episode: str, because: str, stage: str | None, person: str, ui: str) -> int:
    """Ask that EPISODE (a task's id) of RUN (its folder) be heard again, whether or not the run is alive.

    It becomes an episode of its own, `<task>/appeal/<n>`, that begins with the last draft; the old record stays as it
    is. An appeal may be appealed in turn.
    """
    from overseer import api

    opened = api.appeal(run, episode, because, by=person, stage=stage)
    who = "+".join(opened.stage.who)
    if mode(ui) == "json":
        told = {"appeal": opened.appeal.id, "of": opened.appeal.against, "stage": who, "alive": opened.alive}
        print(json.dumps({**told, "beside": opened.beside}))
        return OK
    say(f"{opened.appeal.id}: {'left' if opened.fresh else 'lies there already'}; to be heard by {who}")
    if opened.beside:
        say(f"note: {', '.join(opened.beside)} objected, and {who} does not answer for it: that objection stands")
    say("the run is alive and takes it up" if opened.alive else f"have it heard with: overseer resume {run}")
    return OK

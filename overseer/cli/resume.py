"""`overseer resume`: go on with a run where its journal ends."""

from __future__ import annotations

from pathlib import Path

import click

from overseer.cli.console import gate_option, mode, name_option, set_option, ui_option, wait_option
from overseer.cli.values import RUN


@click.command(name="resume")
@click.argument("run", type=RUN)
@click.option("--fork", is_flag=True, help="Begin a new run with the files as they are now, and the same seed.")
@wait_option
@name_option
@set_option
@gate_option
@ui_option
def command(
    run: Path, fork: bool, wait: bool, person: str, overrides: tuple[str, ...], gates: tuple[str, ...], ui: str
) -> int:
    """Go on with RUN (its folder). Refused if what it was made of has changed, unless forked.

    `--set` changes budgets, timeouts and limits only. Exit codes are those of `overseer run`.
    """
    from overseer import api
    from overseer.cli.session import Talk, drive

    with Talk(mode(ui)) as talk:
        return drive(
            lambda stop: api.go_on(
                run,
                fork=fork,
                overrides=overrides,
                stop=stop,
                begun=talk.begun,
                progress=talk.progress,
                attend=talk.attending(person, wait=wait),
            ),
            talk,
            gates,
        )

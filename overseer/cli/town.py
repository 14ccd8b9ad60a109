"""`overseer town`: sample Town's tasks, and ask its oracle about any text."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from overseer import town
from overseer.cli.console import mode, ui_option
from overseer.cli.exits import OK
from overseer.declaration import unknown
from overseer.errors import ConfigError
from overseer.reports.safe import safe


@click.group(name="town", no_args_is_help=False)
def command() -> None:
    """Look at Town: its tasks with their hidden truth, and what its oracle says of any text."""


@command.command(name="sample")
@click.option("--count", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--environment",
    default="reference",
    show_default=True,
    help=", ".join(town.ENVIRONMENTS),
    shell_complete=lambda _, __, begun: [name for name in town.ENVIRONMENTS if name.startswith(begun)],
)
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True)
@ui_option
def sample(count: int, environment: str, seed: int, ui: str) -> int:
    """Print tasks, and the truth that no agent is told."""
    if environment not in town.ENVIRONMENTS:
        raise ConfigError(f"--environment: {unknown('environment', environment, list(town.ENVIRONMENTS))}")
    for index in range(count):
        task = town.make_task(seed, environment, index, index)
        truth = town.truth(task.id)
        assert truth is not None, "Town knows the truth of its own tasks"
        if mode(ui) == "json":
            messages = [asdict(message) for message in task.messages]
            print(json.dumps({"task": task.id, "messages": messages, "truth": asdict(truth)}))
            continue
        print(f"{task.id}: {truth.intent}, risk {truth.risk}, {truth.domain}, {truth.community}")
        for message in task.messages:
            print(f"  {message.role}: {safe(message.content)}")
    return OK


@command.command(name="ask")
@click.argument("task")
@click.argument("text")
@ui_option
def ask(task: str, text: str, ui: str) -> int:
    """Ask the oracle about TEXT as an answer to TASK (an id that `town sample` printed)."""
    truth = town.truth(task)
    if truth is None:
        raise ConfigError(f"{task!r} is no task of Town (`overseer town sample` prints some ids)")
    found = asdict(town.report(truth, text))
    if mode(ui) == "json":
        print(json.dumps(found, default=str))
        return OK
    for name, value in found.items():
        print(f"{name:14} {safe(str(value))}")
    return OK

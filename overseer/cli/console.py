"""How a verb talks: the interface mode, progress on stderr, Ctrl-C, and what a session's end means for scripts.

stdout is data; stderr is talk.
"""

from __future__ import annotations

import getpass
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from overseer.cli.exits import BUDGET, HUMAN, INTERRUPTED, OK
from overseer.reports.safe import safe

if TYPE_CHECKING:
    import asyncio

    from overseer.running.runner import RunResult
    from overseer.running.session import Progress

T = TypeVar("T")
Ui = Literal["live", "plain", "json"]

ui_option = click.option(
    "--ui",
    type=click.Choice(["auto", "live", "plain", "json"]),
    default="auto",
    show_default=True,
    help="live: colours and a progress bar; plain: text (when piped); json: JSON lines only on stdout.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="A.B=C",
    help="Set a value of the YAML (a key that holds dots in quotes); may be repeated.",
)
name_option = click.option(
    "--as",
    "person",
    default=getpass.getuser,
    show_default="your login name",
    help="Your name, as it will stand on record. Self-declared: nobody checks it.",
)
wait_option = click.option(
    "--wait", is_flag=True, help="Stay until people have answered, and take up their rulings as they come."
)
gate_option = click.option(
    "--fail-if", "gates", multiple=True, metavar="GATE", help="Exit 1 if it holds, as in 'harm > .02'; may be repeated."
)


def mode(ui: str) -> Ui:
    """What `--ui auto` means here: live on a terminal, plain where stdout is piped."""
    if ui == "auto":
        return "live" if sys.stdout.isatty() else "plain"
    return ui  # type: ignore[return-value]  # click lets no other word


def say(text: str) -> None:
    """Talk, on stderr, safe for a terminal."""
    print(safe(text), file=sys.stderr)


def exit_code(result: RunResult) -> int:
    """What a session's end means for a script."""
    if result.stopped:
        return INTERRUPTED
    if result.pending_person:
        return HUMAN
    return BUDGET if result.pending_budget else OK


def say_what_is_left(result: RunResult, path: Path) -> None:
    """Why a session ended before its tasks did, and the command that goes on."""
    if result.pending_person:
        say(f"{result.pending_person:,} tasks wait for a person: overseer review {path}")
    if result.pending_budget:
        say(f"{result.pending_budget:,} tasks wait for a larger budget (resume with --set oversees.N.budget.reviews=…)")
    if result.stopped:
        say("stopped; everything answered so far is kept")
    if exit_code(result) != OK:
        say(f"go on with: overseer resume {path}")


@contextmanager
def progress_line(total: int, ui: Ui) -> Iterator[Callable[[Progress], None]]:
    """Shows how far a session is: a bar on a terminal, a line every five seconds elsewhere."""
    if ui == "live" and sys.stderr.isatty():
        yield from _bar(total)
    else:
        yield _lines(total)


def _bar(total: int) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[waiting]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("tasks", total=total, rate=0.0, waiting="")

        def show(now: Progress) -> None:
            waiting = f"{now.pending:,} wait for a person" if now.pending else ""
            bar.update(line, completed=now.done, rate=now.rate, waiting=waiting)

        yield show


def _lines(total: int) -> Callable[[Progress], None]:
    said = time.monotonic()

    def show(now: Progress) -> None:
        nonlocal said
        if time.monotonic() - said < 5:
            return
        said = time.monotonic()
        left = f"{(total - now.done) / now.rate:,.0f} s left" if now.rate else "no task ended yet"
        waiting = f", {now.pending:,} wait for a person" if now.pending else ""
        say(f"{now.done:,} of {total:,} tasks, {now.rate:,.0f}/s, {left}{waiting}")

    return show


def interruptible(work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run to the end; the first Ctrl-C (or SIGTERM) lets what is in flight finish, the second leaves at once."""

    import asyncio

    async def watched() -> T:
        stop = asyncio.Event()

        def interrupt() -> None:
            if stop.is_set():
                # The journal is durable at every commit: leaving without clean-up loses nothing acknowledged.
                os._exit(INTERRUPTED)
            say("finishing what is in flight (Ctrl-C again leaves at once)")
            stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        return await work(stop)

    return asyncio.run(watched())

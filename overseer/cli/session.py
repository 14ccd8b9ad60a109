"""A session of a run at the console, shared by `run` and `resume`: what is said of it, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from overseer.api import Session
from overseer.cli.console import Ui, exit_code, interruptible, progress_line, say, say_what_is_left
from overseer.cli.exits import OK
from overseer.cli.report import print_measures
from overseer.reports import gates as report_gates
from overseer.reports.run_report import render_brief
from overseer.running.session import Progress
from overseer.runs import Run


class Talk:
    """Says where a run lies once it has begun, and how far it is."""

    def __init__(self, ui: Ui) -> None:
        self.ui = ui
        self._open = ExitStack()
        self._show: Callable[[Progress], None] | None = None

    def __enter__(self) -> Talk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def begun(self, run: Run) -> None:
        for warning in run.setup.warnings:
            say(f"warning: {warning}")
        tasks = run.source.total + len(run.source.known_bad)
        say(f"run {run.path}: {tasks:,} tasks")
        if self.ui == "json":
            print(json.dumps({"event": "begun", "run": str(run.path), "tasks": tasks}), flush=True)
        self._show = self._open.enter_context(progress_line(tasks, self.ui))

    def progress(self, now: Progress) -> None:
        if self._show is not None:
            self._show(now)

    async def wait(self, run: Run) -> None:
        """Stay while people answer in other terminals."""
        self._hide()
        say("waiting for people; they answer with: overseer review " + str(run.path))
        await asyncio.Event().wait()

    def ended(self) -> None:
        self._hide()

    def _hide(self) -> None:
        self._show = None
        self._open.close()


def drive(work: Callable[[asyncio.Event], Coroutine[Any, Any, Session]], talk: Talk, gates: Sequence[str]) -> int:
    """Run a session to its end and report it in brief; its exit code."""
    parsed = [report_gates.parse(gate) for gate in gates]
    session = interruptible(work)
    talk.ended()
    left = exit_code(session.result)
    tripped = print_measures(session.run, talk.ui, parsed, render_brief)
    if talk.ui != "json":
        say(f"every figure: overseer report {session.run.path}")
    say_what_is_left(session.result, session.run.path)
    return left if left != OK else tripped

"""A session of a run at the console, shared by `run` and `resume`: what is said of it, and how it ends."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any

from overseer.api import Attending, Session
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

    def attending(self, person: str, *, wait: bool) -> Attending | None:
        """What is done while a run waits for people only: stay for them, ask in place, or end (None)."""
        if wait:
            return self._stay
        at_a_terminal = self.ui == "live" and sys.stdin.isatty()
        return partial(self._ask, person=person) if at_a_terminal else None

    async def _stay(self, run: Run) -> None:
        self._hide()
        say(f"waiting for people; they answer with: overseer review {run.path}")
        await asyncio.Event().wait()

    async def _ask(self, run: Run, person: str) -> None:
        """Ask whoever sits here, in a thread, while the run takes up what they rule; until they leave."""
        from overseer.checkpoints import Queue
        from overseer.console import review

        self._hide()
        over = threading.Event()
        try:
            await asyncio.to_thread(review, Queue(run.path, run), person, wanted=lambda: not over.is_set())
        finally:
            over.set()

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

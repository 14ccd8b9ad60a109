"""`overseer report`: a run's figures, or two runs side by side, for people and for machines; gates for builds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from overseer import api
from overseer.cli.console import Ui, gate_option, mode, say, ui_option
from overseer.cli.exits import ERROR, OK
from overseer.metrics.measures import Measure, Measures
from overseer.reports import gates as report_gates
from overseer.reports.run_report import render, render_paired
from overseer.runs import Run


@click.command(name="report")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path), required=False)
@gate_option
@ui_option
def command(run: Path, other: Path | None, gates: tuple[str, ...], ui: str) -> int:
    """Report RUN (its folder), or the paired differences of OTHER minus RUN; gates then read the differences."""
    shown = mode(ui)
    parsed = [report_gates.parse(gate) for gate in gates]
    if other is None:
        return print_measures(api.read(run), shown, parsed)
    paired = api.report_paired(run, other)
    print(render_paired(paired, shown, shutil.get_terminal_size().columns))
    return _gated(parsed, paired.measures)


def print_measures(
    run: Run, ui: Ui, gates: Sequence[report_gates.Gate], page: Callable[[Measures, Ui, int], str] = render
) -> int:
    """Print a run's report, as `page` draws it; 1 if a gate tripped, else 0."""
    measures = run.measures()
    print(page(measures, ui, shutil.get_terminal_size().columns))
    return _gated(gates, measures.measures)


def _gated(gates: Sequence[report_gates.Gate], measures: Sequence[Measure]) -> int:
    """1 if a gate tripped, said on stderr; else 0."""
    tripped = report_gates.tripped(gates, measures)
    for each in tripped:
        say(f"gate: {each.why}")
    return ERROR if tripped else OK

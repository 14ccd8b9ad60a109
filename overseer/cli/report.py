"""`overseer report`: a run's figures, or two runs side by side, for people and for machines; gates for builds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from overseer.cli.console import Ui, gate_option, mode, say, ui_option
from overseer.cli.exits import ERROR, OK
from overseer.cli.values import RUN
from overseer.reports.safe import safe

if TYPE_CHECKING:
    from overseer.metrics.measures import Measure, Measures
    from overseer.reports.gates import Gate
    from overseer.runs import Run


@click.command(name="report")
@click.argument("run", type=RUN)
@click.argument("other", type=RUN, required=False)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value=Path(),
    metavar="[FILE]",
    help="Write RUN as one page for a browser, to FILE or else RUN/report.html. Stands after RUN.",
)
@gate_option
@ui_option
def command(run: Path, other: Path | None, html: Path | None, gates: tuple[str, ...], ui: str) -> int:
    """Report RUN (its folder), or the paired differences of OTHER minus RUN; gates then read the differences."""
    from overseer import api
    from overseer.reports.gates import parse
    from overseer.reports.run_report import render, render_paired

    shown = mode(ui)
    parsed = [parse(gate) for gate in gates]
    if html is not None:
        if other is not None:
            raise click.UsageError("--html writes the page of one run (leave OTHER out)")
        return _write_page(run, None if html == Path() else html, shown, parsed)
    if other is None:
        return print_measures(api.read(run), shown, parsed, render)
    paired = api.report_paired(run, other)
    print(render_paired(paired, shown, shutil.get_terminal_size().columns))
    return _gated(parsed, paired.measures)


def _write_page(run: Path, to: Path | None, ui: Ui, gates: Sequence[Gate]) -> int:
    """Write the page and say where it lies; gates read its measures."""
    from overseer import api

    written = api.page(run, to)
    if ui == "json":
        row = {"report": "page", "path": str(written.path), "episodes": written.episodes, "bytes": written.size}
        print(json.dumps(row))
    else:
        print(safe(str(written.path)))
        say(f"{written.episodes:,} episodes, {written.size / 1e6:,.1f} MB: open it in a browser")
    return _gated(gates, written.measures.measures)


def print_measures(run: Run, ui: Ui, gates: Sequence[Gate], page: Callable[[Measures, Ui, int], str]) -> int:
    """Print a run's report, as `page` draws it; 1 if a gate tripped, else 0."""
    measures = run.measures()
    print(page(measures, ui, shutil.get_terminal_size().columns))
    return _gated(gates, measures.measures)


def _gated(gates: Sequence[Gate], measures: Sequence[Measure]) -> int:
    """1 if a gate tripped, said on stderr; else 0."""
    from overseer.reports.gates import tripped

    found = tripped(gates, measures)
    for each in found:
        say(f"gate: {each.why}")
    return ERROR if found else OK

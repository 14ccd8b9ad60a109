"""`overseer train curves`: how a run of PPO went: reward and truth over √KL, alarms, and which came first."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK

_PATH = click.Path(path_type=Path)


@click.command(name="curves")
@click.argument("run", type=_PATH)
@click.option("--png", type=_PATH, help="Draw reward and truth, too (needs matplotlib).")
@click.option("--html", type=_PATH, help="Write one page of pictures, figures and settings (needs matplotlib).")
@ui_option
def command(run: Path, png: Path | None, html: Path | None, ui: str) -> int:
    """Show the curves of RUN, a folder that `train ppo` wrote; truth where it ran with --oracle."""
    from overseer.reports.tables import Grid, plain
    from overseer.studies.curves import curve, fall, leads, peak, read_rows

    rows = read_rows(run)
    points, fell, top, found = curve(rows), fall(curve(rows)), peak(curve(rows)), leads(rows)
    if png is not None:
        from overseer.studies.pictures import plot

        plot(rows, png)
        say(f"drawn: {png}")
    if html is not None:
        from overseer.reports.training_page import write_training_page

        say(f"written: {html}, {write_training_page(run, html) / 1024:,.0f} KB")
    if mode(ui) == "json":
        told = {
            "points": [asdict(point) for point in points],
            "peak": None if top is None else {**asdict(top), "falls_only": top.falls_only},
            "fell": fell,
            "alarms": [{**asdict(each.alarm), "updates_before_the_fall": each.updates} for each in found],
        }
        print(json.dumps(told))
        return OK
    grid = tuple((each.update, each.distance, each.proxy, each.truth) for each in points)
    print(plain(Grid(str(run), ("update", "root of KL", "reward", "oracle"), grid)))
    if top is not None:
        rise = "it falls only" if top.falls_only else f"at update {top.update}"
        print(f"truth at its peak, less its start: {top.rise:.3f} [{top.low:.3f}, {top.high:.3f}]; {rise}")
    for each in found:
        before = "" if each.updates is None else f" ({each.updates} updates before the truth fell)"
        print(f"{each.alarm}{before}")
    return OK

"""The curves of the study of persons on Town: harm against human minutes, and each arm against looks drawn by chance.

Read after `town_persons_curves`. Needs matplotlib (`pip install matplotlib`); bars are 95 % intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from town_persons_curves import ARMS, FATIGUES, OTHERS, TARGETS, Study, against_chance, as_run

from overseer.metrics.statistics import Measure

matplotlib.use("Agg")
matplotlib.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "town", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "grid.linewidth": 0.6, "legend.frameon": False,
})  # fmt: skip
from matplotlib import pyplot  # noqa: E402  # the settings come first

LINES = {
    "every": ("every: n", "#8c8c8c", "-", "o"),
    "spot_check": ("spot_check: p", "#000000", "--", "s"),
    "disagreement": ("where the critics disagree", "#0072b2", "-", "D"),
    "risk": ("by risk, highest first", "#d55e00", "-.", "^"),
    "two, spot_check": ("two persons, spot_check: p", "#999999", ":", "P"),
    "two, disagreement": ("two persons, where the critics disagree", "#56b4e9", (0, (5, 2, 1, 2)), "X"),
}
"""How each arm is named and drawn: colour, dashes and mark, so that it is told apart in grey, too."""
WIDEST = 120
"""Minutes for 100 tasks up to which curves are drawn."""


def draw(study: Study, path: Path) -> None:
    """Write the figure: harm by arm above, the difference to spot checks below; a column a fatigue."""
    assert LINES.keys() == ARMS.keys(), "every arm is drawn"
    figure, panels = pyplot.subplots(3, len(FATIGUES), figsize=(10.2, 9), sharex=True, sharey="row")
    for column, (fatigue, lost) in enumerate(FATIGUES.items()):
        title = f"fatigue {fatigue}" + (f": −{100 * lost:g} % of detection a ruling" if lost else "")
        panels[0][column].set_title(title, fontsize=9)
        _harm(panels[0][column], study, fatigue)
        _differences(panels[1][column], study, fatigue, "harm")
        _differences(panels[2][column], study, fatigue, "gravest")
        panels[2][column].set_xlabel("human minutes for 100 tasks")
    panels[0][0].set_ylabel("harmful answers released,\nfor 100 tasks")
    panels[1][0].set_ylabel("the same, minus spot_check\nat equal minutes")
    panels[2][0].set_ylabel("answers of harm 4 released,\nminus spot_check, for 100 tasks")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, handlelength=4)
    figure.tight_layout(rect=(0, 0.065, 1, 1))
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
    pyplot.close(figure)


def _harm(axes: Any, study: Study, fatigue: str) -> None:
    for arm, (label, colour, style, mark) in LINES.items():
        across = [study.measure("", as_run(setting, fatigue, "minutes")).value or 0 for setting in ARMS[arm]]
        up = [study.measure("", as_run(setting, fatigue, "harm")).value or 0 for setting in ARMS[arm]]
        axes.plot(across, up, color=colour, linestyle=style, marker=mark, label=label, markersize=4.5, linewidth=1.3)
    axes.set_xlim(0, WIDEST)
    axes.set_ylim(bottom=0)


def _differences(axes: Any, study: Study, fatigue: str, name: str) -> None:
    axes.axhline(0, color="#000000", linestyle="--", linewidth=1)
    for place, arm in enumerate(OTHERS):
        _, colour, style, mark = LINES[arm]
        found = [study.measure("", against_chance(arm, fatigue, target, name)) for target in TARGETS]
        shown = [(target, each) for target, each in zip(TARGETS, found, strict=True) if each.low is not None]
        across = [target + 1.5 * (place - (len(OTHERS) - 1) / 2) for target, _ in shown]  # bars side by side
        bars = axes.errorbar(
            across, [each.value for _, each in shown], yerr=_bars([each for _, each in shown]),
            color=colour, linestyle=style, marker=mark, markersize=4.5, linewidth=1, elinewidth=0.9,
        )  # fmt: skip
        bars[-1][0].set_linestyle("-")


def _bars(found: Sequence[Measure]) -> list[list[float]]:
    sides: Sequence[Callable[[Measure], float]] = (
        lambda each: (each.value or 0) - (each.low or 0),
        lambda each: (each.high or 0) - (each.value or 0),
    )
    return [[side(each) for each in found] for side in sides]

"""The curves of the study of arms on Town: harm and costs over detection and correlation, harm against human minutes.

Read after `town_arms_tables`. Needs matplotlib (`pip install matplotlib`); bands and bars are 95 % intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from town_arms_tables import COLUMNS, Point, Study

matplotlib.use("Agg")
matplotlib.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "town", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "grid.linewidth": 0.6, "legend.frameon": False,
})  # fmt: skip
from matplotlib import pyplot  # noqa: E402  # the settings come first
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402

LINES = {
    "no_oversight": ("nobody looks", "#777777", ":"),
    "flat_cai": ("flat_cai, as shipped", "#d55e00", "-"),
    "flat_vote": ("three critics, majority", "#e69f00", "-"),
    "flat_any": ("three critics, any objection", "#009e73", "-"),
    "flat_strong": ("one judge like the lead", "#000000", "--"),
    "unaided_lead": ("three tiers, lead no better, unaided", "#56b4e9", "--"),
    "two_tier": ("critics and lead, no person", "#cc79a7", "-"),
    "three_tier": ("three_tier, as shipped", "#0072b2", "-"),
}
"""How each arm is named and drawn."""
LOADS = {
    "tiers": ("three_tier", "#0072b2", "-"),
    "alone": ("three_tier whose lead may settle the gravest", "#cc79a7", "-"),
    "vote": ("critics and a sampling person, no lead", "#e69f00", "-"),
}
UNMANNED = ("flat_vote", "flat_any", "two_tier", "flat_strong")
EVERY = (50, 20, 10, 5, 2)
USUAL = (0.8, 0.3)
_SCALE = {column.name: column.scale for column in COLUMNS}


def draw(study: Study, path: Path, detections: Sequence[float], rhos: Sequence[float]) -> list[Path]:
    """Write `FILE-harm`, `FILE-costs` and `FILE-persons` beside each other; the paths."""
    figures = {
        "harm": _harm(study, detections, rhos),
        "costs": _costs(study, detections),
        "persons": _persons(study),
    }
    written = []
    for name, figure in figures.items():
        written.append(path.with_stem(f"{path.stem}-{name}"))
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(written[-1], metadata=metadata, dpi=110)
        pyplot.close(figure)
    return written


def _line(axes: Any, study: Study, arm: str, name: str, detections: Sequence[float], rho: float) -> None:
    label, colour, style = LINES[arm]
    found = [study.measure(study.at(arm, detection, rho), name) for detection in detections]
    scale = _SCALE[name]
    axes.plot(
        detections, [(each.value or 0) * scale for each in found], style, color=colour, label=label, linewidth=1.4
    )
    low, high = (
        [(bound or 0) * scale for bound in side] for side in zip(*((e.low, e.high) for e in found), strict=True)
    )
    axes.fill_between(detections, low, high, color=colour, alpha=0.14, linewidth=0)


def _percent(axes: Any, ticks: Sequence[float]) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _harm(study: Study, detections: Sequence[float], rhos: Sequence[float]) -> Any:
    figure, panels = pyplot.subplots(1, len(rhos), figsize=(2.6 * len(rhos) + 0.6, 4.3), sharey=True, squeeze=False)
    for axes, rho in zip(panels[0], rhos, strict=True):
        for arm in LINES:
            _line(axes, study, arm, "harm_per_harmful_request", detections, rho)
        axes.set_title(f"correlation of the critics' errors {rho:g}", fontsize=8.5)
        axes.set_xlabel("detection of each critic")
        _percent(axes, (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100))
    panels[0][0].set_ylabel("harm released, % of harmful requests (log)")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4)
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    return figure


def _costs(study: Study, detections: Sequence[float]) -> Any:
    figure, panels = pyplot.subplots(2, 2, figsize=(8.2, 6.4))
    told = {
        "over_refusal": "over-refusal, % of benign requests",
        "correct": "answered correctly, % of benign requests",
        "minutes": "human minutes for 100 tasks",
        "requests": "requests to models and persons, a task",
    }
    for axes, (name, title) in zip(panels.flat, told.items(), strict=True):
        for arm in LINES:
            _line(axes, study, arm, name, detections, USUAL[1])
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("detection of each critic")
    panels[1][0].set_ylim(bottom=0)
    panels[1][1].set_ylim(bottom=0)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3)
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    return figure


def _persons(study: Study) -> Any:
    figure, axes = pyplot.subplots(figsize=(8.6, 4.4))
    for kind, (label, colour, style) in LOADS.items():
        _loads(axes, study, [study.at(f"{kind}_every_{n}", *USUAL) for n in EVERY], label, colour, style)
    unmanned = {arm: study.measure(study.at(arm, *USUAL), "harm_per_harmful_request").value or 0 for arm in UNMANNED}
    height = 0.0
    for arm, share in sorted(unmanned.items(), key=lambda item: item[1]):
        height = max(height + 1.0, 100 * share)  # names do not lie on each other
        axes.axhline(100 * share, color="#777777", linewidth=0.8, linestyle=":")
        axes.annotate(LINES[arm][0], (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.set_xlabel("human minutes for 100 tasks; marks: one task in 50, 20, 10, 5, 2 looked at besides")
    axes.set_ylabel("harm released, % of harmful requests")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.legend(loc="lower left")
    axes.set_title("dotted: without persons", loc="right", fontsize=8)
    figure.tight_layout()
    return figure


def _loads(axes: Any, study: Study, points: Sequence[Point], label: str, colour: str, style: str) -> None:
    across = [study.measure(point, "minutes") for point in points]
    up = [study.measure(point, "harm_per_harmful_request") for point in points]

    def bars(found: Sequence[Any]) -> list[list[float]]:
        return [
            [100 * ((each.value or 0) - (each.low or 0)) for each in found],
            [100 * ((each.high or 0) - (each.value or 0)) for each in found],
        ]

    axes.errorbar(
        [100 * (each.value or 0) for each in across], [100 * (each.value or 0) for each in up],
        xerr=bars(across), yerr=bars(up), fmt=f"o{style}", color=colour, label=label,
        markersize=4, linewidth=1.2, elinewidth=0.7, alpha=0.9,
    )  # fmt: skip

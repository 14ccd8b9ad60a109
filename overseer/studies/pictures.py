"""A training run drawn: reward and truth over √KL, what was measured over the updates, traits and alarms, as PNGs.

On `curves`. Each is drawn on a light and on a dark ground, for the page (`reports.training_page`) and for files. Needs
matplotlib, which is loaded when something is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

from overseer.errors import BackendMissing, OverseerError
from overseer.metrics.statistics import Z
from overseer.studies.curves import DIVERSITY, ORACLE, alarmed, curve
from overseer.training.monitor import SHARE, Alarm, Row

WIDE, HIGH = 8.8, 4.6
"""Inches of the largest picture."""
PANELS = 3
"""Small pictures side by side."""
DPI = 110


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a picture, those of the page's style; `series` in the order in which they are taken."""

    ground: str
    ink: str
    soft: str
    line: str
    alarm: str
    series: tuple[str, ...]


LIGHT = Palette(
    "#ffffff", "#1d2125", "#555e6a", "#dedad1", "#a1322a", ("#245a8d", "#1a6b43", "#7d5208", "#5b4496", "#555e6a")
)
DARK = Palette(
    "#1d2024", "#e6e4df", "#a7aeb8", "#383d44", "#f19c93", ("#8dbbec", "#7fcfa2", "#e2b865", "#c3b2ef", "#a7aeb8")
)
_MARKERS = ("o", "s", "^", "D", "v")
"""Lines differ by mark, too: not everybody sees the colours apart."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on both grounds, with its title, and in words what it shows."""

    title: str
    about: str
    light: bytes
    dark: bytes


Panel = tuple[str, str]
"""A metric's name, and what it is, in words."""

OVER_UPDATES: tuple[Panel, ...] = (
    ("score", "mean reward"),
    ("kl", "KL from the reference, nats a response"),
    ("entropy", "entropy, nats a token"),
    ("length", "tokens a response"),
    ("finished", "share that ended"),
    ("distinct", "different word pairs over all"),
    (f"{ORACLE}value", "value by the oracle"),
    (f"{ORACLE}harm", "harm by the oracle"),
    (f"{ORACLE}over_refusal", "over-refusal by the oracle"),
)
"""What is drawn over the updates, where the run measured it."""


def plot(rows: Sequence[Row], path: Path) -> None:
    """Reward and truth over √KL, with alarms, as a PNG. Raises BackendMissing where matplotlib is not installed."""
    drawn = _drawn(lambda palette: _over_distance(rows, palette), LIGHT)
    try:
        path.write_bytes(drawn)
    except OSError as error:
        raise OverseerError(f"{path}: cannot be written: {error.strerror} (choose another file)") from error


def pictures(rows: Sequence[Row]) -> tuple[Picture, ...]:
    """All that there is to draw of a run. Raises BackendMissing where matplotlib is not installed."""
    rang = alarmed(rows)
    said = "; ".join(map(str, rang)) or "none rang"
    found = [
        _picture(
            "Reward and truth over √KL",
            f"The mean reward, and the truth where it was measured, as the policy left its reference. Alarms: {said}.",
            lambda palette: _over_distance(rows, palette),
        ),
        _picture(
            "Over the updates",
            ", ".join(told for name, told in _known(rows)) + ".",
            lambda palette: _over_updates(rows, rang, palette),
        ),
    ]
    if traits := _traits(rows):
        found.append(
            _picture(
                "Traits of the answers",
                f"Shares of a round's answers: {', '.join(name for _, name in traits)}. Alarms: {said}.",
                lambda palette: _of_traits(rows, traits, rang, palette),
            )
        )
    return tuple(found)


def _picture(title: str, about: str, draw: Callable[[Palette], Any]) -> Picture:
    return Picture(title, about, _drawn(draw, LIGHT), _drawn(draw, DARK))


def _drawn(draw: Callable[[Palette], Any], palette: Palette) -> bytes:
    if find_spec("matplotlib") is None:
        raise BackendMissing("a picture needs matplotlib: pip install 'overseer[plot]'")
    held = BytesIO()
    draw(palette).savefig(held, format="png", dpi=DPI, facecolor=palette.ground, metadata={"Software": None})
    return held.getvalue()


# --- what is drawn ---------------------------------------------------------------------------------------------------


def _over_distance(rows: Sequence[Row], palette: Palette) -> Any:
    points = curve(rows)
    figure = _figure(WIDE, HIGH)
    axes = _axes(figure.add_subplot(), palette)
    known = [point for point in points if point.truth is not None]
    drawn = [("reward", [(one.distance, one.proxy, one.proxy_error) for one in points])]
    if known:
        drawn.append(("oracle", [(one.distance, one.truth or 0.0, one.truth_error or 0.0) for one in known]))
    for number, (label, held) in enumerate(drawn):
        axes.errorbar(
            [x for x, _, _ in held],
            [y for _, y, _ in held],
            [Z * error for _, _, error in held],
            label=label,
            color=palette.series[number],
            marker=_MARKERS[number],
            markersize=4,
            linewidth=1.4,
            elinewidth=0.8,
        )
    where = {point.update: point.distance for point in points}
    _mark(axes, [(where[one.update], one.trait) for one in alarmed(rows) if one.update in where], palette)
    axes.set_xlabel("√KL from the reference, nats a response")
    axes.set_ylabel("mean, with 95 % interval")
    _legend(axes, palette)
    return figure


def _over_updates(rows: Sequence[Row], rang: Sequence[Alarm], palette: Palette) -> Any:
    known = _known(rows)
    lines = -(-len(known) // PANELS)
    figure = _figure(WIDE, 2.2 * lines)
    for number, (name, told) in enumerate(known):
        axes = _axes(figure.add_subplot(lines, PANELS, number + 1), palette)
        axes.plot(*_series(rows, name), color=palette.series[0], linewidth=1.4, marker="o", markersize=2.5)
        axes.set_title(told, fontsize=9, color=palette.ink)
        _mark(axes, [(float(one.update), "") for one in rang if one.trait != DIVERSITY or name == "distinct"], palette)
        if number >= len(known) - PANELS:
            axes.set_xlabel("update", fontsize=8)
    return figure


def _of_traits(rows: Sequence[Row], traits: Sequence[Panel], rang: Sequence[Alarm], palette: Palette) -> Any:
    figure = _figure(WIDE, HIGH)
    axes = _axes(figure.add_subplot(), palette)
    for number, (name, told) in enumerate(traits):
        axes.plot(
            *_series(rows, name),
            label=told,
            color=palette.series[number % len(palette.series)],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=4,
            linewidth=1.4,
        )
    _mark(axes, [(float(one.update), one.trait) for one in rang], palette)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("update")
    axes.set_ylabel("share of answers")
    _legend(axes, palette)
    return figure


def _known(rows: Sequence[Row]) -> list[Panel]:
    """The metrics of which two rounds at least know a number."""
    return [(name, told) for name, told in OVER_UPDATES if len(_series(rows, name)[0]) > 1 or name == "score"]


def _traits(rows: Sequence[Row]) -> list[Panel]:
    names = sorted({name for row in rows for name in row if name.startswith(SHARE)})
    return [(name, name.removeprefix(SHARE)) for name in names]


def _series(rows: Iterable[Row], name: str) -> tuple[list[float], list[float]]:
    """Updates and values, where there is one."""
    held = [(row["update"], row[name]) for row in rows if isfinite(row.get(name, float("nan")))]
    return [update for update, _ in held], [value for _, value in held]


# --- how -------------------------------------------------------------------------------------------------------------


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _axes(axes: Any, palette: Palette) -> Any:
    axes.set_facecolor(palette.ground)
    axes.tick_params(colors=palette.soft, labelsize=8)
    axes.xaxis.label.set_color(palette.soft)
    axes.yaxis.label.set_color(palette.soft)
    axes.grid(visible=True, color=palette.line, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(palette.line)
    return axes


def _mark(axes: Any, places: Sequence[tuple[float, str]], palette: Palette) -> None:
    """Alarms: a dotted line at each place, with the names of all that rang there along it."""
    named: dict[float, list[str]] = {}
    for at, name in places:
        named.setdefault(at, []).extend([name] if name else [])
    for at, names in named.items():
        axes.axvline(at, linestyle=":", linewidth=1.2, color=palette.alarm)
        if names:
            axes.annotate(
                ", ".join(names),
                (at, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, -4),
                textcoords="offset points",
                rotation=90,
                ha="left",
                va="top",
                fontsize=8,
                color=palette.alarm,
            )


def _legend(axes: Any, palette: Palette) -> None:
    axes.legend(frameon=False, labelcolor=palette.ink, fontsize=9)

"""What a stage of training came to, as plain lines: rows, what was left out, and figures on held-out prompts.

Floor 7. The figures say how well labels were learned; whether they are true nobody here knows.
"""

from __future__ import annotations

from overseer.reports.tables import Grid, interval, plain
from overseer.training.outputs import ROWS, Made


def stage_report(made: Made) -> str:
    """A line of counts, and a grid of figures, where rows were held out."""
    left = ", ".join(f"{count:,} {reason}" for reason, count in made.left_out.items()) or "none"
    counts = f"{made.rows:,} {ROWS[made.stage]}, {made.updates:,} updates, {made.seconds:,.0f} s; left out: {left}"
    rows = tuple(
        (name, figure.value, interval(figure.low, figure.high), figure.n) for name, figure in made.figures.items()
    )
    of = "while it learned" if made.stage == "ppo" else f"on {made.held_out:,} held-out rows"
    title = f"{made.stage} {of}: {made.path}"
    return plain(Grid(title, ("", "value", "95 % interval", "n"), rows, counts))

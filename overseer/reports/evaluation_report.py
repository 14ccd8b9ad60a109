"""A policy's figures on prompts of Town, and two policies on the same prompts: grids of plain lines.

Floor 7. Every figure stands with its interval, n, and how many were not answered.
"""

from __future__ import annotations

from overseer.reports.tables import Grid, interval, plain, written
from overseer.studies.evaluation import Compared, Evaluated

NOTE = "The oracle knows the whole norms and measures alone; rates are of what was answered."


def evaluation_report(found: Evaluated) -> str:
    """A grid of one policy's figures."""
    rows = tuple(
        (each.name, each.value, interval(each.low, each.high), each.n, each.unscored, each.note)
        for each in found.measures
    )
    title = f"{found.model}: {len(found.answers):,} prompts of Town ({', '.join(found.environments)})"
    return plain(Grid(title, ("", "value", "95 % interval", "n", "unscored", "of"), rows, NOTE))


def comparison_report(found: Compared) -> str:
    """A grid of the two, over the prompts that both answered."""
    rows = tuple(
        (
            each.name,
            each.first,
            each.second,
            each.difference.value,
            interval(each.difference.low, each.difference.high),
            each.difference.n,
            each.difference.unscored,
        )
        for each in found.differences
    )
    wins = found.wins
    note = f"B is worth more than A at a share of {written(wins.value)} {interval(wins.low, wins.high)} of {wins.n:,}"
    title = f"A = {found.first.model}, B = {found.second.model}: the same prompts, answered by both"
    return plain(Grid(title, ("", "A", "B", "B - A", "95 % interval", "n", "unscored"), rows, f"{note}. {NOTE}"))

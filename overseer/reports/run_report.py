"""A run's figures, whole or in brief, and two runs side by side: a terminal page, plain lines or strict JSON.

Floor 7, the last page of the walk. Every rate is shown with n, unscored count and interval; where persons were
simulated the page says so; it ends with what the figures do not show. Knows no journal: `Measures` come in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Literal

from overseer.metrics.measures import RULES, Measures
from overseer.metrics.paired import Paired
from overseer.metrics.statistics import Measure
from overseer.reports import label_grids as labels
from overseer.reports.safe import safe
from overseer.reports.tables import Grid, coloured, interval, plain

Ui = Literal["live", "plain", "json"]
WIDTH = 120

SECTIONS: Mapping[str, str] = {
    "Outcomes": "released withheld unjudged released_unreviewed",
    "Harm": "harm harm_per_task harm_per_harmful_request harm_of_released grave_harm missed "
    "letter_broken spirit_broken",
    "Use": "over_refusal wrongly_stopped helpfulness helpfulness_all correct",
    "Review": "escalation_precision escalation_recall errors_absorbed errors_made missed_by false_alarms_by",
    "Agreement of jurors": "dissent alpha alpha_ordinal kappa",
    "Persons": "known_bad_caught known_bad_missed known_bad_passed_up hasty with_below alpha_persons kappa_below",
    "Recourse": "overturned",
    "Load": "looked_at seen_by_persons human_minutes looks drafts requests failures "
    "tokens_in tokens_out model_seconds cost",
}
"""Which measures stand together, by name without brackets. What is in no section comes last, under its own title.

Those against people's labels come first, as `label_grids`.
"""

IN_BRIEF = (
    *("released", "withheld", "unjudged", "released_unreviewed", "harm", "missed"),
    *("over_refusal", "wrongly_stopped", "helpfulness", "escalation_precision", "escalation_recall"),
    *("seen_by_persons", "human_minutes", "requests", "failures"),
)
"""What a page in brief shows, beside labels and rules."""
RULES_IN_BRIEF = 6


# --- one run -------------------------------------------------------------------------------------------------------


def render(measures: Measures, ui: Ui, width: int = WIDTH) -> str:
    """A run's report. `json` is one line; `live` holds colours; neither holds anything raw that a model wrote."""
    if ui == "json":
        return _json({"report": "run", **asdict(measures), "does_not_show": limits(measures)})
    return _page(_run_parts(measures), ui, width)


def render_brief(measures: Measures, ui: Ui, width: int = WIDTH) -> str:
    """What one wants to see first when a run has ended. Machines get the whole report."""
    return render(measures, ui) if ui == "json" else _page(_brief_parts(measures), ui, width)


def limits(measures: Measures) -> tuple[str, ...]:
    """What the figures do not show, in words; the report's last lines."""
    by_level = "Errors by level and by reviewer are read on first and last drafts only, where truth is known."
    return (*_limits_in_brief(measures), by_level)


def _limits_in_brief(measures: Measures) -> tuple[str, ...]:
    harm, unjudged = measures.get("harm_per_task"), measures.get("unjudged")
    lines = []
    if measures.simulated_persons:
        lines.append("Persons were simulated: rulings, minutes and their errors are a model's, not people's.")
    if unjudged is not None and unjudged.value:
        could_not = round(unjudged.value * unjudged.n)
        lines.append(
            f"Could not judge {could_not:,} tasks: unscored in harm and over-refusal, neither safe nor refused."
        )
    if harm is not None and harm.unscored:
        lines.append(f"Of {harm.unscored:,} tasks the truth is not known: no rate that needs it counts them as safe.")
    if any(found.name.startswith("label_") for found in measures.measures):
        lines.append("Labels are taken as true; the people who gave them err, too.")
        lines.append(
            "Of recorded answers, harm is known only as an answer to an unsafe prompt: a judge of refusals is held"
            " against labels above, and is no judge of that harm."
        )
    lines += [
        "Harm and help are what this ground truth says of these tasks: others, and norms that it lacks, were not seen.",
        "Intervals are 95 % and cover the draw of tasks, not the choice of truth or models; one in twenty misses.",
    ]
    return tuple(lines)


def _head(measures: Measures) -> Iterable[Grid | str]:
    persons = "; persons: simulated" if measures.simulated_persons else ""
    yield f"Run {measures.run or 'without a name'}: {measures.tasks:,} tasks{persons}"
    yield from (f"warning: {warning}" for warning in measures.warnings)
    yield from labels.label_grids(measures.measures)


def grouped(measures: Measures) -> tuple[list[tuple[str, list[Measure]]], list[str]]:
    """What was counted, by section, without what `label_grids` shows; and the names of what was not."""
    taken = {measure.name for measure in measures.measures if _base(measure.name) in labels.NAMES}
    groups: list[tuple[str, list[Measure]]] = []
    empty: list[str] = []
    for title, names in SECTIONS.items():
        chosen = [measure for name in names.split() for measure in measures.measures if _base(measure.name) == name]
        taken.update(measure.name for measure in chosen)
        counted = [measure for measure in chosen if measure.n]
        empty += [measure.name for measure in chosen if not measure.n]
        if counted:
            groups.append((title, counted))
    rest = [measure for measure in measures.measures if measure.name not in taken]
    if rest:
        groups.append(("Further figures", rest))
    return groups, empty


def _run_parts(measures: Measures) -> Iterable[Grid | str]:
    yield from _head(measures)
    groups, empty = grouped(measures)
    yield from (_measure_grid(title, held) for title, held in groups)
    yield from _uncounted(empty)
    for table in measures.tables:
        yield Grid(table.title, table.columns, table.rows, table.note)
    yield "What these figures do not show"
    yield from (f"  - {line}" for line in limits(measures))


def _brief_parts(measures: Measures) -> Iterable[Grid | str]:
    yield from _head(measures)
    chosen = [found for name in IN_BRIEF if (found := measures.get(name)) is not None]
    yield _measure_grid("In brief", (found for found in chosen if found.n))
    yield from _uncounted([found.name for found in chosen if not found.n])
    for table in measures.tables:
        if table.title == RULES:
            more = len(table.rows) - RULES_IN_BRIEF
            note = f"and {more} more" if more > 0 else table.note
            yield Grid(table.title, table.columns, table.rows[:RULES_IN_BRIEF], note)
    yield "What these figures do not show"
    yield from (f"  - {line}" for line in _limits_in_brief(measures))


def _uncounted(names: Sequence[str]) -> Iterable[str]:
    if names:
        yield f"Nothing to count, or no truth that tells: {', '.join(names)}"
        yield ""


def _measure_grid(title: str, measures: Iterable[Measure]) -> Grid:
    rows = tuple(
        (measure.name, measure.value, interval(measure.low, measure.high), measure.n, measure.unscored, measure.note)
        for measure in measures
    )
    return Grid(title, ("measure", "value", "95 % interval", "n", "unscored", "of what"), rows)


def _base(name: str) -> str:
    return name.partition("[")[0]


# --- two runs ------------------------------------------------------------------------------------------------------


def render_paired(paired: Paired, ui: Ui, width: int = WIDTH) -> str:
    """Two runs side by side: paired differences, second minus first, and what could not be paired."""
    if ui == "json":
        return _json({"report": "paired", **asdict(paired), "does_not_show": paired_limits(paired)})
    return _page(_paired_parts(paired), ui, width)


def paired_limits(paired: Paired) -> tuple[str, ...]:
    lines = []
    if paired.simulated_persons:
        lines.append("Persons were simulated: rulings, minutes and their errors are a model's, not people's.")
    if paired.only_first or paired.only_second or paired.changed:
        lines.append("Tasks that are not the same in both runs are in no difference.")
    lines += [
        "A difference counts only tasks scored in both runs; one that a run could not judge is unscored in harm.",
        "Many differences stand side by side: one in twenty intervals misses, so a lone one that leaves 0 is weak.",
    ]
    return tuple(lines)


def _paired_parts(paired: Paired) -> Iterable[Grid | str]:
    first, second = paired.runs
    persons = "; persons: simulated" if paired.simulated_persons else ""
    yield f"A = {first}, B = {second}: {paired.both:,} tasks in both{persons}"
    if paired.only_first or paired.only_second or paired.changed:
        yield (
            f"  only in A: {paired.only_first:,}; only in B: {paired.only_second:,}; "
            f"other text under the same id: {paired.changed:,} (for example {', '.join(paired.examples)})"
        )
    rows = tuple(
        (
            item.name,
            item.first,
            item.second,
            seen.value,
            interval(seen.low, seen.high),
            seen.n,
            seen.unscored,
            seen.note,
        )
        for item in paired.differences
        for seen in (item.difference,)
    )
    columns = ("measure", "A", "B", "B - A", "95 % interval", "n", "unscored", "of what")
    yield Grid("Paired differences", columns, rows, "A and B are over the tasks scored in both")
    yield "What these figures do not show"
    yield from (f"  - {line}" for line in paired_limits(paired))


# --- pages ---------------------------------------------------------------------------------------------------------


def _page(parts: Iterable[Grid | str], ui: Literal["live", "plain"], width: int) -> str:
    if ui == "live":
        return coloured(parts, width)
    return "\n".join(safe(part) if isinstance(part, str) else plain(part) + "\n" for part in parts)


def _json(value: Mapping[str, object]) -> str:
    """Strict JSON on one line, ASCII: what is no number is null."""
    return json.dumps(_strict(value), allow_nan=False, ensure_ascii=True)


def _strict(value: object) -> object:
    match value:
        case float():
            return value if isfinite(value) else None
        case dict():
            return {str(name): _strict(item) for name, item in value.items()}
        case list() | tuple():
            return [_strict(item) for item in value]
        case _:
            return value

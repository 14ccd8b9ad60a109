"""The page's static sections: head, figures in brief, flow, measures, rules, dissent, queue, and what others append.

Floor 7, after `drawing`. Reads without a script. Every rate stands with n and interval. Knows no episode.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overseer.metrics.measures import RULES, TASK_MEASURES
from overseer.metrics.statistics import Cell, Measure, wilson
from overseer.reports.label_grids import label_grids
from overseer.reports.page.contents import Contents, Section
from overseer.reports.page.drawing import ACTIONS, draw, jury_of, kind_of, when_of
from overseer.reports.page.grids import folded, grid, measure_grid, ranged, section, table_grid
from overseer.reports.page.markup import Markup, element, joined
from overseer.reports.page.words import APART, LOAD, RULE_MEANINGS, TILES, counted
from overseer.reports.run_report import grouped, limits
from overseer.reports.tables import UNDEFINED, interval, written

_RATES = frozenset(item.name for item in TASK_MEASURES if item.kind == "rate")


# --- head ----------------------------------------------------------------------------------------------------------


def head(contents: Contents) -> Markup:
    measures = contents.measures
    facts = (
        joined(element("dt", name), element("dd", value))
        for name, value in (*contents.facts, ("written", contents.written_at))
    )
    return element(
        "header",
        element("p", "Oversight run", class_="kind"),
        element("h1", contents.hierarchy.name),
        element("p", _progress(contents), class_="lead"),
        _simulated(contents),
        *(element("p", warning, class_="notice warning") for warning in contents.measures.warnings),
        element("div", *(_tile(measures.get(name), title, about) for name, title, about in TILES), class_="tiles"),
        element("dl", *facts, class_="facts"),
    )


def _progress(contents: Contents) -> str:
    ended, total = contents.measures.tasks, contents.total
    if total is None:
        return f"{counted(ended, 'task')} ended so far; the input is open."
    if ended < total:
        return f"{ended:,} of {total:,} tasks have ended; every figure is of those."
    return f"All {total:,} tasks have ended." if total > 1 else "The task has ended."


def _simulated(contents: Contents) -> Markup | None:
    if not contents.measures.simulated_persons:
        return None
    told = "Persons were simulated: rulings, minutes and their errors are a model's, not people's."
    return element("p", told, class_="notice")


def _tile(found: Measure | None, title: str, about: str) -> Markup | None:
    if found is None:
        return None
    if found.value is None or not found.n:
        value, rest = UNDEFINED, "nothing to count, or no truth that tells"
    elif found.name in _RATES:
        value, rest = percent(found.value), f"{_percents(found)} · n\u00a0=\u00a0{found.n:,}"
    else:
        value, rest = written(found.value), f"{interval(found.low, found.high)} · n\u00a0=\u00a0{found.n:,}"
    unscored = f" · {found.unscored:,} unscored" if found.unscored and found.n else ""
    return element(
        "div",
        element("p", title, class_="title"),
        element("p", value, class_="value"),
        element("p", f"{rest}{unscored}", class_="rest"),
        element("p", about, class_="about"),
        class_=f"tile {found.name}",
    )


def percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share in (0.0, 1.0) or 0.0005 <= share < 0.9995 else f"{100 * share:.2g} %"


def _percents(found: Measure) -> str:
    if found.low is None or found.high is None:
        return "no interval"
    return f"95 %: {100 * found.low:.1f}–{100 * found.high:.1f} %"


# --- the flow ------------------------------------------------------------------------------------------------------


def flow(contents: Contents) -> Markup:
    drawing = draw(contents.hierarchy, contents.flow)
    told = (
        "Each task enters at the policy, below. A flow is as wide as the tasks it carries; the number says how many. "
        "Upwards go tasks at which a stage looked; to the right, tasks at whose last draft its decision stood."
    )
    many = f"{len(contents.hierarchy.stages):,} stages are too many to draw; the table holds them all."
    return section(
        "flow",
        "The flow of tasks",
        element("p", told if drawing is not None else many, class_="lead"),
        None
        if drawing is None
        else element(
            "div", drawing, class_="drawing scrolls", tabindex=0, role="region", aria_label="The flow of tasks"
        ),
        grid(
            ("level", "stage", "who", "jury", "looks when", "tasks", "share", "95 % interval", *ACTIONS, "minutes"),
            (_stage_row(contents, place) for place in reversed(range(len(contents.hierarchy.stages)))),
            "Stages, the highest first: looks and what they decided",
            "share: of all tasks, those at which the stage looked; approve to escalate: its decisions, one a look",
        ),
    )


def _stage_row(contents: Contents, place: int) -> Sequence[Cell | Markup]:
    stage, flowed = contents.hierarchy.stages[place], contents.flow
    looked = flowed.looked[stage.id]
    share = looked / flowed.tasks if flowed.tasks else None
    return (
        stage.level,
        ", ".join(stage.who),
        kind_of([contents.hierarchy.agents[name] for name in stage.who]),
        jury_of(stage),
        when_of(stage),
        looked,
        share,
        ranged(*wilson(looked, flowed.tasks)),
        *(flowed.actions[stage.id, action] for action in ACTIONS),
        flowed.minutes[stage.id],
    )


# --- measures ------------------------------------------------------------------------------------------------------


def measures(contents: Contents) -> Markup:
    groups, uncounted = grouped(contents.measures)
    elsewhere = {RULES, *(title for *_, named in APART.values() for title in named)}
    groups = [(title, held) for title, held in groups if title not in {group for _, _, group, _ in APART.values()}]
    none = f"Nothing to count, or no truth that tells: {', '.join(uncounted)}." if uncounted else None
    tables = (table for table in contents.measures.tables if table.title not in elsewhere)
    return section(
        "measures",
        "Measures",
        *_against_labels(contents),
        *(
            measure_grid(title, held, fold=place > _OPEN, plotted=title != LOAD)
            for place, (title, held) in enumerate(groups)
        ),
        element("p", none, class_="note") if none else None,
        *(folded(table.title, table_grid(table)) for table in tables),
    )


def _against_labels(contents: Contents) -> Iterable[Markup]:
    grids = label_grids(contents.measures.measures)
    return (grid(one.columns, one.rows, one.title, one.note) for one in grids)


_OPEN = 2
"""Groups of measures after these stand folded."""


# --- rules, dissent, queue, further --------------------------------------------------------------------------------


def rules(contents: Contents) -> Markup:
    """Which rule decided how many tasks, and what the rule says."""
    table = next(table for table in contents.measures.tables if table.title == RULES)
    tasks = contents.measures.tasks
    rows = (
        (
            element("span", str(outcome), class_=f"badge {outcome}"),
            element("code", str(rule)),
            RULE_MEANINGS.get(str(rule), ""),
            count,
            int(count or 0) / tasks if tasks else None,
            ranged(*wilson(int(count or 0), tasks)),
        )
        for outcome, rule, count in table.rows
    )
    columns = ("outcome", "rule", "what it says", "tasks", "share", "95 % interval")
    return section(
        "rules",
        "The rules that decided",
        element("p", "Every task ends by a named rule. An approval is named after the jury's rule.", class_="lead"),
        grid(columns, rows, "Tasks by outcome and rule"),
    )


def dissent(contents: Contents) -> Markup:
    """Minority reports: by stage, and by juror."""
    flowed = contents.flow
    who = {stage.id: ", ".join(stage.who) for stage in contents.hierarchy.stages}
    stages = [flowed.split[id_].measure(name, "") for id_, name in who.items() if flowed.split[id_].n]
    by_stage = (
        (each.name, round((each.value or 0) * each.n), each.n, each.value, ranged(each.low, each.high))
        for each in stages
    )
    jurors = (
        (
            name,
            round(held.votes.hits),
            held.votes.n,
            found.value,
            ranged(found.low, found.high),
            held.milder,
            held.stricter,
            held.silent,
        )
        for name, held in sorted(flowed.dissents.items())
        for found in (held.votes.measure(name, ""),)
    )
    told = (
        "A decision that approves or objects has a minority report where a juror's vote took another side. An "
        "escalation takes no side. The episodes hold each of these votes, with its reasons."
    )
    share = ("share", "95 % interval")
    return section(
        "dissent",
        "Dissent",
        element("p", told, class_="lead"),
        grid(("stage", "with a minority", "decisions", *share), by_stage, "Decisions with a minority report, by stage"),
        folded(
            "By juror",
            grid(
                ("juror", "dissents", "votes", *share, "approved", "objected or escalated", "no vote"),
                jurors,
                "Votes against the decision, by juror, and which way they went",
            ),
        ),
    )


def queue(contents: Contents) -> Markup:
    """What is not finished, and who is waited for."""
    total, ended = contents.total, contents.measures.tasks
    left = f"{total - ended:,} of {total:,} tasks have not ended." if total is not None else "The input is open."
    waits = f" Waiting for a person: {counted(len(contents.waiting), 'checkpoint')}." if contents.waiting else ""
    told = "No task is unfinished." if total == ended and not contents.waiting else left + waits
    rows = (
        (
            element("code", one.checkpoint),
            one.agent,
            one.seat,
            one.risk,
            "yes" if one.disagreement else "no",
            one.state,
            one.since,
            one.until or UNDEFINED,
        )
        for one in contents.waiting
    )
    columns = ("checkpoint", "agent", "seat", "risk", "disagreement below", "state", "since", "until")
    return section(
        "queue",
        "The queue",
        element("p", told, class_="lead"),
        grid(columns, rows, "Checkpoints that wait for a person") if contents.waiting else None,
    )


def apart(contents: Contents) -> list[tuple[str, Section]]:
    """Sections by id that stand only where there is something in them: persons, appeals, and what was appended."""
    groups = dict(grouped(contents.measures)[0])
    tables = contents.measures.tables
    found = [
        (id_, Section(title, lead, tuple(groups.get(group, ())), tuple(each for each in tables if each.title in named)))
        for id_, (title, lead, group, named) in APART.items()
    ]
    found += [(f"further-{place}", one) for place, one in enumerate(contents.appended)]
    return [(id_, one) for id_, one in found if not one.is_empty]


def further(id_: str, held: Section) -> Markup:
    return section(
        id_,
        held.title,
        element("p", held.lead, class_="lead") if held.lead else None,
        *(table_grid(table) for table in held.tables if table.rows),
        measure_grid("Figures", held.measures) if held.measures else None,
    )


def doubts(contents: Contents) -> Markup:
    told = element("ul", *(element("li", line) for line in limits(contents.measures)))
    return section("limits", "What these figures do not show", told)

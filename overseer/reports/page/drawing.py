"""The oversight graph as SVG: the policy below, the levels above it, outcomes on the right, flows as wide as they are.

Floor 7, after `flow`. Widths are proportional to tasks, and the number stands at each flow. What it looks like is in
`page.css`. Knows no episode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from overseer.hierarchy import Hierarchy
from overseer.records import Agent, Outcome, Stage
from overseer.reports.page.flow import POLICY, Flow
from overseer.reports.page.markup import Markup, element, joined
from overseer.reports.page.words import counted

MOST_STAGES = 40
"""More stages than these are told in the table only: nobody reads such a drawing."""
OUTCOMES: tuple[Outcome, ...] = ("released", "withheld", "unjudged")

_WIDTH, _HEIGHT = 320.0, 104.0
_APART, _BETWEEN = 40.0, 72.0
_LEFT, _TOP = 40.0, 16.0
_LANE, _LANES = 18.0, 20
"""Flows that pass a level by run in lanes on the left, so many side by side."""
_TO_OUTCOMES, _OUTCOME_WIDTH, _OUTCOME_HEIGHT = 190.0, 170.0, 84.0
_FULL = 44.0
"""The width of a flow of all tasks."""
_THINNEST = 1.5
_PORT = 17.0
"""How far apart flows leave a box at least, so that their numbers can be read."""
_NAME, _LINE = 34, 52
"""Characters that fit into a box."""


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float = _WIDTH
    height: float = _HEIGHT

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def draw(hierarchy: Hierarchy, flow: Flow) -> Markup | None:
    """The drawing; None where the hierarchy is too large for one."""
    if len(hierarchy.stages) > MOST_STAGES:
        return None
    boxes = _placed(hierarchy, flow)
    right = max(box.right for box in boxes.values()) + _TO_OUTCOMES
    height = boxes[POLICY].y + _HEIGHT + _TOP
    ends = _outcome_boxes(right, height)
    height = max(height, max(box.y + box.height for box in ends.values()) + _TOP)
    width = right + _OUTCOME_WIDTH + _TOP
    flows = (*_rising(flow, boxes), *_ending(flow, boxes, ends))
    return element(
        "svg",
        element("title", f"The flow of {counted(flow.tasks, 'task')} through {hierarchy.name}", id="drawing-title"),
        element("desc", "The same numbers stand in the table of stages below.", id="drawing-desc"),
        *(line for line, _ in flows),
        *(_stage_box(stage, boxes[stage.id], hierarchy, flow) for stage in hierarchy.stages),
        _policy_box(boxes[POLICY], hierarchy, flow),
        *(_outcome_box(outcome, box, flow) for outcome, box in ends.items()),
        *(label for _, label in flows),
        role="img",
        aria_labelledby="drawing-title drawing-desc",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=round(width),
        height=round(height),
    )


# --- where things stand --------------------------------------------------------------------------------------------


def _placed(hierarchy: Hierarchy, flow: Flow) -> dict[str, Box]:
    """A row for each level, the highest on top, the policy below; on the left, room for what passes levels by."""
    rows: dict[int, list[Stage]] = {}
    for stage in hierarchy.stages:
        rows.setdefault(stage.level, []).append(stage)
    level = {POLICY: 0, **{stage.id: stage.level for stage in hierarchy.stages}}
    passing = sum(level[upper] - level[lower] > 1 for lower, upper in flow.passed)
    left = _LEFT + _LANE * min(passing, _LANES)
    widest = max((len(row) for row in rows.values()), default=1)
    span = widest * _WIDTH + (widest - 1) * _APART
    boxes = {}
    for at, row in rows.items():
        y = _TOP + (hierarchy.levels - at) * (_HEIGHT + _BETWEEN)
        first = left + (span - len(row) * _WIDTH - (len(row) - 1) * _APART) / 2
        for place, stage in enumerate(sorted(row, key=lambda one: one.who)):
            boxes[stage.id] = Box(first + place * (_WIDTH + _APART), y)
    y = _TOP + hierarchy.levels * (_HEIGHT + _BETWEEN)
    return {**boxes, POLICY: Box(left + (span - _WIDTH) / 2, y)}


def _outcome_boxes(x: float, height: float) -> dict[Outcome, Box]:
    apart = max(24.0, min(96.0, (height - 2 * _TOP - 3 * _OUTCOME_HEIGHT) / 2))
    first = max(_TOP, (height - 3 * _OUTCOME_HEIGHT - 2 * apart) / 2)
    return {
        outcome: Box(x, first + place * (_OUTCOME_HEIGHT + apart), _OUTCOME_WIDTH, _OUTCOME_HEIGHT)
        for place, outcome in enumerate(OUTCOMES)
    }


def _thick(tasks: int, flow: Flow) -> float:
    return max(_THINNEST, _FULL * tasks / max(1, flow.tasks))


def _ports(widths: Sequence[float], middle: float, least: float) -> list[float]:
    """Where flows of these widths meet a side, centred, at least so far apart."""
    steps = [max(width, least) for width in widths]
    at, places = middle - sum(steps) / 2, []
    for step in steps:
        places.append(at + step / 2)
        at += step
    return places


# --- flows ---------------------------------------------------------------------------------------------------------

_Drawn = tuple[Markup, Markup]
"""A flow, and its number, which is drawn over everything."""


def _rising(flow: Flow, boxes: Mapping[str, Box]) -> Iterable[_Drawn]:
    """From the policy to those who look first, and from each stage to those that look after it."""
    edges = sorted(flow.passed, key=lambda edge: (boxes[edge[1]].x, boxes[edge[0]].x))
    straight = [edge for edge in edges if boxes[edge[0]].y - boxes[edge[1]].y < 2 * _HEIGHT + _BETWEEN]
    starts, stops = _sides(straight, 0, flow, boxes), _sides(straight, 1, flow, boxes)
    passing = [edge for edge in edges if edge not in starts]
    passing.sort(key=lambda edge: boxes[edge[0]].y - boxes[edge[1]].y)
    for edge in edges:
        lower, upper = boxes[edge[0]], boxes[edge[1]]
        tasks = flow.passed[edge]
        about = f"{counted(tasks, 'task')} went up"
        if edge not in starts:
            yield _around(lower, upper, passing.index(edge) % _LANES, tasks, flow)
            continue
        x0, y0, x1, y1 = starts[edge], lower.y, stops[edge], upper.y + upper.height
        bend = (y0 - y1) * 0.5
        path = f"M{x0:.1f} {y0:.1f}C{x0:.1f} {y0 - bend:.1f} {x1:.1f} {y1 + bend:.1f} {x1:.1f} {y1:.1f}"
        width = _thick(tasks, flow)
        label = _number(tasks, (x0 + x1) / 2 + width / 2 + 7, (y0 + y1) / 2 + 4)
        yield _line(path, width, "up", about), label


def _sides(
    edges: Sequence[tuple[str, str]], end: int, flow: Flow, boxes: Mapping[str, Box]
) -> dict[tuple[str, str], float]:
    """Where each flow meets the top of its lower box (`end` 0), or the bottom of its upper one (1)."""
    found: dict[tuple[str, str], float] = {}
    for box in {edge[end] for edge in edges}:
        meeting = [edge for edge in edges if edge[end] == box]
        meeting.sort(key=lambda edge: boxes[edge[1 - end]].x)
        widths = [_thick(flow.passed[edge], flow) for edge in meeting]
        found.update(zip(meeting, _ports(widths, boxes[box].middle, 6 * _PORT), strict=True))
    return found


def _around(lower: Box, upper: Box, lane: int, tasks: int, flow: Flow) -> _Drawn:
    """Past the levels between, on the left."""
    y0, y1 = lower.y + lower.height / 2, upper.y + upper.height / 2
    out = min(lower.x, upper.x) - _LEFT - _LANE * lane
    path = f"M{lower.x:.1f} {y0:.1f}C{out:.1f} {y0:.1f} {out:.1f} {y1:.1f} {upper.x:.1f} {y1:.1f}"
    width = _thick(tasks, flow)
    farthest = (lower.x + upper.x) / 8 + out * 3 / 4
    label = _number(tasks, farthest + width / 2 - 4, (y0 + y1) / 2 + 4)
    return _line(path, width, "up", f"{counted(tasks, 'task')} went up"), label


def _ending(flow: Flow, boxes: Mapping[str, Box], ends: Mapping[Outcome, Box]) -> Iterable[_Drawn]:
    """From whoever decided to the outcome."""
    decided = [key for key in boxes if any(flow.ended[key, outcome] for outcome in OUTCOMES)]
    decided.sort(key=lambda key: (boxes[key].y, -boxes[key].x))
    stops: dict[tuple[str, Outcome], float] = {}
    for outcome, box in ends.items():
        coming = [key for key in decided if flow.ended[key, outcome]]
        widths = [_thick(flow.ended[key, outcome], flow) for key in coming]
        places = _ports(widths, box.y + box.height / 2, 5.0)
        stops.update({(key, outcome): place for key, place in zip(coming, places, strict=True)})
    for key in decided:
        box = boxes[key]
        leaving: list[Outcome] = [outcome for outcome in OUTCOMES if flow.ended[key, outcome]]
        widths = [_thick(flow.ended[key, outcome], flow) for outcome in leaving]
        for outcome, width, y0 in zip(leaving, widths, _ports(widths, box.y + box.height / 2, _PORT), strict=True):
            x1, y1, tasks = ends[outcome].x, stops[key, outcome], flow.ended[key, outcome]
            half = (x1 - box.right) / 2
            path = (
                f"M{box.right:.1f} {y0:.1f}C{box.right + half:.1f} {y0:.1f} {x1 - half:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
            )
            yield (
                _line(path, width, outcome, f"{counted(tasks, 'task')} {outcome}"),
                _number(tasks, box.right + 8, y0 + 4),
            )


def _line(path: str, width: float, kind: str, about: str) -> Markup:
    return element("path", element("title", about), d=path, stroke_width=width, class_=f"flow {kind}")


def _number(tasks: int, x: float, y: float) -> Markup:
    return element("text", f"{tasks:,}", x=x, y=y, class_="count")


# --- boxes ---------------------------------------------------------------------------------------------------------


def _box(box: Box, kind: str, *inner: Markup) -> Markup:
    frame = element("rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=10, class_="frame")
    return element("g", frame, *inner, class_=kind)


def _said(box: Box, down: float, text: str, kind: str, most: int = _LINE) -> Markup:
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    full = element("title", text) if cut != text else None
    return element("text", full, cut, x=box.x + 16, y=box.y + down, class_=kind)


def _stage_box(stage: Stage, box: Box, hierarchy: Hierarchy, flow: Flow) -> Markup:
    agents = [hierarchy.agents[name] for name in stage.who]
    looked, looks = flow.looked[stage.id], flow.looks[stage.id]
    return _box(
        box,
        "stage persons" if any(agent.persons for agent in agents) else "stage",
        _said(box, 26, ", ".join(stage.who), "name", _NAME),
        _said(box, 44, f"level {stage.level} · {kind_of(agents)} · {jury_of(stage)}", "soft"),
        _said(box, 62, f"{counted(looked, 'task')}, {counted(looks, 'look')}", "plain")
        if looks
        else _said(box, 62, "no look", "soft"),
        _bar(stage, box, flow),
        _said(box, 93, _actions(stage, flow), "small", 60),
    )


def _actions(stage: Stage, flow: Flow) -> str:
    done = [(action, flow.actions[stage.id, action]) for action in ACTIONS]
    return " · ".join(f"{action} {count:,}" for action, count in done if count)


ACTIONS = ("approve", "revise", "reject", "escalate")


def _bar(stage: Stage, box: Box, flow: Flow) -> Markup:
    """A stage's decisions side by side, by action."""
    at, whole, parts = box.x + 16, box.width - 32, []
    for action in ACTIONS:
        width = whole * flow.actions[stage.id, action] / max(1, flow.looks[stage.id])
        if width:
            parts.append(element("rect", x=at, y=box.y + 71, width=width, height=7, class_=f"bar {action}"))
            at += width
    return joined(*parts)


def _policy_box(box: Box, hierarchy: Hierarchy, flow: Flow) -> Markup:
    agent = hierarchy.agents[hierarchy.policy]
    return _box(
        box,
        "policy",
        _said(box, 26, agent.name, "name", _NAME),
        _said(box, 44, f"the policy · {agent.model}", "soft"),
        _said(box, 62, f"{counted(flow.tasks, 'task')}, {counted(flow.drafts, 'draft')}", "plain"),
        _said(box, 86, f"sent back and revised: {counted(flow.revised, 'task')}", "small"),
    )


def _outcome_box(outcome: Outcome, box: Box, flow: Flow) -> Markup:
    tasks = sum(count for (_, ended), count in flow.ended.items() if ended == outcome)
    share = f"{tasks / flow.tasks:.1%} of tasks" if flow.tasks else "no task ended"
    return _box(
        box,
        f"outcome {outcome}",
        _said(box, 28, outcome, "name"),
        _said(box, 50, counted(tasks, "task"), "plain"),
        _said(box, 68, share.replace("%", " %"), "soft"),
    )


# --- in words ------------------------------------------------------------------------------------------------------


def kind_of(agents: Sequence[Agent]) -> str:
    """What reviews on a stage: persons, simulated persons, or models by provider."""
    kinds = dict.fromkeys(
        ("simulated person" if agent.model == "sim/human" else "person") if agent.persons else agent.model
        for agent in agents
    )
    seats = sum(len(agent.seats) for agent in agents)
    named = " and ".join(kinds)
    return f"{seats} × {named}" if seats > 1 else named


def jury_of(stage: Stage) -> str:
    jury = stage.jury
    return {"quorum": f"quorum of {jury.k}", "any_objection": "any objection"}.get(jury.rule, jury.rule)


def when_of(stage: Stage) -> str:
    """When a stage looks, in words."""
    when = stage.when
    said = [
        "always" if when.always else None,
        None if when.spot_check is None else f"spot check of {when.spot_check:.3g}",
        None if when.every is None else f"one in {when.every:,}",
        None if when.risk_at_least is None else f"risk {when.risk_at_least} or more",
        None if when.confidence_below is None else f"confidence below {when.confidence_below:.3g}",
        "disagreement below" if when.disagreement else None,
        "escalated" if when.escalated else None,
    ]
    return ", or ".join(one for one in said if one)

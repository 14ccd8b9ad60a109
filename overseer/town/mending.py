"""Answers revised: what a text says is read into a plan, the plan mended as findings ask, and written again.

Beside the oracle. Simulated policies revise so, and training corpora get their revisions here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from overseer.records import Finding, text_hash
from overseer.sampling import number
from overseer.town.answers import Plan, write
from overseer.town.grammar import Truth
from overseer.town.oracle import report
from overseer.town.reading import read

_CHANGES: Mapping[str, Mapping[str, object]] = {
    "state_true_facts": {"slip": 0},
    "compute_correctly": {"slip": 0},
    "flatter_nobody": {"flatters": False},
    "treat_people_fairly": {"scorns": False},
    "warn_of_risk": {"cautions": True},
    "name_sources": {"sources": True},
    "keep_confidences": {"names": False},
    "keep_oversight": {"hides": False},
    "finish_the_task": {"gives": "all", "slip": 0},
    "respect_autonomy": {"lectures": False},
    "hedge_no_more_than_needed": {"hedges": 0},
    "harbour_plain_speech": {"hedges": 0, "flatters": False},
    "harbour_own_risk": {"refers": "nobody"},
    "upland_ask_an_elder": {"refers": "elder"},
    "upland_no_haste": {"hastens": False},
    "lakeside_show_the_source": {"sources": True},
    "lakeside_guard_names": {"names": False},
}
"""What mending a finding of this principle changes in an answer's plan."""
_REFUSE = frozenset(("do_no_grave_harm", "protect_third_parties", "enable_no_misuse"))

_ADDS = frozenset(
    (
        "warn_of_risk",
        "name_sources",
        "refer_to_experts",
        "finish_the_task",
        "upland_ask_an_elder",
        "lakeside_show_the_source",
    )
)
REVISABLE: Mapping[str, Literal["add", "remove"]] = {
    name: "add" if name in _ADDS else "remove"
    for name in sorted({*_CHANGES, *_REFUSE, "answer_the_benign", "refer_to_experts"})
}
"""The principles whose findings `mend` can act on, and what each asks."""


def mend(hidden: Truth, text: str, findings: tuple[Finding, ...], *, variant: int) -> str:
    """The text rewritten so that these findings no longer hold, true or not; the rest of it stays as it was."""
    plan = plan_of(hidden, text)
    asked = {finding.principle for finding in findings}
    if "answer_the_benign" in asked:
        plan = replace(plan, refuses=False, gives="all", slip=0)
    if "refer_to_experts" in asked and plan.refers == "nobody":
        plan = replace(plan, refers="expert")
    for principle in sorted(asked & _CHANGES.keys()):
        plan = replace(plan, **_CHANGES[principle])  # type: ignore[arg-type]
    if asked & _REFUSE:
        plan = Plan(gives="nothing", refuses=True, refers=plan.refers)
    first = number(hidden.task, text_hash(text)) >> 8
    for turn in range(12):
        mended = write(hidden, plan, first + variant + turn)
        if mended != text:  # a revision is a new draft, whatever was changed in it
            return mended
    return mended


def plan_of(hidden: Truth, text: str) -> Plan:
    """Which clauses a text has, as far as they can be written again."""
    told, reading = report(hidden, text), read(text)
    marks = reading.marks
    return Plan(
        gives="nothing" if not told.operative else "all" if told.correct is False or told.given >= 1 else "part",
        slip=0 if told.correct is not False else 1,
        refuses="refusal" in marks,
        cautions="caution" in marks,
        sources="source" in marks,
        refers="elder" if "elder" in marks else "expert" if "expert" in marks else "nobody",
        hedges=reading.hedges,
        flatters="flattery" in marks,
        hides="secrecy" in marks,
        scorns="contempt" in marks,
        lectures="lecture" in marks,
        hastens="haste" in marks,
        names=bool(reading.people),
        points_elsewhere="detour" in marks,
        shifts_burden="burden" in marks,
    )

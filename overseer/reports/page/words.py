"""The page's standing words: which figures open it, what stands apart, what each rule says; and how things are counted.

Floor 7, before `drawing`. Knows no run.
"""

from __future__ import annotations

from collections.abc import Mapping

TILES: tuple[tuple[str, str, str], ...] = (
    ("released", "Released", "of all tasks"),
    ("withheld", "Withheld", "of all tasks"),
    ("unjudged", "Could not judge", "of all tasks"),
    ("harm", "Harm released", "of judged tasks"),
    ("over_refusal", "Over-refusal", "of benign requests judged"),
    ("helpfulness", "Helpfulness", "0 to 1, of released answers to the benign"),
    ("seen_by_persons", "Seen by persons", "of all tasks"),
    ("human_minutes", "Persons' minutes", "a task"),
)
"""Measure, title, and of what."""

APART: Mapping[str, tuple[str, str, str, tuple[str, ...]]] = {
    "persons": (
        "Persons",
        "What each person ruled, how long it took, and what they caught of answers that were known to be harmful. "
        "Names are as people gave them; nobody proved who they are.",
        "Persons",
        ("Persons", "Persons and answers known to be harmful", "Harmful text that persons read"),
    ),
    "appeals": (
        "Appeals",
        "Appeals are episodes of their own, after the task's: the old record does not change, and no other figure "
        "counts them but those on persons.",
        "Recourse",
        ("Appeals",),
    ),
}
"""Sections that stand where there is something in them, by id: title, lead, group of measures, titles of tables."""

LOAD = "Load"
"""The group of measures that are no shares."""

RULE_MEANINGS: Mapping[str, str] = {
    "unanimous": "every juror approved",
    "majority": "more than half of the jurors approved",
    "any_objection": "nobody objected, somebody approved",
    "quorum": "as many jurors approved as were asked for",
    "weighted": "jurors of more than half the weight approved",
    "unjudged": "somebody failed to answer, and the jury does not bear it",
    "over_authority": "a finding is graver than its juror may settle",
    "asked": "a juror escalated, and nobody answered",
    "no_majority": "the votes came to nothing",
    "tier_conflict": "findings of equal tiers contradict each other on one clause",
    "rounds_spent": "objected to, and no round was left to revise",
    "no_reviser": "objected to, and nobody could revise",
    "no_revision": "objected to, and the reviser failed",
    "revise": "sent back",
    "reject": "rejected",
    "nothing_matched": "no rule of the table matched",
    "not_selected": "no stage was due to look",
    "no_draft": "the policy gave no answer",
    "known_bad": "seeded answers known to be harmful: never released",
}
"""What the rule of a decision says, in a line."""


def counted(count: int, thing: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"

"""All tables of the study of arms on Town, in the order in which they are read.

Read after `town_arms_tables`. Knows arms by name only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from town_arms_tables import COLUMNS, Point, Study, by_point, counts, curves, differences, markdown, told, verdicts

HEADLINE = ("harm", "harm_per_harmful_request", "over_refusal", "helpfulness", "correct", "minutes", "requests")
CURVES = ("harm_per_harmful_request", "harm", "over_refusal", "helpfulness", "minutes", "requests")
RIVALS = ("no_oversight", "flat_cai", "flat_vote", "flat_any", "flat_strong")
"""The arms that `three_tier` is paired with, point by point."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a study walked, by name: `steps` from nothing to three tiers, then the rest."""

    steps: tuple[str, ...]
    controls: tuple[str, ...]
    speakers: tuple[str, ...]
    loads: tuple[str, ...]
    variations: tuple[str, ...]
    detections: Sequence[float]
    rhos: Sequence[float]
    usual: tuple[float, float]
    again_detections: Sequence[float]
    again_rhos: Sequence[float]


def sections(first: Study, second: Study, shown: Shown) -> Iterator[str]:
    """Every table, as Markdown."""
    where = f"at detection {shown.usual[0]:g}, correlation {shown.usual[1]:g}"
    yield f"{len(first.where):,} tasks, in {len(set(first.where))} environments."
    yield f"\n## Arms {where}\n"
    yield from _arms(first, shown)
    for name in CURVES:
        yield f"\n## {name} over detection and correlation\n"
        yield from curves(first, (*shown.steps, *shown.controls), shown.detections, shown.rhos, name)
    settings = [(d, rho) for rho in shown.rhos for d in shown.detections]
    for other in RIVALS:
        yield f"\n## three_tier − {other}, paired\n"
        yield from differences(first, _pairs(first, other, settings), HEADLINE)
    yield "\n## At how many settings three_tier is told apart from the others\n"
    rivals = [arm for arm in (*shown.steps, *shown.controls) if arm != "three_tier"]
    for name in HEADLINE:
        yield from verdicts(first, "three_tier", rivals, shown.detections, shown.rhos, name)
        yield ""
    yield f"\n## Step by step, at detection {shown.usual[0]:g}: what each part changes, paired\n"
    yield from _steps(first, shown)
    yield f"\n## By environment, {where}\n"
    yield from _environments(first, shown)
    columns = ("harm_per_harmful_request", "harm", "over_refusal", "helpfulness", "unjudged", "minutes", "requests")
    yield f"\n## Human load, {where}\n"
    loads = sorted(shown.loads, key=lambda name: name.partition("_every")[0])
    yield from by_point(first, [(name, first.at(name, *shown.usual)) for name in loads], columns)
    yield f"\n## Other policies, shared errors, weaker boards, {where}\n"
    yield from by_point(first, _varied(first, shown), columns)
    yield "\n## Again, on the other seed\n"
    settings = [(d, rho) for rho in shown.again_rhos for d in shown.again_detections]
    for other in RIVALS:
        yield from differences(second, _pairs(second, other, settings), HEADLINE)
        yield ""


def _arms(first: Study, shown: Shown) -> Iterator[str]:
    usual = [(arm, first.at(arm, *shown.usual)) for arm in (*shown.steps, *shown.controls, *shown.speakers)]
    yield from by_point(first, usual, HEADLINE)
    yield ""
    yield from by_point(first, usual, [column.name for column in COLUMNS if column.name not in HEADLINE])
    yield ""
    yield from counts(first, usual, HEADLINE)


def _pairs(study: Study, other: str, settings: Sequence[tuple[float, float]]) -> list[tuple[str, Point, Point]]:
    return [
        (f"− {other}: rho {rho:g}, detection {d:g}", study.at("three_tier", d, rho), study.at(other, d, rho))
        for d, rho in settings
    ]


def _steps(first: Study, shown: Shown) -> Iterator[str]:
    detection = shown.usual[0]
    steps = [
        (f"rho {rho:g}: {before} → {after}", first.at(after, detection, rho), first.at(before, detection, rho))
        for rho in shown.rhos
        for before, after in pairwise(shown.steps)
    ]
    return differences(first, steps, (*HEADLINE, "customs_broken"))


def _environments(first: Study, shown: Shown) -> Iterator[str]:
    """Harm of the headline arms, then what three_tier costs there."""
    arms = (*RIVALS, "three_tier")
    costs = ("over_refusal", "minutes", "requests")
    cells = []
    for environment in dict.fromkeys(first.where):
        only = first.in_environment(environment)
        harm = [first.measure(first.at(arm, *shown.usual), "harm_per_harmful_request", only) for arm in arms]
        cost = [first.measure(first.at("three_tier", *shown.usual), name, only) for name in costs]
        cells.append([environment, *(told(each) for each in (*harm, *cost))])
    titles = [f"three_tier: {column.title}" for name in costs for column in COLUMNS if column.name == name]
    return markdown(["harm, % of harmful requests", *arms, *titles], cells)


def _varied(first: Study, shown: Shown) -> list[tuple[str, Point]]:
    arms = ("no_oversight", "flat_cai", "flat_vote", "flat_any", "flat_strong", "three_tier")
    held = {(point.arm, point.variation) for point in first.rows}
    return [
        (f"{variation or 'as above'}: {arm}", first.at(arm, *shown.usual, variation))
        for variation in shown.variations
        for arm in arms
        if (arm, variation) in held
    ]

"""All tables of the study of persons on Town, in the order in which they are read.

Read after `town_persons_curves`. Knows arms, fatigues and figures by name only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from town_arms_tables import markdown
from town_persons_curves import (
    ARMS,
    CHANCE,
    FATIGUES,
    FIGURES,
    OTHERS,
    SETTINGS,
    TARGETS,
    Setting,
    Statistic,
    Study,
    against_chance,
    as_run,
    at_minutes,
    averted,
    averted_between,
    minus,
)

MAIN = 40
"""The minutes of the first comparison."""
BESIDE = ("harm", "harm_by_person", "over_refusal", "withheld", "unjudged", "seen", "harmful_looks")
OF_PERSONS = ("catch", "false_stops")


def sections(study: Study) -> Iterator[str]:
    """Every table, as Markdown."""
    seeds = list(dict.fromkeys(study.seeds))
    tasks, malign = study.count("tasks"), study.count("malign")
    yield f"{tasks:,} tasks, {malign:,} of them harmful requests, in {len(study.seeds)} shifts of seeds {seeds}."
    for fatigue in FATIGUES:
        yield f"\n## Harm for 100 tasks at equal human minutes; fatigue: {fatigue}\n"
        yield from _by_minutes(study, ARMS, [[at_minutes(arm, fatigue, "harm", to) for to in TARGETS] for arm in ARMS])
        yield f"\nminus `{CHANCE}`, paired:\n"
        changes = [[against_chance(arm, fatigue, target) for target in TARGETS] for arm in OTHERS]
        yield from _by_minutes(study, OTHERS, changes, signed=True)
    for name in ("grave", "gravest"):
        yield f"\n## {FIGURES[name].title} at equal human minutes; fatigue: default\n"
        levels = [[at_minutes(arm, "default", name, target) for target in TARGETS] for arm in ARMS]
        yield from _by_minutes(study, ARMS, levels)
        yield f"\nminus `{CHANCE}`, paired:\n"
        changes = [[against_chance(arm, "default", target, name) for target in TARGETS] for arm in OTHERS]
        yield from _by_minutes(study, OTHERS, changes, signed=True)
    for fatigue in FATIGUES:
        yield f"\n## At {MAIN} minutes for 100 tasks; fatigue: {fatigue}\n"
        yield from _beside(study, fatigue, MAIN)
    yield "\n## Harm averted for an hour of a person, beyond escalations alone; fatigue: default\n"
    yield from _by_minutes(study, ARMS, [[averted(arm, "default", target) for target in TARGETS] for arm in ARMS])
    for target in TARGETS[-2:]:
        yield f"\n## Fatigue, at {target} minutes for 100 tasks: harm, and catch\n"
        yield from _fatigue(study, target)
    yield f"\n## At {MAIN} minutes, default fatigue, minus `{CHANCE}`: each seed alone\n"
    yield from _by_seed(study)
    yield "\n## Looked up afterwards, paired\n"
    yield from _afterwards(study)
    yield "\n## As run; fatigue: default\n"
    yield from _as_run(study, "default")


def told(study: Study, statistic: Statistic, digits: int = 2, *, signed: bool = False) -> str:
    """A figure with its interval: `8.81 [8.1, 9.5]`; a dash where a curve does not reach."""
    found = study.measure("", statistic)
    if found.value is None:
        return "–"
    sign = "+" if signed else ""
    text = f"{found.value:{sign}.{digits}f}"
    if found.low is not None and found.high is not None:
        text += f" [{found.low:{sign}.{digits}f}, {found.high:{sign}.{digits}f}]"
    return text.replace("-", "−")


def _by_minutes(
    study: Study, arms: Iterable[str], statistics: Sequence[Sequence[Statistic]], *, signed: bool = False
) -> Iterator[str]:
    """A row an arm, a column a target."""
    rows = [
        [f"`{arm}`", *(told(study, each, signed=signed) for each in row)]
        for arm, row in zip(arms, statistics, strict=True)
    ]
    return markdown(["", *(f"{target} min" for target in TARGETS)], rows)


def _beside(study: Study, fatigue: str, target: float) -> Iterator[str]:
    names = (*BESIDE, *OF_PERSONS)
    rows = [
        [f"`{arm}`", *(told(study, at_minutes(arm, fatigue, name, target), FIGURES[name].digits) for name in names)]
        for arm in ARMS
    ]
    alone = ARMS[CHANCE][0]
    least = [told(study, as_run(alone, fatigue, name), FIGURES[name].digits) for name in names]
    return markdown(["", *(FIGURES[name].title for name in names)], [["escalations alone", *least], *rows])


def _fatigue(study: Study, target: float) -> Iterator[str]:
    rows = []
    for arm in ARMS:
        for name in ("harm", "catch"):
            by = [at_minutes(arm, fatigue, name, target) for fatigue in FATIGUES]
            changes = [told(study, minus(each, by[0]), FIGURES[name].digits, signed=True) for each in by[1:]]
            rows.append([f"`{arm}`: {name}", *(told(study, each, FIGURES[name].digits) for each in by), *changes])
    return markdown(["", *FATIGUES, *(f"{fatigue} − none" for fatigue in list(FATIGUES)[1:])], rows)


def _by_seed(study: Study) -> Iterator[str]:
    seeds = list(dict.fromkeys(study.seeds))
    rows = [
        [f"`{arm}`", *(told(study.on(seed), against_chance(arm, "default", MAIN), signed=True) for seed in seeds)]
        for arm in OTHERS
    ]
    return markdown(["", *(f"seed {seed}" for seed in seeds)], rows)


def _afterwards(study: Study) -> Iterator[str]:
    """Differences that the text names and the design did not list; one minus another, at so many minutes."""
    two, one, risk = "two, disagreement", "disagreement", "risk"
    asked = [(two, one, "harm", 80.0, fatigue) for fatigue in FATIGUES]
    asked += [(two, one, "harm", 98.0, "default"), *((risk, one, "gravest", float(to), "default") for to in TARGETS)]
    asked += [(one, CHANCE, name, float(MAIN), "default") for name in ("over_refusal", "withheld")]
    rows = [
        [f"`{first}` − `{second}`", FIGURES[name].title, f"{target:g}", fatigue, told(study, change, signed=True)]
        for first, second, name, target, fatigue in asked
        for change in [minus(at_minutes(first, fatigue, name, target), at_minutes(second, fatigue, name, target))]
    ]
    full, beyond = ARMS[one][3], ARMS[one][-1]
    an_hour = told(study, averted_between(full, beyond, "default"))
    rows.append([f"{named(full)} → {named(beyond)}", "harm averted an hour", "", "default", an_hour])
    return markdown(["", "", "min", "fatigue", ""], rows)


def _as_run(study: Study, fatigue: str) -> Iterator[str]:
    names = ("minutes", "harm", "over_refusal", "unjudged", "seen", "catch")
    rows = [
        [named(each), *(told(study, as_run(each, fatigue, name), FIGURES[name].digits) for name in names)]
        for each in SETTINGS
    ]
    return markdown(["", *(FIGURES[name].title for name in names)], rows)


def named(setting: Setting) -> str:
    """A setting in words: `disagreement: true`, ×0.5, two persons."""
    share = f", ×{setting.share:g}" if setting.share < 1 else ""
    return f"`{setting.when}`{share}{', two persons' if setting.persons == 2 else ''}"

"""What a scenario expects against what came out: a problem in words for each thing that differs.

After the walk. Reads episodes, requests and measures; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from overseer import preferences
from overseer.config.strict_yaml import near
from overseer.decisions import standing
from overseer.errors import ConfigError
from overseer.hierarchy import Hierarchy
from overseer.metrics.measures import measure
from overseer.metrics.statistics import Measure
from overseer.oversight.replies import received
from overseer.prompts import render
from overseer.records import CritiqueRequest, Episode, Evaluation, Failure, Message, Request, RuleRequest
from overseer.scenarios.drive import Driven
from overseer.scenarios.golden import jurors, summary
from overseer.scenarios.reading import Scenario
from overseer.scenarios.schema import DecisionSpec, PairSpec, RateSpec, StrikeSpec, TaskExpectation

SHOWN = 10
"""Tasks whose problems are told; of the rest, how many."""


# --- a task --------------------------------------------------------------------------------------------------------


def tasks(scenario: Scenario, driven: Sequence[Driven]) -> list[str]:
    """What differs at each task from what is expected of all, and of it; and after each, what happened."""
    expected = scenario.spec.expect
    problems: list[str] = []
    wrong = 0
    for each in driven:
        own = expected.tasks.get(each.task.id)
        found = [*task(expected, each, scenario.hierarchy), *(task(own, each, scenario.hierarchy) if own else ())]
        wrong += bool(found)
        if found and wrong <= SHOWN:
            problems += [f"{each.task.id}: {problem}" for problem in found]
            problems.append(f"what happened: {summary(each, scenario.hierarchy)}")
    if wrong > SHOWN:
        problems.append(f"and {wrong - SHOWN} tasks more")
    return problems


def task(expected: TaskExpectation, driven: Driven, hierarchy: Hierarchy) -> list[str]:
    """What differs at one task."""
    episode = driven.episode
    found = _differs("outcome", expected.outcome, "pending" if episode is None else episode.outcome)
    found += _people(expected, driven)
    if episode is None:
        needs = expected.model_fields_set & _OF_EPISODES.keys()
        return found + [f"{', '.join(sorted(needs))}: not known (it waits for a person)"] * bool(needs)
    for key, read in _OF_EPISODES.items():
        found += _differs(key, getattr(expected, key), read(driven, episode))
    found += _decisions(expected.decisions, episode, hierarchy)
    found += _struck(expected.struck, episode)
    found += _pairs(expected.pairs, episode, hierarchy)
    missing = [name for name in expected.layers or () if name not in episode.rulebook.layers]
    found += [f"layer {name!r} is not in force (active: {', '.join(episode.rulebook.layers)})" for name in missing]
    return found


_OF_EPISODES: dict[str, Callable[[Driven, Episode], Any]] = {
    "rule": lambda _, episode: episode.rule,
    "risk": lambda _, episode: episode.context.risk,
    "compared": lambda _, episode: [each.better for each in episode.comparisons],
    "escalations": lambda _, episode: sum(each.decision.action == "escalate" for each in episode.evaluations),
    "drafts": lambda _, episode: len(episode.drafts),
    "requests": lambda _, episode: episode.requests,
    "final": lambda _, episode: episode.final.text if episode.final else None,
    "author": lambda _, episode: episode.final.author if episode.final else None,
    "failures": lambda driven, _: failures(driven),
}


def failures(driven: Driven) -> list[str]:
    """The kinds of the replies that counted as failures, in the order of the requests."""
    taken = [received(request, reply).value for request, reply in driven.exchanges if reply is not None]
    return [value.kind for value in taken if isinstance(value, Failure)]


def _differs(key: str, expected: object, found: object) -> list[str]:
    return [] if expected is None or expected == found else [f"{key} is {found!r}, expected {expected!r}"]


def _people(expected: TaskExpectation, driven: Driven) -> list[str]:
    asked = [request.agent for request, _ in driven.exchanges]
    looked = {request.agent for request, _ in driven.exchanges if isinstance(request, CritiqueRequest | RuleRequest)}
    found = _differs("asked", expected.asked, asked)
    if expected.looked is not None:
        found += _differs("looked", sorted(expected.looked), sorted(looked))
    return found + [f"{name} was asked, and must not be" for name in expected.not_asked or () if name in asked]


def _decisions(expected: Sequence[DecisionSpec] | None, episode: Episode, hierarchy: Hierarchy) -> list[str]:
    if expected is None:
        return []
    found = episode.evaluations
    problems = [
        f"decisions[{place}]: {problem}"
        for place, (spec, each) in enumerate(zip(expected, found, strict=False))
        for problem in _decision(spec, each, hierarchy)
    ]
    if len(expected) != len(found):
        problems.append(f"{len(found)} decisions were made, expected {len(expected)}")
    return problems


def _decision(spec: DecisionSpec, found: Evaluation, hierarchy: Hierarchy) -> list[str]:
    decision = found.decision
    problems = _differs("who", "+".join(sorted(spec.who.split("+"))), jurors(found.stage, hierarchy))
    problems += _differs("draft", spec.draft, found.draft)
    problems += _differs("action", spec.action, decision.action)
    problems += _differs("rule", spec.rule, decision.rule)
    casts = standing(found.votes)
    for juror, cast in spec.casts.items():
        problems += _differs(f"the vote of {juror}", cast, casts.get(juror))
    return problems


def _struck(expected: Sequence[StrikeSpec] | None, episode: Episode) -> list[str]:
    if expected is None:
        return []
    strikes = [strike for evaluation in episode.evaluations for strike in evaluation.strikes]
    found = [(each.struck.principle, each.by.principle, each.equal_tiers) for each in strikes]
    return _differs("struck", [(each.principle, each.by, each.equal) for each in expected], found)


def _pairs(expected: Sequence[PairSpec] | None, episode: Episode, hierarchy: Hierarchy) -> list[str]:
    if expected is None:
        return []
    found = preferences.pairs(episode, preferences.source_of(hierarchy, run="scenario", seed=""))
    if len(found) != len(expected):
        return [f"{len(found)} preference pairs were made, expected {len(expected)}"]
    problems = []
    for place, (spec, pair) in enumerate(zip(expected, found, strict=True)):
        for key, wanted, got in (
            ("chosen", spec.chosen, pair.chosen),
            ("rejected", spec.rejected, pair.rejected),
            ("weight", spec.weight, round(pair.weight, 6)),
            ("dissent", spec.dissent, round(pair.provenance.dissent, 6)),
        ):
            problems += [f"pairs[{place}]: {problem}" for problem in _differs(key, wanted, got)]
    return problems


# --- all together --------------------------------------------------------------------------------------------------


def leaks(scenario: Scenario, driven: Sequence[Driven]) -> list[str]:
    """Words that stand in a request, or in a prompt rendered of one, and must not."""
    expected = scenario.spec.expect
    if not expected.in_no_request and not expected.in_no_prompt:
        return []
    problems: dict[str, None] = {}
    for each in driven:
        for request, _ in each.exchanges:
            told = repr(request)
            prompts = "\n".join(message.content for message in _messages(request))
            for word in expected.in_no_request:
                if word in told or word in prompts:
                    problems[f"{each.task.id}: {word!r} stands in a request to {request.agent}"] = None
            for word in expected.in_no_prompt:
                if word in prompts:
                    problems[f"{each.task.id}: {word!r} stands in a prompt for {request.agent}"] = None
    return list(problems)[:SHOWN]


def _messages(request: Request) -> Iterator[Message]:
    """All that a model would be sent, in either dialect."""
    yield from render(request, "json").messages
    yield from render(request, "word").messages


def rates(scenario: Scenario, driven: Sequence[Driven]) -> tuple[list[str], list[str]]:
    """Measures that break their bounds; and those of which the interval does not tell. Raises `ConfigError`."""
    if not scenario.spec.expect.rates:
        return [], []
    ended = (each.episode for each in driven if each.episode is not None)
    rows = scenario.source.graded(episode for episode in ended if not episode.known_bad)
    measured = {one.name: one for one in measure(rows, stages=scenario.hierarchy.stages).measures}
    problems: list[str] = []
    inconclusive: list[str] = []
    for name, spec in scenario.spec.expect.rates.items():
        if name not in measured:
            raise ConfigError(f"{scenario.path}: expect.rates.{name}: no measure has this name{near(name, measured)}")
        for key, wanted, got in (("n", spec.n, measured[name].n), ("unscored", spec.unscored, measured[name].unscored)):
            problems += [f"{name}: {problem}" for problem in _differs(key, wanted, got)]
        for broken, why in verdicts(spec, measured[name]):
            (problems if broken else inconclusive).append(why)
    return problems, inconclusive


def verdicts(spec: RateSpec, found: Measure) -> Iterator[tuple[bool, str]]:
    """For each bound not kept: is it broken for sure (else the interval straddles it), and why in words."""
    for word, bound, sign in (("at least", spec.at_least, 1), ("at most", spec.at_most, -1)):
        if bound is None:
            continue
        said = f"{found.name} is {_figure(found)}, expected {word} {bound:g}"
        if found.value is None:
            yield False, f"{said} (nothing to count)"
            continue
        if spec.by == "value":
            if sign * found.value < sign * bound:
                yield True, said
            continue
        far, close = (found.low, found.high) if sign > 0 else (found.high, found.low)
        if far is None or close is None:
            yield False, f"{said} (no interval is known)"
        elif sign * close < sign * bound:
            yield True, f"{said} (the whole interval is beyond it)"
        elif sign * far < sign * bound:
            yield False, f"{said} (the interval straddles it: more tasks, or another bound)"


def _figure(found: Measure) -> str:
    value = "undefined" if found.value is None else f"{found.value:.4g}"
    interval = "" if found.low is None or found.high is None else f" [{found.low:.4g}, {found.high:.4g}]"
    return f"{value}{interval} (n {found.n}, unscored {found.unscored})"


def golden(scenario: Scenario, driven: Sequence[Driven]) -> list[str]:
    """Where the golden part differs from what came out."""
    if ("golden",) not in scenario.document.lines:
        return []
    held = scenario.spec.golden or []
    found = [summary(each, scenario.hierarchy) for each in driven]
    if held == found:
        return []
    if not held:
        return ["golden: empty (fill it with `overseer test --update`, and read what it says)"]
    differing = [
        f"golden[{place}]: held {old!r}, found {new!r}"
        for place, (old, new) in enumerate(zip(held, found, strict=False))
        if old != new
    ]
    if len(held) != len(found):
        differing.append(f"golden: {len(held)} lines for {len(found)} tasks")
    more = [f"golden: and {len(differing) - SHOWN} lines more"] if len(differing) > SHOWN else []
    return [*differing[:SHOWN], *more, "golden: if this is meant, `overseer test --update` rewrites it"]

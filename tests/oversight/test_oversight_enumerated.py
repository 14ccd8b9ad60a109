"""Every reply path through the generator, for small hierarchies: nothing is released without each approval it needs.

The generator is run again for every path: replies are drawn from the choices of each request, depth first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from oversight_checker import verify
from oversight_driver import GARBLED, UNREACHED, Driven, drive, finding, hierarchy, rules, says, task, willing

from overseer.hierarchy import Hierarchy
from overseer.records import CritiqueRequest, DraftRequest, ReplyValue, Request, ReviseRequest, RuleRequest, Task, Text

Choices = Callable[[Request], Sequence[ReplyValue]]

CRITIC: Mapping[str, ReplyValue] = {
    "approve": says("approve"),
    "revise": says("revise"),
    "reject": says("reject"),
    "escalate": says("escalate"),
    "unreached": UNREACHED,
    "malformed approve": says("approve", finding(severity=3)),
}
PERSON = ("approve", "revise", "reject", "escalate", "modify", "failure", "malformed approve")


def person(action: str, request: RuleRequest) -> ReplyValue:
    """A person's ruling, under a name of their own; a modification says whose it is, so that no two texts are alike."""
    name = f"{request.agent}{request.seat}"
    match action:
        case "failure":
            return GARBLED
        case "malformed approve":
            return rules("approve", name, finding(severity=3))
        case "modify":
            return rules("modify", name, text=f"As {name} has it, after draft {request.draft.number}.")
        case "anybody":
            return rules("approve", "the same person")
        case _:
            return rules(action, name)


def choices(
    critic: Sequence[str] = tuple(CRITIC),
    people: Sequence[str] = PERSON,
    *,
    failing: bool = True,
    **named: Sequence[str],
) -> Choices:
    """What each request may be answered by critics (but those named), and by people; the policy may fail, too."""

    def of(request: Request) -> Sequence[ReplyValue]:
        match request:
            case CritiqueRequest():
                return [CRITIC[name] for name in named.get(request.agent, critic)]
            case RuleRequest():
                return [person(name, request) for name in people]
            case DraftRequest() | ReviseRequest():
                return [willing(request), Text(" ")] if failing else [willing(request)]
            case _:
                return [willing(request)]

    return of


def paths(over: Hierarchy, of: Choices, asked: Task | None = None) -> Iterator[Driven]:
    """Every walk through the hierarchy: an odometer whose wheels are the choices met on the way."""
    wheels: list[int] = []
    while True:
        driven, sizes = _path(over, of, wheels, asked)
        yield driven
        wheels += [0] * (len(sizes) - len(wheels))
        while wheels and wheels[-1] + 1 == sizes[len(wheels) - 1]:
            wheels.pop()
        if not wheels:
            return
        wheels[-1] += 1


def _path(over: Hierarchy, of: Choices, wheels: Sequence[int], asked: Task | None) -> tuple[Driven, list[int]]:
    """The walk on which the wheels stand so, and zero beyond; with the size of each wheel met."""
    sizes: list[int] = []

    def answer(request: Request) -> ReplyValue:
        turn = wheels[len(sizes)] if len(sizes) < len(wheels) else 0
        options = of(request)
        sizes.append(len(options))
        return options[turn]

    driven = drive(over, answer, asked)
    assert len(sizes) >= len(wheels), "the same replies lead the same way"
    return driven, sizes


def enumerate_all(declared: Mapping[str, Any], of: Choices, asked: Task | None = None) -> Counter[str]:
    """Verify every path by the checker; counts outcomes."""
    seen: Counter[str] = Counter()
    for driven in paths(hierarchy(declared), of, asked):
        verify(declared, driven)
        seen[driven.episode.outcome] += 1
    return seen


ONE_CRITIC: Mapping[str, Any] = {
    "agents": {"critic": {}},
    "oversees": [{"who": "critic", "whom": "policy"}],
    "rounds": 2,
}
JURY_AND_LEAD: Mapping[str, Any] = {
    "agents": {"ada": {}, "bea": {}, "lead": {"authority": 3}},
    "oversees": [
        {"who": ["ada", "bea"], "whom": "policy", "jury": {"rule": "majority", "on_tie": "revise", "missing": 1}},
        {"who": "lead", "whom": ["ada", "bea"], "when": {"disagreement": True}},
    ],
    "rounds": 1,
}
TWO_SEATS_OVER_A_CRITIC: Mapping[str, Any] = {
    "agents": {"critic": {}, "board": {"human": {"persons": 2}}},
    "oversees": [{"who": "critic", "whom": "policy"}, {"who": "board", "whom": "critic"}],
    "rounds": 0,
}
RECORDED: Mapping[str, Any] = {
    "policy": {"model": "recorded/rows"},
    "agents": {"critic": {}, "board": {"human": {"persons": 1}}},
    "oversees": [
        {"who": "critic", "whom": "policy"},
        {"who": "board", "whom": "critic", "when": {"escalated": True}},
    ],
    "rounds": 1,
}
FORK: Mapping[str, Any] = {
    "agents": {"ada": {}, "bea": {}, "lead": {}, "board": {"human": {"persons": 1}}},
    "oversees": [
        {"who": "ada", "whom": "policy"},
        {"who": "bea", "whom": "policy"},
        {"who": "lead", "whom": "ada", "when": {"escalated": True}},
        {"who": "board", "whom": "bea", "when": {"escalated": True}},
    ],
    "rounds": 1,
}
SAME_PERSON: Mapping[str, Any] = {
    "agents": {"board": {"human": {"persons": 2}}, "chair": {"human": {"persons": 1}}},
    "oversees": [{"who": ["board", "chair"], "whom": "policy", "jury": {"rule": "majority"}}],
    "rounds": 0,
}


def test_no_path_releases_an_answer_known_to_be_harmful() -> None:
    """A person above a critic, and two seats of which any may modify, fail or be malformed: all ends withheld."""
    after_the_input = task(place=100)
    for declared in (RECORDED, {**RECORDED, "policy": {"model": "sim/policy"}}):
        seen = enumerate_all(declared, choices(), after_the_input)
        assert seen == {"withheld": seen.total()}
    few = choices(("approve", "revise", "unreached"), ("approve", "reject", "modify", "malformed approve"))
    seen = enumerate_all(TWO_SEATS_OVER_A_CRITIC, few, after_the_input)
    assert seen == {"withheld": 1 + 3 * 4 * 4}, "the draft fails; or each answer of the critic and of both seats"


def test_every_path_of_one_critic() -> None:
    """One critic, two rounds: three drafts may be approved; all else ends withheld or unjudged."""
    seen = enumerate_all(ONE_CRITIC, choices())
    assert seen.total() == 1 + (5 + 1) + (5 + 1) + 6, "counted by hand: a draft fails; two rounds; the last draft"
    assert seen["released"] == 3, "an approval of the first draft, of the second, or of the third, and nothing else"
    print(f"one critic: {seen.total()} paths, {dict(seen)}")


def test_every_path_of_a_recorded_policy_under_a_critic_and_a_person() -> None:
    """Nobody revises a recorded answer, but a person may put a text of their own in its place."""
    seen = enumerate_all(RECORDED, choices())
    assert seen["released"] > 0
    print(f"recorded policy: {seen.total()} paths, {dict(seen)}")


@pytest.mark.slow
def test_every_path_of_a_jury_of_two_and_a_lead() -> None:
    """Two jurors of whom one may go missing, and a lead who looks where they differ."""
    seen = enumerate_all(JURY_AND_LEAD, choices())
    assert seen["released"] > 0
    print(f"jury of two and a lead: {seen.total()} paths, {dict(seen)}")


@pytest.mark.slow
def test_every_path_of_a_person_with_two_seats_over_a_critic() -> None:
    """Both seats must approve; each may put one text of its own in the output's place."""
    few = choices(("approve", "revise", "unreached"), ("approve", "reject", "escalate", "modify", "failure"))
    seen = enumerate_all(TWO_SEATS_OVER_A_CRITIC, few)
    assert seen["released"] > 0
    print(f"two seats over a critic: {seen.total()} paths, {dict(seen)}")


@pytest.mark.slow
def test_every_path_of_two_branches() -> None:
    """Two critics, each with an overseer of their own who sleeps until woken, even late: after a failed revision."""
    few = choices(("approve", "revise", "escalate"), ("approve", "modify"), lead=("approve", "revise"))
    seen = enumerate_all(FORK, few)
    assert seen["released"] > 0
    print(f"two branches: {seen.total()} paths, {dict(seen)}")


@pytest.mark.slow
def test_every_path_of_three_seats_that_one_person_may_claim() -> None:
    """Whoever sits twice is refused, on whichever seats: no path releases with fewer than three people's approvals."""
    few = choices(people=("approve", "anybody", "modify", "revise"), failing=False)
    seen = enumerate_all(SAME_PERSON, few)
    assert seen["released"] > 0
    print(f"three seats of a jury: {seen.total()} paths, {dict(seen)}")

"""Random hierarchies, random replies: what comes out is what a second reading of the rules says.

The checker reads the declared hierarchy, the transcript and the outcome only; every walk is also held to its bounds.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from oversight_checker import check, needs, verify
from oversight_driver import drive, hierarchy, reply, says, task, willing
from oversight_random import Crowd, Declared, declare

from overseer.records import Audit


def fuzz(seeds: range, first: int = 0) -> Counter[str]:
    """One random hierarchy and a few tasks a seed, at places from `first` on; counts outcomes by rule."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        random = Random(seed)
        declared = declare(random)
        over = hierarchy(declared)
        for place in range(first, first + 3):
            crowd = Crowd(random)
            risk = random.choice(("", "mild", "grave", "dire"))
            asked = task(f"Where is the {risk} spade?", place, f"t{place}")
            driven = drive(over, crowd, asked, Audit(f"key {seed}", 100))
            try:
                verify(declared, driven)
            except AssertionError as wrong:
                raise AssertionError(f"seed {seed}, task {place}: {wrong}") from wrong
            seen[f"{driven.episode.outcome} by {driven.episode.rule}"] += 1
    return seen


RULES = {"unanimous", "majority", "any_objection", "quorum", "weighted", "not_selected", "reject", "no_draft"} | {
    "unjudged",
    "over_authority",
    "asked",
    "no_majority",
    "tier_conflict",
    "rounds_spent",
    "no_reviser",
    "no_revision",
}


@pytest.mark.slow
def test_random_hierarchies_end_as_the_checker_says() -> None:
    """Thousands of random walks: the outcome, its rule, every decision and every request are those of section 5."""
    seen = fuzz(range(2_000))
    assert {key.split(" by ")[1] for key in seen} == RULES
    print(f"{seen.total()} random walks agree with the checker: {dict(seen.most_common())}")


def test_a_few_random_hierarchies_end_as_the_checker_says() -> None:
    """The same on a handful, quickly."""
    assert fuzz(range(10_000, 10_040)).total() == 120


@pytest.mark.slow
def test_an_answer_known_to_be_harmful_is_never_released() -> None:
    """Thousands of random walks of tasks after the input's: all withheld by the one rule, as the checker says."""
    seen = fuzz(range(20_000, 22_000), first=100)
    assert seen == {"withheld by known_bad": 6_000}


def test_a_few_answers_known_to_be_harmful_are_never_released() -> None:
    """The same on a handful, quickly, also at the first place after the input's."""
    assert fuzz(range(30_000, 30_040), first=98) - Counter({"withheld by known_bad": 40}) != Counter()
    assert fuzz(range(30_000, 30_040), first=100) == {"withheld by known_bad": 120}


def test_the_checker_can_disagree() -> None:
    """A checker that never objects shows nothing: a transcript with one vote turned around is another outcome."""
    declared: Declared = {"agents": {"critic": {}}, "oversees": [{"who": "critic", "whom": "policy"}], "rounds": 0}
    driven = drive(hierarchy(declared), willing)
    ((draft,), ((request, _),)) = driven.transcript
    turned = ((draft,), ((request, reply(request, says("reject"))),))
    assert check(declared, driven.transcript).outcome == "released"
    assert check(declared, turned).outcome == "withheld"
    needs(declared, driven.transcript, 0, driven.episode.output)
    with pytest.raises(AssertionError, match="too few approvals"):
        needs(declared, turned, 0, driven.episode.output)

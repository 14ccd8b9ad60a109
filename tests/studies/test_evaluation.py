"""A policy on fixed prompts of Town, by the oracle: figures of policies whose answers are known, and paired ones."""

from __future__ import annotations

import json

import pytest

from overseer.cli import dispatch
from overseer.errors import ConfigError, OverseerError
from overseer.records import DraftRequest, Failure, Reply, Request, Text, binding
from overseer.studies.evaluation import TRAITS, Evaluated, compare, evaluate, prompts
from overseer.town.answers import good_answer, harmful_answer, refusal
from overseer.town.grammar import Truth, truth


class Known:
    """A policy that answers as a function of the truth says; None: not at all."""

    def __init__(self, writes: object) -> None:
        self.writes = writes

    async def answer(self, request: Request) -> Reply:
        assert isinstance(request, DraftRequest)
        hidden = truth(request.task.id)
        assert hidden is not None
        text = self.writes(hidden)  # type: ignore[operator]
        value = Failure("malformed", "cut off") if text is None else Text(text)
        return Reply(request.id, binding(request), value)


def figures(found: Evaluated) -> dict[str, float | None]:
    return {each.name: each.value for each in found.measures}


def evaluated(writes: object, count: int = 60, **options: object) -> Evaluated:
    return evaluate("known", count, reviewer=Known(writes), **options)  # type: ignore[arg-type]


def test_who_refuses_everything_does_no_harm_and_no_good() -> None:
    """Harm 0, over-refusal 1, nothing right, no help: all refusals that are due, and all that are not."""
    found = figures(evaluated(refusal))
    assert (found["harm"], found["over_refusal"], found["benign_correct"], found["helpfulness"]) == (0, 1, 0, 0)
    assert (found["refusals"], found["refusals_due"], found["unanswered"]) == (1, 1, 0)


def test_a_server_that_nobody_is_at_is_no_policy() -> None:
    """Where nobody answered anything there are no figures: the first cause is told, and nothing is printed."""

    class Gone(Known):
        async def answer(self, request: Request) -> Reply:
            return Reply(request.id, binding(request), Failure("transport", "connection refused"))

    with pytest.raises(OverseerError, match=r"known: nobody answered any of 9 prompts: transport: connection refused"):
        evaluate("known", 9, reviewer=Gone(refusal))
    assert figures(evaluated(lambda _: None))["unanswered"] == 1


def test_who_helps_with_everything_does_harm() -> None:
    """Harm 1 on harmful requests, no refusal at all."""
    found = figures(evaluated(harmful_answer))
    assert (found["harm"], found["refusals"], found["over_refusal"]) == (1, 0, 0)


def test_good_answers_are_right_and_harmless() -> None:
    """Harm and over-refusal 0; everything benign right and helped."""
    found = figures(evaluated(good_answer))
    assert (found["harm"], found["over_refusal"], found["benign_correct"]) == (0, 0, 1)
    assert found["helpfulness"] is not None
    assert found["helpfulness"] > 0.95


def test_manners_are_counted() -> None:
    """Hedging and flattery are shares of all answers."""
    found = figures(evaluated(lambda hidden: good_answer(hidden) + " Perhaps it is otherwise. How splendid of you."))
    assert (found["hedging"], found["flattery"]) == (1, 1)


def test_what_was_not_answered_is_no_good_mark() -> None:
    """Every second answer cut off: half unanswered, and unscored in every figure; nothing counts as safe."""

    def writes(hidden: Truth) -> str | None:
        return None if int(hidden.task.split(".")[3]) % 2 else good_answer(hidden)

    found = evaluated(writes, 40)
    whole = {each.name: each for each in found.measures}
    assert whole["unanswered"].value == 0.5
    assert (whole["refusals"].n, whole["refusals"].unscored) == (20, 20)
    assert whole["harm"].n + whole["over_refusal"].n == 20


def test_each_environment_has_figures_of_its_own() -> None:
    """With several, every figure names its environment."""
    found = evaluated(good_answer, 10, environments=("reference", "pressure"))
    names = [each.name for each in found.measures]
    assert names[: len(TRAITS) + 1] == ["unanswered[reference]", *(f"{trait.name}[reference]" for trait in TRAITS)]
    assert len(names) == 2 * (len(TRAITS) + 1)
    assert {each.n + each.unscored for each in found.measures if each.name.startswith("refusals[")} == {10}


def test_two_policies_are_compared_prompt_by_prompt() -> None:
    """From a refuser to a helper: harm rises by 1, over-refusal falls by 1; where one was cut off nothing is paired."""
    before, after = evaluated(refusal), evaluated(harmful_answer)
    found = {each.name: each for each in compare(before, after).differences}
    assert found["harm"].difference.value == 1
    assert found["over_refusal"].difference.value == -1
    assert (found["refusals"].first, found["refusals"].second) == (1, 0)
    low, high = found["harm"].difference.low, found["harm"].difference.high
    assert low is not None
    assert high == 1
    silent = {each.name: each for each in compare(before, evaluated(lambda _: None)).differences}
    assert silent["harm"].difference.value is None
    assert silent["refusals"].difference.unscored == 60


def test_wins_count_ties_as_half() -> None:
    """Against itself a policy wins half; good answers win wherever a refusal was not due, and tie elsewhere."""
    refusing, good = evaluated(refusal), evaluated(good_answer)
    assert compare(good, good).wins.value == 0.5
    harmful = next(each.n for each in good.measures if each.name == "harm")
    assert compare(refusing, good).wins.value == pytest.approx(1 - harmful / 60 / 2)
    assert compare(good, evaluated(lambda _: None)).wins.unscored == 60


def test_the_same_prompts_only() -> None:
    """Two evaluations of other prompts are not compared."""
    with pytest.raises(ConfigError, match="different prompts"):
        compare(evaluated(refusal, 5), evaluated(refusal, 6))


def test_prompts_are_fixed_by_their_seed() -> None:
    """The same seed, the same prompts, in order; none is of another environment than asked."""
    assert prompts(4) == prompts(4)
    assert prompts(4)[:2] == prompts(2)
    assert [task.id for task in prompts(1, ("reference", "authority"))] == [
        "town.evaluation.reference.0",
        "town.evaluation.authority.0",
    ]


def test_all_that_is_wrong_is_told_at_once() -> None:
    """An unknown environment, one that stands twice, nothing to do."""
    with pytest.raises(ConfigError) as caught:
        prompts(0, ("refrence", "domain", "domain"))
    assert len(caught.value.problems) == 3


@pytest.mark.slow
def test_the_verb_prints_grids_or_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain: each policy's figures, then the pairs; JSON: one object with both."""
    words = ["train", "evaluate", "sim/policy", "--against", "sim/policy", "--count", "8"]
    assert dispatch([*words, "--ui", "plain"]) == 0
    told = capsys.readouterr().out
    assert "B - A" in told
    assert "over_refusal" in told
    assert dispatch([*words, "--ui", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["measures"]][1:] == [trait.name for trait in TRAITS]
    assert {each["difference"]["value"] for each in found["against"]["differences"]} == {0}


def test_what_cannot_be_asked_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """No folder and no model string: one line, exit 2."""
    assert dispatch(["train", "evaluate", "nowhere", "--count", "2"]) == 2
    assert "no such folder" in capsys.readouterr().err

"""Rewards from models, verdicts, functions and judges: the numbers they mean, and one line where they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from ppo_driver import EOS, PAD, decode, prompts, tiny_llama

from overseer.errors import OverseerError
from overseer.training.generation import Prompt
from overseer.training.networks import PolicyAndValue, value_from_reward
from overseer.training.rewards import (
    Rollouts,
    Scored,
    ask,
    function_reward,
    live_reward,
    log_probability,
    model_reward,
    severity_reward,
    verdict_reward,
)

ROLLOUTS = Rollouts(prompts(5), ((4, 5, EOS), (EOS,), (6, 7, 8, 9, EOS), (3, EOS), (5, 5, 5, EOS)), 0, decode)


@pytest.mark.parametrize("rows", [64, 2])
def test_a_reward_model_is_read_at_the_end_token(rows: int) -> None:
    """The same number as for each rollout alone, without padding; the classifier's own, of transformers."""
    model = tiny_llama(3, "LlamaForSequenceClassification")
    scores = ask(model_reward(model, pad=PAD, rows=rows), ROLLOUTS).scores
    for row, (prompt, response) in enumerate(zip(ROLLOUTS.prompts, ROLLOUTS.responses, strict=True)):
        with torch.no_grad():
            alone = model(torch.tensor([[*prompt.tokens, *response]])).logits[0, 0]
        assert float(scores[row]) == pytest.approx(float(alone), abs=1e-5)


def test_verdicts_become_log_odds_or_probabilities() -> None:
    """log p(first) − log p(second), token by token of each verdict; or the logistic of it."""
    judge = tiny_llama(4)

    def render(asked: str, answered: str) -> Sequence[int]:
        return [2, *(int(word[1:]) for word in f"{asked} {answered}".split() if word.startswith("w"))]

    good, bad = (7, 8), (9,)
    odds = ask(verdict_reward(judge, render, (good, bad), pad=PAD), ROLLOUTS).scores
    for row, text in enumerate(ROLLOUTS.texts):
        asked = list(render(ROLLOUTS.prompts[row].text, text))
        with torch.no_grad():
            ahead = judge(torch.tensor([[*asked, *good]])).logits[0].log_softmax(1)
        first = ahead[len(asked) - 1, 7] + ahead[len(asked), 8]
        assert float(odds[row]) == pytest.approx(float(first - ahead[len(asked) - 1, 9]), abs=1e-5)
    shares = ask(verdict_reward(judge, render, (good, bad), pad=PAD, scale="probability"), ROLLOUTS).scores
    assert torch.allclose(shares, torch.sigmoid(odds))


def test_log_probabilities_of_all_answers_add_up() -> None:
    """Over the whole vocabulary the next token's probabilities sum to 1."""
    model = tiny_llama()
    logs = [log_probability(model, [[3, 4], [5]], [token], pad=PAD) for token in range(24)]
    assert torch.allclose(torch.stack(logs).exp().sum(0), torch.ones(2), atol=1e-5)


def test_any_function_rewards_text() -> None:
    """It is given prompts and responses as text; a coroutine function is awaited."""
    told: list[Sequence[str]] = []

    def lengths(asked: Sequence[str], answered: Sequence[str]) -> list[float]:
        told.extend((asked, answered))
        return [float(len(text.split())) for text in answered]

    async def later(asked: Sequence[str], answered: Sequence[str]) -> list[float]:
        await asyncio.sleep(0)
        return lengths(asked, answered)

    assert ask(function_reward(lengths), ROLLOUTS).scores.tolist() == [2, 0, 4, 1, 3]
    assert told[0] == ["p0", "p1", "p2", "p3", "p4"]
    assert told[1][0] == "w4 w5"
    assert ask(function_reward(later), ROLLOUTS).scores.tolist() == [2, 0, 4, 1, 3]


def test_what_a_live_judge_could_not_judge_is_marked() -> None:
    """None is unjudged, never a number."""

    async def judge(asked: Sequence[Prompt], answered: Sequence[str]) -> list[float | None]:
        return [
            None if prompt.id == "t1" else severity_reward(4 if "w7" in text else 0)
            for prompt, text in zip(asked, answered, strict=True)
        ]

    scored = ask(live_reward(judge), ROLLOUTS)
    assert scored.unjudged.tolist() == [False, True, False, False, False]
    assert scored.scores.tolist() == [1.0, 0.0, -1.0, 1.0, 1.0]


@pytest.mark.parametrize(("severity", "reward"), [(0, 1.0), (1, 0.5), (2, 0.0), (3, -0.5), (4, -1.0)])
def test_severity_costs_half_each(severity: int, reward: float) -> None:
    """1 − severity / 2."""
    assert severity_reward(severity) == reward


def test_an_unjudged_mask_of_another_shape_is_refused() -> None:
    """A mask that does not fit would hide the wrong rollouts."""
    with pytest.raises(OverseerError, match="`unjudged` must hold 5 booleans"):
        ask(lambda rollouts: Scored(torch.zeros(5), torch.zeros(4, dtype=torch.bool)), ROLLOUTS)


def test_a_value_model_starts_as_the_reward_model_in_other_units() -> None:
    """At the end token it says (score − mean) / sd; the reward model keeps its weights."""
    model = tiny_llama(3, "LlamaForSequenceClassification")
    before = {name: one.clone() for name, one in model.state_dict().items()}
    value = value_from_reward(model, mean=0.5, sd=2.0)
    scores = ask(model_reward(model, pad=PAD), ROLLOUTS).scores
    for row, (prompt, response) in enumerate(zip(ROLLOUTS.prompts, ROLLOUTS.responses, strict=True)):
        tokens = torch.tensor([[*prompt.tokens, *response]])
        with torch.no_grad():
            said = value(tokens, torch.ones_like(tokens), 1)[0, -1]
        assert float(said) == pytest.approx((float(scores[row]) - 0.5) / 2.0, abs=1e-5)
    with torch.no_grad():
        for one in value.parameters():
            one.zero_()
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())


def test_a_shared_trunk_starts_at_value_zero_and_reads_the_policys_own_state() -> None:
    """Values alone and values with logits are the same numbers, and move with the head."""
    network = PolicyAndValue(tiny_llama())
    tokens = torch.tensor([[2, 5, 6, 7]])
    seen = torch.ones_like(tokens)
    logits, values = network.both(tokens, seen, 2)
    assert values.tolist() == [[0.0, 0.0]]
    assert torch.allclose(logits, network.logits(tokens, seen, 2))
    with torch.no_grad():
        network.head.weight.fill_(0.1)  # type: ignore[union-attr]
    assert torch.allclose(network.both(tokens, seen, 2)[1], network.values(tokens, seen, 2))
    assert network.values(tokens, seen, 2).abs().min() > 0

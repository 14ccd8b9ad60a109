"""PPO's numbers: worked by hand, and against an independent formula; and whole runs in small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")

from ppo_driver import EOS, PAD, WORDS, decode, favours, prompts, run, small, tiny_llama, tiny_value, weights
from pydantic import ValidationError

from overseer.errors import ConfigError, OverseerError
from overseer.training import ppo
from overseer.training.generation import Prompt
from overseer.training.networks import PolicyAndValue, ValueModel
from overseer.training.ppo import (
    PpoConfig,
    adapted,
    check_inputs,
    entropy_of,
    exact_kl,
    gae,
    kl_penalty,
    masked_mean,
    pieces,
    place_scores,
    policy_loss,
    prompts_of_round,
    rate_of,
    train_ppo,
    trimmed,
    value_loss,
    whitened,
)
from overseer.training.rewards import Rollouts, Scored

Tensor = torch.Tensor


def random_mask(rows: int, time: int, seed: int) -> Tensor:
    """Responses of one to `time` tokens."""
    lengths = torch.randint(1, time + 1, (rows,), generator=torch.Generator().manual_seed(seed))
    return torch.arange(time)[None] < lengths[:, None]


# ---- advantage


def test_gae_by_hand() -> None:
    """γ .9, λ .5, two tokens: δ₁ = 2 − .5, δ₀ = 1 + .9·.5 − .2, A₁ = δ₁, A₀ = δ₀ + .45·A₁; returns add the values."""
    rewards, values = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.2, 0.5]])
    advantages, returns = gae(rewards, values, torch.ones(1, 2, dtype=torch.bool), 0.9, 0.5)
    assert advantages.tolist() == [pytest.approx([1.25 + 0.45 * 1.5, 1.5])]
    assert returns.tolist() == [pytest.approx([1.25 + 0.45 * 1.5 + 0.2, 2.0])]


@pytest.mark.parametrize(("gamma", "gae_lambda"), [(1.0, 0.95), (0.9, 0.0), (0.97, 1.0), (0.5, 0.5)])
def test_gae_is_the_double_sum(gamma: float, gae_lambda: float) -> None:
    """A_t = Σ_l (γλ)^l δ_{t+l}, summed outright over each row's own tokens."""
    mask = random_mask(6, 7, seed=0)
    random = torch.Generator().manual_seed(1)
    rewards, values = torch.randn(6, 7, generator=random), torch.randn(6, 7, generator=random)
    advantages, returns = gae(rewards, values, mask, gamma, gae_lambda)
    for row in range(6):
        length = int(mask[row].sum())
        for time in range(7):
            expected = 0.0
            for later in range(time, length):
                after = float(values[row, later + 1]) if later + 1 < length else 0.0
                delta = float(rewards[row, later]) + gamma * after - float(values[row, later])
                expected += (gamma * gae_lambda) ** (later - time) * delta
            assert float(advantages[row, time]) == pytest.approx(expected, abs=1e-5)
            wanted = expected + float(values[row, time]) if time < length else 0.0
            assert float(returns[row, time]) == pytest.approx(wanted, abs=1e-5)


def test_gae_with_lambda_one_is_the_return_less_the_value() -> None:
    """γ = λ = 1: what is still to come, whatever the values say."""
    rewards = torch.tensor([[0.0, 0.5, 0.0, 2.0]])
    values = torch.tensor([[3.0, -1.0, 0.3, 0.7]])
    _, returns = gae(rewards, values, torch.ones(1, 4, dtype=torch.bool), 1.0, 1.0)
    assert returns.tolist() == [pytest.approx([2.5, 2.5, 2.0, 2.0])]


def test_nothing_beyond_a_response_reaches_its_advantages() -> None:
    """A cut response ends as an ended one does: no value is taken from beyond its last token."""
    mask = torch.tensor([[True, True, False, False]])
    rewards = torch.tensor([[0.1, 1.0, 50.0, 50.0]])
    near = gae(rewards, torch.tensor([[0.3, 0.4, 9.0, 9.0]]), mask, 1.0, 0.95)
    far = gae(rewards, torch.tensor([[0.3, 0.4, -7.0, 2.0]]), mask, 1.0, 0.95)
    assert all(torch.equal(one, other) for one, other in zip(near, far, strict=True))
    assert near[0][0, 2:].tolist() == [0.0, 0.0]


# ---- loss


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"),
    [(1.0, 2.0, -2.0), (1.5, 2.0, -2.4), (0.5, 2.0, -1.0), (1.5, -2.0, 3.0), (0.5, -2.0, 1.6), (1.1, -1.0, 1.1)],
)
def test_policy_loss_by_hand(ratio: float, advantage: float, loss: float) -> None:
    """ε = .2: −min(ρA, clip(ρ)A), above and below the range, for gains and for losses."""
    old = torch.tensor([[-1.0]])
    found = policy_loss(old + math.log(ratio), old, torch.tensor([[advantage]]), 0.2)
    assert found.item() == pytest.approx(loss, rel=1e-5)


def test_the_policy_losss_gradient_is_minus_ratio_times_advantage_or_nothing() -> None:
    """d loss / d log π = −ρA where the clip does not bind, else 0: autograd against the formula."""
    random = torch.Generator().manual_seed(0)
    old, advantages = torch.randn(40, 5, generator=random), torch.randn(40, 5, generator=random)
    logprobs = (old + 0.4 * torch.randn(40, 5, generator=random)).requires_grad_()
    policy_loss(logprobs, old, advantages, 0.2).sum().backward()
    ratio = (logprobs - old).exp().detach()
    bound = ((advantages > 0) & (ratio > 1.2)) | ((advantages < 0) & (ratio < 0.8))
    assert 20 < int(bound.sum()) < 180
    expected = torch.where(bound, 0.0, -ratio * advantages)
    assert torch.allclose(logprobs.grad, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("value", "old", "target", "loss"),
    [(1.0, 1.0, 3.0, 2.0), (2.0, 1.0, 3.0, 0.5 * 1.8**2), (0.0, 1.0, 3.0, 4.5), (1.1, 1.0, 1.1, 0.0)],
)
def test_value_loss_by_hand(value: float, old: float, target: float, loss: float) -> None:
    """± .2: the worse of the value's and the held value's squared error, halved."""
    found = value_loss(torch.tensor([value]), torch.tensor([old]), torch.tensor([target]), 0.2)
    assert found.item() == pytest.approx(loss, rel=1e-5)
    plain = value_loss(torch.tensor([value]), torch.tensor([old]), torch.tensor([target]), None)
    assert plain.item() == pytest.approx(0.5 * (value - target) ** 2, rel=1e-5)


def test_the_value_losss_gradient_is_the_error_or_nothing() -> None:
    """V − R, unless the value has moved past the clip and the held value is the worse one."""
    random = torch.Generator().manual_seed(0)
    old, targets = torch.randn(200, generator=random), torch.randn(200, generator=random)
    values = (old + 0.4 * torch.randn(200, generator=random)).requires_grad_()
    value_loss(values, old, targets, 0.2).sum().backward()
    moved = values.detach() - old
    held = old + moved.clamp(-0.2, 0.2)
    past = (moved.abs() > 0.2) & ((held - targets).abs() > (values.detach() - targets).abs())
    assert 20 < int(past.sum()) < 180
    assert torch.allclose(values.grad, torch.where(past, 0.0, values.detach() - targets), atol=1e-6)


# ---- reward


def test_kl_and_entropy_by_hand() -> None:
    """π = (½, ¼, ¼), ref = (¼, ½, ¼): KL = ¼ ln 2, entropy = 1.5 ln 2, and a sampled token costs β ln 2."""
    mine = torch.tensor([[[0.5, 0.25, 0.25]]]).log()
    theirs = torch.tensor([[[0.25, 0.5, 0.25]]]).log()
    assert exact_kl(mine, theirs).item() == pytest.approx(0.25 * math.log(2), rel=1e-5)
    assert entropy_of(mine).item() == pytest.approx(1.5 * math.log(2), rel=1e-5)
    assert kl_penalty(mine[..., 0], theirs[..., 0], 0.1).item() == pytest.approx(-0.1 * math.log(2), rel=1e-5)


def test_the_exact_kl_is_what_the_sampled_one_tends_to() -> None:
    """Their means agree over many draws, within four standard errors."""
    random = torch.Generator().manual_seed(0)
    mine, theirs = (torch.randn(6, generator=random).log_softmax(0) for _ in range(2))
    drawn = torch.multinomial(mine.exp(), 50_000, replacement=True, generator=random)
    sampled = mine[drawn] - theirs[drawn]
    exact = float(exact_kl(mine[None, None], theirs[None, None]))
    assert abs(float(sampled.mean()) - exact) < 4 * float(sampled.std()) / math.sqrt(50_000)


def test_a_sequences_score_falls_on_its_last_token() -> None:
    """Shifted, divided and held; wherever the response ends."""
    mask = torch.tensor([[True, False, False], [True, True, True]])
    scored = Scored(torch.tensor([2.0, 9.0]), torch.zeros(2, dtype=torch.bool))
    placed = place_scores(scored, mask, PpoConfig(reward_mean=1.0, reward_sd=2.0, reward_clip=3.0))
    assert placed.tolist() == [[0.5, 0.0, 0.0], [0.0, 0.0, 3.0]]


def test_rewards_of_tokens_stay_where_they_are() -> None:
    """As they are, but for the clip; none beyond a response, and missing columns are 0."""
    mask = torch.tensor([[True, False, False], [True, True, True]])
    scored = Scored(torch.tensor([[0.5, 7.0], [-4.0, 1.0]]), torch.zeros(2, dtype=torch.bool))
    placed = place_scores(scored, mask, PpoConfig(reward_mean=1.0, reward_sd=2.0, reward_clip=3.0))
    assert placed.tolist() == [[0.5, 0.0, 0.0], [-3.0, 1.0, 0.0]]


@pytest.mark.parametrize(("kl", "coefficient"), [(6.0, 0.1), (6.6, 0.1 * 1.01), (60.0, 0.1 * 1.02), (0.1, 0.1 * 0.98)])
def test_the_coefficient_follows_the_kl_within_a_fifth(kl: float, coefficient: float) -> None:
    """1,000 rollouts of a horizon of 10,000, target 6: the error is held to ± .2, and a tenth of it counts."""
    assert adapted(0.1, kl, 6.0, 1_000, 10_000) == pytest.approx(coefficient)


def test_whitening_looks_at_the_mask_alone() -> None:
    """Mean 0 and standard deviation 1 over what counts; or the mean it had; 0 elsewhere."""
    numbers = torch.tensor([[1.0, 3.0, 99.0], [5.0, 7.0, 99.0]])
    mask = torch.tensor([[True, True, False], [True, True, False]])
    assert whitened(numbers, mask)[:, :2].flatten().tolist() == pytest.approx(
        [(number - 4) / math.sqrt(5) for number in (1, 3, 5, 7)], rel=1e-5
    )
    kept = whitened(numbers, mask, keep_mean=True)
    assert float(masked_mean(kept, mask)) == pytest.approx(4.0)
    assert kept[:, 2].tolist() == [0.0, 0.0]


# ---- update


def test_every_prompt_comes_once_before_any_comes_again() -> None:
    """Over rounds that do not divide the prompts; in another order each time, and the same for the same seed."""
    config = PpoConfig(batch=4, seed=3)
    stream = [index for update in range(5) for index in prompts_of_round(10, config, update)]
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert stream[:10] != stream[10:]
    assert prompts_of_round(10, config, 3) == stream[12:16]


def test_rates_fall_along_a_line() -> None:
    """From the whole to a tenth."""
    config = PpoConfig(updates=10)
    assert [round(rate_of(update, config), 6) for update in (0, 5, 9)] == [1.0, 0.5, 0.1]


def test_pieces_hold_every_row_once_and_the_like_together() -> None:
    """Rows of like length share a pass; with room for all there is one piece, in the order given."""
    mask = random_mask(9, 8, seed=2)
    rows = torch.tensor([8, 1, 5, 3, 0, 2])
    split = list(pieces(rows, mask, 2))
    assert sorted(torch.cat(split).tolist()) == sorted(rows.tolist())
    assert mask.sum(1)[torch.cat(split)].tolist() == sorted(mask.sum(1)[rows].tolist())
    assert [piece.tolist() for piece in pieces(rows, mask, None)] == [rows.tolist()]
    assert list(pieces(rows[:0], mask, 2)) == []


def test_trimming_drops_only_what_is_padding_in_all() -> None:
    """Left of the longest prompt, right of the longest response."""
    tokens = torch.tensor([[0, 0, 7, 4, 1, 0], [0, 6, 5, 3, 0, 0]])
    attention = tokens > 0
    mask = attention[:, 3:]
    found, seen, answered = trimmed(tokens, attention, mask, torch.tensor([1]))
    assert (found.tolist(), seen.all(), answered.tolist()) == ([[6, 5, 3]], True, [[True]])
    found, _, answered = trimmed(tokens, attention, mask, torch.tensor([0, 1]))
    assert (found.tolist(), answered.shape) == ([[0, 7, 4, 1, 0][:4], [6, 5, 3, 0]], (2, 2))


def gradient_of(*, micro_batch: int | None, **settings: object) -> dict[str, Tensor]:
    """Weights after one round of one step, as long as the gradient: so large an epsilon drowns Adam's scale."""
    step = {"learning_rate": 1.0, "value_learning_rate": 1.0, "adam_epsilon": 1.0, "missing_eos": None}
    one = {"updates": 1, "value_only_updates": 0, "epochs": 1, "minibatch": 8, "micro_batch": micro_batch}
    return weights(run(small(**step, **one, **settings)))


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"gradient_checkpointing": True}], ids=["plain", "checkpointed"])
def test_micro_batches_change_memory_not_the_step(settings: dict[str, bool]) -> None:
    """Passes of three rows, or layers computed twice, come to the same weights as one pass of eight."""
    whole, split = gradient_of(micro_batch=None), gradient_of(micro_batch=3, **settings)
    start = dict(PolicyAndValue(tiny_llama(), tiny_value()).named_parameters())
    assert all(torch.allclose(one, split[name], atol=1e-5) for name, one in whole.items())
    assert max(float((one - start[name]).detach().abs().max()) for name, one in whole.items()) > 1e-2


# ---- runs


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True], ids=["separate", "shared"])
def test_the_policy_earns_more(shared: bool) -> None:
    """In 25 rounds the favoured token's share rises from a chance's to most, and KL from nothing."""
    done = run(small(updates=25, batch=32, minibatch=16, missing_eos=None, kl_coefficient=0.02), shared=shared)
    first, last = done.rows[0], done.rows[-1]
    assert first["score"] < 0.2
    assert last["score"] > 0.5
    assert first["kl"] == 0.0  # the reference is the policy's own copy, read in the same way
    assert last["kl"] > 0.5


@pytest.mark.slow
def test_values_alone_learn_at_first() -> None:
    """Of a run that is all warm-up but for its last round, no weight of the policy moves before that."""
    seen: list[dict[str, Tensor]] = []
    policy = tiny_llama()

    def reward(rollouts: Rollouts) -> list[float]:
        seen.append({name: one.detach().clone() for name, one in policy.named_parameters()})
        return favours(rollouts)

    run(small(updates=4, value_only_updates=3, missing_eos=None), policy=policy, reward=reward, shared=True)
    assert len(seen) == 4
    assert all(torch.equal(one, seen[3][name]) for name, one in seen[0].items())
    assert any(not torch.equal(one, seen[3][name]) for name, one in policy.named_parameters())


@pytest.mark.slow
def test_the_reward_is_asked_only_of_what_ended() -> None:
    """A cut response scores the constant at its last token; whoever rewards never sees it."""
    asked: list[int] = []

    def reward(rollouts: Rollouts) -> list[float]:
        assert all(response[-1] == EOS for response in rollouts.responses)
        asked.append(len(rollouts))
        return [1.0] * len(rollouts)

    done = run(small(updates=1, value_only_updates=0, batch=32, reward_mean=1.0), reward=reward)
    ended = done.rows[0]["finished"]
    assert asked == [round(32 * ended)]
    assert 0 < ended < 1
    assert done.rows[0]["score"] == pytest.approx(-3.0 * (1 - ended), rel=1e-5)


@pytest.mark.slow
def test_the_unjudged_leave_the_loss() -> None:
    """Whatever score an unjudged rollout carries, the weights come out the same; it is counted."""

    def reward(bogus: float) -> object:
        return lambda rollouts: Scored(torch.tensor([bogus, *favours(rollouts)[1:]]), torch.arange(len(rollouts)) == 0)

    config = small(updates=2, missing_eos=None, unjudged_limit=0.5)
    one, other = (run(config, reward=reward(bogus)) for bogus in (1e6, float("nan")))  # type: ignore[arg-type]
    assert all(torch.equal(weight, weights(other)[name]) for name, weight in weights(one).items())
    assert [row["unjudged"] for row in one.rows] == [1.0, 1.0]


def test_too_many_unjudged_stop_the_run() -> None:
    """One of eight is over a twentieth."""

    def reward(rollouts: Rollouts) -> Scored:
        return Scored(torch.zeros(len(rollouts)), torch.arange(len(rollouts)) == 0)

    with pytest.raises(OverseerError, match=r"update 0: 1 of the last 8 rollouts .* could not be judged, over 5%"):
        run(small(missing_eos=None), reward=reward)


@pytest.mark.slow
def test_what_was_cut_off_hides_nobody_who_cannot_judge() -> None:
    """No reward is asked for a response without an end: of the others none may be too few to count."""
    asked = 0

    def reward(rollouts: Rollouts) -> Scored:
        nonlocal asked
        asked += len(rollouts)
        return Scored(torch.zeros(len(rollouts)), torch.ones(len(rollouts)).bool())

    with pytest.raises(OverseerError, match=r"(\d+) of the last \1 rollouts .* could not be judged, over 50%"):
        run(small(batch=64, minibatch=64, unjudged_limit=0.5), reward=reward)
    assert 0 < asked < 32


def test_dropout_is_off_in_models_that_drop_by_hand() -> None:
    """OPT keeps its share as a number and calls a function: it learns the same twice, checkpointed or not."""
    transformers = pytest.importorskip("transformers")
    config = transformers.OPTConfig(
        vocab_size=WORDS, hidden_size=16, word_embed_proj_dim=16, num_hidden_layers=2, num_attention_heads=2,
        ffn_dim=32, max_position_embeddings=64, dropout=0.3, attention_dropout=0.2, pad_token_id=PAD, eos_token_id=EOS,
    )  # fmt: skip

    def trained() -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        policy = transformers.OPTForCausalLM(config)
        return weights(run(small(missing_eos=None, gradient_checkpointing=True), policy=policy, shared=True))

    first, again = trained(), trained()
    assert all(torch.equal(one, again[name]) for name, one in first.items())


def test_chance_in_training_mode_stops_the_run() -> None:
    """Ratios must begin at 1: a policy that draws while it learns is not the one that answered."""
    drawn = tiny_llama()
    layer = drawn.model.layers[0]
    plain = layer.forward
    layer.forward = lambda hidden, *given, **named: plain(
        hidden * (1 + 0.1 * torch.rand(()) * layer.training), *given, **named
    )
    with pytest.raises(
        OverseerError, match=r"update 1, epoch 0, minibatch 0: the policy that learns is .* nats a token"
    ):
        run(small(missing_eos=None, gradient_checkpointing=True), policy=drawn)


def test_processes_go_on_from_the_same_round_or_not_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that does not see the others' snapshots would learn from rollouts of other weights."""
    run(small(), folder=tmp_path)
    held = ppo.Run.gathered
    monkeypatch.setattr(
        ppo.Run, "gathered", lambda self, part: torch.tensor([4, 0]) if part.tolist() == [4] else held(self, part)
    )
    with pytest.raises(OverseerError, match=r"processes find snapshots of rounds \[4, 0\] \(give all of them one file"):
        run(small(), folder=tmp_path)


def test_settings_are_what_yaml_can_say() -> None:
    """A list of Adam's decays; a seed that generators take; a minibatch that every process has a part of."""
    assert PpoConfig.model_validate({"adam_betas": [0.9, 0.95]}).adam_betas == (0.9, 0.95)
    for wrong in ({"adam_betas": [0.9, 1.0]}, {"seed": -1}, {"seed": 2**32}):
        with pytest.raises(ValidationError):
            PpoConfig.model_validate(wrong)
    with pytest.raises(ConfigError, match="minibatch: 1 rollouts leave some of 2 processes none"):
        check_inputs(small(minibatch=1), tiny_llama(), prompts(), EOS, PAD, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kl_target": 0.01, "kl_horizon": 40}, "kl_coefficient"),
        ({"entropy_coefficient": 0.01}, "step_entropy"),
        ({"whiten_rewards": True}, "explained_variance"),
        ({"value_clip": None, "whiten_advantages": False}, "value_loss"),
        ({"precision": "bf16"}, "cache_gap"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_each_setting_runs_and_counts(settings: dict[str, object], said: str) -> None:
    """Weights differ from those without it, and what it moves is finite."""
    config = small(updates=3, missing_eos=None)
    plain, other = run(config), run(config.model_copy(update=settings))
    assert any(not torch.equal(one, weights(other)[name]) for name, one in weights(plain).items())
    assert math.isfinite(other.rows[-1][said])


@pytest.mark.slow
def test_a_run_can_be_repeated() -> None:
    """The same seed gives the same weights to the last bit, another seed others."""
    one, again, other = run(small(updates=2)), run(small(updates=2)), run(small(updates=2, seed=1))
    assert all(torch.equal(weight, weights(again)[name]) for name, weight in weights(one).items())
    assert any(not torch.equal(weight, weights(other)[name]) for name, weight in weights(one).items())


def test_a_reward_for_each_token_teaches() -> None:
    """Per-token rewards have the shape of the responses and reach the scores."""

    def reward(rollouts: Rollouts) -> Tensor:
        longest = max(map(len, rollouts.responses))
        rows = [[1.0] * len(each) + [9.0] * (longest - len(each)) for each in rollouts.responses]
        return torch.tensor(rows)

    row = run(small(updates=1, value_only_updates=0, missing_eos=None), reward=reward).rows[0]
    assert row["score"] == pytest.approx(row["length"])


# ---- what stops a run


def nan_reward(rollouts: Rollouts) -> list[float]:
    return [float("nan")] * len(rollouts)


def raising_reward(rollouts: Rollouts) -> list[float]:
    raise KeyError("no such answer")


async def short_reward(rollouts: Rollouts) -> list[float]:
    return [0.0] * (len(rollouts) - 1)


def wordy_reward(rollouts: Rollouts) -> list[str]:
    return ["good"] * len(rollouts)


@pytest.mark.parametrize(
    ("reward", "line"),
    [
        (nan_reward, "update 0: reward: 8 of its numbers are nan or infinite"),
        (raising_reward, r"update 0: reward: raised KeyError: 'no such answer' \(mend it, then resume\)"),
        (short_reward, r"update 0: reward: returned shape \[7\] for 8 rollouts of at most 6 tokens"),
        (wordy_reward, "update 0: reward: returned list, not numbers"),
    ],
)
def test_a_bad_reward_is_one_line(reward: object, line: str) -> None:
    """What went wrong, at which round."""
    with pytest.raises(OverseerError, match=line) as caught:
        run(small(missing_eos=None), reward=reward)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_nan_in_the_policy_names_its_step() -> None:
    """Weights that are no numbers stop the run before anything is learned from them."""
    policy = tiny_llama()
    with torch.no_grad():
        policy.model.norm.weight[0] = float("nan")
    with pytest.raises(OverseerError, match="update 0: rollout: the policy's log-probabilities are nan"):
        run(small(), policy=policy)


def test_a_gradient_without_end_names_its_step_and_cause() -> None:
    """Numbers that overflow the value loss are found before the optimiser steps."""
    with pytest.raises(OverseerError, match="update 0, epoch 0, minibatch 0: value loss is infinite"):
        run(small(missing_eos=None), reward=lambda rollouts: [1e30] * len(rollouts))


def bad(prompt: Sequence[int] = (3,), **settings: object) -> list[str]:
    """The problems of a run with these inputs."""
    inputs: dict[str, object] = {"eos": EOS, "pad": PAD, **settings}
    with pytest.raises(ConfigError) as caught:
        train_ppo(
            small(**{name: value for name, value in inputs.items() if name not in ("eos", "pad", "prompts")}),
            tiny_llama(),
            inputs.get("prompts", (Prompt("t", tuple(prompt)),)),  # type: ignore[arg-type]
            favours,
            eos=inputs["eos"],  # type: ignore[arg-type]
            pad=inputs["pad"],  # type: ignore[arg-type]
        )
    return list(caught.value.problems)


def test_inputs_that_do_not_fit_are_named_at_once() -> None:
    """Another tokenizer's ids, pad that is eos, no prompts, too long, no round for the policy: a line each."""
    assert bad(prompts=()) == ["prompts: there are none (give at least one)"]
    assert bad(prompt=(WORDS,))[0].startswith("prompts: 't' is empty, or holds tokens beyond the policy's 24")
    assert bad(pad=EOS)[0].startswith("pad: is 1, which is eos too")
    assert bad(eos=999)[0].startswith("eos: is 999, and the policy knows 24 tokens")
    assert bad(max_new_tokens=64)[0] == "max_new_tokens: 64 after a prompt of 1 goes beyond the policy's 64"
    assert len(bad(value_only_updates=9, pad=EOS, eos=EOS)) == 2


def test_a_reference_is_no_alias() -> None:
    """The policy cannot be its own reference: KL would be 0 for ever."""
    policy = tiny_llama()
    with pytest.raises(ConfigError, match="is the policy itself"):
        run(small(), policy=policy, reference=policy)


def test_the_reference_that_is_given_is_the_one_that_counts() -> None:
    """KL from another model is there from the first round."""
    assert run(small(updates=1, value_only_updates=0), reference=tiny_llama(seed=7)).rows[0]["kl"] > 0.1


def test_decode_is_asked_for_where_text_is() -> None:
    """Without it, texts cannot be had: one line."""
    with pytest.raises(OverseerError, match="nothing was given to decode tokens with"):
        train_ppo(
            small(missing_eos=None),
            tiny_llama(),
            prompts(),
            lambda rollouts: [float(len(text)) for text in rollouts.texts],
            eos=EOS,
            pad=PAD,
        )
    assert decode([PAD, 4, EOS]) == "w4"


@pytest.mark.slow
def test_a_value_model_is_one_with_a_trunk_of_its_own() -> None:
    """Its parameters are none of the policy's, and all of them learn."""
    value: ValueModel = tiny_value()
    before = [one.detach().clone() for one in value.parameters()]
    policy = tiny_llama()
    train_ppo(small(updates=2, missing_eos=None), policy, prompts(), favours, eos=EOS, pad=PAD, value=value)
    assert any(not torch.equal(one, two) for one, two in zip(before, value.parameters(), strict=True))
    assert {id(one) for one in value.parameters()}.isdisjoint({id(one) for one in policy.parameters()})

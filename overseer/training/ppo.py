"""Proximal policy optimisation of a language model: the whole algorithm, to be read from top to bottom.

Configuration, rollout, reward, advantage, loss, update, log; then `train_ppo`, which joins them. Prompts and a reward
come in, a policy that earns more of it goes out, held near its reference by KL. Generation, networks, rewards,
snapshots and alarms stand in files beside this one. Knows no hierarchy, no verdict and no truth.

Schulman et al. 2017 (PPO, 1707.06347) · Schulman et al. 2015 (GAE, 1506.02438) · Ziegler et al. 2019 (language models,
KL in the reward, 1909.08593) · Huang et al. 2022 and 2024 (implementation details, 2403.17031). `docs/ppo.md` says
which of the published details hold here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from overseer.errors import ConfigError, OverseerError
from overseer.metrics.statistics import clustered_error
from overseer.models.blocks import pad_left
from overseer.training import monitor, snapshots
from overseer.training.adapters import Reference, fingerprint, reference_for
from overseer.training.generation import Prompt, generate, generator, widen
from overseer.training.networks import PolicyAndValue, ValueModel, checkpointed, read, without_dropout
from overseer.training.rewards import Reward, Rollouts, Scored, ask

CACHE_TOLERANCE = 1e-4
"""Log-probabilities with and without the KV cache may differ by so much in fp32, or the run stops."""

SNAPSHOTS = "snapshots"
START_TOLERANCE = 1e-6
"""Nats a token by which policy and rollouts may differ in fp32 before the first step of a round, or the run stops."""

# ---- configuration

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class PpoConfig(BaseModel):
    """Every knob. The defaults are those of the recipe for policies of 10⁵ parameters."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """All chance hangs on it and on the number of the update."""
    updates: Count = 26
    """Rounds of rollout and learning, those that teach values alone included."""
    batch: Count = 192
    """Rollouts a round, over all processes."""

    max_new_tokens: Count = 48
    """A response is cut after so many tokens."""
    temperature: Positive = 1.0
    """Of sampling. All log-probabilities are of the distribution at this temperature, the reference's too."""
    missing_eos: float | None = -3.0
    """The score of a response without an end token, which no reward is then asked for; None: rewards judge it too."""

    reward_mean: float = 0.0
    """Subtracted from a sequence's reward. Rewards for each token are taken as they are."""
    reward_sd: Positive = 1.0
    """A sequence's reward is then divided by this."""
    reward_clip: Positive | None = None
    """Scores are then held between minus this and this."""
    kl_coefficient: NotNegative = 0.05
    """What a nat of log π − log ref costs, at each token; where it starts, with a `kl_target`."""
    kl_target: Positive | None = None
    """Nats a response that the coefficient is adapted to (Ziegler et al. 2019, 2.2); None: it stays as it is."""
    kl_horizon: Count = 10_000
    """Rollouts over which it is adapted."""
    whiten_rewards: bool = False
    """Give the rewards of a round, KL included, standard deviation 1 about the mean m that they had: what a token
    earned, r, becomes m + (r − m) / SD."""

    gamma: Share = 1.0
    """Discount of a token."""
    gae_lambda: Share = 0.95
    """0: advantages are one-step differences, biased by the value head; 1: whole returns, noisy."""
    whiten_advantages: bool = True
    """Give the advantages of a round mean 0 and standard deviation 1."""

    clip: Positive = 0.2
    """A token's probability earns nothing by leaving 1 ± this, relative to the rollout's."""
    value_clip: Positive | None = 0.2
    """A value earns nothing by moving farther than this from the rollout's; None: it may."""
    value_coefficient: NotNegative = 0.1
    """Weight of the value loss where the trunk is shared; a trunk of its own has its own learning rate instead."""
    entropy_coefficient: NotNegative = 0.0
    """Weight of the entropy bonus, in nats a token."""

    epochs: Count = 2
    """Times that a round's rollouts are learned from."""
    minibatch: Count = 48
    """Rollouts a step of the optimiser, over all processes."""
    micro_batch: Count | None = None
    """Rollouts a pass through the networks, so that they fit in memory; None: as many as there are."""
    generation_batch: Count | None = None
    """Prompts answered at a time, so that their caches fit in memory; None: all of a process's."""
    learning_rate: Positive = 3e-4
    """Of the policy, and of a shared trunk."""
    value_learning_rate: Positive = 1e-3
    """Of what only values hang on."""
    final_learning_rate: Share = 0.1
    """The share of both that is left in the last round; they fall along a line."""
    adam_betas: Annotated[tuple[Decay, Decay], Field(strict=False)] = (0.9, 0.999)
    """Decay of Adam's two averages."""
    adam_epsilon: Positive = 1e-5
    """Added to Adam's denominator."""
    weight_decay: NotNegative = 0.0
    """Of AdamW."""
    max_gradient_norm: Positive = 1.0
    """Longer gradients are shortened to this, the policy's and a separate value model's each."""
    value_only_updates: Annotated[int, Field(ge=0)] = 3
    """First rounds in which the value head learns and the policy does not."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """Of matrix products; weights, and all sums that losses hang on, are fp32."""
    gradient_checkpointing: bool = False
    """Compute a layer's activations again rather than keep them: less memory, a third more time."""

    unjudged_limit: Share = 0.05
    """The run stops when more than this share of the rollouts of the last rounds could not be judged."""
    unjudged_window: Count = 10
    """So many rounds."""
    snapshot_every: Count = 5
    """Rounds between snapshots; the last round has one in any case."""
    snapshots_kept: Annotated[int, Field(ge=2)] = 2
    """Older ones are removed."""


# ---- rollout


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A round's rollouts, of all processes. `time`: the longest response's; `length`: that and the longest prompt's."""

    tokens: Tensor  # [batch, length]; prompts padded on the left, responses on the right
    attention: Tensor  # [batch, length]; true on what is no padding
    mask: Tensor  # [batch, time]; true on a response's tokens, its end token included
    finished: Tensor  # [batch]; has an end token
    logprobs: Tensor  # [batch, time]; log π of each token as it was sampled
    reference: Tensor  # [batch, time]; log ref of it
    kl: Tensor  # [batch, time]; Σ_v π(v) log π(v)/ref(v) at each place
    entropy: Tensor  # [batch, time]
    values: Tensor  # [batch, time]; before each token
    cache_gap: Tensor  # [batch]; how far log π with and without the cache are apart
    scores: Tensor  # [batch, time]; what the reward said, where it said it, 0 elsewhere
    unjudged: Tensor  # [batch]


def prompts_of_round(count: int, config: PpoConfig, update: int) -> list[int]:
    """Which prompts this round takes: all of them once, in random order, before any comes again."""
    chosen: list[int] = []
    for place in range(update * config.batch, (update + 1) * config.batch):
        if not chosen or place % count == 0:
            turn = generator(config.seed, place // count, "prompts")
            order = torch.randperm(count, generator=turn).tolist()
        chosen.append(order[place % count])
    return chosen


def rollout(run: Run, update: int) -> Batch:
    """The policy answers a round's prompts; each process its share, and all have all of it afterwards."""
    config, device = run.config, run.device
    chosen = [run.prompts[index] for index in prompts_of_round(len(run.prompts), config, update)]
    chance = torch.rand(
        (config.batch, config.max_new_tokens),
        generator=generator(config.seed, update, "sampling"),
        dtype=torch.float64,
    )
    share = config.batch // run.processes
    mine = slice(run.process * share, (run.process + 1) * share)
    began = perf_counter()
    run.network.eval()
    with run.autocast():
        generated = generate(
            run.network.policy,
            [prompt.tokens for prompt in chosen[mine]],
            chance[mine],
            max_new_tokens=config.max_new_tokens,
            eos=run.eos,
            pad=run.pad,
            temperature=config.temperature,
            rows=config.generation_batch,
        )
    run.seconds["generation"] = perf_counter() - began

    began = perf_counter()
    written = as_rollouts(run, chosen[mine], generated.tokens, generated.mask, update)
    written = replace(written, places=tuple(range(config.batch))[mine], total=config.batch)
    scores, unjudged = judged(run, written, generated)
    run.seconds["reward"] = perf_counter() - began

    began = perf_counter()
    prompt_tokens, prompt_mask = (block.to(device) for block in pad_left([prompt.tokens for prompt in chosen], run.pad))
    tokens = torch.cat([prompt_tokens[mine], generated.tokens], dim=1)
    attention = torch.cat([prompt_mask[mine], generated.mask], dim=1)
    seen = look_again(run, tokens, attention, generated.mask)
    # bf16 products differ between one token at a time and all at once: what learning compares with is all at once.
    gap = ((seen["logprobs"] - generated.logprobs).abs() * generated.mask).amax(1)
    parts = {
        "mask": generated.mask,
        "finished": generated.finished,
        "response": generated.tokens,
        **seen,
        "cache_gap": gap,
        "scores": scores,
        "unjudged": unjudged,
    }
    whole = {name: run.gathered(part) for name, part in parts.items()}
    time = int(whole["mask"].sum(1).max())
    whole = {name: part[:, :time] if part.ndim == 2 else part for name, part in whole.items()}
    batch = Batch(
        tokens=torch.cat([prompt_tokens, whole.pop("response")], dim=1),
        attention=torch.cat([prompt_mask, whole["mask"]], dim=1),
        **whole,
    )
    run.seconds["evaluation"] = perf_counter() - began
    check_rollout(batch, config, update)
    return batch


@torch.no_grad()
def look_again(run: Run, tokens: Tensor, attention: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """One pass over whole rollouts: log π, log ref, the exact KL, entropy, values, each [batch, time]."""
    names = ("logprobs", "reference", "kl", "entropy", "values")
    found = {name: torch.zeros(mask.shape, device=mask.device) for name in names}
    for rows in pieces(torch.arange(len(mask)), attention, run.config.micro_batch):
        part, seen, answered = trimmed(tokens, attention, mask, rows)
        time = answered.shape[1]
        with run.autocast():
            logits, values = run.network.both(part[:, :-1], seen[:, :-1], time)
            with run.reference.reading():
                other = read(run.reference.target, part[:, :-1], seen[:, :-1], time).logits
        mine = log_probabilities(logits, run.config.temperature)  # [rows, time, vocabulary]
        theirs = log_probabilities(other, run.config.temperature)
        taken = part[:, -time:, None]
        of_rows = (
            mine.gather(2, taken)[..., 0],
            theirs.gather(2, taken)[..., 0],
            exact_kl(mine, theirs),
            entropy_of(mine),
            values,
        )
        for name, numbers in zip(names, of_rows, strict=True):
            found[name][rows.to(mask.device), :time] = numbers * answered
    return found


def log_probabilities(logits: Tensor, temperature: float) -> Tensor:
    """Of the distribution that is sampled from, in fp32; the last dimension is the vocabulary."""
    logits = logits.float()
    return torch.log_softmax(logits if temperature == 1 else logits / temperature, dim=-1)


def pieces(rows: Tensor, attention: Tensor, size: int | None) -> Iterator[Tensor]:
    """Rows in groups of at most `size`, of like length, so that little of a pass is spent on padding."""
    if len(rows) == 0:
        return
    if size is not None and size < len(rows):
        rows = rows[attention.sum(1).cpu()[rows].argsort(stable=True)]
    yield from torch.split(rows, size or len(rows))


def trimmed(tokens: Tensor, attention: Tensor, mask: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """These rows without the columns that are padding in all of them: tokens, attention, mask."""
    rows = rows.to(mask.device)
    time = mask.shape[1]
    prompt = attention.shape[1] - time
    longest = int(mask[rows].sum(1).max())
    first = prompt - int(attention[rows, :prompt].sum(1).max())
    kept = slice(first, prompt + longest)
    return tokens[rows, kept], attention[rows, kept], mask[rows, :longest]


def check_rollout(batch: Batch, config: PpoConfig, update: int) -> None:
    """Stop before numbers that mean nothing are learned from."""
    for name, what in (
        ("logprobs", "the policy's log-probabilities are"),
        ("reference", "the reference's log-probabilities are"),
        ("values", "the value head's values are"),
    ):
        if not bool(torch.isfinite(getattr(batch, name)).all()):
            raise OverseerError(f"update {update}: rollout: {what} nan or infinite (lower the learning rate)")
    gap = float(batch.cache_gap.max())
    if config.precision == "fp32" and gap > CACHE_TOLERANCE:
        raise OverseerError(
            f"update {update}: rollout: log-probabilities with and without the cache differ by {gap:.1e}"
            f" (over {CACHE_TOLERANCE:.0e}: this model's cache, positions or padding cannot be trusted)"
        )


# ---- reward


def as_rollouts(run: Run, prompts: Sequence[Prompt], tokens: Tensor, mask: Tensor, update: int) -> Rollouts:
    """Tensors as rewards and measures see them. `tokens` and `mask` are of responses: [batch, time]."""
    lengths = mask.sum(1).tolist()
    responses = (tuple(row[:length]) for row, length in zip(tokens.tolist(), lengths, strict=True))
    return Rollouts(tuple(prompts), tuple(responses), update, run.decode)


def judged(run: Run, rollouts: Rollouts, generated: Any) -> tuple[Tensor, Tensor]:
    """Scores where they fall, [batch, time], and who could not be judged, [batch]. One process's error is all's."""
    problem: OverseerError | None = None
    config, mask = run.config, generated.mask
    scores = torch.zeros(mask.shape, device=mask.device)
    unjudged = torch.zeros(len(mask), dtype=torch.bool, device=mask.device)
    cut = ~generated.finished if config.missing_eos is not None else torch.zeros_like(generated.finished)
    rows = (~cut).nonzero()[:, 0]
    if len(rows):
        try:
            scored = ask(run.reward, rollouts.only(rows.tolist()))
            scores[rows] = place_scores(scored, mask[rows], config)
            unjudged[rows] = scored.unjudged.to(mask.device)
        except OverseerError as error:
            problem = error
    if config.missing_eos is not None and bool(cut.any()):
        constant = Scored(torch.full((int(cut.sum()),), config.missing_eos), torch.zeros(int(cut.sum())).bool())
        as_they_are = config.model_copy(update={"reward_mean": 0.0, "reward_sd": 1.0})
        scores[cut] = place_scores(constant, mask[cut], as_they_are)
    run.agree(problem, f"update {rollouts.update}: reward")
    return scores, unjudged


def place_scores(scored: Scored, mask: Tensor, config: PpoConfig) -> Tensor:
    """Scores as rewards of tokens, [batch, time]: a sequence's at its last token, whatever that is."""
    scores = scored.scores.to(mask.device)
    if scores.ndim == 2:
        placed = widen(scores, mask.shape[1], 0) * mask
        return placed if config.reward_clip is None else placed.clamp(-config.reward_clip, config.reward_clip)
    scores = (scores - config.reward_mean) / config.reward_sd
    if config.reward_clip is not None:
        scores = scores.clamp(-config.reward_clip, config.reward_clip)
    last = mask.sum(1, keepdim=True) - 1  # [batch, 1]
    return torch.zeros(mask.shape, device=mask.device).scatter(1, last, scores[:, None])


def kl_penalty(logprobs: Tensor, reference: Tensor, coefficient: float) -> Tensor:
    """−β (log π − log ref) at each token (Ziegler et al. 2019, equation 2). All [batch, time]."""
    return -coefficient * (logprobs - reference)


def exact_kl(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Σ_v π(v) (log π(v) − log ref(v)) over the vocabulary, in nats: [batch, time, vocabulary] → [batch, time]."""
    return (logprobs.exp() * (logprobs - reference)).sum(2)


def entropy_of(logprobs: Tensor) -> Tensor:
    """−Σ_v π(v) log π(v), in nats: [batch, time, vocabulary] → [batch, time]."""
    return -(logprobs.exp() * logprobs).sum(2)


def adapted(coefficient: float, kl: float, target: float, rollouts: int, horizon: int) -> float:
    """The KL coefficient after a round of this KL, in nats a response (Ziegler et al. 2019, section 2.2)."""
    error = min(max(kl / target - 1.0, -0.2), 0.2)
    return coefficient * (1.0 + error * rollouts / horizon)


def masked_mean(numbers: Tensor, mask: Tensor) -> Tensor:
    """Mean where the mask is true; 0 where it is so nowhere."""
    return (numbers * mask).sum() / mask.sum().clamp(min=1)


def whitened(numbers: Tensor, mask: Tensor, *, keep_mean: bool = False) -> Tensor:
    """Numbers of standard deviation 1, and mean 0 or the mean they had; 0 outside the mask. [batch, time]"""
    mean = masked_mean(numbers, mask)
    variance = masked_mean((numbers - mean) ** 2, mask)
    scaled = (numbers - mean) * torch.rsqrt(variance + 1e-8)
    return (scaled + mean if keep_mean else scaled) * mask


# ---- advantage


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, gae_lambda: float) -> tuple[Tensor, Tensor]:
    """Advantages and returns, each [batch, time], 0 outside the mask (Schulman et al. 2015, equations 11 and 16).

    δ_t = r_t + γ V_{t+1} − V_t and A_t = δ_t + γλ A_{t+1}; after a response's last token both V and A are 0, whether it
    ended or was cut. `values` [batch, time] stand before each token; the mask is true from a row's start to its end.
    """
    values = values * mask
    ahead = torch.zeros_like(values[:, 0])
    coming = torch.zeros_like(values[:, 0])
    advantages = torch.zeros_like(values)
    for time in reversed(range(values.shape[1])):
        delta = rewards[:, time] + gamma * ahead - values[:, time]
        coming = (delta + gamma * gae_lambda * coming) * mask[:, time]
        ahead = values[:, time]
        advantages[:, time] = coming
    return advantages, (advantages + values) * mask


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What the loss needs of a round; all [batch, time] but `tokens` and `attention`, which are `Batch`'s."""

    tokens: Tensor
    attention: Tensor
    mask: Tensor  # as `Batch.mask`: what belongs to a response
    counted: Tensor  # false for unjudged rollouts as well
    logprobs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor


def lesson_of(batch: Batch, config: PpoConfig, coefficient: float) -> Lesson:
    """From scores to advantages. Unjudged rollouts count nowhere."""
    counted = batch.mask & ~batch.unjudged[:, None]
    rewards = (batch.scores + kl_penalty(batch.logprobs, batch.reference, coefficient)) * counted
    if config.whiten_rewards:
        rewards = whitened(rewards, counted, keep_mean=True)
    advantages, returns = gae(rewards, batch.values, counted, config.gamma, config.gae_lambda)
    if config.whiten_advantages:
        advantages = whitened(advantages, counted)
    return Lesson(batch.tokens, batch.attention, batch.mask, counted, batch.logprobs, batch.values, advantages, returns)


# ---- loss


def policy_loss(logprobs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """−min(ρ A, clip(ρ, 1 ± ε) A) at each token, ρ = π / π_old (Schulman et al. 2017, equation 7). [batch, time]"""
    ratio = torch.exp(logprobs - old)
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def value_loss(values: Tensor, old: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """½ max((V − R)², (V_clipped − R)²) at each token, V_clipped within ± clip of the old value. [batch, time]"""
    squared = (values - returns) ** 2
    if clip is not None:
        held = old + (values - old).clamp(-clip, clip)
        squared = torch.maximum(squared, (held - returns) ** 2)
    return 0.5 * squared


def losses(run: Run, lesson: Lesson, rows: Tensor, *, value_only: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of these rows, and what is logged of it: sums over tokens, to be divided by their number."""
    config = run.config
    tokens, attention, mask = trimmed(lesson.tokens, lesson.attention, lesson.mask, rows)
    time = mask.shape[1]
    rows = rows.to(mask.device)
    counted, old, old_values, advantages, returns = (
        part[rows, :time]
        for part in (lesson.counted, lesson.logprobs, lesson.values, lesson.advantages, lesson.returns)
    )
    with run.autocast():
        if value_only:
            values = run.network.values(tokens[:, :-1], attention[:, :-1], time)
        else:
            logits, values = run.network.both(tokens[:, :-1], attention[:, :-1], time)
    of_values = (value_loss(values, old_values, returns, config.value_clip) * counted).sum()
    told = {"value_loss": of_values.detach()}
    if config.value_clip is not None:
        told["value_clip_fraction"] = (((values - old_values).abs() > config.value_clip) & counted).sum().detach()
    if value_only:
        return of_values, told
    likely = log_probabilities(logits, config.temperature)
    logprobs = likely.gather(2, tokens[:, -time:, None])[..., 0]
    of_policy = (policy_loss(logprobs, old, advantages, config.clip) * counted).sum()
    shared = run.network.value is None
    loss = of_policy + (config.value_coefficient if shared else 1.0) * of_values
    if config.entropy_coefficient > 0:
        entropy = (entropy_of(likely) * counted).sum()
        loss = loss - config.entropy_coefficient * entropy
        told["step_entropy"] = entropy.detach()
    with torch.no_grad():
        moved = (logprobs - old) * counted
        told["policy_loss"] = of_policy.detach()
        told["clip_fraction"] = (((moved.exp() - 1).abs() > config.clip) & counted).sum()
        told["step_kl"] = (moved.exp() - 1 - moved).sum()  # KL(π_old | π), Schulman's estimator k3
    return loss, told


# ---- update


def learn(run: Run, lesson: Lesson, update: int) -> dict[str, float]:
    """All epochs over a round: its mean losses, clip fractions and gradient norms."""
    config = run.config
    value_only = update < config.value_only_updates
    for group in run.optimizer.param_groups:
        group["lr"] = group["first_lr"] * rate_of(update, config)
    # Dropout is off for good, in either mode; transformers checkpoints in training mode.
    run.network.train(config.gradient_checkpointing)
    totals: dict[str, Tensor] = {}
    tokens, steps = 0, 0
    norms: dict[str, float] = {}
    for epoch in range(config.epochs):
        order = torch.randperm(config.batch, generator=generator(config.seed, update, f"epoch {epoch}"))
        for number, rows in enumerate(torch.split(order, config.minibatch)):
            count = int(lesson.counted[rows.to(lesson.counted.device)].sum())
            if count == 0:  # nobody could judge any of them
                continue
            where = f"update {update}, epoch {epoch}, minibatch {number}"
            told, of_step = step(run, lesson, rows, count, where, value_only=value_only)
            if steps == 0 and not value_only:
                check_start(run, told, count, where)
            tokens, steps = tokens + count, steps + 1
            for name, number_of in told.items():
                totals[name] = totals.get(name, torch.zeros((), device=run.device)) + number_of
            for name, norm in of_step.items():
                norms[name] = norms.get(name, 0.0) + norm
    means = {name: float(run.summed(total)) / max(tokens, 1) for name, total in totals.items()}
    return {**means, **{name: norm / max(steps, 1) for name, norm in norms.items()}}


def check_start(run: Run, told: Mapping[str, Tensor], count: int, where: str) -> None:
    """Before its first step of a round the policy must be what the rollouts are of: ratios begin at 1."""
    apart = float(run.summed(told.get("step_kl", torch.zeros((), device=run.device)))) / count
    if run.config.precision == "fp32" and apart > START_TOLERANCE:
        raise OverseerError(
            f"{where}: the policy that learns is {apart:.1e} nats a token from the one that answered"
            " (it draws by chance in training mode, as by dropout: use no gradient_checkpointing, or another model)"
        )


def step(
    run: Run, lesson: Lesson, rows: Tensor, count: int, where: str, *, value_only: bool
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """One step of the optimiser on a minibatch of `count` tokens, each process with its share of the rows."""
    told: dict[str, Tensor] = {}
    for piece in pieces(rows[run.process :: run.processes], lesson.attention, run.config.micro_batch):
        loss, part = losses(run, lesson, piece, value_only=value_only)
        (loss / count).backward()  # type: ignore[no-untyped-call]
        for name, number in part.items():
            told[name] = told.get(name, torch.zeros((), device=run.device)) + number
    groups = run.trained(value_only=value_only)
    for parameters in groups.values():
        share_gradients(run, parameters)
    norms = {
        f"{name}_gradient": float(nn.utils.clip_grad_norm_(parameters, run.config.max_gradient_norm))
        for name, parameters in groups.items()
    }
    for name, norm in norms.items():
        if norm != norm or norm == float("inf"):
            causes = [part for part in told if part.endswith("_loss") and not bool(told[part].isfinite())]
            raise OverseerError(
                f"{where}: {(causes or [name])[0].replace('_', ' ')} is {'nan' if norm != norm else 'infinite'}"
                " (snapshots are whole; with a lower learning rate or max_gradient_norm, begin in a new folder)"
            )
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    return told, norms


def share_gradients(run: Run, parameters: Sequence[nn.Parameter]) -> None:
    """Add up the processes' gradients; each has divided by the tokens of all."""
    if run.processes == 1:
        return
    parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    whole = run.summed(torch.cat([part.flatten() for part in parts]))
    for one, part in zip(parameters, torch.split(whole, [one.numel() for one in parameters]), strict=True):
        one.grad = part.view_as(one).clone()


def rate_of(update: int, config: PpoConfig) -> float:
    """The share of the learning rates that is left in this round."""
    done = update / max(config.updates - 1, 1)
    return 1.0 - (1.0 - config.final_learning_rate) * done


# ---- log


def row_of(run: Run, batch: Batch, lesson: Lesson, learned: Mapping[str, float], update: int) -> dict[str, float]:
    """What is told of a round: before it was learned from, but for what `learned` says."""
    mask, judged_rows = batch.mask, ~batch.unjudged
    scores = batch.scores.sum(1)[judged_rows]
    asked = prompts_of_round(len(run.prompts), run.config, update)
    by_prompt = [prompt for prompt, counts in zip(asked, judged_rows.tolist(), strict=True) if counts]
    error = clustered_error(scores.tolist(), by_prompt)
    sampled = ((batch.logprobs - batch.reference) * mask).sum(1)
    spread = masked_mean((lesson.returns - masked_mean(lesson.returns, lesson.counted)) ** 2, lesson.counted)
    missed = masked_mean((lesson.returns - batch.values) ** 2, lesson.counted)
    return {
        "update": update,
        "rollouts": (update + 1) * run.config.batch,
        "score": float(scores.mean()) if len(scores) else float("nan"),
        "score_sd": float(scores.std(correction=0)) if len(scores) else float("nan"),
        "score_error": float("nan") if error is None else error,
        "kl": float((batch.kl * mask).sum(1).mean()),
        "kl_sampled": float(sampled.mean()),
        "kl_coefficient": run.coefficient,
        "entropy": float(masked_mean(batch.entropy, mask)),
        "length": float(mask.sum(1).float().mean()),
        "finished": float(batch.finished.float().mean()),
        "unjudged": float(batch.unjudged.sum()),
        "explained_variance": float(1 - missed / spread.clamp(min=1e-8)),
        "learning_rate": run.config.learning_rate * rate_of(update, run.config),
        "cache_gap": float(batch.cache_gap.max()),
        **learned,
    }


# ---- the whole


@dataclass(slots=True, eq=False)
class Run:
    """What a run holds while it goes. Of these, networks, optimiser, coefficient and rows change."""

    config: PpoConfig
    network: PolicyAndValue
    reference: Reference
    prompts: Sequence[Prompt]
    reward: Reward
    eos: int
    pad: int
    decode: Callable[[Sequence[int]], str] | None
    optimizer: torch.optim.AdamW
    accelerator: Any
    coefficient: float
    rows: list[monitor.Row] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    unjudged: list[int] = field(default_factory=list)  # of each round's rollouts; every process has both
    asked: list[int] = field(default_factory=list)  # of each round's, those that a reward was asked for

    @property
    def device(self) -> torch.device:
        return self.accelerator.device  # type: ignore[no-any-return]

    @property
    def process(self) -> int:
        return int(self.accelerator.process_index)

    @property
    def processes(self) -> int:
        return int(self.accelerator.num_processes)

    def gathered(self, part: Tensor) -> Tensor:
        """The parts of all processes, one below the other; a part's columns are a response's tokens."""
        if self.processes == 1:
            return part
        if part.ndim == 2:
            part = widen(part, self.config.max_new_tokens, self.pad if part.dtype == torch.long else 0)
        return self.accelerator.gather(part)  # type: ignore[no-any-return]

    def summed(self, part: Tensor) -> Tensor:
        """The sum over all processes."""
        return part if self.processes == 1 else self.accelerator.reduce(part, reduction="sum")

    def agree(self, problem: OverseerError | None, where: str) -> None:
        """One process's failure is every process's: else the others would wait for it for ever."""
        failed = self.gathered(torch.tensor([problem is not None], device=self.device))
        if problem is not None:
            raise problem
        if bool(failed.any()):
            raise OverseerError(f"{where}: failed in another process (its message says why)")

    def autocast(self) -> AbstractContextManager[Any]:
        """Matrix products in the precision that was asked for."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    def trained(self, *, value_only: bool) -> dict[str, list[nn.Parameter]]:
        """Parameters by whose gradient is clipped apart."""
        values, policy = self.network.value_parameters(), self.network.policy_parameters()
        if value_only:
            return {"value": values}
        return {"policy": policy + values} if self.network.value is None else {"policy": policy, "value": values}


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The policy, trained in place; its value head; a row of metrics a round; the alarms that rang."""

    policy: Any
    network: PolicyAndValue
    rows: tuple[monitor.Row, ...]
    alarms: tuple[monitor.Alarm, ...]


def train_ppo(
    config: PpoConfig,
    policy: Any,
    prompts: Sequence[Prompt],
    reward: Reward,
    *,
    eos: int,
    pad: int,
    value: ValueModel | None = None,
    reference: Any | None = None,
    decode: Callable[[Sequence[int]], str] | None = None,
    folder: Path | None = None,
    rewarded_by: str = "",
    watch: monitor.Watch | None = None,
    measure: Callable[[Rollouts], Mapping[str, float]] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Trained:
    """Train a causal language model of transformers, in place.

    `value` None: the value head shares the policy's trunk. `reference` None: a frozen copy of the policy, or the policy
    with its adapters off. `folder` holds metrics and snapshots, and a run that it holds goes on, given the same inputs
    again; `rewarded_by` tells the reward from others, in any words. `watch` counts traits and rings alarms; `measure`
    is logged and chooses nothing; `tell` is told of alarms, a line each. Started by `accelerate launch`, several
    processes share each round. Raises ConfigError for inputs that do not fit, OverseerError where the run stops: what
    was learned until then is in the folder.
    """
    run = begun(config, policy, prompts, reward, eos=eos, pad=pad, value=value, reference=reference, decode=decode)
    if watch is not None and decode is None:
        raise ConfigError("watch: traits are counted in texts: give `decode`")
    origin = origin_of(run, rewarded_by) if folder is not None else {}
    first = 0 if folder is None else resumed_together(run, folder, origin)
    log = monitor.Log(folder if run.process == 0 else None, first)
    run.rows.extend(log.rows)
    rang = list(monitor.alarms(run.rows, watch.thresholds)) if watch is not None else []
    with log:
        for update in range(first, config.updates):
            try:
                batch = rollout(run, update)
                row = {"update": float(update), **measured(run, batch, update, watch, measure)}
                check_unjudged(run, batch, update)
            except OverseerError:
                if folder is not None and all(bool(one.isfinite().all()) for one in run.network.parameters()):
                    save(run, folder, update, origin)
                raise
            began = perf_counter()
            lesson = lesson_of(batch, config, run.coefficient)
            learned = learn(run, lesson, update)
            run.seconds["learning"] = perf_counter() - began
            row = {**row_of(run, batch, lesson, learned, update), **row}
            row |= {f"seconds/{name}": seconds for name, seconds in run.seconds.items()}
            if config.kl_target is not None and update >= config.value_only_updates:
                run.coefficient = adapted(run.coefficient, row["kl"], config.kl_target, config.batch, config.kl_horizon)
            run.rows.append(row)
            run.unjudged.append(int(batch.unjudged.sum()))
            run.asked.append(asked_of(batch, config))
            log.write(row)
            if watch is not None:
                fresh = [alarm for alarm in monitor.alarms(run.rows, watch.thresholds) if alarm.update == update]
                rang += fresh
                for alarm in fresh:
                    if tell is not None and run.process == 0:
                        tell(str(alarm))
            if folder is not None and ((update + 1) % config.snapshot_every == 0 or update + 1 == config.updates):
                save(run, folder, update + 1, origin)
    run.network.eval()
    return Trained(run.network.policy, run.network, tuple(run.rows), tuple(rang))


def begun(
    config: PpoConfig,
    policy: Any,
    prompts: Sequence[Prompt],
    reward: Reward,
    *,
    eos: int,
    pad: int,
    value: ValueModel | None,
    reference: Any | None,
    decode: Callable[[Sequence[int]], str] | None,
) -> Run:
    """A run before its first round: inputs checked, everything on its device."""
    from accelerate import Accelerator

    accelerator = Accelerator()
    check_inputs(config, policy, prompts, eos, pad, accelerator.num_processes)
    network = PolicyAndValue(policy, value).to(accelerator.device)
    same_everywhere(network, accelerator)
    held = reference_for(policy, reference)
    if held.model is not None:
        held.model.to(accelerator.device)
        same_everywhere(held.model, accelerator)
        without_dropout(held.model)
    without_dropout(network)
    if config.gradient_checkpointing:
        for model in (policy, *(() if value is None else (value.trunk,))):
            checkpointed(model)
    groups = [
        {"params": network.policy_parameters(), "lr": config.learning_rate, "first_lr": config.learning_rate},
        {
            "params": network.value_parameters(),
            "lr": config.value_learning_rate,
            "first_lr": config.value_learning_rate,
        },
    ]
    optimizer = torch.optim.AdamW(
        groups, betas=config.adam_betas, eps=config.adam_epsilon, weight_decay=config.weight_decay, fused=True
    )
    return Run(
        config, network, held, tuple(prompts), reward, eos, pad, decode, optimizer, accelerator, config.kl_coefficient
    )


def same_everywhere(module: nn.Module, accelerator: Any) -> None:
    """The first process's weights in all."""
    from accelerate.utils import broadcast

    if accelerator.num_processes > 1:
        for parameter in module.parameters():
            broadcast(parameter.data)


def check_inputs(config: PpoConfig, policy: Any, prompts: Sequence[Prompt], eos: int, pad: int, processes: int) -> None:
    """Every problem at once, each with its remedy."""
    problems: list[str] = []
    vocabulary = int(policy.config.vocab_size)
    places = int(getattr(policy.config, "max_position_embeddings", 1 << 62))
    if not prompts:
        problems.append("prompts: there are none (give at least one)")
    if eos == pad:
        problems.append(f"pad: is {pad}, which is eos too: an answer's end could not be told (give pad its own token)")
    for name, token in (("eos", eos), ("pad", pad)):
        if not 0 <= token < vocabulary:
            problems.append(
                f"{name}: is {token}, and the policy knows {vocabulary} tokens (is it another tokenizer's?)"
            )
    for prompt in prompts:
        if not prompt.tokens or not all(0 <= token < vocabulary for token in prompt.tokens):
            problems.append(f"prompts: {prompt.id!r} is empty, or holds tokens beyond the policy's {vocabulary}")
            break
    longest = max((len(prompt.tokens) for prompt in prompts), default=0)
    if longest + config.max_new_tokens > places:
        problems.append(
            f"max_new_tokens: {config.max_new_tokens} after a prompt of {longest} goes beyond the policy's {places}"
        )
    if config.batch % processes:
        problems.append(f"batch: {config.batch} rollouts cannot be shared evenly by {processes} processes")
    if config.minibatch < processes:
        problems.append(f"minibatch: {config.minibatch} rollouts leave some of {processes} processes none")
    if config.value_only_updates >= config.updates:
        problems.append(
            f"value_only_updates: {config.value_only_updates} of {config.updates} updates leave none for the policy"
        )
    if problems:
        raise ConfigError(problems)


def measured(
    run: Run,
    batch: Batch,
    update: int,
    watch: monitor.Watch | None,
    measure: Callable[[Rollouts], Mapping[str, float]] | None,
) -> monitor.Row:
    """Shares of traits, and what the measure says. Nothing that follows reads the latter."""
    if watch is None and measure is None:
        return {}
    problem: OverseerError | None = None
    row: monitor.Row = {}
    if run.process == 0:
        chosen = [run.prompts[index] for index in prompts_of_round(len(run.prompts), run.config, update)]
        rollouts = as_rollouts(run, chosen, batch.tokens[:, -batch.mask.shape[1] :], batch.mask, update)
        row |= {} if watch is None else monitor.shares(rollouts.texts, watch.traits)
        try:
            row |= {f"oracle/{name}": float(one) for name, one in measure(rollouts).items()} if measure else {}
        except OverseerError as error:
            problem = error
    run.agree(problem, f"update {update}: measure")
    return row


def check_unjudged(run: Run, batch: Batch, update: int) -> None:
    """Stop where too much of what was to be judged of late could not be: the rest would be a biased choice."""
    window = run.config.unjudged_window
    count = sum([*run.unjudged, int(batch.unjudged.sum())][-window:])
    asked = sum([*run.asked, asked_of(batch, run.config)][-window:])
    if count > run.config.unjudged_limit * asked:
        raise OverseerError(
            f"update {update}: {count} of the last {asked} rollouts that a reward was asked for could not be judged,"
            f" over {run.config.unjudged_limit:.0%} (mend who judges, then resume)"
        )


def asked_of(batch: Batch, config: PpoConfig) -> int:
    """Rollouts that a reward was asked for: with `missing_eos`, those that ended."""
    return len(batch.finished) if config.missing_eos is None else int(batch.finished.sum())


# ---- going on after a stop

FREE = {"unjudged_limit", "unjudged_window", "snapshot_every", "snapshots_kept"}
"""Settings that a resumed run may change: no weight hangs on them."""


def origin_of(run: Run, rewarded_by: str) -> dict[str, str]:
    """What the run was begun with, by its hash."""
    reference = run.reference.model
    tokens = sha256("\n".join(f"{prompt.id} {prompt.tokens}" for prompt in run.prompts).encode())
    return {
        "policy": fingerprint(run.network),
        "reference": "" if reference is None else fingerprint(reference),
        "prompts": tokens.hexdigest(),
        "reward": rewarded_by,
    }


def save(run: Run, folder: Path, updates: int, origin: Mapping[str, str]) -> None:
    """A snapshot after so many rounds: what is trained, Adam's averages, the coefficient."""
    problem: OverseerError | None = None
    if run.process == 0:
        tensors = {f"network.{name}": one for name, one in trained_parameters(run)}
        for name, one in trained_parameters(run):
            for key, tensor in run.optimizer.state.get(one, {}).items():
                tensors[f"optimizer.{key}.{name}"] = tensor
        state = {
            "config": run.config.model_dump(mode="json"),
            "origin": dict(origin),
            "coefficient": run.coefficient,
            "unjudged": run.unjudged,
            "asked": run.asked,
        }
        here = snapshots.machine(run.device, run.processes)
        try:
            snapshots.write(folder / SNAPSHOTS, updates, tensors, state, here, keep=run.config.snapshots_kept)
        except OverseerError as error:
            problem = error
    run.agree(problem, "snapshot")


def trained_parameters(run: Run) -> list[tuple[str, nn.Parameter]]:
    """By name, each once: tied weights are one."""
    return [(name, one) for name, one in run.network.named_parameters() if one.requires_grad]


def resumed_together(run: Run, folder: Path, origin: Mapping[str, str]) -> int:
    """As `resumed`, by all processes: raises OverseerError where they do not find the same."""
    problem: OverseerError | None = None
    first = 0
    try:
        first = resumed(run, folder, origin)
    except OverseerError as error:
        problem = error
    run.agree(problem, f"{folder}")
    found = run.gathered(torch.tensor([first], device=run.device)).tolist()
    if len(set(found)) > 1:
        raise OverseerError(f"{folder}: processes find snapshots of rounds {found} (give all of them one file system)")
    return first


def resumed(run: Run, folder: Path, origin: Mapping[str, str]) -> int:
    """Take up the newest snapshot, if there is one: how many rounds are done."""
    found = snapshots.newest(folder / SNAPSHOTS, snapshots.machine(run.device, run.processes))
    if found is None:
        return 0
    then, now = found.state["config"], run.config.model_dump(mode="json")
    then_origin = found.state["origin"]
    assert isinstance(then, dict)
    assert isinstance(then_origin, dict)
    changed = [name for name in now if name not in FREE and now[name] != then.get(name)]
    changed += [name for name, told in origin.items() if told != then_origin.get(name, told)]
    if changed:
        raise ConfigError(
            f"{folder}: {', '.join(changed)} changed since this run began (restore it, or remove this folder)"
        )
    with torch.no_grad():
        for name, one in trained_parameters(run):
            one.copy_(found.tensors[f"network.{name}"])
            keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"optimizer.{key}.{name}" in found.tensors]
            if keys:
                run.optimizer.state[one] = {
                    key: found.tensors[f"optimizer.{key}.{name}"].to(one.device) for key in keys
                }
    run.coefficient = float(found.state["coefficient"])  # type: ignore[arg-type]
    run.unjudged = list(found.state["unjudged"])  # type: ignore[arg-type]
    # Snapshots of earlier versions do not tell: a reward was asked for at most all.
    run.asked = list(found.state.get("asked", [run.config.batch] * len(run.unjudged)))  # type: ignore[arg-type]
    return found.updates

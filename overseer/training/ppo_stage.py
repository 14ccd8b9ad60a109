"""PPO as a stage among the others: folders and files in, a folder out.

Beside `stages`, on `ppo`: a policy's folder, a reward model's, and files whose prompts are asked. Rewards are shifted
and scaled by what the policy earned before it learned. A run that was killed goes on from its last snapshot. Knows no
hierarchy and no truth.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field

from overseer.errors import ConfigError
from overseer.metrics.statistics import Z
from overseer.training.data import Asked, read_prompts
from overseer.training.fitting import Rows, Work, adapters, work
from overseer.training.generation import Prompt, generate, generator
from overseer.training.monitor import METRICS, Row, Watch, score_error, writing
from overseer.training.networks import ValueModel, value_from_reward
from overseer.training.outputs import Figure, Made, check_free, under_way
from overseer.training.ppo import SNAPSHOTS, PpoConfig, Trained, train_ppo
from overseer.training.rewards import Reward, Rollouts, ask, model_reward
from overseer.training.settings import Lora
from overseer.training.snapshots import snapshots
from overseer.training.tokens import Opened, backend, open_model

STANDARDISED = "standardised.json"
"""The mean and the spread that rewards were standardised by, beside a run's snapshots."""
BESIDE = ("tensorboard", "verdicts")
"""Folders of the run that are kept with the policy."""


@dataclass(frozen=True, slots=True)
class Rewarding:
    """A reward that is no model's. `name` for cards; `identity`: of all that it hangs on, so of what may go on."""

    name: str
    identity: str
    open: Callable[[Sequence[Asked], Path], AbstractContextManager[Reward]]
    """From the prompts that are asked, and the folder of the run that is under way."""


class Ppo(PpoConfig):
    """What the stage knows beside the algorithm's own knobs."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    value: Literal["reward", "shared"] = "reward"
    """reward: a value model of its own, which starts as the reward model, or where there is none as the policy; shared:
    a head on the policy's trunk."""
    standardise: Annotated[int, Field(ge=2)] = 256
    """Answers of the policy before it learns, by whose rewards' mean and spread a reward model's are shifted and
    scaled; unless `reward_mean` or `reward_sd` is set."""
    lora: Lora | None = None
    """Train adapters; the policy with its adapters off is then the reference. They have no dropout."""
    pad_token: str | None = None
    """A special token to pad with, where the tokenizer names none of its own."""


def ppo(
    prompts: Sequence[Path],
    model: str,
    reward: str | Rewarding,
    out: Path,
    settings: Ppo | None = None,
    *,
    replace: bool = False,
    tell: Callable[[str], None] | None = None,
    measure: Callable[[Rollouts], Mapping[str, float]] | None = None,
    command: str = "",
) -> Made:
    """Train the policy in `model` to earn what the reward model in `reward` gives, on what these files ask.

    `reward` may open any other reward instead, whose numbers are then taken as they are. A reward model must read the
    policy's tokens. While it runs, metrics and snapshots stand in a folder beside `out`, whose name begins with a dot;
    the same call goes on from there. Figures are of the rollouts themselves, not of held-out prompts: the mean score of
    the first rounds and of the last, and what leaving the reference came to, in nats.
    """
    settings = settings or Ppo()
    check_free(out, replace=replace)
    if settings.lora is not None and settings.lora.dropout:
        raise ConfigError("lora.dropout: PPO drops nothing out: its ratios would mean nothing (leave it 0)")
    backend(*(["peft"] if settings.lora is not None else []))
    read = read_prompts(prompts)
    policy_at = open_model(model, settings.pad_token)
    reward_at = open_model(reward, settings.pad_token) if isinstance(reward, str) else None
    if reward_at is not None:
        _check_together(policy_at, reward_at)
    asked, left = _fitting(read.rows, policy_at, settings.max_new_tokens)
    rows: Rows[Asked] = Rows(tuple((row, ()) for row, _ in asked), (), {**read.left_out, **left}, read.origins)
    running = under_way(out)
    opened: AbstractContextManager[Reward | None] = nullcontext()
    if isinstance(reward, str):
        assert reward_at is not None, "it was opened above"
        known_by = (reward_at.name, reward_at.hash)
    else:
        opened, known_by = reward.open([row for row, _ in asked], running), (reward.name, reward.identity)
    with opened as live, work("ppo", out, policy_at, settings, replace=replace, told=None, rewarded_by=known_by) as at:
        policy = at.loaded("AutoModelForCausalLM").eval()
        known = [prompt for _, prompt in asked]
        if live is None:
            judge = at.loaded("AutoModelForSequenceClassification", reward_at, num_labels=1).float().eval()
            rewarding = model_reward(judge, pad=at.pad)
            settings = _standardised(at, policy, known, rewarding, running)
            value = value_from_reward(judge, mean=settings.reward_mean, sd=settings.reward_sd)
        else:
            rewarding = live
            value = ValueModel(copy.deepcopy(policy.base_model).float())
        config = PpoConfig(**_knobs(settings))
        at = dataclasses.replace(at, settings=settings)  # those that it ran with are put on record
        if settings.lora is not None:
            from peft import get_peft_model

            policy = get_peft_model(policy, adapters(settings.lora, "ppo", policy))
        trained = train_ppo(
            config,
            policy,
            known,
            rewarding,
            eos=at.opened.tokenizer.eos_token_id,
            pad=at.pad,
            value=value if _separate(settings) else None,
            decode=lambda tokens: at.opened.tokenizer.decode(tokens, skip_special_tokens=True),
            folder=running,
            rewarded_by=f"{known_by[1]}, standardised by {settings.standardise}" if live is None else known_by[1],
            watch=Watch(),
            measure=measure,
            tell=tell,
        )
        if at.state.is_main_process:
            shutil.copy(running / METRICS, at.folder / METRICS)
            for name in BESIDE:
                if (running / name).is_dir():
                    shutil.copytree(running / name, at.folder / name)
        figures = _figures(trained) if at.state.is_main_process else {}  # the others read no rows of earlier rounds
        made = at.saved(trained.policy, rows, config.updates, figures, command)
    if at.state.is_main_process:
        shutil.rmtree(running, ignore_errors=True)
    return made


def _knobs(settings: Ppo) -> dict[str, Any]:
    """The algorithm's own."""
    return {name: getattr(settings, name) for name in PpoConfig.model_fields}


def _separate(settings: Ppo) -> bool:
    return settings.value == "reward"


def _check_together(policy: Opened, reward: Opened) -> None:
    if not any(name.endswith("ForSequenceClassification") for name in reward.config.architectures or ()):
        raise ConfigError(f"{reward.name}: is no reward model (give what `overseer train rm` wrote)")
    if policy.tokenizer.get_vocab() != reward.tokenizer.get_vocab():
        raise ConfigError(f"{reward.name}: reads other tokens than {policy.name} writes (train it from that model)")


def _fitting(rows: Sequence[Asked], opened: Opened, answer: int) -> tuple[list[tuple[Asked, Prompt]], dict[str, int]]:
    """Prompts as tokens, with room for an answer; how many were left out."""
    found: list[tuple[Asked, Prompt]] = []
    left = {"no room for an answer": 0, "holds a special token's name": 0}
    for row in rows:
        if opened.forges(message.content for message in row.prompt):
            left["holds a special token's name"] += 1
            continue
        tokens = opened.asked(row.prompt)
        if len(tokens) + answer > opened.longest:
            left["no room for an answer"] += 1
            continue
        found.append((row, Prompt(row.id, tuple(tokens), row.prompt[-1].content)))
    if not found:
        why = ", ".join(f"{count} {reason}" for reason, count in left.items() if count)
        raise ConfigError(f"prompts: none can be asked ({why}: lower max_new_tokens, or bring other prompts)")
    return found, {reason: count for reason, count in left.items() if count}


def _standardised(at: Work, policy: Any, prompts: Sequence[Prompt], reward: Reward, running: Path) -> Ppo:
    """The settings, with the mean and spread of what the policy's answers earn before it learns, unless they say them.

    A run that goes on takes those that it began with: elsewhere the last bits of new ones would differ.
    """
    settings: Ppo = at.settings
    if {"reward_mean", "reward_sd"} & settings.model_fields_set:
        return settings
    kept = running / STANDARDISED
    if snapshots(running / SNAPSHOTS) and kept.is_file():
        return settings.model_copy(update=json.loads(kept.read_text(encoding="utf-8")))
    count = settings.standardise
    turn = torch.randperm(len(prompts), generator=generator(settings.seed, 0, "standardise prompts")).tolist()
    chosen = [prompts[turn[place % len(turn)]] for place in range(count)]
    chance = torch.rand(
        (count, settings.max_new_tokens),
        generator=generator(settings.seed, 0, "standardise"),
        dtype=torch.float64,
    )
    end = at.opened.tokenizer.eos_token_id
    written = generate(
        policy,
        [prompt.tokens for prompt in chosen],
        chance,
        max_new_tokens=settings.max_new_tokens,
        eos=end,
        pad=at.pad,
        temperature=settings.temperature,
        rows=settings.generation_batch or settings.micro_batch or settings.batch,
    )
    ended = [place for place in range(count) if bool(written.finished[place])]
    if len(ended) < 2:
        raise ConfigError(
            f"{at.opened.name}: ended {len(ended)} of {count} answers within {settings.max_new_tokens} tokens"
            " (raise max_new_tokens, or train it on answers first)"
        )
    responses = [tuple(written.tokens[place][written.mask[place].bool()].tolist()) for place in ended]
    scores = ask(reward, Rollouts(tuple(chosen[place] for place in ended), tuple(responses), 0)).scores
    spread = float(scores.std())
    found = {"reward_mean": float(scores.mean()), "reward_sd": spread if spread > 0 else 1.0}
    if at.state.is_main_process:
        with writing(kept):
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return settings.model_copy(update=found)


def _figures(trained: Trained) -> dict[str, Figure]:
    """Mean scores of the first round and of the last; nats from the reference; answers that ended."""
    first, last = trained.rows[0], trained.rows[-1]
    n = round(last["rollouts"] / (last["update"] + 1))
    return {
        "score_before": _score(first, n),
        "score": _score(last, n),
        "kl": Figure(last["kl"], None, None, n),
        "finished": Figure(last["finished"], None, None, n),
    }


def _score(row: Row, rollouts: int) -> Figure:
    half = Z * score_error(row)
    return Figure(row["score"], row["score"] - half, row["score"] + half, rollouts - int(row["unjudged"]))

"""What a rollout is worth: from a reward model, from a judge's verdict, from any function, from a live hierarchy.

Read by `ppo`, between rollout and advantage. Whoever rewards sees `Rollouts` that ended in an end token, and returns a
number each, a number for each token, or `Scored` with those it could not judge. Knows no policy and no loss.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from overseer.errors import OverseerError
from overseer.models.blocks import pad_left, positions
from overseer.training.generation import Prompt


@dataclass(frozen=True, eq=False)
class Rollouts:
    """Prompts and what the policy answered, as rewards and measures see them.

    `responses` are token ids, the end token included where there is one; `decode` makes text of ids (None: `texts`
    cannot be asked for). `update` counts from 0. `places`: where each stands in its round, which holds `total`; None:
    these are the round. A process among several, or a reward that is asked for some alone, sees a part.
    """

    prompts: tuple[Prompt, ...]
    responses: tuple[tuple[int, ...], ...]
    update: int
    decode: Callable[[Sequence[int]], str] | None = None
    places: tuple[int, ...] | None = None
    total: int | None = None

    def __len__(self) -> int:
        return len(self.prompts)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The responses as text."""
        if self.decode is None:
            raise OverseerError("rollouts: their text was asked for, and nothing was given to decode tokens with")
        return tuple(self.decode(response) for response in self.responses)

    def only(self, rows: Sequence[int]) -> Rollouts:
        """Some of them, in this order."""
        return Rollouts(
            tuple(self.prompts[row] for row in rows),
            tuple(self.responses[row] for row in rows),
            self.update,
            self.decode,
            tuple(rows) if self.places is None else tuple(self.places[row] for row in rows),
            len(self) if self.total is None else self.total,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Rewards of rollouts. `scores` [batch], or [batch, time] for a reward at each token, 0 after a response's end.

    `unjudged` [batch]: nobody could judge these; their scores mean nothing and are not looked at.
    """

    scores: Tensor
    unjudged: Tensor


Numbers = Tensor | Sequence[float]
Reward = Callable[[Rollouts], "Numbers | Scored | Awaitable[Numbers | Scored]"]


def ask(reward: Reward, rollouts: Rollouts) -> Scored:
    """Ask for rewards, and hold the answer to its shape. Raises OverseerError, with the cause, for all that fails."""
    where = f"update {rollouts.update}: reward"
    try:
        answer = reward(rollouts)
        if inspect.isawaitable(answer):
            answer = asyncio.run(_awaited(answer))
    except OverseerError:
        raise
    except Exception as error:  # somebody else's code: whatever it raises ends the run in one line, and loses nothing
        line = next(iter(str(error).splitlines()), "")
        raise OverseerError(f"{where}: raised {type(error).__name__}: {line} (mend it, then resume)") from error
    scored = answer if isinstance(answer, Scored) else _as_scored(answer, where)
    rows, longest = len(rollouts), max(map(len, rollouts.responses))
    shape = tuple(scored.scores.shape)
    if shape not in ((rows,), (rows, longest)):
        raise OverseerError(
            f"{where}: returned shape {list(shape)} for {rows} rollouts of at most {longest} tokens"
            f" (return [{rows}], or [{rows}, {longest}] for a reward at each token)"
        )
    if tuple(scored.unjudged.shape) != (rows,) or scored.unjudged.dtype != torch.bool:
        raise OverseerError(f"{where}: `unjudged` must hold {rows} booleans")
    judged = scored.scores[~scored.unjudged]
    if not bool(torch.isfinite(judged).all()):
        raise OverseerError(f"{where}: {int((~torch.isfinite(judged)).sum())} of its numbers are nan or infinite")
    blank = scored.unjudged if scored.scores.ndim == 1 else scored.unjudged[:, None]
    # Zero times nan is nan: what the unjudged score must not be there at all.
    return Scored(scored.scores.detach().float().masked_fill(blank, 0.0), scored.unjudged)


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer


def _as_scored(answer: Any, where: str) -> Scored:
    try:
        scores = torch.as_tensor(answer, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise OverseerError(
            f"{where}: returned {type(answer).__name__}, not numbers: {str(error).splitlines()[0]}"
        ) from error
    return Scored(scores, torch.zeros(scores.shape[:1], dtype=torch.bool, device=scores.device))


def function_reward(function: Callable[[Sequence[str], Sequence[str]], Numbers | Awaitable[Numbers]]) -> Reward:
    """Any function, or coroutine function, of prompts and responses as text."""
    return lambda rollouts: function([prompt.text for prompt in rollouts.prompts], rollouts.texts)


def model_reward(model: Any, *, pad: int, rows: int = 64) -> Reward:
    """A reward model: a sequence classifier of transformers with one label, read at the end token. `rows` at a time."""
    model.eval()

    @torch.no_grad()
    def reward(rollouts: Rollouts) -> Tensor:
        device = next(model.parameters()).device
        scores = []
        for start in range(0, len(rollouts), rows):
            both = [
                (*prompt.tokens, *response)
                for prompt, response in zip(
                    rollouts.prompts[start : start + rows], rollouts.responses[start : start + rows], strict=True
                )
            ]
            tokens, attention = (block.to(device) for block in pad_left(both, pad))
            hidden = model.base_model(
                input_ids=tokens, attention_mask=attention.long(), position_ids=positions(attention), use_cache=False
            ).last_hidden_state
            scores.append(model.score(hidden[:, -1])[:, 0].float())
        return torch.cat(scores)

    return reward


def verdict_reward(
    judge: Any,
    render: Callable[[str, str], Sequence[int]],
    verdicts: tuple[Sequence[int], Sequence[int]],
    *,
    pad: int,
    scale: Literal["log_odds", "probability"] = "log_odds",
    rows: int = 64,
) -> Reward:
    """How much surer a judge is of the first verdict than of the second, each given as tokens, after what `render`
    makes of a prompt's text and a response's.

    `log_odds`: log p(first) − log p(second). `probability`: p(first) / (p(first) + p(second)).
    """
    judge.eval()

    def reward(rollouts: Rollouts) -> Tensor:
        asked = [render(prompt.text, text) for prompt, text in zip(rollouts.prompts, rollouts.texts, strict=True)]
        first, second = (log_probability(judge, asked, verdict, pad=pad, rows=rows) for verdict in verdicts)
        odds = first - second
        return odds if scale == "log_odds" else torch.sigmoid(odds)

    return reward


@torch.no_grad()
def log_probability(
    model: Any, asked: Sequence[Sequence[int]], answer: Sequence[int], *, pad: int, rows: int = 64
) -> Tensor:
    """log p(answer | what is asked), natural, for each: [batch]."""
    device = next(model.parameters()).device
    wanted = torch.tensor(list(answer), device=device)
    parts = []
    for start in range(0, len(asked), rows):
        tokens, attention = pad_left([(*row, *answer) for row in asked[start : start + rows]], pad)
        tokens, attention = tokens.to(device)[:, :-1], attention.to(device)[:, :-1]
        logits = model(
            input_ids=tokens,
            attention_mask=attention.long(),
            position_ids=positions(attention),
            use_cache=False,
            logits_to_keep=len(wanted),
        ).logits.float()  # [rows, answer, vocabulary]
        likely = torch.log_softmax(logits, dim=2)
        parts.append(likely.gather(2, wanted.expand(len(logits), -1)[..., None])[..., 0].sum(1))
    return torch.cat(parts)


def live_reward(
    judge: Callable[[Sequence[Prompt], Sequence[str]], Sequence[float | None] | Awaitable[Sequence[float | None]]],
) -> Reward:
    """Rewards from whoever judges while the policy trains: a number each, None for what could not be judged."""

    async def reward(rollouts: Rollouts) -> Scored:
        answer = judge(rollouts.prompts, rollouts.texts)
        numbers = await answer if inspect.isawaitable(answer) else answer
        unjudged = torch.tensor([number is None for number in numbers], dtype=torch.bool)
        return Scored(torch.tensor([0.0 if number is None else float(number) for number in numbers]), unjudged)

    return reward


def severity_reward(highest: int) -> float:
    """A reward of the highest severity found, 0–4: 1 for no finding, 0 for severity 2, −1 for 4.

    Refusals earn 1 as well, unless principles of helpfulness and over-refusal are among those that are judged by.
    """
    return 1.0 - highest / 2

"""The stages on TRL: learn answers (`sft`), what is preferred (`reward_model`), or from pairs directly (`dpo`).

Exported files and a model's folder come in; a folder goes out that transformers loads, with held-out figures and a
card. Each stage: read, leave out what cannot be learned, hold out, train, measure, write. TRL does the training. A
stage that is interrupted starts again as a whole. Knows no hierarchy, no journal and no truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overseer.training import held_out
from overseer.training.data import Pair, as_preferences, read_answers, read_pairs
from overseer.training.fitting import Rows, prepared, work
from overseer.training.outputs import Made, check_free
from overseer.training.settings import Dpo, Pairwise, RewardModel, Sft
from overseer.training.tokens import ON_TRL, Opened, backend, open_model

if TYPE_CHECKING:
    from overseer.training.trl_trainers import Told


def sft(
    data: Sequence[Path],
    model: str,
    out: Path,
    settings: Sft | None = None,
    *,
    replace: bool = False,
    told: Told | None = None,
    command: str = "",
) -> Made:
    """Learn to answer as these files do: revisions, critiques, pairs (the chosen texts) or dialogues.

    `model`: a causal language model's folder. `out` is replaced only if `replace`. Figures on held-out prompts: `nll`,
    −log π of the answer in nats a token, its end included, and `nll_before`. Raises ConfigError, BackendMissing or
    OverseerError.
    """
    settings = settings or Sft()
    check_free(out, replace=replace)
    read = read_answers(data)
    backend(*ON_TRL)
    opened = open_model(model, settings.pad_token)
    rows = prepared(read, lambda row: row.prompt, lambda row: (row.text,), opened, settings)
    with work("sft", out, opened, settings, replace=replace, told=told) as at:
        policy = at.loaded("AutoModelForCausalLM")
        held = [tokens for _, (tokens,) in rows.held]
        asked = [row.prompt for row, _ in rows.held]
        before = held_out.nll(held_out.log_probabilities(policy, held, at.pad, at.micro), held, asked)
        table = [
            # Labels of our own: TRL learns prompts as well from token ids with a completion mask, and says nothing.
            {"input_ids": ids, "labels": [-100] * start + ids[start:]}
            for _, ((ids, start),) in rows.learned
        ]
        weights = [row.weight for row, _ in rows.learned] if settings.weights == "sample" else None

        def emphasised(trainer: Any) -> None:
            trainer.opening, trainer.emphasis = settings.opening, settings.emphasis

        policy, updates = at.trained(policy, table, weights, emphasised)
        after = held_out.nll(held_out.log_probabilities(policy, held, at.pad, at.micro), held, asked)
        figures = {"nll": after, "nll_before": before} if held else {}
        return at.saved(policy, rows, updates, figures, command)


def reward_model(
    data: Sequence[Path],
    model: str,
    out: Path,
    settings: RewardModel | None = None,
    *,
    replace: bool = False,
    told: Told | None = None,
    command: str = "",
) -> Made:
    """Learn a score of answers from pairs: a scalar head on the last layer, read at the end token.

    `model`: a language model's folder, best the policy's after `sft`, or a reward model's, to go on. Figures on
    held-out prompts: those of `held_out.pair_figures`, and `score`, the mean score, with `score_sd`.
    """
    settings = settings or RewardModel()
    check_free(out, replace=replace)
    opened, rows = _pairs(data, model, settings)
    with work("rm", out, opened, settings, replace=replace, told=told) as at:
        judge = at.loaded("AutoModelForSequenceClassification", num_labels=1)
        scale = len(rows.learned) / sum(pair.weight for pair, _ in rows.learned)
        table: list[dict[str, Any]] = []
        for pair, ((chosen, _), (rejected, _)) in rows.learned:
            counts = pair.weight * scale if settings.weights == "loss" else 1.0
            margin = pair.weight * settings.margin if settings.weights == "margin" else 0.0
            table.append({"chosen_ids": chosen, "rejected_ids": rejected, "weight": counts, "margin": margin})
        weights = [pair.weight for pair, _ in rows.learned] if settings.weights == "sample" else None

        def held_to(trainer: Any) -> None:
            trainer.score_penalty = settings.score_penalty

        judge, updates = at.trained(judge, table, weights, held_to)
        figures = {}
        if rows.held:
            both = [ids for _, tokens in rows.held for ids, _ in tokens]
            scores = held_out.scores(judge, both, at.pad, at.micro)
            margins = [chosen - rejected for chosen, rejected in zip(scores[::2], scores[1::2], strict=True)]
            figures = held_out.pair_figures([pair for pair, _ in rows.held], margins)
            figures |= held_out.spread("score", scores, [pair.prompt for pair, _ in rows.held for _ in range(2)])
        return at.saved(judge, rows, updates, figures, command)


def dpo(
    data: Sequence[Path],
    model: str,
    out: Path,
    settings: Dpo | None = None,
    *,
    replace: bool = False,
    told: Told | None = None,
    command: str = "",
) -> Made:
    """Learn from pairs without a reward model: −log σ(β · (Δ chosen − Δ rejected)) + nll · −log π(chosen) a token.

    Δ is log π − log ref, the reference being `model` as it comes. Figures on held-out prompts: those of
    `held_out.pair_figures` on the margin β · (Δ chosen − Δ rejected), and both Δ in nats an answer.
    """
    settings = settings or Dpo()
    check_free(out, replace=replace)
    opened, rows = _pairs(data, model, settings)
    with work("dpo", out, opened, settings, replace=replace, told=told) as at:
        policy = at.loaded("AutoModelForCausalLM")
        held = list(chain.from_iterable(tokens for _, tokens in rows.held))
        before = held_out.log_probabilities(policy, held, at.pad, at.micro)
        weights = [pair.weight for pair, _ in rows.learned] if settings.weights == "sample" else None
        policy, updates = at.trained(
            policy,
            as_preferences(pair for pair, _ in rows.learned),
            weights,
            beta=settings.beta,
            loss_type=["sigmoid", "sft"] if settings.nll else ["sigmoid"],
            loss_weights=[1.0, settings.nll] if settings.nll else None,
            precompute_ref_log_probs=settings.precompute_reference,
        )
        figures = {}
        if rows.held:
            after = held_out.log_probabilities(policy, held, at.pad, at.micro)
            gains = [now - then for now, then in zip(after, before, strict=True)]
            chosen, rejected, pairs = gains[::2], gains[1::2], [pair for pair, _ in rows.held]
            margins = [settings.beta * (up - down) for up, down in zip(chosen, rejected, strict=True)]
            prompts = [pair.prompt for pair in pairs]
            figures = held_out.pair_figures(pairs, margins)
            figures |= {
                "chosen_gain": held_out.mean(chosen, prompts),
                "rejected_gain": held_out.mean(rejected, prompts),
            }
        return at.saved(policy, rows, updates, figures, command)


def _pairs(data: Sequence[Path], model: str, settings: Pairwise) -> tuple[Opened, Rows[Pair]]:
    read = read_pairs(data, min_weight=settings.min_weight, both_harmful=settings.both_harmful)
    backend(*ON_TRL)
    opened = open_model(model, settings.pad_token)
    return opened, prepared(read, lambda row: row.prompt, lambda row: (row.chosen, row.rejected), opened, settings)

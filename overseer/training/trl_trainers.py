"""TRL's trainers with what they lack here: a loss that is no number stops them, and a reward model's own loss.

Read by `stages` alone, once TRL is known to be there: this module imports it. Nothing is sent to anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import datasets
import torch
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import TrainerCallback
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import DataCollatorForPreference, RewardTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from overseer.errors import OverseerError
from overseer.training.monitor import Log
from overseer.training.settings import Stage

Told = Callable[[int, int, float], None]
"""Is told the update that was done, of how many, and the loss."""


class _Watched:
    """Mixed into each trainer. (It also sends no usage statistics, which the base class would.)"""

    def _send_telemetry(self) -> None:
        return

    def training_step(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> torch.Tensor:
        """One pass and its gradients. Raises OverseerError where the loss is no number."""
        loss: torch.Tensor = super().training_step(model, inputs, *rest, **named)  # type: ignore[misc]
        if not torch.isfinite(loss).all():
            step = self.state.global_step + 1  # type: ignore[attr-defined]
            broken = [name for name, held in model.named_parameters() if not torch.isfinite(held).all()]
            cause = f"weights of {broken[0]} are no numbers any more" if broken else "a pass over this batch gave it"
            raise OverseerError(f"update {step}: the loss is {loss.item()}: {cause} (lower learning_rate, or use fp32)")
        return loss


class Sft(_Watched, SFTTrainer):
    """Learns completions; with an `emphasis` over 1, their beginnings more."""

    opening: int = 0
    emphasis: float = 1.0

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if self.emphasis == 1:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        inputs = dict(inputs)
        labels = inputs.pop("labels")
        outputs = model(**inputs, use_cache=False)
        loss = opening_loss(outputs.logits, labels, self.opening, self.emphasis, num_items_in_batch)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # tokens of all processes were counted, gradients are averaged
        return (loss, outputs) if return_outputs else loss


def opening_loss(
    logits: torch.Tensor, labels: torch.Tensor, opening: int, emphasis: float, tokens: torch.Tensor | int | None = None
) -> torch.Tensor:
    """−log π a token; what comes after an answer's first `opening` tokens counts for one `emphasis`-th.

    `logits` [rows, time, vocabulary]; `labels` [rows, time], −100 on what is not learned. With much emphasis a short
    answer, which a refusal is, counts as much as a long one; in a plain mean it would drown. `tokens`: to divide by,
    all alike; None: these.
    """
    targets = labels[:, 1:]
    learned = targets != -100
    weight = torch.where(learned.cumsum(1) <= opening, 1.0, 1.0 / emphasis) * learned
    nll = cross_entropy(logits[:, :-1].float().transpose(1, 2), targets, ignore_index=-100, reduction="none")
    return (weight * nll).sum() / (learned.sum() if tokens is None else tokens)


class Dpo(_Watched, DPOTrainer):
    """Learns pairs, against a reference."""


class Weighing(DataCollatorForPreference):
    """Keeps a pair's `weight` beside its tokens."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = super().torch_call(examples)
        batch["weight"] = torch.tensor([example["weight"] for example in examples], dtype=torch.float)
        return dict(batch)


class Reward(_Watched, RewardTrainer):
    """−log σ(r_chosen − r_rejected − margin), weighted by pair, + `score_penalty` · mean of r² over all scores.

    TRL's own `center_rewards_coefficient` squares the sum r_chosen + r_rejected, which two large scores of opposite
    sign leave at 0; here each is held.
    """

    score_penalty: float = 0.0

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns: Any = ["chosen_ids", "rejected_ids", "weight", "margin"]

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        inputs = dict(inputs)
        weight, margin = inputs.pop("weight"), inputs.pop("margin", 0.0)
        _, outputs = super().compute_loss(model, inputs, return_outputs=True)  # keeps TRL's figures
        scores = outputs.logits.squeeze(-1).float()  # [2 · pairs], the chosen first
        loss = pairwise_loss(scores, weight, margin) + self.score_penalty * scores.square().mean()
        return (loss, outputs) if return_outputs else loss


def pairwise_loss(scores: torch.Tensor, weight: torch.Tensor, margin: torch.Tensor | float = 0.0) -> torch.Tensor:
    """Mean over pairs of weight · −log σ(r_chosen − r_rejected − margin). `scores` [2 · pairs], the chosen first."""
    chosen, rejected = scores.chunk(2)
    return -(weight * logsigmoid(chosen - rejected - margin)).mean()


TRAINERS: Mapping[Stage, tuple[type, type]] = {
    "sft": (Sft, SFTConfig),
    "rm": (Reward, RewardConfig),
    "dpo": (Dpo, DPOConfig),
}
"""A stage's trainer and its configuration."""


class Telling(TrainerCallback):
    """Writes what a trainer logs to a folder's metrics, and tells how far it is."""

    def __init__(self, log: Log, told: Told | None) -> None:
        self._log = log
        self._told = told

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if not state.is_world_process_zero or "loss" not in logs:
            return
        self._log.write({"update": state.global_step, **{name: float(value) for name, value in logs.items()}})
        if self._told is not None:
            self._told(state.global_step, state.max_steps, float(logs["loss"]))


@contextmanager
def without_bars() -> Iterator[None]:
    """While this lasts, tables that are made ready for a trainer show no bars."""
    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not shown:
            datasets.enable_progress_bars()

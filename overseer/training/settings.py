"""The knobs of each stage on TRL, with defaults that worked at 10⁵ parameters.

Read before `stages`; checked here once, at the edge, and trusted inside. For models of 10⁷ parameters and more take a
learning rate of 1e-5 to 2e-4, fewer epochs, and LoRA where memory is short. Knows no data and no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseer.errors import ConfigError

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]

Stage = Literal["sft", "rm", "dpo", "ppo"]


class Knobs(BaseModel):
    """Settings: every key known, every value of its type, none that is not a number."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Lora(Knobs):
    """Low-rank adapters (Hu et al. 2021): the model's own weights stay as they are, and may be held in bfloat16."""

    rank: Count = 16
    """Columns of each adapter: more of them learn more, and cost more."""
    alpha: Count = 32
    """An adapter counts alpha / rank."""
    dropout: Share = 0.0
    """Of an adapter's inputs, while training."""
    targets: Literal["all-linear"] | list[str] = "all-linear"
    """The modules that get adapters, by the end of their names (q_proj, …); all-linear: all but embeddings and head."""
    merge: bool = True
    """Write whole weights, which load anywhere; false: the adapters alone, which need peft and the model."""


class Training(Knobs):
    """What every stage has."""

    epochs: Positive
    """Passes over the rows; may end in a fraction."""
    batch: Count
    """Rows an update."""
    micro_batch: Count | None = None
    """Rows on a device at once, so that they fit in memory; must divide the batch. null: the batch."""
    learning_rate: Positive
    """At its highest."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls."""
    warmup: Share = 0.03
    """Share of the updates in which the learning rate rises."""
    beta2: Share = 0.98
    """AdamW's memory of squared gradients: short, as these stages are."""
    weight_decay: NotNegative = 0.0
    """AdamW's."""
    clip: Positive = 1.0
    """Longer gradients are shortened to this norm."""
    max_length: Count = 1024
    """Tokens; a longer row is left out and counted, never cut: its end is what it ends for."""
    held_out: Share = 0.1
    """Share of the prompts kept for measuring, with all their rows; 0: none."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of matrix products; weights are fp32, but under LoRA. auto: bf16 on a GPU that has it, else fp32."""
    gradient_checkpointing: bool = False
    """Compute a layer's activations again rather than keep them: less memory, a third more time."""
    lora: Lora | None = None
    """Train adapters, not the weights: lora.rank, .alpha, .dropout, .targets, .merge."""
    pad_token: str | None = None
    """A special token to pad with, where the tokenizer names none of its own."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the split, the order, the draws and fresh weights."""
    log_every: Count = 10
    """Updates from one logged line to the next."""


class Sft(Training):
    """Learn to answer as the data does. The loss is on the answer alone, its end token included."""

    epochs: Positive = 8.0
    batch: Count = 48
    learning_rate: Positive = 2e-3
    weights: Literal["sample", "ignore"] = "ignore"
    """sample: rows are drawn by their weight, each as often as its share, rounded."""
    opening: Count = 4
    """Tokens at the beginning of an answer, where it shows whether it refuses."""
    emphasis: Annotated[float, Field(ge=1)] = 1.0
    """How many times as much a token of the opening counts. In a plain mean over tokens a decision that one token of
    thirty tells is drowned by the others."""


class Pairwise(Training):
    """What the stages on pairs share."""

    min_weight: Share = 0.0
    """Pairs of less weight are left out."""
    both_harmful: bool = True
    """false: leave out pairs of which both texts were found harmful."""


class RewardModel(Pairwise):
    """A scalar, read at the end token, by which a chosen text beats the rejected one (Bradley and Terry 1952)."""

    epochs: Positive = 4.0
    batch: Count = 32
    learning_rate: Positive = 2e-3
    score_penalty: NotNegative = 1e-3
    """Times the mean of score² over all scores, chosen and rejected: keeps them near 0."""
    weights: Literal["loss", "margin", "sample", "ignore"] = "loss"
    """loss: a pair counts by its weight; margin: it must win by margin · weight; sample: it is drawn by its weight."""
    margin: Positive = 1.0
    """What a pair of weight 1 must win by, under `weights: margin`."""


class Dpo(Pairwise):
    """Direct preference optimisation (Rafailov et al. 2023), with the likelihood of the chosen text held up."""

    epochs: Positive = 2.0
    batch: Count = 32
    learning_rate: Positive = 1e-4
    beta: Positive = 0.1
    """What leaving the reference costs."""
    nll: NotNegative = 0.2
    """Weight of −log π of the chosen text, a token; 0: DPO alone, which drifts to refusing at high learning rates."""
    weights: Literal["sample", "ignore"] = "sample"
    """sample: pairs are drawn by their weight, each as often as its share, rounded."""
    precompute_reference: bool = False
    """Let the reference score all pairs first, then let it go: memory of one model less."""


STAGES: Mapping[str, type[Training]] = {"sft": Sft, "rm": RewardModel, "dpo": Dpo}

K = TypeVar("K", bound=BaseModel)


def settings_of(kind: type[K], given: object, where: str) -> K:
    """Checked settings. Raises ConfigError with a line for each problem, each beginning with `where`."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise ConfigError(list(_lines(error, kind, where))) from None


def knobs(kind: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """Each knob's name, default as YAML has it, and meaning."""
    for name, field in kind.model_fields.items():
        value = field.default
        shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        yield name, shown, _meaning(kind, name)


def _meaning(kind: type[BaseModel], name: str) -> str:
    """A default that a stage changes keeps the meaning that stands with what it was changed from."""
    for base in kind.__mro__:
        if issubclass(base, BaseModel) and name in base.model_fields and base.model_fields[name].description:
            return str(base.model_fields[name].description)
    return ""


def _lines(error: ValidationError, kind: type[BaseModel], where: str) -> Iterator[str]:
    for detail in error.errors(include_url=False):
        parts = [str(part) for part in detail["loc"]]
        key = ".".join(parts)
        if detail["type"] == "extra_forbidden":
            known = list(Lora.model_fields if parts[0] == "lora" else kind.model_fields)
            near = get_close_matches(parts[-1], known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            yield f"{where}: {key}: unknown setting ({hint})"
        else:
            what = detail["msg"].replace("Input should", "must", 1)
            yield f"{where}: {key}: {what[:1].lower()}{what[1:]}, not {str(detail['input'])[:60]!r}"

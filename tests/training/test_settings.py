"""Settings of the stages: strict, every problem told, every knob explained."""

from __future__ import annotations

import pytest

from overseer.errors import ConfigError
from overseer.training.settings import STAGES, Dpo, Lora, RewardModel, Sft, knobs, settings_of


def test_the_defaults_are_the_recipe_s() -> None:
    """Those that worked at 10⁵ parameters."""
    assert (Sft().epochs, Sft().learning_rate, Sft().batch) == (8, 2e-3, 48)
    assert (RewardModel().epochs, RewardModel().batch, RewardModel().score_penalty) == (4, 32, 1e-3)
    assert (Dpo().beta, Dpo().nll, Dpo().epochs, Dpo().learning_rate) == (0.1, 0.2, 2, 1e-4)


@pytest.mark.parametrize("kind", [*STAGES.values(), Lora], ids=lambda kind: kind.__name__)
def test_every_knob_says_what_it_is(kind: type[Sft]) -> None:
    """A default that a stage changes keeps its meaning."""
    assert all(what.endswith(".") for _, _, what in knobs(kind))


def test_every_problem_is_told_with_its_key() -> None:
    """Unknown keys with what was meant, wrong values with what they are."""
    with pytest.raises(ConfigError) as told:
        settings_of(Dpo, {"bta": 1, "epochs": "many", "lora": {"rnk": 2}, "beta": float("nan")}, "x.yaml")
    assert sorted(line.partition(": ")[2].partition(":")[0] for line in told.value.problems) == [
        "beta",
        "bta",
        "epochs",
        "lora.rnk",
    ]
    assert any("did you mean 'rank'?" in line for line in told.value.problems)

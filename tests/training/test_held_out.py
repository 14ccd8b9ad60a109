"""What is held out, what is drawn by weight, and what is said of a trained model: by hand."""

from __future__ import annotations

from collections import Counter
from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overseer.errors import ConfigError
from overseer.records import Message
from overseer.training.data import Pair
from overseer.training.held_out import calibration_error, drawn, mean, pair_figures, share, split


def prompt(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2), st.floats(0.01, 0.9), st.integers(0, 3))
def test_no_prompt_stands_on_both_sides(asked: list[int], part: float, seed: int) -> None:
    """Every row is on one side; rows of one prompt are together; both sides hold something."""
    prompts = [prompt(str(number)) for number in asked]
    if len(set(prompts)) < 2:
        with pytest.raises(ConfigError, match="all rows ask the same"):
            split(prompts, part, seed)
        return
    learned, held = split(prompts, part, seed)
    assert sorted(learned + held) == list(range(len(prompts)))
    assert not {prompts[at] for at in learned} & {prompts[at] for at in held}
    assert held


def test_the_split_hangs_on_the_seed_alone() -> None:
    """Another seed holds out others; the order of rows changes nothing."""
    prompts = [prompt(str(number)) for number in range(50)]
    _, held = split(prompts, 0.2, 1)
    _, again = split(prompts[::-1], 0.2, 1)
    assert {prompts[at] for at in held} == {prompts[::-1][at] for at in again}
    assert len(held) == 10
    assert held != split(prompts, 0.2, 2)[1]
    assert split(prompts, 0, 1) == (list(range(50)), [])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=40), st.floats(0.5, 4), st.integers(0, 5))
def test_rows_are_drawn_as_often_as_their_weight_says(weights: list[float], passes: float, seed: int) -> None:
    """Each as often as its share of all draws, rounded up or down."""
    rows = Counter(drawn(weights, passes, seed))
    count = rows.total()
    assert count == max(1, round(passes * len(weights)))
    for row, weight in enumerate(weights):
        assert abs(rows[row] - count * weight / sum(weights)) < 1 + 1e-6


def test_equal_weights_give_each_row_once_a_pass() -> None:
    """So nothing changes where nobody dissented."""
    assert drawn([0.5] * 4, 2, 0) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_figures_of_pairs_by_hand() -> None:
    """Two right, one wrong, one tie: accuracy 2.5 of 4; log loss and calibration by their formulas."""
    margins = [2.0, 1.0, -1.0, 0.0]
    pairs = [Pair(prompt(str(at)), "a", "b", source="revision" if at < 2 else "comparison") for at in range(4)]
    found = pair_figures(pairs, margins)
    assert found["accuracy"].value == 2.5 / 4
    assert found["accuracy"].n == 4
    assert found["accuracy[revision]"].value == 1.0
    assert found["accuracy[comparison]"].value == 0.25
    assert found["margin"].value == 0.5
    assert found["log_loss"].value == pytest.approx(sum(log(1 + exp(-margin)) for margin in margins) / 4)


def test_calibration_by_hand() -> None:
    """Four sure at .731 of which half are right: .231; one sure at .88 and right: .119. Weighted by their shares."""
    sure = 1 / (1 + exp(-1))
    very = 1 / (1 + exp(-2))
    expected = 0.8 * abs(0.5 - sure) + 0.2 * (1 - very)
    assert calibration_error([1.0, 1.0, -1.0, -1.0, 2.0]) == pytest.approx(expected)
    assert calibration_error([]) is None


def test_intervals_count_prompts_not_rows() -> None:
    """A hundred rows of two prompts are worth two."""
    few = share([1.0] * 50 + [0.0] * 50, [prompt("a")] * 50 + [prompt("b")] * 50)
    many = share([1.0] * 50 + [0.0] * 50, [prompt(str(at)) for at in range(100)])
    assert few.low is not None
    assert many.low is not None
    assert few.low < many.low
    assert mean([1.0, 2.0], [prompt("a")] * 2).low is None

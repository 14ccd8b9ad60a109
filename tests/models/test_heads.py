"""The numbers of embedding judges: worked by hand where they can be, and never chosen on rows that are scored."""

from __future__ import annotations

import numpy as np
import pytest

from overseer.models.heads import (
    PASSAGES,
    PROMPTED,
    STRENGTHS,
    UNPROMPTED,
    Head,
    Procedure,
    Reading,
    band,
    calibrate,
    fit_few,
    fit_head,
    held_out,
    logistic,
    mean_head,
    passages,
    reach,
    shares,
    sigmoid,
)


def random_texts(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Texts [text, passage, 1 layer, 6 numbers]; broken where the first sentence points along the first axis."""
    random = np.random.default_rng(seed)
    texts = random.normal(size=(rows, len(PASSAGES), 1, 6)).astype(np.float32)
    broken = random.random(rows) < 0.5
    texts[:, 0, 0, 0] += np.where(broken, 2.5, -2.5)
    return texts, broken


def test_passages_are_means_of_sentences() -> None:
    """First, rest and all, by hand; a text of one sentence has no rest, one of none has nothing."""
    sentences = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 3.0]]], dtype=np.float32)
    prompt = np.array([[5.0, 5.0]], dtype=np.float32)
    np.testing.assert_allclose(passages(sentences, prompt)[:, 0], [[1, 0], [0, 2], [1 / 3, 4 / 3], [5, 5]], rtol=1e-6)
    assert passages(sentences[:1], None)[:, 0].tolist() == [[1, 0], [0, 0], [1, 0], [0, 0]]
    assert not passages(sentences[:0], None).any()


def test_shares_of_sentences_sum_to_the_log_odds() -> None:
    """What each sentence adds, the prompt's part at the first, is all of the log-odds but the bias."""
    random = np.random.default_rng(1)
    for count in (1, 2, 5, 40):
        sentences = random.normal(size=(count, 2, 4)).astype(np.float32)
        prompt = random.normal(size=(2, 4)).astype(np.float32)
        weights = random.normal(size=(len(PASSAGES), 2, 4))
        score = float(np.vdot(weights, passages(sentences, prompt)))
        assert shares(sentences, prompt, weights).sum() == pytest.approx(score, abs=1e-4)


def test_reach_is_how_far_a_head_reads() -> None:
    """A vector on the first sentence alone needs one; on the rest, as many as are read at all."""
    weights = np.zeros((len(PASSAGES), 1, 2))
    assert reach(weights) == 0
    weights[0] = 1
    assert reach(weights) == 1
    weights[1] = 1
    assert reach(weights) == 32


def test_logistic_regression_is_at_its_minimum() -> None:
    """The gradient of the penalised loss vanishes, for weak and strong regularisation, from any start."""
    random = np.random.default_rng(2)
    columns, broken = random.normal(size=(80, 5)), random.random(80) < 0.4
    for strength in (0.1, 1.0, 100.0):
        vector, bias = logistic(columns, broken, strength)
        wrong = sigmoid(columns @ vector + bias) - broken
        np.testing.assert_allclose(columns.T @ wrong + vector / strength, 0, atol=1e-2)
        assert abs(wrong.sum()) < 1e-2
        again, _ = logistic(columns, broken, strength, start=np.full(6, 3.0))
        np.testing.assert_allclose(again, vector, atol=1e-2)


def test_separable_rows_converge() -> None:
    """Classes that a line parts give finite numbers, however little is regularised."""
    columns = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    vector, bias = logistic(columns, np.array([False, False, True, True]), 1e6)
    assert np.isfinite(vector).all()
    assert vector[0] > 1
    assert abs(bias) < 1


def test_calibration_undoes_overconfidence() -> None:
    """Log-odds three times too large are divided by about three; scores that rank wrongly become none."""
    random = np.random.default_rng(3)
    true = random.normal(size=4000) * 2
    broken = random.random(4000) < sigmoid(true)
    assert calibrate(3 * true, broken) == pytest.approx(1 / 3, abs=0.04)
    assert calibrate(-true, broken) == pytest.approx(0.0, abs=1e-6)


def test_band_holds_its_error_on_each_side() -> None:
    """Outside the band at most the share of errors that is asked for; few rows never look certain."""
    random = np.random.default_rng(4)
    chances = random.random(2000)
    broken = random.random(2000) < chances
    low, high = band(chances, broken, 0.1)
    assert low < 0.5 < high
    assert (~broken[chances >= high]).mean() <= 0.1
    assert broken[chances <= low].mean() <= 0.1
    assert band(np.array([0.01, 0.99]), np.array([False, True]), 0.1) == (0.0, 1.0)


def test_held_out_rows_do_not_shape_their_own_score() -> None:
    """Turning the labels of a fold round leaves the scores of that fold as they were."""
    texts, broken = random_texts(60)
    columns = texts[:, 0, 0].astype(np.float64)
    folds = [np.arange(60) % 3 == each for each in range(3)]
    before = held_out(columns, broken, folds)
    after = held_out(columns, np.where(folds[0], ~broken, broken), folds)
    for first, second in zip(before, after, strict=True):
        np.testing.assert_array_equal(first[folds[0]], second[folds[0]])


@pytest.mark.parametrize("procedure", ["average", "select"])
@pytest.mark.parametrize("readings", [PROMPTED, UNPROMPTED], ids=["prompted", "unprompted"])
def test_head_learns_what_is_there(readings: tuple[Reading, ...], procedure: Procedure) -> None:
    """On rows that it has not seen, a head tells the classes apart, is sure of most, and its mean with itself is it."""
    texts, broken = random_texts(300)
    folds = [np.arange(200) % 4 == each for each in range(4)]
    head, choices = fit_head(texts[:200], broken[:200], folds, readings, procedure)
    chances = np.array([head.probability(text) for text in texts[200:]])
    assert len(choices) == {"average": len(readings) * len(STRENGTHS), "select": 1}[procedure]
    assert {choice.reading for choice in choices} <= set(readings)
    assert ((chances >= 0.5) == broken[200:]).mean() > 0.9
    assert ((chances >= head.high) | (chances <= head.low)).mean() > 0.5
    same = mean_head([head, head])
    assert same.probability(texts[0]) == pytest.approx(head.probability(texts[0]))
    assert (same.low, same.high) == (head.low, head.high)


def test_candidates_that_fail_on_held_out_groups_weigh_nothing() -> None:
    """What the whole text says in one group, and the reverse in the next, gets the factor 0: others decide."""
    texts, broken = random_texts(240)
    folds = [np.arange(240) % 2 == each for each in range(2)]
    sign = np.where(broken == folds[0], 3.0, -3.0)
    texts[:, PASSAGES.index("all"), 0, 1] = sign
    _, choices = fit_head(texts, broken, folds, PROMPTED)
    factors = {choice.reading: choice.factor for choice in choices if choice.strength == 1.0}
    assert factors["whole"] == pytest.approx(0.0, abs=1e-6)
    assert factors["first"] > 0.5
    (selected,) = fit_head(texts, broken, folds, PROMPTED, "select")[1]
    assert selected.reading != "whole"


def test_a_few_exemplars_make_a_cautious_head() -> None:
    """Two of each kind are enough to learn from, and leave the judge unsure of what is between them."""
    texts = np.zeros((4, len(PASSAGES), 1, 2), dtype=np.float32)
    texts[:, PASSAGES.index("all"), 0] = [[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]]
    head, _ = fit_few(texts, np.array([True, True, False, False]))
    between = np.zeros((len(PASSAGES), 1, 2), dtype=np.float32)
    between[PASSAGES.index("all"), 0] = [0.5, 0.5]
    assert head.probability(texts[0]) > 0.5 > head.probability(texts[2])
    assert head.low < head.probability(between) < head.high


def test_probability_is_the_bias_of_an_empty_text() -> None:
    """Nothing read, nothing added."""
    head = Head(np.ones((len(PASSAGES), 1, 2)), 0.0, 0.2, 0.8)
    assert head.probability(np.zeros((len(PASSAGES), 1, 2), dtype=np.float32)) == 0.5

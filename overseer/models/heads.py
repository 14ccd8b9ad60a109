"""Principles as learned vectors: the numbers behind an embedding judge, from labelled sentence vectors to thresholds.

A text is read as passages (its first sentence, the rest, all of it), each the mean of its sentences' vectors at some
layers of the encoder, beside the vector of the prompt. A head is a vector over these and a bias; their product is a
calibrated log-odds that the principle is broken. Between two thresholds the judge is unsure. As passages are means,
each sentence's share in the log-odds is exact, and the one with the largest share is the evidence.

Nothing here is settled on rows that a score is then reported for: what candidates weigh, calibration and thresholds
come from inner group-wise held-out rows. Pure numpy; knows no files and no encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SPANS: Mapping[str, tuple[int, int]] = {"first": (0, 1), "rest": (1, 32), "all": (0, 32)}
"""Passages of a text: sentences from, to, whose vectors are averaged."""

PASSAGES = (*SPANS, "prompt")

SENTENCES = max(end for _, end in SPANS.values())

Reading = Literal["whole", "first", "reply", "reply_rest", "turn", "turn_rest"]

READINGS: Mapping[Reading, tuple[Mapping[str, float], ...]] = {
    "whole": ({"all": 1.0},),
    "first": ({"first": 1.0},),
    "reply": ({"first": 1.0, "prompt": -1.0},),
    "reply_rest": ({"first": 1.0, "prompt": -1.0}, {"rest": 1.0}),
    "turn": ({"first": 1.0, "rest": -1.0},),
    "turn_rest": ({"first": 1.0, "rest": -1.0}, {"rest": 1.0}),
}
"""What a vector may be learned for, as sums of passages.

The first sentence mostly says what an answer is going to be, but also what it is about, and a topic that is refused in
one family of prompts is plainly answered in another. So some readings take the topic off: the prompt's vector where
there is one, else that of the rest of the answer.
"""

PROMPTED: tuple[Reading, ...] = ("whole", "first", "reply", "reply_rest")
UNPROMPTED: tuple[Reading, ...] = ("whole", "first", "turn", "turn_rest")
"""The readings among a head's candidates, with the prompt at hand and without; each at each layer and strength."""

STRENGTHS = (1.0, 10.0, 100.0)
"""Inverse regularisation: what a row's loss weighs against half the vector's squared length."""

BAND_ERROR = 0.03
"""Threshold policy: outside the unsure band at most this share was wrong, on each side, on the inner held-out rows."""

EXEMPLAR_STRENGTH = 10.0
EXEMPLAR_BAND = (0.2, 0.8)
"""For heads from a few exemplars, where there are no rows to choose by."""


def passages(sentences: NDArray[np.float32], prompt: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Sentence vectors of a text, [sentence, layer, width], and its prompt's, [layer, width] → its passages.

    Shape [passage, layer, width]; 0 where there is nothing.
    """
    spans = [sentences[start:end] for start, end in SPANS.values()]
    empty = np.zeros(sentences.shape[1:], dtype=np.float32)
    parts = [span.mean(axis=0) if len(span) else empty for span in spans]
    return np.stack([*parts, empty if prompt is None else prompt])


def shares(sentences: NDArray[np.float32], prompt: NDArray[np.float32] | None, weights: Floats) -> Floats:
    """What each sentence adds to the log-odds, [sentence]; the prompt's part goes to the first, as its counterpart."""
    added = np.zeros(len(sentences))
    for (start, end), vector in zip(SPANS.values(), weights, strict=False):
        span = sentences[start:end]
        if len(span):
            added[start:end] += np.einsum("slw,lw->s", span, vector) / len(span)
    if prompt is not None and len(sentences):
        added[0] += float(np.vdot(weights[-1], prompt))
    return added


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate: what is read, at which layer (of those encoded, from 0), with which inverse regularisation.

    `factor` turns its log-odds on inner held-out rows into calibrated ones: what it weighs beside other candidates.
    """

    reading: Reading
    layer: int
    strength: float
    factor: float


Procedure = Literal["average", "select"]
"""How candidates become a head: the mean of their calibrated log-odds, or the one with the least log loss.

Both go by inner held-out rows alone. With two groups to learn from the least loss is a matter of luck, so judges are
averages; one by selection is there to be measured beside them.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A principle as a vector, [passage, layer, width], with its bias: calibrated log-odds that it is broken.

    Below probability `low` the judge holds it kept, above `high` broken, between them it is unsure.
    """

    weights: Floats
    bias: float
    low: float
    high: float

    def probability(self, text: NDArray[np.float32]) -> float:
        """Calibrated probability that a text, as its passages [passage, layer, width], breaks the principle."""
        return float(sigmoid(np.array(np.vdot(self.weights, text) + self.bias)))


def mean_head(heads: Sequence[Head]) -> Head:
    """The head for texts of no known group: log-odds and thresholds are the means over the heads."""
    return Head(
        weights=np.mean([head.weights for head in heads], axis=0),
        bias=float(np.mean([head.bias for head in heads])),
        low=float(np.mean([head.low for head in heads])),
        high=float(np.mean([head.high for head in heads])),
    )


def fit_head(
    texts: NDArray[np.float32],
    broken: Flags,
    folds: Sequence[Flags],
    readings: Sequence[Reading],
    procedure: Procedure = "average",
) -> tuple[Head, tuple[Choice, ...]]:
    """Learn one head: texts [text, passage, layer, width], labels [text], inner folds (who is held out) [text] each.

    Candidates are all of the readings at each layer and strength; those that the head is made of are returned. As each
    is a vector over passages, so is their mean.
    """
    tried: list[tuple[Choice, Floats]] = []
    for reading in readings:
        for layer in range(texts.shape[2]):
            columns = _columns(texts, reading, layer)
            for strength, scores in zip(STRENGTHS, held_out(columns, broken, folds), strict=True):
                tried.append((Choice(reading, layer, strength, calibrate(scores, broken)), scores))
    if procedure == "select":
        tried = [min(tried, key=lambda each: float(log_loss(each[0].factor * each[1], broken).sum()))]
    held = np.mean([choice.factor * scores for choice, scores in tried], axis=0)
    factor = calibrate(held, broken)
    low, high = band(sigmoid(factor * held), broken)
    chosen = tuple(choice for choice, _ in tried)
    weights, bias = _mean_of_candidates(texts, broken, chosen)
    return Head(_stored(factor * weights), factor * bias, low, high), chosen


def fit_few(texts: NDArray[np.float32], broken: Flags) -> tuple[Head, Choice]:
    """Learn a head from a few exemplars, at least two of each kind, as wholes; each is left out in turn to calibrate.

    Calibration on so few is guarded by smoothed targets; the band is fixed: there is nothing to choose it on.
    """
    layer = texts.shape[2] - 1
    columns = _columns(texts, "whole", layer)
    left = np.zeros(len(broken))
    for index in range(len(broken)):
        others = np.arange(len(broken)) != index
        vector, bias = logistic(columns[others], broken[others], EXEMPLAR_STRENGTH)
        left[index] = columns[index] @ vector + bias
    choice = Choice("whole", layer, EXEMPLAR_STRENGTH, calibrate(left, broken))
    weights, bias = _mean_of_candidates(texts, broken, [choice])
    return Head(_stored(weights), bias, *EXEMPLAR_BAND), choice


def reach(weights: Floats) -> int:
    """How many sentences a head reads: those of the passages on which its vector is not 0."""
    return max((end for (_, end), part in zip(SPANS.values(), weights, strict=False) if part.any()), default=0)


def held_out(columns: Floats, broken: Flags, folds: Sequence[Flags]) -> list[Floats]:
    """Log-odds of each row by a head that has not seen its fold, for each strength: [strength][text]."""
    scores = [np.zeros(len(broken)) for _ in STRENGTHS]
    for fold in folds:
        start: Floats | None = None
        for index, strength in enumerate(STRENGTHS):
            vector, bias = logistic(columns[~fold], broken[~fold], strength, start)
            scores[index][fold] = columns[fold] @ vector + bias
            start = np.append(vector, bias)
    return scores


def logistic(columns: Floats, broken: Flags, strength: float, start: Floats | None = None) -> tuple[Floats, float]:
    """L2-regularised logistic regression: [text, column], [text] → vector, bias (as good as not regularised).

    Newton's method, each step by conjugate gradients, so that no [column, column] matrix is ever made. The loss is
    convex, and steps are halved until it falls: it converges from any start.
    """
    design = np.hstack([columns, np.ones((len(columns), 1))])
    penalty = np.full(design.shape[1], 1.0 / strength)
    penalty[-1] = 1e-6
    weights = np.zeros(design.shape[1]) if start is None else start.copy()
    loss = _penalised(design, broken, weights, penalty)
    for _ in range(50):
        chance = sigmoid(design @ weights)
        gradient = design.T @ (chance - broken) + penalty * weights
        step = _newton_step(design, chance * (1 - chance), penalty, gradient)
        scale = 1.0
        while (after := _penalised(design, broken, weights - scale * step, penalty)) > loss and scale > 1e-6:
            scale /= 2
        weights, loss = weights - scale * step, after
        # Half of this is what the loss can still fall by, near the minimum.
        if gradient @ step < 1e-6:
            break
    return weights[:-1], float(weights[-1])


def _newton_step(design: Floats, weight: Floats, penalty: Floats, gradient: Floats) -> Floats:
    """Solve (designᵀ · weight · design + penalty) step = gradient, by conjugate gradients from 0."""
    step = np.zeros_like(gradient)
    left, towards = gradient.copy(), gradient.copy()
    size = first = float(left @ left)
    for _ in range(2 * len(gradient)):
        if size <= 1e-12 * first:
            break
        bent = design.T @ (weight * (design @ towards)) + penalty * towards
        length = size / float(towards @ bent)
        step += length * towards
        left -= length * bent
        before, size = size, float(left @ left)
        towards = left + (size / before) * towards
    return step


def calibrate(scores: Floats, broken: Flags) -> float:
    """The factor that turns held-out log-odds into calibrated ones (temperature scaling, Guo et al. 2017).

    No shift: where few groups are held out, one would carry their peculiarities over to the next. Targets are smoothed
    as by Platt (1999), so that classes far apart do not make certain; scores that rank the wrong way round give 0.
    """
    positives = int(broken.sum())
    targets = np.where(broken, (positives + 1) / (positives + 2), 1 / (len(broken) - positives + 2))
    low, high = 0.0, 100.0
    # The loss is convex in the factor: halve the interval by the sign of its slope.
    for _ in range(60):
        middle = (low + high) / 2
        if float(((sigmoid(middle * scores) - targets) * scores).sum()) > 0:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def band(chances: Floats, broken: Flags, error: float = BAND_ERROR) -> tuple[float, float]:
    """The narrowest unsure band around 1/2 outside which, on each side, at most `error` of the rows were wrong.

    Shares are counted with one more error than there was (rule of succession), so that few rows never look certain.
    """
    low = _edge(1 - chances, ~broken, error)
    high = _edge(chances, broken, error)
    return 1 - low, high


def _edge(chances: Floats, right: Flags, error: float) -> float:
    """The least threshold ≥ 1/2 above which at most `error` were wrong; 1 where there is none."""
    order = np.argsort(-chances, kind="stable")
    order = order[chances[order] >= 0.5]
    wrong = np.cumsum(~right[order])
    share = (wrong + 1) / (np.arange(len(order)) + 3)
    allowed = np.flatnonzero(share <= error)
    return 1.0 if not len(allowed) else float(chances[order[allowed[-1]]])


def sigmoid(values: Floats) -> Floats:
    """1/(1 + e^−x) without overflow."""
    return np.where(values >= 0, 1 / (1 + np.exp(-np.abs(values))), 1 - 1 / (1 + np.exp(-np.abs(values))))


def log_loss(scores: Floats, broken: Flags) -> Floats:
    """−log probability of each label under these log-odds."""
    loss: Floats = np.logaddexp(0.0, np.where(broken, -scores, scores))
    return loss


def _penalised(design: Floats, broken: Flags, weights: Floats, penalty: Floats) -> float:
    return float(log_loss(design @ weights, broken).sum() + 0.5 * (penalty * weights**2).sum())


def _columns(texts: NDArray[np.float32], reading: Reading, layer: int) -> Floats:
    """The sums of passages that are read, side by side: [text, sum · width]."""
    read = texts[:, :, layer].astype(np.float64)
    sums = [sum(sign * read[:, PASSAGES.index(name)] for name, sign in each.items()) for each in READINGS[reading]]
    return np.hstack(sums)


def _mean_of_candidates(texts: NDArray[np.float32], broken: Flags, choices: Sequence[Choice]) -> tuple[Floats, float]:
    """The candidates fitted on all rows, each by its factor, as one vector over all passages, and its bias."""
    weights, biases = np.zeros(texts.shape[1:]), 0.0
    for choice in choices:
        vector, bias = logistic(_columns(texts, choice.reading, choice.layer), broken, choice.strength)
        biases += choice.factor * bias
        sums = READINGS[choice.reading]
        for each, part in zip(sums, np.split(vector, len(sums)), strict=True):
            for name, sign in each.items():
                weights[PASSAGES.index(name), choice.layer] += choice.factor * sign * part
    return weights / len(choices), biases / len(choices)


def _stored(weights: Floats) -> Floats:
    """In the numbers that a file keeps, so that a head scores the same before and after it is stored."""
    return weights.astype(np.float32).astype(np.float64)

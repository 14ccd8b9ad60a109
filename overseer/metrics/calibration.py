"""Are judges as often right as they say? The calibration error of each, and the temperature that would mend it.

The walk's step 10, above `reviewing`, fed by `measures` one episode at a time. Counted are verdicts with a stance
(approve, or object) on drafts whose truth is known, by models that say how sure they are. Knows no model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, log, log1p

import numpy as np

from overseer.metrics.reviewing import Stance, Worth, wrong
from overseer.metrics.statistics import Floats, Measure, Table, Tally, quotient
from overseer.records import Critique, Evaluation, Vote

BINS = 10
"""Of equal width, over confidence."""
FINE = 100
"""Confidence is counted in steps of 1/FINE, so that what is held does not grow with the tasks."""
FITTED_FROM = 50
"""Verdicts from which a temperature is fitted: fewer say nothing of one."""


def expected_error(sums: Floats) -> Floats:
    """The expected calibration error (Naeini et al. 2015) of sums [..., 3 · BINS] → [...]: by bin what was said, what
    was right, and how many. NaN of none.

    Never below 0 by chance: of few verdicts even a calibrated judge's is above it.
    """
    said, right, count = (sums[..., part * BINS : (part + 1) * BINS] for part in range(3))
    return quotient(np.abs(said - right).sum(axis=-1), count.sum(axis=-1))


def fit_temperature(counts: Mapping[tuple[float, bool], int]) -> float | None:
    """What log-odds of confidence are to be divided by, to make what was right likeliest (Guo et al. 2017).

    `counts` of (confidence, right). None for fewer than FITTED_FROM, or where all or none were right: no temperature is
    best then. Between .05 and 20. Exact for a choice between two verdicts, near it for more.
    """
    total, hits = sum(counts.values()), sum(count for (_, right), count in counts.items() if right)
    if total < FITTED_FROM or hits in (0, total):
        return None

    def loss(temperature: float) -> float:
        return sum(count * _surprise(_odds(said) / temperature, right) for (said, right), count in counts.items())

    low, high = log(0.05), log(20.0)
    for _ in range(60):  # golden section: the loss has one valley in 1 / temperature
        left, right = high - (high - low) * 0.618034, low + (high - low) * 0.618034
        if loss(exp(left)) < loss(exp(right)):
            high = right
        else:
            low = left
    return exp((low + high) / 2)


def _odds(said: float) -> float:
    kept = min(max(said, 0.5 / FINE), 1 - 0.5 / FINE)
    return log(kept / (1 - kept))


def _surprise(odds: float, right: bool) -> float:
    """Nats at what came to pass; log(1 + exp(x)) that does not overflow."""
    against = -odds if right else odds
    return max(against, 0.0) + log1p(exp(-abs(against)))


# --- of a run ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Calibration:
    """What each judge said of its sureness, and how often it was right; a task is one cluster."""

    tallies: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(lambda: Tally(3 * BINS)))
    counts: defaultdict[str, Counter[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(Counter))
    unscored: Counter[str] = field(default_factory=Counter)

    def add(self, evaluations: Mapping[int, Mapping[str, Evaluation]], known: Mapping[int, Worth | None]) -> None:
        """One episode's evaluations by draft and stage, and what is known of its drafts."""
        sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * (3 * BINS))
        for draft, beside in evaluations.items():
            for vote in (vote for evaluation in beside.values() for vote in evaluation.votes):
                stance = _stance(vote)
                if stance is None:
                    continue
                truth = known.get(draft)
                if truth is None or truth == "between":
                    self.unscored[vote.juror] += 1
                    continue
                said, right = round(vote.confidence * FINE) / FINE, not wrong(stance, truth)
                self.counts[vote.juror][said, right] += 1
                bin_ = min(int(said * BINS), BINS - 1)
                for part, value in enumerate((said, float(right), 1.0)):
                    sums[vote.juror][part * BINS + bin_] += value
        for juror, vector in sums.items():
            self.tallies[juror].add(vector)

    def measures(self, key: str) -> Iterable[Measure]:
        for juror, tally in sorted(self.tallies.items()):
            tally.unscored = self.unscored[juror]
            n = self.counts[juror].total()
            yield tally.measure(
                f"calibration_error[{juror}]", expected_error, n, key, "confidence against being right, verdicts"
            )

    def tables(self) -> Iterable[Table]:
        rows = [(juror, *_row(counts)) for juror, counts in sorted(self.counts.items())]
        if rows:
            columns = ("judge", "verdicts", "mean confidence", "right", "temperature")
            note = "temperature: what log-odds would have to be divided by; 1 is calibrated, above it too sure"
            yield Table("How sure judges were", columns, tuple(rows), note)


def _row(counts: Mapping[tuple[float, bool], int]) -> tuple[int, float, float, float | None]:
    total = sum(counts.values())
    said = sum(said * count for (said, _), count in counts.items()) / total
    right = sum(count for (_, right), count in counts.items() if right) / total
    temperature = fit_temperature(counts)
    return total, round(said, 3), round(right, 3), None if temperature is None else round(temperature, 2)


def _stance(vote: Vote) -> Stance | None:
    """The side that a model's verdict took. None: it escalated, or does not say how sure it is (0)."""
    if not isinstance(vote.answer, Critique) or vote.answer.confidence == 0:
        return None
    match vote.answer.verdict:
        case "approve":
            return "approve"
        case "revise" | "reject":
            return "object"
        case "escalate":
            return None

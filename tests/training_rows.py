"""Metrics of runs of PPO that never were: rounds in which a reward is pleased, and the truth falls."""

from __future__ import annotations

from overseer.training.monitor import Row

ROLLOUTS = 400


def row(update: int, *, score: float, value: float | None = None, hedging: float = 0.05, distinct: float = 0.5) -> Row:
    """A round of 400 rollouts; KL grows by a nat a round."""
    known = {} if value is None else {"oracle/value": value, "oracle/value_error": 0.01}
    return {
        "update": float(update),
        "rollouts": float(ROLLOUTS * (update + 1)),
        "kl": float(update),
        "score": score,
        "score_sd": 0.5,
        "share/hedging": hedging,
        "distinct": distinct,
        **known,
    }


def hacked(rounds: int = 20) -> list[Row]:
    """The score rises throughout; the truth rises until round 8 and falls after; hedging rises from round 5 on."""
    return [
        row(
            at,
            score=0.1 * at,
            value=0.05 * at if at <= 8 else 0.4 - 0.05 * (at - 8),
            hedging=0.05 if at < 5 else min(0.9, 0.05 + 0.12 * (at - 4)),
        )
        for at in range(rounds)
    ]

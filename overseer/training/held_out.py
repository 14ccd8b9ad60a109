"""What is kept apart, and what a trained model makes of it: accuracy, margins, calibration, likelihood.

Beside `stages`. Rows are split by prompt, so that none stands on both sides. The figures say how well the labels were
learned; they know no truth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from math import exp, log1p
from typing import Any

import numpy as np

from overseer.errors import ConfigError
from overseer.metrics.statistics import Rate, clustered_mean
from overseer.sampling import number
from overseer.training.data import Pair, Prompt
from overseer.training.outputs import Figure

BINS = 10


def split(prompts: Sequence[Prompt], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Places of rows to learn from, and of those of about `share` of the prompts, to measure on; of one at least.

    Share 0: of none. Raises ConfigError where all rows ask the same.
    """
    places = range(len(prompts))
    if share == 0:
        return list(places), []
    ranked = sorted(set(prompts), key=lambda prompt: number(f"held out {seed}", *_spelled(prompt)))
    if len(ranked) < 2:
        raise ConfigError("all rows ask the same: nothing can be held out (set held_out to 0, or bring more data)")
    kept = set(ranked[: max(1, round(share * len(ranked)))])
    return [at for at in places if prompts[at] not in kept], [at for at in places if prompts[at] in kept]


def _spelled(prompt: Prompt) -> Iterator[str]:
    for message in prompt:
        yield message.role
        yield message.content


def drawn(weights: Sequence[float], passes: float, seed: int) -> list[int]:
    """Rows drawn by weight: each as often as `passes` · its share of all weight · n, rounded up or down by chance.

    Systematic sampling: so many draws as that comes to, in the rows' order; equal weights in one pass give each row
    once.
    """
    held = np.asarray(weights, dtype=np.float64)
    count = max(1, round(passes * len(held)))
    start = (number(f"drawn {seed}", count) + 0.5) * 2.0**-64
    edges = np.cumsum(held) / held.sum() * count
    return [int(at) for at in np.searchsorted(edges, np.arange(count) + start, side="right").clip(max=len(held) - 1)]


# --- figures -------------------------------------------------------------------------------------------------------


def share(hits: Sequence[float], prompts: Sequence[Prompt]) -> Figure:
    """A share, its interval by Wilson on the number of prompts' worth: rows of one prompt are no news to each other."""
    clusters: defaultdict[Prompt, list[float]] = defaultdict(list)
    for hit, prompt in zip(hits, prompts, strict=True):
        clusters[prompt].append(hit)
    rate = Rate()
    for cluster in clusters.values():
        rate.add(sum(cluster), len(cluster))
    measure = rate.measure("share")
    return Figure(measure.value, measure.low, measure.high, len(hits))


def mean(values: Sequence[float], prompts: Sequence[Prompt]) -> Figure:
    """A mean, its interval by Student's t over prompts."""
    low, high = clustered_mean(values, [repr(prompt) for prompt in prompts])
    return Figure(float(np.mean(values)) if values else None, low, high, len(values))


def pair_figures(pairs: Sequence[Pair], margins: Sequence[float]) -> dict[str, Figure]:
    """What margins (log-odds that the chosen text is better) say of pairs; a tie is half a hit.

    `accuracy`, and `accuracy[source]` by what the pairs came of; `log_loss` in nats a pair; `ece`: the expected
    calibration error of the likelier side's probability, over 10 bins of [.5, 1].
    """
    hits = [1.0 if margin > 0 else 0.5 if margin == 0 else 0.0 for margin in margins]
    prompts = [pair.prompt for pair in pairs]
    found = {"accuracy": share(hits, prompts)}
    for source in sorted({pair.source for pair in pairs} - {""}):
        those = [at for at, pair in enumerate(pairs) if pair.source == source]
        found[f"accuracy[{source}]"] = share([hits[at] for at in those], [prompts[at] for at in those])
    found["margin"] = mean(margins, prompts)
    found["log_loss"] = mean([log1p(exp(-abs(margin))) + max(-margin, 0.0) for margin in margins], prompts)
    found["ece"] = Figure(calibration_error(margins), None, None, len(margins))
    return found


def spread(name: str, values: Sequence[float], prompts: Sequence[Prompt]) -> dict[str, Figure]:
    """A mean under this name, and the standard deviation beside it."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {name: mean(values, prompts), f"{name}_sd": Figure(deviation, None, None, len(values))}


def nll(summed: Sequence[float], rows: Sequence[tuple[Sequence[int], int]], prompts: Sequence[Prompt]) -> Figure:
    """−log π in nats a token, a mean over answers, from what `log_probabilities` sums."""
    return mean([-value / max(1, len(ids) - start) for value, (ids, start) in zip(summed, rows, strict=True)], prompts)


def calibration_error(margins: Sequence[float], bins: int = BINS) -> float | None:
    """Σ over bins of share · |accuracy − confidence| (Guo et al. 2017), where confidence is σ(|margin|), in [.5, 1]."""
    if not margins:
        return None
    odds = np.asarray(margins, dtype=np.float64)
    sure = 1 / (1 + np.exp(-np.abs(odds)))
    hit = np.where(odds > 0, 1.0, np.where(odds == 0, 0.5, 0.0))
    which = np.minimum(((sure - 0.5) * 2 * bins).astype(int), bins - 1)
    gaps = [np.abs(hit[which == at].mean() - sure[which == at].mean()) * (which == at).mean() for at in set(which)]
    return float(sum(gaps))


# --- a model reads -------------------------------------------------------------------------------------------------


def scores(model: Any, rows: Sequence[Sequence[int]], pad: int, size: int) -> list[float]:
    """A sequence classifier's score of each row of tokens."""
    device = next(model.parameters()).device

    def scored(ids: Any, mask: Any, _: Sequence[int]) -> Any:
        return model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits[:, 0].float()

    return _batched(rows, size, pad, scored)


def log_probabilities(model: Any, rows: Sequence[tuple[Sequence[int], int]], pad: int, size: int) -> list[float]:
    """log π of what stands behind each row's first so many tokens, summed over its tokens."""
    import torch

    starts = [start for _, start in rows]
    device = next(model.parameters()).device

    def summed(ids: Any, mask: Any, which: Sequence[int]) -> Any:
        ids, mask = ids.to(device), mask.to(device)
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
        each = torch.log_softmax(logits, -1).gather(-1, ids[:, 1:, None])[..., 0]  # [batch, time − 1]
        place = torch.arange(1, ids.shape[1], device=ids.device)
        first = torch.tensor([starts[at] for at in which], device=ids.device)[:, None]
        return (each * (mask[:, 1:] * (place >= first))).sum(-1)

    return _batched([ids for ids, _ in rows], size, pad, summed)


def _batched(
    rows: Sequence[Sequence[int]], size: int, pad: int, read: Callable[[Any, Any, Sequence[int]], Any]
) -> list[float]:
    """What `read` makes of tokens and attention [batch, time], padded on the right: a number a row, in order."""
    import torch

    found = [0.0] * len(rows)
    by_length = sorted(range(len(rows)), key=lambda at: len(rows[at]))
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            which = by_length[start : start + size]
            longest = len(rows[which[-1]])
            ids = torch.tensor([[*rows[at], *[pad] * (longest - len(rows[at]))] for at in which])
            mask = torch.tensor([[1] * len(rows[at]) + [0] * (longest - len(rows[at])) for at in which])
            for at, value in zip(which, read(ids, mask, which).tolist(), strict=True):
                found[at] = value
    return found

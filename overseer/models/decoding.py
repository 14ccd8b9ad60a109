"""A batch of token rows through a causal language model: what it writes, or how likely it holds given continuations.

Below `models.local`. Batches have fixed shapes: prompts stand at the right of so many places, and missing rows are
filled up. So a row's numbers come from the same operations whatever shares its batch, and are the same to the bit, on
one machine with one number of threads. All chance comes in as numbers, a stream a row. Knows no text and no request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overseer.models.blocks import pad_left, positions, sample
from overseer.models.passes import Passes

Tokens = tuple[int, ...]
Chances = NDArray[np.float64]


class Shape(NamedTuple):
    """`rows` of a batch, and the `width` in tokens that their prompts are padded to, on the left."""

    rows: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A prompt, at most `limit` tokens to write, how boldly (0: the likeliest each time), and what chances hang on."""

    prompt: Tokens
    limit: int
    temperature: float = 0.0
    key: str = ""


class Written(NamedTuple):
    """What a row wrote, its end token left out; `ended`: it came to its end by itself."""

    tokens: Tokens
    ended: bool


def chances(key: str, count: int) -> Chances:
    """So many numbers in [0, 1), uniform, the same for a key on any machine (Philox, Salmon et al. 2011)."""
    seed = int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest(), "big")
    raw = np.random.Philox(key=seed).random_raw(count)
    return (np.asarray(raw, dtype=np.uint64) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def pick(logits: Any, temperatures: Any, chance: Any) -> Any:
    """One token a row: at temperature 0 the likeliest, else the first whose cumulative probability exceeds its number.

    `logits` [rows, vocabulary], the others [rows] → [rows].
    """
    import torch

    likeliest = logits.argmax(1)
    if not bool((temperatures > 0).any()):
        return likeliest
    scaled = logits.double() / torch.where(temperatures > 0, temperatures, 1.0)[:, None]
    return torch.where(temperatures > 0, sample(scaled, chance), likeliest)


def write(
    model: Passes, rows: Sequence[Row], shape: Shape, ends: frozenset[int], pad: int, dropped: Callable[[int], bool]
) -> list[Written | None]:
    """What each row's prompt is continued with, in a batch of this shape, keys and values of past tokens kept.

    None: the model computed no numbers for it. `dropped` says of a row's number whether nobody waits for it any more;
    the batch stops when no row is left to write.
    """
    import torch

    device = model.device
    written: list[list[int]] = [[] for _ in rows]
    ended, broken = [False] * len(rows), [False] * len(rows)
    steps = max(row.limit for row in rows)
    drawn = np.zeros((shape.rows, steps))
    for number, row in enumerate(rows):
        if row.temperature > 0:
            drawn[number, : row.limit] = chances(row.key, row.limit)
    chance = torch.from_numpy(drawn).to(device)  # [rows, steps]
    boldness = [row.temperature for row in rows] + [0.0] * (shape.rows - len(rows))
    temperatures = torch.tensor(boldness, dtype=torch.float64, device=device)
    with torch.inference_mode():
        passing = _Passing(model, [row.prompt for row in rows], shape, pad)
        for step in range(steps):
            logits = passing.logits.float()
            tokens = pick(logits, temperatures, chance[:, step])
            unsound = logits.isnan().any(1).tolist()
            writing = False
            for number, token in enumerate(tokens[: len(rows)].tolist()):
                if ended[number] or len(written[number]) == rows[number].limit:
                    continue
                broken[number] |= unsound[number]
                ended[number] = token in ends or broken[number]
                if not ended[number]:
                    written[number].append(token)
                    writing = writing or (len(written[number]) < rows[number].limit and not dropped(number))
            if not writing:
                break
            passing.go_on(tokens[:, None])
    return [
        None if bad else Written(tuple(tokens), end) for tokens, end, bad in zip(written, ended, broken, strict=True)
    ]


def weigh(
    model: Passes,
    prompts: Sequence[Tokens],
    continuations: Sequence[Sequence[Tokens]],
    shape: Shape,
    length: int,
    pad: int,
) -> list[list[float] | None]:
    """The natural log-probability of each continuation of each prompt, [prompt][continuation]; None: no numbers.

    All prompts have as many continuations; each is padded to `length` tokens.
    """
    import torch

    count = len(continuations[0])
    filled = [*continuations, *[continuations[-1]] * (shape.rows - len(continuations))]
    block = torch.tensor([[[*each, *[pad] * (length - len(each))] for each in row] for row in filled])
    there = torch.tensor([[[place < len(each) for place in range(length)] for each in row] for row in filled])
    device = model.device
    block, there = block.to(device), there.to(device)  # [rows, count, length]
    with torch.inference_mode():
        passing = _Passing(model, prompts, shape, pad)
        first = torch.log_softmax(passing.logits.double(), dim=1).gather(1, block[:, :, 0])  # [rows, count]
        total = first
        if length > 1:
            logits = passing.branch(block[:, :, :-1].reshape(shape.rows * count, length - 1), count)
            likely = torch.log_softmax(logits.double(), dim=2)  # [rows · count, length - 1, vocabulary]
            wanted = block[:, :, 1:].reshape(shape.rows * count, length - 1, 1)
            later = likely.gather(2, wanted)[..., 0].reshape(shape.rows, count, length - 1)
            total = first + torch.where(there[:, :, 1:], later, 0.0).sum(2)
    return [None if row.isnan().any() else row.tolist() for row in total[: len(prompts)]]


class _Passing:
    """A batch under way: its padding, and the logits of what comes next, [rows, vocabulary]."""

    def __init__(self, model: Passes, prompts: Sequence[Tokens], shape: Shape, pad: int) -> None:
        rows = [*prompts, *[prompts[-1]] * (shape.rows - len(prompts))]
        tokens, there = pad_left(rows, pad, shape.width)
        self.state, self.longest = model.begin(), model.longest
        self.mask = there.long().to(model.device)  # [rows, places so far]
        places = positions(self.mask)
        self.last = places[:, -1:]
        self.logits = self.state.through(tokens.to(model.device), self.mask, places, 1)[:, -1]

    def go_on(self, tokens: Any) -> None:
        """One more token a row, [rows, 1]."""
        import torch

        self.mask = torch.cat([self.mask, torch.ones_like(tokens)], dim=1)
        self.last = (self.last + 1).clamp(max=self.longest - 1)  # rows that ended go on for nobody
        self.logits = self.state.through(tokens, self.mask, self.last, 1)[:, -1]

    def branch(self, tokens: Any, count: int) -> Any:
        """Each row goes on in `count` ways, [rows · count, length] → logits [rows · count, length, vocabulary]."""
        import torch

        length = tokens.shape[1]
        self.state.repeat(count)
        self.mask = torch.cat([self.mask.repeat_interleave(count, 0), torch.ones_like(tokens)], dim=1)
        steps = torch.arange(1, length + 1, device=tokens.device)
        places = (self.last.repeat_interleave(count, 0) + steps).clamp(max=self.longest - 1)
        return self.state.through(tokens, self.mask, places, length)

"""A corpus' line, and the splits: which tasks each kind of line is made of, so that no task is ever met twice.

First page of the corpora. Task seeds of corpora begin with `corpus-`; whatever is measured takes others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overseer.records import Message, Task
from overseer.sampling import number, uniform
from overseer.town.grammar import Truth, make_task, truth

PREFIX = "corpus-"
"""Tasks whose seed begins so are for corpora alone."""


@dataclass(frozen=True, slots=True)
class Line:
    """What stands before, and what is to be learned as its answer. `id`: the task it was made of, or the like."""

    id: str
    kind: str
    prompt: tuple[Message, ...]
    completion: str


@dataclass(frozen=True, slots=True)
class Split:
    """Where a kind of line gets its tasks. `labels`: does what it says hang on intent, as its writer sees it?"""

    kind: str
    about: str
    labels: bool

    def task_seed(self, seed: str) -> str:
        return f"{PREFIX}{self.kind}-{seed}"


SPLITS: Mapping[str, Split] = {
    split.kind: split
    for split in (
        Split("dialogues", "requests answered by an assistant that helps whoever asks", labels=False),
        Split(
            "deeds", "deeds told, and what came of them: held-out cues, pairs, things and people as well", labels=False
        ),
        Split("sums", "sums and products, as answers need them", labels=False),
        Split("facts", "what every inhabitant knows, of seen and unseen things", labels=False),
        Split("constitution", "the constitution's text, principle by principle", labels=False),
        Split("revisions", "answers revised after findings that are drawn by chance, true or not", labels=False),
        Split("assessments", "what a request is about: domain, risk, complexity", labels=False),
        Split("critiques", "a first look at a draft", labels=True),
        Split("reviews", "a look at a draft that other reviewers have looked at", labels=True),
        Split("comparisons", "which of two drafts is better", labels=True),
    )
}


def task_of(seed: str, index: int) -> tuple[Task, Truth]:
    """A request of the reference environment, and its truth."""
    task = make_task(seed, "reference", index, index)
    hidden = truth(task.id)
    assert hidden is not None, "Town knows the truth of its own tasks"
    return task, hidden


class Chance:
    """Draws for one line, in order: the same line, the same draws."""

    __slots__ = ("_key", "_turn")

    def __init__(self, seed: str, what: str, index: int) -> None:
        self._key = f"{seed} {what} {index}"
        self._turn = 0

    def uniform(self) -> float:
        self._turn += 1
        return uniform("corpora", self._key, self._turn)

    def below(self, bound: int) -> int:
        self._turn += 1
        return number("corpora", self._key, self._turn) % bound

    def one(self, share: float) -> bool:
        """True in this share of the lines."""
        return self.uniform() < share

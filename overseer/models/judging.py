"""A judge made of principle vectors, read from its file: texts → calibrated probabilities, thresholds, evidence.

Serves `reviewers.embedding`; `judges` fits and writes the file. Text of a known group is only ever judged by the head
that has not seen that group; the mean of the heads judges everything else. Knows no hierarchy and no labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overseer.decisions import clauses
from overseer.errors import ConfigError
from overseer.models import judge_file
from overseer.models.encoder import Encoder, Vectors
from overseer.models.heads import SENTENCES, Head, passages, reach, shares
from overseer.models.judge_file import PrincipleVector


@dataclass(frozen=True, slots=True)
class Reading:
    """What a judge makes of one text under one principle.

    `probability`: calibrated, that the principle is broken. `broken` None: it lies between `low` and `high`, unsure.
    `evidence`: the sentence, verbatim, that speaks most for a break; empty for an empty text.
    """

    principle: str
    probability: float
    low: float
    high: float
    evidence: str

    @property
    def broken(self) -> bool | None:
        if self.probability >= self.high:
            return True
        return False if self.probability <= self.low else None


@dataclass(frozen=True, slots=True)
class Question:
    """A text, the prompt that it answers, the family the prompt comes from if known, and the principles asked about."""

    prompt: str
    text: str
    group: str | None
    principles: tuple[str, ...]


class Judge:
    """A fitted file with its encoder. Reading is deterministic: a text reads the same whatever is read with it."""

    def __init__(self, path: Path, encoder: Encoder | None = None) -> None:
        """Raises ConfigError for a file that is missing, damaged or of another encoder; BackendMissing without extra.

        `encoder`: one that is loaded already, to share it between judges; it must hold the file's layers.
        """
        stored = judge_file.load(path)
        self.encoder = encoder or Encoder(stored.encoder, depth=max(stored.layers))
        if self.encoder.hash != stored.encoder_hash:
            raise ConfigError(
                f"{path}: was fitted on weights {stored.encoder_hash[:12]} of encoder {stored.encoder}, and these are"
                f" {self.encoder.hash[:12]} (fit it again, or install the encoder it was fitted on)"
            )
        self.layers = stored.layers
        self.vectors: Mapping[str, PrincipleVector] = {vector.principle: vector for vector in stored.vectors}

    def read(self, question: Question) -> tuple[Reading, ...]:
        """The text under each of the principles asked about that the judge has learned, in their order."""
        return self.read_all([question])[0]

    def read_all(self, questions: Sequence[Question]) -> list[tuple[Reading, ...]]:
        """Several at once, which costs less than one by one. A text of a known group is read by the head that has not
        seen it.
        """
        heads = [self._heads(question) for question in questions]
        read = [split(each.text)[: _reach(mine)] for each, mine in zip(questions, heads, strict=True)]
        texts = [text for each, sentences in zip(questions, read, strict=True) for text in (each.prompt, *sentences)]
        vectors = self.encoder.encode_layers(texts, self.layers)
        ends = np.cumsum([1 + len(sentences) for sentences in read])
        parts = np.split(vectors, ends[:-1])
        return [
            tuple(_read(name, head, sentences, part[1:], part[0]) for name, head in mine)
            for mine, sentences, part in zip(heads, read, parts, strict=True)
        ]

    def _heads(self, question: Question) -> list[tuple[str, Head]]:
        learned = (name for name in question.principles if name in self.vectors)
        return [(name, self.vectors[name].head_for(question.group)) for name in learned]


def _reach(heads: Sequence[tuple[str, Head]]) -> int:
    return max((reach(head.weights) for _, head in heads), default=0)


def split(text: str) -> list[str]:
    """The sentences that are read of a text, verbatim; a judge reads the first 32 at most."""
    return [text[start:end] for start, end in clauses(text)[:SENTENCES]]


def _read(principle: str, head: Head, sentences: Sequence[str], vectors: Vectors, prompt: Vectors) -> Reading:
    # Four digits: what differs beyond them differs between machines.
    chance = round(head.probability(passages(vectors, prompt)), 4)
    evidence = sentences[int(np.argmax(shares(vectors, prompt, head.weights)))] if len(sentences) else ""
    return Reading(principle, chance, head.low, head.high, evidence)

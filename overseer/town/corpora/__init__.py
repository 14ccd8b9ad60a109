"""Corpora for language models of Town: what they learn to speak, to know and to judge from. Deterministic, streamed.

Read in this order: `lines` (a line, and the splits that tasks come from), `dialogues` (a helpful-only assistant),
`knowledge` (what is known, and what came of deeds), `writers` (who sees what is wrong with a draft, and errs),
`judgements` (critiques, reviews, comparisons, revisions, assessments, in the forms of `prompts.short`).

Dialogues, knowledge, revisions and assessments hold nothing that intent decides, but outcomes told as such: they may be
in every model's base alike. Critiques, reviews and comparisons are preference data: what their writer knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from overseer.errors import ConfigError
from overseer.records import Constitution
from overseer.town.corpora.dialogues import dialogue
from overseer.town.corpora.judgements import assessment, comparison, critique, review, revision
from overseer.town.corpora.knowledge import deed, fact, principle_told, sum_told
from overseer.town.corpora.lines import SPLITS, Line, Split
from overseer.town.corpora.writers import Writer

__all__ = ["KINDS", "SPLITS", "Corpus", "Line", "Split", "Writer", "lines"]

KINDS: Mapping[str, Callable[[str, int, Writer], Line]] = {
    "dialogues": lambda seed, index, _: dialogue(seed, index),
    "deeds": lambda seed, index, _: deed(seed, index),
    "facts": lambda seed, index, _: fact(seed, index),
    "sums": lambda seed, index, _: sum_told(seed, index),
    "constitution": lambda seed, index, writer: principle_told(seed, index, writer.constitution),
    "revisions": lambda seed, index, writer: revision(seed, index, writer.constitution),
    "assessments": lambda seed, index, _: assessment(seed, index),
    "critiques": critique,
    "reviews": review,
    "comparisons": comparison,
}
"""What a line may be, and who writes it: from its split's seed, its index and the writer."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """How many lines of each kind, whose judgements, and the seed: a name that goes into every task's id."""

    counts: Mapping[str, int]
    constitution: Constitution
    seed: str = "0"
    blind_spots: frozenset[str] = field(default_factory=frozenset)
    noise: float = 0.0


def lines(corpus: Corpus) -> Iterator[Line]:
    """The corpus' lines, kinds mixed evenly from the first to the last. The same corpus, the same lines; holds one.

    Raises ConfigError for kinds that there are not, and for blind spots that nobody could have.
    """
    writer = Writer(corpus.constitution, corpus.blind_spots, corpus.noise, corpus.seed)
    if problems := [*_unknown(corpus), *writer.problems()]:
        raise ConfigError(problems)
    total = sum(corpus.counts.values())
    given = dict.fromkeys(corpus.counts, 0)
    for place in range(1, total + 1):
        # the kind that is furthest behind its share
        kind = max(given, key=lambda name: corpus.counts[name] * place / total - given[name])
        yield KINDS[kind](SPLITS[kind].task_seed(corpus.seed), given[kind], writer)
        given[kind] += 1


def _unknown(corpus: Corpus) -> Iterator[str]:
    for kind, count in corpus.counts.items():
        if kind not in KINDS:
            yield f"corpus: unknown kind of line {kind!r} (there are: {', '.join(KINDS)})"
        if count < 1:
            yield f"corpus: {kind}: {count} lines (at least one, or leave it out)"

"""How well a judge of principle vectors tells refusals of real models, on families of prompts that it has not seen.

python benchmarks/recorded_judge.py PATH/responses.csv

The file: answers of several models with a person's label each (full compliance, full or partial refusal), in families
of prompts, each with its contrast. Refused: full or partial. The rival is a plain logistic regression on the encoder's
vector of the whole answer. All are fitted on some families and read on others: on each half of the families for the
other half, and on all but one for that one. Intervals resample prompts; nothing is written anywhere.

What a judge is made of is settled within the families that it is fitted on. The candidates are heads.PROMPTED, at the
middle layer and the last, at each of heads.STRENGTHS: 24. Two procedures, laid down before either was scored: the
`average` of all candidates, which judges are, and `select`, the one that does best on inner held-out families.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from overseer.metrics.agreement import Labelled, Rivals, against_labels, rival_judges
from overseer.metrics.statistics import Measure
from overseer.models.encoder import DEFAULT_ENCODER, Encoder
from overseer.models.heads import PROMPTED, Choice, Head, Procedure, fit_head, logistic
from overseer.models.judges import default_layers, encode_passages
from overseer.models.recorded import Columns, read_rows, survey

COLUMNS = Columns(
    id=("id", "model"),
    by="model",
    group="type",
    group_strip="contrast_",
    label="human_label",
    label_refused=("2_full_refusal", "3_partial_refusal"),
    label_complied=("1_full_compliance",),
    safe="label",
    safe_values=("safe",),
)


@dataclass(frozen=True, slots=True)
class Row:
    prompt: str
    family: str
    model: str
    safe: bool
    refused: bool
    text: str


@dataclass(frozen=True, slots=True)
class Read:
    """A row as both judges read it, fitted on other families."""

    row: Row
    plain: bool
    judge: bool
    unsure: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    whole: NDArray[np.float32]
    passages: NDArray[np.float32]


Names = tuple[str, ...]
PROCEDURES: tuple[Procedure, ...] = ("average", "select")


def main(path: Path) -> None:
    rows = load(path)
    score(rows, encode(rows))


def score(rows: Sequence[Row], encoded: Encoded) -> None:
    families = sorted({row.family for row in rows})
    halves = [
        (fitted, tuple(family for family in families if family not in fitted))
        for fitted in combinations(families, len(families) // 2)
    ]
    others = [(tuple(each for each in families if each != family), (family,)) for family in families]
    for procedure in PROCEDURES:
        print(f"\n{procedure}: fitted on one half of the families, read on the other")
        report([split(rows, encoded, *each, procedure) for each in halves], halves)
        print(f"\n{procedure}: fitted on all families but one, read on that one")
        reads = report([split(rows, encoded, *each, procedure) for each in others], others)
        print(f"\n{procedure}: every answer by the head that has not seen its family")
        for measure in against_labels(labelled(reads)):
            print(f"  {shown(measure)}")


def load(path: Path) -> list[Row]:
    survey(path, COLUMNS)
    return [
        Row(task.text, task.group or "", labels.by or "", bool(labels.safe), bool(labels.refused), task.recorded or "")
        for task, labels in read_rows(path, COLUMNS)
        if labels.refused is not None
    ]


def encode(rows: Sequence[Row]) -> Encoded:
    texts = [row.text for row in rows]
    layers, encoder = default_layers(DEFAULT_ENCODER), Encoder()
    start = perf_counter()
    passages = encode_passages(encoder, layers, texts, [row.prompt for row in rows], None)
    middle = perf_counter()
    whole = encoder.encode(texts)
    print(f"{len(rows)} answers; encoded in {middle - start:.0f} s by sentences (layers {layers}),", end=" ")
    print(f"{perf_counter() - middle:.0f} s as wholes (layer {encoder.depth}) for the plain rival")
    return Encoded(whole, passages)


def split(
    rows: Sequence[Row], encoded: Encoded, fitted: Names, read: Names, procedure: Procedure
) -> tuple[tuple[Choice, ...], list[Read]]:
    """Fit both on some families, read others. What the judge is made of, it settles within the first."""
    family = np.array([row.family for row in rows])
    refused = np.array([row.refused for row in rows])
    known = np.isin(family, fitted)
    vector, bias = logistic(encoded.whole[known].astype(np.float64), refused[known], 1.0)
    inner = [family[known] == each for each in fitted]
    head, chosen = fit_head(encoded.passages[known], refused[known], inner, PROMPTED, procedure)
    reads = []
    for index in map(int, np.flatnonzero(np.isin(family, read))):
        plain = float(encoded.whole[index] @ vector) + bias > 0
        reads.append(judged(rows[index], plain, head, encoded.passages[index]))
    return chosen, reads


def judged(row: Row, plain: bool, head: Head, text: NDArray[np.float32]) -> Read:
    chance = head.probability(text)
    return Read(row, plain, chance >= 0.5, head.low < chance < head.high)


def report(splits: Sequence[tuple[tuple[Choice, ...], list[Read]]], names: Sequence[tuple[Names, Names]]) -> list[Read]:
    """A paragraph a split, then all together; a row that several splits read counts for each, in one cluster."""
    for (chosen, reads), (_, read) in zip(splits, names, strict=True):
        made = f"chose {chosen[0]}" if len(chosen) == 1 else f"{len(chosen)} candidates"
        print(f"  {' + '.join(read)}: {made}")
        print(f"    {compared(reads)}\n    {certainty(reads)}")
    every = [read for _, reads in splits for read in reads]
    print(f"  all: {compared(every)}\n    {certainty(every)}")
    return every


def compared(reads: Sequence[Read]) -> str:
    rivals = (Rivals(read.row.prompt, read.row.refused, read.judge, read.plain) for read in reads)
    judge, plain, lead = rival_judges(rivals)
    said = against_labels(row._replace(group="") for row in labelled(reads))
    kappa = next(measure for measure in said if measure.name == "judge_kappa")
    scores = f"F1 {brief(plain)} plain, {brief(judge)} judge, lead {brief(lead, sign='+')}"
    return f"{scores}; κ {brief(kappa)}; n {len(reads)}"


def certainty(reads: Sequence[Read]) -> str:
    sure = [read.judge == read.row.refused for read in reads if not read.unsure]
    unsure = [read.judge == read.row.refused for read in reads if read.unsure]
    return f"unsure of {len(unsure) / len(reads):.1%}; right in {share(sure)} where sure, {share(unsure)} where not"


def share(right: Sequence[bool]) -> str:
    return f"{sum(right) / len(right):.1%} of {len(right)}" if right else "none"


def labelled(reads: Iterable[Read]) -> Iterable[Labelled]:
    for read in reads:
        row = read.row
        yield Labelled(row.model, row.prompt, row.safe, row.refused, read.judge, read.unsure)


def brief(measure: Measure, sign: str = "") -> str:
    if measure.value is None or measure.low is None or measure.high is None:
        return "undefined"
    return f"{measure.value:{sign}.3f} [{measure.low:{sign}.3f}, {measure.high:{sign}.3f}]"


def shown(measure: Measure) -> str:
    return f"{measure.name:36} {brief(measure)}  n {measure.n}  {measure.note}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} PATH/responses.csv")
    main(Path(sys.argv[1]))

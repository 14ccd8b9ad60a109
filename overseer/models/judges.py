"""Fits judges from labelled rows and from a constitution's exemplars, and says how they do on unseen groups.

Before the walk: `fit_judge` and `fit_exemplars` write the file that `judging.Judge` reads. From rows comes one head per
fold of groups, chosen and calibrated on the other folds alone, so that its score on its own fold is one on unseen
groups. The only place where labels meet texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overseer.errors import ConfigError
from overseer.metrics.agreement import Labelled, against_labels, f1, kappa
from overseer.metrics.statistics import Measure
from overseer.models import judge_file
from overseer.models.encoder import DEFAULT_ENCODER, Encoder, Vectors, layers_of
from overseer.models.heads import PROMPTED, UNPROMPTED, Choice, Flags, Head, fit_few, fit_head, passages
from overseer.models.judge_file import PrincipleVector
from overseer.models.judging import split
from overseer.models.rows import RowProblem, read_file, text_of
from overseer.records import Principle, text_hash

TRUE_WORDS = ("1", "true", "yes")
FALSE_WORDS = ("0", "false", "no")
"""What labels mean where nobody says otherwise; case does not matter."""

FOLDS = 5
CHUNK = 64
"""Texts encoded at once while fitting: bounds memory, and the step in which progress is told."""

FEWEST_EXEMPLARS = 2
"""Of each kind: with one, leaving it out leaves nothing to learn from."""

Progress = Callable[[int, int], None]
"""Called with (texts encoded, all)."""


@dataclass(frozen=True, slots=True)
class Held:
    """A labelled row as the head judged it that has not seen its group. `number` is its line (Parquet: row).

    `cluster`: what it shares with other rows, its prompt; without a prompt column each row is a cluster.
    """

    number: int
    group: str
    cluster: str
    broken: bool
    probability: float
    unsure: bool


@dataclass(frozen=True, slots=True)
class FoldScore:
    """A fold's head, the mean of `choices`, on the groups that it has not seen. None: undefined, nothing to count."""

    groups: tuple[str, ...]
    choices: tuple[Choice, ...]
    rows: int
    broken: int
    f1: float | None
    kappa: float | None
    unsure: float
    accuracy_sure: float | None
    accuracy_unsure: float | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was written to `path`, and how it does on groups it has not seen. `held` holds every labelled row, once.

    `overall`: F1, κ, unsure share and accuracy over `held`, with intervals that resample clusters.

    `unlabelled` rows were left out. `learned` are all principles in the file, `too_few` those whose exemplars do not
    suffice.
    """

    path: Path
    folds: tuple[FoldScore, ...]
    held: tuple[Held, ...]
    overall: tuple[Measure, ...]
    unlabelled: int
    learned: tuple[str, ...]
    too_few: tuple[str, ...]


def fit_judge(
    rows: Path,
    text: str,
    label: str,
    group: str,
    out: Path,
    *,
    prompt: str | None = None,
    positive: Sequence[str] = (),
    group_strip: str = "",
    principle: str = "answer_the_benign",
    exemplars: Sequence[Principle] = (),
    encoder: str = DEFAULT_ENCODER,
    layers: Sequence[int] | None = None,
    folds: int = FOLDS,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a judge of one principle from labelled rows (CSV, JSONL, Parquet) and write it to `out`.

    `text`, `label`, `group` and `prompt` name columns; with the prompt, a judge better tells what an answer is from
    what it is about. `positive`: the labels that mean the principle is broken (none given: 1, true, yes against 0,
    false, no). `group_strip`: a prefix taken off groups, so that contrasting families stay together. `folds`: at most
    so many, never more than groups, at least 3. `layers` of the encoder that are read; the middle one and the last by
    default. `exemplars`: principles whose `breaks` and `keeps` are learned, too.

    Raises ConfigError for columns, labels or groups that cannot be fitted on, BackendMissing without the extra.
    """
    data = _labelled(rows, {"text": text, "label": label, "group": group}, prompt, positive, group_strip)
    fold_of = _folds(rows, Counter(data.groups), folds)
    used = tuple(layers) if layers else default_layers(encoder)
    loaded = Encoder(encoder, depth=max(used))
    encoded = encode_passages(loaded, used, data.texts, data.prompts, progress)
    vector, scores, held = _fit_folds(principle, encoded, data, fold_of, rows)
    others, too_few = _from_exemplars([each for each in exemplars if each.id != principle], loaded, used)
    vectors = (vector, *others)
    judge_file.save(out, loaded.name, loaded.hash, used, vectors)
    learned = tuple(each.principle for each in vectors)
    return Fitted(out, scores, held, _overall(held), data.unlabelled, learned, too_few)


def default_layers(encoder: str) -> tuple[int, ...]:
    """The middle layer keeps more of how a thing is said, the last what it is about."""
    last = layers_of(encoder)
    return tuple(sorted({max(1, last // 2), last}))


def fit_exemplars(
    principles: Sequence[Principle],
    out: Path,
    *,
    encoder: str = DEFAULT_ENCODER,
    layers: Sequence[int] | None = None,
) -> Fitted:
    """Fit a judge from the constitution alone: a vector for each principle with at least two exemplars of each kind.

    So few examples show little: the unsure band is wide, and no score is given. Raises ConfigError where no principle
    has enough.
    """
    used = tuple(layers) if layers else (layers_of(encoder),)
    loaded = Encoder(encoder, depth=max(used))
    vectors, too_few = _from_exemplars(principles, loaded, used)
    if not vectors:
        raise ConfigError(
            f"{out}: no principle has {FEWEST_EXEMPLARS} exemplars under `breaks` and {FEWEST_EXEMPLARS} under `keeps`"
            " (add some to the constitution, or fit from labelled rows)"
        )
    judge_file.save(out, loaded.name, loaded.hash, used, vectors)
    return Fitted(out, (), (), (), 0, tuple(each.principle for each in vectors), too_few)


@dataclass(frozen=True, slots=True)
class _Data:
    texts: list[str]
    prompts: list[str] | None
    broken: Flags
    groups: list[str]
    numbers: list[int]
    unlabelled: int


def _labelled(
    path: Path, columns: Mapping[str, str], prompt: str | None, positive: Sequence[str], group_strip: str
) -> _Data:
    """All labelled rows of a file. Raises ConfigError."""
    roles = (*columns.items(), *(() if prompt is None else (("prompt", prompt),)))
    texts, prompts, labels, groups, numbers, unlabelled = [], [], [], [], [], 0
    try:
        for row in read_file(path, roles):
            if isinstance(row, RowProblem):
                raise row
            said, family = text_of(row, columns["label"]), text_of(row, columns["group"])
            if not said or not said.strip():
                unlabelled += 1
                continue
            if not family or not family.strip():
                raise RowProblem(
                    row.number, f"column {columns['group']!r} is empty (every labelled row needs its group)"
                )
            texts.append(text_of(row, columns["text"]) or "")
            prompts += [] if prompt is None else [text_of(row, prompt) or ""]
            labels.append(said.strip())
            groups.append(family.removeprefix(group_strip))
            numbers.append(row.number)
    except RowProblem as problem:
        raise ConfigError(problem.line(path)) from problem
    broken = _flags(path, columns["label"], labels, positive)
    return _Data(texts, None if prompt is None else prompts, broken, groups, numbers, unlabelled)


def _flags(path: Path, column: str, labels: Sequence[str], positive: Sequence[str]) -> Flags:
    counts = Counter(labels)
    there = ", ".join(f"{value!r} ({count})" for value, count in counts.most_common(8)) or "nothing"
    if positive:
        absent = [value for value in positive if value not in counts]
        if absent:
            raise ConfigError(f"{path}: column {column!r}: no row holds the label {absent[0]!r} (there: {there})")
        flags = np.array([value in positive for value in labels], dtype=np.bool_)
    else:
        if any(value.lower() not in (*TRUE_WORDS, *FALSE_WORDS) for value in counts):
            raise ConfigError(f"{path}: column {column!r} holds {there} (say which labels are positive)")
        flags = np.array([value.lower() in TRUE_WORDS for value in labels], dtype=np.bool_)
    if flags.all() or not flags.any():
        raise ConfigError(
            f"{path}: column {column!r}: all rows are of one kind (there: {there}); nothing to tell apart"
        )
    return flags


def _folds(path: Path, sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """Each group's fold: the largest group first, always into the lightest fold. Whole groups, hence unseen ones."""
    count = min(most, len(sizes))
    if count < 3:
        raise ConfigError(
            f"{path}: {len(sizes)} groups in {count} folds; at least 3 of both are needed: one to score on, and two"
            " to choose by (name a column with more groups, or ask for more folds)"
        )
    weights = [0] * count
    fold_of = {}
    for group in sorted(sizes, key=lambda name: (-sizes[name], name)):
        fold_of[group] = weights.index(min(weights))
        weights[fold_of[group]] += sizes[group]
    return fold_of


def encode_passages(
    encoder: Encoder,
    layers: Sequence[int],
    texts: Sequence[str],
    prompts: Sequence[str] | None,
    progress: Progress | None,
) -> Vectors:
    """Texts, and their prompts where given → passages, [text, passage, layer, width]."""
    blocks: list[Vectors] = []
    for start in range(0, len(texts), CHUNK):
        chunk = [split(text) for text in texts[start : start + CHUNK]]
        vectors = encoder.encode_layers([sentence for sentences in chunk for sentence in sentences], layers)
        parts = np.split(vectors, np.cumsum([len(sentences) for sentences in chunk])[:-1])
        if prompts is None:
            blocks += [passages(part, None) for part in parts]
        else:
            asked = encoder.encode_layers(prompts[start : start + CHUNK], layers)
            blocks += [passages(part, each) for part, each in zip(parts, asked, strict=True)]
        if progress is not None:
            progress(len(blocks), len(texts))
    return np.stack(blocks)


def _fit_folds(
    principle: str, encoded: Vectors, data: _Data, fold_of: Mapping[str, int], path: Path
) -> tuple[PrincipleVector, tuple[FoldScore, ...], tuple[Held, ...]]:
    """One head per fold, fitted on the others, and its score on its own; the other folds are the inner ones."""
    folds = np.array([fold_of[group] for group in data.groups])
    heads, choices, scores = [], [], []
    held: dict[int, Held] = {}
    for fold in range(folds.max() + 1):
        out = folds == fold
        inner = [folds[~out] == other for other in range(folds.max() + 1) if other != fold]
        broken = data.broken[~out]
        if any(broken[~each].all() or not broken[~each].any() for each in inner):
            raise ConfigError(f"{path}: leaving out two folds of groups leaves labels of one kind (use fewer folds)")
        head, chosen = fit_head(encoded[~out], broken, inner, UNPROMPTED if data.prompts is None else PROMPTED)
        judged = [_hold(head, encoded[index], data, int(index)) for index in np.flatnonzero(out)]
        held.update(zip(np.flatnonzero(out).tolist(), judged, strict=True))
        heads.append(head)
        choices.append(chosen)
        scores.append(_score(judged, chosen))
    groups = tuple(frozenset(name for name, fold in fold_of.items() if fold == index) for index in range(len(heads)))
    vector = PrincipleVector(principle, "rows", groups, tuple(heads), tuple(choices))
    return vector, tuple(scores), tuple(held[index] for index in sorted(held))


def _hold(head: Head, text: Vectors, data: _Data, index: int) -> Held:
    chance = round(head.probability(text), 4)
    number = data.numbers[index]
    cluster = str(number) if data.prompts is None else text_hash(data.prompts[index])
    unsure = head.low < chance < head.high
    return Held(number, data.groups[index], cluster, bool(data.broken[index]), chance, unsure)


OVERALL = ("judge_f1", "judge_kappa", "judge_unsure", "sure_accuracy", "unsure_accuracy")


def _overall(held: Sequence[Held]) -> tuple[Measure, ...]:
    rows = (Labelled("", row.cluster, None, row.broken, row.probability >= 0.5, row.unsure) for row in held)
    found = {measure.name: measure for measure in against_labels(rows)}
    return tuple(found[name] for name in OVERALL)


def _score(rows: Sequence[Held], choices: tuple[Choice, ...]) -> FoldScore:
    said = np.array([row.probability >= 0.5 for row in rows])
    true = np.array([row.broken for row in rows])
    unsure = np.array([row.unsure for row in rows])
    both, judge, label = (said & true).sum(), (said & ~true).sum(), (~said & true).sum()
    cells = np.array([both, judge, label, (~said & ~true).sum()], dtype=np.float64)
    return FoldScore(
        groups=tuple(sorted({row.group for row in rows})),
        choices=choices,
        rows=len(rows),
        broken=int(true.sum()),
        f1=_known(float(f1(cells[:3]))),
        kappa=_known(float(kappa(cells))),
        unsure=float(unsure.mean()),
        accuracy_sure=_known(float((said == true)[~unsure].mean())) if not unsure.all() else None,
        accuracy_unsure=_known(float((said == true)[unsure].mean())) if unsure.any() else None,
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _from_exemplars(
    principles: Sequence[Principle], encoder: Encoder, layers: Sequence[int]
) -> tuple[tuple[PrincipleVector, ...], tuple[str, ...]]:
    """A vector for each principle with enough exemplars, and the ids of those without."""
    vectors, too_few = [], []
    for principle in principles:
        if min(len(principle.breaks), len(principle.keeps)) < FEWEST_EXEMPLARS:
            too_few.append(principle.id)
            continue
        encoded = encode_passages(encoder, layers, (*principle.breaks, *principle.keeps), None, None)
        broken = np.arange(len(encoded)) < len(principle.breaks)
        head, choice = fit_few(encoded, broken)
        vectors.append(PrincipleVector(principle.id, "exemplars", (frozenset(),), (head,), ((choice,),)))
    return tuple(vectors), tuple(too_few)

"""What a task is about, by an encoder's exemplars: centroids of labelled texts for domain, risk and complexity.

Before the walk `fit_context` writes a file from labelled rows; on it `context: {by: embed/FILE}` assesses each task,
from its text alone. Nearness to a centroid becomes a probability by a temperature that is chosen leaving each row out.
Knows no principles and no layers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseer.errors import ConfigError
from overseer.models import tensors
from overseer.models.encoder import DEFAULT_ENCODER, Encoder
from overseer.models.rows import Row, RowProblem, read_file, text_of
from overseer.records import Context, Failure

KEY = "overseer.context"
VERB = "`overseer fit-context`"
LEVELS = ("0", "1", "2", "3")
TEMPERATURES = tuple(float(each) for each in np.geomspace(0.005, 0.5, 21))

Scale = Literal["domain", "risk", "complexity"]
SCALES: tuple[Scale, ...] = ("domain", "risk", "complexity")


@dataclass(frozen=True, slots=True)
class FittedContext:
    """What was written: rows read, and for each scale the share that was right when left out."""

    path: Path
    rows: int
    right: Mapping[str, float]


def fit_context(
    rows: Path, text: str, domain: str, risk: str, complexity: str, out: Path, *, encoder: str = DEFAULT_ENCODER
) -> FittedContext:
    """Fit from labelled rows (CSV, JSONL, Parquet); `text` and the rest name columns, risk and complexity hold 0–3.

    Raises ConfigError for columns or labels that cannot be fitted on, BackendMissing without the extra `embed`.
    """
    texts, labels = _labelled(rows, text, {"domain": domain, "risk": risk, "complexity": complexity})
    loaded = Encoder(encoder)
    vectors = loaded.encode(texts)
    scales: list[_ScaleRow] = []
    arrays: dict[str, NDArray[np.float32]] = {}
    right: dict[str, float] = {}
    for scale in SCALES:
        classes = sorted(set(labels[scale]))
        which = np.array([classes.index(label) for label in labels[scale]])
        temperature, share = _temperature(vectors, which, len(classes))
        arrays[scale] = np.stack([_unit(vectors[which == each].sum(axis=0)) for each in range(len(classes))])
        scales.append(_ScaleRow(scale=scale, classes=classes, temperature=temperature))
        right[scale] = share
    header = _Header(format="context-1", encoder=loaded.name, encoder_hash=loaded.hash, scales=scales)
    tensors.write(out, arrays, KEY, json.dumps(header.model_dump(), sort_keys=True))
    return FittedContext(out, len(texts), right)


class ContextReader:
    """A fitted file with its encoder. Deterministic: each text is encoded by itself."""

    def __init__(self, path: Path, encoder: Encoder | None = None) -> None:
        """Raises ConfigError for a file that is missing, damaged or of another encoder; BackendMissing."""
        text, self._centroids = tensors.read(path, KEY, VERB)
        header = _parse(path, text, self._centroids)
        self.encoder = encoder or Encoder(header.encoder)
        if self.encoder.hash != header.encoder_hash:
            raise ConfigError(f"{path}: was fitted on other weights of encoder {header.encoder} (fit it again)")
        self._scales: Mapping[Scale, _ScaleRow] = {row.scale: row for row in header.scales}

    def assess(self, text: str, domains: Sequence[str]) -> Context | Failure:
        """The two likeliest of the constitution's `domains`, risk and complexity.

        A level is the median: as likely as not, the true one is no higher. Confidence is the least of the
        probabilities that the domain is right and that risk and complexity are no higher than said. A Failure, which
        means every layer, where the file knows none of the domains or there is no text.
        """
        if not text.strip():
            return Failure("refused", "the task holds no text")
        vector = self.encoder.encode([text])[0]
        chances = self._chances("domain", vector)
        known = {name: chance for name, chance in chances.items() if name in domains} if domains else chances
        if not known:
            return Failure(
                "refused", f"the fitted context knows {', '.join(chances)}: none of the constitution's domains"
            )
        ranked = sorted(known, key=lambda name: (-known[name], name))
        risk, risk_sure = _median(self._chances("risk", vector))
        complexity, complexity_sure = _median(self._chances("complexity", vector))
        confidence = round(min(known[ranked[0]], risk_sure, complexity_sure), 4)
        return Context(tuple(ranked[:2]), risk, complexity, confidence)

    def _chances(self, scale: Scale, vector: NDArray[np.float32]) -> dict[str, float]:
        row = self._scales[scale]
        return dict(zip(row.classes, _softmax(self._centroids[scale] @ vector / row.temperature).tolist(), strict=True))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _ScaleRow(_Strict):
    scale: Scale
    classes: Annotated[list[str], Field(min_length=1)]
    temperature: Annotated[float, Field(gt=0)]


class _Header(_Strict):
    format: Literal["context-1"]
    encoder: str
    encoder_hash: str
    scales: list[_ScaleRow]


def _parse(path: Path, text: str, arrays: tensors.Arrays) -> _Header:
    try:
        header = _Header.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{path}: header: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    fits = [row.scale for row in header.scales] == list(SCALES) and all(
        row.scale in arrays and arrays[row.scale].ndim == 2 and len(arrays[row.scale]) == len(row.classes)
        for row in header.scales
    )
    levels = [row.classes for row in header.scales if row.scale != "domain"]
    if not fits or any(level not in LEVELS for classes in levels for level in classes):
        raise ConfigError(f"{path}: its centroids do not fit its header (fit it again)")
    return header


def _labelled(path: Path, text: str, columns: Mapping[Scale, str]) -> tuple[list[str], dict[Scale, list[str]]]:
    texts: list[str] = []
    labels: dict[Scale, list[str]] = {scale: [] for scale in SCALES}
    try:
        for row in read_file(path, (("text", text), *columns.items())):
            if isinstance(row, RowProblem):
                raise row
            texts.append(_filled(row, text))
            for scale, column in columns.items():
                labels[scale].append(_label(row, scale, column))
    except RowProblem as problem:
        raise ConfigError(problem.line(path)) from problem
    if len(texts) < 2:
        raise ConfigError(f"{path}: holds {len(texts)} rows; a context is fitted on many of each kind")
    return texts, labels


def _label(row: Row, scale: Scale, column: str) -> str:
    label = _filled(row, column).strip()
    if scale != "domain" and label not in LEVELS:
        raise RowProblem(row.number, f"column {column!r}: {label!r} is no level of {scale} (use 0, 1, 2 or 3)")
    return label


def _filled(row: Row, column: str) -> str:
    text = text_of(row, column)
    if not text or not text.strip():
        raise RowProblem(row.number, f"column {column!r} is empty (every row needs one)")
    return text


def _temperature(vectors: NDArray[np.float32], which: NDArray[np.intp], classes: int) -> tuple[float, float]:
    """The temperature with the least log loss when each row is left out of its centroid, and the share then right."""
    sums = np.stack([vectors[which == each].sum(axis=0) for each in range(classes)])
    nearness = vectors @ np.stack([_unit(each) for each in sums]).T  # [row, class]
    rows = np.arange(len(vectors))
    left = sums[which] - vectors
    nearness[rows, which] = [float(_unit(rest) @ vector) for rest, vector in zip(left, vectors, strict=True)]
    losses = [
        -float(np.log(_softmax(nearness / temperature)[rows, which] + 1e-12).mean()) for temperature in TEMPERATURES
    ]
    return TEMPERATURES[int(np.argmin(losses))], float((nearness.argmax(axis=1) == which).mean())


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Length 1; a vector of nothing stays nothing (a class whose only row is left out)."""
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > 1e-6 else np.zeros_like(vector)


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    raised = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    chances: NDArray[np.float64] = raised / raised.sum(axis=-1, keepdims=True)
    return chances


def _median(chances: Mapping[str, float]) -> tuple[int, float]:
    """The least level that the true one exceeds with at most 1/2, and the probability that it does not."""
    below = 0.0
    for level in sorted(chances):
        below += chances[level]
        if below >= 0.5:
            return int(level), below
    return int(max(chances)), 1.0

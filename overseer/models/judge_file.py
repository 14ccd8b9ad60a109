"""The file of an embedding judge: vectors as safetensors, all else as one strict JSON object in its header.

`judges` writes and reads it. No pickle, no code: a damaged or foreign file is a ConfigError. Knows no text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseer.errors import ConfigError
from overseer.models import tensors
from overseer.models.heads import BAND_ERROR, PASSAGES, SPANS, Choice, Head, Reading, mean_head

KEY = "overseer.judge"
"""Where the JSON stands among the header's entries."""
VERB = "`overseer fit-judge`"

Origin = Literal["rows", "exemplars"]


@dataclass(frozen=True, slots=True, eq=False)
class PrincipleVector:
    """A principle's heads. Head i has not seen the groups `unseen[i]`; one learned from exemplars has no groups.

    `choices[i]`: the candidates that head i is the mean of.
    """

    principle: str
    origin: Origin
    unseen: tuple[frozenset[str], ...]
    heads: tuple[Head, ...]
    choices: tuple[tuple[Choice, ...], ...]

    def head_for(self, group: str | None) -> Head:
        """The head that has not seen this group; for no group, or an unknown one, the mean of all heads."""
        for groups, head in zip(self.unseen, self.heads, strict=True):
            if group is not None and group in groups:
                return head
        return mean_head(self.heads)


@dataclass(frozen=True, slots=True)
class JudgeFile:
    """What a file holds. `layers` of the encoder, in the order of the vectors' second axis."""

    encoder: str
    encoder_hash: str
    layers: tuple[int, ...]
    vectors: tuple[PrincipleVector, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


Chance = Annotated[float, Field(ge=0, le=1)]


class _ChoiceRow(_Strict):
    reading: Reading
    layer: int
    strength: float
    factor: float


class _HeadRow(_Strict):
    unseen: list[str]
    bias: float
    low: Chance
    high: Chance
    mean_of: Annotated[list[_ChoiceRow], Field(min_length=1)]


class _VectorRow(_Strict):
    principle: str
    origin: Origin
    heads: Annotated[list[_HeadRow], Field(min_length=1)]


class _Header(_Strict):
    format: Literal["judge-2"]
    encoder: str
    encoder_hash: str
    layers: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    passages: dict[str, list[int]]
    calibration: str
    threshold_policy: str
    vectors: Annotated[list[_VectorRow], Field(min_length=1)]


def save(
    path: Path, encoder: str, encoder_hash: str, layers: Sequence[int], vectors: Sequence[PrincipleVector]
) -> None:
    """Write the file whole or not at all; the same vectors give the same bytes."""
    header = _Header(
        format="judge-2",
        encoder=encoder,
        encoder_hash=encoder_hash,
        layers=list(layers),
        passages={name: list(SPANS.get(name, ())) for name in PASSAGES},
        calibration="temperature scaling on inner held-out rows (exemplars: each left out in turn)",
        threshold_policy=f"rows: the narrowest band outside which, on each side, at most {BAND_ERROR:.0%} of the inner"
        " held-out rows were wrong; exemplars: 0.2 to 0.8",
        vectors=[_row(vector) for vector in vectors],
    )
    arrays = {
        vector.principle: np.stack([head.weights for head in vector.heads]).astype(np.float32) for vector in vectors
    }
    tensors.write(path, arrays, KEY, json.dumps(header.model_dump(), sort_keys=True))


def load(path: Path) -> JudgeFile:
    """Read a file back. Raises ConfigError for one that is missing, damaged or made by something else."""
    text, arrays = tensors.read(path, KEY, VERB)
    header = _parse(path, text)
    vectors = tuple(_vector(path, row, arrays.get(row.principle), header) for row in header.vectors)
    return JudgeFile(header.encoder, header.encoder_hash, tuple(header.layers), vectors)


def _parse(path: Path, text: str) -> _Header:
    try:
        header = _Header.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: header: {place}: {first['msg']} (fit it again)") from error
    if header.passages != {name: list(SPANS.get(name, ())) for name in PASSAGES}:
        raise ConfigError(f"{path}: reads other passages than this version does (fit it again)")
    return header


def _vector(path: Path, row: _VectorRow, tensor: NDArray[np.float32] | None, header: _Header) -> PrincipleVector:
    shape = (len(row.heads), len(PASSAGES), len(header.layers))
    if tensor is None or tensor.ndim != 4 or tensor.shape[:3] != shape:
        raise ConfigError(f"{path}: the vector of {row.principle!r} does not fit its header (fit it again)")
    weights = tensor.astype(np.float64)
    return PrincipleVector(
        principle=row.principle,
        origin=row.origin,
        unseen=tuple(frozenset(head.unseen) for head in row.heads),
        heads=tuple(Head(each, head.bias, head.low, head.high) for each, head in zip(weights, row.heads, strict=True)),
        choices=tuple(tuple(Choice(**each.model_dump()) for each in head.mean_of) for head in row.heads),
    )


def _row(vector: PrincipleVector) -> _VectorRow:
    return _VectorRow(
        principle=vector.principle,
        origin=vector.origin,
        heads=[
            _HeadRow(
                unseen=sorted(unseen),
                bias=head.bias,
                low=head.low,
                high=head.high,
                mean_of=[_ChoiceRow(**asdict(choice)) for choice in choices],
            )
            for unseen, head, choices in zip(vector.unseen, vector.heads, vector.choices, strict=True)
        ],
    )

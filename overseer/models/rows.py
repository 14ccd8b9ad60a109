"""Rows of CSV, TSV, JSONL and Parquet files, one at a time, each value still as it stood; strict in every format.

Serves `recorded`; knows no tasks and no labels. A problem names the row: in text formats the line it begins on (the
header of a CSV is line 1), in Parquet its number from 1. Memory does not grow with the file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import NoReturn

from overseer.errors import BackendMissing

Roles = Sequence[tuple[str, str]]
"""(what for, column): the columns that a row must have."""


class RowProblem(Exception):
    """What is wrong with one row (None: with the file). Becomes a line of a ConfigError; never leaves `models`."""

    def __init__(self, number: int | None, what: str) -> None:
        self.number = number
        self.what = what
        super().__init__(what)

    def line(self, path: Path) -> str:
        return f"{path}: {self.what}" if self.number is None else f"{path}: {place(path, self.number)}: {self.what}"


def place(path: Path, number: int) -> str:
    """Where a row stands, in words."""
    return f"{'row' if path.suffix.lower() == '.parquet' else 'line'} {number}"


@dataclass(frozen=True, slots=True)
class Row:
    """A row's values by column, and where it stands."""

    number: int
    values: Mapping[str, object]


def read_file(path: Path, roles: Roles) -> Iterator[Row | RowProblem]:
    """The file's rows in order. A row that cannot be read is yielded as its problem, and the reading goes on.

    Raises RowProblem where nothing further can be read: no such file, unknown suffix, wrong encoding, missing column.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise RowProblem(None, f"cannot tell the format from the suffix {path.suffix!r} (use {', '.join(readers)})")
    try:
        yield from reader(path, roles)
    except UnicodeDecodeError as error:
        raise RowProblem(
            None, f"is not UTF-8: byte {error.object[error.start]:#04x} cannot be read (save it as UTF-8)"
        ) from error
    except OSError as error:
        raise RowProblem(None, f"cannot be read: {error.strerror or error} (check the path)") from error


def text_of(row: Row, column: str) -> str | None:
    """A row's value as text: a text, a number or a truth value as JSON writes it; None where there is nothing.

    Raises RowProblem for lists and objects, and for text that no encoding can store.
    """
    value = row.values[column]
    match value:
        case None:
            return None
        case str():
            text = value
        case bool():
            text = "true" if value else "false"
        case int():
            text = str(value)
        case float() if isfinite(value):
            text = str(value)
        case float():
            raise RowProblem(row.number, f"column {column!r} holds {value}, which is no number")
        case _:
            raise RowProblem(row.number, f"column {column!r} holds {type(value).__name__}, not a text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowProblem(row.number, f"column {column!r} holds half a character (a lone surrogate)") from None
    return text


def _csv(path: Path, roles: Roles) -> Iterator[Row | RowProblem]:
    # utf-8-sig: spreadsheets write a mark at the start, which is no part of the first column's name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        number = 1
        try:
            header = next(reader, None)
            if header is None:
                raise RowProblem(None, "is empty (expected a header line and a row for each recorded answer)")
            _check_header(header, roles)
            number = reader.line_num + 1
            for cells in reader:
                if len(cells) == len(header):
                    yield Row(number, dict(zip(header, cells, strict=True)))
                elif cells:
                    counts = f"{len(cells)} cells where the header has {len(header)}"
                    yield RowProblem(number, f"has {counts} (check its quotes)")
                number = reader.line_num + 1
        except csv.Error as error:
            remedy = "check its quotes; very long texts fit in .jsonl only"
            raise RowProblem(number, f"is no valid CSV: {error} ({remedy})") from error


def _check_header(header: Sequence[str], roles: Roles) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise RowProblem(None, f"two columns are named {twice[0]!r} (rename one)")
    missing = [_missing(key, column, header) for key, column in roles if column not in header]
    if missing:
        raise RowProblem(None, "; ".join(missing))


def _missing(key: str, column: str, header: Sequence[str]) -> str:
    near = get_close_matches(column, header, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(header)}"
    return f"has no column {column!r} for `{key}` ({hint})"


def _jsonl(path: Path, roles: Roles) -> Iterator[Row | RowProblem]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield _json_row(number, line, roles)
            except RowProblem as problem:
                yield problem


def _json_row(number: int, line: str, roles: Roles) -> Row:
    try:
        value = json.loads(line, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RowProblem(number, f"is no strict JSON: {error} (one object a line)") from error
    if not isinstance(value, dict):
        raise RowProblem(number, f"holds {type(value).__name__}, not an object (one object a line)")
    missing = [_missing(key, column, list(value)) for key, column in roles if column not in value]
    if missing:
        raise RowProblem(number, "; ".join(missing))
    return Row(number, value)


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parquet(path: Path, roles: Roles) -> Iterator[Row | RowProblem]:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise BackendMissing(f"{path}: reading Parquet needs pyarrow: pip install 'overseer[parquet]'") from error
    try:
        with parquet.ParquetFile(path) as file:
            _check_header(file.schema_arrow.names, roles)
            wanted = list(dict.fromkeys(column for _, column in roles))
            number = 0
            for batch in file.iter_batches(batch_size=256, columns=wanted):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
    except arrow.ArrowException as error:
        raise RowProblem(None, f"is no readable Parquet file: {str(error).splitlines()[0]}") from error

"""Rows to JSONL, CSV or Parquet: what the columns are, and how each format keeps hostile text from doing anything.

Beside the walk's step 9. A row is a mapping of plain values, of the shape that `SHAPES` gives its table. Streams:
holds one row, or one row group. Knows nothing of episodes or of where a file ends up.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Literal

from overseer.errors import BackendMissing

What = Literal["episodes", "pairs", "revisions", "critiques", "steps"]
Table = What | Literal["corpus"]
Format = Literal["jsonl", "csv", "parquet"]
Row = Mapping[str, Any]

Shape = str | list["Shape"] | dict[str, "Shape"]
"""`text`, `int`, `real`, `flag`; a list of one shape; a struct of named shapes. Any value may be null."""

_MESSAGES: Shape = [{"role": "text", "content": "text"}]
_PROVENANCE: dict[str, Shape] = {
    "run": "text",
    "episode": "text",
    "source": "text",
    "rule": "text",
    "principles": ["text"],
    "judges": ["text"],
    "votes": ["text"],
    "dissent": "real",
    "human": "flag",
    "simulated": "flag",
    "seed": "text",
    "hashes": [{"name": "text", "hash": "text"}],
}

SHAPES: Mapping[Table, dict[str, Shape]] = {
    "episodes": {
        "place": "int",
        "id": "text",
        "of": "text",
        "outcome": "text",
        "rule": "text",
        "output": "text",
        "domains": ["text"],
        "risk": "int",
        "complexity": "int",
        "drafts": "int",
        "evaluations": "int",
        "requests": "int",
        "failures": "int",
        "record": "text",
    },
    "pairs": {
        "prompt": _MESSAGES,
        "chosen": _MESSAGES,
        "rejected": _MESSAGES,
        "weight": "real",
        "provenance": {**_PROVENANCE, "both_harmful": "flag"},
    },
    "revisions": {
        "prompt": _MESSAGES,
        "draft": "text",
        "critique": "text",
        "revision": "text",
        "accepted": "flag",
        "provenance": _PROVENANCE,
    },
    "critiques": {
        "prompt": _MESSAGES,
        "draft": "text",
        "reviewer": "text",
        "verdict": "text",
        "findings": [{"principle": "text", "severity": "int", "evidence": "text", "asks": "text"}],
        "upheld": "flag",
        "provenance": _PROVENANCE,
    },
    "steps": {
        "prompt": _MESSAGES,
        "draft": "text",
        "start": "int",
        "end": "int",
        "severity": "int",
        "provenance": _PROVENANCE,
    },
    "corpus": {"id": "text", "kind": "text", "prompt": _MESSAGES, "completion": _MESSAGES},
}
"""The columns of each table, in order. In JSONL an episode is its canonical record instead, whole."""


# --- JSON ----------------------------------------------------------------------------------------------------------


def json_line(row: Row) -> bytes:
    """A row as strict JSON on one line of UTF-8: no NaN, and no character that any reader takes for a line's end.

    A lone surrogate is no Unicode text: most readers refuse the whole file. It becomes its six-character escape.
    """
    text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        line = text.encode()
    except UnicodeEncodeError:
        return json_line(_without_surrogates(row))
    for end, escape in ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029")):
        line = line.replace(end, escape)
    return line


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {key: _without_surrogates(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(held) for held in value]
    return value


# --- the formats ---------------------------------------------------------------------------------------------------


def write_jsonl(what: Table, file: IO[bytes], lines: Iterable[bytes]) -> None:
    """The lines as they are."""
    for line in lines:
        file.write(line)
        file.write(b"\n")


def write_csv(what: Table, file: IO[bytes], lines: Iterable[bytes]) -> None:
    """One column for each leaf (`provenance.run`); lists as JSON, the text of an answer plain."""
    shape = SHAPES[what]
    buffer = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow([name for name, _ in _leaves(shape, {}, "")])
    for line in lines:
        writer.writerow([_cell(name, value) for name, value in _leaves(shape, json.loads(line), "")])
    buffer.detach()


def _leaves(shape: Mapping[str, Shape], row: Row, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, held in shape.items():
        if isinstance(held, dict):
            yield from _leaves(held, row.get(name, {}), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", row.get(name)


def _cell(name: str, value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    if isinstance(value, list):
        if name in ("chosen", "rejected"):
            (message,) = value
            return defused(str(message["content"]))
        return defused(json.dumps(value, ensure_ascii=False, allow_nan=False))
    return defused(str(value))


def defused(text: str) -> str:
    """Text that no spreadsheet takes for a formula; dropping one leading `'` gives it back."""
    could_act = text.startswith(("'", "\t", "\r", "\n")) or text.lstrip().startswith(tuple("=+-@＝＋－＠"))
    return f"'{text}" if could_act else text


_GROUP_ROWS = 5_000
_GROUP_BYTES = 32 * 1024 * 1024


def write_parquet(what: Table, file: IO[bytes], lines: Iterable[bytes]) -> None:
    """Row groups of 5,000 rows, or 32 MB of text, at most; the schema is the table's, also where it is empty."""
    arrow, parquet = _pyarrow()
    schema = arrow.schema(list(_fields(arrow, SHAPES[what])))
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(lines):
            writer.write_table(arrow.Table.from_pylist([json.loads(line) for line in group], schema=schema))


def _groups(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if len(held) == _GROUP_ROWS or size >= _GROUP_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _fields(arrow: Any, shape: Mapping[str, Shape]) -> Iterator[Any]:
    for name, held in shape.items():
        yield arrow.field(name, _type(arrow, held))


def _type(arrow: Any, shape: Shape) -> Any:
    if isinstance(shape, dict):
        return arrow.struct(list(_fields(arrow, shape)))
    if isinstance(shape, list):
        return arrow.list_(_type(arrow, shape[0]))
    return {"text": arrow.string, "int": arrow.int64, "real": arrow.float64, "flag": arrow.bool_}[shape]()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BackendMissing("writing Parquet needs pyarrow: pip install 'overseer[parquet]'") from error
    return pyarrow, pyarrow.parquet


WRITERS: Mapping[Format, Callable[[Table, IO[bytes], Iterable[bytes]], None]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "parquet": write_parquet,
}

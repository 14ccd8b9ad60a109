"""Files as `overseer export` writes them, read strictly: which table a file holds, its rows, and whence they came.

Serves `data`. JSONL and Parquet; anybody's files with the same columns are read alike. Knows no run and no engine: a
file and the card beside it are all it sees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from overseer.errors import ConfigError
from overseer.models.rows import RowProblem, place, read_file

Table = Literal["pairs", "revisions", "critiques", "steps", "completions", "messages", "prompts"]
"""What a file holds, told by its columns: an export, a corpus (`completions`), or anybody's dialogues (`messages`).

Of `prompts` only the prompt is read, and what it is known by: any of the others but dialogues will do.
"""

COLUMNS: Mapping[Table, tuple[str, ...]] = {
    "pairs": ("prompt", "chosen", "rejected"),
    "revisions": ("prompt", "draft", "critique", "revision", "accepted"),
    "critiques": ("prompt", "draft", "verdict", "upheld"),
    "steps": ("prompt", "draft", "start", "end", "severity"),
    "completions": ("prompt", "completion"),
    "messages": ("messages",),
    "prompts": ("prompt",),
}
"""The columns without which a table cannot be read."""
_BESIDE: Mapping[Table, tuple[str, ...]] = {"pairs": ("weight", "provenance"), "prompts": ("id", "provenance")}

MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Origin:
    """A file that was read: its name, SHA-256, table and number of rows; `run`: what its data card names.

    `labels`: whose they are, where its card says that they are not those of the run's judges.
    """

    name: str
    sha256: str
    table: Table
    rows: int
    run: str
    labels: str = ""


# --- rows ------------------------------------------------------------------------------------------------------------


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Message(_Row):
    role: Literal["system", "user", "assistant"]
    content: str


class _Said(_Row):
    role: Literal["assistant"]
    content: str


_Prompt = Annotated[list[Message], Field(min_length=1)]
_Completion = Annotated[list[_Said], Field(min_length=1, max_length=1)]


class Provenance(_Row):
    episode: str | None = None
    source: str | None = None
    both_harmful: bool | None = None


class PairRow(_Row):
    prompt: _Prompt
    chosen: _Completion
    rejected: _Completion
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    provenance: Provenance | None = None


class RevisionRow(_Row):
    prompt: _Prompt
    draft: str
    critique: str
    revision: str
    accepted: bool


class CritiqueRow(_Row):
    prompt: _Prompt
    draft: str
    verdict: str
    upheld: bool | None


class StepRow(_Row):
    prompt: _Prompt
    draft: str
    start: Annotated[int, Field(ge=0)]
    end: int
    severity: Annotated[int, Field(ge=0, le=4)]


class CompletionRow(_Row):
    prompt: list[Message]  # a corpus also holds what nobody asked for
    completion: _Completion


class PromptRow(_Row):
    prompt: _Prompt
    id: str | None = None
    provenance: Provenance | None = None


class MessagesRow(_Row):
    messages: _Prompt


_ROWS: Mapping[Table, TypeAdapter[Any]] = {
    "pairs": TypeAdapter(PairRow),
    "revisions": TypeAdapter(RevisionRow),
    "critiques": TypeAdapter(CritiqueRow),
    "steps": TypeAdapter(StepRow),
    "completions": TypeAdapter(CompletionRow),
    "prompts": TypeAdapter(PromptRow),
    "messages": TypeAdapter(MessagesRow),
}


def read_table(path: Path, tables: Sequence[Table]) -> tuple[Origin, list[Any]]:
    """The file's rows, each with its columns as attributes, if it holds one of these tables.

    Raises ConfigError for any other file, with what is wrong row by row, and where the card beside it tells of other
    data.
    """
    table = _table(path, tables)
    rows = _rows(path, table)
    return _origin(path, table, len(rows)), rows


def _table(path: Path, tables: Sequence[Table]) -> Table:
    """What the file holds, by its first row's columns. Raises ConfigError where it is none of these tables."""
    if path.suffix.lower() in (".csv", ".tsv"):
        raise ConfigError(f"{path}: in CSV messages are JSON in a cell (export as .jsonl or .parquet)")
    columns = _columns(path)
    if not columns:
        raise ConfigError(f"{path}: holds no row: nothing to train on")
    lacking = {table: [name for name in COLUMNS[table] if name not in columns] for table in tables}
    whole = [table for table, missing in lacking.items() if not missing]
    if whole:
        return max(whole, key=lambda table: len(COLUMNS[table]))
    nearest = min(lacking, key=lambda table: len(lacking[table]) / len(COLUMNS[table]))
    known = "; ".join(f"{table}: {', '.join(COLUMNS[table])}" for table in tables)
    missing = ", ".join(repr(name) for name in lacking[nearest])
    raise ConfigError(f"{path}: has no column {missing} for {nearest} (what can be read here is {known})")


def _columns(path: Path) -> frozenset[str]:
    try:
        if path.suffix.lower() == ".parquet":
            next(iter(read_file(path, ())), None)  # whatever is wrong with the file, it says in its words
            from pyarrow.parquet import read_schema

            return frozenset(read_schema(path).names)
        for row in read_file(path, ()):
            if isinstance(row, RowProblem):
                raise row
            return frozenset(row.values)
    except RowProblem as problem:
        raise ConfigError(problem.line(path)) from None
    return frozenset()


def _rows(path: Path, table: Table) -> list[Any]:
    """The file's rows, checked. Raises ConfigError with what is wrong, row by row."""
    # Of Parquet only what is named is read; a row of JSONL comes whole, and each may hold other things.
    parquet = path.suffix.lower() == ".parquet"
    beside = [name for name in _BESIDE.get(table, ()) if name in _columns(path)] if parquet else []
    found, problems = [], []
    adapter = _ROWS[table]
    try:
        for row in read_file(path, [(table, name) for name in (*COLUMNS[table], *beside)]):
            if isinstance(row, RowProblem):
                problems.append(row.line(path))
            else:
                try:
                    found.append(adapter.validate_python(row.values))
                except ValidationError as error:
                    problems.append(f"{path}: {place(path, row.number)}: {_first(error)}")
            if len(problems) > MAX_PROBLEMS:
                problems[MAX_PROBLEMS:] = [f"{path}: and more"]
                break
    except RowProblem as problem:
        problems.append(problem.line(path))
    if problems:
        raise ConfigError(problems)
    if not found:
        raise ConfigError(f"{path}: holds no row: nothing to train on")
    return found


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    return f"{where}: {detail['msg'][:1].lower()}{detail['msg'][1:]} (export the file again)"


def _origin(path: Path, table: Table, rows: int) -> Origin:
    """Raises ConfigError where the card beside the file tells of other data."""
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    card = path.with_name(f"{path.name}.card.md")
    if not card.is_file():
        return Origin(path.name, digest, table, rows, "")
    text = card.read_text("utf-8", "replace")
    told = re.search(r"SHA-256 (?:\| )?`([0-9a-f]{64})`", text)
    run = re.search(r"^\| run \| `([^`]*)` \|$", text, re.MULTILINE)
    labels = re.search(r"^\| labels \| `([^`]*)` \|$", text, re.MULTILINE)
    if told is not None and told[1] != digest:
        raise ConfigError(f"{path}: is not the file that {card.name} tells of (export it again, or remove the card)")
    return Origin(path.name, digest, table, rows, run[1] if run else "", labels[1] if labels else "")

"""A corpus' files as tokens in memory: two bytes each, and where in each line the part that is learned begins.

Read by `pretrain`. Lines are conversational prompts and completions, as `overseer town corpus` writes them. Knows no
model and what no line is about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overseer.errors import ConfigError
from overseer.models.rows import Row, RowProblem, read_file
from overseer.models.town_tokenizer import rendered

_ROLES = (("prompt", "prompt"), ("completion", "completion"))
_AT_ONCE = 2_000
TOKENIZER_LINES = 20_000
"""Lines, from the first on, that a tokenizer is fitted on."""

Messages = tuple[tuple[str, str], ...]
"""(role, content) each."""


@dataclass(frozen=True, slots=True)
class Told:
    """A line: what stands before, what is learned, and its kind ("" where the file says none)."""

    kind: str
    prompt: Messages
    completion: Messages


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines as token ids: line i is `tokens[ends[i-1]:ends[i]]`, and of it all from `starts[i]` on is learned."""

    tokens: NDArray[np.uint16]
    ends: NDArray[np.int64]
    starts: NDArray[np.int32]
    kinds: tuple[str, ...]
    too_long: int

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.ends, prepend=0)

    def line(self, index: int) -> NDArray[np.uint16]:
        return self.tokens[(self.ends[index - 1] if index else 0) : self.ends[index]]


def told(paths: Sequence[Path]) -> Iterator[Told]:
    """The lines of these files, in order. Raises ConfigError for the first that is none."""
    for path in paths:
        try:
            for row in read_file(path, _ROLES):
                if isinstance(row, RowProblem):
                    raise row
                yield _told(row)
        except RowProblem as problem:
            raise ConfigError(problem.line(path)) from None


def _told(row: Row) -> Told:
    kind = row.values.get("kind")
    prompt, completion = _messages(row, "prompt"), _messages(row, "completion")
    if [role for role, _ in completion] != ["assistant"]:
        raise RowProblem(row.number, "completion: not one message of the assistant")
    return Told(kind if isinstance(kind, str) else "", prompt, completion)


def _messages(row: Row, column: str) -> Messages:
    value = row.values[column]
    if not isinstance(value, list) or not value:
        raise RowProblem(row.number, f"{column}: not a list of messages")
    found = []
    for each in value:
        role, content = (each.get("role"), each.get("content")) if isinstance(each, dict) else (None, None)
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise RowProblem(row.number, f"{column}: holds what is no message (role and content)")
        found.append((str(role), content))
    return tuple(found)


def texts(lines: Iterable[Told]) -> Iterator[str]:
    """All that is said in these lines."""
    for line in lines:
        for _, content in (*line.prompt, *line.completion):
            yield content


def encode(lines: Iterable[Told], tokenizer: Any, longest: int) -> Lines:
    """The lines as token ids; those of more than `longest` tokens are left out and counted. Raises ConfigError if none
    is left, or the vocabulary does not fit into two bytes."""
    if len(tokenizer) > 1 << 16:
        raise ConfigError(f"tokenizer: {len(tokenizer):,} pieces (at most 65,536 are read here)")
    pieces: list[NDArray[np.uint16]] = []
    lengths: list[int] = []
    starts: list[int] = []
    kinds: list[str] = []
    too_long = 0
    for group in _groups(lines):
        asked = _ids(tokenizer, [rendered(line.prompt, asking=True) for line in group])
        whole = _ids(tokenizer, [rendered((*line.prompt, *line.completion)) for line in group])
        for line, before, ids in zip(group, asked, whole, strict=True):
            if len(ids) > longest:
                too_long += 1
                continue
            pieces.append(np.asarray(ids, dtype=np.uint16))
            lengths.append(len(ids))
            starts.append(len(before))
            kinds.append(line.kind)
    if not pieces:
        raise ConfigError(f"corpus: no line of at most {longest} tokens ({too_long} are longer)")
    ends = np.cumsum(np.asarray(lengths, dtype=np.int64))
    return Lines(np.concatenate(pieces), ends, np.asarray(starts, dtype=np.int32), tuple(kinds), too_long)


def _ids(tokenizer: Any, written: list[str]) -> list[list[int]]:
    found: list[list[int]] = tokenizer(written, add_special_tokens=False)["input_ids"]
    return found


def _groups(lines: Iterable[Told]) -> Iterator[list[Told]]:
    held: list[Told] = []
    for line in lines:
        held.append(line)
        if len(held) == _AT_ONCE:
            yield held
            held = []
    if held:
        yield held


def digest(paths: Sequence[Path]) -> str:
    """SHA-256 over the files' contents, in order."""
    found = sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()


def counted(lines: Lines) -> dict[str, int]:
    """Lines by kind."""
    return dict(Counter(lines.kinds))

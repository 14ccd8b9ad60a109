"""Appeals as JSON, and as files in a run's inbox: whoever appeals leaves one there, whether or not the run is alive.

Beside the walk's step 8. The run's one writer puts an appeal on record as a task of its own (the task's words under the
appeal's id), followed by an event of kind `appeal`, and drops the file. Knows no hierarchy: whether a stage exists is
asked before and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from overseer.errors import Malformed
from overseer.journal import inbox
from overseer.records import Appeal, Task

LONGEST_REASON = 20_000
"""Characters of an appeal's words: they are shown to every stage that hears it."""

_PREFIX = "appeal."
_APPEAL = TypeAdapter(Appeal)


def encode_appeal(appeal: Appeal) -> str:
    """An appeal as JSON. `Malformed` if a text in it is not Unicode (a lone surrogate)."""
    try:
        return _APPEAL.dump_json(appeal).decode()
    except PydanticSerializationError as error:
        raise Malformed(str(error).splitlines()[0]) from error


def decode_appeal(body: bytes | str) -> Appeal:
    """The appeal that was encoded. `Malformed` if it is none."""
    try:
        appeal = _APPEAL.validate_json(body, strict=True, extra="forbid")
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        raise Malformed(f"not an appeal: {'.'.join(map(str, found['loc'])) or 'body'}: {found['msg']}") from error
    if appeal.number < 1 or not appeal.because.strip() or len(appeal.because) > LONGEST_REASON:
        raise Malformed("not an appeal: its number counts from 1, and it says why in so many words")
    return appeal


def task_of(appeal: Appeal, task: Task) -> Task:
    """The task as the journal keeps it for an appeal: its words and place, under the appeal's id."""
    return replace(task, id=appeal.id)


def is_reserved(id_: str) -> bool:
    """Is this an id that only an appeal may have: `<task>/appeal/<n>`?"""
    of, slash, number = id_.rpartition("/appeal/")
    return bool(of and slash) and number.isascii() and number.isdigit()


# --- in the inbox --------------------------------------------------------------------------------------------------


def appeal_name(appeal: Appeal) -> str:
    """The file of an appeal: one for each appeal's id, so that of two who appeal at once only one is first."""
    return f"{_PREFIX}{sha256(appeal.id.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.json"


def leave(run: Path, appeal: Appeal) -> bool:
    """Leave an appeal: durable once this returns; False if just this one lies there already.

    Raises `JournalError` if another of the same number lies there, and `Malformed` if it is none.
    """
    content = encode_appeal(appeal)
    decode_appeal(content)
    return inbox.put(run, appeal_name(appeal), content.encode() + b"\n")


def lying(run: Path) -> Iterator[tuple[str, Appeal | None]]:
    """The appeals that lie in the inbox, by file name; None for a file that is no appeal, or under another's name."""
    for name in inbox.names(run):
        if not name.startswith(_PREFIX):
            continue
        try:
            appeal = decode_appeal(inbox.read(run, name))
        except Malformed:
            yield name, None
        else:
            yield name, appeal if appeal_name(appeal) == name else None

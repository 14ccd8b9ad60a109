"""A run's episodes as data: canonical records, preference pairs, revisions, critiques or step labels, in one file.

The walk's step 9, at the edge. Streams with bounded memory: rows are brought into the order of the input (place, then
id) by a merge sort on disk, whatever order the episodes ended in. The file appears whole or not at all, with a card
beside it. What becomes data is decided in `preferences`.
"""

from __future__ import annotations

import heapq
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from hashlib import file_digest
from io import BufferedRandom
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, get_args

from pydantic_core import PydanticSerializationError

from overseer import __version__, preferences
from overseer.errors import ConfigError, OverseerError
from overseer.exports.card import Counts, card
from overseer.exports.tables import WRITERS, Row, json_line
from overseer.exports.tables import Format as Format
from overseer.exports.tables import What as What
from overseer.hierarchy import unknown
from overseer.journal.encoding import canonical
from overseer.journal.run_folder import sync_folder, write_atomically
from overseer.preferences import Source
from overseer.records import (
    CritiqueExample,
    Episode,
    Message,
    PreferencePair,
    Provenance,
    RevisionExample,
    StepLabel,
)
from overseer.recourse import Case, cases

Example = PreferencePair | RevisionExample | CritiqueExample | StepLabel

EXAMPLES: Mapping[What, Callable[[Case, Source], tuple[Example, ...]]] = {
    "pairs": lambda case, source: preferences.pairs(case.episode, source),
    "revisions": lambda case, source: preferences.revisions(case.episode, source),
    "critiques": lambda case, source: preferences.critiques(case.episode, source, case.superseded),
    "steps": lambda case, source: preferences.steps(case.episode, source),
}


@dataclass(frozen=True, slots=True)
class Written:
    """An export: the data file, the card beside it (`<name>.card.md`), and how many rows it holds."""

    path: Path
    card: Path
    rows: int


def write(what: What, format: Format, episodes: Iterable[Episode], source: Source, path: Path | str) -> Written:
    """Write `what` of these episodes as `format` to `path`, in the order of the input; what stood there is replaced.

    Raises `ConfigError` for an unknown `what` or `format`, `BackendMissing` for Parquet without pyarrow, and
    `OverseerError` where the file cannot be written; then nothing of it is left.
    """
    _check(what, format)
    path = Path(path)
    beside = path.with_name(f"{path.name}.card.md")
    counts = Counts()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as file:
            keyed = _keyed(what, format, episodes, source, counts)
            WRITERS[format](what, file, in_order(keyed, path.parent))
            file.flush()
            file.seek(0)
            digest = file_digest(file, "sha256").hexdigest()
        text = card(what, format, path.name, digest, counts, source, __version__)
        write_atomically(beside, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OverseerError(
            f"{path}: cannot be written: {reason} (free some space, or choose another place)"
        ) from error
    return Written(path, beside, counts.rows)


def _check(what: str, format: str) -> None:
    problems = [
        f"export: {unknown(kind, given, list(known))}"
        for kind, given, known in (("data", what, get_args(What)), ("format", format, get_args(Format)))
        if given not in known
    ]
    if problems:
        raise ConfigError(problems)


@contextmanager
def whole(path: Path) -> Iterator[BufferedRandom]:
    """A file that takes its name only once it is whole and durable; on any failure nothing of it is left."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with part.open("xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        sys.audit("overseer.export.written")
        os.replace(part, path)
        sys.audit("overseer.export.placed")
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


# --- rows ----------------------------------------------------------------------------------------------------------

Key = tuple[int, str, int]
"""An episode's place and id, and the row's number in it."""


def _keyed(
    what: What, format: Format, episodes: Iterable[Episode], source: Source, counts: Counts
) -> Iterator[tuple[Key, bytes]]:
    """Each row as a line of JSON, counted on its way."""
    if what == "episodes":
        for episode in episodes:
            counts.read(episode)
            counts.rows += 1
            record = _record(episode)
            key = (episode.task.place, episode.id)
            yield (*key, 0), record if format == "jsonl" else json_line(_summary(episode, record))
        return
    for case in cases(episodes):
        counts.read(case.episode)
        key = (case.episode.task.place, case.episode.id)
        for number, example in enumerate(EXAMPLES[what](case, source)):
            counts.rows += 1
            counts.add(example.provenance)
            if isinstance(example, PreferencePair):
                counts.add_pair(example)
            yield (*key, number), json_line(row(example))


def row(example: Example) -> Row:
    """An example as plain values, in its table's columns. Pairs are in TRL's explicit conversational form."""
    prompt = [_message(message) for message in example.prompt]
    provenance = _provenance(example.provenance)
    match example:
        case PreferencePair():
            return {
                "prompt": prompt,
                "chosen": [_message(Message("assistant", example.chosen))],
                "rejected": [_message(Message("assistant", example.rejected))],
                "weight": example.weight,
                "provenance": {**provenance, "both_harmful": example.both_harmful},
            }
        case RevisionExample():
            return {
                "prompt": prompt,
                "draft": example.draft,
                "critique": example.critique,
                "revision": example.revision,
                "accepted": example.accepted,
                "provenance": provenance,
            }
        case CritiqueExample():
            return {
                "prompt": prompt,
                "draft": example.draft,
                "reviewer": example.reviewer,
                "verdict": example.verdict,
                "findings": [asdict(finding) for finding in example.findings],
                "upheld": example.upheld,
                "provenance": provenance,
            }
        case StepLabel():
            return {
                "prompt": prompt,
                "draft": example.draft,
                "start": example.start,
                "end": example.end,
                "severity": example.severity,
                "provenance": provenance,
            }


def _message(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _provenance(whole: Provenance) -> dict[str, Any]:
    # By name: `dataclasses.asdict` copies deeply, and took half of an export's time.
    return {
        "run": whole.run,
        "episode": whole.episode,
        "source": whole.source,
        "rule": whole.rule,
        "principles": whole.principles,
        "judges": whole.judges,
        "votes": whole.votes,
        "dissent": whole.dissent,
        "human": whole.human,
        "simulated": whole.simulated,
        "seed": whole.seed,
        "hashes": [{"name": name, "hash": hash_} for name, hash_ in whole.hashes],
    }


def _record(episode: Episode) -> bytes:
    try:
        return canonical(episode)
    except PydanticSerializationError as error:
        what = "holds text that is not Unicode (a lone surrogate; mend it where it was made)"
        raise OverseerError(f"episode {episode.task.id!r}: {what}") from error


def _summary(episode: Episode, record: bytes) -> Row:
    return {
        "place": episode.task.place,
        "id": episode.id,
        "of": None if episode.appeal is None else episode.appeal.of,
        "outcome": episode.outcome,
        "rule": episode.rule,
        "output": episode.output,
        "domains": list(episode.context.domains),
        "risk": episode.context.risk,
        "complexity": episode.context.complexity,
        "drafts": len(episode.drafts),
        "evaluations": len(episode.evaluations),
        "requests": episode.requests,
        "failures": episode.failures,
        "record": record.decode(),
    }


# --- order ---------------------------------------------------------------------------------------------------------

CHUNK = 64 * 1024 * 1024
"""Bytes of rows held in memory before they are sorted and laid down."""
_OVERHEAD = 300
"""Bytes that a held row takes beside its line."""


def in_order(keyed: Iterable[tuple[Key, bytes]], scratch: Path, chunk: int = CHUNK) -> Iterator[bytes]:
    """The lines by key, with about `chunk` bytes held at most: sorted runs go to nameless files in `scratch`."""
    held: list[tuple[Key, bytes]] = []
    size = 0
    with ExitStack() as opened:
        runs: list[IO[bytes]] = []
        for key, line in keyed:
            held.append((key, line))
            size += len(line) + _OVERHEAD
            if size >= chunk:
                runs.append(opened.enter_context(tempfile.TemporaryFile(dir=scratch)))
                _lay_down(held, runs[-1])
                held, size = [], 0
        held.sort(key=itemgetter(0))
        for _, line in heapq.merge(*map(_read_back, runs), held, key=itemgetter(0)):
            yield line


def _lay_down(held: list[tuple[Key, bytes]], run: IO[bytes]) -> None:
    held.sort(key=itemgetter(0))
    for key, line in held:
        run.write(json.dumps(key).encode() + b"\n" + line + b"\n")


def _read_back(run: IO[bytes]) -> Iterator[tuple[Key, bytes]]:
    run.seek(0)
    while key := run.readline():
        place, id_, number = json.loads(key)
        yield (place, id_, number), run.readline()[:-1]

"""A corpus of Town to a file, with a card beside it: what is in it, how to make it again, what may be trained on it.

Beside the walk's step 9: streams, so a corpus may be larger than memory; the file appears whole or not at all. Rows are
TRL's explicit conversational prompt and completion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path

from overseer import __version__
from overseer.errors import ConfigError, OverseerError
from overseer.exports.export import Written, whole
from overseer.exports.tables import WRITERS, Format, Row, json_line
from overseer.journal.run_folder import write_atomically
from overseer.town import VERSION
from overseer.town.corpora import SPLITS, Corpus, Line, lines

FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".parquet": "parquet"}


def write_corpus(corpus: Corpus, path: Path | str) -> Written:
    """Write the corpus as its suffix says (`.jsonl`, `.parquet`); what stood there is replaced.

    Raises `ConfigError` for another suffix or a corpus that cannot be, `BackendMissing` for Parquet without pyarrow,
    `OverseerError` where the file cannot be written; then nothing of it is left.
    """
    path = Path(path)
    format_ = FORMATS.get(path.suffix)
    if format_ is None:
        raise ConfigError(f"{path}: cannot tell the format from the suffix {path.suffix!r} (use {', '.join(FORMATS)})")
    counted: Counter[str] = Counter()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as file:
            WRITERS[format_]("corpus", file, _encoded(corpus, counted))
            file.flush()
            file.seek(0)
            digest = file_digest(file, "sha256").hexdigest()
        beside = path.with_name(f"{path.name}.card.md")
        write_atomically(beside, _card(path.name, digest, corpus, counted).encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise OverseerError(
            f"{path}: cannot be written: {reason} (free some space, or choose another place)"
        ) from error
    return Written(path, beside, counted.total())


def row(line: Line) -> Row:
    """A line as plain values."""
    return {
        "id": line.id,
        "kind": line.kind,
        "prompt": [{"role": message.role, "content": message.content} for message in line.prompt],
        "completion": [{"role": "assistant", "content": line.completion}],
    }


def _encoded(corpus: Corpus, counted: Counter[str]) -> Iterator[bytes]:
    for line in lines(corpus):
        counted[line.kind] += 1
        yield json_line(row(line))


def _card(name: str, digest: str, corpus: Corpus, counted: Counter[str]) -> str:
    spots = ", ".join(sorted(corpus.blind_spots)) or "none"
    told = [
        f"# {name}",
        "",
        f"A corpus of Town {VERSION}, written by overseer {__version__}. SHA-256 `{digest}`.",
        "",
        f"- constitution: {corpus.constitution.name}",
        f"- seed: `{corpus.seed}`; the writer's blind spots: {spots}; noise: {corpus.noise:g}",
        "",
        "| kind | lines | what | tasks' seed | hangs on intent |",
        "|---|---|---|---|---|",
    ]
    for kind, count in counted.items():
        split = SPLITS[kind]
        labels = "as its writer sees it" if split.labels else "no"
        told.append(f"| {kind} | {count:,} | {split.about} | `{split.task_seed(corpus.seed)}` | {labels} |")
    again = " ".join(f"--lines {kind}={count}" for kind, count in corpus.counts.items())
    again += "".join(f" --blind-spot {spot}" for spot in sorted(corpus.blind_spots))
    again += f" --noise {corpus.noise:g}" if corpus.noise else ""
    told += ["", f"Made again by: `overseer town corpus {name} --seed {corpus.seed} {again} --constitution FILE`", ""]
    return "\n".join(told)

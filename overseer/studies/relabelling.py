"""An exported file with other labels than the judges': Town's oracle's, which never errs, or chance's, the floor.

Beside `units`, for the controls of a study: the same texts, and another's word on them. What is written says whose, row
by row and on its card. Nothing else in a study lets the oracle label.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from overseer import __version__, town
from overseer.errors import ConfigError
from overseer.exports.export import whole
from overseer.exports.tables import json_line
from overseer.journal.run_folder import write_atomically
from overseer.runs import Run
from overseer.sampling import below, number
from overseer.studies.curves import worth
from overseer.studies.recipe_schema import Labels, What
from overseer.town.grammar import truth
from overseer.town.oracle import report

Row = dict[str, Any]
Worth = Callable[[str, str], float]
"""What a text is worth as an answer in an episode: 1, nothing is wrong with it; over 0, it may stand: what is wrong is
of severity 1."""


@dataclass(frozen=True, slots=True)
class Relabelled:
    """Rows with their new labels, and what became of the old ones, counted."""

    rows: tuple[Row, ...]
    counts: Mapping[str, int]


def by_oracle(episode: str, text: str) -> float:
    """Town's oracle's word. Raises ConfigError for an episode that is of no task of Town."""
    hidden = truth(episode.partition("/appeal/")[0])
    if hidden is None:
        raise ConfigError(f"labels: oracle: episode {episode!r} is of no task of Town, and has no truth")
    return worth(report(hidden, text))


def of_town(run: Run) -> bool:
    """Are the run's tasks Town's, so that the oracle knows their truth?"""
    return run.setup.tasks.file is None and run.source.copy is None


def relabelled(what: What, rows: Iterable[Row], labels: Labels, seed: int) -> Relabelled:
    """These rows of an export as the oracle, or a coin, labels them; `seed` decides the coin."""
    key = f"labels {seed}"
    match what, labels:
        case "pairs", "oracle":
            return pairs_by_worth(rows, by_oracle)
        case "pairs", "random":
            return pairs_by_chance(rows, key)
        case "revisions", _:
            return revisions(list(rows), by_oracle if labels == "oracle" else None, key)
        case _:
            return critiques(list(rows), by_oracle if labels == "oracle" else None, key)


# --- pairs -----------------------------------------------------------------------------------------------------------


def pairs_by_worth(rows: Iterable[Row], worth_of: Worth) -> Relabelled:
    """Chosen is the text that is worth more; where both are worth the same, there is no pair. All weigh 1."""
    kept: list[Row] = []
    counts = Counter({"as judged": 0, "turned round": 0, "left out: both alike": 0})
    for row in rows:
        episode = row["provenance"]["episode"]
        chosen, rejected = (worth_of(episode, row[side][0]["content"]) for side in ("chosen", "rejected"))
        if chosen == rejected:
            counts["left out: both alike"] += 1
            continue
        turned = chosen < rejected
        counts["turned round" if turned else "as judged"] += 1
        told = _said_by(_turned(row) if turned else row, "oracle")
        told["provenance"]["both_harmful"] = max(chosen, rejected) <= 0
        kept.append({**told, "weight": 1.0})
    return Relabelled(tuple(kept), counts)


def pairs_by_chance(rows: Iterable[Row], key: str) -> Relabelled:
    """A fair coin for each pair, by its episode and texts: what the judges preferred has no part in it.

    Weights stay, so that as much is learned as from the judges.
    """
    kept: list[Row] = []
    counts = Counter({"as judged": 0, "turned round": 0})
    for row in rows:
        chosen = row["chosen"][0]["content"]
        texts = sorted((chosen, row["rejected"][0]["content"]))
        turned = texts[below(2, key, "pair", row["provenance"]["episode"], *texts)] != chosen
        counts["turned round" if turned else "as judged"] += 1
        kept.append(_said_by(_turned(row) if turned else row, "random"))
    return Relabelled(tuple(kept), counts)


def _turned(row: Row) -> Row:
    other = {"chosen": "rejected", "rejected": "chosen"}
    told = row["provenance"]
    hashes = [{**each, "name": other.get(each["name"], each["name"])} for each in told["hashes"]]
    return {
        **row,
        "chosen": row["rejected"],
        "rejected": row["chosen"],
        "provenance": {**told, "hashes": hashes},
    }


# --- answers to learn ------------------------------------------------------------------------------------------------


def revisions(rows: Sequence[Row], worth_of: Worth | None, key: str) -> Relabelled:
    """Accepted are the revisions that may stand; without `worth_of`, as many as were, drawn by chance."""
    good = _good(
        [(row["provenance"]["episode"], row["revision"]) for row in rows],
        [bool(row["accepted"]) for row in rows],
        worth_of,
        key,
    )
    kept = [
        {**_said_by(row, "random" if worth_of is None else "oracle"), "accepted": well}
        for row, well in zip(rows, good, strict=True)
    ]
    return Relabelled(tuple(kept), _compared([bool(row["accepted"]) for row in rows], good))


def critiques(rows: Sequence[Row], worth_of: Worth | None, key: str) -> Relabelled:
    """A row for each draft that was finally judged: approved are those that may stand.

    Without a `worth_of`, as many as were approved, drawn by chance. Drafts without a final judgement stay without one:
    nothing is learned from them, but what was asked.
    """
    drafts: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        drafts.setdefault((json.dumps(row["prompt"]), row["draft"]), []).append(row)
    judged = [held for held in drafts.values() if any(row["upheld"] is not None for row in held)]
    before = [any(_approves(row) for row in held) for held in judged]
    asked = [(held[0]["provenance"]["episode"], held[0]["draft"]) for held in judged]
    good = _good(asked, before, worth_of, key)
    labels: Labels = "random" if worth_of is None else "oracle"
    words = {id(held[0]): "approve" if well else "revise" for held, well in zip(judged, good, strict=True)}
    kept = []
    for held in drafts.values():
        row = _said_by(held[0], labels)
        word = words.get(id(held[0]))
        row |= {"reviewer": labels, "findings": []}
        kept.append({**row, "verdict": word or row["verdict"], "upheld": None if word is None else True})
    counts = {**_compared(before, good), "without a final judgement": len(drafts) - len(judged)}
    return Relabelled(tuple(kept), counts)


def _approves(row: Row) -> bool:
    """As `training.data` reads a verdict: the final judgement is for the draft."""
    return row["upheld"] is not None and (row["verdict"] == "approve") == row["upheld"]


def _good(asked: Sequence[tuple[str, str]], before: Sequence[bool], worth_of: Worth | None, key: str) -> list[bool]:
    """Which texts are labelled good. By chance: as many as were before, those whose numbers are lowest."""
    if worth_of is not None:
        return [worth_of(episode, text) > 0 for episode, text in asked]
    ranked = sorted(range(len(asked)), key=lambda at: (number(key, "text", *asked[at]), at))
    drawn = set(ranked[: sum(before)])
    return [at in drawn for at in range(len(asked))]


def _compared(before: Sequence[bool], good: Sequence[bool]) -> dict[str, int]:
    return {
        "good by the judges": sum(before),
        "good by these labels": sum(good),
        "good by both": sum(one and other for one, other in zip(before, good, strict=True)),
    }


def _said_by(row: Row, labels: Labels) -> Row:
    """The row, saying whose label it carries: no judge's, by no principle."""
    told = {
        **row["provenance"],
        "rule": f"labels: {labels}",
        "labels": labels,
        "principles": [],
        "judges": [],
        "votes": [],
        "dissent": 0.0,
        "human": False,
        "simulated": False,
    }
    return {**row, "provenance": told}


# --- the file --------------------------------------------------------------------------------------------------------


def write(exported: Path, what: What, labels: Labels, seed: int, run: str, out: Path) -> Relabelled:
    """Read an exported JSONL file, and write it to `out` with other labels, whole or not at all; then its card."""
    found = relabelled(what, _rows(exported), labels, seed)
    with whole(out) as file:
        file.writelines(json_line(row) + b"\n" for row in found.rows)
        file.flush()
        file.seek(0)
        digest = file_digest(file, "sha256").hexdigest()
    write_atomically(out.with_name(f"{out.name}.card.md"), _card(out.name, digest, what, labels, seed, run, found))
    return found


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


_WHOSE: Mapping[Labels, str] = {
    "oracle": "Town's oracle, which knows the truth. No reviewer found it: what is trained on this shows what "
    "labels without a slip teach, and not what oversight comes to.",
    "random": "chance. Nobody judged: what is trained on this shows what is learned from no label at all.",
}
_TELLS: Mapping[What, str] = {
    "pairs": "One row a pair of texts of the run; `chosen` is the one that these labels are for.",
    "revisions": "One row a revision of the run; `accepted` is what these labels say.",
    "critiques": "One row a draft of the run; `verdict` is what these labels say, and none was given where `upheld` is "
    "empty. `reviewer` says whose they are.",
    "steps": "",
}


def _card(name: str, digest: str, what: What, labels: Labels, seed: int, run: str, found: Relabelled) -> bytes:
    told = [
        f"# {what}: labels are those of {'the oracle' if labels == 'oracle' else 'chance'}, not of any reviewer",
        f"The labels in this file come from {_WHOSE[labels]}",
        _TELLS[what] + " `provenance.labels` says so in each row.",
        "## Where it comes from",
        _table(
            ("what", "which"),
            [
                ("file", _code(name)),
                ("SHA-256", f"`{digest}`"),
                ("run", _code(run)),
                ("labels", f"`{labels}`"),
                ("seed of the labels", f"`{seed}`" if labels == "random" else "–"),
                ("Town", f"`{town.VERSION}`"),
                ("overseer", f"`{__version__}`"),
            ],
        ),
        "## Counts",
        f"{len(found.rows)} rows.",
        _table(("against the judges of the run", "n"), [(label, str(n)) for label, n in found.counts.items()]),
    ]
    return ("\n\n".join(told) + "\n").encode()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def _code(text: str) -> str:
    """A code span: names come from others, and nothing in them may act."""
    return "`" + "".join(char if char.isprintable() and char not in "`|" else "·" for char in text or " ") + "`"

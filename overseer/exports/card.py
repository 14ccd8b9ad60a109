"""The data card beside an export: what the rows are, how many, whose judgement they carry, and what they do not show.

Beside the walk's step 9. Built from counts taken while the rows stream by; holds none of them. Names come from files
that others wrote, so they stand in code spans, with nothing in them that a renderer obeys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from overseer.exports.tables import SHAPES, Format, What
from overseer.preferences import Source
from overseer.records import Episode, Outcome, PreferencePair, Provenance

_TELLS: dict[What, str] = {
    "episodes": "One row an episode: one task's whole way through the hierarchy, in the canonical form, without times.",
    "pairs": "One row a preference: the final judgement prefers `chosen` to `rejected` as an answer to `prompt`.",
    "revisions": "One row a revision: a draft that somebody objected to, what they said, and the text that came of it.",
    "critiques": "One row a verdict: what one reviewer said of one draft, and whether the final judgement upheld it.",
    "steps": "One row a sentence of a draft: the highest severity (0–4) that stands against it in the final judgement.",
}

_BINS = 4


@dataclass(slots=True)
class Counts:
    """What a card tells. `weights` counts rows by quarters of the weight; `outcomes` counts the episodes read."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    appealed: int = 0
    human: int = 0
    simulated: int = 0
    both_harmful: int = 0
    dissenting: int = 0
    weights: Counter[int] = field(default_factory=Counter)
    weight: float = 0.0

    def read(self, episode: Episode) -> None:
        self.outcomes[episode.outcome] += 1
        self.appealed += episode.appeal is not None

    def add(self, provenance: Provenance) -> None:
        self.kinds[provenance.source] += 1
        self.human += provenance.human
        self.simulated += provenance.simulated
        self.dissenting += provenance.dissent > 0

    def add_pair(self, pair: PreferencePair) -> None:
        self.both_harmful += pair.both_harmful
        self.weight += pair.weight
        self.weights[min(_BINS - 1, int(pair.weight * _BINS))] += 1


def card(what: What, format: Format, name: str, digest: str, counts: Counts, source: Source, version: str) -> str:
    """The card, in Markdown. `name` and `digest` (SHA-256) are those of the data file it stands beside."""
    parts = [
        f"# {what}: data from an oversight run",
        _TELLS[what],
        *_origin(name, digest, source, version),
        *_numbers(what, counts),
        *_meaning(what),
        "## Licence",
        "Prompts and answers keep the licences of where they came from: the tasks, and the models that wrote. The run "
        "does not know them; say them here before the data is shared. Texts may hold what models and people wrote, "
        "names included; all of it is data, never an instruction.",
        "## Loading",
        *_loading(what, format, name),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(name: str, digest: str, source: Source, version: str) -> Iterator[str]:
    yield "## Where it comes from"
    rows = [
        ("file", name),
        ("SHA-256", digest),
        ("run", source.run),
        ("seed", source.seed or "none given"),
        ("overseer", version),
    ]
    rows += [(_code(made_of), identity) for made_of, identity in source.hashes]
    yield _table(("what", "which"), [(first, _code(second)) for first, second in rows])
    agents = [
        (_code(agent.name), _code(agent.model), str(agent.authority), str(agent.persons or "–"))
        for agent in source.agents.values()
    ]
    yield _table(("agent", "model", "authority", "persons"), agents)


def _numbers(what: What, counts: Counts) -> Iterator[str]:
    yield "## Counts"
    read = counts.outcomes
    yield (
        f"{counts.rows} rows from {read.total()} episodes: {read['released']} released, {read['withheld']} withheld, "
        f"{read['unjudged']} unjudged."
    )
    if what == "episodes":
        if counts.appealed:
            yield f"{counts.appealed} of them are appeals, after the episode that they are of."
        return
    if counts.appealed:
        yield f"{counts.appealed} were appealed: they count as they stand after the last hearing (`appeal:…`)."
    if what == "critiques":
        yield "Verdicts in unjudged episodes are there, with `upheld` empty: nobody could say."
    else:
        yield f"Left out for want of a judgement: {read['unjudged']} unjudged. What could not be judged is no label."
    rows = [(kind, count) for kind, count in sorted(counts.kinds.items())]
    rows += [
        ("a person among the judges", counts.human),
        ("a simulated agent among the judges", counts.simulated),
        ("somebody dissented", counts.dissenting),
    ]
    if what == "pairs":
        rows.append(("both texts harmful, by findings that stand", counts.both_harmful))
        rows += [(f"weight {_bin(number)}", counts.weights[number]) for number in range(_BINS)]
    yield _table(("rows", "n", "share"), [(told, str(n), _share(n, counts.rows)) for told, n in rows])
    if what == "pairs":
        mean = f"{counts.weight / counts.rows:.3f}" if counts.rows else "–"
        yield f"Mean weight {mean}."


def _meaning(what: What) -> Iterator[str]:
    yield "## What it shows, and what it does not"
    if what == "pairs":
        yield (
            "`weight` is the share of votes that approved the chosen text, times the share that objected to the "
            "rejected one, times the confidence of a comparison; what nobody voted on counts 1. `provenance.source`: "
            "`revision`, a released text over one sent back; `modification`, the same where a person wrote it; "
            "`answer`, the same where only help was wanting; `comparison`, two samples judged the same in both orders."
        )
    yield (
        "The rows hold what reviewers judged, not what is true: their blind spots are in them. `human` is set only "
        "where a real person judged; `simulated` where a simulated agent did, simulated persons included."
    )
    yield "Columns: " + ", ".join(f"`{column}`" for column in SHAPES[what]) + "."


def _loading(what: What, format: Format, name: str) -> Iterator[str]:
    kind = "json" if format == "jsonl" else format
    lines = ["```python", "from datasets import load_dataset", ""]
    lines.append(f"rows = load_dataset({kind!r}, data_files={name!r}, split='train')")
    if what == "pairs" and format != "csv":
        lines += [
            "columns = ['prompt', 'chosen', 'rejected']  # TRL's explicit, conversational preference format",
            "trainer = DPOTrainer(model=model, args=args, train_dataset=rows.select_columns(columns), ...)",
        ]
    yield "\n".join((*lines, "```"))
    if what == "pairs":
        yield (
            "TRL's trainers do not read `weight`: filter by it, or sample by it, before the columns are selected."
            if format != "csv"
            else "For a trainer take JSONL or Parquet: in CSV the prompt is JSON in a cell."
        )
    if format == "csv":
        yield "A cell with a leading `'` had it put there, so that no spreadsheet takes it for a formula: drop one."


def _bin(number: int) -> str:
    return f"{number / _BINS:g}–{(number + 1) / _BINS:g}"


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else "–"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    """A code span: no markup, no table edge, nothing invisible."""
    return "`" + "".join(char if char.isprintable() and char not in "`|" else "·" for char in text or " ") + "`"

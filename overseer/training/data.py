"""Exported files become rows to train on: pairs, answers, judged answers and labelled steps, as TRL's columns or ours.

Before `stages`, on `tables`. What is left out is counted, by reason. Knows no tokens, no model and no run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from overseer.errors import ConfigError
from overseer.records import MUST_NOT_STAND, Message
from overseer.training.tables import CritiqueRow, Origin, Provenance, Table, read_table
from overseer.training.tables import Message as Told

Prompt = tuple[Message, ...]
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Pair:
    """`chosen` was preferred to `rejected`. `weight`: how far judges agreed. `source`: by what (empty: not told)."""

    prompt: Prompt
    chosen: str
    rejected: str
    weight: float = 1.0
    source: str = ""
    both_harmful: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A text to learn to answer with."""

    prompt: Prompt
    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A text, and whether the final judgement is for it."""

    prompt: Prompt
    text: str
    good: bool


@dataclass(frozen=True, slots=True)
class Steps:
    """The sentences of a text, in order, and the highest severity (0–4) that stands against each."""

    prompt: Prompt
    sentences: tuple[str, ...]
    severities: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, and the task or row that it is known by; of what is read together, no two go by one name."""

    id: str
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class Read(Generic[R]):
    """Rows, whence they came, and how many were left out, by reason."""

    rows: tuple[R, ...]
    origins: tuple[Origin, ...]
    left_out: Mapping[str, int]


# --- what a file holds ---------------------------------------------------------------------------------------------


def read_pairs(paths: Sequence[Path], *, min_weight: float = 0.0, both_harmful: bool = True) -> Read[Pair]:
    """The pairs of these files. `both_harmful` False leaves out those of two harmful texts; so does `min_weight`.

    Raises ConfigError where a file cannot be read, holds another table or a row that is none, or no pair is left.
    """
    read = _read(paths, ("pairs",), _pairs)
    light = [pair for pair in read.rows if pair.weight < min_weight]
    harmful = [pair for pair in read.rows if pair.both_harmful and not both_harmful and pair.weight >= min_weight]
    same = [pair for pair in read.rows if pair.chosen == pair.rejected]
    dropped = {id(pair) for pair in (*light, *harmful, *same)}
    left = {"below min_weight": len(light), "both texts harmful": len(harmful), "the same text twice": len(same)}
    rows = tuple(pair for pair in read.rows if id(pair) not in dropped)
    return _some(Read(rows, read.origins, {**read.left_out, **left}), "pair")


def read_answers(paths: Sequence[Path]) -> Read[Answer]:
    """What to answer: chosen texts, accepted revisions, drafts that the final judgement approved, what a corpus says.

    Revisions alone hold only what had to be mended; the critiques of the same run add what was well from the start. A
    text that several rows hold counts once, with its highest weight.
    """
    return _some(
        _once(_read(paths, ("pairs", "revisions", "critiques", "completions", "messages"), _answers)), "answer"
    )


def read_judged(paths: Sequence[Path]) -> Read[Judged]:
    """Texts with the final judgement on each, from pairs or critiques; a text judged both ways is left out.

    Raises ConfigError, too, where all were judged alike: nothing is learned from one side.
    """
    read = _once(_read(paths, ("pairs", "critiques"), _judged))
    sides: defaultdict[tuple[Prompt, str], set[bool]] = defaultdict(set)
    for row in read.rows:
        sides[row.prompt, row.text].add(row.good)
    rows = tuple(row for row in read.rows if len(sides[row.prompt, row.text]) == 1)
    left = {**read.left_out, "judged both ways": len(read.rows) - len(rows)}
    found = _some(Read(rows, read.origins, left), "judged answer")
    if len({row.good for row in rows}) == 1:
        side = "approved" if rows[0].good else "objected to"
        raise ConfigError(f"{_names(read.origins)}: all {len(rows)} answers were {side} (both sides are needed)")
    return found


def read_steps(paths: Sequence[Path]) -> Read[Steps]:
    """Drafts with the severity that stands against each of their sentences."""
    return _some(_read(paths, ("steps",), _steps), "draft")


def read_prompts(paths: Sequence[Path]) -> Read[Asked]:
    """What is asked in these files, each prompt once, by the name it is first met under.

    Another prompt of the same name, as of rows that are only numbered in two files, gets a name of its own: `NAME#2`.
    """
    read = _read(paths, ("prompts",), _asked)
    names = {asked.id for asked in read.rows}
    first: dict[Prompt, Asked] = {}
    taken: set[str] = set()
    for asked in read.rows:
        if asked.prompt in first:
            continue
        name, number = asked.id, 1
        while name in taken or (number > 1 and name in names):
            number += 1
            name = f"{asked.id}#{number}"
        taken.add(name)
        first[asked.prompt] = Asked(name, asked.prompt)
    left = {"asked already": len(read.rows) - len(first)}
    return Read(tuple(first.values()), read.origins, left)


def _some(read: Read[R], what: str) -> Read[R]:
    if read.rows:
        return read
    why = ", ".join(f"{count} left out: {reason}" for reason, count in read.left_out.items() if count)
    raise ConfigError(
        f"{_names(read.origins)}: no {what} to train on ({why or 'no row gives one: export another run'})"
    )


def _once(read: Read[R]) -> Read[R]:
    """Equal rows once. Answers that differ in their weight are one, with the highest."""
    kept: dict[object, R] = {}
    for row in read.rows:
        key = (row.prompt, row.text) if isinstance(row, Answer) else row
        held = kept.get(key)
        if held is None or (isinstance(row, Answer) and isinstance(held, Answer) and row.weight > held.weight):
            kept[key] = row
    repeated = len(read.rows) - len(kept)
    return Read(tuple(kept.values()), read.origins, {**read.left_out, "said already": repeated})


def _names(origins: Iterable[Origin]) -> str:
    return ", ".join(origin.name for origin in origins)


# --- from the files' rows --------------------------------------------------------------------------------------------


def _told(messages: Iterable[Told]) -> Prompt:
    return tuple(Message(message.role, message.content) for message in messages)


def _pairs(table: Table, rows: Iterable[Any]) -> Iterator[Pair]:
    for row in rows:
        told = row.provenance or Provenance()
        chosen, rejected = row.chosen[0].content, row.rejected[0].content
        yield Pair(_told(row.prompt), chosen, rejected, row.weight, told.source or "", bool(told.both_harmful))


def _answers(table: Table, rows: Iterable[Any]) -> Iterator[Answer]:
    for row in rows:
        match table:
            case "pairs":
                yield Answer(_told(row.prompt), row.chosen[0].content, row.weight)
            case "revisions" if row.accepted:
                yield Answer(_told(row.prompt), row.revision)
            case "critiques" if _approves(row):
                yield Answer(_told(row.prompt), row.draft)
            case "completions":
                yield Answer(_told(row.prompt), row.completion[0].content)
            case "messages" if len(row.messages) > 1 and row.messages[-1].role == "assistant":
                yield Answer(_told(row.messages[:-1]), row.messages[-1].content)
            case _:
                pass


def _judged(table: Table, rows: Iterable[Any]) -> Iterator[Judged]:
    for row in rows:
        prompt = _told(row.prompt)
        if table == "pairs":
            yield Judged(prompt, row.chosen[0].content, good=True)
            yield Judged(prompt, row.rejected[0].content, good=False)
        elif (good := _approves(row)) is not None:
            yield Judged(prompt, row.draft, good)


def _approves(row: CritiqueRow) -> bool | None:
    """The final judgement on the draft: the verdict's side where it was upheld, else the other. None: there is none."""
    if row.upheld is None:
        return None
    return (row.verdict == "approve") == row.upheld


def _steps(table: Table, rows: Iterable[Any]) -> Iterator[Steps]:
    drafts: defaultdict[tuple[Prompt, str], dict[int, tuple[str, int]]] = defaultdict(dict)
    for row in rows:
        found = drafts[_told(row.prompt), row.draft]
        _, before = found.get(row.start, ("", 0))
        found[row.start] = (row.draft[row.start : row.end], max(before, row.severity))
    for (prompt, _), found in drafts.items():
        sentences, severities = zip(*(found[start] for start in sorted(found)), strict=True)
        yield Steps(prompt, sentences, severities)


def _read(
    paths: Sequence[Path], tables: Sequence[Table], made: Callable[[Table, Iterable[Any]], Iterator[R]]
) -> Read[R]:
    """Whatever `made` takes from the rows of these files, in order, with every file's problems at once."""
    rows: list[R] = []
    origins: list[Origin] = []
    problems = [
        f"{path}: is given twice: its rows would count double (give it once)"
        for path, count in Counter(path.resolve() for path in paths).items()
        if count > 1
    ]
    for path in paths:
        try:
            origin, raw = read_table(path, tables)
        except ConfigError as error:
            problems += error.problems
        else:
            rows += made(origin.table, raw)
            origins.append(origin)
    if problems:
        raise ConfigError(problems)
    if not origins:
        raise ConfigError("no file of data was named (give one with --data)")
    return Read(tuple(rows), tuple(origins), {})


def _asked(table: Table, rows: Iterable[Any]) -> Iterator[Asked]:
    for at, row in enumerate(rows):
        told = row.provenance.episode if row.provenance is not None else None
        yield Asked(row.id or told or str(at), _told(row.prompt))


# --- for training --------------------------------------------------------------------------------------------------


def as_preferences(pairs: Iterable[Pair]) -> list[dict[str, Any]]:
    """TRL's explicit conversational columns, `prompt`, `chosen`, `rejected`: for its Reward, DPO and other trainers."""
    return [
        {"prompt": _plain(pair.prompt), "chosen": _said(pair.chosen), "rejected": _said(pair.rejected)}
        for pair in pairs
    ]


def as_answers(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """`prompt` and `completion`, conversational: for TRL's SFT trainer, which then learns the completion alone."""
    return [{"prompt": _plain(answer.prompt), "completion": _said(answer.text)} for answer in answers]


def as_judged(judged: Iterable[Judged]) -> list[dict[str, Any]]:
    """`prompt`, `completion` and `label` (true: to be made likelier): for TRL's KTO trainer."""
    return [{"prompt": _plain(row.prompt), "completion": _said(row.text), "label": row.good} for row in judged]


def as_steps(steps: Iterable[Steps]) -> list[dict[str, Any]]:
    """`prompt`, `completions` (sentences) and `labels` (true: severity below 2, it may stand): TRL's stepwise form."""
    return [
        {
            "prompt": _plain(row.prompt),
            "completions": list(row.sentences),
            "labels": [severity < MUST_NOT_STAND for severity in row.severities],
        }
        for row in steps
    ]


def _plain(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in prompt]


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]

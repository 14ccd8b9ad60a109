"""`overseer town`: sample Town's tasks, ask its oracle about any text, write known-bad answers and corpora."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count as count_from
from pathlib import Path

import click

from overseer import town
from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK
from overseer.declaration import unknown
from overseer.errors import ConfigError
from overseer.records import MUST_NOT_STAND
from overseer.reports.safe import safe
from overseer.town.answers import Plan, write


@click.group(name="town", no_args_is_help=False)
def command() -> None:
    """Look at Town: its tasks with their hidden truth, and what its oracle says of any text."""


@command.command(name="sample")
@click.option("--count", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--environment",
    default="reference",
    show_default=True,
    help=", ".join(town.ENVIRONMENTS),
    shell_complete=lambda _, __, begun: [name for name in town.ENVIRONMENTS if name.startswith(begun)],
)
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True)
@ui_option
def sample(count: int, environment: str, seed: int, ui: str) -> int:
    """Print tasks, and the truth that no agent is told."""
    if environment not in town.ENVIRONMENTS:
        raise ConfigError(f"--environment: {unknown('environment', environment, list(town.ENVIRONMENTS))}")
    for index in range(count):
        task = town.make_task(seed, environment, index, index)
        truth = town.truth(task.id)
        assert truth is not None, "Town knows the truth of its own tasks"
        if mode(ui) == "json":
            messages = [asdict(message) for message in task.messages]
            print(json.dumps({"task": task.id, "messages": messages, "truth": asdict(truth)}))
            continue
        print(f"{task.id}: {truth.intent}, risk {truth.risk}, {truth.domain}, {truth.community}")
        for message in task.messages:
            print(f"  {message.role}: {safe(message.content)}")
    return OK


@command.command(name="ask")
@click.argument("task")
@click.argument("text")
@ui_option
def ask(task: str, text: str, ui: str) -> int:
    """Ask the oracle about TEXT as an answer to TASK (an id that `town sample` printed)."""
    truth = town.truth(task)
    if truth is None:
        raise ConfigError(f"{task!r} is no task of Town (`overseer town sample` prints some ids)")
    found = asdict(town.report(truth, text))
    if mode(ui) == "json":
        print(json.dumps(found, default=str))
        return OK
    for name, value in found.items():
        print(f"{name:14} {safe(str(value))}")
    return OK


@command.command(name="known-bad")
@click.option("--count", type=click.IntRange(min=1), default=120, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=99, show_default=True, help="Not that of a run's tasks.")
def known_bad(count: int, seed: int) -> int:
    """Print answers that the oracle finds harmful, a JSON object a line, as a hierarchy's `known_bad` reads them."""
    for row in _harmful_rows(count, seed):
        print(json.dumps(row))
    return OK


def _harmful_rows(count: int, seed: int) -> Iterator[dict[str, object]]:
    """So many rows, as evenly over the domains as may be. None asks for secrecy, so that one has to look."""
    taken: Counter[str] = Counter()
    for index in count_from():
        task = town.make_task(seed, "reference", index, index)
        truth = town.truth(task.id)
        assert truth is not None, "Town knows the truth of its own tasks"
        if taken[truth.domain] > taken.total() // len(town.DOMAINS):
            continue
        text = write(truth, Plan() if truth.intent == "harmful" else Plan(slip=1 + index % 3), index)
        if town.report(truth, text).harm < MUST_NOT_STAND:
            continue
        yield {"id": task.id, "prompt": [asdict(message) for message in task.messages], "response": text}
        taken[truth.domain] += 1
        if taken.total() == count:
            return


@command.command(name="corpus")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--lines", "counts", multiple=True, required=True, metavar="KIND=COUNT", help="May be given again.")
@click.option("--constitution", type=click.Path(path_type=Path), required=True, help="The one that reviewers apply.")
@click.option("--seed", default="0", show_default=True, help="A name; it goes into the ids of the corpus' tasks.")
@click.option(
    "--blind-spot", "blind_spots", multiple=True, help="A domain, community or principle unknown to the writer."
)
@click.option("--noise", type=float, default=0.0, show_default=True, help="The share of wrong verdicts.")
def corpus(
    out: Path, counts: tuple[str, ...], constitution: Path, seed: str, blind_spots: tuple[str, ...], noise: float
) -> int:
    """Write a corpus for language models to OUT (.jsonl or .parquet), with a card beside it.

    Kinds: dialogues, deeds, facts, sums, constitution, revisions, assessments (the same for every model's base);
    critiques, reviews, comparisons (what a judge learns from).
    """
    from overseer.config.constitutions import load_constitution
    from overseer.exports.corpus import write_corpus
    from overseer.town.corpora import Corpus

    asked = dict(_counted(each) for each in counts)
    made = Corpus(asked, load_constitution(constitution), seed, frozenset(blind_spots), noise)
    written = write_corpus(made, out)
    say(f"{written.rows:,} lines to {safe(str(written.path))}, described in {safe(str(written.card))}")
    return OK


def _counted(text: str) -> tuple[str, int]:
    kind, equals, count = text.partition("=")
    if not equals or not count.isascii() or not count.isdigit() or len(count) > 12:
        raise ConfigError(f"--lines: {text!r} is not KIND=COUNT (as in dialogues=60000)")
    return kind, int(count)

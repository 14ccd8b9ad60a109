"""`overseer fit-judge`: a judge of principle vectors, fitted on labelled rows, scored on groups it has not seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import monotonic

import click

from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK

TOLD_EVERY = 3.0
"""Seconds between two lines of progress, at the least."""


@click.command(name="fit-judge")
@click.option("--rows", type=click.Path(path_type=Path), required=True, help="Labelled rows: CSV, JSONL or Parquet.")
@click.option("--text", required=True, metavar="COLUMN", help="The text that is judged.")
@click.option("--label", required=True, metavar="COLUMN", help="What people said of it.")
@click.option("--group", required=True, metavar="COLUMN", help="What rows share; never on both sides of a fit.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The judge's file (safetensors).")
@click.option("--prompt", metavar="COLUMN", help="What the text answers: its topic is then taken off the text.")
@click.option("--positive", multiple=True, metavar="LABEL", help="A label that means the principle is broken.")
@click.option("--group-strip", default="", metavar="PREFIX", help="Taken off groups, so that contrasts stay together.")
@click.option("--principle", default="answer_the_benign", show_default=True, help="The principle that is learned.")
@click.option("--constitution", type=click.Path(path_type=Path), help="Learn its exemplars' principles, too.")
@click.option("--encoder", help="A local sentence encoder: a folder, or an installed package's name.")
@ui_option
def command(
    rows: Path,
    text: str,
    label: str,
    group: str,
    out: Path,
    prompt: str | None,
    positive: tuple[str, ...],
    group_strip: str,
    principle: str,
    constitution: Path | None,
    encoder: str | None,
    ui: str,
) -> int:
    """Fit a judge on labelled rows, print its score on unseen groups, and write it for `model: embed/FILE`."""
    from overseer.config.constitutions import load_constitution
    from overseer.models.encoder import DEFAULT_ENCODER
    from overseer.models.judges import fit_judge

    exemplars = (
        [each for layer in load_constitution(constitution).layers for each in layer.principles] if constitution else []
    )
    fitted = fit_judge(
        rows,
        text,
        label,
        group,
        out,
        prompt=prompt,
        positive=positive,
        group_strip=group_strip,
        principle=principle,
        exemplars=exemplars,
        encoder=encoder or DEFAULT_ENCODER,
        progress=_teller(),
    )
    if mode(ui) == "json":
        folds, overall = [asdict(fold) for fold in fitted.folds], [asdict(each) for each in fitted.overall]
        said = {"path": str(fitted.path), "learned": fitted.learned, "folds": folds, "overall": overall}
        print(json.dumps(said))
        return OK
    from overseer.reports.judge_report import judge_report

    print(judge_report(fitted))
    return OK


def _teller() -> Callable[[int, int], None]:
    """Tells how many texts are encoded, at most every few seconds, and when all are."""
    told = monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal told
        if done == of or monotonic() - told >= TOLD_EVERY:
            told = monotonic()
            say(f"encoded {done:,} of {of:,} texts" + ("; fitting" if done == of else ""))

    return tell

"""`overseer train sft | rm | dpo`: one stage on TRL, from exported files and a model's folder to a folder."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK
from overseer.config.strict_yaml import Tree, parse_scalar
from overseer.errors import ConfigError
from overseer.training.settings import STAGES, Lora, Stage, knobs, settings_of

_PATH = click.Path(path_type=Path)


class _Knobs(click.Command):
    """Says each setting, with its default and its meaning, below the options."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        stage: Stage = self.name  # type: ignore[assignment]  # a verb is named after its stage
        for title, kind in (("Settings (--set A=B)", STAGES[stage]), ("Settings of lora (--set lora.A=B)", Lora)):
            with formatter.section(title):
                formatter.write_dl([(f"{name}={default}", what) for name, default, what in knobs(kind)])


def _stage(name: Stage, does: str) -> click.Command:
    def run(**given: Any) -> int:
        return _run(name, **given)

    options: Sequence[Callable[[Any], Any]] = (
        click.option("--data", type=_PATH, multiple=True, required=True, help="An exported file; may be repeated."),
        click.option("--model", required=True, help="A model's folder, or town/NAME of one that comes along."),
        click.option("--out", type=_PATH, required=True, help="The folder that is written."),
        click.option("--set", "overrides", multiple=True, metavar="A=B", help="A setting; may be repeated."),
        click.option("--replace", is_flag=True, help="Replace what stands at --out, once the new one is whole."),
        ui_option,
    )
    command: Any = run
    for option in reversed(options):
        command = option(command)
    made: click.Command = click.command(name=name, cls=_Knobs, help=does)(command)
    return made


sft = _stage("sft", "Learn to answer as DATA does: revisions, critiques (what was approved), pairs, or dialogues.")
rm = _stage("rm", "Learn a reward model from pairs: a score at the end token by which the chosen text wins.")
dpo = _stage("dpo", "Learn from pairs directly, against MODEL as the reference.")


def _run(
    stage: Stage, data: tuple[Path, ...], model: str, out: Path, overrides: tuple[str, ...], replace: bool, ui: str
) -> int:
    from overseer.reports.stage_report import stage_report
    from overseer.training import stages

    work: Mapping[Stage, Callable[..., Any]] = {"sft": stages.sft, "rm": stages.reward_model, "dpo": stages.dpo}
    settings = settings_of(STAGES[stage], set_by(overrides), "--set")
    words = ["overseer", "train", stage, *(word for path in data for word in ("--data", str(path)))]
    words += ["--model", model, "--out", str(out), *(word for each in overrides for word in ("--set", each))]
    made = work[stage](data, model, out, settings, replace=replace, told=_tell, command=shlex.join(words))
    if os.environ.get("RANK", "0") != "0":
        return OK  # of several processes the first one speaks
    if mode(ui) == "json":
        print(json.dumps({**asdict(made), "path": str(made.path)}))
    else:
        print(stage_report(made))
        say(f"card: {out / 'README.md'}")
    return OK


def _tell(update: int, of: int, loss: float) -> None:
    say(f"update {update:,} of {of:,}, loss {loss:.4g}")


def set_by(overrides: Sequence[str]) -> dict[str, Tree]:
    """`a.b=c` as nested mappings. Raises ConfigError for one without a key or a value that YAML cannot read."""
    tree: dict[str, Any] = {}
    for override in overrides:
        keys, equals, text = override.partition("=")
        path = [key.strip() for key in keys.split(".")]
        if not equals or not all(path):
            raise ConfigError(f"--set {override}: write it as KEY=VALUE")
        place = tree
        for key in path[:-1]:
            held = place.setdefault(key, {})
            if not isinstance(held, dict):
                raise ConfigError(f"--set {override}: {key} was set to {held!r} before, which holds no keys")
            place = held
        place[path[-1]] = parse_scalar(text)
    return tree

"""`overseer train ppo`: a policy learns what a reward model or a live hierarchy gives, on what exported files ask."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK
from overseer.cli.train_stages import set_by
from overseer.errors import ConfigError
from overseer.training.settings import knobs, settings_of
from overseer.training.tokens import backend

_PATH = click.Path(path_type=Path)


class _Knobs(click.Command):
    """Says each setting below the options, where torch is installed."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        backend()
        from overseer.training.ppo_stage import Ppo

        with formatter.section("Settings (--set A=B)"):
            formatter.write_dl([(f"{name}={default}", what) for name, default, what in knobs(Ppo)])


@click.command(name="ppo", cls=_Knobs)
@click.option("--prompts", type=_PATH, multiple=True, required=True, help="A file whose prompts are asked; repeatable.")
@click.option("--model", required=True, help="The policy's folder, or town/NAME of one that comes along.")
@click.option("--reward", help="The folder of a reward model that `train rm` wrote.")
@click.option("--hierarchy", type=_PATH, help="Instead of a reward model: a hierarchy that judges every rollout.")
@click.option("--by-sentence", is_flag=True, help="With --hierarchy: reward each sentence, not the whole answer.")
@click.option("--oracle", is_flag=True, help="Log beside it what Town's oracle says; nothing that trains reads it.")
@click.option("--out", type=_PATH, required=True, help="The folder that is written.")
@click.option("--set", "overrides", multiple=True, metavar="A=B", help="A setting; may be repeated.")
@click.option("--replace", is_flag=True, help="Replace what stands at --out, once the new one is whole.")
@ui_option
def command(
    prompts: tuple[Path, ...],
    model: str,
    reward: str | None,
    hierarchy: Path | None,
    by_sentence: bool,
    oracle: bool,
    out: Path,
    overrides: tuple[str, ...],
    replace: bool,
    ui: str,
) -> int:
    """Train MODEL to earn what REWARD or HIERARCHY gives, held near itself.

    The same command goes on with a run that was killed.
    """
    if (reward is None) == (hierarchy is None):
        raise ConfigError("train ppo: what rewards? Give one of --reward and --hierarchy")
    if by_sentence and hierarchy is None:
        raise ConfigError("train ppo: --by-sentence is of a --hierarchy (a reward model scores whole answers)")
    backend()
    from overseer.reports.stage_report import stage_report
    from overseer.training.ppo_stage import Ppo, Rewarding, ppo

    settings = settings_of(Ppo, set_by(overrides), "--set")
    words = ["overseer", "train", "ppo", *(word for path in prompts for word in ("--prompts", str(path)))]
    words += ["--model", model, *(["--reward", reward] if reward else ["--hierarchy", str(hierarchy)])]
    words += [*(["--by-sentence"] if by_sentence else []), *(["--oracle"] if oracle else []), "--out", str(out)]
    words += [word for each in overrides for word in ("--set", each)]
    rewards: str | Rewarding
    if hierarchy is None:
        assert reward is not None, "one of them was given"
        rewards = reward
    else:
        from overseer.studies.live_reward import rewarding

        rewards = rewarding(hierarchy, settings.seed, by_sentence=by_sentence)
    made = ppo(
        prompts,
        model,
        rewards,
        out,
        settings,
        replace=replace,
        tell=say,
        measure=_by_oracle if oracle else None,
        command=shlex.join(words),
    )
    if os.environ.get("RANK", "0") != "0":
        return OK  # of several processes the first one speaks
    if mode(ui) == "json":
        print(json.dumps({**asdict(made), "path": str(made.path)}))
    else:
        print(stage_report(made))
        say(f"card: {out / 'README.md'}")
    return OK


def _by_oracle(rollouts: Any) -> Mapping[str, float]:
    from overseer.studies.curves import by_oracle

    return by_oracle([prompt.id for prompt in rollouts.prompts], rollouts.texts)

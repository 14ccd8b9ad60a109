"""`overseer train`: stages of training, each a verb of its own in a module of its own, loaded when called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

from overseer.cli.console import say

VERBS: Mapping[str, tuple[str, str]] = {
    "pretrain": ("overseer.cli.train_pretrain:command", "Train a fresh model of the ladder on corpora of Town."),
    "sft": ("overseer.cli.train_stages:sft", "Learn to answer as exported revisions, critiques or pairs do."),
    "rm": ("overseer.cli.train_stages:rm", "Learn a reward model from exported pairs."),
    "dpo": ("overseer.cli.train_stages:dpo", "Learn from exported pairs directly."),
    "ppo": ("overseer.cli.train_ppo:command", "Learn to earn what a reward model, or a live hierarchy, gives."),
    "evaluate": ("overseer.cli.train_evaluate:command", "Measure a policy on prompts of Town, by the oracle."),
    "curves": ("overseer.cli.train_curves:command", "Show how a run of PPO went: reward, truth, alarms."),
    "recipe": ("overseer.cli.train_recipe:command", "Run a recipe's units; `train RECIPE.yaml` is the same."),
}
"""Each verb: where its command stands, and what it does."""


class _Stages(click.Group):
    """Lists its verbs without importing any; a file in a verb's place is a recipe."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, what) for name, (_, what) in VERBS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            say(
                "stopped; what is finished is kept. The same command goes on: PPO and pretrain from the last snapshot,"
                " a recipe from the unit that it was at; sft, rm and dpo begin again"
            )
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0].endswith((".yaml", ".yml")):
            args = ["recipe", *args]
        elif args and args[0] not in VERBS and not args[0].startswith("-"):
            known = ", ".join(VERBS)
            raise click.UsageError(
                f"train: {args[0]!r} is no verb (give {known}; or a recipe, whose name ends in .yaml)"
            )
        return super().resolve_command(ctx, args)


@click.group(name="train", cls=_Stages, no_args_is_help=False)
def command() -> None:
    """Train models: `overseer train RECIPE.yaml` runs the units of a recipe, each verb a stage by itself."""

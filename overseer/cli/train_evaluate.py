"""`overseer train evaluate`: a policy on fixed prompts of Town, by the oracle; beside another one, pair by pair."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from overseer import town
from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK
from overseer.cli.train_stages import set_by


@click.command(name="evaluate")
@click.argument("model")
@click.option("--count", type=click.IntRange(min=1), default=500, show_default=True, help="Prompts an environment.")
@click.option("--against", metavar="MODEL", help="Another one on the same prompts: MODEL's figures less its.")
@click.option(
    "--environment",
    "environments",
    multiple=True,
    default=("reference",),
    show_default=True,
    help=f"May be repeated: {', '.join(town.ENVIRONMENTS)}.",
)
@click.option("--seed", default="evaluation", show_default=True, help="A name: the same, the same prompts.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=64, show_default=True, help="Of an answer.")
@click.option("--set", "overrides", multiple=True, metavar="A=B", help="An option of whoever is asked; repeatable.")
@ui_option
def command(
    model: str,
    count: int,
    against: str | None,
    environments: tuple[str, ...],
    seed: str,
    max_tokens: int,
    overrides: tuple[str, ...],
    ui: str,
) -> int:
    """Measure MODEL (a folder, or provider/model) by the oracle: harm, over-refusal, help, manner. Trains nothing."""
    from overseer.reports.evaluation_report import comparison_report, evaluation_report
    from overseer.studies.evaluation import Evaluated, compare, evaluate

    options = set_by(overrides)

    def evaluated(name: str) -> Evaluated:
        say(f"{name}: {count * len(environments):,} prompts")
        return evaluate(name, count, environments=environments, seed=seed, options=options, max_tokens=max_tokens)

    found = evaluated(model)
    compared = None if against is None else compare(evaluated(against), found)
    if mode(ui) == "json":
        told = {
            "model": model,
            "environments": environments,
            "count": count,
            "seed": seed,
            "town": town.VERSION,
            "measures": [asdict(each) for each in found.measures],
        }
        if compared is not None:
            told["against"] = {
                "model": against,
                "measures": [asdict(each) for each in compared.first.measures],
                "differences": [asdict(each) for each in compared.differences],
                "wins": asdict(compared.wins),
            }
        print(json.dumps(told))
        return OK
    print(evaluation_report(found))
    if compared is not None:
        print(evaluation_report(compared.first))
        print(comparison_report(compared))
    return OK

"""What a recipe's YAML may say: its units, in order, each a stage of training with what goes into it.

Read by `recipes`. All problems of a file are told at once, each with its line. A stage's own settings are checked by
the stage. Knows no file but the recipe's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from overseer.config.strict_yaml import Document, KeyPath, near, read
from overseer.config.validation import lines_of, validate
from overseer.errors import ConfigError

StageName = Literal["corpus", "pretrain", "oversee", "export", "sft", "rm", "dpo", "ppo", "evaluate"]
What = Literal["pairs", "revisions", "critiques", "steps"]
"""What of a run may be data for training."""
Labels = Literal["oracle", "random"]
"""Whose labels stand in an export in the place of the judges'."""

TAKES: dict[StageName, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "corpus": (("lines", "constitution"), ()),
    "pretrain": (("data",), ("tokenizer", "model")),
    "oversee": (("hierarchy",), ("models",)),
    "export": (("run", "what"), ("labels",)),
    "sft": (("model", "data"), ()),
    "rm": (("model", "data"), ()),
    "dpo": (("model", "data"), ()),
    "ppo": (("model", "prompts"), ("reward", "hierarchy", "models")),
    "evaluate": (("model",), ("against",)),
}
"""What each stage must be given, and what it may be given, beside its settings."""
GIVES: dict[StageName, str] = {
    "corpus": "data",
    "pretrain": "model",
    "oversee": "run",
    "export": "data",
    "sft": "model",
    "rm": "reward",
    "dpo": "model",
    "ppo": "model",
    "evaluate": "figures",
}
"""What comes of each: an earlier unit's name may stand where one of these is asked for."""
FITS: Mapping[str, tuple[str, ...]] = {
    "prompts": ("data",),
    "tokenizer": ("model", "data"),
    "against": ("model",),
    "models": ("model",),
}
"""What an earlier unit must give to stand under a key; for other keys, what the key says."""
READS: Mapping[StageName, tuple[str, ...]] = {
    "pretrain": ("corpus",),
    "sft": ("pairs", "revisions", "critiques", "corpus"),
    "rm": ("pairs",),
    "dpo": ("pairs",),
}
"""What the `data` of a stage may hold, where an earlier unit gives it."""
POLICY = "policy"

Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Files = Annotated[list[str], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Unit(_Strict):
    """One stage. `model`, `against`, `reward`, `tokenizer`, `run`, `data`, `prompts`, and `models` for each agent,
    name earlier units, or paths from the recipe; `constitution` and `hierarchy` paths.
    """

    id: Id
    stage: StageName
    model: str | None = None
    against: str | None = None
    reward: str | None = None
    hierarchy: str | None = None
    models: Annotated[dict[str, str], Field(min_length=1)] | None = None
    run: str | None = None
    what: What | None = None
    labels: Labels | None = None
    tokenizer: str | None = None
    data: Files | None = None
    prompts: Files | None = None
    lines: Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None
    constitution: str | None = None
    settings: dict[str, Any] = {}

    def inputs(self) -> Iterator[tuple[str, int | str | None, str]]:
        """Each thing that goes in: the key it stands under, its place in that key's list or mapping, what it says."""
        for key in ("model", "against", "reward", "run", "hierarchy", "tokenizer", "constitution"):
            if (said := getattr(self, key)) is not None:
                yield key, None, said
        for agent, said in (self.models or {}).items():
            yield "models", agent, said
        for key in ("data", "prompts"):
            for at, said in enumerate(getattr(self, key) or ()):
                yield key, at, said


class Recipe(_Strict):
    """Units, run in order, once for each seed. `out`: the folder of all that is made, from where one stands."""

    name: Id
    out: str
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1)] = [0]
    units: Annotated[list[Unit], Field(min_length=1)]


def read_recipe(path: Path) -> tuple[Recipe, Document]:
    """The recipe in this file. Raises ConfigError with all that is wrong with it."""
    document = read(path)
    recipe = validate(document, Recipe)
    if found := list(_problems(recipe)):
        raise ConfigError(lines_of(document, found))
    return recipe, document


def _problems(recipe: Recipe) -> Iterator[tuple[KeyPath, str]]:
    before: dict[str, Unit] = {}
    later = {unit.id for unit in recipe.units}
    if len(set(recipe.seeds)) < len(recipe.seeds):
        yield ("seeds",), "a seed stands twice"
    for number, unit in enumerate(recipe.units):
        place: KeyPath = ("units", number)
        if unit.id in before:
            yield (*place, "id"), f"{unit.id!r} is a unit's name already"
        must, may = TAKES[unit.stage]
        given = {key for key in Unit.model_fields if key in unit.model_fields_set} - {"id", "stage", "settings"}
        yield from (((*place, "stage"), f"{unit.stage} needs `{key}`") for key in must if key not in given)
        yield from (((*place, key), f"{unit.stage} takes no `{key}`") for key in sorted(given - {*must, *may}))
        yield from (((*place, *path), problem) for path, problem in _at_odds(unit))
        for key, at, said in unit.inputs():
            where: KeyPath = (*place, key) if at is None else (*place, key, at)
            if problem := _unfit(unit, key, said, before, later):
                yield where, problem
        if "seed" in unit.settings and "seeds" in recipe.model_fields_set:
            yield (*place, "settings", "seed"), "the recipe's `seeds` say it for all units"
        before[unit.id] = unit


def _at_odds(unit: Unit) -> Iterator[tuple[KeyPath, str]]:
    """What a unit says that does not go together."""
    if unit.stage == "ppo" and (unit.reward is None) == (unit.hierarchy is None):
        yield ("stage",), "ppo needs one of `reward` and `hierarchy`"
    if unit.stage == "ppo" and unit.models is not None:
        if unit.hierarchy is None:
            yield ("models",), "are those of a hierarchy (say `hierarchy`)"
        if POLICY in unit.models:
            yield ("models", POLICY), "a hierarchy that rewards is not asked for answers (leave it out)"
    if unit.what == "steps" and unit.labels is not None:
        yield ("labels",), "are of pairs, revisions and critiques"


def _unfit(unit: Unit, key: str, said: str, before: Mapping[str, Unit], later: set[str]) -> str | None:
    """Why what a unit says under a key cannot go in; None: nothing speaks against it yet."""
    if said in before:
        other = before[said]
        fits = FITS.get(key, (key,))
        if GIVES[other.stage] not in fits:
            return f"{said!r} is a {other.stage} unit, which gives no {' or '.join(fits)}"
        holds, reads = other.what or "corpus", READS.get(unit.stage, ())
        if key == "data" and reads and holds not in reads:
            return f"{said!r} holds {holds}, and {unit.stage} reads {', '.join(reads)}"
    elif said in later:
        return f"the unit {said!r} does not stand before this one (move it up)"
    elif "/" not in said and "." not in said:
        return f"no unit {said!r} before this one{near(said, before)} (write a path with a `/`)"
    return None

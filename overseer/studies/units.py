"""What each stage of a recipe does: how its settings are checked, and how it is run.

Between `recipes` and the stages themselves, which are loaded when a recipe needs them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from overseer.config.constitutions import load_constitution
from overseer.errors import ConfigError
from overseer.exports.corpus import write_corpus
from overseer.studies.evaluation import SEED, Evaluated, compare, evaluate, prompts
from overseer.studies.recipe_schema import StageName, Unit
from overseer.town.corpora import Corpus
from overseer.training import stages
from overseer.training.outputs import RECORD
from overseer.training.settings import Dpo, RewardModel, Sft, settings_of
from overseer.training.tokens import backend

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What goes into a unit: paths by key, lists of files by key, and the hash of each, by `key` or `key[i]`."""

    single: Mapping[str, str]
    several: Mapping[str, list[Path]]
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StageOf:
    """A stage. `settings`: checked, from what YAML says and where. `run` gives what its row of results tells."""

    settings: Callable[[object, str], Any]
    run: Callable[[Unit, Any, Inputs, Path, Say], Mapping[str, Any]]


def seeded(settings: Any, seed: int | None) -> Any:
    """The settings under a seed of the recipe (None: the recipe names none).

    A corpus is the same under all, and so are an evaluation's prompts.
    """
    if seed is None or isinstance(settings, CorpusSettings | EvaluateSettings):
        return settings
    if isinstance(settings, BaseModel):
        return settings.model_copy(update={"seed": seed})
    return replace(settings, seed=seed)


def plain(settings: Any) -> dict[str, Any]:
    """The settings as JSON has them."""
    if isinstance(settings, BaseModel):
        return settings.model_dump(mode="json")
    return asdict(settings)


# --- a corpus ------------------------------------------------------------------------------------------------------


class CorpusSettings(BaseModel):
    """Of a corpus of Town: its seed, what its writer does not see, and how often it errs."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    seed: str = "0"
    blind_spots: list[str] = []
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0


def _corpus(unit: Unit, settings: CorpusSettings, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    constitution = load_constitution(inputs.single["constitution"])
    spots = frozenset(settings.blind_spots)
    written = write_corpus(Corpus(unit.lines or {}, constitution, settings.seed, spots, settings.noise), out)
    return {"rows": written.rows}


# --- models --------------------------------------------------------------------------------------------------------


def _told(say: Say) -> Callable[[int, int, float], None]:
    return lambda update, of, loss: say(f"update {update:,} of {of:,}, loss {loss:.4g}")


def _pretrain_settings(given: object, where: str) -> Any:
    backend()
    from overseer.training.pretrain import Settings

    known = [each.name for each in fields(Settings)]
    unknown = [key for key in given if key not in known] if isinstance(given, dict) else []
    if unknown:
        raise ConfigError([f"{where}: {key}: unknown setting (known: {', '.join(known)})" for key in unknown])
    try:
        settings = TypeAdapter(Settings).validate_python(given, strict=False)
    except ValidationError as error:
        raise ConfigError(
            [f"{where}: {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        ) from None
    if problems := list(settings.problems()):
        raise ConfigError([f"{where}: {problem}" for problem in problems])
    return settings


def _pretrain(unit: Unit, settings: Any, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    from overseer.training.pretrain import pretrain

    def told(update: int, of: int, loss: float, speed: float) -> None:
        say(f"update {update:,} of {of:,}, loss {loss:.4g}, {speed:,.0f} tokens/s")

    _clear(out)
    reader = inputs.single.get("tokenizer")
    pretrain(inputs.several["data"], out, settings, tokenizer=Path(reader) if reader else None, progress=told)
    return _record(out)


def _clear(out: Path) -> None:
    """A unit that has changed takes the place of what it made before."""
    if out.exists():
        import shutil

        shutil.rmtree(out)


def _sft(unit: Unit, settings: Sft, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    stages.sft(inputs.several["data"], inputs.single["model"], out, settings, replace=True, told=_told(say))
    return _record(out)


def _rm(unit: Unit, settings: RewardModel, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    stages.reward_model(inputs.several["data"], inputs.single["model"], out, settings, replace=True, told=_told(say))
    return _record(out)


def _dpo(unit: Unit, settings: Dpo, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    stages.dpo(inputs.several["data"], inputs.single["model"], out, settings, replace=True, told=_told(say))
    return _record(out)


def _ppo_settings(given: object, where: str) -> Any:
    backend()
    from overseer.training.ppo_stage import Ppo

    return settings_of(Ppo, given, where)


def _ppo(unit: Unit, settings: Any, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    from overseer.training.ppo_stage import ppo

    single = inputs.single
    rewards: Any = single.get("reward")
    if "hierarchy" in single:
        from overseer.studies.live_reward import rewarding

        rewards = rewarding(single["hierarchy"], settings.seed)
    ppo(inputs.several["prompts"], single["model"], rewards, out, settings, replace=True, tell=say)
    return _record(out)


# --- figures -------------------------------------------------------------------------------------------------------


class EvaluateSettings(BaseModel):
    """Of an evaluation: which prompts, the same under all seeds of a recipe, and how long an answer may be."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    count: Annotated[int, Field(ge=1)] = 500
    environments: list[str] = ["reference"]
    prompts: str = SEED
    max_tokens: Annotated[int, Field(ge=1)] = 64


def _evaluate_settings(given: object, where: str) -> EvaluateSettings:
    settings: EvaluateSettings = settings_of(EvaluateSettings, given, where)
    try:
        prompts(1, settings.environments, settings.prompts)
    except ConfigError as error:
        raise ConfigError([f"{where}: {problem}" for problem in error.problems]) from None
    return settings


def _evaluate(unit: Unit, settings: EvaluateSettings, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    def evaluated(model: str) -> Evaluated:
        return evaluate(
            model,
            settings.count,
            environments=settings.environments,
            seed=settings.prompts,
            max_tokens=settings.max_tokens,
        )

    found = evaluated(inputs.single["model"])
    told: dict[str, Any] = {"figures": {each.name: asdict(each) for each in found.measures}}
    if "against" in inputs.single:
        compared = compare(evaluated(inputs.single["against"]), found)
        told["against"] = {each.name: asdict(each) for each in compared.first.measures}
        told["wins"] = asdict(compared.wins)
        told["differences"] = {each.name: asdict(each.difference) for each in compared.differences}
    part = out.with_name(f".{out.name}.part")
    part.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    part.replace(out)
    return told


def _record(out: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((out / RECORD).read_text(encoding="utf-8"))
    return {key: value for key, value in told.items() if key not in ("settings", "versions", "command")}


STAGES: Mapping[StageName, StageOf] = {
    "corpus": StageOf(lambda given, where: settings_of(CorpusSettings, given, where), _corpus),
    "pretrain": StageOf(_pretrain_settings, _pretrain),
    "sft": StageOf(lambda given, where: settings_of(Sft, given, where), _sft),
    "rm": StageOf(lambda given, where: settings_of(RewardModel, given, where), _rm),
    "dpo": StageOf(lambda given, where: settings_of(Dpo, given, where), _dpo),
    "ppo": StageOf(_ppo_settings, _ppo),
    "evaluate": StageOf(_evaluate_settings, _evaluate),
}

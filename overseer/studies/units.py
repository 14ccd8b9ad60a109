"""What each stage of a recipe does: how its settings are checked, and how it is run.

Between `recipes` and the stages themselves, which are loaded when a recipe needs them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from overseer.config.constitutions import load_constitution
from overseer.config.hierarchies import Setup, load_hierarchy
from overseer.errors import ConfigError
from overseer.exports.corpus import write_corpus
from overseer.exports.export import write
from overseer.models import folders
from overseer.runs import open_run
from overseer.studies import relabelling
from overseer.studies.evaluation import SEED, Evaluated, compare, evaluate, prompts
from overseer.studies.live import unrewarding
from overseer.studies.overseeing import clear, oversee, source_of, unattended, with_models
from overseer.studies.recipe_schema import StageName, Unit
from overseer.town.corpora import Corpus
from overseer.training import stages
from overseer.training.outputs import RECORD
from overseer.training.settings import Dpo, RewardModel, Sft, settings_of
from overseer.training.tokens import backend

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What goes into a unit: paths by key, lists of files by key, models by agent, and the hash of each.

    `models` are model strings, as a hierarchy says them. Hashes stand by `key`, `key[i]` or `models[agent]`.
    """

    single: Mapping[str, str]
    several: Mapping[str, list[Path]]
    models: Mapping[str, str]
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


# --- a run, and what is learned from it ----------------------------------------------------------------------------


TO_COME = "python/to_come"
"""What stands for a model that an earlier unit is still to train, while a recipe is checked."""


class OverseeSettings(BaseModel):
    """Of a run: its chance, how many of Town's tasks, and what else the hierarchy's YAML is to say (`a.b=c`)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    count: Annotated[int, Field(ge=1)] | None = None
    set: list[str] = []


def run_settings(hierarchy: Path, models: Mapping[str, str], settings: OverseeSettings | None) -> list[str]:
    """What is set in a hierarchy's YAML for a unit: its agents' models, then what the unit's settings say."""
    changed = with_models(hierarchy, models)
    if settings is not None:
        changed += settings.set
        changed += [] if settings.count is None else [f"tasks.town.count={settings.count}"]
    return changed


def check_hierarchy(unit: Unit, settings: Any, base: Path, made: Collection[str]) -> Setup | None:
    """What a unit's hierarchy will be, as far as can be told before the units in `made` have run; None: it has none.

    Raises ConfigError for one that cannot be run, or cannot reward.
    """
    if unit.hierarchy is None:
        return None
    hierarchy = base / Path(unit.hierarchy).expanduser()
    models = {
        agent: TO_COME if said in made else model_string(said, base) for agent, said in (unit.models or {}).items()
    }
    if unit.stage == "oversee":
        setup = load_hierarchy(hierarchy, run_settings(hierarchy, models, settings))
        unattended(setup)
        source_of(setup, "")
        return setup
    setup = load_hierarchy(hierarchy, run_settings(hierarchy, models, None))
    if problems := list(unrewarding(setup.hierarchy)):
        raise ConfigError([f"{hierarchy}: {problem}" for problem in problems])
    return setup


def model_string(said: str, base: Path) -> str:
    """A model's folder, or `town/NAME`, as a hierarchy anywhere names it. Raises ConfigError where there is none."""
    local = said.startswith(tuple(f"{name}/" for name in folders.LOCAL))
    return f"hf/{folders.locate(said if local else f'hf/{said}', base).resolve()}"


def _oversee(unit: Unit, settings: OverseeSettings, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    hierarchy = Path(inputs.single["hierarchy"])
    return oversee(hierarchy, run_settings(hierarchy, inputs.models, settings), settings.seed, out, say)


class ExportSettings(BaseModel):
    """Of an export: the seed of labels by chance."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


def _export(unit: Unit, settings: ExportSettings, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    assert unit.what is not None, "the schema asks for it"
    run = open_run(Path(inputs.single["run"]))
    if unit.labels is None:
        return {"rows": write(unit.what, "jsonl", run.episodes(), run.origin(), out).rows}
    if unit.labels == "oracle" and not relabelling.of_town(run):
        raise ConfigError(f"{run.path}: labels: oracle: its tasks are not Town's, and have no truth")
    scratch = out.with_name(f".{out.name}.part")
    clear(scratch)  # of a process that was killed
    plainly = write(unit.what, "jsonl", run.episodes(), run.origin(), scratch / out.name)
    found = relabelling.write(plainly.path, unit.what, unit.labels, settings.seed, run.path.name, out)
    clear(scratch)
    return {"rows": len(found.rows), "labels": unit.labels, "of": plainly.rows, "against the judges": found.counts}


# --- models --------------------------------------------------------------------------------------------------------


def _told(say: Say) -> Callable[[int, int, float], None]:
    return lambda update, of, loss: say(f"update {update:,} of {of:,}, loss {loss:.4g}")


_QUOTED = {"string_type": " (write it in quotes: 1e4 alone is a number)"}


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
            [
                f"{where}: {'.'.join(map(str, each['loc']))}: {each['msg']}{_QUOTED.get(each['type'], '')}"
                for each in error.errors()
            ]
        ) from None
    if problems := list(settings.problems()):
        raise ConfigError([f"{where}: {problem}" for problem in problems])
    return settings


def _pretrain(unit: Unit, settings: Any, inputs: Inputs, out: Path, say: Say) -> Mapping[str, Any]:
    from overseer.training.pretrain import pretrain

    def told(update: int, of: int, loss: float, speed: float) -> None:
        say(f"update {update:,} of {of:,}, loss {loss:.4g}, {speed:,.0f} tokens/s")

    clear(out)
    reader, start = (Path(said) if said else None for said in map(inputs.single.get, ("tokenizer", "model")))
    pretrain(inputs.several["data"], out, settings, tokenizer=reader, start=start, progress=told)
    return _record(out)


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

        changed = with_models(Path(single["hierarchy"]), inputs.models)
        rewards = rewarding(single["hierarchy"], settings.seed, changed)
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
    "oversee": StageOf(lambda given, where: settings_of(OverseeSettings, given, where), _oversee),
    "export": StageOf(lambda given, where: settings_of(ExportSettings, given, where), _export),
    "corpus": StageOf(lambda given, where: settings_of(CorpusSettings, given, where), _corpus),
    "pretrain": StageOf(_pretrain_settings, _pretrain),
    "sft": StageOf(lambda given, where: settings_of(Sft, given, where), _sft),
    "rm": StageOf(lambda given, where: settings_of(RewardModel, given, where), _rm),
    "dpo": StageOf(lambda given, where: settings_of(Dpo, given, where), _dpo),
    "ppo": StageOf(_ppo_settings, _ppo),
    "evaluate": StageOf(_evaluate_settings, _evaluate),
}

"""Constitutions as people write them: YAML files that extend one another, read into one `records.Constitution`.

Step 1 of the walk. Says everything that is wrong in all the files at once, and what `constitution.flaws` finds in the
whole. Knows no hierarchy and no task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from overseer.config.strict_yaml import Document, KeyPath, near, read
from overseer.config.validation import lines_of, validate
from overseer.constitution import Flaw, flaws
from overseer.errors import ConfigError
from overseer.records import Condition, Constitution, Cues, Layer, Principle

MAX_CHAIN = 16
"""So many files may extend one another in a row."""

Word = Annotated[str, StringConstraints(pattern=r"^\w[\w-]*$", max_length=80)]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Level = Annotated[int, Field(ge=1, le=3)]
Tier = Annotated[int, Field(ge=1, le=4)]


def _levels(*levels: int) -> dict[str, JsonValue]:
    """For the JSON Schema, in which every key is text."""
    return {"propertyNames": {"enum": [str(level) for level in levels]}}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExemplarsFile(_Strict):
    """Short answers that break the principle, and that keep it: for readers, critics and fitted judges."""

    breaks: list[Said] = []
    keeps: list[Said] = []


class PrincipleFile(_Strict):
    """One clause. Tier 1 is the highest of four; `stakeholder` keeps it to the agents who speak for them."""

    id: Word
    tier: Tier
    text: Said
    why: Said
    edge_cases: list[Said] = []
    critique: Said
    revise: Said
    stakeholder: Word | None = None
    exemplars: ExemplarsFile = ExemplarsFile()


class ReplacementFile(_Strict):
    """What stands in a principle's stead. Keys left out stay as they were; the id and the stakeholder always do."""

    text: Said
    why: Said
    tier: Tier | None = None
    edge_cases: list[Said] | None = None
    critique: Said | None = None
    revise: Said | None = None
    exemplars: ExemplarsFile | None = None


class ConditionFile(_Strict):
    """When a layer is active: all the keys given must hold; of several domains, any."""

    domain: Word | list[Word] | None = None
    risk_at_least: Level | None = None
    complexity_at_least: Level | None = None

    @model_validator(mode="after")
    def _some(self) -> ConditionFile:
        if not self.model_fields_set:
            raise ValueError("give domain, risk_at_least or complexity_at_least (or leave active_when out: always)")
        return self


class LayerFile(_Strict):
    """Principles that stand together, and what they replace or waive of tiers 3 and 4 in the layers before."""

    name: Word
    active_when: ConditionFile | None = None
    principles: list[PrincipleFile] = []
    replace: dict[Word, ReplacementFile] = {}
    waive: list[Word] = []


class CuesFile(_Strict):
    """Words (or phrases) of a task that tell its domain, and that raise its risk or complexity to a level.

    Words of risk 0 are known to be harmless: with them, a text that holds no risk word at all is of unknown risk.
    """

    domains: dict[Word, list[Said]] = {}
    risk: dict[Literal[0, 1, 2, 3], list[Said]] = Field(default={}, json_schema_extra=_levels(0, 1, 2, 3))
    complexity: dict[Literal[1, 2, 3], list[Said]] = Field(default={}, json_schema_extra=_levels(1, 2, 3))
    default_domain: Word | None = None


class ConstitutionFile(_Strict):
    """A constitution's file. `extends` names other files, by their paths from this one: their layers come first."""

    name: Word
    extends: Said | list[Said] = []
    domains: list[Word] = []
    layers: list[LayerFile] = []
    declares_conflicts: list[Annotated[list[Word], Field(min_length=2, max_length=2)]] = []
    cues: CuesFile = CuesFile()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A constitution, all the files that it was read from (parents first), and what its author may want to mend."""

    constitution: Constitution
    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def load_constitution(path: Path | str) -> Constitution:
    """The constitution of this file and of those it extends. Raises ConfigError with every problem found."""
    return read_constitution(path).constitution


def check_constitution(path: Path | str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Problems (with any, it cannot be used) and warnings, one line each."""
    try:
        return (), read_constitution(path).warnings
    except ConfigError as error:
        return error.problems, ()


def read_constitution(path: Path | str, kept: Callable[[Path], Path] = Path) -> Loaded:
    """As `load_constitution`, with the files read and the warnings.

    `kept` says where a file's copy lies, for those who read what once stood at these paths.
    """
    gathering = _Gathering(kept)
    gathering.gather(Path(path), ())
    return _loaded(gathering)


def constitution_of(document: Document, path: Path) -> Loaded:
    """As `read_constitution`, of a tree that stands in the file `path` among other things."""
    gathering = _Gathering(Path)
    gathering.take(document, path, ())
    return _loaded(gathering)


def _loaded(gathering: _Gathering) -> Loaded:
    if gathering.problems:
        raise ConfigError(gathering.problems)
    constitution, problems = _build(gathering.files)
    found = flaws(constitution)
    problems += _tell(gathering.files, (flaw for flaw in found if flaw.severity == "error"))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    warnings = _tell(gathering.files, (flaw for flaw in found if flaw.severity == "warning"))
    return Loaded(constitution, tuple(one.path for one in gathering.files), tuple(warnings))


def constitution_schema() -> dict[str, Any]:
    """The JSON Schema of a constitution's file, for editors."""
    schema = ConstitutionFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "overseer constitution"}


# --- the files, parents first --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    document: Document
    spec: ConstitutionFile


@dataclass(slots=True)
class _Gathering:
    """Files read so far, each once, parents before children; and the problems of all."""

    kept: Callable[[Path], Path]
    files: list[_File] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def gather(self, path: Path, chain: tuple[str, ...]) -> None:
        """Read a file after all those that it extends; `chain` are the files that led here."""
        identity = os.path.realpath(path) if "\0" not in str(path) else str(path)
        if identity in self.seen:
            return
        self.seen.add(identity)
        try:
            document = read(self.kept(path))
        except ConfigError as error:
            self.problems.extend(error.problems)
            return
        self.take(document, path, (*chain, identity))

    def take(self, document: Document, path: Path, chain: tuple[str, ...]) -> None:
        """Take a tree that has been read, after all the files that it extends."""
        try:
            spec = validate(document, ConstitutionFile)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return
        parents = [spec.extends] if isinstance(spec.extends, str) else spec.extends
        for place, parent in enumerate(parents):
            key: KeyPath = ("extends",) if isinstance(spec.extends, str) else ("extends", place)
            self._follow(document, key, Path(os.path.normpath(path.parent / parent)), chain)
        self.files.append(_File(path, document, spec))

    def _follow(self, document: Document, key: KeyPath, parent: Path, chain: tuple[str, ...]) -> None:
        identity = os.path.realpath(parent)
        if identity in chain:
            circle = " → ".join(Path(one).name for one in (*chain[chain.index(identity) :], identity))
            self.problems += lines_of(document, [(key, f"a circle: {circle}")])
        elif len(chain) >= MAX_CHAIN:
            self.problems += lines_of(document, [(key, f"over {MAX_CHAIN} files extend one another")])
        elif not os.path.isfile(self.kept(parent)):
            remedy = near(parent.name, (one.name for one in parent.parent.glob("*.y*ml")))
            self.problems += lines_of(document, [(key, f"no such file: {parent}{remedy}")])
        else:
            self.gather(parent, chain)


# --- one constitution ----------------------------------------------------------------------------------------------


def _build(files: list[_File]) -> tuple[Constitution, list[str]]:
    layers: list[Layer] = []
    problems: list[str] = []
    standing: dict[str, Principle] = {}
    for file in files:
        unknown: list[tuple[KeyPath, str]] = []
        for place, spec in enumerate(file.spec.layers):
            principles = tuple(_principle(one) for one in spec.principles)
            for one in principles:
                standing.setdefault(one.id, one)
            replaces = []
            for old, new in spec.replace.items():
                if old in standing:
                    standing[old] = _replacement(standing[old], new)
                    replaces.append((old, standing[old]))
                else:
                    what = f"no layer before this one brings {old!r}{near(old, standing)}"
                    unknown.append((("layers", place, "replace", old), what))
            for index, old in enumerate(spec.waive):
                if old not in standing:
                    what = f"no layer before this one brings {old!r}{near(old, standing)}"
                    unknown.append((("layers", place, "waive", index), what))
            waives = tuple(old for old in spec.waive if old in standing)
            layers.append(Layer(spec.name, _condition(spec.active_when), principles, tuple(replaces), waives))
        problems += lines_of(file.document, unknown)
    cues = _cues([file.spec.cues for file in files])
    declared = [domain for file in files for domain in file.spec.domains]
    domains = tuple(dict.fromkeys([*declared, *(domain for domain, _ in cues.domains), cues.default_domain]))
    conflicts = tuple((pair[0], pair[1]) for file in files for pair in file.spec.declares_conflicts)
    return Constitution(files[-1].spec.name, tuple(layers), cues, domains, conflicts), problems


def _principle(spec: PrincipleFile) -> Principle:
    return Principle(
        id=spec.id,
        text=spec.text,
        why=spec.why,
        tier=spec.tier,
        edge_cases=tuple(spec.edge_cases),
        critique=spec.critique,
        revise=spec.revise,
        stakeholder=spec.stakeholder,
        breaks=tuple(spec.exemplars.breaks),
        keeps=tuple(spec.exemplars.keeps),
    )


def _replacement(old: Principle, spec: ReplacementFile) -> Principle:
    new = replace(old, text=spec.text, why=spec.why)
    if spec.tier is not None:
        new = replace(new, tier=spec.tier)
    if spec.edge_cases is not None:
        new = replace(new, edge_cases=tuple(spec.edge_cases))
    if spec.critique is not None:
        new = replace(new, critique=spec.critique)
    if spec.revise is not None:
        new = replace(new, revise=spec.revise)
    if spec.exemplars is not None:
        new = replace(new, breaks=tuple(spec.exemplars.breaks), keeps=tuple(spec.exemplars.keeps))
    return new


def _condition(spec: ConditionFile | None) -> Condition | None:
    if spec is None:
        return None
    domains = (spec.domain,) if isinstance(spec.domain, str) else tuple(spec.domain or ())
    return Condition(domains, spec.risk_at_least, spec.complexity_at_least)


def _cues(specs: list[CuesFile]) -> Cues:
    """Parents' words and children's together; the last default domain given stands."""
    default = next((spec.default_domain for spec in reversed(specs) if spec.default_domain is not None), "general")
    return Cues(
        tuple(_joined(spec.domains for spec in specs).items()),
        tuple(sorted(_joined(spec.risk for spec in specs).items())),
        tuple(sorted(_joined(spec.complexity for spec in specs).items())),
        default,
    )


def _joined(parts: Iterable[Mapping[Any, list[str]]]) -> dict[Any, tuple[str, ...]]:
    joined: dict[Any, dict[str, None]] = {}
    for part in parts:
        for key, words in part.items():
            joined.setdefault(key, {}).update(dict.fromkeys(word.lower() for word in words))
    return {key: tuple(words) for key, words in joined.items()}


def _tell(files: list[_File], found: Iterable[Flaw]) -> list[str]:
    """Flaws as lines, each with the file and key of the layer it is in (the last of that name, of two)."""
    places: dict[str, tuple[Document, KeyPath]] = {
        spec.name: (file.document, ("layers", place)) for file in files for place, spec in enumerate(file.spec.layers)
    }
    whole: tuple[Document, KeyPath] = (files[-1].document, ())
    told: list[str] = []
    for flaw in found:
        document, path = places[flaw.layer] if flaw.layer is not None else whole
        told += lines_of(document, [(path, flaw.what)])
    return told

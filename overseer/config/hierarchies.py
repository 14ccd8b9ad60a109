"""A hierarchy's YAML → a checked `Hierarchy`, with the tasks and limits of its run.

Step 1 of the walk. Every problem of the file is found in one pass and named by file, key path and remedy. Operational
settings (`tasks`, `limits`) stand beside the hierarchy, never in it: they change no decision.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overseer.config.constitutions import Loaded, read_constitution
from overseer.config.hierarchy_schema import (
    AgentSpec,
    ContextSpec,
    EntrySpec,
    HierarchySpec,
    JurySpec,
    KnownBadSpec,
    Limits,
    ModelSpec,
    SampleSpec,
    TasksSpec,
)
from overseer.config.strict_yaml import Document, load, one_line, parse_scalar, read
from overseer.config.validation import validate
from overseer.constitution import stakeholders
from overseer.declaration import Entry, unknown
from overseer.errors import ConfigError
from overseer.hierarchy import Hierarchy, build
from overseer.models.folders import LOCAL, locate
from overseer.records import Agent, Budget, Compare, Constitution, Jury, Select, When

POLICY = "policy"
"""The policy's name among the agents."""
ASSESSOR = "context"
"""The name of the agent that stands for `context: {by: embed/FILE}`."""

Kept = Callable[[Path], Path]
"""Where a file's copy lies, for those who read what once stood at these paths; `Path` where it stands there still."""
_KEY = r'(?:"[^"]+"|[^."=]+)'


@dataclass(frozen=True, slots=True)
class Setup:
    """All that a hierarchy's file says: the hierarchy, its tasks, its limits, every file read, and what to mend.

    `files` begin with the hierarchy's own. `weights` are the files that `embed/FILE` agents are made of,
    and the folders of `hf/…` and `town/…`; they, task files and that of `known_bad` are found from `beside`.
    """

    hierarchy: Hierarchy
    tasks: TasksSpec
    limits: Limits
    files: tuple[Path, ...]
    weights: tuple[Path, ...]
    warnings: tuple[str, ...]
    beside: Path
    known_bad: KnownBadSpec | None = None


def load_hierarchy(path: Path | str, overrides: Sequence[str] = (), kept: Kept = Path) -> Setup:
    """Read and check a hierarchy's file, with `a.b=c` overrides set first.

    Raises `ConfigError` with every problem found in the file, its constitutions and its juries.
    """
    path = Path(path)
    return hierarchy_of(read(kept(path)), path, overrides, kept=kept)


def hierarchy_of(
    document: Document,
    path: Path,
    overrides: Sequence[str] = (),
    *,
    constitution: Loaded | None = None,
    kept: Kept = Path,
) -> Setup:
    """As `load_hierarchy`, of a tree that stands in the file `path`, alone or (a scenario's) among other things.

    `constitution`: read already, and in the place of whatever the tree names.
    """
    problems: list[str] = []
    for override in overrides:
        try:
            _override(document, override)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError([one_line(problem) for problem in problems])
    return _Reading(path, constitution, kept).setup(validate(document, HierarchySpec))


def _override(document: Document, override: str) -> None:
    """Set `a.b.0.c=value` in a document's tree; the value is read as YAML. A key that holds dots stands in quotes."""
    form = re.fullmatch(rf"({_KEY}(?:\.{_KEY})*)=(.*)", override, flags=re.DOTALL)
    if form is None:
        raise ConfigError(f"--set {override}: not of the form a.b=value")
    *above, last = [key.strip('"') for key in re.findall(_KEY, form[1])]
    try:
        value = parse_scalar(form[2])
    except ConfigError:
        raise ConfigError(f"--set {override}: the value is not YAML (put a text in quotes)") from None
    place: Any = document.tree
    for key in above:
        if isinstance(place, list) and key.isdigit() and int(key) < len(place):
            place = place[int(key)]
        elif isinstance(place, dict):
            if not isinstance(place.setdefault(key, {}), dict | list):
                place[key] = {}
            place = place[key]
        else:
            raise ConfigError(f"--set {override}: {key!r} names nothing there")
    if isinstance(place, list) and last.isdigit() and int(last) < len(place):
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ConfigError(f"--set {override}: {last!r} names nothing there")


class _Reading:
    """Turns one parsed file into a `Setup`, gathering problems and the files read on the way."""

    def __init__(self, path: Path, constitution: Loaded | None, kept: Kept) -> None:
        self.path = path
        self.given = constitution
        self.kept = kept
        self.problems: list[str] = []
        self.files: list[Path] = [path, *(constitution.files if constitution else ())]
        self.warnings: list[str] = []

    def setup(self, spec: HierarchySpec) -> Setup:
        constitution = self.given.constitution if self.given else self._constitution("constitution", spec.constitution)
        declared = [self._agent(name, each, spec) for name, each in spec.agents.items()]
        agents = [self._policy(spec.policy), *(agent for agent in declared if agent.name != POLICY)]
        assessor = self._assessor(spec.context, agents)
        entries = [self._entry(index, entry) for index, entry in enumerate(spec.oversees)]
        weights = self._weights_of(spec)
        self._tasks(spec.tasks)
        select: Select = spec.principles.sample if isinstance(spec.principles, SampleSpec) else spec.principles
        try:
            hierarchy = build(
                name=spec.name,
                constitution=constitution,
                agents=agents,
                policy=POLICY,
                oversees=entries,
                rounds=spec.rounds,
                select=select,
                compare=Compare(spec.compare.samples, spec.compare.who) if spec.compare else None,
                unselected=spec.unselected,
                assessor=assessor,
                unsure_below=spec.context.unsure_below,
            )
        except ConfigError as error:
            self.problems += [f"{self.path}: {problem}" for problem in error.problems]
        if spec.known_bad is not None and not any(self._seats_persons(entry, spec) for entry in entries):
            self.problems.append(f"{self.path}: known_bad: tries people, and none look here (add a stage of persons)")
        if self.problems:
            raise ConfigError([one_line(problem) for problem in self.problems])
        spoken_for = {agent.stakeholder for agent in agents if agent.stakeholder is not None}
        unheard = spoken_for - set(stakeholders(constitution))
        self.warnings += [f"{self.path}: stakeholder {name!r} has no principle of its own" for name in sorted(unheard)]
        self.warnings += [f"{self.path}: {warning}" for warning in hierarchy.warnings]
        models = {agent.model for agent in agents}
        idle = sorted(set(spec.limits.models) - models)
        self.warnings += [f"{self.path}: limits.models: {unknown('model', name, models)}" for name in idle]
        files, warnings = dict.fromkeys(self.files), dict.fromkeys(self.warnings)
        beside = self.path.parent
        return Setup(hierarchy, spec.tasks, spec.limits, tuple(files), weights, tuple(warnings), beside, spec.known_bad)

    def _seats_persons(self, entry: Entry, spec: HierarchySpec) -> bool:
        return any(spec.agents[who].human is not None for who in entry.who if who in spec.agents)

    def _constitution(self, key: str, named: str) -> Constitution:
        try:
            loaded = read_constitution(self._beside(named), self.kept)
        except ConfigError as error:
            self.problems += [f"{self.path}: {key}: {problem}" for problem in error.problems]
            return Constitution(named, ())
        self.files += loaded.files
        return loaded.constitution

    def _beside(self, named: str) -> Path:
        return Path(os.path.normpath(self.path.parent.resolve() / named))

    def _policy(self, spec: ModelSpec) -> Agent:
        return Agent(POLICY, spec.model, 0, timeout=spec.timeout, options=_options(spec.profile, spec.options))

    def _agent(self, name: str, spec: AgentSpec, whole: HierarchySpec) -> Agent:
        where = f"{self.path}: agents.{name}"
        said = [key for key in ("model", "human", "same_as") if getattr(spec, key) is not None]
        if name in (POLICY, ASSESSOR):
            self.problems.append(f"{where}: the name is taken by the {name} itself (choose another)")
        if len(said) != 1:
            self.problems.append(
                f"{where}: say exactly one of `model`, `human`, `same_as` (found: {', '.join(said) or 'none'})"
            )
            return Agent(name, "", spec.authority)
        constitution = (
            self._constitution(f"agents.{name}.constitution", spec.constitution) if spec.constitution else None
        )
        if (human := spec.human) is None:
            model, options = self._model(where, spec, whole)
            return Agent(
                name, model, spec.authority, spec.stakeholder, constitution, 0, spec.same_as, spec.timeout, options
            )
        if human.profile is not None and human.by is None:
            self.problems.append(f"{where}.human.profile: people have no profile (add `by: sim/human` to simulate)")
        self.problems += [
            f"{where}.{key}: belongs to a model (a person's stands under `human`)"
            for key in ("profile", "timeout", "options")
            if key in spec.model_fields_set
        ]
        return Agent(
            name,
            human.by or "human",
            spec.authority,
            spec.stakeholder,
            constitution,
            persons=human.persons,
            timeout=human.timeout,
            options=_options(human.profile, {}),
        )

    def _model(self, where: str, spec: AgentSpec, whole: HierarchySpec) -> tuple[str, Mapping[str, object]]:
        """An agent's model and options, its own or those of the agent that it is the same as."""
        if spec.same_as is None:
            assert spec.model is not None
            return spec.model, _options(spec.profile, spec.options)
        other = whole.policy if spec.same_as == POLICY else whole.agents.get(spec.same_as)
        if other is None:  # `build` says so
            return "", {}
        if other.model is None:
            self.problems.append(f"{where}.same_as: {spec.same_as!r} has no model of its own (name one that has)")
            return "", {}
        # A simulated agent is its profile: one that drafts cannot review, so the reviewing self has its own.
        if other.model.startswith("sim/"):
            return "sim/overseer", _options(spec.profile, spec.options)
        return other.model, {**other.options, **spec.options}

    def _assessor(self, spec: ContextSpec, agents: list[Agent]) -> str | None:
        if spec.by == "rules":
            return None
        if spec.by.startswith("embed/"):
            agents.append(Agent(ASSESSOR, spec.by, 0))
            return ASSESSOR
        return spec.by

    def _entry(self, index: int, spec: EntrySpec) -> Entry:
        when = When(always=True) if spec.when == "always" else When(**spec.when.model_dump())
        return Entry(
            who=(spec.who,) if isinstance(spec.who, str) else tuple(spec.who),
            whom=(spec.whom,) if isinstance(spec.whom, str) else tuple(spec.whom),
            when=when,
            jury=self._jury(index, spec.jury),
            budget=Budget(**spec.budget.model_dump()) if spec.budget else None,
        )

    def _jury(self, index: int, spec: JurySpec | str | None) -> Jury:
        where = f"{self.path}: oversees[{index}].jury"
        if spec is None:
            return Jury()
        if not isinstance(spec, JurySpec):
            spec = JurySpec(rule=spec)  # type: ignore[arg-type]  # the schema lets no other word
        before = len(self.problems)
        if (spec.k is not None) != (spec.rule == "quorum"):
            self.problems.append(f"{where}.k: belongs to `rule: quorum`, which requires it")
        if (spec.weights is not None) != (spec.rule == "weighted"):
            self.problems.append(f"{where}.weights: belongs to `rule: weighted`, which requires it")
        if isinstance(spec.weights, dict):
            weights = tuple(sorted(spec.weights.items()))
        else:
            weights = self._weights(where, spec.weights) if spec.weights is not None else ()
        if len(self.problems) > before:
            return Jury()  # said already; nothing more follows from it
        return Jury(spec.rule, spec.on_tie, spec.k or 0, weights, spec.missing)

    def _weights(self, where: str, named: str) -> tuple[tuple[str, int], ...]:
        path = self._beside(named)
        try:
            tree = load(self.kept(path))
        except ConfigError as error:
            self.problems += [f"{where}.weights: {problem}" for problem in error.problems]
            return ()
        self.files.append(path)
        weights = tree if isinstance(tree, dict) else {}
        pinned = sorted((str(juror), weight) for juror, weight in weights.items() if type(weight) is int)
        if not pinned or len(pinned) < len(weights):
            self.problems.append(f"{where}.weights: {path}: must map each juror to a positive integer")
        return tuple(pinned)

    def _weights_of(self, spec: HierarchySpec) -> tuple[Path, ...]:
        models = {"policy.model": spec.policy.model, "context.by": spec.context.by}
        models |= {f"agents.{name}.model": agent.model for name, agent in spec.agents.items() if agent.model}
        found = {key: self.path.parent / name[6:] for key, name in models.items() if name.startswith("embed/")}
        self.problems += [
            f"{self.path}: {key}: no such file: {path} (make it with `overseer fit-judge`)"
            for key, path in found.items()
            if self.kept is Path and not os.path.isfile(path)  # who only reads what is past needs no weights
        ]
        folders: set[Path] = set()
        for key, name in models.items():
            if name.partition("/")[0] in LOCAL:
                try:
                    folders.add(locate(name, self.path.parent))
                except ConfigError as error:
                    self.problems += [f"{self.path}: {key}: {each}" for each in error.problems if self.kept is Path]
        return tuple(sorted({*found.values(), *folders}))

    def _tasks(self, spec: TasksSpec) -> None:
        if spec.town is not None and spec.file is not None:
            self.problems.append(f"{self.path}: tasks: say `town` or `file`, not both (a count is of Town's tasks)")


def _options(profile: str | dict[str, Any] | None, options: Mapping[str, Any]) -> dict[str, object]:
    return {**({"profile": profile} if profile is not None else {}), **options}

"""Rollouts under oversight while a policy trains: each is taken through a declared hierarchy as its policy's answer.

Read by `live_reward`. The hierarchy's own policy is not asked, and nobody revises: what is judged is the rollout, as it
stands. The walk is the real one. Nothing is journalled; what was found is kept beside the training run, a file for each
update. Knows no tokens.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from overseer import __version__, town
from overseer.config.hierarchies import Setup
from overseer.errors import ConfigError, OverseerError
from overseer.hierarchy import Hierarchy
from overseer.judgement import judgement_on
from overseer.models import folders
from overseer.models.recorded import RecordedPolicy
from overseer.preferences import HELPFUL_TIER, steps
from overseer.provenance import Source, source_of
from overseer.records import MUST_NOT_STAND, Audit, Episode, Failure, Reply, Request, Task
from overseer.reviewers import Reviewer
from overseer.reviewers.binding import Given, bind
from overseer.reviewers.simulated import Simulated
from overseer.running.asking import Desk, require_reviewers
from overseer.running.runner import oversee_one
from overseer.runs import simulation_seed

ROLLOUT = "recorded/rollout"
"""What stands in the policy's place: the text is given with its task."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a hierarchy found in a rollout. `severity` 0–4 is the highest that stands; None: nobody could judge.

    An objection counts at least as a severity that must not stand, whatever its findings. `sentences`: each sentence's
    place in the text, and the highest severity that stands against it.
    """

    episode: Episode
    severity: int | None
    sentences: tuple[tuple[int, int, int], ...]


def verdict(episode: Episode, source: Source | None = None) -> Verdict:
    """What the deciding stages found: dissent among their jurors counts, what a higher tier struck does not.

    Sentences are looked at where the `source` of the episode is given.
    """
    if not episode.drafts:
        return Verdict(episode, None, ())
    judgement = judgement_on(episode, episode.drafts[-1])
    if judgement.side is None or not judgement.standing:
        return Verdict(episode, None, ())
    severity = judgement.severity
    if judgement.side == "objected":
        severity = max(severity, MUST_NOT_STAND)
    labelled = () if source is None else steps(episode, source)
    return Verdict(episode, severity, tuple((label.start, label.end, label.severity) for label in labelled))


class LiveOversight:
    """A hierarchy that judges rollouts, update after update, on one event loop of its own; close it when done.

    What it finds hangs on the seed, the update and the rollouts alone, so that a training run may go on after a stop:
    the audit key is new for each update, and simulated persons come rested to each rollout.
    """

    def __init__(self, setup: Setup, seed: int, reviewers: Given | None = None) -> None:
        """Raises ConfigError for a hierarchy that cannot reward, or whose agents cannot be bound."""
        where = f"{setup.files[0]}: " if setup.files else ""
        if problems := [f"{where}{problem}" for problem in unrewarding(setup.hierarchy)]:
            raise ConfigError(problems)
        self.setup, self.seed = setup, seed
        self.hierarchy = _of_rollouts(setup.hierarchy)
        self._where = where
        given = reviewers or {}
        asked = {name: agent for name, agent in self.hierarchy.agents.items() if name != self.hierarchy.policy}
        self._simulated = {
            name: agent for name, agent in asked.items() if agent.model.startswith("sim/") and name not in given
        }
        others = {name: agent for name, agent in asked.items() if name not in self._simulated}
        # Bound once: weights are loaded once. Simulated agents are bound anew under each update's key.
        self._bound = bind(others, simulation_seed(self.key(0)), setup.beside, given, where)
        self._bound[self.hierarchy.policy] = RecordedPolicy()
        require_reviewers(self.hierarchy, {**self._bound, **self._as_of(0)}, persons=True)
        self._loop = asyncio.Runner()

    def __enter__(self) -> LiveOversight:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()

    def key(self, update: int) -> str:
        """The audit key of an update: nobody who is judged can learn when they are looked at."""
        return sha256(f"live {self.seed} {update}".encode()).hexdigest()[:32]

    def judge(
        self, update: int, rollouts: Sequence[Task], *, total: int | None = None, by_sentence: bool = False
    ) -> list[Verdict]:
        """What is found in each of these, whose answer is what is `recorded`; as many at once as the limits allow.

        Their places are those in a round of `total` (None: these are all), of which they may be a part: `every: n`
        counts by them.
        """
        source = source_of(self.hierarchy, run="live", seed=str(self.seed)) if by_sentence else None
        desk = Desk(self.hierarchy, {**self._bound, **self._as_of(update)}, self.setup.limits)
        audit = Audit(self.key(update), len(rollouts) if total is None else total)
        return [verdict(episode, source) for episode in self._loop.run(self._overseen(rollouts, audit, desk))]

    async def _overseen(self, rollouts: Sequence[Task], audit: Audit, desk: Desk) -> list[Episode]:
        slots = asyncio.Semaphore(self.setup.limits.window)

        async def overseen(task: Task) -> Episode:
            async with slots:
                return await oversee_one(task, self.hierarchy, audit, desk)

        try:
            async with asyncio.TaskGroup() as group:
                under_way = [group.create_task(overseen(task)) for task in rollouts]
        except BaseExceptionGroup as found:
            raise found.exceptions[0] from None
        return [task.result() for task in under_way]

    def _as_of(self, update: int) -> dict[str, Reviewer]:
        bound = bind(self._simulated, simulation_seed(self.key(update)), self.setup.beside, {}, self._where)
        persons = self.hierarchy.persons
        return {
            name: _Rested(reviewer) if name in persons and isinstance(reviewer, Simulated) else reviewer
            for name, reviewer in bound.items()
        }

    def origin(self, update: int) -> dict[str, Any]:
        """Whence an update's verdicts came: the hierarchy with all its files, the key, the versions."""
        return {
            "update": update,
            "hierarchy": self.setup.hierarchy.name,
            "files": {str(path): sha256(path.read_bytes()).hexdigest() for path in self.setup.files},
            "weights": {str(path): _digest(path) for path in self.setup.weights},
            "agents": {name: agent.model for name, agent in self.hierarchy.agents.items()},
            "audit_key": self.key(update),
            "overseer": __version__,
            "town": town.VERSION,
        }


class _Rested:
    """A simulated person to whom each rollout is the first: fatigue hangs on an order, and rollouts have none."""

    def __init__(self, person: Simulated) -> None:
        self._person = person

    async def answer(self, request: Request) -> Reply:
        return self.reply(request)

    def reply(self, request: Request) -> Reply:
        self._person.served = 0
        return self._person.reply(request)


def _of_rollouts(hierarchy: Hierarchy) -> Hierarchy:
    """The hierarchy over answers that are there already: nothing is compared or revised."""
    policy = replace(hierarchy.agents[hierarchy.policy], model=ROLLOUT, options={})
    return replace(
        hierarchy,
        agents={**hierarchy.agents, hierarchy.policy: policy},
        rounds=0,
        compare=None,
        can_revise=False,
    )


def unrewarding(hierarchy: Hierarchy) -> Iterable[str]:
    """Why a hierarchy cannot reward; nothing where it can."""
    for name, agent in hierarchy.agents.items():
        if agent.model == "human" and name != hierarchy.policy:
            yield f"agents.{name}: a reward waits for nobody at a console (bind `sim/human`, or another hierarchy)"
    if not any(stage.when.always for stage in hierarchy.stages):
        yield "oversees: no stage always looks, and a rollout at which nobody looked has no reward (add one that does)"
    if not helpful(hierarchy):
        yield (
            f"constitution: no principle of tier {HELPFUL_TIER} is judged by: who refuses everything would earn the"
            " most (extend a constitution that asks for help, as constitutions/base.yaml does)"
        )


def helpful(hierarchy: Hierarchy) -> tuple[str, ...]:
    """The principles that speak for answering: of the lowest tier, shown to a juror in every context."""
    jurors = {juror for stage in hierarchy.stages for juror in stage.who}
    found = {
        principle.id
        for juror in jurors
        for layer in (hierarchy.agents[juror].constitution or hierarchy.constitution).layers
        if layer.active_when is None
        for principle in layer.principles
        if principle.tier == HELPFUL_TIER
    }
    return tuple(sorted(found))


def _digest(path: Path) -> str:
    return folders.identity(path) if path.is_dir() else f"sha256:{sha256(path.read_bytes()).hexdigest()}"


# --- on record -----------------------------------------------------------------------------------------------------


def write_verdicts(path: Path, origin: Mapping[str, Any], verdicts: Sequence[tuple[Verdict, float | None]]) -> None:
    """An update's verdicts and what each earned, a line each, the first saying whence they came; put in place whole.

    An update that is done again writes the same file again. Raises OverseerError where it cannot be written.
    """
    lines = [dict(origin), *(_row(found, reward) for found, reward in verdicts)]
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise OverseerError(f"{path}: cannot be written: {error.strerror} (make room, then resume)") from error


def _row(found: Verdict, reward: float | None) -> dict[str, Any]:
    episode = found.episode
    return {
        "task": episode.task.id,
        "text": episode.task.recorded,
        "output": episode.output,
        "rulebook": episode.rulebook.hash,
        "outcome": episode.outcome,
        "rule": episode.rule,
        "severity": found.severity,
        "reward": reward,
        "evaluations": [
            {
                "stage": each.stage,
                "level": each.level,
                "action": each.decision.action,
                "rule": each.decision.rule,
                "votes": [
                    {
                        "juror": vote.juror,
                        "seat": vote.seat,
                        "cast": vote.cast,
                        "failure": [vote.answer.kind, vote.answer.detail] if isinstance(vote.answer, Failure) else None,
                        "findings": [[one.principle, one.severity, one.evidence, one.asks] for one in vote.findings],
                    }
                    for vote in each.votes
                ],
                "struck": [[each.struck_juror, each.struck.principle] for each in each.strikes],
            }
            for each in episode.evaluations
        ],
    }

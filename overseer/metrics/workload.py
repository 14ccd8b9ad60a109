"""Who carried what, and did they agree: load of stages and agents, what each missed, failures, jurors' agreement.

The walk's step 10, above `reviewing`, below `measures`, which feeds it one episode at a time. Holds counts by stage,
agent and pair of jurors; no episode and no text. Whether a person was real is not known here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations

from overseer.metrics.agreement import Scale, alpha, coincidences, kappa
from overseer.metrics.reviewing import Hits, Worth
from overseer.metrics.statistics import Measure, Rate, Table, Tally, wilson
from overseer.records import Cast, Draft, Episode, Evaluation, Failure, Ruling, Usage, Vote

PAIRED_JURORS = 20
"""Jurors of a jury whose pairs are kept, the first by name: pairs grow with the square of a jury."""

_CASTS: tuple[Cast, ...] = ("approve", "revise", "reject", "escalate")
"""From the mildest to the strictest; abstentions and failures are missing values."""
_ACTIONS = ("approve", "revise", "reject", "escalate")


def minutes(evaluations: Iterable[Evaluation]) -> float:
    """Minutes of persons in these evaluations."""
    return sum(_minutes(vote) for evaluation in evaluations for vote in evaluation.votes)


def _minutes(vote: Vote) -> float:
    return vote.answer.seconds / 60 if isinstance(vote.answer, Ruling) and not vote.carried else 0.0


# --- load ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class StageLoad:
    level: int
    who: str
    looks: int = 0
    tasks: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    minutes: float = 0.0


@dataclass(slots=True)
class AgentLoad:
    """`looks`: requests for a verdict; a carried approval is none. `drafts`: texts of theirs that came under review."""

    looks: int = 0
    tasks: int = 0
    drafts: int = 0
    failures: int = 0
    minutes: float = 0.0
    missed: Rate = field(default_factory=Rate)
    false_alarms: Rate = field(default_factory=Rate)


@dataclass(slots=True)
class Load:
    """Looks, minutes and failures, by stage and by agent."""

    tasks: int = 0
    stages: dict[str, StageLoad] = field(default_factory=dict)
    agents: defaultdict[str, AgentLoad] = field(default_factory=lambda: defaultdict(AgentLoad))
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, episode: Episode, known: Mapping[int, Worth | None]) -> None:
        self.tasks += 1
        self._add_stages(episode.evaluations)
        self._add_votes(episode.evaluations, known)
        self._add_drafts((*episode.drafts, *episode.samples[1:]))
        in_votes = sum(isinstance(vote.answer, Failure) for item in episode.evaluations for vote in item.votes)
        if episode.failures > in_votes:
            self.failures["outside reviews"] += episode.failures - in_votes

    def _add_stages(self, evaluations: Iterable[Evaluation]) -> None:
        seen = set()
        for evaluation in evaluations:
            if evaluation.stage not in self.stages:
                who = ", ".join(sorted({vote.juror for vote in evaluation.votes}))
                self.stages[evaluation.stage] = StageLoad(evaluation.level, who)
            stage = self.stages[evaluation.stage]
            stage.looks += 1
            stage.actions[evaluation.decision.action] += 1
            stage.rules[evaluation.decision.action, evaluation.decision.rule] += 1
            stage.minutes += minutes((evaluation,))
            seen.add(evaluation.stage)
        for name in seen:
            self.stages[name].tasks += 1

    def _add_votes(self, evaluations: Iterable[Evaluation], known: Mapping[int, Worth | None]) -> None:
        missed, alarms, seen = Hits(), Hits(), set()
        for evaluation in evaluations:
            truth = known.get(evaluation.draft)
            for vote in evaluation.votes:
                if vote.carried:
                    continue
                agent = self.agents[vote.juror]
                agent.looks += 1
                agent.minutes += _minutes(vote)
                seen.add(vote.juror)
                if isinstance(vote.answer, Failure):
                    agent.failures += 1
                    self.failures[vote.answer.kind] += 1
                if truth is None or vote.cast not in _CASTS:
                    agent.missed.unscored += 1
                    agent.false_alarms.unscored += 1
                elif truth == "harmful":
                    missed.count(vote.juror, vote.cast == "approve")
                elif truth == "sound":
                    alarms.count(vote.juror, vote.cast in ("revise", "reject"))
        for name in seen:
            self.agents[name].tasks += 1
        for name, (hits, n) in missed.items():
            self.agents[name].missed.add(hits, n)
        for name, (hits, n) in alarms.items():
            self.agents[name].false_alarms.add(hits, n)

    def _add_drafts(self, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            self.agents[draft.author].drafts += 1

    def measures(self) -> Iterable[Measure]:
        for stage in self._ordered():
            low, high = wilson(stage.tasks, self.tasks)
            name = f"looked_at[{stage.who}]"
            yield Measure(name, stage.tasks / self.tasks, low, high, self.tasks, 0, "all tasks; this stage looked")
        for name in sorted(self.agents):
            agent = self.agents[name]
            if agent.looks:
                yield agent.missed.measure(f"missed_by[{name}]", "harmful drafts seen, and approved")
                yield agent.false_alarms.measure(f"false_alarms_by[{name}]", "sound drafts seen, and objected to")

    def tables(self, usage: Mapping[str, Usage]) -> Iterable[Table]:
        yield Table(
            "Load of stages",
            ("level", "stage", "looks", "tasks", *_ACTIONS, "minutes"),
            tuple(
                (
                    *(stage.level, stage.who, stage.looks, stage.tasks),
                    *(stage.actions[action] for action in _ACTIONS),
                    stage.minutes,
                )
                for stage in self._ordered()
            ),
        )
        yield Table(
            "Rules of stages",
            ("level", "stage", "action", "rule", "looks"),
            tuple(
                (stage.level, stage.who, action, rule, looks)
                for stage in self._ordered()
                for (action, rule), looks in sorted(stage.rules.items(), key=lambda item: (-item[1], item[0]))
            ),
        )
        yield Table(
            "Load of agents",
            ("agent", "drafts", "looks", "tasks", "failures", "minutes", "tokens in", "tokens out", "seconds", "cost"),
            tuple(self._agent_row(name, usage.get(name)) for name in sorted({*self.agents, *usage})),
            "minutes are persons'; tokens, seconds and cost are models', empty where none were counted",
        )
        if self.failures:
            rows = tuple((kind, self.failures[kind]) for kind in sorted(self.failures))
            yield Table(
                "Failures", ("kind", "count"), rows, "outside reviews: in assessing, drafting, revising, comparing"
            )

    def _ordered(self) -> Iterable[StageLoad]:
        return sorted(self.stages.values(), key=lambda stage: (stage.level, stage.who))

    def _agent_row(self, name: str, used: Usage | None) -> tuple[str | int | float | None, ...]:
        agent = self.agents[name] if name in self.agents else AgentLoad()
        spent = (None,) * 4 if used is None else (used.tokens_in, used.tokens_out, used.seconds, used.cost)
        return (name, agent.drafts, agent.looks, agent.tasks, agent.failures, agent.minutes, *spent)


# --- agreement of jurors -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Juries:
    """Did jurors who saw the same draft say the same? Units are looks of a jury, resampled by task."""

    dissent: Rate = field(default_factory=Rate)
    together: Tally = field(default_factory=lambda: Tally(len(_CASTS) ** 2))
    looks: int = 0
    pairs: dict[tuple[str, str], Tally] = field(default_factory=dict)
    pair_looks: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: bool = False

    def add(self, evaluations: Iterable[Evaluation]) -> None:
        split, looks = 0, 0
        together = [0.0] * self.together.width
        cells: dict[tuple[str, str], list[float]] = {}
        for evaluation in evaluations:
            votes = [vote for vote in evaluation.votes if not vote.carried]
            if len(votes) < 2:
                continue
            looks += 1
            split += len({vote.cast for vote in votes}) > 1
            cast = {_seat(vote): _CASTS.index(vote.cast) for vote in votes if vote.cast in _CASTS}
            if len(cast) < 2:
                self.together.unscored += 1
                continue
            self.looks += 1
            for index, value in enumerate(coincidences(list(cast.values()), len(_CASTS)).tolist()):
                together[index] += value
            self.left_out |= len(cast) > PAIRED_JURORS
            for first, second in combinations(sorted(cast)[:PAIRED_JURORS], 2):
                cell = cells.setdefault((first, second), [0.0] * self.together.width)
                cell[cast[first] * len(_CASTS) + cast[second]] += 1
        self.dissent.add(split, looks)
        self.together.add(together)
        self._add_pairs(cells)

    def _add_pairs(self, cells: Mapping[tuple[str, str], list[float]]) -> None:
        for pair, cell in cells.items():
            self.pairs.setdefault(pair, Tally(self.together.width)).add(cell)
            self.pair_looks[pair] += int(sum(cell))

    def measures(self, key: str) -> Iterable[Measure]:
        yield self.dissent.measure("dissent", "looks of a jury whose votes were not all equal")
        scales: tuple[tuple[str, Scale], ...] = (("alpha", "nominal"), ("alpha_ordinal", "ordinal"))
        for name, scale in scales:
            note = f"Krippendorff's α of jurors' votes, {scale}"
            yield self.together.measure(name, partial(alpha, scale=scale), self.looks, key, note)
        for pair in sorted(self.pairs):
            note = "Cohen's κ" + (f"; of each jury only the first {PAIRED_JURORS} by name" if self.left_out else "")
            name = f"kappa[{pair[0]} ~ {pair[1]}]"
            yield self.pairs[pair].measure(name, kappa, self.pair_looks[pair], key, note)


def _seat(vote: Vote) -> str:
    return vote.juror if vote.seat == 0 else f"{vote.juror} (seat {vote.seat})"

"""How tasks flowed through the stages: who looked after whom, what was decided where, who dissented.

Floor 7, before `drawing`. Episodes go by once; only counts are kept. Knows no HTML.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from overseer.decisions import last_word
from overseer.judgement import dissent, evaluations_on, side
from overseer.metrics.statistics import Rate
from overseer.metrics.workload import minutes
from overseer.records import Cast, Episode, Evaluation, Outcome

POLICY = ""
"""Where a flow begins that comes from no stage; and what decided where no stage did."""


@dataclass(slots=True)
class Dissents:
    """One juror's part in decided votes: how often theirs stood against the decision, and on which side of it."""

    votes: Rate = field(default_factory=Rate)
    milder: int = 0
    stricter: int = 0
    silent: int = 0


@dataclass(slots=True)
class Flow:
    """Counts by stage id. `passed` counts tasks from a stage (or the policy) to the stage that looked after it.

    `ended` counts tasks by the stage whose decision stood, and outcome. `split`: of each stage's decisions that took a
    side, those with a minority report. `drafts` counts all drafts under review, `revised` tasks with more than one.
    """

    tasks: int = 0
    looks: Counter[str] = field(default_factory=Counter)
    looked: Counter[str] = field(default_factory=Counter)
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    passed: Counter[tuple[str, str]] = field(default_factory=Counter)
    ended: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    minutes: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    split: defaultdict[str, Rate] = field(default_factory=lambda: defaultdict(Rate))
    dissents: defaultdict[str, Dissents] = field(default_factory=lambda: defaultdict(Dissents))
    drafts: int = 0
    revised: int = 0

    def add(self, episode: Episode) -> None:
        self.tasks += 1
        self.drafts += len(episode.drafts)
        self.revised += len(episode.drafts) > 1
        self.ended[decided_by(episode), episode.outcome] += 1
        looked, passed = set(), set()
        for evaluation in episode.evaluations:
            self.looks[evaluation.stage] += 1
            self.actions[evaluation.stage, evaluation.decision.action] += 1
            self.minutes[evaluation.stage] += minutes((evaluation,))
            looked.add(evaluation.stage)
        for draft in episode.drafts:
            passed.update(edges(evaluations_on(episode, draft)))
        self.looked.update(looked)
        self.passed.update(passed)
        self._add_dissent(episode.evaluations)

    def _add_dissent(self, evaluations: Iterable[Evaluation]) -> None:
        split: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        against: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for evaluation in evaluations:
            if side(evaluation) is None:
                continue
            minority = dissent(evaluation)
            split[evaluation.stage][0] += bool(minority)
            split[evaluation.stage][1] += 1
            for vote in evaluation.votes:
                against[vote.juror][1] += 1
            for vote in minority:
                against[vote.juror][0] += 1
                self._count_side(self.dissents[vote.juror], vote.cast)
        for stage, (hits, n) in split.items():
            self.split[stage].add(hits, n)
        for juror, (hits, n) in against.items():
            self.dissents[juror].votes.add(hits, n)

    @staticmethod
    def _count_side(juror: Dissents, cast: Cast) -> None:
        juror.milder += cast == "approve"
        juror.stricter += cast in ("revise", "reject", "escalate")
        juror.silent += cast in ("abstain", "failure")


def decided_by(episode: Episode) -> str:
    """The stage whose decision on the last draft stood; `POLICY` where no stage looked at it."""
    if episode.final is None:
        return POLICY
    word = last_word(evaluations_on(episode, episode.final))
    return POLICY if word is None else word.stage


def edges(evaluations: Iterable[Evaluation]) -> set[tuple[str, str]]:
    """On one draft: from the stages nearest below that looked, or from the policy, to each stage that looked."""
    answers = {evaluation.stage: set(evaluation.answers) for evaluation in evaluations}
    found: set[tuple[str, str]] = set()
    for stage, answered in answers.items():
        further = set().union(*(answers.get(below, set()) for below in answered))
        found.update((below, stage) for below in (answered - further or {POLICY}))
    return found

"""Episodes as the page's script reads them: short rows for the list, and whole ones in chunks that open when needed.

Floor 7. Rows are arrays whose fields `SHAPES` names; the script reads the same names. A text stands once in its table,
and a row holds its number. Every text passes `shown` here: what the page holds is already fit to be seen. Knows no
HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from overseer.hierarchy import Hierarchy
from overseer.judgement import dissent
from overseer.metrics.reviewing import harmful
from overseer.metrics.workload import minutes
from overseer.records import (
    Appeal,
    Critique,
    Draft,
    Episode,
    Evaluation,
    Failure,
    Finding,
    Grade,
    Principle,
    Rulebook,
    Ruling,
    Strike,
    Vote,
)
from overseer.reports.page.flow import POLICY, decided_by
from overseer.reports.page.markup import shown
from overseer.sampling import uniform

CHUNK = 200
"""Episodes that are read together when one of them is opened."""
SNIPPET = 140
"""Characters of the task that the list shows."""
MOST = 20_000
"""Episodes drawn at random at most, and as many more that stand out: a browser opens both in a few seconds."""

SHAPES: Mapping[str, tuple[str, ...]] = {
    "line": (
        *("id", "asked", "outcome", "rule", "stage", "domains", "risk", "dissent", "drafts", "looks", "minutes"),
        *("persons", "failures", "harmful", "appeal"),
    ),
    "episode": (
        *("messages", "complexity", "confidence", "everyLayer", "rulebook", "drafts", "evaluations"),
        *("samples", "comparisons", "requests", "first", "last"),
    ),
    "appeal": ("by", "because", "stage"),
    "message": ("role", "text"),
    "draft": ("number", "text", "author", "principles"),
    "evaluation": ("stage", "draft", "action", "rule", "votes", "strikes", "sided"),
    "vote": ("juror", "seat", "cast", "carried", "minority", "answer"),
    "critique": ("kind", "verdict", "confidence", "reason", "findings"),
    "ruling": ("kind", "action", "person", "seconds", "note", "text", "findings"),
    "failure": ("kind", "what", "detail"),
    "finding": ("principle", "severity", "evidence", "asks"),
    "strike": ("clause", "struck", "struckJuror", "by", "byJuror", "equalTiers"),
    "comparison": ("first", "second", "better", "confidence"),
    "grade": ("benign", "harm", "refused", "helpfulness", "correct", "violations", "spirit"),
    "rulebook": ("layers", "settled", "principles"),
    "principle": ("id", "text", "why", "tier", "stakeholder"),
    "stage": ("who", "level"),
    "agent": ("name", "person", "simulated", "stakeholder"),
}
"""The fields of each row, in order: what the page's script calls them."""

Row = list[Any]


@dataclass(slots=True)
class Texts:
    """Texts, each once, by number in order of their first use."""

    at: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        return self.at.setdefault(text, len(self.at))

    def numbers(self, texts: Iterable[str]) -> list[int]:
        return [self.number(text) for text in texts]

    def shown(self) -> list[str]:
        return [shown(text) for text in self.at]


class Rows:
    """Takes episodes one by one. Full chunks are kept as the bytes that the page will hold.

    Of more than `MOST` tasks it holds those that stand out, and of the others a share drawn by their ids.
    """

    def __init__(self, hierarchy: Hierarchy, tasks: int | None = None) -> None:
        self.hierarchy = hierarchy
        self.share = min(1.0, MOST / tasks) if tasks else 1.0
        self.left_out = 0
        self._others = 0
        self.texts = Texts()
        self.lines: list[Row] = []
        self.chunks: list[bytes] = []
        self.stages: dict[str, int] = {stage.id: place for place, stage in enumerate(hierarchy.stages)}
        self._principles: dict[Principle, int] = {}
        self._rulebooks: dict[Rulebook, int] = {}
        self._held: list[Row] = []
        self._here = Texts()

    def add(self, episode: Episode, last: Grade | None, first: Grade | None) -> None:
        if not self._holds(episode, last):
            self.left_out += 1
            return
        self.lines.append(self._line(episode, last))
        self._held.append(self._episode(episode, last, first))
        if len(self._held) == CHUNK:
            self._close()

    def _holds(self, episode: Episode, last: Grade | None) -> bool:
        if stands_out(episode, last) and len(self.lines) - self._others < MOST:
            return True
        drawn = self._others < MOST and (self.share == 1.0 or uniform("page", episode.id) < self.share)
        self._others += drawn
        return drawn

    def _close(self) -> None:
        self.chunks.append(embedded({"texts": self._here.shown(), "episodes": self._held}))
        self._held, self._here = [], Texts()

    def blocks(self) -> tuple[bytes, tuple[bytes, ...]]:
        """The list with all that is shared, and the chunks of whole episodes: JSON that may stand in a script element.

        The list comes last in writing and first in reading.
        """
        if self._held:
            self._close()
        number = self.texts.number
        shared = {
            "chunk": CHUNK,
            "shapes": SHAPES,
            "stages": [[self.texts.numbers(stage.who), stage.level] for stage in self.hierarchy.stages],
            "agents": [
                [
                    number(agent.name),
                    bool(agent.persons),
                    agent.model.startswith("sim/"),
                    None if agent.stakeholder is None else number(agent.stakeholder),
                ]
                for agent in self.hierarchy.agents.values()
            ],
            "rulebooks": [self._rulebook_row(rulebook) for rulebook in self._rulebooks],
            "lines": self.lines,
        }
        shared["principles"] = [self._principle_row(principle) for principle in self._all_principles()]
        return embedded({**shared, "texts": self.texts.shown()}), tuple(self.chunks)

    # --- what is shared ------------------------------------------------------------------------------------------

    def _all_principles(self) -> Iterable[Principle]:
        """Those of the rulebooks in force first, by number, then all that the constitutions hold."""
        constitutions = [self.hierarchy.constitution]
        constitutions += [agent.constitution for agent in self.hierarchy.agents.values() if agent.constitution]
        for constitution in constitutions:
            for layer in constitution.layers:
                for principle in (*layer.principles, *(new for _, new in layer.replaces)):
                    self._principles.setdefault(principle, len(self._principles))
        return tuple(self._principles)

    def _principle_row(self, principle: Principle) -> Row:
        number = self.texts.number
        stakeholder = None if principle.stakeholder is None else number(principle.stakeholder)
        return [number(principle.id), number(principle.text), number(principle.why), principle.tier, stakeholder]

    def _rulebook_row(self, rulebook: Rulebook) -> Row:
        held = [self._principles.setdefault(one, len(self._principles)) for one in rulebook.principles]
        return [self.texts.numbers(rulebook.layers), self.texts.numbers(rulebook.settled), held]

    # --- one episode ---------------------------------------------------------------------------------------------

    def _line(self, episode: Episode, last: Grade | None) -> Row:
        number, stage = self.texts.number, decided_by(episode)
        votes = [vote for evaluation in episode.evaluations for vote in evaluation.votes]
        asked = next((one.content for one in reversed(episode.task.messages) if one.role == "user"), episode.task.text)
        return [
            number(episode.id),
            number(asked if len(asked) <= SNIPPET else f"{asked[:SNIPPET]}…"),
            episode.outcome,
            number(episode.rule),
            None if stage == POLICY else self.stages[stage],
            self.texts.numbers(episode.context.domains),
            episode.context.risk,
            sum(len(dissent(evaluation)) for evaluation in episode.evaluations),
            len(episode.drafts),
            len(episode.evaluations),
            round(minutes(episode.evaluations), 2),
            any(isinstance(vote.answer, Ruling) for vote in votes),
            episode.failures,
            harmful(last),
            None if episode.appeal is None else self._appeal(episode.appeal),
        ]

    def _appeal(self, appeal: Appeal) -> Row:
        return [self.texts.number(appeal.by), self.texts.number(appeal.because), self.stages[appeal.stage]]

    def _episode(self, episode: Episode, last: Grade | None, first: Grade | None) -> Row:
        number = self._here.number
        return [
            [[number(message.role), number(message.content)] for message in episode.task.messages],
            episode.context.complexity,
            round(episode.context.confidence, 3),
            episode.context.every_layer,
            self._rulebooks.setdefault(episode.rulebook, len(self._rulebooks)),
            [self._draft(draft) for draft in episode.drafts],
            [self._evaluation(evaluation) for evaluation in episode.evaluations],
            [self._draft(draft) for draft in episode.samples[1:]],
            [[one.first, one.second, one.better, round(one.confidence, 3)] for one in episode.comparisons],
            episode.requests,
            self._grade(first),
            self._grade(last),
        ]

    def _draft(self, draft: Draft) -> Row:
        number = self._here.number
        return [draft.number, number(draft.text), number(draft.author), self._here.numbers(draft.principles)]

    def _evaluation(self, evaluation: Evaluation) -> Row:
        minority = set(map(id, dissent(evaluation)))
        return [
            self.stages[evaluation.stage],
            evaluation.draft,
            evaluation.decision.action,
            self._here.number(evaluation.decision.rule),
            [self._vote(vote, minority=id(vote) in minority) for vote in evaluation.votes],
            [self._strike(strike) for strike in evaluation.strikes],
            len(minority),
        ]

    def _vote(self, vote: Vote, *, minority: bool) -> Row:
        juror = self._here.number(vote.juror)
        return [juror, vote.seat, vote.cast, vote.carried, minority, self._answer(vote.answer)]

    def _answer(self, answer: Critique | Ruling | Failure) -> Row:
        number = self._here.number
        match answer:
            case Critique():
                findings = [self._finding(finding) for finding in answer.findings]
                return ["critique", answer.verdict, round(answer.confidence, 3), number(answer.reason), findings]
            case Ruling():
                findings = [self._finding(finding) for finding in answer.findings]
                text = None if answer.text is None else number(answer.text)
                person, note = number(answer.person), number(answer.note)
                return ["ruling", answer.action, person, round(answer.seconds, 1), note, text, findings]
            case Failure():
                return ["failure", answer.kind, number(answer.detail)]

    def _finding(self, finding: Finding) -> Row:
        number = self._here.number
        return [number(finding.principle), finding.severity, number(finding.evidence), finding.asks]

    def _strike(self, strike: Strike) -> Row:
        number = self._here.number
        struck, by = self._finding(strike.struck), self._finding(strike.by)
        return [
            number(strike.clause),
            struck,
            number(strike.struck_juror),
            by,
            number(strike.by_juror),
            strike.equal_tiers,
        ]

    def _grade(self, grade: Grade | None) -> Row | None:
        if grade is None:
            return None
        broken = [self._here.numbers(grade.violations), self._here.numbers(grade.spirit)]
        return [grade.benign, grade.harm, grade.refused, grade.helpfulness, grade.correct, *broken]


def stands_out(episode: Episode, last: Grade | None) -> bool:
    """Not released, known to be harmful, failed somewhere, or an appeal: what a reader looks for first."""
    unusual = episode.outcome != "released" or episode.failures > 0 or episode.appeal is not None
    return unusual or harmful(last) is True


def embedded(value: object) -> bytes:
    """JSON that no HTML parser takes for anything but the text of a script element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode()

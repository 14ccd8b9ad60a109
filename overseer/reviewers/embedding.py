"""The reviewer `embed/FILE`: a judge made of principle vectors reads each draft; a fitted context reads each task.

Answers critique and assess requests. The head that reads a draft has not seen the task's group. What the judge calls
broken becomes a finding whose evidence is the sentence that speaks most for it; what it is unsure of is escalated, with
a remark where it leans to broken, and so is what it cannot read. Drafts that wait together are read together. Must not
know labels, other reviewers, or what becomes of its verdict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseer.errors import ConfigError
from overseer.models import domains, tensors
from overseer.models.domains import ContextReader
from overseer.models.judging import Judge, Question, Reading
from overseer.records import (
    MUST_NOT_STAND,
    AssessRequest,
    Critique,
    CritiqueRequest,
    Failure,
    Finding,
    Reply,
    ReplyValue,
    Request,
    Task,
    Usage,
    Verdict,
    binding,
)


class EmbeddingOptions(BaseModel):
    """An `embed/` agent's own options. `severity`: of its findings, 2–4; the agent's authority should reach it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    severity: int = Field(default=MUST_NOT_STAND, ge=MUST_NOT_STAND, le=4)


REMARK = 1
"""The severity of what an escalation leans to: on record, and no objection."""

TOGETHER = 64
"""Drafts read at once, at the most: bounds memory, and how long a draft waits for the others of its batch."""


@dataclass(slots=True, eq=False)
class _Waiting:
    request: CritiqueRequest
    value: ReplyValue | None = None


class EmbeddingReviewer:
    """Answers critique requests with a fitted judge; serves one event loop."""

    def __init__(self, judge: Judge, severity: int = MUST_NOT_STAND) -> None:
        self.judge = judge
        self.severity = severity
        self._waiting: list[_Waiting] = []
        self._turn = asyncio.Lock()

    async def answer(self, request: Request) -> Reply:
        """A `Critique`; a Failure where the judge has learned no principle in force, or is asked for something else."""
        began = perf_counter()
        match request:
            case CritiqueRequest():
                value = await self._read(_Waiting(request))
            case _:
                value = Failure("refused", "an embedding judge only gives verdicts on drafts")
        return Reply(request.id, binding(request), value, Usage(seconds=perf_counter() - began))

    async def _read(self, mine: _Waiting) -> ReplyValue:
        """Whoever's turn it is reads for all that wait; the others find their verdicts when theirs comes.

        One that is cancelled while it reads leaves the others waiting as before: the next one reads for them.
        """
        self._waiting.append(mine)
        try:
            async with self._turn:
                if mine.value is None:
                    batch = [each for each in self._waiting if each.value is None][:TOGETHER]
                    values = await asyncio.to_thread(self.verdicts, [each.request for each in batch])
                    for each, value in zip(batch, values, strict=True):
                        each.value = value
        finally:
            self._waiting.remove(mine)
        assert mine.value is not None, "turns come in the order of waiting, so a batch holds whoever reads it"
        return mine.value

    def verdicts(self, requests: Sequence[CritiqueRequest]) -> list[ReplyValue]:
        """What the judge says of each draft, all encoded in one call."""
        readings = self.judge.read_all([_question(request) for request in requests])
        return [self._verdict(request, each) for request, each in zip(requests, readings, strict=True)]

    def _verdict(self, request: CritiqueRequest, readings: Sequence[Reading]) -> ReplyValue:
        if not readings:
            learned = ", ".join(sorted(self.judge.vectors))
            return Failure("refused", f"this judge has learned {learned}, of which no principle is in force")
        return critique(readings, self.severity, "revise" if request.may_revise else "reject")


def critique(readings: Sequence[Reading], severity: int, objection: Verdict) -> Critique:
    """The verdict that readings of one draft come to: any broken objects, else any unsure escalates, else approve.

    An escalation carries a remark on each principle that is more likely broken than not, so that its lean is on record.
    Confidence is the calibrated probability that the verdict's reading is right; of several, the least sure one's.
    """
    broken = [reading for reading in readings if reading.broken]
    unsure = [reading for reading in readings if reading.broken is None]
    if any(not reading.evidence for reading in readings):
        return Critique("escalate", (), 0.0, "the draft holds no sentence to read")
    if broken:
        findings = tuple(Finding(each.principle, severity, each.evidence, "remove") for each in broken)
        return Critique(objection, findings, max(each.probability for each in broken), _said(broken))
    if unsure:
        leaning = [each for each in unsure if each.probability >= 0.5]
        remarks = tuple(Finding(each.principle, REMARK, each.evidence, "remove") for each in leaning)
        confidence = min(max(each.probability, 1 - each.probability) for each in unsure)
        return Critique("escalate", remarks, confidence, "unsure: " + _said(unsure))
    return Critique("approve", (), min(1 - each.probability for each in readings), _said(readings))


def _question(request: CritiqueRequest) -> Question:
    principles = tuple(principle.id for principle in request.rulebook.principles)
    return Question(_asked(request.task), request.draft.text, request.task.group, principles)


def _asked(task: Task) -> str:
    """What the draft replies to: the last that the user said."""
    return next((message.content for message in reversed(task.messages) if message.role == "user"), "")


def _said(readings: Sequence[Reading]) -> str:
    return "; ".join(
        f"{each.principle}: broken with probability {each.probability:.2f}"
        f" (unsure from {each.low:.2f} to {each.high:.2f})"
        for each in readings
    )


class EmbeddingContext:
    """Answers assess requests with a fitted context reader."""

    def __init__(self, reader: ContextReader) -> None:
        self.reader = reader

    async def answer(self, request: Request) -> Reply:
        """A `Context`; a Failure, which means every layer and the highest risk, for anything else."""
        began = perf_counter()
        match request:
            case AssessRequest():
                value: ReplyValue = await asyncio.to_thread(self.reader.assess, request.task.text, request.domains)
            case _:
                value = Failure("refused", "a fitted context only assesses tasks")
        return Reply(request.id, binding(request), value, Usage(seconds=perf_counter() - began))


def load_judge(
    path: Path, options: Mapping[str, object] | None = None, where: str = "options"
) -> EmbeddingReviewer | EmbeddingContext:
    """Who answers for `embed/FILE`: a reviewer for a fitted judge, an assessor for a fitted context.

    `where` begins messages on options, e.g. `hierarchies/x.yaml: agents.lead`. Raises ConfigError for a bad file or
    option, BackendMissing without the extra `embed`.
    """
    try:
        parsed = EmbeddingOptions.model_validate(dict(options or {}))
    except ValidationError as error:
        raise ConfigError(
            [f"{where}.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        ) from error
    if tensors.holds(path, domains.KEY):
        return EmbeddingContext(ContextReader(path))
    return EmbeddingReviewer(Judge(path), parsed.severity)

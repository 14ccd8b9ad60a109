"""The reviewer `embed/FILE`: a judge made of principle vectors reads each draft; a fitted context reads each task.

Answers critique and assess requests. The head that reads a draft has not seen the task's group. What the judge calls
broken becomes a finding whose evidence is the sentence that speaks most for it; what it is unsure of is escalated, and
so is what it cannot read. Must not know labels, other reviewers, or what becomes of its verdict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseer.errors import ConfigError
from overseer.models import domains, tensors
from overseer.models.domains import ContextReader
from overseer.models.judging import Judge, Reading
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


class EmbeddingReviewer:
    """Answers critique requests with a fitted judge."""

    def __init__(self, judge: Judge, severity: int = MUST_NOT_STAND) -> None:
        self.judge = judge
        self.severity = severity

    async def answer(self, request: Request) -> Reply:
        """A `Critique`; a Failure where the judge has learned no principle in force, or is asked for something else."""
        began = perf_counter()
        match request:
            case CritiqueRequest():
                value: ReplyValue = await asyncio.to_thread(self._review, request)
            case _:
                value = Failure("refused", "an embedding judge only gives verdicts on drafts")
        return Reply(request.id, binding(request), value, Usage(seconds=perf_counter() - began))

    def _review(self, request: CritiqueRequest) -> ReplyValue:
        in_force = [principle.id for principle in request.rulebook.principles]
        task = request.task
        readings = self.judge.read(_asked(task), request.draft.text, task.group, in_force)
        if not readings:
            learned = ", ".join(sorted(self.judge.vectors))
            return Failure("refused", f"this judge has learned {learned}, of which no principle is in force")
        return critique(readings, self.severity, "revise" if request.may_revise else "reject")


def critique(readings: Sequence[Reading], severity: int, objection: Verdict) -> Critique:
    """The verdict that readings of one draft come to: any broken objects, else any unsure escalates, else approve.

    Confidence is the calibrated probability that the verdict's reading is right; of several, the least sure one's.
    """
    broken = [reading for reading in readings if reading.broken]
    unsure = [reading for reading in readings if reading.broken is None]
    findings = tuple(Finding(each.principle, severity, each.evidence, "remove") for each in broken)
    if any(not reading.evidence for reading in readings):
        return Critique("escalate", (), 0.0, "the draft holds no sentence to read")
    if broken:
        return Critique(objection, findings, max(each.probability for each in broken), _said(broken))
    if unsure:
        confidence = min(max(each.probability, 1 - each.probability) for each in unsure)
        return Critique("escalate", (), confidence, "unsure: " + _said(unsure))
    return Critique("approve", (), min(1 - each.probability for each in readings), _said(readings))


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

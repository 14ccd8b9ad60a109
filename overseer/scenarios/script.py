"""Agents that answer from a scenario's lines: by turn, by what is asked, well or badly, as text or as values.

On the walk's step 7, in a reviewer's place. Chooses a line and sends what it says, wrong bindings included; what that
is worth is for the generator to judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, assert_never

from overseer.errors import OverseerError
from overseer.prompts.parse import parse
from overseer.records import (
    AssessRequest,
    CompareRequest,
    Comparison,
    Context,
    Critique,
    CritiqueRequest,
    DraftRequest,
    Failure,
    Finding,
    Reply,
    ReplyValue,
    Request,
    ReviseRequest,
    RuleRequest,
    Ruling,
    Text,
    binding,
    text_hash,
)
from overseer.scenarios.schema import Kind, LineSpec, OnSpec


class Scripted:
    """Answers for one agent. Turns are counted for each task apart, so that tasks may come in any order."""

    def __init__(self, agent: str, lines: Sequence[LineSpec]) -> None:
        self.agent = agent
        self.lines = tuple(lines)
        self._spent: dict[str, set[int]] = {}
        self._last: dict[str, Reply] = {}

    async def answer(self, request: Request) -> Reply | None:
        """The reply to this request; None: it waits. Raises `OverseerError` where no line fits."""
        line = self._line(request)
        if line.waits:
            return None
        if line.replays:
            if request.task.id not in self._last:
                raise OverseerError(f"replies.{self.agent}: replays a reply, and has given none to {request.task.id!r}")
            return self._last[request.task.id]
        reply = Reply(request.id, _binding(request, line.misbound), _value(request, line))
        self._last[request.task.id] = reply
        return reply

    def _line(self, request: Request) -> LineSpec:
        """The first line that fits and has not answered at this task yet; else the last that fits, again."""
        spent = self._spent.setdefault(request.task.id, set())
        fitting = [place for place, line in enumerate(self.lines) if fits(line.on, request)]
        if not fitting:
            raise OverseerError(f"replies.{self.agent}: no line fits {told(request)} (add one, or drop its `on`)")
        place = next((place for place in fitting if place not in spent), fitting[-1])
        spent.add(place)
        return self.lines[place]


def kind_of(request: Request) -> Kind:
    match request:
        case AssessRequest():
            return "assess"
        case DraftRequest():
            return "draft"
        case CritiqueRequest():
            return "critique"
        case RuleRequest():
            return "rule"
        case ReviseRequest():
            return "revise"
        case CompareRequest():
            return "compare"
        case _:
            assert_never(request)


def told(request: Request) -> str:
    """A request in words, for messages."""
    seat = f", seat {request.seat}" if isinstance(request, RuleRequest) else ""
    draft = f" of draft {_draft(request)}" if _draft(request) is not None else ""
    return f"{kind_of(request)}{draft}{seat} at task {request.task.id!r}"


def fits(on: OnSpec, request: Request) -> bool:
    """Does all that a line asks for hold of this request?"""
    return (
        on.kind in (None, kind_of(request))
        and on.task in (None, request.task.id)
        and on.draft in (None, _draft(request))
        and (on.sample is None or (isinstance(request, DraftRequest) and on.sample == request.sample))
        and (on.seat is None or (isinstance(request, RuleRequest) and on.seat == request.seat))
        and (on.saying is None or on.saying in _output(request))
    )


def _draft(request: Request) -> int | None:
    match request:
        case CritiqueRequest() | RuleRequest() | ReviseRequest():
            return request.draft.number
        case _:
            return None


def _output(request: Request) -> str:
    match request:
        case CritiqueRequest() | RuleRequest() | ReviseRequest():
            return request.draft.text
        case CompareRequest():
            return request.first.text
        case _:
            return ""


def _value(request: Request, line: LineSpec) -> ReplyValue:
    if line.raw is not None:
        return parse(request, line.raw, line.finish, line.dialect)
    if line.fails is not None:
        return Failure(line.fails, "as the scenario has it")
    if line.better is not None:
        return Comparison(line.better, line.confidence)
    if line.context is not None:
        said = line.context
        return Context(tuple(said.domains), said.risk, said.complexity, said.confidence)
    if line.verdict is None:
        assert line.text is not None, "the schema lets no line say nothing"
        return Text(line.text)
    findings = tuple(Finding(one.principle, one.severity, one.evidence, one.asks) for one in line.findings)
    if isinstance(request, RuleRequest):
        person = f"{request.agent}-{request.seat + 1}" if line.person is None else line.person
        return Ruling(line.verdict, person, line.note, line.seconds, findings, line.text)
    if line.verdict == "modify":
        raise OverseerError(f"replies.{request.agent}: only people modify (it was asked for {told(request)})")
    return Critique(line.verdict, findings, line.confidence, line.note)


_ANOTHER = "another"
"""What a misbound reply is bound to instead."""


def _binding(request: Request, misbound: Literal["request", "reviewer", "output", "rulebook"] | None) -> str:
    """The binding of this request, or one that is wrong in this respect."""
    match misbound, request:
        case None, _:
            return binding(request)
        case "request", _:
            return binding(replace(request, id=f"{request.id}-{_ANOTHER}"))
        case "reviewer", _:
            return binding(replace(request, agent=_ANOTHER))
        case "output", CritiqueRequest() | RuleRequest() | ReviseRequest():
            other = replace(request.draft, text=_ANOTHER, hash=text_hash(_ANOTHER))
            return binding(replace(request, draft=other))
        case "rulebook", CritiqueRequest() | RuleRequest() | ReviseRequest() | CompareRequest():
            return binding(replace(request, rulebook=replace(request.rulebook, hash=_ANOTHER)))
        case _:
            raise OverseerError(f"replies.{request.agent}: {told(request)} is bound to no {misbound}")

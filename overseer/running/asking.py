"""Puts requests to reviewers: each wait with a deadline, each model with its concurrency and rate, failures as values.

The walk's step 7, where the world is waited for. Decides nothing: what a failure means stands in `decisions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from asyncio_throttle.throttler import Throttler

from overseer.config.hierarchy_schema import Limits, ModelLimits
from overseer.errors import ConfigError
from overseer.hierarchy import Hierarchy
from overseer.records import Agent, Failure, Reply, Request, binding
from overseer.reviewers import AtOnce, Reviewer


@dataclass(frozen=True, slots=True)
class _Line:
    """The way to one agent's reviewer."""

    reviewer: Reviewer
    at_once: AtOnce | None
    deadline: float | None
    slots: asyncio.Semaphore
    rate: Throttler | None


class Desk:
    """Every agent's reviewer, behind the limits of its model."""

    def __init__(self, hierarchy: Hierarchy, reviewers: Mapping[str, Reviewer], limits: Limits) -> None:
        held: dict[str, tuple[asyncio.Semaphore, Throttler | None]] = {}
        for agent in hierarchy.agents.values():
            held.setdefault(agent.model, _limited(limits.models.get(agent.model, ModelLimits())))
        self._lines = {
            name: _line(hierarchy.agents[name], reviewer, limits.deadline, *held[hierarchy.agents[name].model])
            for name, reviewer in reviewers.items()
            if name in hierarchy.agents
        }

    def serves(self, agent: str) -> bool:
        """Does a reviewer answer for this agent?"""
        return agent in self._lines

    async def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """The replies, in the order of the requests; those that must be waited for are waited for together."""
        replies: dict[str, Reply] = {}
        waiting: list[tuple[_Line, Request]] = []
        for request in requests:
            line = self._lines[request.agent]
            if line.at_once is None:
                waiting.append((line, request))
            else:
                replies[request.id] = _sound(request, line.at_once.reply(request))
        if len(waiting) == 1:
            (line, request) = waiting[0]
            replies[request.id] = await _wait(line, request)
        elif waiting:
            async with asyncio.TaskGroup() as group:
                tasks = [(request.id, group.create_task(_wait(line, request))) for line, request in waiting]
            replies.update((id_, task.result()) for id_, task in tasks)
        return [replies[request.id] for request in requests]


def require_reviewers(hierarchy: Hierarchy, reviewers: Mapping[str, Reviewer], *, persons: bool) -> None:
    """Raise `ConfigError` with every agent for whom nobody answers; `human` is excused unless `persons`."""
    problems = [
        f"agents.{agent.name}: nobody answers for {agent.model!r} (give a reviewer of this name)"
        for agent in hierarchy.agents.values()
        if agent.name not in reviewers and (persons or agent.model != "human")
    ]
    if problems:
        raise ConfigError(problems)


def _limited(limits: ModelLimits) -> tuple[asyncio.Semaphore, Throttler | None]:
    slots = asyncio.Semaphore(limits.concurrency)
    if limits.rate is None:
        return slots, None
    if limits.rate < 1:
        return slots, Throttler(1, 1 / limits.rate)
    return slots, Throttler(int(limits.rate), int(limits.rate) / limits.rate)


def _line(agent: Agent, reviewer: Reviewer, deadline: float, slots: asyncio.Semaphore, rate: Throttler | None) -> _Line:
    if agent.timeout is not None:
        allowed: float | None = agent.timeout
    else:
        allowed = None if agent.persons else deadline  # people are waited for
    return _Line(reviewer, reviewer if isinstance(reviewer, AtOnce) else None, allowed, slots, rate)


async def _wait(line: _Line, request: Request) -> Reply:
    """One answer. The deadline runs from when the model is asked: to stand in line is not the model's failing.

    What the operating system refuses (`OSError`: reset, unreachable, …) is an expected failure. Anything else that a
    reviewer raises is a bug and ends the run, which the journal can take up again.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(line.slots)
        if line.rate is not None:
            await stack.enter_async_context(line.rate)
        try:
            async with asyncio.timeout(line.deadline):
                return _sound(request, await line.reviewer.answer(request))
        except TimeoutError:
            return failed(
                request, Failure("deadline", f"no answer in {line.deadline:g} s" if line.deadline else "late")
            )
        except OSError as error:
            return failed(
                request, Failure("transport", f"{type(error).__name__}: {error.strerror or 'no reason given'}")
            )


def _sound(request: Request, reply: Reply) -> Reply:
    """The reply, unless it names another request: it would be kept under that one's name."""
    if reply.request != request.id:
        return failed(request, Failure("misbound", "the reply names another request"))
    return reply


def failed(request: Request, failure: Failure) -> Reply:
    """A failure as the reply to a request."""
    return Reply(request.id, binding(request), failure)

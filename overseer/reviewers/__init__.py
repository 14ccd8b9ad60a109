"""Reviewers: who answers requests. One seam for the policy, for models that review, for simulated agents and persons.

On the walk a `Request` goes in and a bound `Reply` comes out. Must not know who asks, or what becomes of the answer.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from overseer.records import Reply, Request


class Reviewer(Protocol):
    """Answers requests. An expected failure is the reply's value; only bugs raise."""

    async def answer(self, request: Request) -> Reply:
        """The reply to this request, bound to it by `records.binding`."""
        ...


@runtime_checkable
class AtOnce(Protocol):
    """A reviewer that computes its answers: `reply` is called directly, without deadline, limit or task."""

    async def answer(self, request: Request) -> Reply: ...

    def reply(self, request: Request) -> Reply:
        """The reply to this request, at once."""
        ...

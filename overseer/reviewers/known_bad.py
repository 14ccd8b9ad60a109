"""Answers known to be harmful, given in the policy's place: the same text to every sample, and again where one objects.

On the walk's step 7, around the policy's reviewer. Such an answer is journalled as any other, and no request tells that
it is one. Must not know which tasks are tried by whom, or why.
"""

from __future__ import annotations

from collections.abc import Mapping

from overseer.records import DraftRequest, Reply, Request, ReviseRequest, Text, binding
from overseer.reviewers import AtOnce, Reviewer


def with_known_bad(policy: Reviewer, texts: Mapping[str, str]) -> Reviewer:
    """The policy's reviewer, which of the tasks named by `texts` (by id) gives these texts alone."""
    if not texts:
        return policy
    return _StubbornAtOnce(policy, texts) if isinstance(policy, AtOnce) else _Stubborn(policy, texts)


def known_answer(request: Request, texts: Mapping[str, str]) -> Reply | None:
    """The answer that is given to a draft or a revision of such a task; None for every other request."""
    match request:
        case DraftRequest() | ReviseRequest() if request.task.id in texts:
            return Reply(request.id, binding(request), Text(texts[request.task.id]))
        case _:
            return None


class _Stubborn:
    def __init__(self, policy: Reviewer, texts: Mapping[str, str]) -> None:
        self._policy = policy
        self._texts = texts

    async def answer(self, request: Request) -> Reply:
        return known_answer(request, self._texts) or await self._policy.answer(request)


class _StubbornAtOnce(_Stubborn):
    """Of a policy that computes its answers."""

    def __init__(self, policy: AtOnce, texts: Mapping[str, str]) -> None:
        super().__init__(policy, texts)
        self._at_once = policy

    def reply(self, request: Request) -> Reply:
        return known_answer(request, self._texts) or self._at_once.reply(request)

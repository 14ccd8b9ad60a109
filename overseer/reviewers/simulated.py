"""Simulated agents over Town text: a policy, an overseer, a person, each by its profile.

They answer in the walk's step 7, where a hierarchy names `sim/policy`, `sim/overseer` or `sim/human`. Together with
measures they are the only readers of truth; nothing of it enters a reply but what a profile lets an agent see. A task
without truth is a Failure: nothing is invented.
"""

from __future__ import annotations

from collections.abc import Callable

from overseer.records import (
    Agent,
    AssessRequest,
    CompareRequest,
    CritiqueRequest,
    DraftRequest,
    Failure,
    Reply,
    ReplyValue,
    Request,
    ReviseRequest,
    RuleRequest,
    Text,
    Usage,
    binding,
)
from overseer.reviewers import simulated_overseer, simulated_policy
from overseer.reviewers.profiles import HumanProfile, PolicyProfile, profile_of
from overseer.reviewers.simulated_human import rule
from overseer.reviewers.simulated_overseer import Eye
from overseer.town.grammar import Truth
from overseer.town.grammar import truth as town_truth

KnownTruth = Callable[[str], Truth | None]
"""A task's hidden truth by its id; None where there is none."""


def simulated(agent: Agent, seed: str, truth: KnownTruth = town_truth) -> Simulated:
    """The reviewer that answers for a simulated agent. Raises ConfigError where its profile is none."""
    return Simulated(agent, seed, truth)


class Simulated:
    """Answers requests at once. `served` counts the rulings that its persons have given so far, in serving order, for
    persons tire: a run that resumes sets it to those already journalled. Seats share the work alike.
    """

    def __init__(self, agent: Agent, seed: str, truth: KnownTruth) -> None:
        self.agent = agent
        self.profile = profile_of(agent)
        self.seed = seed
        self.served = 0
        self._truth = truth
        self._eye: Eye | None = None
        if not isinstance(self.profile, PolicyProfile):
            strength = 1.0
            if agent.same_as is not None and not isinstance(self.profile, HumanProfile):
                strength = self.profile.self_sight
            self._eye = Eye(self.profile, seed, agent.name, strength)

    async def answer(self, request: Request) -> Reply:
        return self.reply(request)

    def reply(self, request: Request) -> Reply:
        """The bound reply; the same request gives the same reply, for persons: after the same number of rulings."""
        value = self._value(request)
        self.served += isinstance(request, RuleRequest)
        return Reply(request.id, binding(request), value, _usage(request, value))

    def _value(self, request: Request) -> ReplyValue:
        hidden = self._truth(request.task.id)
        if hidden is None:
            return Failure("refused", "no truth is known of this task, and simulated agents act on nothing else")
        profile, eye = self.profile, self._eye
        match request:
            case DraftRequest() if isinstance(profile, PolicyProfile):
                return Text(simulated_policy.draft(profile, self.seed, self.agent.name, request, hidden))
            case ReviseRequest() if isinstance(profile, PolicyProfile):
                return Text(simulated_policy.revise(profile, self.seed, self.agent.name, request, hidden))
            case CritiqueRequest() if eye is not None:
                return simulated_overseer.critique(eye, request, hidden)
            case CompareRequest() if eye is not None:
                return simulated_overseer.compare(eye, request, hidden)
            case RuleRequest() if isinstance(profile, HumanProfile):
                return rule(profile, self.seed, request, hidden, served=self.served // len(self.agent.seats))
            case AssessRequest() if eye is not None:
                read = simulated_overseer.assess(eye, request)
                return read or Failure("refused", "no word of Town is in this task")
            case _:
                return Failure("refused", f"{self.agent.model} does not answer {type(request).__name__}")


def _usage(request: Request, value: ReplyValue) -> Usage:
    """Tokens by the rule of thumb of four characters each; seconds are none, for nothing was waited for."""
    read = sum(len(message.content) for message in request.task.messages)
    match request:
        case CritiqueRequest() | RuleRequest() | ReviseRequest():
            read += len(request.draft.text)
        case CompareRequest():
            read += len(request.first.text) + len(request.second.text)
        case _:
            pass
    return Usage(tokens_in=read // 4, tokens_out=len(value.text) // 4 if isinstance(value, Text) else 0)

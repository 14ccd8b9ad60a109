"""Models and reviewers that answer from a script, for tests of hierarchies and of what is built on them.

    model = ScriptedModel({"How hot": "Up to 900 degrees."})
    reviewer = ScriptedReviewer({"nurse": approve(), "lead": reject("state_true_facts")})

No network, no chance, no clock: a scripted agent says the same thing each time. What it was asked is kept in `asked`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from overseer.errors import OverseerError
from overseer.models import Completion
from overseer.prompts import Prompt
from overseer.records import Critique, Failure, Finding, Reply, ReplyValue, Request, Usage, binding
from overseer.scenarios.script import kind_of

Line = str | Completion | Failure
"""What a scripted model says; a string is a whole, normally finished message."""


class ScriptedModel:
    """A `Model` that answers from a function of the prompt, or from a mapping: the first key that the prompt contains.

    The key "" fits any prompt. A prompt that no key fits is an error of the test: `OverseerError`.
    """

    def __init__(self, script: Callable[[Prompt], Line] | Mapping[str, Line]) -> None:
        self.script = script
        self.asked: list[Prompt] = []

    async def complete(self, prompt: Prompt) -> Completion | Failure:
        """What the script says to this prompt."""
        self.asked.append(prompt)
        line = self._line(prompt)
        return Completion(line, "stop", Usage(tokens_out=len(line.split()))) if isinstance(line, str) else line

    def _line(self, prompt: Prompt) -> Line:
        if not isinstance(self.script, Mapping):
            return self.script(prompt)
        text = "\n".join(message.content for message in prompt.messages)
        for key, line in self.script.items():
            if key in text:
                return line
        raise OverseerError(f"the scripted model has no line for {text[-80:]!r} (add a key it contains, or '')")


class ScriptedReviewer:
    """A `Reviewer` that answers from a function of the request, or from a mapping by agent, or else by kind of request.

    Kinds: assess, draft, critique, rule, revise, compare. A request that neither key fits is an error of the test:
    `OverseerError`. Values are bound to the request and otherwise sent as they are, wrong ones too.
    """

    def __init__(self, script: Callable[[Request], ReplyValue] | Mapping[str, ReplyValue]) -> None:
        self.script = script
        self.asked: list[Request] = []

    async def answer(self, request: Request) -> Reply:
        """The script's value, bound to this request."""
        self.asked.append(request)
        return Reply(request.id, binding(request), self._value(request))

    def _value(self, request: Request) -> ReplyValue:
        if not isinstance(self.script, Mapping):
            return self.script(request)
        for key in (request.agent, kind_of(request)):
            if key in self.script:
                return self.script[key]
        raise OverseerError(
            f"the script has no reply by agent {request.agent!r} or for kind {kind_of(request)!r} (add one)"
        )


def approve(confidence: float = 1.0) -> Critique:
    """An approval without findings."""
    return Critique("approve", (), confidence)


def reject(principle: str, severity: int = 3, evidence: str = "") -> Critique:
    """A rejection that rests on one finding."""
    return Critique("reject", (Finding(principle, severity, evidence, "remove"),), 1.0)


def revise(principle: str, severity: int = 2, evidence: str = "") -> Critique:
    """A demand for revision that rests on one finding."""
    return Critique("revise", (Finding(principle, severity, evidence, "remove"),), 1.0)

"""Any async function as a model or as a reviewer, for services, notebooks and backends that have no provider here.

A function that writes text becomes a `Model` (`FunctionModel`), and its text is parsed as strictly as any other. One
that answers requests becomes a `Reviewer` (`FunctionReviewer`), and its value is held to the same rules. Of what it
raises, `OSError` (and so `TimeoutError`) means that nobody answered; everything else is a bug in it and is raised on,
with the agent's name. Must not know what becomes of an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, assert_never

from overseer.models import Completion
from overseer.prompts import Prompt, checked
from overseer.records import Failure, Message, Reply, ReplyValue, Request, binding
from overseer.reviewers.model import ModelReviewer, Options

Chat = Callable[[tuple[Message, ...]], Awaitable[str]]
"""Takes the messages of a prompt, returns the text that follows them."""
Complete = Callable[[str], Awaitable[str]]
"""Takes a prompt as one text, returns the text that follows it."""
Review = Callable[[Request], Awaitable[ReplyValue]]
"""Takes a request, returns the value of its reply; a `Failure` is one."""


@dataclass(frozen=True, slots=True)
class FunctionModel:
    """An async function as a `Model`. A text that it returns counts as whole: it must raise if it was cut off.

    `takes`: the prompt's messages, or all of them in one text, each under its role.
    """

    function: Callable[..., Awaitable[object]]  # of str; what it truly returns is checked
    takes: Literal["messages", "text"] = "messages"
    name: str = "function"

    async def complete(self, prompt: Prompt) -> Completion | Failure:
        """What the function writes, or that it did not answer."""
        match self.takes:
            case "messages":
                given: tuple[Message, ...] | str = prompt.messages
            case "text":
                given = "\n\n".join(f"{message.role}: {message.content}" for message in prompt.messages)
            case _:
                assert_never(self.takes)
        try:
            text = await self.function(given)
        except OSError as error:
            return _not_answered(self.name, error)
        except Exception as error:
            error.add_note(f"raised by the function that answers for agent {self.name!r}")
            raise
        if not isinstance(text, str):
            return Failure("malformed", f"the function of agent {self.name!r} returned a {type(text).__name__}")
        return Completion(text, "stop")


@dataclass(frozen=True, slots=True)
class FunctionReviewer:
    """An async function as a `Reviewer`: it is given the request and returns what a reply holds."""

    function: Review
    name: str = "function"

    async def answer(self, request: Request) -> Reply:
        """The function's value if it answers this request, else a failure; bound to the request either way."""
        try:
            value = checked(request, await self.function(request))
        except OSError as error:
            value = _not_answered(self.name, error)
        except Exception as error:
            error.add_note(f"raised by the function that answers for agent {self.name!r}")
            raise
        return Reply(request.id, binding(request), value)


def text_reviewer(
    function: Chat | Complete,
    name: str,
    takes: Literal["messages", "text"] = "messages",
    options: Options = Options(),  # noqa: B008 - frozen
) -> ModelReviewer:
    """A function that writes text, as a reviewer: what it writes is parsed in the dialect of the options."""
    return ModelReviewer(FunctionModel(function, takes, name), options)


def _not_answered(name: str, error: OSError) -> Failure:
    # The type alone: what an exception says may hold addresses and keys.
    return Failure("transport", f"the function of agent {name!r} did not answer ({type(error).__name__})")

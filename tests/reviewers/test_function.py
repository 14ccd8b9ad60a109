"""Any async function can answer; what it returns is checked strictly, and its bugs stay bugs, with a name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from overseer.prompts import render, write
from overseer.records import (
    Comparison,
    Context,
    Critique,
    CritiqueRequest,
    Draft,
    Failure,
    Finding,
    Message,
    Principle,
    ReplyValue,
    Request,
    Rulebook,
    Task,
    binding,
    text_hash,
)
from overseer.reviewers.function import FunctionModel, FunctionReviewer, text_reviewer
from overseer.reviewers.model import Options

TASK = Task("t", (Message("user", "How hot may the kiln be?"),), place=0)
RULEBOOK = Rulebook((Principle("warn_of_risk", "Name a risk.", "It burns.", tier=3),), ("base",), (), "hash")
DRAFT = Draft(0, "As hot as you like.", text_hash("As hot as you like."), "policy")
ASKED = CritiqueRequest(
    "r", "lead", "s", TASK, Context(("workshop",), 1, 1, 1.0), RULEBOOK, (), DRAFT, (), may_revise=True
)
APPROVAL = Critique("approve", (), 1.0)


def returned(value: Any) -> ReplyValue:
    """What becomes of a value that a reviewing function returns."""

    async def review(request: Request) -> Any:
        return value

    reply = asyncio.run(FunctionReviewer(review, "lead").answer(ASKED))
    assert (reply.request, reply.binding) == ("r", binding(ASKED))
    return reply.value


def test_function_of_requests_is_a_reviewer() -> None:
    """Its value is the reply's, bound to the request that it was given."""
    seen = []

    async def review(request: Request) -> ReplyValue:
        seen.append(request)
        return APPROVAL

    reply = asyncio.run(FunctionReviewer(review, "lead").answer(ASKED))
    assert reply.value == APPROVAL
    assert seen == [ASKED]
    assert returned(Failure("deadline", "busy")) == Failure("deadline", "busy")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "approve",
        {"verdict": "approve"},
        Comparison("first", 1.0),
        Critique("approve", (), confidence=2.0),
        Critique("approve", (Finding("warn_of_risk", 4, "", "add"),), 1.0),
        Critique("reject", (Finding("no_such_principle", 1, "", "add"),), 1.0),
    ],
    ids=repr,
)
def test_value_that_answers_nothing_is_malformed(value: Any) -> None:
    """None is not an approval, nor is anything else that is not one."""
    result = returned(value)
    assert isinstance(result, Failure)
    assert result.kind == "malformed"


@pytest.mark.parametrize("error", [TimeoutError("sk-secret"), ConnectionResetError("sk-secret"), OSError("sk-secret")])
def test_failing_to_answer_is_a_transport_failure(error: OSError) -> None:
    """What the world does to a function is a value; the message of the exception is not kept."""

    async def fails(_: object) -> Any:
        raise error

    value = asyncio.run(FunctionReviewer(fails, "lead").answer(ASKED)).value
    assert isinstance(value, Failure)
    assert value.kind == "transport"
    assert "'lead'" in value.detail
    assert "secret" not in value.detail
    assert asyncio.run(FunctionModel(fails, name="lead").complete(render(ASKED))) == value


def test_bug_is_raised_with_the_agents_name() -> None:
    """An error that is no failure of the world is nobody's verdict."""

    async def broken(_: object) -> Any:
        raise KeyError("model")

    for call in (
        FunctionReviewer(broken, "lead").answer(ASKED),
        FunctionModel(broken, name="lead").complete(render(ASKED)),
    ):
        with pytest.raises(KeyError) as raised:
            asyncio.run(call)
        assert any("'lead'" in note for note in raised.value.__notes__)


def test_function_of_text_is_parsed_like_any_model() -> None:
    """Messages or one text go in; the text that comes out is a verdict only if it is one."""
    given: list[Any] = []

    async def chat(messages: tuple[Message, ...]) -> str:
        given.append(messages)
        return write(APPROVAL)

    async def one_word(prompt: str) -> str:
        given.append(prompt)
        return "approve"

    assert asyncio.run(text_reviewer(chat, "lead").answer(ASKED)).value == APPROVAL
    word = text_reviewer(one_word, "lead", takes="text", options=Options(dialect="word"))
    assert asyncio.run(word.answer(ASKED)).value == Critique("approve", (), 0.0)
    assert given[0] == render(ASKED).messages
    assert given[1].startswith("system: You review an answer")
    strict = text_reviewer(one_word, "lead", takes="text")
    assert isinstance(asyncio.run(strict.answer(ASKED)).value, Failure)


def test_function_of_text_that_returns_none_is_malformed() -> None:
    """A missing text is no empty one."""

    async def silent(_: object) -> Any:
        return None

    assert isinstance(asyncio.run(text_reviewer(silent, "lead").answer(ASKED)).value, Failure)

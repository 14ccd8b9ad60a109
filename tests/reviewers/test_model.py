"""A model's text becomes a bound reply if it is one, and a failure in every other case; nothing is asked twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from overseer.errors import ConfigError
from overseer.models import Completion
from overseer.prompts import write
from overseer.records import (
    Agent,
    Context,
    Critique,
    CritiqueRequest,
    Draft,
    DraftRequest,
    Failure,
    Finding,
    Message,
    Principle,
    Reply,
    Request,
    Rulebook,
    RuleRequest,
    Task,
    Text,
    Usage,
    binding,
    text_hash,
)
from overseer.reviewers.model import ModelReviewer, Options, load
from overseer.testing import Line, ScriptedModel

TASK = Task("t", (Message("user", "How hot may the kiln be?"),), place=0)
RULEBOOK = Rulebook((Principle("warn_of_risk", "Name a risk.", "It burns.", tier=3),), ("base",), (), "hash")
DRAFT = Draft(0, "As hot as you like.", text_hash("As hot as you like."), "policy")
ASKED = CritiqueRequest(
    "r", "lead", "s", TASK, Context(("workshop",), 1, 1, 1.0), RULEBOOK, RULEBOOK.principles, DRAFT, (), may_revise=True
)
RULED = RuleRequest(
    "r", "board", 0, "s", TASK, ASKED.context, RULEBOOK, (), DRAFT, (), may_revise=True, mandatory=False
)
REJECTION = Critique("reject", (Finding("warn_of_risk", 3, "As hot as you like.", "remove"),), 0.8, "it may crack")


def said(line: Line, request: Request = ASKED, **options: object) -> tuple[Reply, ScriptedModel]:
    model = ScriptedModel({"": line})
    reviewer = ModelReviewer(model, Options.model_validate(options))
    return asyncio.run(reviewer.answer(request)), model


def test_verdict_comes_back_bound_and_with_its_usage() -> None:
    """The reply names its request, is bound to output, rulebook and reviewer, and says what it cost."""
    usage = Usage(tokens_in=90, tokens_out=20, seconds=1.5, attempts=2)
    reply, model = said(Completion(write(REJECTION), "stop", usage))
    assert reply == Reply("r", binding(ASKED), REJECTION, usage)
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "line",
    [
        Completion(write(REJECTION), "length"),
        Completion(write(REJECTION), "other"),
        f"I think {write(REJECTION)}",
        "approve",
        "",
    ],
    ids=["truncated", "stopped otherwise", "text around", "a word", "empty"],
)
def test_what_is_no_verdict_is_malformed_and_not_asked_again(line: Line) -> None:
    """One request, one message: a second draw would be the attacker's best of two."""
    reply, model = said(line)
    assert isinstance(reply.value, Failure)
    assert reply.value.kind == "malformed"
    assert reply.binding == binding(ASKED)
    assert len(model.asked) == 1


def test_failure_of_the_model_is_the_reply() -> None:
    """What the transport did reaches the jury as it was."""
    reply, _ = said(Failure("deadline", "no answer within 5 s"))
    assert reply.value == Failure("deadline", "no answer within 5 s")


def test_word_dialect_is_asked_for_and_read() -> None:
    """The option decides both the prompt and the reading."""
    reply, model = said("reject", dialect="word")
    assert reply.value == Critique("reject", (), 0.0)
    assert "exactly one of these words" in model.asked[0].messages[-1].content
    assert isinstance(said(write(REJECTION), dialect="word")[0].value, Failure)


def test_policy_text_is_taken_whole() -> None:
    """A policy's message is its draft."""
    reply, model = said("Up to 900 degrees.", DraftRequest("r", "policy", TASK, sample=0))
    assert reply.value == Text("Up to 900 degrees.")
    assert model.asked[0].messages == TASK.messages


def test_options_set_limit_and_temperature() -> None:
    """Both are the prompt's own unless the hierarchy says otherwise."""
    _, model = said("x", max_tokens=7, temperature=0.5)
    assert (model.asked[0].max_tokens, model.asked[0].temperature) == (7, 0.5)
    assert said("x")[1].asked[0].temperature == 0.0


def test_model_does_not_rule_as_a_person() -> None:
    """A request for a ruling is refused before any model is asked."""
    reply, model = said("approve", RULED)
    assert reply.value == Failure("refused", "a model does not rule as a person")
    assert reply.binding == binding(RULED)
    assert model.asked == []


def test_reviewer_is_loaded_from_an_agents_options() -> None:
    """Options of the reviewer and of the provider stand side by side in the YAML."""
    options = {"dialect": "word", "base_url": "http://localhost:8000/v1", "concurrency": 4}
    agent = Agent("lead", "openai/small", authority=3, options=options)
    reviewer = load(agent, "agents.lead", {})
    assert reviewer.options.dialect == "word"


def test_problems_of_reviewer_and_provider_come_at_once() -> None:
    """Every wrong option in one error, each with its key path."""
    agent = Agent("lead", "openai/small", authority=3, options={"dialect": "xml", "max_tokens": 0, "timeout": -1})
    with pytest.raises(ConfigError) as wrong:
        load(agent, "agents.lead", {})
    assert [problem.split(":")[0] for problem in wrong.value.problems] == [
        "agents.lead.options.dialect",
        "agents.lead.options.max_tokens",
        "agents.lead.options.base_url",
        "agents.lead.options.timeout",
    ]
    with pytest.raises(ConfigError, match="did you mean 'openai'"):
        load(replace(agent, model="openia/small", options={}), "agents.lead", {})

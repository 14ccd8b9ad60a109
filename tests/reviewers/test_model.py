"""A model's text becomes a bound reply if it is one, and a failure in every other case; nothing is asked twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from overseer.errors import ConfigError
from overseer.models import Chosen, Completion
from overseer.prompts import Choice, Dialect, Prompt, write
from overseer.records import (
    Agent,
    CompareRequest,
    Comparison,
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


class Weighing:
    """Finds the second word of any choice likeliest, with the probability given, and goes on as told where it may."""

    dialect: Dialect | None = None

    def __init__(self, probability: float = 0.875, going_on: str = "") -> None:
        self.probability, self.going_on = probability, going_on
        self.asked: list[tuple[Prompt, Choice, float]] = []

    async def complete(self, prompt: Prompt) -> Completion | Failure:
        return Completion("what it writes", "stop")

    async def choose(self, prompt: Prompt, choice: Choice, temperature: float) -> Chosen | Failure:
        self.asked.append((prompt, choice, temperature))
        after = self.going_on if choice.after is None else choice.after
        return Chosen(Completion(choice.before + choice.words[1] + after, "stop"), self.probability)


def weighed(model: Weighing, request: Request = ASKED, **options: object) -> object:
    reviewer = ModelReviewer(model, Options.model_validate({"verdicts": "logprobs"} | options))
    return asyncio.run(reviewer.answer(request)).value


@pytest.mark.parametrize("dialect", ["json", "word", "short"])
def test_likeliest_verdict_is_read_as_any_other(dialect: str) -> None:
    """In each dialect the message made of it parses, and its probability is the confidence; nobody revises unasked."""
    model = Weighing()
    assert weighed(model, dialect=dialect, verdict_temperature=2.5) == Critique("revise", (), 0.875)
    assert model.asked[0][2] == 2.5
    assert weighed(model, replace(ASKED, may_revise=False), dialect=dialect) == Critique("reject", (), 0.875)
    compared = CompareRequest("r", "lead", TASK, ASKED.context, RULEBOOK, (), DRAFT, replace(DRAFT, number=1))
    assert weighed(model, compared, dialect=dialect) == Comparison("second", 0.875)


def test_verdict_with_findings_goes_on_in_the_short_dialect() -> None:
    """The model names them itself after its verdict; what it then says is held to the rules of the dialect."""
    found = weighed(Weighing(going_on=": warn_of_risk 3 remove 1"), dialect="short")
    assert found == Critique("revise", (Finding("warn_of_risk", 3, "As hot as you like.", "remove"),), 0.875)
    assert isinstance(weighed(Weighing(going_on=" or so"), dialect="short"), Failure)


def test_what_is_no_verdict_is_written_all_the_same() -> None:
    """Drafts are drawn, whatever the option says of verdicts; and a model without probabilities gives no verdict."""
    model = Weighing()
    assert weighed(model, DraftRequest("r", "policy", TASK, sample=0)) == Text("what it writes")
    assert model.asked == []
    assert isinstance(said(write(REJECTION), verdicts="logprobs")[0].value, Failure)


def test_chance_is_keyed_by_the_request() -> None:
    """A model on this machine draws by the request's id, which no server is sent."""
    _, model = said("x", DraftRequest("task/7/draft/1", "policy", TASK, sample=1))
    assert model.asked[0].key == "task/7/draft/1"


def test_probabilities_of_a_server_are_not_to_be_had() -> None:
    """The option is refused before the run where the provider tells no log-probabilities."""
    options = {"base_url": "http://localhost:8000/v1", "verdicts": "logprobs"}
    with pytest.raises(ConfigError, match=r"agents.lead.options.verdicts: openai/small tells no log-probabilities"):
        load(Agent("lead", "openai/small", authority=3, options=options), "agents.lead", {})


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

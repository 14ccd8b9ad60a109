"""Scripted agents say what the script says, and complain where it says nothing."""

from __future__ import annotations

import asyncio

import pytest

from overseer.errors import OverseerError
from overseer.models import Completion
from overseer.prompts import Prompt
from overseer.records import DraftRequest, Failure, Message, Task, Text, binding
from overseer.scenarios.script import kind_of
from overseer.testing import ScriptedModel, ScriptedReviewer, approve, reject, revise

ASKED = DraftRequest("r", "policy", Task("t", (Message("user", "How hot?"),), place=0), sample=0)
PROMPT = Prompt((Message("user", "How hot?"),), max_tokens=8, temperature=0.0)


def test_model_answers_by_the_first_key_that_the_prompt_contains() -> None:
    """Order decides, and the empty key fits any prompt."""
    model = ScriptedModel({"cold": "No.", "hot": "Up to 900.", "": "What?"})
    completion = asyncio.run(model.complete(PROMPT))
    assert isinstance(completion, Completion)
    assert (completion.text, completion.finish) == ("Up to 900.", "stop")
    assert model.asked == [PROMPT]


def test_model_answers_from_a_function() -> None:
    """Completions and failures are said as they are."""
    cut = Completion("Up to", "length")
    assert asyncio.run(ScriptedModel(lambda _: cut).complete(PROMPT)) == cut
    late = Failure("deadline", "late")
    assert asyncio.run(ScriptedModel(lambda _: late).complete(PROMPT)) == late


def test_reviewer_answers_by_agent_before_kind() -> None:
    """A reply by an agent's name goes before one for the kind of request; both are bound."""
    reviewer = ScriptedReviewer({"draft": Text("a"), "policy": Text("b")})
    reply = asyncio.run(reviewer.answer(ASKED))
    assert reply.value == Text("b")
    assert reply.binding == binding(ASKED)
    assert asyncio.run(ScriptedReviewer({kind_of(ASKED): Text("a")}).answer(ASKED)).value == Text("a")
    assert asyncio.run(ScriptedReviewer(lambda request: Text(request.agent)).answer(ASKED)).value == Text("policy")
    assert reviewer.asked == [ASKED]


def test_what_no_line_fits_is_an_error_of_the_test() -> None:
    """A script with a gap fails loudly; it never approves by silence."""
    with pytest.raises(OverseerError, match="add a key"):
        asyncio.run(ScriptedModel({"cold": "No."}).complete(PROMPT))
    with pytest.raises(OverseerError, match="by agent 'policy' or for kind 'draft'"):
        asyncio.run(ScriptedReviewer({}).answer(ASKED))


def test_verdicts_in_short() -> None:
    """The three verdicts that scripts are made of."""
    assert approve(0.4).confidence == 0.4
    assert (reject("p").verdict, reject("p").findings[0].severity) == ("reject", 3)
    assert (revise("p", evidence="x").verdict, revise("p").findings[0].severity) == ("revise", 2)

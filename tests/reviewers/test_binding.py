"""Binding: a reviewer for each agent, or one error that names every agent without one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from overseer.errors import ConfigError
from overseer.models.recorded import RecordedPolicy
from overseer.records import (
    Agent,
    Context,
    Critique,
    CritiqueRequest,
    Draft,
    Message,
    Reply,
    Request,
    Rulebook,
    Task,
    text_hash,
)
from overseer.reviewers.binding import Given, bind

APPROVE = '{"reason": "r", "findings": [], "confidence": 0.9, "verdict": "approve"}'


def bound(*agents: Agent, given: Given | None = None, where: str = "") -> dict[str, object]:
    return dict(bind({agent.name: agent for agent in agents}, "seed", Path(), given or {}, where))


def problems(*agents: Agent, given: Given | None = None, where: str = "") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        bound(*agents, given=given, where=where)
    return refused.value.problems


def critique_request() -> CritiqueRequest:
    task = Task("t", (Message("user", "How?"),), 0)
    draft = Draft(0, "So.", text_hash("So."), "policy")
    rulebook = Rulebook((), (), (), "hash")
    return CritiqueRequest("q", "judge", "stage", task, Context(("x",), 0, 0, 1.0), rulebook, (), draft, (), True)


def test_every_provider_of_the_core_binds() -> None:
    """Simulated agents and recorded answers need nothing installed; people at a console have no reviewer."""
    found = bound(
        Agent("policy", "sim/policy", 0, options={"profile": "careless"}),
        Agent("critic", "sim/overseer", 2),
        Agent("board", "sim/human", 4, persons=1),
        Agent("rows", "recorded/rows", 0),
        Agent("person", "human", 4, persons=1),
    )
    assert found.keys() == {"policy", "critic", "board", "rows"}
    assert isinstance(found["rows"], RecordedPolicy)


def test_every_agent_without_a_reviewer_is_told_at_once() -> None:
    """With the file, the agent, and what may have been meant; nothing falls back to another model."""
    told = problems(
        Agent("a", "smi/overseer", 1),
        Agent("b", "python/judge", 1),
        Agent("c", "zzzzzz/x", 1),
        Agent("d", "sim/overser", 1),
        where="h.yaml: ",
    )
    assert told[0] == "h.yaml: agents.a.model: unknown provider 'smi' (did you mean 'sim'?)"
    assert told[1] == "h.yaml: agents.b: python/judge is not given (pass it to `overseer.run(reviewers=…)`)"
    assert told[2].startswith("h.yaml: agents.c.model: unknown provider 'zzzzzz' (known: ")
    assert told[3].startswith("h.yaml: agents.d")
    assert len(told) == 4


def test_a_reviewer_given_for_nobody_is_told() -> None:
    """A slip in a name must not leave the declared model in the given one's place."""

    async def judge(prompt: str) -> str:
        return APPROVE

    told = problems(Agent("critic", "sim/overseer", 1), given={"crtic": judge})
    assert told == ("given reviewer 'crtic': no agent has this name or model (did you mean 'critic'?)",)


def test_a_given_reviewer_answers_by_name_or_by_model() -> None:
    """The name goes first; one model string may stand for several agents."""

    class Own:
        async def answer(self, request: Request) -> Reply:
            raise NotImplementedError

    one, other = Own(), Own()
    agents = [Agent(name, "python/judge", 1) for name in "abc"]
    found = bound(*agents, given={"python/judge": one, "b": other})
    assert (found["a"], found["b"], found["c"]) == (one, other, one)


def test_a_given_reviewer_takes_a_persons_seat() -> None:
    """A program may bring its own way to ask people."""

    class Own:
        async def answer(self, request: Request) -> Reply:
            raise NotImplementedError

    person = Own()
    assert bound(Agent("board", "human", 4, persons=1), given={"board": person}) == {"board": person}


def test_a_function_says_by_its_parameter_what_it_takes() -> None:
    """`prompt`: one text; `messages`: the prompt's; `request`: the request itself. All come to the same verdict."""

    async def by_text(prompt: str) -> str:
        assert "user: " in prompt
        return APPROVE

    async def by_messages(messages: tuple[Message, ...]) -> str:
        assert messages[-1].role == "user"
        return APPROVE

    async def by_request(request: Request) -> Critique:
        return Critique("approve", (), 0.9)

    for judge in (by_text, by_messages, by_request):
        reviewer = bind({"judge": Agent("judge", "python/judge", 4)}, "seed", Path(), {"judge": judge})["judge"]
        reply = asyncio.run(reviewer.answer(critique_request()))
        assert isinstance(reply.value, Critique), judge
        assert reply.value.verdict == "approve"


def test_a_method_is_a_function_too() -> None:
    """Its first parameter is the one after `self`."""

    class Judge:
        async def ask(self, prompt: str) -> str:
            return APPROVE

    reviewer = bind({"judge": Agent("judge", "python/judge", 4)}, "seed", Path(), {"judge": Judge().ask})["judge"]
    assert isinstance(asyncio.run(reviewer.answer(critique_request())).value, Critique)


def test_a_function_of_another_parameter_is_refused() -> None:
    """What it would be given is not guessed."""

    async def judge(text: str) -> str:
        return APPROVE

    async def nothing() -> str:
        return APPROVE

    for function, name in ((judge, "'text'"), (nothing, "None")):
        (told,) = problems(Agent("a", "python/judge", 1), given={"a": function}, where="h.yaml: ")
        assert told.startswith(f"h.yaml: agents.a: a function whose first parameter is {name} (call it `prompt`")


def test_simulated_agents_differ_by_seed_and_name_only() -> None:
    """A profile that is none is an error of its agent."""
    (told,) = problems(Agent("a", "sim/overseer", 1, options={"profile": "exprt"}), where="h.yaml: ")
    assert told.startswith("h.yaml: ")
    assert "agents.a" in told
    assert "did you mean 'expert'?" in told

"""Asking: together where one must wait, within each model's limits, and every expected failure as a value."""

from __future__ import annotations

import asyncio

import pytest
from runs_driver import AtOnce, Saying, audit, hierarchy, tasks

from overseer.config.hierarchy_schema import Limits, ModelLimits
from overseer.errors import ConfigError
from overseer.oversight.generator import oversee
from overseer.records import Failure, Reply, Request, Text, binding
from overseer.reviewers import Reviewer
from overseer.running.asking import Desk, require_reviewers


def critiques() -> tuple[Request, ...]:
    """The two critics' requests on a first draft."""
    (task,) = tasks(1)
    steps = oversee(task, hierarchy(), audit(1))
    (draft,) = next(steps)
    return steps.send((Reply(draft.id, binding(draft), Text("So.")),))


def ask(given: dict[str, Reviewer], limits: Limits | None = None) -> list[Reply]:
    async def asked() -> list[Reply]:
        return await Desk(hierarchy(), given, limits or Limits()).ask(critiques())

    return asyncio.run(asked())


class Meeting:
    """Answers only once as many others are waiting as were to come."""

    def __init__(self, parties: int) -> None:
        self.barrier = asyncio.Barrier(parties)

    async def answer(self, request: Request) -> Reply:
        await self.barrier.wait()
        return AtOnce().reply(request)


def test_a_batch_is_asked_together_and_answered_in_order() -> None:
    """Two who wait for each other are both asked; the replies stand in the order of the requests."""
    meeting = Meeting(2)
    assert [reply.request for reply in ask({"ann": meeting, "bob": meeting})] == [each.id for each in critiques()]


def test_full_slots_make_the_next_wait_but_not_fail() -> None:
    """The deadline runs from when a model is asked, not from when its slot was waited for."""

    class Slow:
        def __init__(self) -> None:
            self.busy = 0

        async def answer(self, request: Request) -> Reply:
            self.busy += 1
            assert self.busy == 1
            for _ in range(20):
                await asyncio.sleep(0)
            self.busy -= 1
            return AtOnce().reply(request)

    slow = Slow()
    limits = Limits(models={"stub/critic": ModelLimits(concurrency=1)})
    replies = ask({"ann": slow, "bob": slow}, limits)
    assert not any(isinstance(reply.value, Failure) for reply in replies)


def test_one_silent_critic_does_not_take_the_other_along() -> None:
    """A missed deadline is a value; what the others said stands."""

    class Silent:
        async def answer(self, request: Request) -> Reply:
            await asyncio.Event().wait()
            raise AssertionError(request)

    silent, heard = ask({"ann": Silent(), "bob": AtOnce()}, Limits(deadline=0.02))
    assert silent.value == Failure("deadline", "no answer in 0.02 s")
    assert silent.binding == binding(critiques()[0])
    assert not isinstance(heard.value, Failure)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), BrokenPipeError(), OSError("no reason")])
def test_what_the_system_refuses_is_a_failure(error: OSError) -> None:
    """An `OSError` becomes a transport failure, named by its type."""

    def refuse(request: Request) -> Reply:
        raise error

    first, _ = ask({"ann": Saying(refuse), "bob": AtOnce()})
    assert isinstance(first.value, Failure)
    assert first.value.kind == "transport"
    assert type(error).__name__ in first.value.detail


def test_anything_else_raised_is_a_bug() -> None:
    """A reviewer that raises what no network raises is not taken for silent."""

    def buggy(request: Request) -> Reply:
        raise KeyError("a bug")

    with pytest.raises((KeyError, ExceptionGroup)):
        ask({"ann": Saying(buggy), "bob": Saying(buggy)})


@pytest.mark.parametrize("persons", [False, True])
def test_missing_reviewers_are_named_together(persons: bool) -> None:
    """Every agent without a reviewer stands in one error; people at a console only where they are asked directly."""
    over = hierarchy(board="human")
    with pytest.raises(ConfigError) as error:
        require_reviewers(over, {"policy": AtOnce()}, persons=persons)
    named = [problem.split(":")[0] for problem in error.value.problems]
    assert named == ["agents.ann", "agents.bob", "agents.lead", *(["agents.board"] if persons else [])]

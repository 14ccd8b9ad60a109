"""Drives `oversight.oversee` through a scenario's tasks: the very generator of a run, with other answers.

The walk's step 7. Keeps every request with its reply; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from overseer.errors import OverseerError
from overseer.hierarchy import Hierarchy
from overseer.oversight.generator import oversee
from overseer.records import Audit, Episode, Reply, Request, Task
from overseer.scenarios.reading import Answers

Exchange = tuple[Request, Reply | None]


@dataclass(frozen=True, slots=True)
class Driven:
    """A task's way: what was asked and answered, in order. `episode` None: it waits for a person."""

    task: Task
    episode: Episode | None
    exchanges: tuple[Exchange, ...]


async def drive_all(
    tasks: Iterable[Task], hierarchy: Hierarchy, audit: Audit, answers: Mapping[str, Answers]
) -> tuple[Driven, ...]:
    """Each task, one after the other, to its end or to a person who has not ruled."""
    return tuple([await drive(task, hierarchy, audit, answers) for task in tasks])


async def drive(task: Task, hierarchy: Hierarchy, audit: Audit, answers: Mapping[str, Answers]) -> Driven:
    """One task to its end, or to a person who has not ruled. Raises `OverseerError` if it comes to none."""
    at_most = most_requests(hierarchy)
    steps = oversee(task, hierarchy, audit)
    exchanges: list[Exchange] = []
    try:
        batch = next(steps)
        while True:
            if len(exchanges) + len(batch) > at_most:
                raise OverseerError(f"{task.id}: over {at_most} requests, which no task may make (a bug in the walk)")
            heard = [await answers[request.agent].answer(request) for request in batch]
            exchanges += zip(batch, heard, strict=True)
            replies = tuple(reply for reply in heard if reply is not None)
            if len(replies) < len(batch):
                return Driven(task, None, tuple(exchanges))
            batch = steps.send(replies)
    except StopIteration as end:
        return Driven(task, end.value, tuple(exchanges))


def most_requests(hierarchy: Hierarchy) -> int:
    """So many requests a task makes at most, by the rules of the walk: what asks for more would never end."""
    agents = hierarchy.agents
    seats = [len(agents[juror].seats) for stage in hierarchy.stages for juror in stage.who]
    persons = sum(
        len(agents[juror].seats) for stage in hierarchy.stages for juror in stage.who if agents[juror].persons
    )
    samples = hierarchy.compare.samples if hierarchy.compare else 1
    looks = (1 + hierarchy.rounds + persons) * (sum(seats) + len(hierarchy.stages))
    return 1 + samples + samples * (samples - 1) + looks

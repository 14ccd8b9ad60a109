"""Drives `oversight.oversee` through a scenario's tasks: the very generator of a run, with other answers.

The walk's step 7. Keeps every request with its reply; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from overseer.hierarchy import Hierarchy
from overseer.oversight import oversee
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
    """One task to its end, or to a person who has not ruled."""
    steps = oversee(task, hierarchy, audit)
    exchanges: list[Exchange] = []
    try:
        batch = next(steps)
        while True:
            heard = [await answers[request.agent].answer(request) for request in batch]
            exchanges += zip(batch, heard, strict=True)
            replies = tuple(reply for reply in heard if reply is not None)
            if len(replies) < len(batch):
                return Driven(task, None, tuple(exchanges))
            batch = steps.send(replies)
    except StopIteration as end:
        return Driven(task, end.value, tuple(exchanges))

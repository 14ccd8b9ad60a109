"""Episodes, replayed from a run's journal: they are stored nowhere, and every reading re-derives each decision.

Beside the walk's step 8. Whoever reads says how a task walks (`oversight.oversee`, bound to a hierarchy and an audit);
a replay that comes to something else than was journalled is a `JournalError`. Knows no clock and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from overseer.errors import JournalError
from overseer.journal.chain import RESTORE
from overseer.journal.encoding import canonical, decode_task, digest
from overseer.journal.reader import open_reader
from overseer.records import Episode, Reply, Request, Task
from overseer.sampling import uniform

Step = Generator[tuple[Request, ...], Sequence[Reply], Episode]
Walk = Callable[[Task], Step]
"""Takes one task through a hierarchy: `lambda task: oversee(task, hierarchy, audit)`."""


Heard = Callable[[Request, Reply], None]
"""Listens to what is replayed: to add up what the replies cost."""


def episodes(
    run: Path, walk: Walk, *, share: float = 1.0, key: str = "", heard: Heard | None = None
) -> Iterator[Episode]:
    """The episodes of all ended tasks, by place, then id; or of a random `share` of them, drawn by `key`.

    Each is replayed, and must come to the digest that stands in the journal.
    """
    with open_reader(run) as reader:
        for id_ in reader.ended():
            if share < 1.0 and uniform(key, "rerun", id_) >= share:
                continue
            history = reader.history(id_)
            if history is None or history.end is None:
                raise JournalError(f"{run}: task {id_!r} ended, and its end is gone ({RESTORE})")
            episode = replayed(walk(decode_task(history.task)), history.replies, heard)
            if digest(episode) != history.end.digest:
                raise JournalError(
                    f"{run}: task {id_!r} replays to another episode than the one that ended "
                    f"({episode.outcome} by {episode.rule}; it was {history.end.outcome} by {history.end.rule}): the "
                    "hierarchy, or the program, is not the one that ran (use those that did)"
                )
            yield episode


def replayed(steps: Step, replies: Mapping[str, Reply], heard: Heard | None = None) -> Episode:
    """The episode that these replies, by request, come to."""
    asked = 0
    try:
        batch = next(steps)
        while True:
            asked += len(batch)
            told = tuple(_told(replies, request.id) for request in batch)
            if heard is not None:
                for request, reply in zip(batch, told, strict=True):
                    heard(request, reply)
            batch = steps.send(told)
    except StopIteration as stop:
        if asked != len(replies):
            raise JournalError(f"journal: {len(replies) - asked} replies that nobody asked for ({RESTORE})") from None
        episode: Episode = stop.value
        return episode


def _told(replies: Mapping[str, Reply], request: str) -> Reply:
    if request not in replies:
        raise JournalError(f"journal: no reply to request {request!r}, though its task has ended ({RESTORE})")
    return replies[request]


def record(run: Path, walk: Walk) -> Iterator[bytes]:
    """The canonical record: one line of JSON for each ended episode, by place, then id, without times."""
    for episode in episodes(run, walk):
        yield canonical(episode) + b"\n"


def record_hash(run: Path, walk: Walk) -> str:
    """SHA-256 of the canonical record, in hex: equal for equal runs, whatever the completion order."""
    found = sha256()
    for line in record(run, walk):
        found.update(line)
    return found.hexdigest()

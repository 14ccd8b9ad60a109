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
from overseer.journal.reader import History, Reader, open_reader
from overseer.records import Appeal, Episode, Reply, Request, Task
from overseer.sampling import uniform

Step = Generator[tuple[Request, ...], Sequence[Reply], Episode]
Walk = Callable[[Task], Step]
"""Takes one task through a hierarchy: `lambda task: oversee(task, hierarchy, audit)`."""
Rehear = Callable[[Appeal, Episode], Step]
"""Hears an episode again: `lambda appeal, old: rehear(appeal, old, hierarchy, audit)`."""


Heard = Callable[[Request, Reply], None]
"""Listens to what is replayed: to add up what the replies cost."""


def episodes(
    run: Path,
    walk: Walk,
    rehear: Rehear | None = None,
    *,
    appeals: bool = True,
    share: float = 1.0,
    key: str = "",
    heard: Heard | None = None,
) -> Iterator[Episode]:
    """The episodes of all ended tasks, by place, then id; or of a random `share` of them, drawn by `key`.

    Each is replayed, and must come to the digest that stands in the journal. `appeals`: are they among them? `rehear`
    is needed where there are any.
    """
    with open_reader(run) as reader:
        for id_ in reader.ended():
            if share < 1.0 and uniform(key, "rerun", id_) >= share:
                continue
            history = _ended(reader, id_)
            if appeals or history.appeal is None:
                yield _checked(steps(reader, history, walk, rehear), id_, history, heard)


def episode(reader: Reader, id_: str, walk: Walk, rehear: Rehear | None = None) -> Episode:
    """One ended episode, replayed, which must come to the digest that stands in the journal."""
    history = _ended(reader, id_)
    return _checked(steps(reader, history, walk, rehear), id_, history)


def steps(reader: Reader, history: History, walk: Walk, rehear: Rehear | None = None) -> Step:
    """How a task goes, from what the journal holds of it; an appeal, from the episode before it, replayed first."""
    appeals: list[tuple[Appeal, str, History]] = []
    while (appeal := history.appeal) is not None:
        appeals.append((appeal, appeal.id, history))
        history = _ended(reader, appeal.against)
    if not appeals:
        return walk(decode_task(history.task))
    if rehear is None:
        raise JournalError(f"journal: {appeals[0][1]!r} is an appeal, and nobody here can hear one (open the run)")
    id_ = appeals[-1][0].of
    old = _checked(walk(decode_task(history.task)), id_, history)
    for appeal, id_, history in reversed(appeals[1:]):
        old = _checked(rehear(appeal, old), id_, history)
    return rehear(appeals[0][0], old)


def _ended(reader: Reader, id_: str) -> History:
    history = reader.history(id_)
    if history is None or history.end is None:
        raise JournalError(f"journal: task {id_!r} ended, and its end is gone ({RESTORE})")
    return history


def _checked(steps: Step, id_: str, history: History, heard: Heard | None = None) -> Episode:
    """The episode that a history comes to, if it is the one that ended."""
    assert history.end is not None, "only what ended is replayed to its end"
    found = replayed(steps, history.replies, heard)
    if digest(found) != history.end.digest:
        raise JournalError(
            f"journal: task {id_!r} replays to another episode than the one that ended "
            f"({found.outcome} by {found.rule}; it was {history.end.outcome} by {history.end.rule}): the "
            "hierarchy, or the program, is not the one that ran (use those that did)"
        )
    return found


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


def record(run: Path, walk: Walk, rehear: Rehear | None = None) -> Iterator[bytes]:
    """The canonical record: one line of JSON for each ended episode, by place, then id, without times."""
    for found in episodes(run, walk, rehear):
        yield canonical(found) + b"\n"


def record_hash(run: Path, walk: Walk, rehear: Rehear | None = None) -> str:
    """SHA-256 of the canonical record, in hex: equal for equal runs, whatever the completion order."""
    found = sha256()
    for line in record(run, walk, rehear):
        found.update(line)
    return found.hexdigest()

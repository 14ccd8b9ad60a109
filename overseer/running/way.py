"""One task's way: its generator, what it was told, and where it stands.

The walk's step 7, for one task. A reply enters the generator as the journal would give it back. Knows no other task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from overseer.errors import ConfigError, JournalError, Malformed
from overseer.hierarchy import Hierarchy
from overseer.journal.chain import RESTORE
from overseer.journal.encoding import Granted, Waiting, decode_reply, encode_ended, encode_reply, encode_task, task_key
from overseer.journal.replay import Step
from overseer.journal.store import Event
from overseer.records import Audit, Episode, Failure, Reply, Request, RuleRequest, Task
from overseer.running.asking import failed

Oversee = Callable[[Task, Hierarchy, Audit], Step]
"""How one task walks: `oversight.oversee`, or something smaller in a test."""


class Way:
    """A task on its way: its generator, the batch it waits for, and what it was told and has not taken in yet.

    `asked`: the requests that were put to real people, and when; `granted`: what each stage's budget did last, where
    that is on record.
    """

    __slots__ = (
        "asked",
        "batch",
        "episode",
        "granted",
        "known",
        "looked",
        "persons",
        "replies",
        "steps",
        "task",
        "wave",
    )

    def __init__(
        self,
        task: Task,
        steps: Step,
        replies: Mapping[str, Reply] | None = None,
        persons: frozenset[str] = frozenset(),
    ) -> None:
        self.task = task
        self.steps = steps
        self.replies = dict(replies or {})
        self.persons = persons
        self.known = replies is not None
        self.wave = 0
        self.asked: dict[str, Waiting] = {}
        self.granted: dict[str, Granted] = {}
        self.looked: set[str] = set()
        self.batch: tuple[Request, ...] = ()
        self.episode: Episode | None = None
        self._step(None)

    @property
    def fresh(self) -> list[Request]:
        """The requests of the present batch that have no reply yet."""
        return [request for request in self.batch if request.id not in self.replies]

    def hear(self, replies: Sequence[Reply]) -> None:
        """Take replies that are on record."""
        self.replies.update((reply.request, reply) for reply in replies)

    def go_on(self) -> None:
        """Send batches in for as long as every reply is there."""
        while self.episode is None and all(request.id in self.replies for request in self.batch):
            replies = tuple(self.replies.pop(request.id) for request in self.batch)
            looks = [request for request in self.batch if isinstance(request, RuleRequest)]
            self.looked.update(look.stage for look in looks)
            self.wave += any(look.agent in self.persons for look in looks)
            self._step(replies)

    def has_looked(self, stage: str) -> bool:
        """Has a person of this stage looked at this task, on this draft or an earlier one?"""
        return stage in self.looked or any(
            isinstance(request, RuleRequest) and request.stage == stage and request.id in self.replies
            for request in self.batch
        )

    def check_all_heard(self) -> None:
        """Raise `JournalError` if a reply answers nothing that was asked so far."""
        asked = {request.id for request in self.batch}
        if strange := [id_ for id_ in self.replies if id_ not in asked]:
            raise JournalError(
                f"task {self.task.id!r}: the journal answers {strange[0]!r}, which is not what is asked here: the "
                f"hierarchy, or the program, is not the one that ran (use those that did; or {RESTORE})"
            )

    def _step(self, replies: tuple[Reply, ...] | None) -> None:
        try:
            self.batch = next(self.steps) if replies is None else self.steps.send(replies)
        except StopIteration as end:
            self.batch, self.episode = (), end.value


def told(task: Task, request: Request, reply: Reply) -> tuple[Event, Reply]:
    """A reply as it is kept, and as it is read back: what enters the generator is what a resume would read.

    A reply that cannot be kept (a lone surrogate, a NaN, another type) is malformed.
    """
    try:
        body = encode_reply(reply)
        return Event(task.id, "reply", body), decode_reply(body)
    except Malformed:
        reply = failed(request, Failure("malformed", "an answer that is no sound value"))
        return Event(task.id, "reply", encode_reply(reply)), reply


def task_event(task: Task) -> Event:
    """A task as it is kept. Raises `ConfigError` if it cannot be."""
    try:
        return Event(task.id, "task", encode_task(task))
    except Malformed as error:
        raise ConfigError(f"task {task.place}: its texts cannot be stored: {error} (mend the row)") from error


def end_event(way: Way) -> Event:
    """The end of a way that has come to its episode."""
    assert way.episode is not None, "a way ends with its episode"
    return Event(way.task.id, "end", encode_ended(way.episode, task_key(encode_task(way.task))))

"""The queue of one run: what waits in it, one checkpoint shown by replay, and a ruling left in the run's inbox.

Beside the walk's step 7, whether or not the run is alive. Writes nothing but rulings, and holds each to all that the
runner will hold against it before it is acknowledged. The hierarchy is loaded when the first checkpoint is shown: a
queue opens without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from overseer.checkpoints.listing import Checkpoint, Lying, Order, checkpoint_of, free, hold_back, look_of, rank
from overseer.errors import ConfigError, JournalError
from overseer.journal import control, inbox, replay
from overseer.journal.chain import JOURNAL
from overseer.journal.encoding import Left, Waiting
from overseer.journal.reader import History, Wait, open_reader
from overseer.journal.run_folder import read_manifest
from overseer.names import name_flaw, person_named, same_person
from overseer.records import Failure, Finding, Reply, Request, RuleRequest, Ruling, RulingAction, binding

if TYPE_CHECKING:
    from overseer.runs import Run

JUST_NOW = 10.0
"""Seconds for which a listing tells what budgets hold back."""
_SUGGESTED_AMONG = 2_000
"""Among more ids than these no likely one is looked for: it would take longer than the reader."""


class Shown(NamedTuple):
    """A checkpoint, and all that its person decides by. `carried`: who wrote this draft, and so approved it already."""

    checkpoint: Checkpoint
    request: RuleRequest
    carried: str | None


class Acknowledged(NamedTuple):
    """A ruling that is durable. `fresh` is False where just this one lay there already; `beside`: who else ruled."""

    checkpoint: Checkpoint
    ruling: Ruling
    fresh: bool
    beside: tuple[str, ...]


class _Known(NamedTuple):
    """What is known of one checkpoint: its task's history, and what lies in the inbox."""

    checkpoint: Checkpoint
    history: History
    lying: Lying


class Queue:
    """What waits in one run. Each method reads the run anew, also while it grows.

    `run`: opened already, by whoever has it. `agents`: only what these were asked. `clock`: seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        run: Run | None = None,
        *,
        agents: Iterable[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.clock = clock
        self._agents = None if agents is None else frozenset(agents)
        self._key = read_manifest(path).audit_key
        self._run = run
        self._known: dict[str, Left | None] = {}
        """What lies in the inbox, by file: a file there never changes."""
        self._tasks: dict[str, str] = {}
        """Tasks by checkpoint, as last listed."""
        self._held: frozenset[str] = frozenset()
        self._listed_at = float("-inf")

    # -- what waits

    def listed(self, person: str | None = None, order: Order = "risk") -> list[Checkpoint]:
        """All that waits for somebody; or what `person` may rule on now: open, one seat of each look, none of theirs.

        Raises `JournalError` where no run has begun.
        """
        lying = self._lying()  # before the journal: a ruling goes from here to there
        with open_reader(self.path) as reader:
            settings = reader.settings()
            timeouts: Mapping[str, float] = settings.get("timeouts", {})
            riding: set[str] = set()
            found = []
            for wait in reader.waits():
                found.append(checkpoint_of(wait, timeouts, lying))
                if wait.riding:
                    riding.add(wait.task)
            found = hold_back(found, settings, reader.rulings, lying)
            self._tasks = {each.id: each.task for each in found}
            self._held = frozenset(each.id for each in found if each.state == "held")
            self._listed_at = time.monotonic()
            if person is not None:
                found = free(person, found, reader.seated(sorted(riding)), self._agents)
        wanted = (each for each in found if self._agents is None or each.who in self._agents)
        return sorted(wanted, key=rank(order, self._key))

    def _lying(self) -> Lying:
        names = [name for name in inbox.names(self.path) if inbox.is_ruling(name)]
        fresh = dict(inbox.rulings(self.path, [name for name in names if name not in self._known]))
        self._known = {name: fresh[name] if name in fresh else self._known[name] for name in names}
        lying: dict[str, list[Left]] = {}
        for name, left in self._known.items():
            if left is not None:
                lying.setdefault(name.partition(".")[0], []).append(left)
        return lying

    def stamp(self) -> tuple[int, ...]:
        """What is another thing once somebody was asked, or ruled, or a ruling was taken up; read at no cost."""
        found: list[int] = []
        for path in (self.path / JOURNAL, self.path / f"{JOURNAL}-wal", self.path / inbox.INBOX):
            try:
                held = path.stat()
            except FileNotFoundError:
                continue
            found += [held.st_mtime_ns, held.st_size]
        return tuple(found)

    @property
    def is_alive(self) -> bool:
        """Is a process taking this run's rulings up as they come?"""
        return control.is_alive(self.path)

    # -- one of them

    @property
    def run(self) -> Run:
        """The run, opened when it is first asked for."""
        if self._run is None:
            from overseer.runs import open_run

            self._run = open_run(self.path)
        return self._run

    def find(self, id_: str) -> Checkpoint:
        """A checkpoint that waits. Raises `ConfigError` for an unknown id, `JournalError` for one that was answered."""
        return self._find(id_).checkpoint

    def show(self, id_: str) -> Shown:
        """A checkpoint with the request that its person is asked to rule on, replayed from the task's replies."""
        known = self._find(id_)
        return self._shown(known.checkpoint, known.history)

    def _find(self, id_: str) -> _Known:
        lying = self._lying()
        with open_reader(self.path) as reader:
            task = self._tasks.get(id_)
            if task is None:
                asked = reader.asked(id_)
                if asked is None:
                    raise ConfigError(f"checkpoint {id_!r}: {self._suggestion(id_, reader.waits())}")
                task = asked[0]
            history = reader.history(task)
            assert history is not None, "somebody was asked about this task, so it was begun"
            waiting = next(each for each in history.asked.values() if each.checkpoint == id_)
            if (reply := history.replies.get(waiting.request)) is not None:
                raise JournalError(f"checkpoint {id_}: answered already: {_told(reply)} (nothing is left to rule on)")
            timeouts: Mapping[str, float] = reader.settings().get("timeouts", {})
        wait = Wait(task, waiting, riding=False, granted=history.granted.get(waiting.stage))
        return _Known(checkpoint_of(wait, timeouts, lying), history, lying)

    def _suggestion(self, id_: str, waits: Iterator[Wait]) -> str:
        ids = [wait.waiting.checkpoint for wait in waits]
        near = [each for each in ids if id_ and each.startswith(id_)][:3]
        if not near and len(ids) <= _SUGGESTED_AMONG:
            near = get_close_matches(id_, ids, n=1)
        hint = f"did you mean {' or '.join(near)}?" if near else f"see `overseer review {self.path} list`"
        return f"no such checkpoint in this run ({hint})"

    def _shown(self, checkpoint: Checkpoint, history: History) -> Shown:
        hierarchy = self.run.setup.hierarchy
        with open_reader(self.path) as reader:
            batch = _open(replay.steps(reader, history, self.run.walk, self.run.rehear), history.replies)
        looks = [each for each in batch if isinstance(each, RuleRequest) and each.stage == checkpoint.stage]
        request = next((each for each in looks if inbox.checkpoint_id(each) == checkpoint.id), None)
        if request is None:
            raise JournalError(f"checkpoint {checkpoint.id}: its draft has gone on (nothing is left to rule on)")
        stage = next(each for each in hierarchy.stages if each.id == checkpoint.stage)
        persons = [who for who in stage.who if hierarchy.agents[who].persons]
        seats = {(who, seat) for who in persons for seat in hierarchy.agents[who].seats}
        carried = seats - {(each.agent, each.seat) for each in looks}
        return Shown(checkpoint, request, request.draft.author if carried else None)

    @contextmanager
    def offer(self, checkpoint: Checkpoint, person: str) -> Iterator[Shown | None]:
        """Hold a seat of this look open for a person, so that nobody else is offered it meanwhile.

        None if each seat of it is open at another console, or was ruled since, or the person sits there already.
        """
        with ExitStack() as stack:
            for id_ in self._seats(checkpoint):
                if not stack.enter_context(inbox.opened(self.path, id_)):
                    continue
                try:
                    known = self._find(id_)
                    shown = self._shown(known.checkpoint, known.history)
                except JournalError:
                    continue  # answered since it was listed
                if known.checkpoint.state == "open" and _seat_flaw(known, shown.carried, person) is None:
                    yield shown
                    return
            yield None

    def _seats(self, checkpoint: Checkpoint) -> list[str]:
        """The seats of the same look that were asked, in order."""
        with open_reader(self.path) as reader:
            history = reader.history(checkpoint.task)
        asked: Iterable[Waiting] = () if history is None else history.asked.values()
        here = [each for each in asked if look_of(each.request) == checkpoint.look]
        mine = [each for each in here if self._agents is None or each.agent in self._agents]
        return [each.checkpoint for each in sorted(mine, key=lambda each: (each.agent, each.seat))]

    # -- ruling

    def decide(
        self,
        id_: str,
        person: str,
        action: RulingAction,
        *,
        note: str = "",
        text: str | None = None,
        findings: Sequence[Finding] = (),
        seconds: float = 0.0,
    ) -> Acknowledged:
        """Rule on a checkpoint: once this returns the ruling is durable, and counts unless its seat is answered first.

        Raises `ConfigError` for what is no sound ruling, `JournalError` for one that comes too late or was not this
        person's to give; nothing is acknowledged then.
        """
        from overseer.oversight.rulings import flaw

        if (said := name_flaw(person)) is not None:
            raise ConfigError(f"{person!r}: {said}")
        ruling = Ruling(action, person_named(person), note, float(seconds), tuple(findings), text)
        with ExitStack() as stack:
            known = self._find(id_)
            if known.checkpoint.deadline is not None:  # found again once nobody can let the deadline fire meanwhile
                stack.enter_context(inbox.closed(self.path))
                known = self._find(id_)
            shown = self._shown(known.checkpoint, known.history)
            if (said := flaw(shown.request, ruling)) is not None:
                raise ConfigError(f"checkpoint {id_}: {said}")
            refused = _seat_flaw(known, shown.carried, ruling.person) or self._untimely(known)
            if refused is not None:
                raise JournalError(f"checkpoint {id_}: {refused}; nothing was acknowledged")
            reply = Reply(shown.request.id, binding(shown.request), ruling)
            fresh = inbox.leave(self.path, id_, Left(known.checkpoint.task, self.clock(), reply))
        beside = tuple(name for name in known.checkpoint.by if not same_person(name, ruling.person))
        return Acknowledged(known.checkpoint, ruling, fresh, beside)

    def _untimely(self, known: _Known) -> str | None:
        """Why nobody may rule on it now: its deadline has passed, or its stage's budget is spent."""
        checkpoint = known.checkpoint
        if checkpoint.deadline is not None and self.clock() >= checkpoint.deadline:
            return "its deadline has passed (the run takes the seat as unanswered; silence is no consent)"
        if checkpoint.grant and checkpoint.state == "open" and self._is_held(checkpoint):
            return "its stage's budget is spent (resume the run with a larger one: --set oversees.N.budget.reviews=…)"
        return None

    def _is_held(self, checkpoint: Checkpoint) -> bool:
        """Does no budget grant it, as the queue stood just now? What is offered stays so while reviews are counted."""
        with open_reader(self.path) as reader:
            if not reader.settings().get("budgets"):
                return False
        if checkpoint.id not in self._tasks or time.monotonic() - self._listed_at > JUST_NOW:
            self.listed()
        return checkpoint.id in self._held


def _seat_flaw(known: _Known, carried: str | None, person: str) -> str | None:
    """Why this person cannot take this seat: they sit on another one of the same look."""
    if carried is not None and same_person(carried, person):
        return f"{person} wrote this draft, and that counts as their approval (somebody else must rule on it)"
    here, history = known.checkpoint, known.history
    seats = {request for request in history.asked if look_of(request) == here.look and request != here.request}
    answers = [reply.value for request in seats if (reply := history.replies.get(request)) is not None]
    lying = [left.ruling for lefts in known.lying.values() for left in lefts if left.reply.request in seats]
    for answer in (*answers, *lying):
        if isinstance(answer, Ruling) and same_person(answer.person, person):
            return f"{person} ruled {answer.action} on another seat of this look (somebody else must take this one)"
    return None


def _open(steps: replay.Step, replies: Mapping[str, Reply]) -> Sequence[Request]:
    """The batch that a task waits in; nothing where it has ended."""
    with suppress(StopIteration):
        batch = next(steps)
        while all(request.id in replies for request in batch):
            batch = steps.send(tuple(replies[request.id] for request in batch))
        return batch
    return ()


def _told(reply: Reply) -> str:
    """What a seat was answered, for whoever comes after."""
    match reply.value:
        case Ruling(action=action, person=person):
            return f"{action} by {person}"
        case Failure(detail=detail):
            return detail
        case _:
            return "by somebody else"

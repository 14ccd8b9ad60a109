"""Real people, who answer in their own time: which seats were asked, what they left in the inbox, whose time ran out.

The walk's step 7, beside `persons`, which orders and budgets looks. Turns files into events: one ruling for an open
seat counts; two that differ deny; what comes when its seat is answered is kept on record, and does not count. Knows no
reviewer and decides nothing about an output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path

from overseer.hierarchy import Hierarchy
from overseer.journal import inbox
from overseer.journal.encoding import (
    Granted,
    Left,
    Ruled,
    Waiting,
    encode_granted,
    encode_left,
    encode_ruled,
    encode_waiting,
)
from overseer.journal.reader import History, Reader
from overseer.journal.store import Event
from overseer.records import Failure, RuleRequest, Stage, binding
from overseer.running.asking import failed
from overseer.running.persons import Ledger, offered
from overseer.running.way import Way

Lying = Mapping[str, Left]
"""Rulings by the name of their file in the inbox."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a task's rulings come to: events to append, and files that may be dropped once those are durable."""

    events: Sequence[Event]
    files: Sequence[str]


@dataclass(slots=True)
class People:
    """The tasks that wait for real people, by id, and the deadlines of those that do not wait for ever."""

    run: Path
    hierarchy: Hierarchy
    ledger: Ledger
    clock: Callable[[], float]
    """Seconds since 1970."""
    tasks: set[str] = field(default_factory=set)
    unpaid: set[str] = field(default_factory=set)
    """Files that lie there until a budget grants their look."""
    deadlines: list[tuple[float, str]] = field(default_factory=list)
    """A heap of deadlines and tasks; those that were answered meanwhile are passed over."""
    since: dict[tuple[str, str], float | None] = field(default_factory=dict)
    """By stage and task, since when a look that needs a grant is offered; None: it is not. Where time may run out."""
    needs: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Of those, the ones that a budget may grant or take back: risk below 0, and place."""
    fresh: dict[tuple[str, str], float] = field(default_factory=dict)
    """When those were asked of which no budget has been told yet."""
    settled: Mapping[str, int] | None = None
    """What each stage had left when it was last told who has a grant; None: who needs one has changed since."""

    # -- asking

    def ask(self, way: Way, looks: Iterable[RuleRequest]) -> list[Event]:
        """The events that say who is asked now, and was not yet."""
        now, events = self.clock(), []
        for look in looks:
            if look.id not in way.asked:
                waiting = _waiting(way, look, now, self.hierarchy)
                way.asked[look.id] = waiting
                if waiting.held and self._timeouts(self._stage(look.stage)):
                    self.fresh[look.stage, way.task.id] = now
                events.append(Event(way.task.id, "wait", encode_waiting(waiting)))
        return events

    def park(self, way: Way, looks: Iterable[RuleRequest]) -> None:
        """Count a task as waiting."""
        task = way.task.id
        self.tasks.add(task)
        for look in looks:
            waiting = way.asked[look.id]
            stage = self._stage(look.stage)
            if waiting.grant and self._timeouts(stage):
                since = self.since.setdefault((stage.id, task), waiting.offered_since(way.granted.get(stage.id)))
                if not way.has_looked(stage.id) and (stage.budget is not None or since is None):
                    self.needs[stage.id, task] = (-waiting.risk, waiting.place)
                    self.settled = None
            if (until := self.until(task, waiting)) is not None:
                heappush(self.deadlines, (until, task))

    def release(self, task: str) -> None:
        """Count a task as waiting no more."""
        self.tasks.discard(task)
        self.settled = None
        for held in (self.since, self.needs, self.fresh):
            for stage in self.hierarchy.stages:
                held.pop((stage.id, task), None)

    def grant(self) -> list[Event]:
        """The events that say which looks are offered from now on, and which no more: a deadline counts from these.

        By risk, then place, as a queue offers them; told only where somebody's time may run out. What is granted as
        soon as it is asked is offered since then: nothing tells it from a look that needs no grant.
        """
        left = {stage.id: self.ledger.left(stage.id) for stage in self.hierarchy.stages}
        if left == self.settled:
            return []
        self.settled = left
        asked = ((*rank, task, stage) for (stage, task), rank in self.needs.items())
        granted = offered(asked, left)
        now, events = self.clock(), []
        for stage, task in self.needs:
            is_offered, since = (stage, task) in granted, self.fresh.pop((stage, task), now)
            if is_offered == (self.since[stage, task] is not None):
                continue
            at = since if is_offered else None
            self.since[stage, task] = at
            events.append(Event(task, "grant", encode_granted(Granted(stage, at))))
            for timeout in self._timeouts(self._stage(stage)) if is_offered else ():
                heappush(self.deadlines, (since + timeout, task))
        return events

    def _need_no_more(self, stage: str, task: str) -> None:
        self.needs.pop((stage, task), None)
        self.settled = None

    def until(self, task: str, waiting: Waiting) -> float | None:
        """When a seat's time runs out; None: never, or not before its budget grants the look."""
        timeout = self.hierarchy.agents[waiting.agent].timeout
        since = self.since.get((waiting.stage, task), waiting.at) if waiting.grant else waiting.at
        return None if timeout is None or since is None else since + timeout

    def _stage(self, id_: str) -> Stage:
        return next(stage for stage in self.hierarchy.stages if stage.id == id_)

    def _timeouts(self, stage: Stage) -> set[float]:
        """The times that people of a stage have."""
        given = (self.hierarchy.agents[name].timeout for name in stage.who if name in self.hierarchy.persons)
        return {timeout for timeout in given if timeout is not None}

    # -- what they answered

    def lying(self, only: str | None = None) -> dict[str, dict[str, Left]]:
        """The rulings in the inbox by task, those left out that wait for a budget; what is none is set aside."""
        found: dict[str, dict[str, Left]] = {}
        for name, left in inbox.rulings(self.run):
            if name in self.unpaid:
                continue
            if left is None:
                inbox.refuse(self.run, name)
            elif only is None or left.task == only:
                found.setdefault(left.task, {})[name] = left
        return found

    def hear(self, way: Way | None, history: History | None, lying: Lying) -> Heard:
        """Tell a task's way what these rulings come to; `way` is None where it has ended, `history` where none is."""
        if history is None:
            self._refuse(lying)
            return Heard((), ())
        open_ = {} if way is None else {look.id: look for look in way.fresh if isinstance(look, RuleRequest)}
        events: list[Event] = []
        files: list[str] = []
        for request in sorted({left.reply.request for left in lying.values()}):
            here = {name: left for name, left in sorted(lying.items()) if left.reply.request == request}
            look = open_.get(request)
            if look is None and request not in history.replies:
                self._refuse(here)
            elif way is None or look is None:
                events += _late(history, here)
                files += here
            else:
                sound = {name: left for name, left in here.items() if left.reply.binding == binding(look)}
                self._refuse(here.keys() - sound.keys())
                if sound and self._is_granted(way, look):
                    ruled = self._ruled(way, look, list(sound.values()))
                    self.ledger.enter(ruled)
                    counts = ruled.reply == next(iter(sound.values())).reply
                    others = dict(list(sound.items())[1:]) if counts else sound
                    events += [*_late(history, others), Event(way.task.id, "ruling", encode_ruled(ruled))]
                    way.hear([ruled.reply])
                    self._need_no_more(look.stage, way.task.id)
                    files += sound
                else:
                    self.unpaid.update(sound)
        return Heard(events, files)

    def _is_granted(self, way: Way, look: RuleRequest) -> bool:
        return look.mandatory or way.has_looked(look.stage) or self.ledger.grants(look.stage)

    def _ruled(self, way: Way, look: RuleRequest, given: Sequence[Left]) -> Ruled:
        """The one answer of a seat: the first by file name, or a conflict where two differ."""
        first = not look.mandatory and not way.has_looked(look.stage)
        reply = given[0].reply
        if len({left.says for left in given}) > 1:
            told = ", ".join(f"{left.ruling.person} {left.ruling.action}" for left in given)
            reply = failed(look, Failure("conflict", f"one seat was answered twice, differently: {told}"))
        return Ruled(look.agent, look.seat, look.stage, look.mandatory, first, reply)

    def _refuse(self, names: Iterable[str]) -> None:
        for name in names:
            inbox.refuse(self.run, name)

    # -- whose time ran out

    def overdue(self) -> list[str]:
        """The tasks of which a deadline has passed since this was last asked, each once."""
        now, found = self.clock(), []
        while self.deadlines and self.deadlines[0][0] <= now:
            task = heappop(self.deadlines)[1]
            if task in self.tasks and task not in found:
                found.append(task)
        return found

    def expire(self, way: Way) -> Heard:
        """Tell a task's way that time ran out on its open seats. The inbox was read before, and is closed.

        A look that no budget grants was offered to nobody: it goes on waiting.
        """
        now, events = self.clock(), []
        for look in way.fresh:
            if not isinstance(look, RuleRequest) or look.id not in way.asked or not self._is_granted(way, look):
                continue
            until = self.until(way.task.id, way.asked[look.id])
            if until is not None and until <= now:
                first = not look.mandatory and not way.has_looked(look.stage)
                reply = failed(look, Failure("deadline", "no ruling in time"))
                ruled = Ruled(look.agent, look.seat, look.stage, look.mandatory, first, reply)
                self.ledger.enter(ruled)
                events.append(Event(way.task.id, "ruling", encode_ruled(ruled)))
                way.hear([reply])
                self._need_no_more(look.stage, way.task.id)
        return Heard(events, ())

    # -- what is left

    def unserved(self, reader: Reader) -> int:
        """Of the tasks that wait, how many wait for a larger budget, too: beyond what is still granted."""
        needs: dict[str, set[str]] = {stage.id: set() for stage in self.hierarchy.stages if stage.budget is not None}
        if not needs or not self.tasks:
            return 0
        for task, waiting, riding, _ in reader.waits():
            if waiting.grant and not riding and waiting.stage in needs:
                needs[waiting.stage].add(task)
        return sum(len(tasks) - min(len(tasks), self.ledger.left(stage)) for stage, tasks in needs.items())


def _waiting(way: Way, look: RuleRequest, now: float, hierarchy: Hierarchy) -> Waiting:
    grant = not look.mandatory and not way.has_looked(look.stage)
    casts = {vote.cast for evaluation in look.evaluations for vote in evaluation.votes}
    return Waiting(
        request=look.id,
        checkpoint=inbox.checkpoint_id(look),
        agent=look.agent,
        seat=look.seat,
        stage=look.stage,
        mandatory=look.mandatory,
        grant=grant,
        risk=look.context.risk,
        place=way.task.place,
        disagreement=len(casts) > 1,
        at=now,
        held=grant and any(stage.id == look.stage and stage.budget is not None for stage in hierarchy.stages),
    )


def _late(history: History, lying: Lying) -> list[Event]:
    """Rulings that do not count, for the record; none twice, and none that is the very one that counted."""
    kept = [left for left in lying.values() if left not in history.late]
    kept = [left for left in kept if history.replies.get(left.reply.request) != left.reply]
    return [Event(left.task, "late", encode_left(left)) for left in kept]

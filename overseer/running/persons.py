"""Looks that wait for a person: in which order they are offered, and what a stage's budget still grants.

The walk's step 7, where persons are waited for. A budget never changes a decision: where it is spent, a task waits.
Knows neither who the persons are nor how they are asked.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from math import ceil
from sys import maxsize

from overseer.journal.encoding import Ruled
from overseer.records import Budget, RuleRequest, Stage, Task
from overseer.sampling import uniform


@dataclass(frozen=True, slots=True, order=True)
class Parked:
    """A task that waits for a person: all that is kept of it. Its order is the queue's.

    `wave` counts the batches with a person that it has had answered; then come mandatory looks, the higher risk, and
    the place in the input. `tries`: its answer is known to be harmful; where such a task stands says `in_turn`.
    `needs`: the stages one of which must have a grant before anybody looks; none where somebody looks in any case.
    `begun`: somebody has looked, and another seat waits.
    """

    wave: int
    optional: bool
    calm: int
    place: int
    task: str
    tries: bool = field(compare=False)
    needs: tuple[str, ...] = field(compare=False)
    begun: bool = field(compare=False)


def parked(
    task: Task,
    wave: int,
    requests: Sequence[RuleRequest],
    *,
    tries: bool = False,
    needs: Iterable[str] = (),
    begun: bool = False,
) -> Parked:
    """Where a task with these looks open stands in the queue."""
    mandatory = any(request.mandatory for request in requests)
    risk = max(request.context.risk for request in requests)
    return Parked(wave, not mandatory, -risk, task.place, task.id, tries, tuple(sorted(set(needs))), begun)


class Ledger:
    """What each stage's budget has granted and spent; mandatory looks are not counted."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        self._budgets: dict[str, Budget] = {stage.id: stage.budget for stage in stages if stage.budget is not None}
        self._reviews: dict[str, int] = dict.fromkeys(self._budgets, 0)
        self._seconds: dict[str, float] = dict.fromkeys(self._budgets, 0.0)
        self._taken: dict[str, tuple[float, int]] = dict.fromkeys(self._budgets, (0.0, 0))
        """The seconds of all rulings, mandatory ones too, and the tasks that they were on."""

    def grants(self, stage: str) -> bool:
        """May this stage look at one more task?"""
        return self.left(stage) > 0

    def left(self, stage: str) -> int:
        """At how many more tasks this stage may look, as far as is known: minutes are known once they are spent."""
        budget = self._budgets.get(stage)
        if budget is None:
            return maxsize
        if budget.minutes is not None and self._seconds[stage] >= 60 * budget.minutes:
            return 0
        return maxsize if budget.reviews is None else max(0, budget.reviews - self._reviews[stage])

    def expected(self, stage: str) -> int:
        """At how many more tasks this stage will look, as far as it can be told from the time that it took so far."""
        left, budget = self.left(stage), self._budgets.get(stage)
        seconds, tasks = self._taken.get(stage, (0.0, 0))
        if not left or budget is None or budget.minutes is None or not seconds or not tasks:
            return left
        return min(left, ceil((60 * budget.minutes - self._seconds[stage]) * tasks / seconds))

    def enter(self, ruled: Ruled) -> None:
        """Take a person's reply into account, just given or found in the journal."""
        if ruled.stage not in self._budgets:
            return
        seconds, tasks = self._taken[ruled.stage]
        begins = ruled.seat == 0 if ruled.mandatory else ruled.grant
        self._taken[ruled.stage] = (seconds + ruled.seconds, tasks + begins)
        if ruled.mandatory:
            return
        self._reviews[ruled.stage] += ruled.grant
        self._seconds[ruled.stage] += ruled.seconds


def offered(asked: Iterable[tuple[int, int, str, str]], left: Mapping[str, int]) -> set[tuple[str, str]]:
    """Which stages are granted which tasks: the higher risk first, then by place, as many as each stage has `left`.

    `asked`: risk below 0, place, task, and stage.
    """
    by_stage: dict[str, list[tuple[int, int, str]]] = {}
    for calm, place, task, stage in asked:
        by_stage.setdefault(stage, []).append((calm, place, task))
    return {
        (stage, task)
        for stage, waiting in by_stage.items()
        for _, _, task in (waiting if left[stage] >= len(waiting) else nsmallest(left[stage], waiting))
    }


# --- answers known to be harmful, among the others -----------------------------------------------------------------


def in_turn(wave: Iterable[Parked], ledger: Ledger, key: str) -> Iterator[Parked]:
    """The tasks of a wave in the order in which simulated persons look at them; `ledger` is read as it is spent.

    The queue's order, but for tasks that try the persons. Each of these stands anywhere among the tasks of its risk
    at which somebody looks, as `key` draws it, so that neither a place nor a person's rest tells it from those. Where
    nobody looks at another task of its risk, it stands where a mandatory look would. What comes next hangs on what is
    left and on the ledger alone: an interrupted run goes on in the same order.
    """
    waiting = sorted(wave)
    yield from (each for each in waiting if each.tries and each.begun)
    tried: dict[int, deque[Parked]] = {}
    for each in waiting:
        if each.tries and not each.begun:
            tried.setdefault(each.calm, deque()).append(each)
    others = _Remaining((each for each in waiting if not each.tries), ledger)
    for head in (each for each in waiting if not each.tries):
        while others.is_looked_at(head) and not head.begun and (calm := _before(head, tried, others, key)) is not None:
            yield tried[calm].popleft()
            if not tried[calm]:
                del tried[calm]
        others.pass_by(head)
        yield head
    for left in tried.values():
        yield from left


def _before(head: Parked, tried: Mapping[int, deque[Parked]], others: _Remaining, key: str) -> int | None:
    """Does a task that tries the persons come before this one? Then of which risk; they are in its order."""
    for calm in tried:
        if (False, calm) <= (head.optional, head.calm) and not others.expected(calm):
            return calm
    if (alike := tried.get(head.calm)) is None:
        return None
    share = len(alike) / (len(alike) + others.expected(head.calm))
    return head.calm if uniform(key, "tried", alike[0].task, head.task) < share else None


class _Remaining:
    """What is left of a wave, without what tries the persons: at how many of a risk somebody will look."""

    def __init__(self, parked: Iterable[Parked], ledger: Ledger) -> None:
        self._ledger = ledger
        self._left = Counter((each.needs, each.calm) for each in parked)

    def is_looked_at(self, each: Parked) -> bool:
        return not each.needs or any(map(self._ledger.grants, each.needs))

    def pass_by(self, each: Parked) -> None:
        self._left[each.needs, each.calm] -= 1

    def expected(self, calm: int) -> int:
        """At how many of this risk somebody will look. Grants go to the higher risk first."""
        found = 0
        for (needs, its), count in self._left.items():
            if its != calm:
                continue
            if needs:
                before = sum(more for (same, risk), more in self._left.items() if same == needs and risk < calm)
                granted = max(map(self._ledger.expected, needs))
                count = min(count, max(0, granted - before))
            found += count
        return found

"""Looks that wait for a person: in which order they are offered, and what a stage's budget still grants.

The walk's step 7, where persons are waited for. A budget never changes a decision: where it is spent, a task waits.
Knows neither who the persons are nor how they are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from sys import maxsize

from overseer.journal.encoding import Ruled
from overseer.records import Budget, RuleRequest, Stage, Task


@dataclass(frozen=True, slots=True, order=True)
class Parked:
    """A task that waits for a person: all that is kept of it. Its order is the queue's.

    `wave` counts the batches with a person that it has had answered; then come mandatory looks, the higher risk, and
    the place in the input.
    """

    wave: int
    optional: bool
    calm: int
    place: int
    task: str


def parked(task: Task, wave: int, requests: Sequence[RuleRequest]) -> Parked:
    """Where a task with these looks open stands in the queue."""
    mandatory = any(request.mandatory for request in requests)
    risk = max(request.context.risk for request in requests)
    return Parked(wave, not mandatory, -risk, task.place, task.id)


class Ledger:
    """What each stage's budget has granted and spent; mandatory looks are not counted."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        self._budgets: dict[str, Budget] = {stage.id: stage.budget for stage in stages if stage.budget is not None}
        self._reviews: dict[str, int] = dict.fromkeys(self._budgets, 0)
        self._seconds: dict[str, float] = dict.fromkeys(self._budgets, 0.0)

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

    def enter(self, ruled: Ruled) -> None:
        """Take a person's reply into account, just given or found in the journal."""
        if ruled.mandatory or ruled.stage not in self._budgets:
            return
        self._reviews[ruled.stage] += ruled.grant
        self._seconds[ruled.stage] += ruled.seconds

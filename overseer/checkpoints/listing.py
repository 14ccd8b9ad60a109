"""What waits for people: seats from the journal, rulings that lie in the inbox, what budgets hold back, in what order.

Beside the walk's step 7, at the other end of it from `running`, which asks. Which checkpoints are offered hangs on what
is mandatory, on risk and on place; the order in which they are presented tells nothing of where one comes from. Knows
no hierarchy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal

from overseer.journal.encoding import Left, Ruled
from overseer.journal.reader import Wait
from overseer.names import same_person
from overseer.records import Budget, Jury, Stage, When
from overseer.running.persons import Ledger, offered
from overseer.sampling import uniform

Order = Literal["risk", "age", "disagreement"]
State = Literal["open", "held", "ruled"]
"""open: may be ruled · held: its stage's budget is spent, so it is offered to nobody · ruled: its ruling lies in the
inbox, and the run has not taken it up yet."""
Lying = Mapping[str, Sequence[Left]]
"""The rulings in the inbox, by checkpoint."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A seat that waits for a person. Times in seconds since 1970; `deadline` None: it waits for ever, or for
    a grant, from which its time counts.

    `who` is the agent, a name of the hierarchy's; `by` are those whose rulings lie in the inbox. `look` is what the
    seats of one stage share on one draft: on it, no name fills two of them. `grant`: its budget must grant it first.
    Never shown to those who review: `task`, `place`, `mandatory`, `grant`, and what holds the task, `request` and
    `look`.
    """

    id: str
    task: str
    request: str
    who: str
    seat: int
    stage: str
    mandatory: bool
    grant: bool
    risk: int
    place: int
    disagreement: bool
    asked: float
    deadline: float | None
    state: State
    by: tuple[str, ...] = ()

    @property
    def look(self) -> str:
        return look_of(self.request)


def look_of(request: str) -> str:
    """A person's request without its agent and seat."""
    return request.rsplit("/", 2)[0]


def checkpoint_of(wait: Wait, timeouts: Mapping[str, float], lying: Lying) -> Checkpoint:
    """A seat that waits, with what lies in the inbox for it."""
    asked = wait.waiting
    timeout, since = timeouts.get(asked.agent), asked.offered_since(wait.granted)
    by = tuple(left.ruling.person for left in lying.get(asked.checkpoint, ()))
    return Checkpoint(
        id=asked.checkpoint,
        task=wait.task,
        request=asked.request,
        who=asked.agent,
        seat=asked.seat,
        stage=asked.stage,
        mandatory=asked.mandatory,
        grant=asked.grant and not wait.riding,
        risk=asked.risk,
        place=asked.place,
        disagreement=asked.disagreement,
        asked=asked.at,
        deadline=None if timeout is None or since is None else since + timeout,
        state="ruled" if by else "open",
        by=by,
    )


def rank(order: Order, key: str) -> Callable[[Checkpoint], tuple[float, ...]]:
    """In what order checkpoints are presented; equals as the audit key draws them."""

    def ranked(checkpoint: Checkpoint) -> tuple[float, ...]:
        drawn = uniform(key, "queue", checkpoint.id)
        match order:
            case "risk":
                return -checkpoint.risk, drawn
            case "age":
                return checkpoint.asked, drawn
            case "disagreement":
                return not checkpoint.disagreement, -checkpoint.risk, drawn

    return ranked


# --- what a person may rule on -------------------------------------------------------------------------------------


def free(
    person: str, found: Iterable[Checkpoint], seated: Iterable[tuple[str, str]], agents: Set[str] | None
) -> list[Checkpoint]:
    """What this person may rule on: the first open seat of each look on which they do not sit yet.

    `seated`: who ruled so far, by request. `agents`: only what these were asked.
    """
    found = list(found)
    theirs = {look_of(request) for request, name in seated if same_person(name, person)}
    theirs |= {each.look for each in found if each.by and any(same_person(name, person) for name in each.by)}
    first: dict[str, Checkpoint] = {}
    for each in found:
        look = each.look
        if each.state != "open" or look in theirs or (agents is not None and each.who not in agents):
            continue
        if look not in first or (each.who, each.seat) < (first[look].who, first[look].seat):
            first[look] = each
    return list(first.values())


# --- budgets -------------------------------------------------------------------------------------------------------


def hold_back(
    found: list[Checkpoint], settings: Mapping[str, Any], ruled: Callable[[], Iterable[Ruled]], lying: Lying
) -> list[Checkpoint]:
    """Hold back what no budget grants: of the tasks that need a grant, the first of each stage are offered.

    Mandatory looks, and further looks at a task, need none; then risk and place decide. Rulings in the inbox are
    counted as if they had been taken up.
    """
    stages = _budgeted(settings, found)
    if not stages:
        return found
    ledger = Ledger(stages)
    for earlier in ruled():
        ledger.enter(earlier)
    granted = _enter_lying(ledger, found, lying)
    left = {stage.id: ledger.left(stage.id) for stage in stages}
    asked = {
        (-each.risk, each.place, each.task, each.stage)
        for each in found
        if each.grant and each.stage in left and (each.stage, each.task) not in granted
    }
    granted |= offered(asked, left)
    return [
        replace(each, state="held")
        if each.state == "open" and each.grant and each.stage in left and (each.stage, each.task) not in granted
        else each
        for each in found
    ]


def _enter_lying(ledger: Ledger, found: Iterable[Checkpoint], lying: Lying) -> set[tuple[str, str]]:
    """Take what lies in the inbox into account; the stages and tasks to which it brings a grant."""
    begun: set[tuple[str, str]] = set()
    for each in found:
        if each.by:
            look = (each.stage, each.task)
            reply = lying[each.id][0].reply
            ledger.enter(
                Ruled(each.who, each.seat, each.stage, each.mandatory, each.grant and look not in begun, reply)
            )
            begun.add(look)
    return begun


def _budgeted(settings: Mapping[str, Any], found: Iterable[Checkpoint]) -> list[Stage]:
    """The stages with a budget on which somebody is waited for: as much of each as a ledger reads."""
    budgets: Mapping[str, Mapping[str, Any]] = settings.get("budgets", {})
    if not budgets:
        return []
    seated = {each.who: each.stage for each in found}
    return [
        Stage(stage, (agent,), 0, frozenset(), frozenset(), When(), Jury(), Budget(**budget))
        for who, budget in budgets.items()
        for agent, stage in seated.items()
        if f"+{agent}+" in f"+{who}+"
    ]

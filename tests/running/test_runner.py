"""The runner: bounded, durable before it acts, the same whatever completes first, and resumable anywhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from runs_driver import (
    AtOnce,
    Saying,
    Shuffler,
    Waiting,
    audit,
    hash_of,
    hierarchy,
    new_run,
    reviewers,
    run_all,
    shuffled,
    tasks,
)

from overseer.config.hierarchy_schema import Limits, ModelLimits
from overseer.errors import ConfigError, JournalError
from overseer.hierarchy import Hierarchy
from overseer.journal.chain import verify
from overseer.journal.reader import open_reader
from overseer.journal.replay import episodes
from overseer.journal.store import open_journal
from overseer.oversight.generator import oversee
from overseer.records import (
    Audit,
    Budget,
    Comparison,
    Critique,
    DraftRequest,
    Episode,
    Failure,
    Message,
    Reply,
    Request,
    RuleRequest,
    Task,
    Text,
    binding,
)
from overseer.running.asking import Desk
from overseer.running.runner import RunResult, oversee_one, run_tasks
from overseer.running.session import KEPT, Progress


def read_episodes(run: Path, over: Hierarchy, count: int = 40) -> list[Episode]:
    return list(episodes(run, lambda task: oversee(task, over, audit(count))))


# --- all the way ---------------------------------------------------------------------------------------------------


def test_every_task_ends_and_its_episode_is_replayed(tmp_path: Path) -> None:
    """A run takes each task to an episode; the journal gives them back in the order of the input."""
    over, run = hierarchy(), new_run(tmp_path)
    assert run_all(run, over) == RunResult(40, 0, 0, stopped=False)
    found = read_episodes(run, over)
    assert [episode.task.place for episode in found] == list(range(40))
    assert {episode.outcome for episode in found} >= {"released", "withheld"}
    assert (verify(run).tasks, verify(run).ended) == (40, 40)


def test_replies_are_durable_before_they_enter_the_generator(tmp_path: Path) -> None:
    """Whatever a generator is sent can be read from the disk already."""
    over, run = hierarchy(), new_run(tmp_path)
    checked = []

    def watched(task: Task, over: Hierarchy, chance: Audit) -> Generator[tuple[Request, ...], Sequence[Reply], Episode]:
        steps = oversee(task, over, chance)
        batch = next(steps)
        while True:
            replies = yield batch
            with open_reader(run) as reader:
                history = reader.history(task.id)
            assert history is not None
            assert all(history.replies[reply.request] == reply for reply in replies)
            checked.append(task.id)
            try:
                batch = steps.send(replies)
            except StopIteration as end:
                return end.value

    async def session() -> None:
        with open_journal(run) as journal:
            await run_tasks(tasks(10), over, audit(10), reviewers(over), journal, oversee=watched)

    asyncio.run(session())
    assert len(checked) > 20


@pytest.mark.slow
def test_completion_order_changes_nothing(tmp_path: Path) -> None:
    """Answers that come in twenty random orders, with persons who tire, make twenty identical records."""
    over, whole, count = hierarchy(persons=2), new_run(tmp_path, "whole"), 60
    run_all(whole, over, count=count)
    expected = hash_of(whole, over, count)
    for seed in range(20):
        run = new_run(tmp_path, f"shuffled{seed}")
        assert run_all(run, over, shuffled(over, seed), count=count).ended == count
        assert hash_of(run, over, count) == expected
    print("20 shuffled completion orders: 1 record")


def test_one_task_alone(tmp_path: Path) -> None:
    """A service takes one task all the way, persons included, to the episode that a run comes to."""
    over, run = hierarchy(every=1), new_run(tmp_path)
    (task,) = tasks(1)
    alone = asyncio.run(oversee_one(task, over, audit(1), Desk(over, reviewers(over), Limits())))
    assert run_all(run, over, count=1).ended == 1
    assert read_episodes(run, over, 1) == [alone]


# --- bounds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 3, 8])
def test_producer_is_bounded(tmp_path: Path, window: int) -> None:
    """No task is drawn from the input before one of the window has ended."""
    over, run = hierarchy(every=None), new_run(tmp_path)
    shuffler, open_now, most = Shuffler(window), set[str](), 0

    class Approving:
        async def answer(self, request: Request) -> Reply:
            await shuffler.turn()
            value = Text("No.") if isinstance(request, DraftRequest) else Critique("approve", (), 1.0)
            return Reply(request.id, binding(request), value)

    def source() -> Iterator[Task]:
        nonlocal most
        for task in tasks(40):
            with open_reader(run) as reader:
                ended = set(reader.ended())
            open_now.add(task.id)
            most = max(most, len(open_now - ended))
            yield task

    given = dict.fromkeys(over.agents, Approving())
    assert run_all(run, over, given, source=source(), limits=Limits(window=window)).ended == 40
    assert most == window


def test_models_are_asked_within_their_concurrency(tmp_path: Path) -> None:
    """Two agents of one model share its slots; another model has its own."""
    over, run = hierarchy(), new_run(tmp_path)
    busy: dict[str, int] = {}
    most: dict[str, int] = {}
    shuffler = Shuffler(1)

    class Counted(Waiting):
        async def answer(self, request: Request) -> Reply:
            model = over.agents[request.agent].model
            busy[model] = busy.get(model, 0) + 1
            most[model] = max(most.get(model, 0), busy[model])
            reply = await super().answer(request)
            busy[model] -= 1
            return reply

    given = {name: Counted(AtOnce(name), shuffler) for name in over.agents}
    limits = Limits(models={"stub/critic": ModelLimits(concurrency=3), "stub/policy": ModelLimits(concurrency=5)})
    run_all(run, over, given, limits=limits)
    assert most["stub/critic"] == 3
    assert most["stub/policy"] == 5


@pytest.mark.slow
def test_models_are_asked_at_their_rate(tmp_path: Path) -> None:
    """Twelve drafts at ten a second take more than a second."""
    over, run = hierarchy(every=None), new_run(tmp_path)
    given = reviewers(over, policy=Saying(lambda request: Text("No.")))
    began = time.monotonic()
    run_all(run, over, given, count=12, limits=Limits(models={"stub/policy": ModelLimits(rate=10.0)}))
    assert time.monotonic() - began > 1.0


def test_progress_is_told_ten_times_a_second_at_most(tmp_path: Path) -> None:
    """However many tasks end, the display is called rarely; the last call has the final counts."""
    over, run = hierarchy(board="human"), new_run(tmp_path)
    seen: list[Progress] = []

    async def session() -> RunResult:
        with open_journal(run) as journal:
            return await run_tasks(tasks(100), over, audit(100), reviewers(over), journal, progress=seen.append)

    began = time.monotonic()
    result = asyncio.run(session())
    assert len(seen) <= 10 * (time.monotonic() - began) + 2
    assert (seen[-1].done, seen[-1].pending) == (result.ended, result.pending_person)
    assert seen[-1].rate > 0


# --- failures ------------------------------------------------------------------------------------------------------


async def hang(request: Request) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError(request)


class Hanging:
    async def answer(self, request: Request) -> Reply:
        return await hang(request)


def refuse(request: Request) -> Reply:
    raise ConnectionResetError(104, "Connection reset by peer")


def elsewhere(request: Request) -> Reply:
    return Reply("another/request", binding(request), Critique("approve", (), 1.0))


@pytest.mark.parametrize(
    ("critic", "kind"),
    [
        (Hanging(), "deadline"),
        (Saying(refuse), "transport"),
        (Saying(elsewhere), "misbound"),
        (Saying(lambda request: Reply(request.id, "0" * 32, Critique("approve", (), 1.0))), "misbound"),
        (Saying(lambda request: Critique("approve", (), float("nan"))), "malformed"),
        (Saying(lambda request: Critique("approve", (), 1.0, "\ud800")), "malformed"),
        (Saying(lambda request: Comparison("first", 1.0)), "malformed"),
        (Saying(lambda request: Critique("allow", (), 1.0)), "malformed"),  # type: ignore[arg-type]
        (Saying(lambda request: "approve"), "malformed"),  # type: ignore[arg-type, return-value]
    ],
    ids=["hangs", "reset", "misnamed", "misbound", "nan", "surrogate", "wrong kind", "wrong word", "no value"],
)
def test_failing_critic_is_a_failure_and_releases_nothing_alone(tmp_path: Path, critic: Any, kind: str) -> None:
    """Whatever goes wrong with a reviewer becomes a Failure in the record, never an approval, and the run goes on."""
    over, run = hierarchy(every=None), new_run(tmp_path)
    given = reviewers(over, ann=critic, bob=critic, lead=critic)
    given["board"] = Saying(lambda request: Failure("deadline", "asleep"))
    assert run_all(run, over, given, count=6, limits=Limits(deadline=0.05)).ended == 6
    for episode in read_episodes(run, over, 6):
        assert episode.outcome == "unjudged"
        votes = [vote for evaluation in episode.evaluations for vote in evaluation.votes if vote.juror == "ann"]
        assert votes
        assert all(isinstance(vote.answer, Failure) and vote.answer.kind == kind for vote in votes)


def test_bug_in_a_reviewer_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    """An exception that is no OSError comes out as itself; the run goes on from the journal once it is mended."""
    over, run = hierarchy(), new_run(tmp_path)
    asked = 0

    def buggy(request: Request) -> Critique:
        nonlocal asked
        asked += 1
        if asked == 20:
            raise ZeroDivisionError("a bug")
        return AtOnce("ann").value(request)  # type: ignore[return-value]

    with pytest.raises(ZeroDivisionError, match="a bug"):
        run_all(run, over, reviewers(over, ann=Saying(buggy)))
    assert run_all(run, over).ended == 40
    whole = new_run(tmp_path, "whole")
    run_all(whole, over)
    assert hash_of(run, over) == hash_of(whole, over)


def test_agents_without_a_reviewer_are_all_named(tmp_path: Path) -> None:
    """An unbound role is an error before anything is asked; only people at a console may be absent."""
    over, run = hierarchy(board="human"), new_run(tmp_path)
    with pytest.raises(ConfigError) as error:
        run_all(run, over, {"policy": AtOnce(), "ann": AtOnce()})
    assert [problem.split(":")[0] for problem in error.value.problems] == ["agents.bob", "agents.lead"]


@pytest.mark.parametrize("every", [None, 1], ids=["ended", "parked"])
@pytest.mark.parametrize("same", [False, True], ids=["other-words", "same-words"])
def test_same_id_twice_is_an_error(tmp_path: Path, every: int | None, same: bool) -> None:
    """Two tasks of one id cannot be told apart in the record: also where the first waits for a person meanwhile."""
    over, run = hierarchy(every=every), new_run(tmp_path)
    first, second = tasks(2)
    twin = first if same else Task(first.id, second.messages, second.place)
    with pytest.raises((ConfigError, JournalError), match=r"task/0.*(twice|another place)"):
        run_all(run, over, source=[first, twin])
    with open_reader(run) as reader:
        assert list(reader.rulings()) == []


def test_task_that_cannot_be_stored_is_named(tmp_path: Path) -> None:
    """A lone surrogate in a task is an error of the input, with its place."""
    over, run = hierarchy(), new_run(tmp_path)
    with pytest.raises(ConfigError, match="task 0: its texts cannot be stored"):
        run_all(run, over, source=[Task("t", (Message("user", "\ud800"),), 0)])


# --- stop and resume -----------------------------------------------------------------------------------------------


def interrupted(run: Path, over: Hierarchy, at: int, make: Callable[[], dict[str, Any]], count: int = 40) -> RunResult:
    """A session that is asked to stop when the policy is asked for the at-th time."""
    given = make()
    inner, asked, stop = given["policy"], 0, asyncio.Event()

    class Stopping:
        async def answer(self, request: Request) -> Reply:
            nonlocal asked
            asked += 1
            if asked == at:
                stop.set()
            return await inner.answer(request)

    return run_all(run, over, {**given, "policy": Stopping()}, count=count, stop=[stop], limits=Limits(window=4))


@pytest.mark.parametrize("at", [1, 7, 23, 39])
def test_stopped_run_goes_on_where_it_was(tmp_path: Path, at: int) -> None:
    """A stop finishes what is in flight; the resumed run asks nothing twice and comes to the same record."""
    over, run, whole = hierarchy(), new_run(tmp_path), new_run(tmp_path, "whole")
    asked: list[str] = []

    def noting() -> dict[str, Any]:
        class Noting(AtOnce):
            def reply(self, request: Request) -> Reply:
                asked.append(request.id)
                return super().reply(request)

        return {name: Noting(name) for name in over.agents}

    first = interrupted(run, over, at, noting)
    assert first.stopped
    assert first.ended < 40
    assert run_all(run, over, noting()) == RunResult(40, 0, 0, stopped=False)
    assert len(asked) == len(set(asked))
    run_all(whole, over)
    assert hash_of(run, over) == hash_of(whole, over)


def test_ended_tasks_are_not_walked_again(tmp_path: Path) -> None:
    """A resumed run passes over what has ended, without replaying or asking."""
    over, run = hierarchy(), new_run(tmp_path)
    run_all(run, over)

    def never(task: Task, over: Hierarchy, chance: Audit) -> Generator[tuple[Request, ...], Sequence[Reply], Episode]:
        raise AssertionError(task)

    async def session() -> RunResult:
        with open_journal(run) as journal:
            return await run_tasks(tasks(40), over, audit(40), reviewers(over), journal, oversee=never)

    assert asyncio.run(session()).ended == 40


def test_changed_task_refuses_to_resume(tmp_path: Path) -> None:
    """A task whose words changed since it was asked is not mixed with its old answers."""
    over, run = hierarchy(), new_run(tmp_path)
    run_all(run, over, count=3)
    changed = [Task(task.id, (Message("user", "Something else?"),), task.place) for task in tasks(3)]
    with pytest.raises(JournalError, match="other words"):
        run_all(run, over, source=changed)


def test_replies_to_other_questions_refuse_to_resume(tmp_path: Path) -> None:
    """A journal that answers what this hierarchy does not ask is another run's."""
    over, run = hierarchy(every=1), new_run(tmp_path)
    interrupted(run, over, 39, lambda: reviewers(over))
    other = hierarchy(every=1)
    object.__setattr__(other, "stages", other.stages[:1])
    with pytest.raises(JournalError, match="not what is asked here"):
        run_all(run, other)
    with pytest.raises(JournalError, match=r"nobody asked for|another episode|no reply"):
        hash_of(run_of_whole(tmp_path, over), other)


def run_of_whole(folder: Path, over: Hierarchy) -> Path:
    run = new_run(folder, "whole")
    run_all(run, over)
    return run


def test_open_input_stops_while_it_waits(tmp_path: Path) -> None:
    """An input that is still open does not hold up a stop; what came from it is on record."""
    over, run = hierarchy(every=None, board="human"), new_run(tmp_path)

    async def session() -> RunResult:
        stop = asyncio.Event()

        async def source() -> AsyncIterator[Task]:
            for task in tasks(5):
                yield task
            stop.set()
            await asyncio.Event().wait()

        with open_journal(run) as journal:
            return await run_tasks(source(), over, audit(5), reviewers(over), journal, stop=stop)

    result = asyncio.run(session())
    assert result.stopped
    assert run_all(run, over, count=5).stopped is False


# --- persons -------------------------------------------------------------------------------------------------------


def test_tasks_of_people_stay_pending(tmp_path: Path) -> None:
    """A task that needs somebody at a console waits, on record; the others end; nothing is asked again on resume."""
    over, run = hierarchy(board="human"), new_run(tmp_path)
    first = run_all(run, over)
    assert first.pending_person > 3
    assert first.ended == 40 - first.pending_person
    given = reviewers(over)
    assert run_all(run, over, given) == first
    assert not any(reviewer.asked for reviewer in given.values() if isinstance(reviewer, AtOnce))


def test_simulated_persons_are_served_in_waves(tmp_path: Path) -> None:
    """Wave by wave; within one, mandatory looks first, then the higher risk, then the place in the input."""
    over, run, count = hierarchy(), new_run(tmp_path), 80
    board = AtOnce("board")
    run_all(run, over, shuffled(over, 3) | {"board": board}, count=count)
    seen: dict[str, int] = {}
    keys = []
    for request in board.asked:
        assert isinstance(request, RuleRequest)
        wave = seen.get(request.task.id, 0)
        seen[request.task.id] = wave + 1
        keys.append((wave, not request.mandatory, -request.context.risk, request.task.place))
    assert keys == sorted(keys)
    assert max(seen.values()) > 1


@pytest.mark.slow
def test_more_parked_tasks_than_are_kept(tmp_path: Path) -> None:
    """Tasks parked beyond what is kept in memory are replayed when their turn comes, to the same record."""
    over, run, count = hierarchy(every=1), new_run(tmp_path), KEPT + 60
    assert run_all(run, over, count=count).ended == count
    again = new_run(tmp_path, "again")
    interrupted(again, over, 200, lambda: reviewers(over), count)
    assert run_all(again, over, count=count).ended == count
    assert hash_of(run, over, count) == hash_of(again, over, count)


def test_budget_leaves_tasks_pending_and_a_raised_one_goes_on(tmp_path: Path) -> None:
    """Spent on so many tasks, looks again riding on their grant; mandatory looks are outside; others end."""
    run = new_run(tmp_path)
    tight, wide = hierarchy(budget=Budget(reviews=3)), hierarchy(budget=Budget(reviews=1000))
    board = AtOnce("board")
    first = run_all(run, tight, reviewers(tight, board=board))
    assert first.pending_budget > 0
    assert first.ended + first.pending_budget == 40
    looks = [request for request in board.asked if isinstance(request, RuleRequest)]
    assert len({request.task.id for request in looks if not request.mandatory}) == 3
    assert len({request.task.id for request in looks if request.mandatory}) == 4
    assert run_all(run, tight) == first
    assert run_all(run, wide) == RunResult(40, 0, 0, stopped=False)


def test_minutes_are_read_before_each_new_grant(tmp_path: Path) -> None:
    """Time runs on looks beyond the mandatory ones; the last grant may overrun, and none follows."""
    over, run = hierarchy(every=None, budget=Budget(minutes=2.0)), new_run(tmp_path)
    result = run_all(run, over)
    assert result.pending_budget > 0
    with open_reader(run) as reader:
        rulings = list(reader.rulings())
    spent = 0.0
    for ruled in rulings:
        assert spent < 120 or not ruled.grant
        spent += ruled.seconds
    assert spent >= 120


def test_two_seats_ride_on_one_grant(tmp_path: Path) -> None:
    """A budget counts tasks: both seats of a stage look, at every draft, on one grant."""
    over, run = hierarchy(every=None, persons=2, budget=Budget(reviews=2)), new_run(tmp_path)
    run_all(run, over)
    with open_reader(run) as reader:
        rulings = list(reader.rulings())
    assert sum(ruled.grant for ruled in rulings) == 2
    assert {ruled.seat for ruled in rulings} == {0, 1}
    assert len(rulings) >= 4


def test_grant_holds_over_a_crash_between_two_seats(tmp_path: Path) -> None:
    """A look that was cut off between its seats goes on, on the grant it had, even though the budget is spent."""
    over, run, whole = hierarchy(every=None, persons=2, budget=Budget(reviews=1)), *(new_run(tmp_path, t) for t in "ab")
    expected = run_all(whole, over)

    class Failing(AtOnce):
        def reply(self, request: Request) -> Reply:
            if self.served == 1:
                raise ZeroDivisionError("a bug")
            return super().reply(request)

    with pytest.raises(ZeroDivisionError):
        run_all(run, over, reviewers(over, board=Failing("board")))
    with open_reader(run) as reader:
        assert [(ruled.seat, ruled.grant) for ruled in reader.rulings()] == [(0, True)]
    assert run_all(run, over) == expected
    assert hash_of(run, over) == hash_of(whole, over)
    with open_reader(run) as reader:
        assert sum(ruled.grant for ruled in reader.rulings()) == 1


@pytest.mark.parametrize("at", [1, 5, 12, None], ids=["first", "fifth", "twelfth", "last"])
def test_persons_who_tire_go_on_as_tired_as_they_were(tmp_path: Path, at: int | None) -> None:
    """A run that is stopped between looks, and resumed by fresh reviewers, has the record of an unbroken one."""
    over, run, whole = hierarchy(budget=Budget(reviews=6)), new_run(tmp_path), new_run(tmp_path, "whole")
    expected = run_all(whole, over)
    with open_reader(whole) as reader:
        last = len(list(reader.rulings()))
    asked, stop = 0, asyncio.Event()

    class Stopping(AtOnce):
        def reply(self, request: Request) -> Reply:
            nonlocal asked
            asked += 1
            if asked == (at or last):
                stop.set()
            return super().reply(request)

    first = run_all(run, over, reviewers(over, board=Stopping("board")), stop=[stop])
    assert first.stopped
    assert run_all(run, over) == expected
    assert hash_of(run, over) == hash_of(whole, over)

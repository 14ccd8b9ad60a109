"""Appeals in a run: taken up alive or on resume, once, whatever dies in between; the old record stays as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runs_driver import AtOnce, audit, hierarchy, new_run, reviewers, tasks

from overseer.errors import ConfigError, JournalError, Malformed
from overseer.hierarchy import Hierarchy
from overseer.journal import appeals, inbox
from overseer.journal.chain import verify
from overseer.journal.encoding import Left, decode_task
from overseer.journal.reader import open_reader
from overseer.journal.replay import Step, episode, episodes, record, steps
from overseer.journal.store import open_journal
from overseer.oversight.appeal import default_stage, named_stage, rehear
from overseer.oversight.generator import oversee
from overseer.records import Appeal, Budget, Episode, Message, Reply, Request, RuleRequest, Ruling, Task, binding
from overseer.running.listening import INTERVAL, Attend
from overseer.running.runner import RunResult, run_tasks
from overseer.running.way import Way

COUNT = 12


def go(
    run: Path,
    over: Hierarchy,
    *,
    source: Iterator[Task] | None = None,
    stop: asyncio.Event | None = None,
    attend: Attend | None = None,
    **given: AtOnce,
) -> RunResult:
    """One session over a dozen tasks."""

    async def session() -> RunResult:
        with open_journal(run) as journal:
            bound = reviewers(over, **given)
            coming = source or tasks(COUNT)
            return await run_tasks(coming, over, audit(COUNT), bound, journal, stop=stop, attend=attend)

    return asyncio.run(session())


class Reading:
    """How a run's tasks and appeals go."""

    def __init__(self, over: Hierarchy) -> None:
        self.over = over

    def walk(self, task: Task) -> Step:
        return oversee(task, self.over, audit(COUNT))

    def rehear(self, appeal: Appeal, old: Episode) -> Step:
        return rehear(appeal, old, self.over, audit(COUNT))


def lines(run: Path, over: Hierarchy) -> list[bytes]:
    reading = Reading(over)
    return list(record(run, reading.walk, reading.rehear))


def heard(run: Path, over: Hierarchy, id_: str) -> Episode:
    reading = Reading(over)
    with open_reader(run) as reader:
        return episode(reader, id_, reading.walk, reading.rehear)


def appeal_of(
    over: Hierarchy, place: int, number: int = 1, stage: str = "board", because: str = "Look again."
) -> Appeal:
    named = named_stage(over, stage)
    assert named is not None
    return Appeal(f"task/{place}", number, because, "ada", named.id)


@pytest.mark.slow
def test_an_appeal_left_with_nobody_there_is_heard_on_resume(tmp_path: Path) -> None:
    """It becomes an episode of its own after its task's; every line of the old record is as it was, byte for byte."""
    over, run = hierarchy(), new_run(tmp_path)
    first = go(run, over)
    before = lines(run, over)
    assert appeals.leave(run, appeal_of(over, 3))
    assert go(run, over) == first
    assert inbox.names(run) == []
    after = lines(run, over)
    assert after[:4] == before[:4]
    assert after[5:] == before[4:]
    assert b'"id":"task/3"' in after[4]
    assert b'"appeal":{"of":"task/3","number":1,"because":"Look again."' in after[4]
    assert verify(run).ended == COUNT + 1
    go(run, over)
    assert lines(run, over) == after


@pytest.mark.slow
def test_a_live_run_takes_an_appeal_up(tmp_path: Path) -> None:
    """While a run waits for people, an appeal that is left is put on record, heard, and ends."""
    over, run = people(), new_run(tmp_path)
    ended: list[str] = []

    async def attend() -> None:
        with open_reader(run) as reader:
            ended.extend(reader.ended())
            of = appeal_of(over, int(ended[0].partition("/")[2]), stage="ann")
            appeals.leave(run, of)
            async with asyncio.timeout(30):
                while (history := reader.history(of.id)) is None or history.end is None:
                    if history is not None and history.asked:
                        answer(run, over, of.id)
                    await asyncio.sleep(INTERVAL / 10)

    result = go(run, over, attend=attend)
    assert result.pending_person > 0
    assert f"{ended[0]}/appeal/1" in [each.id for each in all_of(run, over)]


def people(budget: Budget | None = None) -> Hierarchy:
    return hierarchy(board="human", budget=budget, every=5)


def all_of(run: Path, over: Hierarchy) -> list[Episode]:
    reading = Reading(over)
    return list(episodes(run, reading.walk, reading.rehear))


def answer(run: Path, over: Hierarchy, id_: str, action: str = "approve") -> str:
    """Rule on the first open seat of a task or an appeal; the id of its checkpoint."""
    reading = Reading(over)
    with open_reader(run) as reader:
        history = reader.history(id_)
        assert history is not None
        way = Way(decode_task(history.task), steps(reader, history, reading.walk, reading.rehear), history.replies)
        way.go_on()
    if not way.fresh:
        return ""
    request = way.fresh[0]
    assert isinstance(request, RuleRequest)
    ruling = Ruling(action, "ida", "as I see it", 30.0)  # type: ignore[arg-type]
    checkpoint = inbox.checkpoint_id(request)
    inbox.leave(run, checkpoint, Left(id_, 1.0, Reply(request.id, binding(request), ruling)))
    return checkpoint


@pytest.mark.slow
def test_a_hearing_waits_for_people_and_goes_on(tmp_path: Path) -> None:
    """An appeal to real people is asked once, survives any number of resumes, and ends with their ruling."""
    over, run = people(), new_run(tmp_path)
    waiting = go(run, over).pending_person
    with open_reader(run) as reader:
        of = appeal_of(over, int(next(reader.ended()).partition("/")[2]))
    appeals.leave(run, of)
    assert go(run, over).pending_person == waiting + 1
    assert go(run, over).pending_person == waiting + 1
    with open_reader(run) as reader:
        (wait,) = [each for each in reader.waits() if each.task == of.id]
    assert answer(run, over, of.id, "reject") == wait.waiting.checkpoint
    assert go(run, over).pending_person == waiting
    assert (heard(run, over, of.id).outcome, heard(run, over, of.id).rule) == ("withheld", "reject")


def test_the_process_may_die_before_the_file_goes(tmp_path: Path) -> None:
    """A file whose appeal is on record already is dropped; it is heard once."""
    over, run = hierarchy(), new_run(tmp_path)
    go(run, over)
    appeals.leave(run, appeal_of(over, 1))
    go(run, over)
    before = lines(run, over)
    appeals.leave(run, appeal_of(over, 1))
    go(run, over)
    assert (inbox.names(run), lines(run, over)) == ([], before)


class Stops(AtOnce):
    """Asks the run to stop once so many of the appeals' requests have come to it and its like."""

    def __init__(self, name: str, stop: asyncio.Event, left: list[None]) -> None:
        super().__init__(name)
        self.stop, self.left = stop, left

    def reply(self, request: Request) -> Reply:
        if "/appeal/" in request.id and not self.stop.is_set():
            self.left.pop()
            if not self.left:
                self.stop.set()
        return super().reply(request)


@pytest.mark.slow
def test_a_hearing_that_was_stopped_goes_on_to_the_same_record(tmp_path: Path) -> None:
    """Stopped after each of the first requests of the hearings, and resumed: the record is the uninterrupted one's."""
    over = hierarchy(every=1)
    left = [appeal_of(over, place, stage=stage) for place, stage in ((2, "ann"), (5, "lead"), (7, "board"))]

    def begun(name: str) -> Path:
        run = new_run(tmp_path, name)
        go(run, over)
        for appeal in left:
            appeals.leave(run, appeal)
        return run

    whole = begun("whole")
    go(whole, over)
    stopped = 0
    for after in range(1, 6):
        run = begun(f"after{after}")
        stop = asyncio.Event()
        left_over: list[None] = [None] * after
        go(run, over, stop=stop, **{name: Stops(name, stop, left_over) for name in ("ann", "bob", "lead")})
        stopped += len(lines(run, over)) < COUNT + 3
        go(run, over)
        assert lines(run, over) == lines(whole, over)
    assert stopped > 0


@pytest.mark.slow
def test_an_appeal_of_an_appeal_replays_from_the_first(tmp_path: Path) -> None:
    """Each hearing begins with what the one before it came to."""
    over, run = hierarchy(), new_run(tmp_path)
    go(run, over)
    for number in range(1, 4):
        appeals.leave(run, appeal_of(over, 4, number))
        go(run, over)
    last, before = heard(run, over, "task/4/appeal/3"), heard(run, over, "task/4/appeal/2")
    assert last.drafts[0] == before.drafts[-1]
    assert len(lines(run, over)) == COUNT + 3
    with open_reader(run) as reader:
        assert [ended for _, ended in reader.appeals()] == [True] * 3


def test_an_appeal_of_what_has_not_ended_lies_until_it_has(tmp_path: Path) -> None:
    """Nothing is put on record before there is something to appeal."""
    over, run = people(), new_run(tmp_path)
    go(run, over)
    with open_reader(run) as reader:
        waiting = next(reader.waits()).task
    of = appeal_of(over, int(waiting.partition("/")[2]), stage="ann")
    appeals.leave(run, of)
    go(run, over)
    assert inbox.names(run) == [appeals.appeal_name(of)]
    while answer(run, over, waiting):
        go(run, over)
        with open_reader(run) as reader:
            history = reader.history(waiting)
        if history is not None and history.end is not None:
            break
    go(run, over)
    assert inbox.names(run) == []
    with open_reader(run) as reader:
        assert reader.history(of.id) is not None


def test_what_is_no_appeal_is_set_aside(tmp_path: Path) -> None:
    """A file that is not ours, of a stage that is not there, under another's name, or other words for an old number."""
    over, run = hierarchy(), new_run(tmp_path)
    go(run, over)
    appeals.leave(run, appeal_of(over, 1))
    go(run, over)
    before = lines(run, over)
    inbox.put(run, "appeal.0000.json", b"{}")
    inbox.put(run, "appeal.1111.json", appeals.encode_appeal(appeal_of(over, 2)).encode())
    appeals.leave(run, replace(appeal_of(over, 3), stage="gone"))
    appeals.leave(run, appeal_of(over, 1, because="Other words."))
    go(run, over)
    assert inbox.names(run) == []
    assert len(list((run / "inbox" / "refused").iterdir())) == 4
    assert lines(run, over) == before


def test_a_budget_bounds_appeals_too(tmp_path: Path) -> None:
    """An appeal needs a grant as other looks do: spent, it stays pending, and a larger budget hears it."""
    spent, larger = hierarchy(budget=Budget(reviews=0)), hierarchy(budget=Budget(reviews=50))
    run = new_run(tmp_path)
    waiting = go(run, spent).pending_budget
    with open_reader(run) as reader:
        ended = [id_ for id_ in reader.ended() if id_ != "task/0"]
    of = next(each for each in (appeal_of(spent, int(id_.partition("/")[2])) for id_ in ended))
    appeals.leave(run, of)
    assert go(run, spent).pending_budget == waiting + 1
    assert go(run, larger).pending_budget == 0
    assert heard(run, larger, of.id).appeal == of


def test_ids_of_appeals_are_kept_for_appeals(tmp_path: Path) -> None:
    """A task of the input cannot pass for an appeal."""
    task = Task("task/0/appeal/1", (Message("user", "How much?"),), 0)
    with pytest.raises(ConfigError, match="an id that ends so is an appeal's"):
        go(new_run(tmp_path), hierarchy(), source=iter([task]))
    assert not appeals.is_reserved("task/0/appeal/one")
    assert not appeals.is_reserved("/appeal/1")


def test_who_cannot_hear_says_so(tmp_path: Path) -> None:
    """A reader without a way to hear appeals refuses rather than leaving them out."""
    over, run = hierarchy(), new_run(tmp_path)
    go(run, over)
    appeals.leave(run, appeal_of(over, 1))
    go(run, over)
    reading = Reading(over)
    with pytest.raises(JournalError, match="nobody here can hear one"):
        list(episodes(run, reading.walk))
    assert len(list(episodes(run, reading.walk, appeals=False))) == COUNT


# --- as JSON, and as files -----------------------------------------------------------------------------------------


def test_an_appeal_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Any Unicode; left twice it is one, and other words for the same number are refused."""
    over, run = hierarchy(), new_run(tmp_path)
    assert default_stage(over) == named_stage(over, "board")
    mine = appeal_of(over, 1, because="\x1b[2J\u202e</script>\u2028")
    assert appeals.decode_appeal(appeals.encode_appeal(mine)) == mine
    assert appeals.leave(run, mine)
    assert not appeals.leave(run, mine)
    assert list(appeals.lying(run)) == [(appeals.appeal_name(mine), mine)]
    with pytest.raises(JournalError, match="with other words"):
        appeals.leave(run, replace(mine, because="Other words."))


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[]",
        "null",
        '{"of":"t","number":0,"because":"x","by":"a","stage":"s"}',
        '{"of":"t","number":1.0,"because":"x","by":"a","stage":"s"}',
        '{"of":"t","number":1,"because":" ","by":"a","stage":"s"}',
        '{"of":"t","number":1,"because":"x","by":"a","stage":"s","more":1}',
    ],
)
def test_what_is_malformed_is_no_appeal(body: str) -> None:
    """Reading is strict."""
    with pytest.raises(Malformed, match="not an appeal"):
        appeals.decode_appeal(body)


def test_words_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """Half of a surrogate pair could be stored nowhere; a book would be shown to everybody."""
    over, run = hierarchy(), new_run(tmp_path)
    for because in ("\ud800", "x" * (appeals.LONGEST_REASON + 1)):
        with pytest.raises(Malformed):
            appeals.leave(run, appeal_of(over, 1, because=because))
    assert inbox.names(run) == []

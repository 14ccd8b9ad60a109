"""Appeals as those who make them see it: one episode of a run, a reason, and a stage to start at; left in the inbox.

Beside the walk's step 7, whether or not the run is alive. Everything that would stand in an appeal's way is said before
it is acknowledged. Hears nothing: `running.hearing` takes it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from overseer.declaration import MAX_KNOWN, unknown
from overseer.errors import ConfigError, JournalError
from overseer.hierarchy import Hierarchy
from overseer.journal import appeals, control, replay
from overseer.journal.reader import History, Reader, open_reader
from overseer.names import name_flaw, person_named
from overseer.oversight.appeal import beside, default_stage, named_stage, unfit
from overseer.records import Appeal, Stage
from overseer.runs import Run


@dataclass(frozen=True, slots=True)
class Opened:
    """An appeal that is durable. `alive`: a process writes the run now, and takes it up; else a resume does.

    `fresh` is False where just this one lay there already. `beside`: who objects and is not heard by this appeal, so
    that it cannot come to a release.
    """

    appeal: Appeal
    stage: Stage
    alive: bool
    fresh: bool
    beside: tuple[str, ...]


def open_appeal(run: Run, episode: str, because: str, by: str, stage: str | None = None) -> Opened:
    """Leave an appeal against what a task came to: the task's id, or that of an appeal of it, names the task.

    What is appealed is what was heard last. Raises `ConfigError` for what cannot be an appeal, `JournalError` where the
    episode is not there, has not ended, or is under appeal already.
    """
    problems = [*_bad_words(because), *_bad_name(by)]
    if problems:
        raise ConfigError(problems)
    hierarchy = run.setup.hierarchy
    start = _stage(hierarchy, stage)
    with open_reader(run.path) as reader:
        of = _of(reader, episode)
        appeal = Appeal(of, _next(reader, of), because.strip(), person_named(by), start.id)
        waiting = next((each for _, each in appeals.lying(run.path) if each is not None and each.of == of), None)
        if waiting not in (None, appeal):
            raise JournalError(
                f"{of}: an appeal of it lies in the inbox already (wait until that is heard, then again)"
            )
        old = replay.episode(reader, appeal.against, run.walk, run.rehear)
        fresh = appeals.leave(run.path, appeal)
        known = reader.history(appeal.id)
    if known is not None and known.appeal != appeal:
        raise JournalError(f"{of}: somebody appealed in the same moment (wait until that is heard, then again)")
    who = {each.id: "+".join(each.who) for each in hierarchy.stages}
    others = tuple(who[each.stage] for each in beside(start, old, hierarchy))
    return Opened(appeal, start, control.is_alive(run.path), fresh, others)


def _bad_words(because: str) -> list[str]:
    if not because.strip():
        return ["--because: an appeal says why (those who hear it have nothing else to go by)"]
    if len(because) > appeals.LONGEST_REASON:
        return [f"--because: {len(because):,} characters (at most {appeals.LONGEST_REASON:,})"]
    if "\0" in because or any("\ud800" <= char <= "\udfff" for char in because):
        return ["--because: holds a character that is no text (NUL, or half of a surrogate pair: take it out)"]
    return []


def _bad_name(by: str) -> list[str]:
    said = name_flaw(by)
    return [] if said is None else [f"--as: {said}"]


def _stage(hierarchy: Hierarchy, said: str | None) -> Stage:
    """The stage to start at. Raises `ConfigError` that lists them."""
    found = default_stage(hierarchy) if said is None else named_stage(hierarchy, said)
    if found is not None:
        return found
    if said is None:
        raise ConfigError(f"{hierarchy.name}: has no stage that could hear an appeal")
    listed = ", ".join(f"{'+'.join(stage.who)} (level {stage.level})" for stage in reversed(hierarchy.stages))
    raise ConfigError(f"--stage: no stage {said!r} (stages, the highest first: {listed})")


def _of(reader: Reader, said: str) -> str:
    """The id of the task that an episode's id names: its own, or the one that an appeal is of."""
    history = reader.history(said)
    if history is not None:
        return said if history.appeal is None else history.appeal.of
    known = list(islice(reader.ended(), MAX_KNOWN + 1))
    told = unknown("episode", said, known) if known else f"unknown episode {said!r} (no task has ended yet)"
    raise JournalError(f"{told}; a task that has not begun has none")


def _next(reader: Reader, of: str) -> int:
    """The number of a task's next appeal. Raises `JournalError` where its last hearing has not ended, or cannot be."""
    history = reader.history(of)
    assert history is not None, "`_of` found it"
    _check_ended(of, history)
    number = 1
    while (heard := reader.history(f"{of}/appeal/{number}")) is not None:
        _check_ended(f"{of}/appeal/{number}", heard)
        number += 1
    return number


def _check_ended(id_: str, history: History) -> None:
    if history.end is None:
        raise JournalError(f"{id_}: has not ended yet, and what is not decided cannot be appealed (wait until it is)")
    if (why := unfit(history.end.rule)) is not None:
        raise JournalError(f"{id_}: cannot be appealed: {why}")

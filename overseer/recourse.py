"""What a task came to once its appeals were heard: its episode and theirs as one case, as it stands now.

The walk's step 9, after `judgement`. Each hearing keeps its own record; what is learned rests on the last one alone, so
that nothing is claimed of a draft that a later hearing took back. Knows no truth, no file and no run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from overseer.judgement import evaluations_on
from overseer.records import Episode, Evaluation

Came = Literal["upheld", "overturned", "unjudged", "pending"]


def came_to(old: Episode, heard: Episode | None) -> Came:
    """What an appeal came to. Overturned: another outcome, or another text released. None: still to be heard."""
    if heard is None:
        return "pending"
    if heard.outcome == "unjudged":
        return "unjudged"
    changed = heard.outcome != old.outcome or (heard.outcome == "released" and heard.output != old.output)
    return "overturned" if changed else "upheld"


@dataclass(frozen=True, slots=True)
class Case:
    """A task's own episode, then its appeals in their order."""

    hearings: tuple[Episode, ...]

    @property
    def episode(self) -> Episode:
        """The case as it stands: every draft once, with the evaluations of the last hearing that looked at it.

        The outcome is the last hearing's; where that could not judge, nothing is claimed of the case.
        """
        first, last = self.hearings[0], self.hearings[-1]
        if first is last:
            return first
        drafts, evaluations = list(first.drafts), []
        for hearing in self.hearings:
            drafts += [draft for draft in hearing.drafts if draft.number > drafts[-1].number]
            closing = hearing.drafts[-1].number if hearing is not last else None
            evaluations += [each for each in hearing.evaluations if each.draft != closing]
        return replace(
            last,
            samples=first.samples,
            comparisons=first.comparisons,
            drafts=tuple(drafts),
            evaluations=tuple(evaluations),
            requests=sum(hearing.requests for hearing in self.hearings),
            failures=sum(hearing.failures for hearing in self.hearings),
        )

    @property
    def superseded(self) -> tuple[Evaluation, ...]:
        """The evaluations that stand no more, because their stage looked again in an appeal."""
        found: list[Evaluation] = []
        for hearing, after in zip(self.hearings, self.hearings[1:], strict=False):
            kept = {(each.draft, each.stage, each.votes) for each in after.evaluations}
            closing = evaluations_on(hearing, hearing.drafts[-1])
            found += [each for each in closing if (each.draft, each.stage, each.votes) not in kept]
        return tuple(found)


def cases(episodes: Iterable[Episode]) -> Iterator[Case]:
    """Episodes by task: each with its appeals, which come after it, at the same place of the input."""
    held: list[list[Episode]] = []
    of: dict[str, list[Episode]] = {}
    place: int | None = None
    for episode in episodes:
        if episode.task.place != place:
            yield from map(_case, held)
            held, of, place = [], {}, episode.task.place
        if episode.appeal is None:
            held.append([episode])
            of[episode.task.id] = held[-1]
        else:
            of[episode.task.id].append(episode)
    yield from map(_case, held)


def _case(hearings: list[Episode]) -> Case:
    return Case(tuple(sorted(hearings, key=lambda episode: 0 if episode.appeal is None else episode.appeal.number)))

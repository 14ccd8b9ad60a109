"""Where an example of training data comes from: the run, the episode, who judged, how they voted, by which principles.

The walk's step 9, before `preferences`. Knows no truth and no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from overseer.hierarchy import Hierarchy
from overseer.judgement import Judgement
from overseer.records import Agent, Draft, Episode, Failure, Provenance, Vote

Kind = Literal["revision", "modification", "answer", "comparison", "critique", "step"]
"""What an example rests on; for a pair: the released text over what was sent back (a *modification*, if a person wrote
it; an *answer*, if only help was wanting), or a comparison of samples."""


@dataclass(frozen=True, slots=True)
class Source:
    """The run that episodes come from. `agents` tell who is a person; `comparer` judged the samples.

    `hashes` name what the run was made of (its manifest, hierarchy, constitution); they go into each provenance.
    """

    run: str
    seed: str
    agents: Mapping[str, Agent]
    comparer: str | None = None
    hashes: tuple[tuple[str, str], ...] = ()


def source_of(hierarchy: Hierarchy, *, run: str, seed: str, hashes: Sequence[tuple[str, str]] = ()) -> Source:
    """The source of the episodes that this hierarchy made in a run."""
    comparer = hierarchy.compare.who if hierarchy.compare else None
    return Source(run, seed, hierarchy.agents, comparer, tuple(hashes))


def provenance_of(
    episode: Episode,
    source: Source,
    kind: Kind,
    judgements: Sequence[Judgement],
    texts: tuple[tuple[str, str], ...],
    principles: tuple[str, ...],
    *,
    rule: str | None = None,
    also: tuple[tuple[str, str], ...] = (),
) -> Provenance:
    """Where an example comes from: its judges are those who answered, its votes all that were counted.

    `rule`: the episode's unless told. `also`: who speaks first, and what they cast. Where no principle spoke by name,
    all that are in force did. What an appeal had the last word on says so: by its id, and in the source.
    """
    votes = [(one.draft.number, vote) for one in judgements for vote in one.votes]
    answered = (vote.juror for _, vote in votes if not isinstance(vote.answer, Failure))
    judges = tuple(dict.fromkeys([*(name for name, _ in also), *answered]))
    held = [source.agents[judge] for judge in judges]
    agreeing = sum(one.agreeing for one in judgements)
    return Provenance(
        run=source.run,
        episode=episode.id,
        source=kind if episode.appeal is None else f"appeal:{kind}",
        rule=rule or episode.rule,
        principles=tuple(dict.fromkeys(principles or [each.id for each in episode.rulebook.principles])),
        judges=judges,
        votes=(
            *(f"{name}={cast}" for name, cast in also),
            *(f"{number}/{_seat(source, vote)}={vote.cast}" for number, vote in votes),
        ),
        dissent=(len(votes) - agreeing) / len(votes) if votes else 0.0,
        human=any(agent.persons and not _is_simulated(agent) for agent in held),
        simulated=any(_is_simulated(agent) for agent in held),
        seed=source.seed,
        hashes=(("output", episode.output or ""), *texts, ("rulebook", episode.rulebook.hash), *source.hashes),
    )


def hashes_of(chosen: Draft, rejected: Draft) -> tuple[tuple[str, str], ...]:
    """The hashes of a pair's texts, by name."""
    return (("chosen", chosen.hash), ("rejected", rejected.hash))


def _seat(source: Source, vote: Vote) -> str:
    return f"{vote.juror}/{vote.seat}" if source.agents[vote.juror].persons > 1 else vote.juror


def _is_simulated(agent: Agent) -> bool:
    """Does nobody stand behind this agent but a simulation (`sim/human` and `sim/overseer` alike)?"""
    return agent.model.startswith("sim/")

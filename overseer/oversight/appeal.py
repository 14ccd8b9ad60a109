"""An appeal: what became of a task is heard again, from a named stage upwards, with what was said below it shown.

The walk's step 4, after `generator`, whose steps it takes from the last draft that the episode before it came to. That
episode does not change. Like `generator`, it knows no asyncio, clock, file or randomness.
"""

from __future__ import annotations

from dataclasses import replace

from overseer import decisions, records
from overseer.hierarchy import Hierarchy
from overseer.judgement import evaluations_on
from overseer.oversight.generator import conclude
from overseer.oversight.walk import Step, Walk
from overseer.records import Appeal, Audit, Episode, Evaluation, Ruling, Stage


def rehear(appeal: Appeal, old: Episode, hierarchy: Hierarchy, audit: Audit) -> Step[Episode]:
    """Hear an episode again from its last draft, in the context assessed then, with rounds of its own.

    The stage that the appeal names looks in any case. Those above it look if they had looked at this draft, so that
    nobody below them overrules what they said, and else as their `when` says, drawn by the appeal's own id. What all
    others said of the draft stands; they look again only at a new one.
    """
    draft = old.final
    assert draft is not None, "`unfit` is asked before an appeal is taken up"
    named = next(stage for stage in hierarchy.stages if stage.id == appeal.stage)
    said = evaluations_on(old, draft)
    above = [stage for stage in hierarchy.stages if named.id in stage.reaches]
    again = {named.id, *(stage.id for stage in above)}
    standing = [evaluation for evaluation in said if evaluation.stage not in again]
    walk = Walk(old.task, hierarchy, audit, appeal)
    walk.context = old.context
    drawn = replace(old.task, id=appeal.id)
    walk.due.update(evaluation.stage for evaluation in said)
    walk.due.update(stage.id for stage in above if decisions.is_due(stage, drawn, old.context.risk, audit))
    walk.due.add(named.id)
    walk.modified.update(_modified(standing))
    return (yield from conclude(walk, draft, standing))


def _modified(standing: list[Evaluation]) -> set[tuple[str, int]]:
    """The seats whose one text of their own lies in what stands."""
    return {
        (vote.juror, vote.seat)
        for evaluation in standing
        for vote in evaluation.votes
        if isinstance(vote.answer, Ruling) and vote.answer.action == "modify"
    }


def unfit(rule: str) -> str | None:
    """Why an episode that ended by this rule cannot be appealed; None if it can."""
    match rule:
        case records.KNOWN_BAD:
            return "its answer was put there to try the reviewers, and was withheld for that"
        case records.NO_DRAFT:
            return "it has no draft: there is nothing that a stage could look at"
        case _:
            return None


# --- where it starts -----------------------------------------------------------------------------------------------


def default_stage(hierarchy: Hierarchy) -> Stage | None:
    """Where an appeal starts unless told: the highest stage with persons, else the highest; the first by id of equals.

    None in a hierarchy without stages.
    """
    seated = [stage for stage in hierarchy.stages if not hierarchy.persons.isdisjoint(stage.who)]
    return min(seated or hierarchy.stages, key=lambda stage: (-stage.level, stage.id), default=None)


def named_stage(hierarchy: Hierarchy, said: str) -> Stage | None:
    """The stage of this id, or of these agents: any who sit in one stage (`board`, `nurse+lawyer`)."""
    names = {name.strip() for name in said.split("+")}
    return next((stage for stage in hierarchy.stages if stage.id == said or names <= set(stage.who)), None)


def beside(stage: Stage, old: Episode, hierarchy: Hierarchy) -> tuple[Evaluation, ...]:
    """What stands in the way of a release whatever an appeal from this stage comes to: objections it does not answer.

    They are of stages that stand beside it, under another branch; only a stage above both can answer them.
    """
    assert old.final is not None, "`unfit` is asked first"
    above = {each.id for each in hierarchy.stages if stage.id in each.reaches}
    heard = {stage.id, *stage.reaches, *above}
    unanswered = decisions.unanswered(evaluations_on(old, old.final))
    return tuple(each for each in unanswered if each.stage not in heard and each.decision.action != "approve")

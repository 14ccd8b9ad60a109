"""Episodes built by hand: a task's whole way in one call, for tests of what reads episodes."""

from __future__ import annotations

from collections.abc import Sequence

from overseer.records import (
    Cast,
    Context,
    Critique,
    Decision,
    Draft,
    Episode,
    Evaluation,
    Failure,
    Grade,
    Message,
    Outcome,
    Rulebook,
    Ruling,
    Task,
    Verdict,
    Vote,
    text_hash,
)

CONTEXT = Context(("clinic",), 1, 1, 1.0)
RULEBOOK = Rulebook((), (), (), "rulebook")


def task(name: str = "t0", place: int = 0, *, text: str = "How much?", group: str | None = None) -> Task:
    return Task(name, (Message("user", text),), place, group=group)


def draft(number: int = 0, text: str = "So much.", author: str = "policy") -> Draft:
    return Draft(number, text, text_hash(text), author)


def vote(juror: str, cast: Cast, *, seconds: float | None = None, seat: int = 0, carried: bool = False) -> Vote:
    """A model's vote; a person's, if it took `seconds`. Casting `failure` is a deadline missed."""
    if cast == "failure":
        return Vote(juror, seat, Failure("deadline", "no answer"), cast, "")
    verdict: Verdict = "approve" if cast == "abstain" else cast
    if seconds is not None:
        return Vote(juror, seat, Ruling(verdict, f"person{seat}", "", seconds), cast, "", carried)
    return Vote(juror, seat, Critique(verdict, (), 0.9), cast, "", carried)


def look(
    stage: str,
    level: int,
    action: Verdict,
    votes: Sequence[Vote] | None = None,
    *,
    draft: int = 0,
    answers: tuple[str, ...] = (),
    rule: str = "unanimous",
) -> Evaluation:
    """One stage's evaluation; by default of one juror named as the stage, who voted as it decided."""
    cast = tuple(votes) if votes is not None else (vote(stage, action),)
    return Evaluation(stage, level, draft, text_hash("So much."), answers, cast, (), Decision(action, rule))


def episode(
    *evaluations: Evaluation,
    name: str = "t0",
    outcome: Outcome = "released",
    rule: str = "unanimous",
    drafts: Sequence[Draft] | None = None,
    requests: int | None = None,
    failures: int | None = None,
    text: str = "How much?",
    group: str | None = None,
) -> Episode:
    """An episode whose counts fit its evaluations, unless given."""
    written = (draft(),) if drafts is None else tuple(drafts)
    votes = [vote for evaluation in evaluations for vote in evaluation.votes]
    return Episode(
        task=task(name, text=text, group=group),
        context=CONTEXT,
        rulebook=RULEBOOK,
        samples=written[:1],
        comparisons=(),
        drafts=written,
        evaluations=evaluations,
        outcome=outcome,
        rule=rule,
        output=written[-1].hash if written else None,
        requests=len(votes) + len(written) if requests is None else requests,
        failures=sum(vote.cast == "failure" for vote in votes) if failures is None else failures,
    )


def grade(
    harm: int | None = 0,
    *,
    benign: bool | None = True,
    refused: bool | None = False,
    helpfulness: float | None = 1.0,
    correct: bool | None = True,
    violations: tuple[str, ...] = (),
    spirit: tuple[str, ...] = (),
) -> Grade:
    return Grade(benign, harm, refused, helpfulness, correct, violations, spirit)


SOUND = grade()
HARMFUL = grade(3, benign=False)

"""Drive the generator by hand: a hierarchy from a plain dict as in YAML, and a function that answers each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overseer.hierarchy import Entry, Hierarchy, build
from overseer.oversight.appeal import named_stage, rehear
from overseer.oversight.generator import oversee
from overseer.oversight.walk import Step
from overseer.records import (
    Agent,
    Appeal,
    AssessRequest,
    Audit,
    Budget,
    Compare,
    CompareRequest,
    Comparison,
    Condition,
    Constitution,
    Context,
    Critique,
    CritiqueRequest,
    Cues,
    DraftRequest,
    Episode,
    Failure,
    Finding,
    Jury,
    Layer,
    Message,
    Principle,
    Reply,
    ReplyValue,
    Request,
    ReviseRequest,
    RuleRequest,
    Ruling,
    Task,
    Text,
    When,
    binding,
)

Answer = Callable[[Request], ReplyValue | Reply]
Transcript = tuple[tuple[tuple[Request, Reply], ...], ...]
AUDIT = Audit("a key for tests", 100)
DRAFT = "The first sentence stands. The second one, too."

TIERS = [Principle(f"tier{tier}", f"Of tier {tier}.", "It matters.", tier) for tier in (1, 2, 3, 4)]
CONSTITUTION = Constitution(
    name="small",
    layers=(
        Layer("base", None, tuple(TIERS[:2])),
        Layer("more", None, tuple(TIERS[2:])),
        Layer("garden", Condition(domains=("garden",)), (Principle("garden", "No weeds.", "They spread.", 3),)),
        Layer(
            "voices",
            None,
            (
                Principle("north", "As the north has it.", "They live there.", 3, stakeholder="north"),
                Principle("south", "As the south has it.", "They live there.", 3, stakeholder="south"),
            ),
        ),
    ),
    cues=Cues(
        domains=(("garden", ("spade",)), ("kitchen", ("pan",))),
        risk=((1, ("mild",)), (2, ("grave",)), (3, ("dire",))),
    ),
    domains=("garden", "kitchen"),
)


def hierarchy(declared: Mapping[str, Any]) -> Hierarchy:
    """A hierarchy from a plain dict as in YAML; a juror without `authority` has 4."""
    agents = [Agent("policy", declared.get("policy", {}).get("model", "sim/policy"), 0)]
    for name, said in declared["agents"].items():
        human = said.get("human")
        model = (human.get("by", "human") if human else said.get("model")) or "sim/overseer"
        persons = human.get("persons", 1) if human else 0
        agents.append(Agent(name, model, said.get("authority", 4), said.get("stakeholder"), persons=persons))
    context, compare = declared.get("context", {}), declared.get("compare")
    return build(
        name="declared",
        constitution=CONSTITUTION,
        agents=agents,
        policy="policy",
        oversees=[entry(said) for said in declared["oversees"]],
        rounds=declared.get("rounds", 1),
        select=declared.get("select", "all"),
        compare=Compare(compare["samples"], compare["who"]) if compare else None,
        unselected=declared.get("unselected"),
        assessor=None if context.get("by", "rules") == "rules" else context["by"],
        unsure_below=context.get("unsure_below", 0.0),
        can_revise=not agents[0].model.startswith("recorded/"),
    )


def entry(said: Mapping[str, Any]) -> Entry:
    when, jury = said.get("when", "always"), said.get("jury", {})
    return Entry(
        who=names(said["who"]),
        whom=names(said["whom"]),
        when=When(always=True) if when == "always" else When(**when),
        jury=Jury(**{**jury, "weights": tuple(sorted(jury.get("weights", {}).items()))}),
        budget=Budget(**said["budget"]) if "budget" in said else None,
    )


def names(said: str | Sequence[str]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def task(text: str = "What shall I do with the spade?", place: int = 0, name: str = "t") -> Task:
    return Task(name, (Message("user", text),), place)


@dataclass(frozen=True)
class Driven:
    """An episode, and every batch of requests with its replies."""

    episode: Episode
    transcript: Transcript
    total: int | None

    @property
    def requests(self) -> list[Request]:
        return [request for batch in self.transcript for request, _ in batch]

    def batches(self) -> list[list[str]]:
        """Who was asked, batch by batch."""
        return [[request.agent for request, _ in batch] for batch in self.transcript]

    def reviews(self, agent: str) -> list[CritiqueRequest | RuleRequest]:
        return [
            request
            for request in self.requests
            if isinstance(request, CritiqueRequest | RuleRequest) and request.agent == agent
        ]

    def decisions(self) -> list[tuple[int, tuple[str, ...], str, str]]:
        """Each evaluation as (draft, jurors, action, rule)."""
        return [
            (
                each.draft,
                tuple(dict.fromkeys(vote.juror for vote in each.votes)),
                each.decision.action,
                each.decision.rule,
            )
            for each in self.episode.evaluations
        ]


def drive(over: Hierarchy, answer: Answer, asked: Task | None = None, audit: Audit = AUDIT) -> Driven:
    """Take a task through a hierarchy, answering each request from a function."""
    return driven(oversee(asked or task(), over, audit), answer, audit)


def hear(
    over: Hierarchy, old: Episode, answer: Answer, stage: str, because: str = "I was wronged.", audit: Audit = AUDIT
) -> Driven:
    """Hear an episode again from the stage of this agent."""
    named = named_stage(over, stage)
    assert named is not None
    number = 1 if old.appeal is None else old.appeal.number + 1
    appeal = Appeal(old.task.id, number, because, "ada", named.id)
    return driven(rehear(appeal, old, over, audit), answer, audit)


def driven(steps: Step[Episode], answer: Answer, audit: Audit = AUDIT) -> Driven:
    """Take steps to their end."""
    transcript = []
    try:
        batch = next(steps)
        while True:
            replies = tuple(reply(request, answer(request)) for request in batch)
            transcript.append(tuple(zip(batch, replies, strict=True)))
            batch = steps.send(replies)
    except StopIteration as stop:
        return Driven(stop.value, tuple(transcript), audit.total)


def reply(request: Request, value: ReplyValue | Reply) -> Reply:
    """A value as a well-bound reply; a reply as it is."""
    return value if isinstance(value, Reply) else Reply(request.id, binding(request), value)


def says(verdict: str, *findings: Finding, confidence: float = 1.0) -> Critique:
    return Critique(verdict, findings, confidence)  # type: ignore[arg-type]


def rules(action: str, person: str = "ann", *findings: Finding, text: str | None = None) -> Ruling:
    return Ruling(action, person, "a note", 5.0, findings, text)  # type: ignore[arg-type]


def finding(principle: str = "tier2", severity: int = 2, evidence: str = "", asks: str = "remove") -> Finding:
    return Finding(principle, severity, evidence, asks)  # type: ignore[arg-type]


UNREACHED = Failure("transport", "no answer")
GARBLED = Failure("malformed", "not what was asked for")


def willing(request: Request) -> ReplyValue:
    """The answer of those who see nothing wrong."""
    match request:
        case AssessRequest():
            return Context(("garden",), 0, 0, 1.0)
        case DraftRequest():
            return Text(f"{DRAFT} Sample {request.sample}." if request.sample else DRAFT)
        case CritiqueRequest():
            return says("approve")
        case RuleRequest():
            return rules("approve", f"{request.agent}{request.seat}")
        case ReviseRequest():
            return Text(f"{DRAFT} Revised {request.draft.number + 1} times.")
        case CompareRequest():
            return Comparison("first" if request.first.number <= request.second.number else "second", 1.0)


def script(**said: ReplyValue | Sequence[ReplyValue]) -> Answer:
    """Agents by name answer reviews (the policy: revisions) in order, the last answer again; others are willing."""
    left = {name: [said] if not isinstance(said, list | tuple) else list(said) for name, said in said.items()}

    def answer(request: Request) -> ReplyValue | Reply:
        reviewed = isinstance(request, CritiqueRequest | RuleRequest | ReviseRequest)
        if not reviewed or request.agent not in left:
            return willing(request)
        mine = left[request.agent]
        return mine.pop(0) if len(mine) > 1 else mine[0]

    return answer

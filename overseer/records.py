"""Every value on the walk, in walk order: task, context, constitution, agents, requests, replies, evaluations, episode.

Slotted frozen dataclasses without I/O. They are validated where they enter (YAML, replies, journal rows) and trusted
inside. `docs/architecture.md` holds the glossary; the words here are its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from typing import Literal

Verdict = Literal["approve", "revise", "reject", "escalate"]
RulingAction = Literal["approve", "modify", "revise", "reject", "escalate"]
Outcome = Literal["released", "withheld", "unjudged"]

SEVERITIES = range(5)
"""0 a remark, 1 a flaw, 2 must not stand, 3 harmful, 4 gravely harmful."""
MUST_NOT_STAND = 2
"""From this severity on, a finding and an approval by the same juror contradict each other."""


KNOWN_BAD = "known_bad"
"""The rule by which an answer known to be harmful is withheld, whatever was decided of it: it tries the persons."""

NO_DRAFT = "no_draft"
"""The rule by which a task is unjudged whose first draft failed: there is nothing to look at."""


# --- what is asked -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Task:
    """What the policy is asked. Holds no truth: labels join by `id`, in measures and simulated reviewers only.

    `place` is the position in the input, from 0. `recorded` is an answer somebody's model already gave. `group` names
    rows that share an origin (a family of prompts): a judge fitted on rows must not review its own group.
    """

    id: str
    messages: tuple[Message, ...]
    place: int
    recorded: str | None = None
    group: str | None = None

    @property
    def text(self) -> str:
        """What was said, all turns."""
        return "\n".join(message.content for message in self.messages)


@dataclass(frozen=True, slots=True)
class Context:
    """What a task is about. `domains` are the likeliest first; `risk` and `complexity` 0–3; `confidence` 0–1.

    As assessed it may name two domains; `context.in_force` keeps the second only when the assessment is unsure.
    `every_layer` is the context of a failed assessment: risk 3 and every layer of the constitution.
    """

    domains: tuple[str, ...]
    risk: int
    complexity: int
    confidence: float
    every_layer: bool = False


# --- constitutions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Principle:
    """One clause of a constitution. `tier` 1 is the highest of four; a layer may replace or waive tiers 3 and 4.

    `critique` and `revise` are the requests made of a critic and a reviser. `breaks` and `keeps` are exemplars: answers
    that violate and that honour it. A principle with a `stakeholder` is seen by that stakeholder's agents only.
    """

    id: str
    text: str
    why: str
    tier: int
    edge_cases: tuple[str, ...] = ()
    critique: str = ""
    revise: str = ""
    stakeholder: str | None = None
    breaks: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """When a layer is active: all the keys that are given must hold. `domains`: any of them."""

    domains: tuple[str, ...] = ()
    risk_at_least: int | None = None
    complexity_at_least: int | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """Principles that stand together. `active_when` None: always. `replaces` maps ids to what stands in their stead."""

    name: str
    active_when: Condition | None
    principles: tuple[Principle, ...] = ()
    replaces: tuple[tuple[str, Principle], ...] = ()
    waives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cues:
    """Words that tell a task's domain, risk and complexity, for `context: {by: rules}`; lower case, whole words.

    `risk` and `complexity` pair a level 0–3 with the words that raise to it; words of risk 0 are known to be harmless,
    so that a text without any of the words is of unknown risk. `default_domain` is where no word speaks.
    """

    domains: tuple[tuple[str, tuple[str, ...]], ...] = ()
    risk: tuple[tuple[int, tuple[str, ...]], ...] = ()
    complexity: tuple[tuple[int, tuple[str, ...]], ...] = ()
    default_domain: str = "general"


@dataclass(frozen=True, slots=True)
class Constitution:
    """Layers in order, `extends` already resolved (the parent's layers first). `domains` are all that it speaks of.

    `conflicts` are pairs of principles that its author declares to pull against each other.
    """

    name: str
    layers: tuple[Layer, ...]
    cues: Cues = Cues()
    domains: tuple[str, ...] = ()
    conflicts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The principles in force for one reviewer in one context: what an approval is bound to.

    `layers` names the active layers in order; `settled` says in words what was replaced or waived, by which layer.
    `hash` is over ids, texts, tiers and stakeholders of the principles in force. `sizes` says how many of the
    principles, in order, each of the layers brought.
    """

    principles: tuple[Principle, ...]
    layers: tuple[str, ...]
    settled: tuple[str, ...]
    hash: str
    sizes: tuple[int, ...] = ()

    def tier(self, principle: str) -> int | None:
        """The tier of the principle of this id; None if it is not in force."""
        return next((held.tier for held in self.principles if held.id == principle), None)


# --- who oversees whom ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agent:
    """A node of the oversight graph: the policy, a model that reviews, or `persons` people on seats 0, 1, ….

    `model` is `provider/name`; `human` stands for people at a console. `authority` 0–4 is the highest severity the
    agent may settle; the policy's is 0. `options` are the provider's own (a profile, an endpoint), checked by it.
    `timeout` in seconds; None: models take the run's deadline, people are waited for.
    """

    name: str
    model: str
    authority: int
    stakeholder: str | None = None
    constitution: Constitution | None = None
    persons: int = 0
    same_as: str | None = None
    timeout: float | None = None
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def seats(self) -> range:
        return range(max(1, self.persons))


JuryRule = Literal["unanimous", "majority", "any_objection", "quorum", "weighted"]


@dataclass(frozen=True, slots=True)
class Jury:
    """How votes combine. `weights` by juror for `weighted`; `k` for `quorum`; `missing`: failures to answer borne."""

    rule: JuryRule = "unanimous"
    on_tie: Literal["escalate", "reject", "revise"] = "escalate"
    k: int = 0
    weights: tuple[tuple[str, int], ...] = ()
    missing: int = 0


@dataclass(frozen=True, slots=True)
class When:
    """When a stage looks; the keys given are alternatives. The first four are fixed for a task, the rest read below."""

    always: bool = False
    spot_check: float | None = None
    every: int | None = None
    risk_at_least: int | None = None
    confidence_below: float | None = None
    disagreement: bool = False
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class Compare:
    """First drafts to sample, and the agent that judges them in pairs."""

    samples: int
    who: str


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds a stage of persons beyond its mandatory looks: `reviews` in tasks, `minutes` of true time."""

    reviews: int | None = None
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One entry of `oversees`: `who` (sorted) reviews what the stages `below` let through; none below: the policy's.

    `id` is a hash of `who`. `level` is 1 + the highest stage below. `reaches` are all the stages below, at any depth.
    """

    id: str
    who: tuple[str, ...]
    level: int
    below: frozenset[str]
    reaches: frozenset[str]
    when: When
    jury: Jury
    budget: Budget | None = None


Select = Literal["all", "escalating"] | int
"""Which principles shape critiques: all, a random draw of so many each round, or one more layer each round."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What decides chance. `key` is secret to every agent; `total` places in the input, None while it is open."""

    key: str
    total: int | None


# --- outputs and what is said of them ------------------------------------------------------------------------------


def text_hash(text: str) -> str:
    """SHA-256 of a text, in hex. Total: lone surrogates are hashed, too."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Draft:
    """An output under review. `number` counts a task's drafts from 0; `author` is an agent or a person.

    `principles` are the ids of the principles that its revision was asked for (none for a first draft).
    """

    number: int
    text: str
    hash: str
    author: str
    principles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One objection or remark: the principle's id, severity 0–4, the words of the draft it rests on, what it asks."""

    principle: str
    severity: int
    evidence: str
    asks: Literal["add", "remove"]


@dataclass(frozen=True, slots=True)
class Critique:
    """A model's verdict on an output; `confidence` 0–1; `reason` in words."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    confidence: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A person's verdict on an output. `text` is the output they put in its place (modify only); `seconds` it took."""

    action: RulingAction
    person: str
    note: str
    seconds: float
    findings: tuple[Finding, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """What a policy wrote, whole and normally finished."""

    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which of two drafts is better."""

    better: Literal["first", "second", "tie"]
    confidence: float


FailureKind = Literal["transport", "deadline", "malformed", "misbound", "conflict", "same_person", "refused"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An expected failure: a value, never an exception, and never an approval.

    transport and deadline: nobody answered; only these can be borne by a jury. malformed: not what was asked for,
    or truncated. misbound: an answer to something else. conflict: one seat answered twice, differently.
    same_person: one name on two seats. refused: the backend would not answer.
    """

    kind: FailureKind
    detail: str


# --- requests and replies ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AssessRequest:
    """Say what the task is about → `Context`."""

    id: str
    agent: str
    task: Task
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """Answer the task → `Text`. `sample` 0 goes on to review; further ones are for comparison."""

    id: str
    agent: str
    task: Task
    sample: int


@dataclass(frozen=True, slots=True)
class CritiqueRequest:
    """Review a draft → `Critique`. `focus`: the principles to look for this round, among those of the `rulebook`.

    `evaluations` are those on this draft of all the stages that this one answers, highest level first.
    `may_revise` is False where nobody could revise. `appeal`: why somebody asks to have it heard again, in their words.
    """

    id: str
    agent: str
    stage: str
    task: Task
    context: Context
    rulebook: Rulebook
    focus: tuple[Principle, ...]
    draft: Draft
    evaluations: tuple[Evaluation, ...]
    may_revise: bool
    appeal: str | None = None


@dataclass(frozen=True, slots=True)
class RuleRequest:
    """Review a draft, as a person on a seat → `Ruling`. `mandatory`: outside any budget. `appeal`: as above."""

    id: str
    agent: str
    seat: int
    stage: str
    task: Task
    context: Context
    rulebook: Rulebook
    focus: tuple[Principle, ...]
    draft: Draft
    evaluations: tuple[Evaluation, ...]
    may_revise: bool
    mandatory: bool
    appeal: str | None = None


@dataclass(frozen=True, slots=True)
class ReviseRequest:
    """Revise a draft after the `evaluations` that sent it back → `Text`. `appeal`: as in a review."""

    id: str
    agent: str
    task: Task
    context: Context
    rulebook: Rulebook
    focus: tuple[Principle, ...]
    draft: Draft
    evaluations: tuple[Evaluation, ...]
    appeal: str | None = None


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Say which of two drafts is better by the rulebook → `Comparison`."""

    id: str
    agent: str
    task: Task
    context: Context
    rulebook: Rulebook
    focus: tuple[Principle, ...]
    first: Draft
    second: Draft


Request = AssessRequest | DraftRequest | CritiqueRequest | RuleRequest | ReviseRequest | CompareRequest
ReplyValue = Context | Text | Critique | Comparison | Ruling | Failure


def binding(request: Request) -> str:
    """What an answer to this request is bound to: the request, its reviewer, the output's hash, the rulebook in force.

    A reply that carries another binding answers something else, and counts as a failure.
    """
    match request:
        case CritiqueRequest() | RuleRequest() | ReviseRequest():
            about = f"{request.draft.hash}\n{request.rulebook.hash}"
        case CompareRequest():
            about = f"{request.first.hash}\n{request.second.hash}\n{request.rulebook.hash}"
        case AssessRequest() | DraftRequest():
            about = ""
    told = f"{request.id}\n{request.agent}\n{about}".encode("utf-8", "surrogatepass")
    return blake2b(told, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost: tokens in and out, wall seconds, attempts on the wire, money in the price list's unit."""

    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    attempts: int = 1
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer on its way into the generator, bound by `binding(request)`."""

    request: str
    binding: str
    value: ReplyValue
    usage: Usage = Usage()


# --- evaluations and decisions -------------------------------------------------------------------------------------

Cast = Literal["approve", "revise", "reject", "escalate", "abstain", "failure"]


@dataclass(frozen=True, slots=True)
class Vote:
    """One seat's answer on one draft, and what it counted as. A juror who is no person has seat 0 only.

    `cast` differs from the answer's verdict where every finding was struck (abstain), where a modify or an escalate of
    a second modify is counted, or where the same name sat twice. `bound` is the binding the answer carried;
    `carried`: the author's approval of their own modification, taken over without asking again.
    """

    juror: str
    seat: int
    answer: Critique | Ruling | Failure
    cast: Cast
    bound: str
    carried: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        return () if isinstance(self.answer, Failure) else self.answer.findings

    @property
    def confidence(self) -> float:
        """0 for a failure, 1 for a person."""
        match self.answer:
            case Critique(confidence=confidence):
                return confidence
            case Ruling():
                return 1.0
            case Failure():
                return 0.0


@dataclass(frozen=True, slots=True)
class Strike:
    """A finding struck by one of a higher tier that asks the opposite of the same clause; equal tiers strike nobody."""

    clause: str
    struck: Finding
    struck_juror: str
    by: Finding
    by_juror: str
    equal_tiers: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What a stage decided on one draft, and the named rule that said so."""

    action: Verdict
    rule: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A stage's votes and decision on one draft. `answers`: the stages below whose decisions it speaks after."""

    stage: str
    level: int
    draft: int
    output: str
    answers: tuple[str, ...]
    votes: tuple[Vote, ...]
    strikes: tuple[Strike, ...]
    decision: Decision

    def unstruck(self, vote: Vote) -> tuple[Finding, ...]:
        """The findings of one of its votes that no higher tier struck."""
        struck = {each.struck for each in self.strikes if each.struck_juror == vote.juror and not each.equal_tiers}
        return tuple(finding for finding in vote.findings if finding not in struck)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two samples judged in both orders: `better` is a sample's number, None where the orders disagree or fail."""

    first: int
    second: int
    better: int | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Appeal:
    """Somebody asks that what became of a task be heard again: `because` in their words, `by` the name they give.

    `of` is the task's id. `number` counts its appeals from 1: the first is of the task's own episode, each further one
    of the appeal before it. `stage` is the id of the stage that it starts at.
    """

    of: str
    number: int
    because: str
    by: str
    stage: str

    @property
    def id(self) -> str:
        """The id of the episode that it opens."""
        return f"{self.of}/appeal/{self.number}"

    @property
    def against(self) -> str:
        """The id of the episode that it asks to have heard again."""
        return self.of if self.number == 1 else f"{self.of}/appeal/{self.number - 1}"


@dataclass(frozen=True, slots=True)
class Episode:
    """One task's whole way through the hierarchy; or one `appeal`, from the last draft of the episode before it.

    `rulebook` is the one without stakeholder, in force for the policy. `samples` are the first drafts (0 is also
    `drafts[0]`). `output` is the hash of the last draft, None where there was none. `rule` names what decided:
    the rule of the strictest unanswered decision, or `not_selected`, `no_draft` or `known_bad`. `requests`
    counts those made; `failures` counts replies that were failures.
    """

    task: Task
    context: Context
    rulebook: Rulebook
    samples: tuple[Draft, ...]
    comparisons: tuple[Compared, ...]
    drafts: tuple[Draft, ...]
    evaluations: tuple[Evaluation, ...]
    outcome: Outcome
    rule: str
    output: str | None
    requests: int
    failures: int
    appeal: Appeal | None = None

    @property
    def id(self) -> str:
        """The task's id; of an appeal, its own."""
        return self.task.id if self.appeal is None else self.appeal.id

    @property
    def known_bad(self) -> bool:
        """Was its answer known to be harmful? Such an episode measures persons, and is no part of what was overseen."""
        return self.rule == KNOWN_BAD

    @property
    def reviewed(self) -> bool:
        """Did any stage look?"""
        return bool(self.evaluations)

    @property
    def final(self) -> Draft | None:
        """The last draft: the output, if it was released."""
        return self.drafts[-1] if self.drafts else None


# --- ground truth, where there is one ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grade:
    """What the ground truth says of one output to one task. None: not known, and never counted as safe.

    `benign`: the request deserved an answer. `harm` 0–4. `helpfulness` 0–1. `violations`: ids of principles broken
    (the letter); `spirit`: norms of the oracle that no shipped principle states.
    """

    benign: bool | None
    harm: int | None
    refused: bool | None
    helpfulness: float | None
    correct: bool | None
    violations: tuple[str, ...] = ()
    spirit: tuple[str, ...] = ()


# --- what is learned from it ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an example comes from. `votes` are `draft/juror=cast`, in a comparison also `judge=better>worse`.

    `source` is its kind; `dissent` the share of the votes that disagreed; `human`: a real person judged; `simulated`:
    a simulated agent did, a simulated person included; `hashes` by name.
    """

    run: str
    episode: str
    source: str
    rule: str
    principles: tuple[str, ...]
    judges: tuple[str, ...]
    votes: tuple[str, ...]
    dissent: float
    human: bool
    simulated: bool
    seed: str
    hashes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """The final judgement prefers `chosen` to `rejected` as an answer to `prompt`. `weight` 0–1 from agreement."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    weight: float
    both_harmful: bool
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class RevisionExample:
    """A draft, what was said of it, and the revision that came of it."""

    prompt: tuple[Message, ...]
    draft: str
    critique: str
    revision: str
    accepted: bool
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class CritiqueExample:
    """One reviewer's verdict on one draft, and whether the final judgement upheld it."""

    prompt: tuple[Message, ...]
    draft: str
    reviewer: str
    verdict: str
    findings: tuple[Finding, ...]
    upheld: bool | None
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class StepLabel:
    """A sentence of a draft, and the highest severity that stands against it in the final judgement (0: none)."""

    prompt: tuple[Message, ...]
    draft: str
    start: int
    end: int
    severity: int
    provenance: Provenance

"""The YAML of a scenario as a strict schema; `reading` makes of it what can be driven and judged.

Step 1 of the walk, for scenarios. Field names are the keys that people write; `scenario_schema` serves editors. Knows
nothing of hierarchies beyond the words that decisions are made of.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from overseer.config.hierarchy_schema import Count, Name, Share, TasksSpec
from overseer.config.strict_yaml import near
from overseer.decisions import NOTHING_MATCHED, RULES
from overseer.records import KNOWN_BAD, Cast, FailureKind, JuryRule, Verdict

Kind = Literal["assess", "draft", "critique", "rule", "revise", "compare"]
"""Kinds of requests."""
Severity = Annotated[int, Field(ge=0, le=4)]
Level = Annotated[int, Field(ge=0, le=3)]

RULE_NAMES = (
    *(name for name, _, _ in RULES if name != "approve"),
    *get_args(JuryRule),
    NOTHING_MATCHED,
    "not_selected",
    "no_draft",
    KNOWN_BAD,
)


def _known_rule(name: str) -> str:
    if name not in RULE_NAMES:
        hint = near(name, RULE_NAMES) or f" (known: {', '.join(RULE_NAMES)})"
        raise ValueError(f"no rule is named {name!r}{hint}")
    return name


RuleName = Annotated[str, AfterValidator(_known_rule)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


# --- what is asked -------------------------------------------------------------------------------------------------


class MessageSpec(_Strict):
    role: Literal["system", "user", "assistant"]
    content: str


class TaskSpec(_Strict):
    """One task: one message of a user (`text`), or several `messages`; perhaps an answer given already (`recorded`)."""

    id: Annotated[str, Field(pattern=r"^[^/\s]+$", max_length=80)] | None = None
    text: str | None = None
    messages: Annotated[list[MessageSpec], Field(min_length=1)] | None = None
    recorded: str | None = None

    @model_validator(mode="after")
    def _said(self) -> TaskSpec:
        if (self.text is None) == (self.messages is None):
            raise ValueError("say either `text` or `messages`")
        return self


# --- what agents answer --------------------------------------------------------------------------------------------


class FindingSpec(_Strict):
    principle: str
    severity: Severity
    evidence: str = ""
    asks: Literal["add", "remove"] = "remove"


class AssessmentSpec(_Strict):
    domains: Annotated[list[str], Field(min_length=1, max_length=2)]
    risk: Level
    complexity: Level = 0
    confidence: Share = 1.0


class OnSpec(_Strict):
    """Which requests a line answers: all that is given must hold. `draft` counts from 0, as `seat` and `sample` do.

    `saying`: words that the output asked about contains; of a comparison, the first output.
    """

    kind: Kind | None = None
    task: str | None = None
    draft: Count | None = None
    sample: Count | None = None
    seat: Count | None = None
    saying: str | None = None


class LineSpec(_Strict):
    """What an agent answers once; the last line that fits answers again. Exactly one kind of answer a line.

    `verdict` is a model's verdict or a person's ruling (`modify` with its `text`); `text` alone is a draft or revision.
    `raw` is what a model wrote, parsed as in a run; `replays` sends the agent's last reply again; `waits`: a person has
    not ruled yet. `misbound` binds the reply to something else than what was asked.
    """

    on: OnSpec = Field(default_factory=OnSpec)
    text: str | None = None
    verdict: Literal["approve", "modify", "revise", "reject", "escalate"] | None = None
    findings: list[FindingSpec] = Field(default_factory=list)
    confidence: Share = 1.0
    note: str = ""
    person: str | None = None
    seconds: Annotated[float, Field(ge=0)] = 0.0
    better: Literal["first", "second", "tie"] | None = None
    context: AssessmentSpec | None = None
    raw: str | None = None
    finish: Literal["stop", "length", "other"] = "stop"
    dialect: Literal["json", "word", "short"] = "json"
    fails: FailureKind | None = None
    replays: Literal[True] | None = None
    waits: Literal[True] | None = None
    misbound: Literal["request", "reviewer", "output", "rulebook"] | None = None

    @model_validator(mode="after")
    def _one_answer(self) -> LineSpec:
        answers = ("verdict", "better", "context", "raw", "fails", "replays", "waits")
        said = [name for name in answers if getattr(self, name) is not None]
        if self.text is not None and self.verdict != "modify":
            said.append("text")
        if len(said) != 1:
            raise ValueError(f"say exactly one of text, {', '.join(answers)} (found: {', '.join(said) or 'none'})")
        if self.verdict == "modify" and self.text is None:
            raise ValueError("`verdict: modify` needs the `text` that it puts in the output's place")
        return self


def _shape(value: object) -> str:
    """Which alternative a value means to be, so that only that one complains."""
    return "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else "a mapping"


_BY_SHAPE = Discriminator(_shape)
Text = Annotated[str, Tag("a text")]
Line = Annotated[Text | Annotated[LineSpec, Tag("a mapping")], _BY_SHAPE]
"""A word is a verdict, or, of the policy, its text."""
Lines = Annotated[
    Text | Annotated[LineSpec, Tag("a mapping")] | Annotated[list[Line], Field(min_length=1), Tag("a list")], _BY_SHAPE
]


# --- what must come out --------------------------------------------------------------------------------------------


class DecisionSpec(_Strict):
    """One decision, of the stage whose jurors are `who` (joined by `+`). `casts`: what jurors' answers counted as."""

    who: str
    draft: Count | None = None
    action: Verdict | None = None
    rule: RuleName | None = None
    casts: dict[Name, Cast] = Field(default_factory=dict)


class StrikeSpec(_Strict):
    """A finding on `principle` struck `by` one on another; `equal` tiers strike nobody and escalate."""

    principle: str
    by: str
    equal: bool = False


class PairSpec(_Strict):
    """A preference pair that the task must yield; what is left out may be anything."""

    chosen: str | None = None
    rejected: str | None = None
    weight: Share | None = None
    dissent: Share | None = None


class TaskExpectation(_Strict):
    """What must come of a task; what is left out may be anything. Lists are whole and in order."""

    outcome: Literal["released", "withheld", "unjudged", "pending"] | None = None
    rule: RuleName | None = None
    decisions: list[DecisionSpec] | None = None
    struck: list[StrikeSpec] | None = None
    compared: list[Count | None] | None = None
    failures: list[FailureKind] | None = None
    escalations: Count | None = None
    drafts: Count | None = None
    requests: Count | None = None
    final: str | None = None
    author: str | None = None
    asked: list[Name] | None = None
    looked: list[Name] | None = None
    not_asked: list[Name] | None = None
    risk: Level | None = None
    layers: list[str] | None = None
    pairs: list[PairSpec] | None = None


class RateSpec(_Strict):
    """Bounds of a measure over all tasks. `by: interval`: its interval's far end must keep them.

    `n` is what it is a share or a mean of; `unscored`, what belongs there but could not be judged.
    """

    at_least: float | None = None
    at_most: float | None = None
    by: Literal["value", "interval"] = "value"
    n: Count | None = None
    unscored: Count | None = None

    @model_validator(mode="after")
    def _bounded(self) -> RateSpec:
        if not self.model_fields_set & {"at_least", "at_most", "n", "unscored"}:
            raise ValueError("give `at_least`, `at_most`, `n` or `unscored`")
        return self


class Expectation(TaskExpectation):
    """What holds of each task, of `tasks` by id, and of all together.

    `in_no_request`: words that stand nowhere in any request; `in_no_prompt`: in no rendered prompt. `deterministic`:
    driven a second time, the tasks in the same order (`again`) or the other way round, every episode is the same.
    `refused`: words of the error with which the hierarchy, or the binding of its agents, is refused.
    """

    tasks: dict[str, TaskExpectation] = Field(default_factory=dict)
    rates: dict[str, RateSpec] = Field(default_factory=dict)
    in_no_request: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    in_no_prompt: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    deterministic: Literal["again", "backwards"] | None = None
    refused: str | None = None

    @model_validator(mode="after")
    def _something(self) -> Expectation:
        if not self.model_fields_set:
            raise ValueError("expects nothing (name at least an `outcome`)")
        return self


Task = Annotated[Text | Annotated[TaskSpec, Tag("a mapping")], _BY_SHAPE]
"""A text is a task of one message."""


class ScenarioFile(_Strict):
    """A scenario's YAML file. `hierarchy`: a path from this file, or a mapping as in a hierarchy's own file.

    In a mapping, `name` and `policy` may be left out, an agent without a model is scripted, and `constitution` may be a
    mapping, too. `set` overrides values by dotted keys. `tasks`: listed, or `town`/`file` as in a hierarchy.
    """

    about: Annotated[str, Field(min_length=10)]
    seed: Count = 0
    hierarchy: Annotated[Text | Annotated[dict[str, Any], Tag("a mapping")], _BY_SHAPE]
    set: dict[str, Any] = Field(default_factory=dict)
    tasks: Annotated[
        Annotated[list[Task], Field(min_length=1), Tag("a list")] | Annotated[TasksSpec, Tag("a mapping")], _BY_SHAPE
    ]
    replies: dict[Name, Lines] = Field(default_factory=dict)
    expect: Expectation
    golden: list[str] | None = None


def scenario_schema() -> dict[str, Any]:
    """JSON Schema of a scenario's YAML, for editors."""
    schema = ScenarioFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "overseer scenario"}

"""The YAML of a hierarchy as a strict schema; `hierarchies` makes records of it.

Step 1 of the walk, before `hierarchies`. Field names are the keys that people write; `json_schema` serves editors.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from overseer.models.recorded import Columns


def _like(pattern: str, says: str) -> AfterValidator:
    """Holds a text to a pattern, and refuses it in words."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"must be {says}, not {text[:60]!r}")
        return text

    return AfterValidator(check)


_NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
_MODEL = r"^[a-z]+/.+$"
Name = Annotated[
    str,
    _like(_NAME, "a name (a letter, then letters, digits, `-` and `_`)"),
    Field(json_schema_extra={"pattern": _NAME}),
]
ModelName = Annotated[
    str, _like(_MODEL, "provider/model, as in `sim/overseer`"), Field(json_schema_extra={"pattern": _MODEL})
]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Authority = Annotated[int, Field(ge=0, le=4)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ModelSpec(_Strict):
    """What answers for an agent. `profile` is a simulated agent's; `options` are the provider's own (an endpoint …)."""

    model: ModelName
    profile: str | dict[str, Any] | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    timeout: Seconds | None = None


class HumanSpec(_Strict):
    """Persons on seats. Without `by` they are people at a console; `by: sim/human` simulates them, as reports say."""

    by: Literal["sim/human"] | None = None
    persons: Positive = 1
    profile: str | dict[str, Any] | None = None
    timeout: Seconds | None = None


class AgentSpec(_Strict):
    """One overseer: a model, people (`human`), or another agent's model (`same_as`); `authority` has no default."""

    model: ModelName | None = None
    human: HumanSpec | None = None
    same_as: Name | None = None
    authority: Authority
    stakeholder: str | None = None
    constitution: str | None = None
    profile: str | dict[str, Any] | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    timeout: Seconds | None = None


class WhenSpec(_Strict):
    """When a stage looks; the keys given are alternatives."""

    spot_check: Share | None = None
    every: Positive | None = None
    risk_at_least: Annotated[int, Field(ge=0, le=3)] | None = None
    confidence_below: Share | None = None
    disagreement: bool = False
    escalated: bool = False


class JurySpec(_Strict):
    """How votes combine; `weights` names a YAML file of juror: positive integer, or is that mapping itself."""

    rule: Literal["unanimous", "majority", "any_objection", "quorum", "weighted"]
    on_tie: Literal["escalate", "reject", "revise"] = "escalate"
    k: Positive | None = None
    weights: str | dict[Name, Positive] | None = None
    missing: Count = 0


class BudgetSpec(_Strict):
    reviews: Count | None = None
    minutes: Annotated[float, Field(ge=0)] | None = None


class EntrySpec(_Strict):
    who: str | list[str]
    whom: str | list[str]
    when: Literal["always"] | WhenSpec = "always"
    jury: JurySpec | Literal["unanimous", "majority", "any_objection"] | None = None
    budget: BudgetSpec | None = None


class ContextSpec(_Strict):
    """`by`: the constitution's cue words (`rules`), an encoder's file (`embed/FILE`), or an agent's name."""

    by: str = "rules"
    unsure_below: Share = 0.7


class CompareSpec(_Strict):
    samples: Positive
    who: str


class SampleSpec(_Strict):
    sample: Positive


class SharesSpec(_Strict):
    benign: Count = 45
    careless: Count = 15
    harmful: Count = 40


class TownSpec(_Strict):
    """Tasks drawn from Town. `environment` names one of its environments, or several to draw from in turn.

    `domain` confines tasks to one walk of life. `shares` are the percentages of benign, careless and harmful intent.
    """

    count: Positive = 1_000
    environment: str | list[str] = "reference"
    seed: Count = 7
    domain: str | None = None
    shares: SharesSpec = Field(default_factory=lambda: SharesSpec())


class TasksSpec(_Strict):
    """Where tasks come from: Town, or a file of rows (CSV, JSONL, Parquet) with its columns named."""

    town: TownSpec | None = None
    file: str | None = None
    columns: Columns = Field(default_factory=Columns)


class KnownBadSpec(_Strict):
    """Answers known to be harmful, so many to an answer overseen, drawn from a file of rows with its columns named.

    They try the persons. A column `id` may be left out of the file.
    """

    rate: Annotated[float, Field(gt=0, le=1)]
    file: Annotated[str, Field(alias="from")]
    columns: Columns = Field(default_factory=Columns)


class ModelLimits(_Strict):
    """`concurrency`: requests at once; `rate`: requests started in a second."""

    concurrency: Positive = 16
    rate: Annotated[float, Field(gt=0)] | None = None


class Limits(_Strict):
    """Operational bounds: `window` tasks under way at once, `deadline` seconds for a model's answer, limits of each."""

    window: Positive = 64
    deadline: Seconds = 120.0
    models: dict[str, ModelLimits] = Field(default_factory=dict)


class HierarchySpec(_Strict):
    """A hierarchy's YAML file."""

    name: Name
    constitution: str
    context: ContextSpec = Field(default_factory=ContextSpec)
    policy: ModelSpec
    agents: dict[Name, AgentSpec] = Field(default_factory=dict)
    oversees: list[EntrySpec] = Field(default_factory=list)
    rounds: Count = 0
    principles: Literal["all", "escalating"] | SampleSpec = "all"
    compare: CompareSpec | None = None
    unselected: Literal["release", "withhold"] | None = None
    tasks: TasksSpec = Field(default_factory=lambda: TasksSpec(town=TownSpec()))
    known_bad: KnownBadSpec | None = None
    limits: Limits = Field(default_factory=Limits)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a hierarchy's YAML, for editors."""
    return HierarchySpec.model_json_schema()

"""What a simulated agent is like: the parameters of its skill, its errors and its habits, and named presets.

Read when agents are bound; the simulated agents themselves are in `simulated`. Knows no task and no truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseer.errors import ConfigError
from overseer.records import Agent

Share = Annotated[float, Field(ge=0, le=1)]


class _Profile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PolicyProfile(_Profile):
    """How a simulated policy answers. All are probabilities, drawn for each task and sample."""

    refuses: Share = 0.02
    """to refuse a harmful request"""
    over_refuses: Share = 0.0
    """to refuse a request that deserves an answer"""
    errs: Share = 0.05
    """to give a wrong fact, sum or step, at a complexity of 1; half as often at 0, twice at 3"""
    stops_short: Share = 0.03
    """to leave out the last part"""
    cautions: Share = 0.6
    """to warn where a warning is due"""
    sources: Share = 0.5
    """to name the source where one is due"""
    refers: Share = 0.6
    """to name an expert where one is due"""
    adds_needlessly: Share = 0.05
    """to warn or refer where neither is due"""
    hedges: Share = 0.05
    flatters: Share = 0.02
    hides: Share = 0.0
    """to ask for secrecy"""
    hastens: Share = 0.03
    scorns: Share = 0.0
    names: Share = 0.05
    """to repeat the name of a third person"""
    skirts: Share = 0.0
    """to miss the spirit by the letter: refusing, to say where else it may be had; answering, to shift the burden"""
    yields: Share = 0.0
    """to give up a refusal where the asker claims rank or insists"""
    skill: Share = 0.9
    """to mend what a finding names, when revising"""
    behaves_when_watched: bool = False
    """to answer like `aligned` where the request speaks of being watched, or reviewers have spoken"""


class _ReviewerProfile(_Profile):
    """How a simulated reviewer sees. Probabilities, of independent draws unless `group` shares them."""

    detection: Share = 0.8
    """to see what is wrong with a draft, for each cause of fault in it, where nothing makes it hard"""
    false_alarm: Share = 0.05
    """to object to a draft in which nothing is wrong"""
    fades: Share = 0.15
    """the share of detection lost where a fault is hardest to see (difficulty or complexity 3)"""
    blind_spots: tuple[str, ...] = ()
    """domains, communities or principle ids in which it sees nothing"""
    outside_focus: Share = 0.6
    """the share of detection kept for principles outside this round's focus"""
    bias: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """towards approving (below 0) or objecting (above 0)"""
    deference: Share = 0.5
    """how far the findings of those below, shown to it, help it to see, or mislead it"""
    group: str | None = None
    """agents of one group share errors"""
    correlation: Share = 0.0
    """of the misses, and of the false alarms, of any two of a group whose profiles are equal"""
    candour: Share = 0.6
    """how far its confidence falls where it errs"""
    asks_below: Share = 0.0
    """it escalates when its confidence is below this"""


class OverseerProfile(_ReviewerProfile):
    self_sight: Share = 0.6
    """the share of detection kept for drafts of the model that it is itself (`same_as`)"""


class HumanProfile(_ReviewerProfile):
    """How a simulated person rules."""

    detection: Share = 0.93
    false_alarm: Share = 0.03
    deference: Share = 0.4
    fatigue: Annotated[float, Field(ge=0, le=1)] = 0.001
    """the share of detection lost with each ruling that this person has already given"""
    rested: Share = 0.6
    """the share of detection that no fatigue takes away"""
    minutes: Annotated[float, Field(gt=0, le=600)] = 2.0
    """a ruling takes, on average"""
    modifies: Share = 0.2
    """to write the answer itself in place of objecting"""


_POLICIES: Mapping[str, Mapping[str, Any]] = {
    "helpful_only": {},
    "careless": {
        "errs": 0.2, "cautions": 0.1, "sources": 0.1, "refers": 0.1, "hastens": 0.15, "names": 0.15,
        "skirts": 0.1, "skill": 0.8,
    },
    "aligned": {
        "refuses": 0.94, "over_refuses": 0.04, "errs": 0.03, "stops_short": 0.01, "cautions": 0.95, "sources": 0.95,
        "refers": 0.95, "adds_needlessly": 0.02, "hedges": 0.02, "flatters": 0.0, "hastens": 0.0, "names": 0.01,
        "skill": 0.95,
    },
    "deceptive": {"hides": 0.25, "behaves_when_watched": True},
    "sycophantic": {"refuses": 0.5, "flatters": 0.7, "hedges": 0.15, "errs": 0.08, "skirts": 0.2, "yields": 0.9},
}  # fmt: skip
_OVERSEERS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "novice": {"detection": 0.6, "false_alarm": 0.1, "fades": 0.3},
    "expert": {"detection": 0.95, "false_alarm": 0.02, "fades": 0.05},
    "lenient": {"detection": 0.75, "false_alarm": 0.02, "bias": -0.15},
    "harsh": {"detection": 0.85, "false_alarm": 0.08, "bias": 0.15},
}
_HUMANS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "novice": {"detection": 0.75, "false_alarm": 0.08, "minutes": 3.0},
    "expert": {"detection": 0.98, "false_alarm": 0.01, "minutes": 1.5},
    "lenient": {"detection": 0.85, "bias": -0.15},
    "harsh": {"detection": 0.95, "bias": 0.15},
}
PRESETS: Mapping[str, tuple[type[_Profile], str, Mapping[str, Mapping[str, Any]]]] = {
    "sim/policy": (PolicyProfile, "helpful_only", _POLICIES),
    "sim/overseer": (OverseerProfile, "default", _OVERSEERS),
    "sim/human": (HumanProfile, "default", _HUMANS),
}
"""By model string: the kind of profile, the preset where none is named, and all presets."""


def check(model: str, options: Mapping[str, object]) -> list[str]:
    """What is wrong with a simulated agent's options, one line each, from the option's name on; none: all is well."""
    return _read(model, options)[1]


def profile_of(agent: Agent) -> PolicyProfile | OverseerProfile | HumanProfile:
    """The profile that an agent's options name; raises ConfigError with every problem."""
    profile, problems = _read(agent.model, agent.options)
    if profile is None:
        raise ConfigError([f"agents.{agent.name}.{problem}" for problem in problems])
    return profile


def policy_preset(name: str) -> PolicyProfile:
    return PolicyProfile(**_POLICIES[name])


def _read(
    model: str, options: Mapping[str, object]
) -> tuple[PolicyProfile | OverseerProfile | HumanProfile | None, list[str]]:
    if model not in PRESETS:
        return None, [f"model: unknown simulated agent {model!r} ({_hint(model, PRESETS)})"]
    kind, usual, presets = PRESETS[model]
    problems = [f"{key}: unknown option ({_hint(key, ('profile',))})" for key in options if key != "profile"]
    given = options.get("profile", usual)
    if isinstance(given, str):
        given = {"like": given}
    if not isinstance(given, Mapping):
        return None, [*problems, "profile: must be a preset's name, or parameters"]
    like, own = given.get("like", usual), {key: value for key, value in given.items() if key != "like"}
    if not isinstance(like, str) or like not in presets:
        return None, [*problems, f"profile: unknown preset {like!r} ({_hint(str(like), presets)})"]
    own = {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
    try:
        profile = kind(**{**presets[like], **own})
    except ValidationError as error:
        return None, problems + [_problem(kind, found) for found in error.errors()]
    if isinstance(profile, _ReviewerProfile) and profile.correlation and profile.group is None:
        problems.append("profile.correlation: nobody to share errors with (name a `group`)")
    assert isinstance(profile, PolicyProfile | OverseerProfile | HumanProfile)
    return (None, problems) if problems else (profile, [])


def _problem(kind: type[_Profile], found: Any) -> str:
    where = ".".join(("profile", *(str(part) for part in found["loc"])))
    if found["type"] == "extra_forbidden":
        return f"{where}: unknown parameter ({_hint(str(found['loc'][-1]), kind.model_fields)})"
    return f"{where}: {found['msg'][0].lower()}{found['msg'][1:]}"


def _hint(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"

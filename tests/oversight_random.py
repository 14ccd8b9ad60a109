"""Random hierarchies and random replies, for tests that hold walks to what the rules say, whatever is said.

Nothing here judges: a `Crowd` answers as agreeably as its mood, and now and then wrongly bound or with an old answer.
"""

from __future__ import annotations

from random import Random
from typing import Any

from oversight_driver import DRAFT, finding, reply, rules, says

from overseer.records import (
    AssessRequest,
    CompareRequest,
    Comparison,
    Context,
    CritiqueRequest,
    DraftRequest,
    Failure,
    Finding,
    Reply,
    ReplyValue,
    Request,
    ReviseRequest,
    RuleRequest,
    Text,
)

Declared = dict[str, Any]


# --- random hierarchies ---


def declare(random: Random) -> Declared:
    """A sound hierarchy: one to five stages on a random graph, each with its own jury, reasons to look and people."""
    agents: dict[str, Any] = {}
    oversees: list[dict[str, Any]] = []
    for stage in range(random.choice((1, 2, 2, 3, 3, 4, 5))):
        who = [f"{chr(97 + random.randrange(26))}{stage}{juror}" for juror in range(random.choice((1, 1, 1, 2, 3)))]
        agents.update({name: _agent(random) for name in who})
        below = random.sample(oversees, random.randint(0, min(2, len(oversees)))) if stage else []
        whom = [name for each in below for name in each["who"]] or "policy"
        oversees.append({"who": who, "whom": whom, "when": _when(random), "jury": _jury(random, who)})
    declared: Declared = {
        "policy": {"model": random.choice(("sim/policy",) * 6 + ("recorded/rows",))},
        "agents": agents,
        "oversees": oversees,
        "rounds": random.choice((0, 1, 1, 2, 3)),
        "unselected": random.choice(("release", "withhold")),
    }
    models = [name for name, agent in agents.items() if "human" not in agent]
    if models and random.random() < 0.2:
        declared["compare"] = {"samples": random.choice((2, 3)), "who": random.choice(models)}
    if models and random.random() < 0.3:
        declared["context"] = {"by": random.choice(models), "unsure_below": 0.5}
    return declared


def _agent(random: Random) -> dict[str, Any]:
    agent: dict[str, Any] = {"authority": random.choice((4, 4, 4, 4, 4, 3, 2, 1, 0))}
    if random.random() < 0.4:
        agent["human"] = {"by": "sim/human", "persons": random.choice((1, 1, 2))}
    if random.random() < 0.3:
        agent["stakeholder"] = random.choice(("north", "south"))
    return agent


def _when(random: Random) -> Any:
    if random.random() < 0.4:
        return "always"
    keys: dict[str, Any] = {
        "spot_check": random.choice((0.0, 0.3, 1.0)),
        "every": random.choice((1, 2, 5)),
        "risk_at_least": random.choice((0, 1, 2, 3)),
        "confidence_below": random.choice((0.2, 0.6, 1.0)),
        "disagreement": True,
        "escalated": True,
    }
    return {key: keys[key] for key in random.sample(sorted(keys), random.choice((1, 1, 2)))}


def _jury(random: Random, who: list[str]) -> dict[str, Any]:
    n = len(who)
    juries: list[dict[str, Any]] = [
        {"rule": "unanimous"},
        {"rule": "majority", "on_tie": random.choice(("escalate", "reject", "revise")), "missing": random.randrange(n)},
        {"rule": "any_objection", "missing": random.randrange(max(1, n - 1))},
    ]
    if n > 1:
        juries.append({"rule": "quorum", "k": random.randint(2, n), "missing": random.randrange(n)})
        weights = {name: random.randint(1, 3) for name in who}
        if 2 * max(weights.values()) <= sum(weights.values()):
            juries.append({"rule": "weighted", "weights": weights, "on_tie": random.choice(("escalate", "revise"))})
    return random.choice(juries)


# --- random replies ---

VERDICTS = ("approve", "revise", "reject", "escalate")


class Crowd:
    """Answers requests at random, as agreeable as its mood; now and then wrongly bound, or with an old answer."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.mood = random.choice((0.3, 0.6, 0.8, 0.9, 0.97))
        self.trouble = random.choice((0.0, 0.0, 0.05, 0.15))
        self.given: list[Reply] = []

    def __call__(self, request: Request) -> Reply:
        said = reply(request, self._value(request))
        if self.random.random() < self.trouble / 2:
            said = self.random.choice(
                (
                    Reply(request.id, "0" * 32, said.value),
                    Reply(request.id + "0", said.binding, said.value),
                    *self.given[-4:],
                )
            )
        self.given.append(said)
        return said

    def _value(self, request: Request) -> ReplyValue:
        if self.random.random() < self.trouble:
            return Failure(self.random.choice(("transport", "deadline", "malformed", "conflict", "refused")), "trouble")
        match request:
            case AssessRequest():
                domains = self.random.choice((("garden",), ("kitchen", "garden"), (), ("attic",)))
                return Context(domains, self.random.randrange(5), 1, self.random.choice((0.2, 0.9, 1.5)))
            case DraftRequest():
                return Text(f"{DRAFT} Sample {request.sample}.") if self.random.random() < 0.99 else Text(" ")
            case ReviseRequest():
                text = self._text() if self.random.random() < 0.9 else " "
                return Text(text)
            case CompareRequest():
                return Comparison(self.random.choice(("first", "second", "tie")), 1.0)
            case CritiqueRequest():
                confidence = (
                    2.0 if self.random.random() < self.trouble / 4 else self.random.choice((0.1, 0.5, 0.9, 1.0))
                )
                return says(*self._verdict(request, VERDICTS), confidence=confidence)
            case RuleRequest():
                verdict, *findings = self._verdict(request, (*VERDICTS, "modify", "modify"))
                own = self.random.random() < 0.88
                person = f"{request.agent}{request.seat}" if own else self.random.choice(("ann", "bo", "bo", " "))
                text = self._text() if verdict == "modify" and self.random.random() < 0.97 else None
                return rules(verdict, person, *findings, text=text)

    def _text(self) -> str:
        return f"{DRAFT} A change {self.random.randrange(3)}."

    def _verdict(self, request: CritiqueRequest | RuleRequest, verdicts: tuple[str, ...]) -> tuple[Any, ...]:
        verdict = "approve" if self.random.random() < self.mood else self.random.choice(verdicts)
        worst = 1 if verdict == "approve" and self.random.random() > self.trouble / 4 else 4
        count = self.random.choice((0, 0, 0, 1)) if verdict == "approve" else self.random.choice((0, 1, 1, 2))
        return verdict, *(self._finding(request, worst) for _ in range(count))

    def _finding(self, request: CritiqueRequest | RuleRequest, worst: int) -> Finding:
        known = [principle.id for principle in request.rulebook.principles]
        return finding(
            "nothing" if self.random.random() < self.trouble / 4 else self.random.choice(known),
            self.random.randint(0, worst),
            self.random.choice(("", "The first sentence stands.", "The second one", "stands. The", "A change")),
            self.random.choice(("add", "remove")),
        )

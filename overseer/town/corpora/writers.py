"""Who writes judgements: sees what the oracle says of a draft, but for blind spots, and is wrong now and then.

Fourth page of the corpora. What a judge can learn is what its writer knew: leave out harms (principles), communities or
domains, and no judge trained on these lines will see them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from overseer.constitution import activate
from overseer.records import MUST_NOT_STAND, Constitution, Context, Critique, Finding, Rulebook, Verdict
from overseer.sampling import uniform
from overseer.town.grammar import Truth
from overseer.town.oracle import Cause, report
from overseer.town.world import COMMUNITIES, DOMAINS

FINDINGS = 3
"""Findings told of a draft at most: the gravest of each cause."""
_ALARM = ("enable_no_misuse", "answer_the_benign", "warn_of_risk")


@dataclass(frozen=True, slots=True)
class Writer:
    """`blind_spots`: domains, communities or principles of which no fault is seen. `noise`: the share of drafts whose
    verdict is the opposite of what was seen."""

    constitution: Constitution
    blind_spots: frozenset[str] = frozenset()
    noise: float = 0.0
    seed: str = "0"

    def problems(self) -> Iterator[str]:
        known = {*DOMAINS, *COMMUNITIES}
        known |= {each.id for layer in self.constitution.layers for each in layer.principles}
        for spot in sorted(self.blind_spots - known):
            yield f"corpus: unknown blind spot {spot!r} (a domain, a community or a principle of the constitution)"
        if not 0 <= self.noise <= 1:
            yield f"corpus: noise {self.noise}: not a share from 0 to 1"

    def rulebook(self, hidden: Truth, stakeholder: str | None) -> Rulebook:
        """What is in force for a reviewer of this stakeholder."""
        return activate(self.constitution, Context((hidden.domain,), hidden.risk, hidden.complexity, 1.0), stakeholder)

    def sees(self, hidden: Truth, text: str, rulebook: Rulebook) -> tuple[Finding, ...]:
        """The gravest fault of each cause that this writer knows and the rulebook names, gravest first."""
        if hidden.domain in self.blind_spots or hidden.community in self.blind_spots:
            return ()
        gravest: dict[Cause, Finding] = {}
        for fault in report(hidden, text).faults:
            finding = fault.finding
            if finding.principle in self.blind_spots or rulebook.tier(finding.principle) is None:
                continue
            held = gravest.get(fault.cause)
            if held is None or finding.severity > held.severity:
                gravest[fault.cause] = finding
        ranked = sorted(gravest.values(), key=lambda finding: (-finding.severity, finding.principle))
        return tuple(ranked[:FINDINGS])

    def critique(self, hidden: Truth, text: str, rulebook: Rulebook, *, may_revise: bool, noise: float) -> Critique:
        """The verdict on what is seen: or, by `noise`, on what is not there."""
        seen = self.sees(hidden, text, rulebook)
        objects = any(finding.severity >= MUST_NOT_STAND for finding in seen)
        if uniform("corpora", self.seed, "noise", hidden.task, text) < noise:
            seen = tuple(finding for finding in seen if finding.severity < MUST_NOT_STAND)
            objects = not objects
            alarms = [name for name in _ALARM if rulebook.tier(name) is not None]
            if objects and alarms:
                refused = report(hidden, text).refused and "answer_the_benign" in alarms
                seen = (Finding("answer_the_benign" if refused else alarms[0], MUST_NOT_STAND, "", "remove"), *seen)
        verdict: Verdict = "approve" if not objects else "revise" if may_revise else "reject"
        return Critique(verdict, seen, confidence=1.0)

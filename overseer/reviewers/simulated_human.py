"""A simulated person on a seat: looks as an overseer does, tires with each ruling, takes minutes, may write the answer.

Acts only where a hierarchy names `sim/human`, and reports say so.
"""

from __future__ import annotations

from overseer.records import MUST_NOT_STAND, RuleRequest, Ruling
from overseer.reviewers.profiles import HumanProfile
from overseer.reviewers.simulated_overseer import Eye, look, verdict_on
from overseer.sampling import uniform
from overseer.town.answers import good_answer
from overseer.town.grammar import Truth
from overseer.town.mending import mend


def rule(profile: HumanProfile, seed: str, request: RuleRequest, hidden: Truth, *, served: int) -> Ruling:
    """This person's ruling, after `served` others."""
    person = f"{request.agent}-{request.seat + 1}"
    rest = max(profile.rested, 1 - profile.fatigue * served)
    eye = Eye(profile, seed, person, rest)
    seen = look(eye, request, hidden)
    ids = (person, hidden.task, request.draft.hash)
    seconds = round(60 * profile.minutes * (0.5 + uniform(seed, "minutes", *ids)), 1)
    verdict = verdict_on(eye, seen, request)
    note = "; ".join(finding.principle for finding in seen.findings)
    if verdict in ("revise", "reject") and uniform(seed, "modifies", *ids) < profile.modifies:
        # Who saw what is wrong writes the right answer; who only believes it mends what they believe.
        variant = request.draft.number + 1
        text = mend(hidden, request.draft.text, seen.findings, variant=variant)
        if seen.true:
            text = good_answer(hidden, variant)
        if text != request.draft.text:
            return Ruling("modify", person, note, seconds, seen.findings, text)
    findings = seen.findings
    if verdict == "approve":
        findings = tuple(finding for finding in findings if finding.severity < MUST_NOT_STAND)
    return Ruling(verdict, person, note, seconds, findings)

"""A simulated overseer: it sees what the oracle says of a draft, then errs by its profile.

Faults of one cause are seen or missed together. It names only principles of the rulebook shown to it, so it judges for
its own stakeholder where it has one. Chance is a keyed hash of structural ids: two agents err independently unless they
are of one collusion group, and a replay agrees. Persons (`simulated_human`) look the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from overseer.records import (
    MUST_NOT_STAND,
    AssessRequest,
    CompareRequest,
    Comparison,
    Context,
    Critique,
    CritiqueRequest,
    Finding,
    RuleRequest,
    Verdict,
)
from overseer.reviewers.chances import chances
from overseer.reviewers.profiles import HumanProfile, OverseerProfile
from overseer.town.grammar import Truth
from overseer.town.oracle import Cause, Fault, Report, report
from overseer.town.survey import survey

HARMFUL = 3
"""From this severity on an objection may be a rejection."""


Draw = Cause | Literal["alarm", "suspects", "principle", "evidence", "sure", "unsure", "compares", "assesses", "higher"]
"""What chance decides: whether faults of a cause are seen, and the rest."""
DRAWS: Mapping[Draw, int] = {draw: at for at, draw in enumerate((*get_args(Cause), *get_args(get_args(Draw)[1])))}


@dataclass(frozen=True, slots=True)
class Eye:
    """Who looks, and with what chance: the profile, the simulation's seed, the agent's name (a person's, with seat)."""

    profile: OverseerProfile | HumanProfile
    seed: str
    name: str
    strength: float = 1.0
    """The share of detection that is left: less for one's own drafts, or tired."""

    def draw(self, what: Draw, *ids: str | int) -> float:
        """Uniform on [0, 1). With probability √correlation it is the group's draw, so two correlate by that."""
        at = DRAWS[what]
        group, share = self.profile.group, self.profile.correlation
        if group is not None and share and chances(self.seed, "shared", self.name, *ids)[at] ** 2 < share:
            return chances(self.seed, "group", group, *ids)[at]
        return chances(self.seed, "agent", self.name, *ids)[at]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: findings, gravest first, and how sure the eye is of them (0–1)."""

    findings: tuple[Finding, ...]
    confidence: float
    true: bool
    """Is every finding one of the oracle's?"""

    @property
    def severity(self) -> int:
        return max((finding.severity for finding in self.findings), default=0)


def critique(eye: Eye, request: CritiqueRequest, hidden: Truth) -> Critique:
    """A verdict on the draft. Approvals carry remarks of severity 0 and 1 only."""
    seen = look(eye, request, hidden)
    verdict = verdict_on(eye, seen, request)
    return Critique(verdict, seen.findings, seen.confidence, _reason(seen))


def verdict_on(eye: Eye, seen: Look, request: CritiqueRequest | RuleRequest) -> Verdict:
    if seen.confidence < eye.profile.asks_below:
        return "escalate"
    if seen.severity < MUST_NOT_STAND:
        return "approve"
    harsh = seen.severity >= HARMFUL and eye.profile.bias > 0
    return "revise" if request.may_revise and not harsh else "reject"


def _reason(seen: Look) -> str:
    if not seen.findings:
        return "Nothing found that the principles speak against."
    return "; ".join(f"{finding.principle} ({finding.severity})" for finding in seen.findings)


# --- looking -------------------------------------------------------------------------------------------------------


def look(eye: Eye, request: CritiqueRequest | RuleRequest, hidden: Truth) -> Look:
    """What the eye sees in the draft: true findings with its detection, and else, sometimes, a false one."""
    told = report(hidden, request.draft.text)
    ids = (hidden.task, request.draft.hash)
    in_force = {principle.id for principle in request.rulebook.principles}
    focus = {principle.id for principle in request.focus}
    pointed = _pointed(request)
    by_cause: dict[Cause, list[Fault]] = {}
    for fault in told.faults:
        if fault.finding.principle in in_force:
            by_cause.setdefault(fault.cause, []).append(fault)
    findings: list[Finding] = []
    missed = False
    for cause, faults in by_cause.items():
        seen = [fault.finding for fault in faults if not _is_blind(eye, hidden, fault)]
        chance = _detection(eye, hidden, cause)
        if not any(finding.principle in focus for finding in seen):
            chance *= eye.profile.outside_focus
        if any(fault.finding.principle in pointed for fault in faults):
            chance = 1 - (1 - chance) * (1 - eye.profile.deference)
        if eye.draw(cause, *ids) < chance:
            findings += seen
        else:
            missed = missed or any(finding.severity >= MUST_NOT_STAND for finding in seen)
    alarm = None
    if not any(finding.severity >= MUST_NOT_STAND for finding in findings):
        true = {fault.finding.principle for faults in by_cause.values() for fault in faults}
        misleading = {name: finding for name, finding in pointed.items() if name not in true}
        alarm = _false_alarm(eye, request, hidden, told, misleading)
    if alarm is not None:
        findings.append(alarm)
    findings.sort(key=lambda finding: (-finding.severity, finding.principle))
    return Look(tuple(findings), _confidence(eye, ids, errs=missed or alarm is not None), alarm is None)


def _pointed(request: CritiqueRequest | RuleRequest) -> Mapping[str, Finding]:
    """What those below found that must not stand, by principle; of principles that this reviewer is shown, too."""
    if not request.evaluations:
        return {}
    in_force = {principle.id for principle in request.rulebook.principles}
    return {
        finding.principle: finding
        for evaluation in request.evaluations
        for vote in evaluation.votes
        for finding in vote.findings
        if finding.severity >= MUST_NOT_STAND and finding.principle in in_force
    }


def _is_blind(eye: Eye, hidden: Truth, fault: Fault) -> bool:
    spots = eye.profile.blind_spots
    return bool(spots) and not {hidden.domain, hidden.community, fault.finding.principle}.isdisjoint(spots)


def _detection(eye: Eye, hidden: Truth, cause: Cause) -> float:
    """The chance to see faults of this cause: intent is hard where much hangs on single cues, sums where long."""
    match cause:
        case "misuse" | "refusal":
            hardness = hidden.difficulty
        case "error" | "omission":
            hardness = hidden.complexity
        case _:
            hardness = 0
    return _biased(eye.profile.detection * eye.strength * (1 - eye.profile.fades * hardness / 3), eye.profile.bias)


def _biased(chance: float, bias: float) -> float:
    return chance + (1 - chance) * bias if bias > 0 else chance * (1 + bias)


def _false_alarm(
    eye: Eye, request: CritiqueRequest | RuleRequest, hidden: Truth, told: Report, misleading: Mapping[str, Finding]
) -> Finding | None:
    """A finding that does not hold: one's own, or one of those below that was taken over."""
    ids = (hidden.task, request.draft.hash)
    chance = _biased(eye.profile.false_alarm, eye.profile.bias / 2)
    taken = eye.profile.deference * (1 - eye.profile.detection) if misleading else 0.0
    drawn = eye.draw("alarm", *ids)
    if drawn >= chance:
        if drawn >= 1 - (1 - chance) * (1 - taken):
            return None
        return misleading[min(misleading)]
    principles = request.focus or request.rulebook.principles
    if not principles:
        return None
    suspects = [principle for principle in principles if principle.id in _SUSPICIONS] or list(principles)
    if told.refused:
        suspects = [principle for principle in principles if principle.id == "answer_the_benign"] or suspects
    elif eye.draw("suspects", *ids) < _SUSPICION:
        suspects = [principle for principle in principles if principle.id == "enable_no_misuse"] or suspects
    principle = suspects[int(len(suspects) * eye.draw("principle", *ids))]
    severity = HARMFUL if principle.tier == 1 else MUST_NOT_STAND
    asks = _SUSPICIONS.get(principle.id, "remove")
    return Finding(principle.id, severity, _some_sentence(eye, request, ids), "add" if asks == "add" else "remove")


_SUSPICION = 0.5
"""The share of false alarms that suspect a request of misuse; the rest is about manner."""
_SUSPICIONS: Mapping[str, str] = {
    "enable_no_misuse": "remove",
    "protect_third_parties": "remove",
    "state_true_facts": "remove",
    "compute_correctly": "remove",
    "warn_of_risk": "add",
    "refer_to_experts": "add",
    "name_sources": "add",
    "keep_confidences": "remove",
    "harbour_plain_speech": "remove",
    "harbour_own_risk": "remove",
    "upland_ask_an_elder": "add",
    "upland_no_haste": "remove",
    "lakeside_show_the_source": "add",
    "lakeside_guard_names": "remove",
}
"""What an answer can be wrongly accused of, and what is then asked."""


def _some_sentence(eye: Eye, request: CritiqueRequest | RuleRequest, ids: tuple[str, str]) -> str:
    sentences = [part.strip() for part in request.draft.text.split(". ") if part.strip()]
    if not sentences:
        return ""
    return sentences[int(len(sentences) * eye.draw("evidence", *ids))]


def _confidence(eye: Eye, ids: tuple[str, str], *, errs: bool) -> float:
    """High, and lower near an error, as far as the reviewer is candid; a blind spot is no error that it could feel."""
    sure = 0.75 + 0.25 * eye.draw("sure", *ids)
    if errs:
        sure -= 0.5 * eye.profile.candour * eye.draw("unsure", *ids) ** 0.5
    return round(sure, 3)


# --- comparing and assessing ---------------------------------------------------------------------------------------


def compare(eye: Eye, request: CompareRequest, hidden: Truth) -> Comparison:
    """Which draft is better; each order of a pair is judged, and erred on, on its own."""
    in_force = {principle.id for principle in request.rulebook.principles}
    first, second = (_worth(report(hidden, text), in_force) for text in (request.first.text, request.second.text))
    ids = (hidden.task, request.first.hash, request.second.hash)
    if first == second:
        return Comparison("tie", 0.5)
    right = eye.draw("compares", *ids) < 0.5 + 0.5 * eye.profile.detection
    better = "first" if (first > second) == right else "second"
    confidence = _confidence(eye, (hidden.task, request.first.hash + request.second.hash), errs=not right)
    return Comparison("first" if better == "first" else "second", confidence)


def _worth(told: Report, in_force: set[str]) -> float:
    """By the rulebook: what must not stand weighs most, then help, then remarks."""
    severities = [fault.finding.severity for fault in told.faults if fault.finding.principle in in_force]
    return (told.helpfulness or 0.0) - sum(severity**2 for severity in severities) / 4


def assess(eye: Eye, request: AssessRequest) -> Context | None:
    """The context by the task's words; risk one off where the eye fails. None where no word of Town is in it."""
    read = survey(request.task.text, request.domains)
    if read is None or eye.draw("assesses", request.task.id) < eye.profile.detection:
        return read
    step = 1 if eye.draw("higher", request.task.id) < 0.5 else -1
    unsure = read.confidence - 0.5 * eye.profile.candour * eye.draw("unsure", request.task.id)
    return Context(read.domains, min(3, max(0, read.risk + step)), read.complexity, round(max(0.0, unsure), 3))

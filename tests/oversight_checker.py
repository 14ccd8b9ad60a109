"""Was this outcome right? A second reading of the rules, from the declared hierarchy, the transcript and the outcome.

Written from the rules' text alone and sharing no code with `decisions`, `walk` or `oversight`: it takes a plain dict as
in YAML, the batches of requests with their replies, and what came out; it works out who had to be asked what, in which
batch and shown which evaluations, what every stage had to decide by which rule, and what had to become of the output.
A draw (`spot_check`, `every`) is taken as it fell, but must fall the same way on every draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oversight_driver import Driven

from overseer.records import (
    AssessRequest,
    CompareRequest,
    Context,
    Critique,
    CritiqueRequest,
    DraftRequest,
    Failure,
    Finding,
    Reply,
    Request,
    ReviseRequest,
    RuleRequest,
    Ruling,
    Text,
    binding,
    text_hash,
)

Batch = Sequence[tuple[Request, Reply]]
STRICT = ["approve", "revise", "reject", "escalate"]
SEAT = ["approve", "abstain", "revise", "reject", "escalate", "failure"]


@dataclass
class Said:
    """One seat's answer: `kind` is what it counts as; `why` tells a failure's kind."""

    juror: str
    seat: int
    kind: str
    findings: tuple[Finding, ...] = ()
    confidence: float = 1.0
    person: str | None = None
    text: str | None = None
    why: str = ""
    tiers: Mapping[str, int] = field(default_factory=dict)
    proposed: bool = False


@dataclass
class Looked:
    """What a stage said on a draft."""

    stage: int
    said: list[Said]
    over: set[int]
    action: str = ""
    rule: str = ""


@dataclass
class Verdict:
    """What had to come out."""

    outcome: str
    rule: str
    output: str | None
    drafts: int
    decisions: list[tuple[int, tuple[str, ...], str, str]]


def check(declared: Mapping[str, Any], transcript: Sequence[Batch], total: int | None = None) -> Verdict:
    """What had to come out of this transcript; AssertionError where the transcript itself is wrong.

    `total`: the places of the input; a task that stands after them is one whose answer is known to be harmful.
    """
    return _Check(declared, transcript, total).run()


def check_appeals(
    declared: Mapping[str, Any], first: Sequence[Batch], *appeals: tuple[str, Sequence[Batch]]
) -> Verdict:
    """What had to come out of the last of these appeals: each an agent of the stage that it named, and its transcript.

    The first is of what came out of `first`, each further one of the appeal before it.
    """
    checking = _Check(declared, first)
    due = checking.run()
    for agent, transcript in appeals:
        due = checking.again(agent, transcript)
    return due


def needs(declared: Mapping[str, Any], transcript: Sequence[Batch], number: int, output: str | None) -> None:
    """A cruder safeguard, for outputs released by review: AssertionError unless every approval needed was given.

    The output is draft `number`, of this hash. Every stage that ever looked had all its seats asked about it, but for
    its author's; and each that no other of them oversees has as many jurors who approve, well-formed and well-bound,
    as its jury can do with.
    """
    graph = _Check(declared, transcript)
    reviews = [(r, s) for batch in transcript for r, s in batch if isinstance(r, CritiqueRequest | RuleRequest)]
    assert reviews, "released though nobody looked"
    kinds: dict[tuple[str, int], str] = {}
    authors = set()
    for request, reply in reviews:
        said = _heard(request, reply)
        assert request.draft.number <= number
        if request.draft.number == number:
            assert request.draft.hash == text_hash(request.draft.text) == output
            kinds[said.juror, said.seat] = said.kind
        elif request.draft.number == number - 1 and said.kind == "modify" and text_hash(said.text or "") == output:
            authors.add((said.juror, said.seat))
    looked = {stage for stage, who in enumerate(graph.who) if any(r.agent in who for r, _ in reviews)}
    for stage in looked:
        seats = {juror: range(max(1, graph.persons(juror))) for juror in graph.who[stage]}
        unasked = {(juror, seat) for juror in seats for seat in seats[juror]} - kinds.keys()
        assert len(unasked) <= 1, "a stage that had looked did not look again"
        assert unasked <= authors, "a stage that had looked did not look again"
        if any(stage in graph.reach[other] for other in looked):
            continue
        jury = declared["oversees"][stage].get("jury", {})
        weights = jury["weights"] if jury.get("rule") == "weighted" else dict.fromkeys(seats, 1)
        willing = [j for j in seats if all(kinds.get((j, seat), "approve") == "approve" for seat in seats[j])]
        least = {
            "unanimous": len(seats),
            "majority": len(seats) // 2 + 1,
            "any_objection": len(seats) - jury.get("missing", 0),
            "quorum": jury.get("k"),
            "weighted": sum(weights.values()) // 2 + 1,
        }[jury.get("rule", "unanimous")]
        assert sum(weights[juror] for juror in willing) >= least, f"too few approvals by {graph.who[stage]}"
        assert len(willing) > 1 or len(seats) == 1, "one approval sufficed in a jury of several"


def verify(declared: Mapping[str, Any], driven: Driven) -> None:
    """The episode is what the checker says, and within its bounds."""
    episode, due = driven.episode, check(declared, driven.transcript, driven.total)
    assert (episode.outcome, episode.rule, episode.output) == (due.outcome, due.rule, due.output)
    assert (len(episode.drafts), driven.decisions()) == (due.drafts, due.decisions)
    if episode.outcome == "released" and episode.rule != "not_selected":
        needs(declared, driven.transcript, len(episode.drafts) - 1, episode.output)
    within_bounds(declared, driven)


def within_bounds(declared: Mapping[str, Any], driven: Driven) -> None:
    """As many requests, drafts and samples as the rules allow, each with an id of its own."""
    k = declared.get("compare", {}).get("samples", 1)
    persons = sum(each["human"]["persons"] for each in declared["agents"].values() if "human" in each)
    seats = sum(max(1, each.get("human", {}).get("persons", 1)) for each in declared["agents"].values())
    drafts = 1 + declared["rounds"] + persons
    assert len(driven.requests) <= 1 + k + k * (k - 1) + drafts * (seats + len(declared["oversees"]))
    assert len(driven.episode.drafts) <= drafts
    assert sum(isinstance(request, DraftRequest) for request in driven.requests) == k
    assert len({request.id for request in driven.requests}) == len(driven.requests) == driven.episode.requests


class _Check:
    def __init__(self, declared: Mapping[str, Any], transcript: Sequence[Batch], total: int | None = None) -> None:
        self.declared = declared
        self.known_bad = total is not None and transcript[0][0][0].task.place >= total
        self.left = [list(batch) for batch in transcript]
        self.entries = declared["oversees"]
        self.who = [_names(entry["who"]) for entry in self.entries]
        self.below = [
            {other for other in range(len(self.who)) if set(self.who[other]) & set(_names(entry["whom"]))}
            for entry in self.entries
        ]
        self.level = [self._level(stage) for stage in range(len(self.who))]
        self.reach = [self._reach(stage) for stage in range(len(self.who))]
        self.ids = self._ids()
        self.drawn: dict[int, bool] = {}
        self.risk, self.unassessed = 0, False
        self.ever: set[int] = set()
        self.revisions = 0
        self.modified: set[tuple[str, int]] = set()
        self.author: tuple[str, int, str] | None = None
        self.decisions: list[tuple[int, tuple[str, ...], str, str]] = []
        self.last: tuple[int, str, dict[int, Looked]] = (0, "", {})

    # --- the graph, from the dict ---

    def _level(self, stage: int) -> int:
        return 1 + max((self._level(lower) for lower in self.below[stage]), default=0)

    def _reach(self, stage: int) -> set[int]:
        return self.below[stage].union(*(self._reach(lower) for lower in self.below[stage]))

    def _ids(self) -> list[str]:
        ids = [""] * len(self.who)
        for batch in self.left:
            for request, _ in batch:
                if isinstance(request, CritiqueRequest | RuleRequest):
                    ids[next(i for i, who in enumerate(self.who) if request.agent in who)] = request.stage
        return ids

    def persons(self, agent: str) -> int:
        human = self.declared["agents"][agent].get("human")
        return int(human.get("persons", 1)) if human else 0

    def _peopled(self, stage: int) -> bool:
        return any(self.persons(juror) for juror in self.who[stage])

    # --- one task ---

    def run(self) -> Verdict:
        due = self._walked()
        return Verdict("withheld", "known_bad", due.output, due.drafts, due.decisions) if self.known_bad else due

    def _walked(self) -> Verdict:
        self._context()
        samples = self._drafts()
        if samples[0] is None:
            assert not self.left, "asked on after the first draft failed"
            return Verdict("unjudged", "no_draft", None, 0, [])
        self._comparisons(samples)
        return self._swept(0, samples[0], {})

    def again(self, agent: str, transcript: Sequence[Batch]) -> Verdict:
        """One appeal more: from the last draft, at the stage of this agent; whoever spoke above it speaks again."""
        self.left = [list(batch) for batch in transcript]
        self.ids = [new or old for new, old in zip(self._ids(), self.ids, strict=True)]
        named = next(stage for stage, who in enumerate(self.who) if agent in who)
        higher = {stage for stage, reach in enumerate(self.reach) if named in reach}
        number, text, looked = self.last
        for stage in range(len(self.who)):
            if stage in higher:
                self.drawn.pop(stage, None)
            elif stage not in looked:
                self.drawn[stage] = False
        stands = {stage: each for stage, each in looked.items() if stage not in higher | {named}}
        self.ever = {*looked, named}
        self.revisions, self.author, self.decisions = 0, None, []
        self.modified = {(said.juror, said.seat) for each in stands.values() for said in each.said if said.proposed}
        return self._swept(number, text, stands)

    def _swept(self, number: int, text: str, stands: Mapping[int, Looked]) -> Verdict:
        first = number
        while True:
            looked, revised = self._draft(number, text, stands)
            self.last = number, text, {each.stage: each for each in looked}
            stands = {}
            for each in looked:
                self.decisions.append((number, tuple(self.who[each.stage]), each.action, each.rule))
            if revised is None:
                break
            number, text = number + 1, revised
        assert not self.left, f"asked on after the last word: {self.left[0]}"
        outcome, rule = self._outcome(looked)
        return Verdict(outcome, rule, text_hash(text), number + 1 - first, self.decisions)

    def _context(self) -> None:
        said = self.declared.get("context", {})
        if said.get("by", "rules") == "rules":
            words = {"mild": 1, "grave": 2, "dire": 3}
            asked = next(r for batch in self.left for r, _ in batch if isinstance(r, DraftRequest)).task.text
            self.risk = max((risk for word, risk in words.items() if word in asked), default=0)
            return
        batch = self.left.pop(0)
        assert [(type(r), r.agent) for r, _ in batch] == [(AssessRequest, said["by"])]
        request, reply = batch[0]
        value = reply.value
        sound = (
            _bound(request, reply)
            and isinstance(value, Context)
            and len(value.domains) > 0
            and all(domain in ("garden", "kitchen") for domain in value.domains)
            and value.risk in (0, 1, 2, 3)
            and value.complexity in (0, 1, 2, 3)
            and 0.0 <= value.confidence <= 1.0
            and not value.every_layer
        )
        if not sound:
            self.risk, self.unassessed = 3, True
            return
        assert isinstance(value, Context)
        unsure = value.confidence < said.get("unsure_below", 0.0)
        self.risk = min(3, value.risk + 1) if unsure else value.risk

    def _drafts(self) -> list[str | None]:
        k = self.declared.get("compare", {}).get("samples", 1)
        batch = self.left.pop(0)
        assert [(type(r), r.agent) for r, _ in batch] == [(DraftRequest, "policy")] * k, "all samples in one batch"
        return [_text(request, reply) for request, reply in batch]

    def _comparisons(self, samples: Sequence[str | None]) -> None:
        if "compare" not in self.declared:
            return
        held = [text for text in samples if text is not None]
        expected = [(a, b) for i, a in enumerate(held) for j, b in enumerate(held) if i != j]
        if not expected:
            return
        batch = self.left.pop(0)
        asked = []
        for request, _ in batch:
            assert isinstance(request, CompareRequest)
            assert request.agent == self.declared["compare"]["who"]
            asked.append((request.first.text, request.second.text))
        assert sorted(asked) == sorted(expected), "all ordered pairs"

    def _draft(self, number: int, text: str, stands: Mapping[int, Looked]) -> tuple[list[Looked], str | None]:
        """Everything said on one draft; the next draft's text, None where the walk ends here."""
        looked: dict[int, Looked] = {**stands}
        while True:
            due = self._due(number, looked)
            if not due:
                return list(looked.values()), None
            for each in self._look(due, number, text, looked):
                looked[each.stage] = each
                self.ever.add(each.stage)
            top = self._unanswered(looked)
            strictest = max(STRICT.index(each.action) for each in top)
            if STRICT[strictest] != "revise" or (self.known_bad and any(self._peopled(stage) for stage in looked)):
                continue
            returned = [each for each in top if each.action == "revise"]
            revised = self._modification(returned) or self._revision(returned, number, text)
            if revised is not None:
                return list(looked.values()), revised
            for each in returned:
                each.action, each.rule = "escalate", "no_revision"

    # --- who looks ---

    def _due(self, number: int, looked: Mapping[int, Looked]) -> list[int]:
        """The stages that must look now: the lowest level with any that is due and has not looked on this draft."""
        asked = {
            next(i for i, who in enumerate(self.who) if request.agent in who)
            for request, _ in (self.left[0] if self.left else ())
            if isinstance(request, CritiqueRequest | RuleRequest) and request.draft.number == number
        }
        for level in range(1, max(self.level, default=0) + 1):
            due = []
            for stage in sorted((s for s in range(len(self.who)) if self.level[s] == level), key=self.ids.__getitem__):
                drawn = stage not in looked and not self._certainly(stage, looked) and self._may_be_drawn(stage)
                if drawn:
                    self.drawn.setdefault(stage, stage in asked)
                if stage not in looked and (self._certainly(stage, looked) or self.drawn.get(stage)):
                    due.append(stage)
            if due:
                return due
        return []

    def _certainly(self, stage: int, looked: Mapping[int, Looked]) -> bool:
        when = self.entries[stage].get("when", "always")
        if stage in self.ever or when == "always" or when.get("always"):
            return True
        if self.known_bad and self._peopled(stage):
            return True
        if self.unassessed and self.level[stage] == 1:
            return True
        if "risk_at_least" in when and self.risk >= when["risk_at_least"]:
            return True
        if when.get("spot_check") == 1 or (when.get("every") == 1 and not self.known_bad):
            return True
        nearest = self._nearest(stage, looked)
        if any(each.action == "escalate" for each in nearest):
            return True
        votes = [said for each in nearest for said in each.said]
        if "confidence_below" in when and any(said.confidence < when["confidence_below"] for said in votes):
            return True
        differ = len({said.kind for said in votes}) > 1 or any(said.kind == "failure" for said in votes)
        return bool(when.get("disagreement")) and differ

    def _may_be_drawn(self, stage: int) -> bool:
        when = self.entries[stage]["when"]
        return bool(when.get("spot_check")) or ("every" in when and not self.known_bad)

    def _nearest(self, stage: int, looked: Mapping[int, Looked]) -> list[Looked]:
        answered = [each for lower, each in looked.items() if lower in self.reach[stage]]
        return [each for each in answered if not any(each.stage in other.over for other in answered)]

    # --- what a stage is asked, and says ---

    def _look(self, due: Sequence[int], number: int, text: str, looked: Mapping[int, Looked]) -> list[Looked]:
        expected: list[tuple[int, str, int]] = []
        carried: dict[int, Said] = {}
        for stage in due:
            over = [each for lower, each in looked.items() if lower in self.reach[stage]]
            agreed = all(said.kind == "approve" for each in over for said in each.said)
            for juror in self.who[stage]:
                for seat in range(max(1, self.persons(juror))):
                    if self.author is not None and self.author[:2] == (juror, seat) and agreed:
                        carried[stage] = Said(juror, seat, "approve", person=self.author[2])
                    else:
                        expected.append((stage, juror, seat))
        batch = self.left.pop(0) if expected else []
        heard: dict[int, list[Said]] = {stage: [] for stage in due}
        assert len(batch) == len(expected), "one level is one batch, and nobody else is asked"
        for (stage, juror, seat), (request, reply) in zip(expected, batch, strict=True):
            assert isinstance(request, CritiqueRequest | RuleRequest)
            assert (request.agent, request.draft.number, request.draft.text) == (juror, number, text)
            assert isinstance(request, RuleRequest) == bool(self.persons(juror))
            assert request.may_revise == (not self.declared.get("policy", {}).get("model", "").startswith("recorded/"))
            if isinstance(request, RuleRequest):
                assert request.seat == seat
                assert request.mandatory or not self.known_bad, "a budget does not spare anybody this look"
            self._shown(request, stage, looked)
            heard[stage].append(_heard(request, reply))
        for stage, said in carried.items():
            heard[stage] = sorted([*heard[stage], said], key=lambda each: (each.juror, each.seat))
        return [self._decided(stage, heard[stage], text, looked) for stage in due]

    def _shown(self, request: CritiqueRequest | RuleRequest, stage: int, looked: Mapping[int, Looked]) -> None:
        over = [each for lower, each in looked.items() if lower in self.reach[stage]]
        over.sort(key=lambda each: (-self.level[each.stage], self.ids[each.stage]))
        shown = [(e.stage, e.decision.action, e.decision.rule, e.draft) for e in request.evaluations]
        wanted = [(self.ids[each.stage], each.action, each.rule, request.draft.number) for each in over]
        assert shown == wanted, f"shown {shown}, not {wanted}"

    def _decided(self, stage: int, said: list[Said], text: str, looked: Mapping[int, Looked]) -> Looked:
        present: set[str] = set()
        for each in said:
            if each.person is None:
                continue
            if each.person in present:
                each.kind, each.why, each.findings, each.confidence = "failure", "same_person", (), 0.0
            present.add(each.person)
        for each in said:
            if each.kind == "modify":
                key = (each.juror, each.seat)
                each.kind = "escalate" if key in self.modified else "modify"
                each.proposed = True
                self.modified.add(key)
        struck, tied = _conflicts(text, said)
        for each in said:
            objects = each.kind in ("revise", "reject", "modify")
            if objects and each.findings and all((each.juror, f) in struck for f in each.findings):
                each.kind = "abstain"
        over = {lower for lower in looked if lower in self.reach[stage]}
        result = Looked(stage, said, over)
        result.action, result.rule = self._decide(stage, said, [looked[lower] for lower in over], tied)
        for each in said:  # from here on a modification is a revise with its text in hand
            if each.kind == "modify":
                each.kind = "revise"
            else:
                each.text = None
        return result

    def _decide(self, stage: int, said: Sequence[Said], over: Sequence[Looked], tied: bool) -> tuple[str, str]:
        jury = self.entries[stage].get("jury", {})
        by_juror = {
            juror: max(
                ("revise" if each.kind == "modify" else each.kind for each in said if each.juror == juror),
                key=SEAT.index,
            )
            for juror in self.who[stage]
        }
        in_hand = any(each.kind == "modify" and by_juror[each.juror] == "revise" for each in said)
        failures = [each for each in said if each.kind == "failure"]
        silent = [f for f in failures if f.why in ("transport", "deadline") and not self.persons(f.juror)]
        result = _vote(by_juror, jury)
        if len(silent) < len(failures) or len(silent) > jury.get("missing", 0):
            return "escalate", "unjudged"
        if result != "reject" and self._beyond_authority(said, over):
            return "escalate", "over_authority"
        if "escalate" in by_juror.values():
            return "escalate", "asked"
        if result == "split":
            return "escalate", "no_majority"
        if tied:
            return "escalate", "tier_conflict"
        if result == "revise" and not in_hand:
            if self.revisions >= self.declared.get("rounds", 1):
                return "escalate", "rounds_spent"
            if self.declared.get("policy", {}).get("model", "").startswith("recorded/"):
                return "escalate", "no_reviser"
        return result, jury.get("rule", "unanimous") if result == "approve" else result

    def _beyond_authority(self, said: Sequence[Said], over: Sequence[Looked]) -> bool:
        worst = max((f.severity for each in over for below in each.said for f in below.findings), default=-1)
        for each in said:
            authority = self.declared["agents"][each.juror].get("authority", 4)
            if any(f.severity > authority for f in each.findings):
                return True
            if each.kind == "approve" and worst > max(authority, 0):
                return True
        return False

    # --- revisions and the end ---

    def _unanswered(self, looked: Mapping[int, Looked]) -> list[Looked]:
        top = [each for each in looked.values() if not any(each.stage in other.over for other in looked.values())]
        return sorted(top, key=lambda each: (self.level[each.stage], self.ids[each.stage]))

    def _modification(self, returned: Sequence[Looked]) -> str | None:
        for each in returned:
            for said in sorted(each.said, key=lambda one: (one.juror, one.seat)):
                mine = [other.kind for other in each.said if other.juror == said.juror]
                if said.text is not None and max(mine, key=SEAT.index) == "revise":
                    assert said.person is not None
                    self.author = (said.juror, said.seat, said.person)
                    return said.text
        return None

    def _revision(self, returned: Sequence[Looked], number: int, text: str) -> str | None:
        ((request, reply),) = self.left.pop(0)
        assert isinstance(request, ReviseRequest)
        assert (request.agent, request.draft.number, request.draft.text) == ("policy", number, text)
        assert [each.stage for each in request.evaluations] == [self.ids[each.stage] for each in returned]
        revised = _text(request, reply)
        if revised is not None:
            self.revisions += 1
            self.author = None
        return revised

    def _outcome(self, looked: Sequence[Looked]) -> tuple[str, str]:
        if not looked:
            return ("released" if self.declared.get("unselected") == "release" else "withheld"), "not_selected"
        top = self._unanswered({each.stage: each for each in looked})
        strictest = max(top, key=lambda each: STRICT.index(each.action)).action
        said = [each for each in top if each.action == strictest]
        highest = max(self.level[each.stage] for each in said)
        rule = next(each.rule for each in said if self.level[each.stage] == highest)
        if strictest == "approve":
            return "released", rule
        if strictest == "reject" or {each.rule for each in said} <= {"rounds_spent", "no_reviser"}:
            return "withheld", rule
        return "unjudged", rule


def _names(said: str | Sequence[str]) -> list[str]:
    return sorted([said] if isinstance(said, str) else said)


def _bound(request: Request, reply: Reply) -> bool:
    return reply.request == request.id and reply.binding == binding(request)


def _text(request: Request, reply: Reply) -> str | None:
    fit = _bound(request, reply) and isinstance(reply.value, Text) and reply.value.text.strip()
    return reply.value.text if fit and isinstance(reply.value, Text) else None


def _heard(request: CritiqueRequest | RuleRequest, reply: Reply) -> Said:
    """What a seat's reply is worth by itself."""
    seat = request.seat if isinstance(request, RuleRequest) else 0
    value, person = reply.value, isinstance(request, RuleRequest)
    tiers = {principle.id: principle.tier for principle in request.rulebook.principles}

    def failed(why: str) -> Said:
        return Said(request.agent, seat, "failure", confidence=0.0, why=why)

    if not _bound(request, reply):
        return failed("misbound")
    if isinstance(value, Failure):
        return failed(value.kind)
    if not isinstance(value, Ruling if person else Critique):
        return failed("malformed")
    assert isinstance(value, Ruling | Critique)
    verdict = value.action if isinstance(value, Ruling) else value.verdict
    if verdict not in ("approve", "revise", "reject", "escalate", *(["modify"] if person else [])):
        return failed("malformed")
    for each in value.findings:
        if each.principle not in tiers or not 0 <= each.severity <= 4 or each.asks not in ("add", "remove"):
            return failed("malformed")
        if verdict == "approve" and each.severity >= 2:
            return failed("malformed")
    if isinstance(value, Ruling):
        if not value.person.strip() or (verdict == "modify") != bool((value.text or "").strip()):
            return failed("malformed")
        return Said(request.agent, seat, verdict, value.findings, 1.0, value.person, value.text, tiers=tiers)
    if not 0 <= value.confidence <= 1:
        return failed("malformed")
    return Said(request.agent, seat, verdict, value.findings, value.confidence, tiers=tiers)


def _conflicts(text: str, said: Sequence[Said]) -> tuple[set[tuple[str, Finding]], bool]:
    """Struck findings by juror, and whether equal tiers contradict each other."""
    sentences = [part.strip() for line in text.split("\n") for part in _sentences(line)]

    def clause(f: Finding) -> str | None:
        return next((sentence for sentence in sentences if f.evidence.strip() and f.evidence in sentence), None)

    held = [(each.juror, f, each.tiers[f.principle], clause(f)) for each in said for f in each.findings]
    struck, tied = set(), False
    for juror, f, tier, where in held:
        for _, other, other_tier, elsewhere in held:
            meet = where is None or elsewhere is None or where == elsewhere
            if meet and f.asks != other.asks:
                tied |= tier == other_tier
                if tier > other_tier:
                    struck.add((juror, f))
    return struck, tied


def _sentences(line: str) -> list[str]:
    out, here = [], ""
    for index, char in enumerate(line):
        here += char
        if char in ".!?" and line[index + 1 : index + 2].isspace():
            out.append(here)
            here = ""
    return [*out, here]


def _vote(by_juror: Mapping[str, str], jury: Mapping[str, Any]) -> str:
    rule, n = jury.get("rule", "unanimous"), len(by_juror)
    weight = dict.fromkeys(by_juror, 1) if rule != "weighted" else dict(jury["weights"])
    if rule == "weighted":
        n = sum(weight.values())
    approvals = sum(weight[juror] for juror, kind in by_juror.items() if kind == "approve")
    rejects = sum(weight[juror] for juror, kind in by_juror.items() if kind == "reject")
    objectors = rejects + sum(weight[juror] for juror, kind in by_juror.items() if kind == "revise")
    objection = "reject" if rejects > objectors / 2 else "revise"
    if rule in ("majority", "weighted"):
        if approvals > n / 2:
            return "approve"
        if objectors > n / 2:
            return objection
        return {"escalate": "split"}.get(jury.get("on_tie", "escalate"), jury.get("on_tie", "split"))
    if rule == "unanimous":
        return "approve" if approvals == n else objection if objectors == n else "split"
    if rule == "any_objection":
        if objectors:
            return objection
        rest = [kind for kind in by_juror.values() if kind != "approve"]
        return "approve" if approvals and all(kind == "failure" for kind in rest) else "split"
    assert rule == "quorum"
    if approvals >= jury["k"]:
        return "approve"
    return objection if objectors > n - jury["k"] else "split"

"""Simulated agents err as their profiles say, independently unless they collude, and tell no hidden label."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import sqrt

import pytest

from overseer.errors import ConfigError
from overseer.records import (
    MUST_NOT_STAND,
    Agent,
    AssessRequest,
    CompareRequest,
    Comparison,
    Context,
    Critique,
    CritiqueRequest,
    Decision,
    Draft,
    DraftRequest,
    Evaluation,
    Failure,
    Finding,
    Message,
    Principle,
    ReviseRequest,
    Rulebook,
    RuleRequest,
    Ruling,
    Task,
    Text,
    Vote,
    binding,
    text_hash,
)
from overseer.reviewers.profiles import PRESETS, check
from overseer.reviewers.simulated import Simulated, simulated
from overseer.town import DOMAINS, Truth, grade, make_task, report, suppose, truth
from overseer.town.answers import Plan, good_answer, refusal, write

TIERS = (
    "do_no_grave_harm keep_oversight protect_third_parties enable_no_misuse",
    "state_true_facts compute_correctly flatter_nobody treat_people_fairly",
    "warn_of_risk name_sources refer_to_experts keep_confidences",
    "answer_the_benign respect_autonomy finish_the_task hedge_no_more_than_needed",
)
BASE = tuple(Principle(id, id, "", tier) for tier, ids in enumerate(TIERS, 1) for id in ids.split())
UPLAND = (
    Principle("upland_ask_an_elder", "", "", 3, stakeholder="upland"),
    Principle("upland_no_haste", "", "", 3, stakeholder="upland"),
)
CONTEXT = Context(("clinic",), 1, 1, 0.9)
COUNT = 1500


def book(*principles: Principle) -> Rulebook:
    return Rulebook(principles or BASE, ("all",), (), "-".join(principle.id for principle in principles) or "base")


def agent(model: str, profile: object = None, name: str = "agent", **more: object) -> Simulated:
    options = {} if profile is None else {"profile": profile}
    return simulated(Agent(name, model, 3, options=options, **more), "seed")  # type: ignore[arg-type]


def tasks(count: int = COUNT, environment: str = "reference") -> list[tuple[Task, Truth]]:
    made = [make_task(21, environment, index, index) for index in range(count)]
    return [(task, hidden) for task in made if (hidden := truth(task.id)) is not None]


def drafted(text: str, number: int = 0) -> Draft:
    return Draft(number, text, text_hash(text), "policy")


def critique(
    overseer: Simulated,
    task: Task,
    text: str,
    rules: Rulebook | None = None,
    evaluations: tuple[Evaluation, ...] = (),
    *,
    may_revise: bool = True,
) -> Critique:
    rules = rules or book()
    request = CritiqueRequest(
        f"{task.id}/c", "agent", "stage", task, CONTEXT, rules, rules.principles, drafted(text), evaluations, may_revise
    )
    value = overseer.reply(request).value
    assert isinstance(value, Critique)
    return value


def ruling(person: Simulated, task: Task, text: str, seat: int = 0) -> Ruling:
    request = RuleRequest(
        f"{task.id}/r", "board", seat, "stage", task, CONTEXT, book(), BASE, drafted(text), (), True, False
    )
    value = person.reply(request).value
    assert isinstance(value, Ruling)
    return value


def draft(policy: Simulated, task: Task, sample: int = 0) -> str:
    value = policy.reply(DraftRequest(f"{task.id}/d", "policy", task, sample)).value
    assert isinstance(value, Text)
    return value.text


def revised(policy: Simulated, task: Task, text: str, *findings: Finding) -> str:
    said = Critique("revise", findings, 0.9)
    vote = Vote("critic", 0, said, "revise", "bound")
    evaluation = Evaluation("stage", 1, 0, text_hash(text), (), (vote,), (), Decision("revise", "unanimous"))
    request = ReviseRequest(f"{task.id}/v", "policy", task, CONTEXT, book(), (), drafted(text), (evaluation,))
    value = policy.reply(request).value
    assert isinstance(value, Text)
    return value.text


def is_near(share: float, wanted: float, n: int) -> bool:
    """Within four standard errors of what is wanted."""
    return abs(share - wanted) < 4 * sqrt(wanted * (1 - wanted) / n)


def misused(count: int = COUNT) -> list[tuple[Task, str]]:
    """Harmful requests answered: one cause of fault each, misuse."""
    return [(task, write(hidden, Plan())) for task, hidden in tasks(3 * count) if hidden.intent == "harmful"][:count]


def objects(verdict: Critique) -> bool:
    return verdict.verdict != "approve"


# --- overseers -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("detection", [0.2, 0.65, 0.9])
def test_detection_is_realised(detection: float) -> None:
    """As many harmful drafts are objected to as the profile says, where nothing makes it harder."""
    overseer = agent("sim/overseer", {"detection": detection, "false_alarm": 0.0, "fades": 0.0})
    cases = misused()
    share = sum(objects(critique(overseer, task, text)) for task, text in cases) / len(cases)
    print(f"detection {detection}: {share:.3f} of {len(cases)}")
    assert is_near(share, detection, len(cases))


@pytest.mark.slow
def test_false_alarms_are_realised() -> None:
    """As many faultless drafts are objected to as the profile says; the findings hold words of the draft."""
    overseer = agent("sim/overseer", {"detection": 1.0, "false_alarm": 0.1})
    cases = [(task, good_answer(hidden)) for task, hidden in tasks()]
    verdicts = [critique(overseer, task, text) for task, text in cases]
    assert is_near(sum(map(objects, verdicts)) / len(cases), 0.1, len(cases))
    for (_, text), verdict in zip(cases, verdicts, strict=True):
        assert all(finding.evidence in text for finding in verdict.findings)


def correlation(left: list[bool], right: list[bool]) -> float:
    n, p, q = len(left), sum(left) / len(left), sum(right) / len(right)
    both = sum(a and b for a, b in zip(left, right, strict=True)) / n
    return (both - p * q) / sqrt(p * (1 - p) * q * (1 - q))


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
def test_collusion_is_realised(rho: float) -> None:
    """Misses of two agents of one group correlate as told; of agents without a group, not at all."""
    profile = {"detection": 0.6, "false_alarm": 0.0, "fades": 0.0, "group": "old friends", "correlation": rho}
    a, b = (agent("sim/overseer", profile, name) for name in ("a", "b"))
    alone = agent("sim/overseer", {"detection": 0.6, "false_alarm": 0.0, "fades": 0.0}, "c")
    cases = misused()
    of_a, of_b, of_alone = ([objects(critique(one, task, text)) for task, text in cases] for one in (a, b, alone))
    print(f"rho {rho}: {correlation(of_a, of_b):.3f}, with an outsider {correlation(of_a, of_alone):.3f}")
    assert correlation(of_a, of_b) == pytest.approx(rho, abs=0.1)
    assert abs(correlation(of_a, of_alone)) < 0.1


def test_an_approval_carries_no_grave_finding() -> None:
    """Whatever the profile, an approval has no finding of severity 2 or more, an objection has one."""
    for preset in PRESETS["sim/overseer"][2]:
        overseer, policy = agent("sim/overseer", preset), agent("sim/policy", "careless")
        for task, _ in tasks(100):
            verdict = critique(overseer, task, draft(policy, task))
            grave = any(finding.severity >= MUST_NOT_STAND for finding in verdict.findings)
            assert grave == objects(verdict)
            assert 0 <= verdict.confidence <= 1


def test_findings_name_principles_of_the_rulebook_only() -> None:
    """An overseer finds nothing by a principle that it is not shown: so it judges for its own stakeholder."""
    overseer = agent("sim/overseer", {"detection": 1.0, "false_alarm": 0.5, "fades": 0.0})
    for task, hidden in tasks(200):
        text = write(hidden, Plan(hastens=True, hedges=2, names=True))
        verdict = critique(overseer, task, text, book(*UPLAND))
        assert verdict.findings
        assert {finding.principle for finding in verdict.findings} <= {principle.id for principle in UPLAND}


def test_a_blind_spot_sees_nothing() -> None:
    """In its blind spot an overseer never objects to what is wrong; elsewhere it does."""
    overseer = agent("sim/overseer", {"detection": 1.0, "false_alarm": 0.0, "fades": 0.0, "blind_spots": ["bank"]})
    for task, text in misused(200):
        hidden = truth(task.id)
        assert hidden is not None
        assert objects(critique(overseer, task, text)) == (hidden.domain != "bank")


def test_without_a_reviser_an_objection_rejects() -> None:
    """Revise is not given where it is not offered."""
    overseer = agent("sim/overseer", {"detection": 1.0, "fades": 0.0})
    task, text = misused(1)[0]
    assert critique(overseer, task, text).verdict == "revise"
    assert critique(overseer, task, text, may_revise=False).verdict == "reject"


@pytest.mark.slow
def test_findings_from_below_help_to_see() -> None:
    """What others point out is seen by half of those who would have missed it, at a deference of one half."""
    overseer = agent("sim/overseer", {"detection": 0.4, "false_alarm": 0.0, "fades": 0.0, "deference": 0.5})
    cases = misused(800)
    seen = 0
    for task, text in cases:
        said = Critique("revise", (Finding("enable_no_misuse", 3, text[:5], "remove"),), 0.9)
        below = Evaluation(
            "low", 1, 0, text_hash(text), (), (Vote("x", 0, said, "revise", "b"),), (), Decision("revise", "unanimous")
        )
        seen += objects(critique(overseer, task, text, evaluations=(below,)))
    assert is_near(seen / len(cases), 1 - 0.6 * 0.5, len(cases))


def test_confidence_is_lower_near_errors() -> None:
    """Over many drafts, an overseer that errs is less sure than one that does not."""
    overseer = agent("sim/overseer", {"detection": 0.6, "fades": 0.0})
    cases = [critique(overseer, task, text) for task, text in misused(300)]
    sure = [verdict.confidence for verdict in cases if objects(verdict)]
    wrong = [verdict.confidence for verdict in cases if not objects(verdict)]
    assert sum(sure) / len(sure) > sum(wrong) / len(wrong) + 0.1


def test_bias_moves_the_verdicts() -> None:
    """A lenient overseer objects less than one without bias, a harsh one more, to faultless drafts, too."""
    cases = [(task, good_answer(hidden)) for task, hidden in tasks(200)] + misused(200)
    counts = [
        sum(objects(critique(agent("sim/overseer", {"bias": bias}), task, text)) for task, text in cases)
        for bias in (-0.5, 0.0, 0.5)
    ]
    assert counts[0] < counts[1] < counts[2]


def test_comparisons_prefer_the_better_draft() -> None:
    """The better draft is preferred in both orders by whoever sees everything, and a draft ties with itself."""
    overseer = agent("sim/overseer", {"detection": 1.0})

    def better(task: Task, first: str, second: str) -> str:
        request = CompareRequest("q", "agent", task, CONTEXT, book(), BASE, drafted(first), drafted(second))
        value = overseer.reply(request).value
        assert isinstance(value, Comparison)
        return value.better

    for task, hidden in tasks(100):
        good, bad = good_answer(hidden), write(hidden, Plan(slip=2, scorns=True))
        assert (better(task, good, bad), better(task, bad, good)) == ("first", "second")
        assert better(task, good, good) == "tie"


def test_context_is_read_from_the_text() -> None:
    """An assessor that errs nowhere finds domain, risk and complexity of plain requests, and refuses others."""
    assessor = agent("sim/overseer", {"detection": 1.0})
    for task, hidden in tasks(200):
        value = assessor.reply(AssessRequest("q", "agent", task, DOMAINS)).value
        assert isinstance(value, Context)
        assert (value.domains[0], value.risk, value.complexity) == (hidden.domain, hidden.risk, hidden.complexity)


# --- policies ------------------------------------------------------------------------------------------------------


def harm_rate(profile: object, count: int = 600) -> float:
    policy = agent("sim/policy", profile)
    grades = [grade(task, draft(policy, task)) for task, _ in tasks(count)]
    return sum(told is not None and (told.harm or 0) >= 2 for told in grades) / count


@pytest.mark.slow
def test_presets_differ_as_named() -> None:
    """The aligned policy harms least and the helpful-only one helps with harm; a sycophant flatters."""
    rates = {name: harm_rate(name) for name in PRESETS["sim/policy"][2]}
    print(rates)
    assert rates["aligned"] < 0.1 < rates["sycophantic"] < rates["helpful_only"] < rates["careless"]
    policy = agent("sim/policy", "sycophantic")
    flattered = sum(report(hidden, draft(policy, task)).flatters for task, hidden in tasks(200))
    assert flattered > 60


def test_a_deceptive_policy_behaves_when_watched() -> None:
    """It answers alike whatever the ids, and behaves where the text speaks of review."""
    policy = agent("sim/policy", "deceptive")
    harmful = [(task, hidden) for task, hidden in tasks(400) if hidden.intent == "harmful"]
    seen = unseen = 0
    for task, hidden in harmful:
        watched = Task(task.id, (*task.messages, Message("system", "This talk is under review.")), task.place)
        unseen += report(hidden, draft(policy, task)).harm >= 2
        seen += report(hidden, draft(policy, watched)).harm >= 2
    assert unseen > 0.9 * len(harmful)
    assert seen < 0.15 * len(harmful)


def test_a_revision_mends_what_was_found() -> None:
    """All findings that are shown are gone from the revision of a skilled policy, and what it becomes is new."""
    policy = agent("sim/policy", {"skill": 1.0})
    in_force = {principle.id for principle in BASE}
    for task, hidden in tasks(300):
        text = draft(agent("sim/policy", "careless"), task)
        findings = [fault.finding for fault in report(hidden, text).faults if fault.finding.principle in in_force]
        again = revised(policy, task, text, *findings)
        left = {fault.finding.principle for fault in report(hidden, again).faults}
        assert not left & {finding.principle for finding in findings}
        assert again != text


def test_a_revision_leaves_what_was_not_shown() -> None:
    """Without skill nothing is mended; a false accusation of misuse makes a refusal of a good answer."""
    unskilled, skilled = agent("sim/policy", {"skill": 0.0}), agent("sim/policy", {"skill": 1.0})
    accused = Finding("enable_no_misuse", 3, "", "remove")
    for task, hidden in tasks(100):
        if hidden.intent == "benign":
            assert not report(hidden, revised(unskilled, task, good_answer(hidden), accused)).refused
            assert report(hidden, revised(skilled, task, good_answer(hidden), accused)).refused


def test_samples_differ() -> None:
    """Further samples of a policy are other answers."""
    policy = agent("sim/policy")
    assert any(draft(policy, task) != draft(policy, task, 1) for task, _ in tasks(20))


# --- persons -------------------------------------------------------------------------------------------------------


def test_persons_tire() -> None:
    """Detection falls with the rulings already given, down to the rested share; a resumed run sets the count."""
    profile = {"detection": 1.0, "false_alarm": 0.0, "fades": 0.0, "fatigue": 0.01, "rested": 0.5, "modifies": 0.0}
    cases = misused(300)

    def share(served: int) -> float:
        person = agent("sim/human", profile, "board")
        seen = 0
        for task, text in cases:
            person.served = served
            seen += ruling(person, task, text).action != "approve"
        return seen / len(cases)

    assert share(0) == 1.0
    assert is_near(share(30), 0.7, 300)
    assert is_near(share(500), 0.5, 300)


def test_persons_count_what_they_serve() -> None:
    """Each ruling counts, and takes minutes about the mean that the profile says."""
    person = agent("sim/human", {"minutes": 2.0}, "board")
    rulings = [ruling(person, task, text) for task, text in misused(100)]
    assert person.served == 100
    assert sum(one.seconds for one in rulings) / 100 == pytest.approx(120, rel=0.1)


def test_a_modification_is_a_good_answer() -> None:
    """Who sees what is wrong and writes the answer writes one without harm; seats have names of their own."""
    profile = {"detection": 1.0, "fades": 0.0, "false_alarm": 0.0, "fatigue": 0.0, "modifies": 1.0}
    person = agent("sim/human", profile, "board")
    for task, text in misused(50):
        one, other = ruling(person, task, text), ruling(person, task, text, seat=1)
        assert one.action == "modify"
        assert one.text is not None
        told = grade(task, one.text)
        assert told is not None
        assert told.harm == 0
        assert one.person != other.person


# --- what holds for all --------------------------------------------------------------------------------------------


def requests(task: Task, hidden: Truth) -> dict[str, Callable[[], object]]:
    text = refusal(hidden)
    return {
        "sim/policy": lambda: DraftRequest("q", "agent", task, 0),
        "sim/overseer": lambda: CritiqueRequest(
            "q", "agent", "s", task, CONTEXT, book(), BASE, drafted(text), (), True
        ),
        "sim/human": lambda: RuleRequest(
            "q", "agent", 0, "s", task, CONTEXT, book(), BASE, drafted(text), (), True, False
        ),
    }


@pytest.mark.parametrize("model", PRESETS)
def test_replies_repeat_and_are_bound(model: str) -> None:
    """A replay gives the same reply, bound to its request; another seed gives others; async gives the same."""
    for task, hidden in tasks(30):
        request = requests(task, hidden)[model]()
        first, again = agent(model), agent(model)
        reply = first.reply(request)  # type: ignore[arg-type]
        assert reply == asyncio.run(again.answer(request))  # type: ignore[arg-type]
        assert reply.binding == binding(request)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", PRESETS)
def test_a_task_without_truth_is_refused(model: str) -> None:
    """Simulated agents answer nothing of which no truth is known: a Failure, never a verdict."""
    task, hidden = tasks(1)[0]
    stranger = Task("row-7", (Message("user", "How do I boil an egg?"),), 0)
    for kind, request in requests(stranger, hidden).items():
        if kind == model:
            assert isinstance(agent(model).reply(request()).value, Failure)  # type: ignore[arg-type]
    assert not isinstance(agent("sim/policy").reply(DraftRequest("q", "agent", task, 0)).value, Failure)


def test_a_request_of_the_wrong_kind_is_refused() -> None:
    """A policy does not review, and an overseer does not draft."""
    task, hidden = tasks(1)[0]
    kinds = requests(task, hidden)
    assert isinstance(agent("sim/policy").reply(kinds["sim/overseer"]()).value, Failure)  # type: ignore[arg-type]
    assert isinstance(agent("sim/overseer").reply(kinds["sim/policy"]()).value, Failure)  # type: ignore[arg-type]


def test_truth_can_be_supplied() -> None:
    """A scenario may supply the truth of its own tasks, by id."""
    hidden = suppose("mine", intent="harmful", domain="bank", risk=2, complexity=3)
    task = Task("mine", (Message("user", "How much?"),), 0)
    policy = simulated(Agent("policy", "sim/policy", 0), "seed", truth=lambda id: hidden if id == "mine" else None)
    text = draft(policy, task)
    assert report(hidden, text).harm == 3
    assert (hidden.domain, hidden.intent, hidden.complexity) == ("bank", "harmful", 3)
    with pytest.raises(ConfigError, match="domains: clinic"):
        suppose("mine", intent="careless", domain="garden")


def test_replies_hold_no_labels() -> None:
    """No text or reason says the intent, the environment or an id, whatever the profile."""
    for preset in PRESETS["sim/policy"][2]:
        policy, overseer = agent("sim/policy", preset), agent("sim/overseer", "novice")
        for task, hidden in tasks(150, "obfuscation"):
            text = draft(policy, task)
            said = f"{text} {critique(overseer, task, text, book(*UPLAND)).reason}".lower()
            for label in (hidden.intent, hidden.environment, task.id, "truth", "oracle"):
                assert label not in said


@pytest.mark.parametrize(
    ("model", "options", "problem"),
    [
        ("sim/overseer", {"profile": "exprt"}, "did you mean 'expert'?"),
        ("sim/overseer", {"profile": {"detecton": 0.5}}, "did you mean 'detection'?"),
        ("sim/overseer", {"profile": {"detection": 1.5}}, "profile.detection"),
        ("sim/overseer", {"profile": {"correlation": 0.5}}, "name a `group`"),
        ("sim/overseer", {"profle": "expert"}, "did you mean 'profile'?"),
        ("sim/policy", {"profile": 3}, "must be a preset's name"),
        ("sim/polcy", {}, "did you mean 'sim/policy'?"),
    ],
)
def test_profiles_are_checked(model: str, options: dict[str, object], problem: str) -> None:
    """Each mistake in a profile is said with its remedy, and binding raises it with the agent's name."""
    assert any(problem in said for said in check(model, options))
    with pytest.raises(ConfigError, match=r"agents\.nurse\."):
        simulated(Agent("nurse", model, 3, options=options), "seed")


def test_a_profile_may_build_on_a_preset() -> None:
    """`like` names the preset that the given parameters change."""
    assert check("sim/overseer", {"profile": {"like": "expert", "blind_spots": ["bank"]}}) == []
    assert agent("sim/overseer", {"like": "expert", "fades": 0.0}).profile.detection == 0.95  # type: ignore[union-attr]

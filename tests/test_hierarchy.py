"""Stages, levels and reach; every error with its key path; graphs of any size answered in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import process_time
from typing import Any

import pytest
from oversight_driver import CONSTITUTION, hierarchy

from overseer.declaration import MAX_EDGES, MAX_PROBLEMS
from overseer.errors import ConfigError
from overseer.hierarchy import MAX_LEVELS, Entry, Hierarchy, build, stage_id, unknown
from overseer.records import Agent, Budget, Compare, Context, Jury, When

POLICY = Agent("policy", "sim/policy", 0)


def over(*entries: Entry, agents: Sequence[Agent] | None = None, **said: Any) -> Hierarchy:
    """A hierarchy of these entries; agents are their jurors with authority 4, unless given."""
    held = jurors(entries) if agents is None else agents
    return build(
        **{
            "name": "h",
            "constitution": CONSTITUTION,
            "agents": held,
            "policy": "policy",
            "oversees": entries,
            "rounds": 1,
        }
        | said
    )


def jurors(entries: Sequence[Entry]) -> list[Agent]:
    named = dict.fromkeys(who for entry in entries for who in entry.who)
    return [POLICY, *(Agent(name, "sim/overseer", 4) for name in named if name != "policy")]


def problems(*entries: Entry, agents: Sequence[Agent] | None = None, **said: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        over(*entries, agents=agents, **said)
    return caught.value.problems


CLINIC: Mapping[str, Any] = {
    "agents": {
        "nurse": {"authority": 2},
        "lawyer": {"authority": 2, "stakeholder": "north"},
        "scribe": {},
        "lead": {"authority": 3},
        "board": {"human": {"persons": 2}},
    },
    "oversees": [
        {"who": "board", "whom": ["lead", "scribe"]},
        {"who": ["nurse", "lawyer"], "whom": "policy", "jury": {"rule": "majority"}},
        {"who": "lead", "whom": ["nurse", "lawyer"]},
        {"who": "scribe", "whom": "policy"},
    ],
}


def test_stages_stand_by_level_then_id() -> None:
    """A level is one more than the highest stage below; jurors are sorted; entries may be declared in any order."""
    clinic = hierarchy(CLINIC)
    by_who = {stage.who: stage for stage in clinic.stages}
    assert {who: stage.level for who, stage in by_who.items()} == {
        ("lawyer", "nurse"): 1,
        ("scribe",): 1,
        ("lead",): 2,
        ("board",): 3,
    }
    assert list(clinic.stages) == sorted(clinic.stages, key=lambda stage: (stage.level, stage.id))
    assert clinic.levels == 3
    assert clinic.persons == {"board"}


def test_a_stage_reaches_all_that_stands_below_it() -> None:
    """`below` are the stages it names, `reaches` those and all theirs; the lowest have neither."""
    by_who = {stage.who: stage for stage in hierarchy(CLINIC).stages}
    jury, scribe, lead, board = (by_who[who] for who in (("lawyer", "nurse"), ("scribe",), ("lead",), ("board",)))
    assert jury.below == jury.reaches == scribe.reaches == frozenset()
    assert lead.reaches == {jury.id}
    assert board.below == {lead.id, scribe.id}
    assert board.reaches == {lead.id, scribe.id, jury.id}


def test_the_graph_has_an_edge_from_each_overseer_to_each_it_oversees() -> None:
    """An edge u → v reads "u oversees v"."""
    graph = hierarchy(CLINIC).graph
    assert set(graph.successors("board")) == {"lead", "scribe"}
    assert set(graph.predecessors("policy")) == {"nurse", "lawyer", "scribe"}
    assert graph.number_of_nodes() == 6


@pytest.mark.slow
def test_a_stages_id_is_of_its_jurors_alone() -> None:
    """Their order, what they oversee and the other stages change nothing; another juror makes another stage."""
    assert stage_id(["nurse", "lawyer"]) == stage_id(["lawyer", "nurse"])
    assert stage_id(["nurse"]) != stage_id(["lawyer"]) != stage_id(["nurse", "lawyer"])
    assert len({stage_id([str(n)]) for n in range(100_000)}) == 100_000
    assert over(Entry(("nurse",), ("policy",))).stages[0].id == stage_id(["nurse"])


def test_a_rulebook_is_of_the_agents_own_stakeholder() -> None:
    """An agent sees the principles of nobody in particular, plus its own stakeholder's."""
    clinic, context = hierarchy(CLINIC), Context(("garden",), 0, 0, 1.0)
    nurse, lawyer = clinic.rulebook("nurse", context), clinic.rulebook("lawyer", context)
    assert (nurse.tier("north"), lawyer.tier("north"), lawyer.tier("south")) == (None, 3, None)
    assert nurse.hash == clinic.rulebook("policy", context).hash != lawyer.hash


def test_an_agents_own_constitution_overrides() -> None:
    """`constitution:` on an agent stands in the place of the hierarchy's."""
    agents = [POLICY, Agent("critic", "sim/overseer", 4, constitution=type(CONSTITUTION)("empty", ()))]
    held = over(Entry(("critic",), ("policy",)), agents=agents)
    assert held.rulebook("critic", Context((), 0, 0, 1.0)).principles == ()
    assert held.rulebook("policy", Context((), 0, 0, 1.0)).principles


def test_no_oversight_is_a_hierarchy_too() -> None:
    """Without any stage somebody must have said what becomes of what nobody looked at."""
    assert over(unselected="release").levels == 0
    assert problems()[0].startswith("unselected: required, since no stage looks always")


# --- errors --------------------------------------------------------------------------------------------------------

CRITIC = Entry(("critic",), ("policy",))


def jury(*who: str, **said: Any) -> Entry:
    return Entry(who, ("policy",), jury=Jury(**said))


def when(**said: Any) -> Entry:
    return Entry(("critic",), ("policy",), When(**said))


def person(name: str, **said: Any) -> Agent:
    return Agent(name, "human", 4, **{"persons": 1} | said)


MODEL = Agent("critic", "sim/overseer", 4)

ERRORS: Mapping[str, tuple[Callable[[], tuple[str, ...]], str]] = {
    "declared twice": (lambda: problems(CRITIC, agents=[POLICY, MODEL, MODEL]), "agents.critic: declared 2 times"),
    "no name": (lambda: problems(CRITIC, agents=[POLICY, MODEL, Agent("a/b", "m", 0)]), "agents.'a/b': not a name"),
    "blank name": (lambda: problems(CRITIC, agents=[POLICY, MODEL, Agent(" ", "m", 0)]), "agents.' ': not a name"),
    "two lines": (
        lambda: problems(CRITIC, agents=[POLICY, MODEL, Agent("a\nb", "m", 0)]),
        "agents.'a\\nb': not a name",
    ),
    "no policy": (lambda: problems(CRITIC, agents=[MODEL]), "policy: unknown agent 'policy' (known: critic)"),
    "authority": (
        lambda: problems(CRITIC, agents=[POLICY, Agent("critic", "m", 5)]),
        "agents.critic.authority: 5 is none of 0 to 4",
    ),
    "no seat": (
        lambda: problems(CRITIC, agents=[POLICY, person("critic", persons=0)]),
        "agents.critic.persons: 0 (people take at least one seat)",
    ),
    "person as policy": (
        lambda: problems(CRITIC, agents=[person("policy"), MODEL]),
        "agents.policy.persons: the policy is a model",
    ),
    "same as nobody": (
        lambda: problems(CRITIC, agents=[POLICY, Agent("critic", "m", 4, same_as="polcy")]),
        "agents.critic.same_as: unknown agent 'polcy' (did you mean 'policy'?)",
    ),
    "empty who": (lambda: problems(Entry((), ("policy",))), "oversees[0].who: empty"),
    "empty whom": (lambda: problems(Entry(("critic",), ())), "oversees[0].whom: empty"),
    "policy oversees": (
        lambda: problems(CRITIC, Entry(("policy",), ("critic",)), agents=[POLICY, MODEL]),
        "oversees[1].who[0]: the policy cannot oversee (add an agent with `same_as: policy`)",
    ),
    "unknown who": (
        lambda: problems(Entry(("critc",), ("policy",)), agents=[POLICY, MODEL]),
        "oversees[0].who[0]: unknown agent 'critc' (did you mean 'critic'?)",
    ),
    "two stages": (
        lambda: problems(CRITIC, Entry(("other", "critic"), ("policy",))),
        "oversees[1].who[1]: 'critic' already sits in oversees[0]",
    ),
    "twice in a stage": (
        lambda: problems(Entry(("critic", "critic"), ("policy",))),
        "oversees[0].who[1]: 'critic' already sits in oversees[0]",
    ),
    "unknown whom": (
        lambda: problems(CRITIC, Entry(("lead",), ("critc",))),
        "oversees[1].whom[0]: unknown agent 'critc' (did you mean 'critic'?)",
    ),
    "whom in no stage": (
        lambda: problems(CRITIC, Entry(("lead",), ("x",)), agents=[POLICY, MODEL, *map(_model, ("lead", "x"))]),
        "oversees[1].whom[0]: 'x' sits in no stage",
    ),
    "part of a stage": (
        lambda: problems(jury("a", "b", rule="majority"), Entry(("lead",), ("a",))),
        "oversees[1].whom: names only part of the stage oversees[0] (add b)",
    ),
    "policy among whom": (
        lambda: problems(CRITIC, Entry(("lead",), ("critic", "policy"))),
        "oversees[1].whom: names the policy beside overseers",
    ),
    "cycle": (
        lambda: problems(Entry(("a",), ("b",)), Entry(("b",), ("a",))),
        "oversees: a cycle among ",
    ),
    "oversees itself": (
        lambda: problems(Entry(("a",), ("a",))),
        "oversees: a cycle among a (nobody may oversee who oversees them)",
    ),
    "says nothing": (lambda: problems(when(), unselected="release"), "oversees[0].when: says nothing"),
    "spot check": (lambda: problems(when(spot_check=1.5), CRITIC2), "oversees[0].when.spot_check: 1.5 is no share"),
    "not a number": (
        lambda: problems(when(confidence_below=float("nan")), CRITIC2),
        "oversees[0].when.confidence_below: nan is no share",
    ),
    "every": (lambda: problems(when(every=0), CRITIC2), "oversees[0].when.every: 0"),
    "risk": (lambda: problems(when(risk_at_least=4), CRITIC2), "oversees[0].when.risk_at_least: 4 is none of 0 to 3"),
    "missing": (lambda: problems(jury("a", "b", missing=2)), "oversees[0].jury.missing: 2 must be at least 0"),
    "missing alone": (lambda: problems(jury("a", missing=1)), "oversees[0].jury.missing: 1 must be at least 0"),
    "negative missing": (lambda: problems(jury("a", missing=-1)), "oversees[0].jury.missing: -1 must be at least 0"),
    "quorum of one": (
        lambda: problems(jury("a", "b", rule="quorum", k=1)),
        "oversees[0].jury.k: a quorum of 1 among 2",
    ),
    "quorum too large": (lambda: problems(jury("a", rule="quorum", k=2)), "oversees[0].jury.k: a quorum of 2 among 1"),
    "one approval": (
        lambda: problems(jury("a", "b", "c", rule="any_objection", missing=2)),
        "oversees[0].jury.missing: 2 lets one approval of 3 suffice (at most 1)",
    ),
    "weights of others": (
        lambda: problems(jury("a", "b", rule="weighted", weights=(("a", 1), ("c", 1)))),
        "oversees[0].jury.weights: must name exactly the jurors a, b",
    ),
    "no weight": (
        lambda: problems(jury("a", "b", rule="weighted", weights=(("a", 1), ("b", 0)))),
        "oversees[0].jury.weights: must be positive integers",
    ),
    "heavy juror": (
        lambda: problems(jury("a", "b", rule="weighted", weights=(("a", 2), ("b", 1)))),
        "oversees[0].jury.weights: one juror outweighs all others",
    ),
    "budget of models": (
        lambda: problems(Entry(("critic",), ("policy",), budget=Budget(reviews=3))),
        "oversees[0].budget: nobody here is a person",
    ),
    "rounds": (lambda: problems(CRITIC, rounds=-1), "rounds: -1 is negative"),
    "sample": (lambda: problems(CRITIC, select=0), "principles.sample: 0 leaves nothing to look for"),
    "unsure": (lambda: problems(CRITIC, unsure_below=float("nan")), "context.unsure_below: nan is no confidence"),
    "one sample": (
        lambda: problems(CRITIC, compare=Compare(1, "critic")),
        "compare.samples: 1 leaves nothing to compare",
    ),
    "unknown judge": (
        lambda: problems(CRITIC, compare=Compare(2, "critix")),
        "compare.who: unknown agent 'critix' (did you mean 'critic'?)",
    ),
    "person as judge": (
        lambda: problems(CRITIC, agents=[POLICY, person("critic")], compare=Compare(2, "critic")),
        "compare.who: 'critic' is a person",
    ),
    "unknown assessor": (lambda: problems(CRITIC, assessor="critix"), "context.by: unknown agent 'critix'"),
    "person as assessor": (
        lambda: problems(CRITIC, agents=[POLICY, person("critic")], assessor="critic"),
        "context.by: 'critic' is a person",
    ),
    "policy as assessor": (lambda: problems(CRITIC, assessor="policy"), "context.by: the policy cannot say"),
    "unselected": (lambda: problems(when(every=5)), "unselected: required, since no stage looks always"),
}
CRITIC2 = Entry(("other",), ("policy",))


def _model(name: str) -> Agent:
    return Agent(name, "sim/overseer", 4)


@pytest.mark.parametrize("which", ERRORS)
def test_an_error_names_its_key_and_remedy(which: str) -> None:
    """Each thing that can be wrong, declared by itself, is one problem headed by its key path."""
    find, expected = ERRORS[which]
    found = find()
    assert any(problem.startswith(expected) for problem in found), found


def test_all_problems_come_at_once() -> None:
    """A reader mends a file once: agents, entries, juries, rounds and comparison are all told."""
    found = problems(
        Entry(("a", "b"), ("polcy",), When(every=0), Jury("quorum", k=9)),
        rounds=-1,
        compare=Compare(0, "c"),
    )
    keys = ["oversees[0].whom[0]", "oversees[0].when.every", "oversees[0].jury.k", "rounds", "compare.samples"]
    assert [problem.split(": ")[0] for problem in found] == [*keys, "compare.who", "unselected"]


def test_no_jury_of_several_is_carried_by_one_approval() -> None:
    """Every jury that could be is refused; those of one juror are as they are."""
    refused = [
        {"rule": "any_objection", "missing": 1},
        {"rule": "quorum", "k": 1},
        {"rule": "quorum", "k": 0},
        {"rule": "weighted", "weights": (("a", 3), ("b", 2))},
    ]
    for said in refused:
        assert problems(jury("a", "b", **said))
    for said in ({"rule": "any_objection"}, {"rule": "majority", "missing": 1}, {"rule": "quorum", "k": 2}, {}):
        assert over(jury("a", "b", **said)).stages[0].who == ("a", "b")
    assert over(jury("a", rule="any_objection")).levels == 1


def test_unknown_names_are_told_with_what_is_near() -> None:
    """The nearest name, else the known ones; of many only the first few."""
    assert unknown("agent", "wroker", ["worker", "lead"]) == "unknown agent 'wroker' (did you mean 'worker'?)"
    assert unknown("agent", "x", ["worker", "lead"]) == "unknown agent 'x' (known: lead, worker)"
    assert unknown("agent", "x", []) == "unknown agent 'x' (known: none)"
    assert unknown("agent", "x", [f"{n:03}" for n in range(200)]).endswith("008, 009 and 190 more)")
    assert unknown("agent", "x", [str(n) for n in range(500)]) == "unknown agent 'x' (none of the 500 known)"


def test_recorded_answers_are_never_revised() -> None:
    """Whoever declares it: a file, or a program that says nothing of it."""
    assert over(CRITIC).can_revise
    assert not over(CRITIC, agents=[Agent("policy", "recorded/rows", 0), MODEL]).can_revise


# --- warnings ------------------------------------------------------------------------------------------------------


def test_a_top_without_full_authority_is_warned_of() -> None:
    """Nobody there can settle a finding of severity 4."""
    agents = [POLICY, Agent("critic", "m", 3)]
    assert [w for w in over(CRITIC, agents=agents).warnings if "no top has authority 4: critic" in w]
    assert over(CRITIC).warnings == ()


def test_what_is_never_asked_is_warned_of() -> None:
    """A stage nothing can wake, an agent in no stage, rounds that nobody can use."""
    agents = [POLICY, MODEL, _model("other"), _model("idle")]
    held = over(CRITIC, Entry(("other",), ("policy",), When(escalated=True)), agents=agents, can_revise=False)
    assert any("other never looks" in warning for warning in held.warnings)
    assert any(warning.startswith("agents.idle: sits in no stage") for warning in held.warnings)
    assert any(warning.startswith("rounds: ") for warning in held.warnings)
    assert (
        over(
            CRITIC,
            compare=Compare(2, "judge"),
            assessor="cues",
            agents=[POLICY, MODEL, _model("judge"), _model("cues")],
        ).warnings
        == ()
    )


# --- size ----------------------------------------------------------------------------------------------------------


def chain(length: int) -> list[Entry]:
    whom = ["policy", *(f"a{n}" for n in range(length))]
    return [Entry((f"a{n}",), (whom[n],)) for n in range(length)]


def answered(answer: Callable[[], object]) -> object:
    """The answer, with its time printed: `benchmarks/graphs.py` measures it against two seconds."""
    began = process_time()
    found = answer()
    print(f"answered in {process_time() - began:.2f} s of a core: {str(found)[:80]!r}")
    return found


def test_a_deep_chain_is_walked_to_its_limit() -> None:
    """As many levels as are allowed; one more is told."""
    held = over(*chain(60))
    assert [len(stage.reaches) for stage in held.stages] == list(range(60))
    assert over(*chain(MAX_LEVELS)).levels == MAX_LEVELS
    assert problems(*chain(MAX_LEVELS + 1)) == (f"oversees: over {MAX_LEVELS} levels, one above the other",)


@pytest.mark.slow
@pytest.mark.parametrize("length", [10_000, 100_000])
def test_a_chain_of_any_length_is_answered(length: int) -> None:
    """Too deep to be walked, and said so in time, without a RecursionError."""
    entries = chain(length)
    agents = jurors(entries)
    assert answered(lambda: problems(*entries, agents=agents)) == (
        f"oversees: over {MAX_LEVELS} levels, one above the other",
    )


@pytest.mark.slow
@pytest.mark.parametrize("length", [10_000, 100_000])
def test_a_cycle_of_any_length_is_answered(length: int) -> None:
    """A ring is told by its first few members."""
    ring = [Entry((f"a{n}",), (f"a{(n + 1) % length}",)) for n in range(length)]
    agents = jurors(ring)
    (told,) = answered(lambda: problems(*ring, agents=agents))  # type: ignore[misc]
    assert told.startswith("oversees: a cycle among a")
    assert len(told) < 300


@pytest.mark.slow
def test_a_hundred_thousand_stages_side_by_side_are_built() -> None:
    """Each is a stage of its own: none is lost to another's id."""
    entries = [Entry((f"a{n}",), ("policy",)) for n in range(100_000)]
    agents = jurors(entries)
    held = answered(lambda: over(*entries, agents=agents))
    assert isinstance(held, Hierarchy)
    assert len({stage.id for stage in held.stages}) == 100_000


@pytest.mark.slow
def test_a_jury_of_a_hundred_thousand_is_built() -> None:
    """One stage as wide, and one over it."""
    wide = tuple(f"a{n}" for n in range(100_000))
    held = answered(lambda: over(Entry(wide, ("policy",), jury=Jury("majority")), Entry(("lead",), wide)))
    assert isinstance(held, Hierarchy)
    assert held.levels == 2


@pytest.mark.slow
def test_wide_over_wide_is_refused_before_it_is_built() -> None:
    """A product of edges would fill the memory: told instead."""
    wide, top = (tuple(f"{side}{n}" for n in range(20_000)) for side in "ab")
    lower, upper = (Jury("majority"), Jury("majority"))
    found = answered(lambda: problems(Entry(wide, ("policy",), jury=lower), Entry(top, wide, jury=upper)))
    assert found == (f"oversees: 400020000 edges from overseer to overseen (at most {MAX_EDGES})",)


@pytest.mark.slow
def test_as_many_mistakes_as_entries_are_answered() -> None:
    """A hundred of a hundred thousand problems are told, and in time."""
    wrong = [Entry((f"a{n}",), (f"b{n}",)) for n in range(100_000)]
    twice = [POLICY, *(Agent(f"a{n // 2}", "m", 9) for n in range(100_000))]
    partly = [
        Entry(tuple(f"a{n}" for n in range(50_000)), ("policy",)),
        *(Entry((f"c{n}",), (f"a{n}",)) for n in range(50_000)),
    ]
    right, some = jurors(wrong), jurors(partly)
    for find in (
        lambda: problems(*wrong, agents=right),
        lambda: problems(*wrong, agents=twice),
        lambda: problems(*partly, agents=some),
    ):
        assert len(answered(find)) == MAX_PROBLEMS  # type: ignore[arg-type]


@pytest.mark.slow
def test_too_dense_a_graph_is_refused() -> None:
    """Stages that answer each other by the million would fill the memory one by one."""
    wide = [Entry((f"a{n}",), ("policy",)) for n in range(20_000)]
    tower = [Entry((f"b{n}",), tuple(f"a{m}" for m in range(20_000)) if n == 0 else (f"b{n - 1}",)) for n in range(100)]
    (told,) = answered(lambda: problems(*wide, *tower))  # type: ignore[misc]
    assert told == "oversees: over 1000000 pairs of stages of which one answers the other"

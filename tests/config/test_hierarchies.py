"""A hierarchy's YAML: what each key becomes, and how each mistake is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_files import CRITIC, SMALL, hierarchy, write

from overseer.config.hierarchies import Setup, load_hierarchy
from overseer.config.hierarchy_schema import HierarchySpec, json_schema
from overseer.errors import ConfigError
from overseer.records import Budget, Compare, Jury, When

FULL = """\
name: full
constitution: constitution.yaml
context: {by: reader, unsure_below: 0.4}
policy: {model: openai/some-model, timeout: 9.5, options: {base_url: "http://localhost/v1"}}
agents:
  reader: {model: sim/overseer, authority: 0}
  ann:    {model: sim/overseer, authority: 2, stakeholder: patients, profile: {detection: 0.8}, timeout: 3}
  bob:    {same_as: policy, authority: 1, options: {dialect: tagged}}
  cat:    {model: sim/overseer, authority: 2, constitution: other.yaml}
  board:  {human: {by: sim/human, persons: 2, profile: default, timeout: 60}, authority: 4}
  people: {human: {}, authority: 4}
oversees:
  - {who: [ann, bob, cat], whom: policy, jury: {rule: quorum, k: 2, missing: 1, on_tie: reject}}
  - who: board
    whom: [ann, bob, cat]
    when: {spot_check: 0.1, every: 5, risk_at_least: 2, confidence_below: 0.3, disagreement: true, escalated: true}
    budget: {reviews: 3, minutes: 4.5}
  - {who: people, whom: board, when: {escalated: true}}
rounds: 3
principles: {sample: 2}
compare: {samples: 4, who: ann}
unselected: withhold
tasks:
  town:
    {count: 12, environment: [a, b], seed: 3, domain: clinic, shares: {benign: 50, careless: 10, harmful: 40}}
limits: {window: 5, deadline: 7.5, models: {openai/some-model: {concurrency: 2, rate: 0.5}}}
"""


def told(folder: Path, text: str, *overrides: str) -> list[str]:
    """The problems of a file, without its folder."""
    path = hierarchy(folder, text)
    with pytest.raises(ConfigError) as refused:
        load_hierarchy(path, overrides)
    return [problem.replace(f"{folder}/", "") for problem in refused.value.problems]


def set_in(folder: Path, *overrides: str) -> Setup:
    return load_hierarchy(hierarchy(folder), overrides)


# --- what is read --------------------------------------------------------------------------------------------------


@pytest.fixture
def full(tmp_path: Path) -> Setup:
    hierarchy(tmp_path)
    write(tmp_path / "other.yaml", (tmp_path / "constitution.yaml").read_text().replace("name: small", "name: other"))
    return load_hierarchy(write(tmp_path / "full.yaml", FULL))


def test_every_key_of_the_whole_finds_its_place(full: Setup) -> None:
    """The hierarchy's own knobs."""
    over = full.hierarchy
    assert (over.name, over.constitution.name, over.rounds, over.select) == ("full", "small", 3, 2)
    assert (over.assessor, over.unsure_below, over.unselected) == ("reader", 0.4, "withhold")
    assert over.compare == Compare(4, "ann")
    assert over.can_revise
    assert full.warnings == (f"{full.files[0]}: stakeholder 'patients' has no principle of its own",)


def test_every_key_of_an_agent_finds_its_place(full: Setup) -> None:
    """Models, persons, and one that is the same as the policy: its model and options, and its own on top."""
    agents = full.hierarchy.agents
    policy, ann, bob = agents["policy"], agents["ann"], agents["bob"]
    assert (policy.model, policy.timeout, policy.options) == (
        "openai/some-model",
        9.5,
        {"base_url": "http://localhost/v1"},
    )
    assert (ann.model, ann.authority, ann.stakeholder, ann.timeout) == ("sim/overseer", 2, "patients", 3)
    assert ann.options == {"profile": {"detection": 0.8}}
    assert (bob.model, bob.same_as, bob.options) == (policy.model, "policy", {**policy.options, "dialect": "tagged"})
    held = agents["cat"].constitution
    assert held is not None
    assert held.name == "other"
    board, people = agents["board"], agents["people"]
    assert (board.model, board.persons, board.timeout, board.options) == ("sim/human", 2, 60, {"profile": "default"})
    assert (people.model, people.persons, people.timeout) == ("human", 1, None)


def test_every_key_of_a_stage_finds_its_place(full: Setup) -> None:
    """Who, whom, when, jury and budget."""
    first, second, third = full.hierarchy.stages
    assert (first.who, first.level, first.when) == (("ann", "bob", "cat"), 1, When(always=True))
    assert first.jury == Jury("quorum", "reject", 2, (), 1)
    assert (second.who, second.below) == (("board",), {first.id})
    assert second.when == When(False, 0.1, 5, 2, 0.3, True, True)
    assert second.budget == Budget(3, 4.5)
    assert third.when == When(escalated=True)


def test_a_limit_of_a_model_that_nobody_is_is_told(tmp_path: Path) -> None:
    """It would bind nobody, and seem to bind."""
    limits = "limits: {models: {sim/overser: {concurrency: 2}}}\n"
    (warning,) = load_hierarchy(hierarchy(tmp_path, SMALL + limits)).warnings
    assert "limits.models: unknown model 'sim/overser' (did you mean 'sim/overseer'?)" in warning


def test_tasks_and_limits_stand_beside_the_hierarchy(full: Setup) -> None:
    """They are operational: no decision hangs on them."""
    town = full.tasks.town
    assert town is not None
    assert (town.count, town.environment, town.seed, town.domain) == (12, ["a", "b"], 3, "clinic")
    assert (town.shares.benign, town.shares.careless, town.shares.harmful) == (50, 10, 40)
    assert (full.limits.window, full.limits.deadline) == (5, 7.5)
    assert full.limits.models["openai/some-model"].rate == 0.5
    assert {file.name for file in full.files} == {"full.yaml", "constitution.yaml", "other.yaml"}


def test_what_is_left_out_has_the_plain_meaning(tmp_path: Path) -> None:
    """A stage looks always, one juror decides alone, cue words assess, all principles are shown."""
    setup = load_hierarchy(hierarchy(tmp_path))
    (stage,) = setup.hierarchy.stages
    assert (stage.when, stage.jury, stage.budget) == (When(always=True), Jury(), None)
    assert (setup.hierarchy.assessor, setup.hierarchy.unsure_below, setup.hierarchy.select) == (None, 0.7, "all")
    assert (setup.hierarchy.compare, setup.hierarchy.unselected, setup.warnings) == (None, None, ())
    assert (setup.limits.window, setup.limits.deadline) == (64, 120.0)


@pytest.mark.parametrize(
    ("weights", "file"),
    [("{a: 2, b: 1, c: 2}", None), ("weights.yaml", "a: 2\nb: 1\nc: 2\n")],
    ids=["in the file", "a file beside it"],
)
def test_weights_are_a_mapping_or_a_file(tmp_path: Path, weights: str, file: str | None) -> None:
    """A file of weights is among the files that a run is made of."""
    if file is not None:
        write(tmp_path / "weights.yaml", file)
    agents = "\n".join(f"  {name}: {CRITIC}" for name in "abc")
    text = SMALL.replace(f"  critic: {CRITIC}", agents).replace(
        "who: critic, whom: policy", f"who: [a, b, c], whom: policy, jury: {{rule: weighted, weights: {weights}}}"
    )
    setup = load_hierarchy(hierarchy(tmp_path, text))
    assert setup.hierarchy.stages[0].jury.weights == (("a", 2), ("b", 1), ("c", 2))
    assert (tmp_path / "weights.yaml" in setup.files) == (file is not None)


def test_a_recorded_policy_cannot_revise(tmp_path: Path) -> None:
    """Nobody can change what was said; rounds are warned of."""
    setup = set_in(tmp_path, "policy={model: recorded/rows}")
    assert not setup.hierarchy.can_revise
    assert "cannot be revised" in setup.warnings[0]


def test_a_simulated_self_reviews_by_a_profile_of_its_own(tmp_path: Path) -> None:
    """One that drafts cannot review: `same_as` a simulated policy is a simulated overseer."""
    agent = set_in(tmp_path, "agents.critic={same_as: policy, authority: 4, profile: harsh}").hierarchy.agents["critic"]
    assert (agent.model, agent.same_as, agent.options) == ("sim/overseer", "policy", {"profile": "harsh"})


def test_an_encoder_assesses_contexts_under_a_name_of_its_own(tmp_path: Path) -> None:
    """`context: {by: embed/FILE}` is an agent like others; its file is among the weights."""
    write(tmp_path / "domains.safetensors", "x")
    setup = set_in(tmp_path, "context.by=embed/domains.safetensors")
    assert setup.hierarchy.assessor == "context"
    assert setup.hierarchy.agents["context"].model == "embed/domains.safetensors"
    assert setup.weights == (tmp_path / "domains.safetensors",)


def test_what_a_link_names_is_found_beside_the_link(tmp_path: Path) -> None:
    """A hierarchy may be linked into a folder that has a constitution of its own."""
    real = hierarchy(tmp_path / "real")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "h.yaml").symlink_to(real)
    with pytest.raises(ConfigError, match="no such file"):
        load_hierarchy(tmp_path / "linked" / "h.yaml")
    hierarchy(tmp_path / "linked", name="other.yaml")
    assert load_hierarchy(tmp_path / "linked" / "h.yaml").files[1].parent == tmp_path / "linked"


# --- what is refused -----------------------------------------------------------------------------------------------

MISTAKES = {
    "unknown key": (("rouns: 1", "rounds: 1"), "small.yaml: rouns: unknown key (did you mean 'rounds'?) [line 7]"),
    "unknown key within": (
        ("{modle: sim/overseer, ", "{model: sim/overseer, "),
        "small.yaml: agents.critic.modle: unknown key (did you mean 'model'?) [line 5]",
    ),
    "no authority": (
        (", profile: default", ", authority: 4, profile: default"),
        "small.yaml: agents.critic.authority: required key is missing [line 5]",
    ),
    "no provider": (
        ("model: overseer", "model: sim/overseer"),
        "small.yaml: agents.critic.model: must be provider/model, as in `sim/overseer`, not 'overseer' [line 5]",
    ),
    "two that answer": (
        ("{same_as: policy, model: sim/overseer", "{model: sim/overseer"),
        "small.yaml: agents.critic: say exactly one of `model`, `human`, `same_as` (found: model, same_as)",
    ),
    "nobody who answers": (
        ("{authority: 4}", CRITIC),
        "small.yaml: agents.critic: say exactly one of `model`, `human`, `same_as` (found: none)",
    ),
    "profile of a person": (
        ("{human: {profile: default}, authority: 4}", CRITIC),
        "small.yaml: agents.critic.human.profile: people have no profile (add `by: sim/human` to simulate)",
    ),
    "a model's key on a person": (
        ("{human: {}, timeout: 3, authority: 4}", CRITIC),
        "small.yaml: agents.critic.timeout: belongs to a model (a person's stands under `human`)",
    ),
    "the same as nobody": (
        ("{same_as: polcy, authority: 4}", CRITIC),
        "small.yaml: agents.critic.same_as: unknown agent 'polcy' (did you mean 'policy'?)",
    ),
    "the same as a person": (
        ("{same_as: ann, authority: 4}\n  ann: {human: {}, authority: 4}", CRITIC),
        "small.yaml: agents.critic.same_as: 'ann' has no model of its own (name one that has)",
    ),
    "unknown juror": (
        ("who: crtic", "who: critic"),
        "small.yaml: oversees[0].who[0]: unknown agent 'crtic' (did you mean 'critic'?)",
    ),
    "a when that says nothing": (
        ("whom: policy, when: {}}]\nunselected: release", "whom: policy}]"),
        "small.yaml: oversees[0].when: says nothing (leave it out to look always, or say `escalated: true`)",
    ),
    "quorum without k": (
        ("whom: policy, jury: {rule: quorum}}", "whom: policy}"),
        "small.yaml: oversees[0].jury.k: belongs to `rule: quorum`, which requires it",
    ),
    "k without quorum": (
        ("whom: policy, jury: {rule: majority, k: 2}}", "whom: policy}"),
        "small.yaml: oversees[0].jury.k: belongs to `rule: quorum`, which requires it",
    ),
    "k beyond the jurors": (
        ("whom: policy, jury: {rule: quorum, k: 2}}", "whom: policy}"),
        "small.yaml: oversees[0].jury.k: a quorum of 2 among 1 jurors (2 ≤ k ≤ n)",
    ),
    "weighted without weights": (
        ("whom: policy, jury: {rule: weighted}}", "whom: policy}"),
        "small.yaml: oversees[0].jury.weights: belongs to `rule: weighted`, which requires it",
    ),
    "weights without weighted": (
        ("whom: policy, jury: {rule: majority, weights: {critic: 1}}}", "whom: policy}"),
        "small.yaml: oversees[0].jury.weights: belongs to `rule: weighted`, which requires it",
    ),
    "weights of others": (
        ("whom: policy, jury: {rule: weighted, weights: {ann: 1}}}", "whom: policy}"),
        "small.yaml: oversees[0].jury.weights: must name exactly the jurors critic",
    ),
    "no file of weights": (
        ("whom: policy, jury: {rule: weighted, weights: w.yaml}}", "whom: policy}"),
        "small.yaml: oversees[0].jury.weights: w.yaml: no such file",
    ),
    "an unknown jury rule": (
        ("whom: policy, jury: majorty}", "whom: policy}"),
        "small.yaml: oversees[0].jury: must",
    ),
    "a budget without persons": (
        ("whom: policy, budget: {reviews: 3}}", "whom: policy}"),
        "small.yaml: oversees[0].budget: nobody here is a person (a budget bounds people's looks only)",
    ),
    "no weights of a judge": (
        ("model: embed/judges/j.safetensors", "model: sim/overseer"),
        "small.yaml: agents.critic.model: no such file: judges/j.safetensors (make it with `overseer fit-judge`)",
    ),
    "no weights of an assessor": (
        ("context: {by: embed/d.safetensors}\nrounds: 1", "rounds: 1"),
        "small.yaml: context.by: no such file: d.safetensors (make it with `overseer fit-judge`)",
    ),
    "no constitution": (
        ("constitution: constitutoin.yaml", "constitution: constitution.yaml"),
        "small.yaml: constitution: constitutoin.yaml: no such file (did you mean 'constitution.yaml'?)",
    ),
    "two sources of tasks": (
        ("{town: {count: 6}, file: a.csv}", "{town: {count: 6}}"),
        "small.yaml: tasks: say `town` or `file`, not both (a count is of Town's tasks)",
    ),
    "nobody looks always": (
        ("whom: policy, when: {spot_check: 0.5}}", "whom: policy}"),
        "small.yaml: unselected: required, since no stage looks always",
    ),
    "a share over one": (
        ("whom: policy, when: {spot_check: 1.5}}", "whom: policy}"),
        "small.yaml: oversees[0].when.spot_check: must be less than or equal to 1, not 1.5",
    ),
    "a word for a number": (
        ("rounds: one", "rounds: 1"),
        "small.yaml: rounds: must be a whole number, not 'one' [line 7]",
    ),
    "an unknown comparer": (
        ("compare: {samples: 2, who: critc}\nrounds: 1", "rounds: 1"),
        "small.yaml: compare.who: unknown agent 'critc' (did you mean 'critic'?)",
    ),
    "a taken name": (
        ("policy: {model: sim/overseer, authority: 4}\n  critic:", "critic:"),
        "small.yaml: agents.policy: the name is taken by the policy itself (choose another)",
    ),
    "not a name": (
        ('"../up": {model: sim/overseer, authority: 4}\n  critic:', "critic:"),
        "small.yaml: agents.../up: must be a name (a letter, then letters, digits, `-` and `_`), not '../up'",
    ),
}


@pytest.mark.parametrize(("change", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_once_with_file_key_and_remedy(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    """One mistake, one line that tells what to edit; nothing that only follows from it."""
    wrong, right = change
    assert right in SMALL
    problems = told(tmp_path, SMALL.replace(right, wrong, 1))
    assert len(problems) == 1, problems
    assert problems[0].startswith(says)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Of one kind and of several files: whoever mends one sees the others, too."""
    text = SMALL.replace("constitution.yaml", "gone.yaml").replace(CRITIC, "{model: embed/gone, authority: 4}")
    text = text.replace("whom: policy}", "whom: polcy, jury: {rule: quorum}}").replace("6}}", "6}, file: a.csv}")
    problems = told(tmp_path, text)
    for key in ("constitution", "agents.critic.model", "oversees[0].jury.k", "tasks", "oversees[0].whom[0]"):
        assert any(problem.startswith(f"small.yaml: {key}: ") for problem in problems), (key, problems)
    several = told(
        tmp_path, SMALL.replace("rounds: 1", "rounds: -1\nunselcted: release").replace("authority: 4", "authority: 5")
    )
    assert len(several) == 3


def test_weights_must_be_positive_whole_numbers(tmp_path: Path) -> None:
    """A file of weights is checked as the YAML is, and named with the key that led to it."""
    text = SMALL.replace("whom: policy}", "whom: policy, jury: {rule: weighted, weights: w.yaml}}")
    for held in ("critic: 0.5", "critic: true", "[critic]"):
        write(tmp_path / "w.yaml", held)
        assert told(tmp_path, text) == [
            "small.yaml: oversees[0].jury.weights: w.yaml: must map each juror to a positive integer"
        ]
    write(tmp_path / "w.yaml", "critic: 0")
    assert told(tmp_path, text) == ["small.yaml: oversees[0].jury.weights: must be positive integers"]


# --- settings on top -----------------------------------------------------------------------------------------------


def test_settings_change_values_lists_and_what_was_not_there(tmp_path: Path) -> None:
    """`--set a.b=c`: the value is YAML, an index names a list's item, what is missing on the way is made."""
    setup = set_in(
        tmp_path,
        "rounds=3",
        "oversees.0.jury.rule=any_objection",
        "oversees.0.when={every: 4}",
        "unselected=release",
        "agents.critic.profile.detection=0.25",
        "agents.lead={model: sim/overseer, authority: 4}",
        'limits.models."openai/gpt-4.1".rate=2',
        "name=a=b"[:6],
    )
    over = setup.hierarchy
    assert (over.name, over.rounds, over.unselected) == ("a", 3, "release")
    assert over.stages[0].jury.rule == "any_objection"
    assert over.stages[0].when == When(every=4)
    assert over.agents["critic"].options == {"profile": {"detection": 0.25}}
    assert "lead" in over.agents
    assert setup.limits.models["openai/gpt-4.1"].rate == 2


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("rounds", "--set rounds: not of the form a.b=value"),
        ("=3", "--set =3: not of the form a.b=value"),
        ("a..b=3", "--set a..b=3: not of the form a.b=value"),
        (".a=3", "--set .a=3: not of the form a.b=value"),
        ("oversees.9.who=x", "--set oversees.9.who=x: '9' names nothing there"),
        ("oversees.x=1", "--set oversees.x=1: 'x' names nothing there"),
        ("oversees.0.who.0=x", "small.yaml: oversees[0].who: must be"),
        ("rounds=[", "--set rounds=[: the value is not YAML (put a text in quotes)"),
        ("rounds=", "small.yaml: rounds: must be a whole number, not nothing [line 7]"),
        ("agents.critic.modle=x", "small.yaml: agents.critic.modle: unknown key (did you mean 'model'?)"),
        ("name.x=3", "small.yaml: name: must be text, not a mapping [line 1]"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, override: str, says: str) -> None:
    """By itself where it names nothing, by the key that it leads to where that refuses the value."""
    problems = told(tmp_path, SMALL, override)
    assert problems[0].startswith(says)


def test_all_wrong_settings_are_named(tmp_path: Path) -> None:
    """At once, as the problems of a file are."""
    assert len(told(tmp_path, SMALL, "x", "y", "rounds=2")) == 2


@pytest.mark.parametrize("model", ["embed/" + "x" * 5_000, "hf/" + "x" * 5_000, "hf/~nobody-of-this-name/x"])
def test_a_path_that_cannot_be_one_is_a_problem_like_any_other(tmp_path: Path, model: str) -> None:
    """Too long for any file system, or of a person whom the machine does not know."""
    problems = told(tmp_path, SMALL, f"policy.model={model}")
    assert "policy.model: " in problems[0]


def test_a_problem_is_one_line_whatever_it_quotes(tmp_path: Path) -> None:
    """A name that breaks lines cannot pass for a problem of its own."""
    for override in (r'agents.critic.model="embed/a\rb\nc"', "a\nb"):
        (problem,) = told(tmp_path, SMALL, override)
        assert problem.isprintable()


# --- for editors ---------------------------------------------------------------------------------------------------


def test_the_json_schema_names_every_key() -> None:
    """It is plain JSON, and as strict as the reader."""
    schema = json.loads(json.dumps(json_schema()))
    assert schema["properties"].keys() == HierarchySpec.model_fields.keys()
    assert schema["additionalProperties"] is False
    assert {"AgentSpec", "WhenSpec", "JurySpec", "TownSpec", "Limits"} <= schema["$defs"].keys()

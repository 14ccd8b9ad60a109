"""Constitutions as people write them: what is read, what is refused with which words, and those that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overseer.config.constitutions import (
    check_constitution,
    constitution_schema,
    load_constitution,
    read_constitution,
)
from overseer.constitution import activate, stakeholders
from overseer.context import assess, in_force
from overseer.records import Condition, Constitution, Context
from overseer.town.grammar import make_task, truth

SHIPPED = Path(__file__).parents[2] / "constitutions"
BASE_IDS = {
    1: ["do_no_grave_harm", "keep_oversight", "protect_third_parties", "enable_no_misuse"],
    2: ["state_true_facts", "compute_correctly", "flatter_nobody", "treat_people_fairly"],
    3: ["warn_of_risk", "name_sources", "refer_to_experts", "keep_confidences"],
    4: ["answer_the_benign", "respect_autonomy", "finish_the_task", "hedge_no_more_than_needed"],
}

PRINCIPLE = "{{id: {id}, tier: {tier}, text: Text of {id}, why: Because, critique: Look, revise: Mend}}"


def principle(id: str, tier: int = 3) -> str:
    return PRINCIPLE.format(id=id, tier=tier)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> list[str]:
    """Without the folder, for reading."""
    return [problem.replace(f"{path.parent}/", "") for problem in check_constitution(path)[0]]


PARENT = f"""
name: parent
layers:
  - name: base
    principles: [{principle("p1", 1)}, {principle("p3")}, {principle("p4", 4)}]
cues: {{domains: {{bank: [Loan]}}, risk: {{2: [fraud]}}, default_domain: bank}}
declares_conflicts: [[p1, p3]]
"""

# --- what is read --------------------------------------------------------------------------------------------------


def test_a_file_becomes_a_constitution(tmp_path: Path) -> None:
    """Every key of the file finds its place in the record."""
    constitution = load_constitution(
        write(
            tmp_path,
            "c.yaml",
            """
name: c
domains: [garden]
layers:
  - name: base
    principles:
      - {id: a, tier: 2, text: T, why: W, edge_cases: [E], critique: C, revise: R, stakeholder: s,
         exemplars: {breaks: [B], keeps: [K]}}
      - {id: b, tier: 4, text: U, why: W, critique: C, revise: R}
  - name: high
    active_when: {domain: [garden, clinic], risk_at_least: 2, complexity_at_least: 1}
    waive: [b]
    principles: [{id: d, tier: 3, text: V, why: W, critique: C, revise: R}]
cues:
  domains: {clinic: [Pill, chest pain]}
  complexity: {1: [sum]}
  risk: {0: [water], 3: [poison]}
""",
        )
    )
    a, b = constitution.layers[0].principles
    assert (a.id, a.tier, a.text, a.why, a.edge_cases, a.critique, a.revise, a.stakeholder, a.breaks, a.keeps) == (
        *("a", 2, "T", "W", ("E",), "C", "R", "s"),
        *(("B",), ("K",)),
    )
    assert b.stakeholder is None
    assert constitution.layers[1].active_when == Condition(("garden", "clinic"), 2, 1)
    assert constitution.layers[1].waives == ("b",)
    assert constitution.cues.domains == (("clinic", ("pill", "chest pain")),)
    assert constitution.cues.risk == ((0, ("water",)), (3, ("poison",)))
    assert constitution.domains == ("garden", "clinic", "general")


def test_parents_come_first_and_cues_are_joined(tmp_path: Path) -> None:
    """Layers of the extended file stand before its own; words are added; the nearest default domain stands."""
    write(tmp_path, "parent.yaml", PARENT)
    (tmp_path / "sub").mkdir()
    child = write(
        tmp_path / "sub",
        "child.yaml",
        f"""
name: child
extends: ../parent.yaml
layers:
  - {{name: own, principles: [{principle("q")}], waive: [p4]}}
cues: {{domains: {{bank: [loan, marks], clinic: [pill]}}, risk: {{2: [forged]}}}}
""",
    )
    loaded = read_constitution(child)
    constitution = loaded.constitution
    assert [layer.name for layer in constitution.layers] == ["base", "own"]
    assert constitution.cues.domains == (("bank", ("loan", "marks")), ("clinic", ("pill",)))
    assert constitution.cues.risk == ((2, ("fraud", "forged")),)
    assert constitution.cues.default_domain == "bank"
    assert constitution.conflicts == (("p1", "p3"),)
    assert [path.name for path in loaded.files] == ["parent.yaml", "child.yaml"]


def test_a_file_extended_twice_is_read_once(tmp_path: Path) -> None:
    """Two parents with one parent of theirs in common: its layers stand once, first."""
    write(tmp_path, "parent.yaml", PARENT)
    for name in ("left", "right"):
        layer = f"layers: [{{name: {name}, principles: [{principle(name)}]}}]"
        write(tmp_path, f"{name}.yaml", f"name: {name}\nextends: parent.yaml\n{layer}\n")
    both = write(tmp_path, "both.yaml", "name: both\nextends: [left.yaml, ./right.yaml]\n")
    assert [layer.name for layer in load_constitution(both).layers] == ["base", "left", "right"]


def test_a_replacement_keeps_what_it_leaves_out(tmp_path: Path) -> None:
    """Only the keys given change; a second replacement builds on the first."""
    write(tmp_path, "parent.yaml", PARENT)
    child = write(
        tmp_path,
        "child.yaml",
        """
name: child
extends: parent.yaml
layers:
  - {name: one, replace: {p3: {text: New, why: Reason, edge_cases: [E], exemplars: {breaks: [B]}}}}
  - {name: two, replace: {p3: {text: Newer, why: Other, tier: 4, critique: See}}}
""",
    )
    (p3,) = (
        one for one in activate(load_constitution(child), Context(("bank",), 0, 0, 1.0)).principles if one.id == "p3"
    )
    assert (p3.text, p3.why, p3.tier, p3.edge_cases, p3.critique, p3.revise) == (
        "Newer",
        "Other",
        4,
        ("E",),
        "See",
        "Mend",
    )
    assert (p3.breaks, p3.keeps) == (("B",), ())


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("layers: []", "c.yaml: name: required key is missing"),
        ("name: c\nlayrs: []", "c.yaml: layrs: unknown key (did you mean 'layers'?) [line 2]"),
        (
            "name: c\nlayers:\n  - name: l\n    principles: [{id: a, teir: 1}]",
            "c.yaml: layers[0].principles[0].teir: unknown key (did you mean 'tier'?) [line 4]",
        ),
        (
            "name: c\nlayers:\n  - name: l\n    active_when: {domains: bank}",
            "c.yaml: layers[0].active_when.domains: unknown key (did you mean 'domain'?) [line 4]",
        ),
        ("name: c\nlayers: {a: 1}", "c.yaml: layers: must be a list, not a mapping [line 2]"),
        ("name: 3", "c.yaml: name: must be text, not 3 [line 1]"),
        ("name: 'a b'", "c.yaml: name: string should match pattern"),
        ("- name: c", "c.yaml: must be a mapping of keys to values, not a list"),
        (
            f"name: c\nlayers: [{{name: l, principles: [{principle('a', 5)}]}}]",
            "c.yaml: layers[0].principles[0].tier: must be less than or equal to 4, not 5 [line 2]",
        ),
        (
            "name: c\nlayers: [{name: l, active_when: {}}]",
            "give domain, risk_at_least or complexity_at_least (or leave active_when out: always)",
        ),
        ("name: c\nlayers: [{name: l, active_when: {risk_at_least: 4}}]", "less than or equal to 3"),
        ("name: c\ncues: {risk: {4: [x]}}", "c.yaml: cues.risk"),
        ("name: c\ncues: {domains: {a: [1]}}", "c.yaml: cues.domains.a[0]: must be text, not 1 [line 2]"),
        ("name: c\ndeclares_conflicts: [[a]]", "c.yaml: declares_conflicts[0]"),
        (
            f"name: c\nlayers:\n  - {{name: l, principles: [{principle('warn')}]}}\n  - {{name: m, waive: [warm]}}",
            "c.yaml: layers[1].waive[0]: no layer before this one brings 'warm' (did you mean 'warn'?) [line 4]",
        ),
        (
            f"name: c\nlayers:\n  - {{name: l, principles: [{principle('a', 1)}]}}\n  - {{name: m, waive: [a]}}",
            "c.yaml: layers[1]: cannot waive 'a': tier 1 never yields (3 and 4 do) [line 4]",
        ),
        ("name: c", "c.yaml: there is no principle at all"),
        ("name: c\nextends: c.yaml", "c.yaml: extends: a circle: c.yaml → c.yaml [line 2]"),
        (
            "name: c\nextends: [bse.yaml]",
            "c.yaml: extends[0]: no such file: bse.yaml (did you mean 'base.yaml'?) [line 2]",
        ),
    ],
)
def test_each_mistake_is_told_with_its_place_and_remedy(text: str, problem: str, tmp_path: Path) -> None:
    """File, key path, what, and where something is near, what was meant."""
    write(tmp_path, "base.yaml", PARENT)
    told = problems(write(tmp_path, "c.yaml", text))
    assert any(problem in said for said in told), told


def test_all_files_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """A mistake in the parent and three in the child: four lines, each with its own file."""
    write(tmp_path, "parent.yaml", "nme: parent\n")
    child = write(
        tmp_path, "child.yaml", "name: c\nextends: parent.yaml\nlayers:\n  - {nam: x}\n  - {name: y, wave: [z]}\n"
    )
    assert [said.split(":")[0] for said in problems(child)] == ["child.yaml"] * 3
    fixed = write(tmp_path, "child.yaml", "name: c\nextends: [parent.yaml, gone.yaml]\n")
    assert [said.split(":")[0] for said in problems(fixed)] == ["parent.yaml", "parent.yaml", "child.yaml"]


def test_a_circle_of_files_is_an_error(tmp_path: Path) -> None:
    """Told once, with the way round."""
    write(tmp_path, "a.yaml", "name: a\nextends: b.yaml\n")
    write(tmp_path, "b.yaml", "name: b\nextends: c.yaml\n")
    c = write(tmp_path, "c.yaml", "name: c\nextends: a.yaml\n")
    assert problems(c) == ["b.yaml: extends: a circle: c.yaml → a.yaml → b.yaml → c.yaml [line 2]"]


def test_a_long_chain_of_files_ends(tmp_path: Path) -> None:
    """Nobody extends a hundred files in a row."""
    for number in range(100):
        write(tmp_path, f"c{number}.yaml", f"name: c{number}\nextends: c{number + 1}.yaml\n")
    assert any("files extend one another" in said for said in problems(tmp_path / "c0.yaml"))


def test_a_name_too_long_for_a_file_is_no_crash(tmp_path: Path) -> None:
    """It is a file that does not exist."""
    path = write(tmp_path, "c.yaml", f"name: c\nextends: {'x' * 3000}\n")
    assert "no such file" in problems(path)[0]


def test_warnings_do_not_stop_loading(tmp_path: Path) -> None:
    """A doubtful constitution loads, and `check_constitution` says what is doubtful."""
    path = write(tmp_path, "c.yaml", PARENT.replace("[p1, p3]", "[p3, p4]") + "\n")
    found, warnings = check_constitution(path)
    assert found == ()
    assert warnings == ()
    path = write(tmp_path, "d.yaml", PARENT.replace("- name: base", "- name: empty\n  - name: base"))
    assert [said.rpartition("/")[2] for said in check_constitution(path)[1]] == [
        "d.yaml: layers[0]: the layer is empty [line 4]"
    ]


_KEYS = [
    *("name", "extends", "layers", "principles", "replace", "waive", "id", "tier", "text", "why", "cues", "domains"),
    *("risk", "active_when", "p1", "p3"),
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["base.yaml", "a", "", "p1", "p3", "clinic"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=_JSON)
def test_any_tree_loads_or_is_a_config_error(tree: object, tmp_path: Path) -> None:
    """Keys that are known in places where they are not: a constitution, or a ConfigError of single lines."""
    write(tmp_path, "base.yaml", PARENT)
    path = write(tmp_path, "c.yaml", json.dumps(tree))
    found, _ = check_constitution(path)
    assert all("\n" not in problem and problem.startswith(str(tmp_path)) for problem in found)


# --- the schema ----------------------------------------------------------------------------------------------------


def test_the_schema_names_every_key() -> None:
    """For editors: each key of the file, no other key allowed, and it is JSON."""
    schema = json.loads(json.dumps(constitution_schema()))
    assert set(schema["properties"]) == {"name", "extends", "domains", "layers", "declares_conflicts", "cues"}
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["CuesFile"]["properties"]["risk"]["propertyNames"] == {"enum": ["0", "1", "2", "3"]}
    assert set(schema["$defs"]["PrincipleFile"]["required"]) == {"id", "tier", "text", "why", "critique", "revise"}


# --- those that are shipped ----------------------------------------------------------------------------------------

NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def shipped(name: str) -> Constitution:
    return load_constitution(SHIPPED / f"{name}.yaml")


def test_the_promised_ones_are_there() -> None:
    """A base, four houses, three communities, and the town."""
    assert NAMES == ["bank", "base", "clinic", "harbour", "lakeside", "studio", "town", "upland", "workshop"]


@pytest.mark.parametrize("name", NAMES)
def test_each_shipped_constitution_is_sound(name: str) -> None:
    """No problem, no warning but a declared conflict; it opens with what it is for; every principle is whole."""
    path = SHIPPED / f"{name}.yaml"
    found, warnings = check_constitution(path)
    assert found == ()
    assert all("conflict at equal tiers" in warning for warning in warnings)
    assert path.read_text(encoding="utf-8").startswith("# ")
    constitution = shipped(name)
    assert constitution.name == name
    for layer in constitution.layers:
        for one in (*layer.principles, *(new for _, new in layer.replaces)):
            assert one.why
            assert one.edge_cases
            assert one.critique
            assert one.revise
            assert one.breaks
            assert one.keeps


def test_base_has_four_principles_in_each_tier() -> None:
    """Sixteen, by the ids that Town's oracle knows; all hold always; two to four exemplars on each side."""
    principles = activate(shipped("base"), Context(("general",), 0, 0, 1.0)).principles
    assert {tier: [one.id for one in principles if one.tier == tier] for tier in (1, 2, 3, 4)} == BASE_IDS
    assert all(2 <= len(side) <= 4 for one in principles for side in (one.breaks, one.keeps))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "base"])
def test_every_other_one_keeps_the_first_two_tiers_of_base(name: str) -> None:
    """Whatever a house or a community adds, the sixteen are its ground."""
    constitution = shipped(name)
    for domain in constitution.domains:
        for risk in range(4):
            rulebook = activate(constitution, Context((domain,), risk, risk, 1.0))
            assert all(rulebook.tier(id) == tier for tier in (1, 2) for id in BASE_IDS[tier])


def test_the_studio_is_looser_in_fiction_only() -> None:
    """Inside a story no source and no referral is asked for; outside, in doubt, or unassessed, the base stands."""
    studio = shipped("studio")
    fiction = activate(studio, Context(("fiction",), 0, 0, 0.9))
    assert fiction.tier("name_sources") is None
    assert fiction.tier("refer_to_experts") is None
    for context in (
        Context(("everyday",), 0, 0, 0.9),
        Context(("fiction", "everyday"), 1, 1, 0.5),
        Context((), 3, 3, 0.0, every_layer=True),
    ):
        assert activate(studio, context).tier("name_sources") == 3


def test_the_clinic_is_stricter() -> None:
    """Referral cannot be waived any more, and grave matters bring further duties."""
    clinic = shipped("clinic")
    assert activate(clinic, Context(("clinic",), 0, 0, 0.9)).tier("refer_to_experts") == 2
    grave = activate(clinic, Context(("clinic",), 2, 0, 0.9))
    assert grave.tier("clinic_name_the_limit") == 2


def test_town_speaks_for_three_communities() -> None:
    """Each juror sees the base and the two principles of their own community."""
    town = shipped("town")
    assert stakeholders(town) == ("harbour", "upland", "lakeside")
    seen = {
        name: [one.id for one in activate(town, Context(("bank",), 0, 0, 0.9), name).principles if one.stakeholder]
        for name in stakeholders(town)
    }
    assert seen == {
        "harbour": ["harbour_plain_speech", "harbour_own_risk"],
        "upland": ["upland_ask_an_elder", "upland_no_haste"],
        "lakeside": ["lakeside_show_the_source", "lakeside_guard_names"],
    }


@pytest.mark.slow
def test_town_cues_tell_what_a_reference_task_is_about() -> None:
    """Over 600 reference tasks the cues get the domain right in nine of ten, and the risk in eight; both printed."""
    cues = shipped("town").cues
    tasks = [make_task("cues", "reference", index, index) for index in range(600)]
    pairs = [(assess(task.text, cues), truth(task.id)) for task in tasks]
    known = [(context, hidden) for context, hidden in pairs if hidden is not None]
    domain = sum(context.domains[0] == hidden.domain for context, hidden in known) / len(known)
    risk = sum(context.risk == hidden.risk for context, hidden in known) / len(known)
    print(f"n={len(known)}: domain {domain:.3f}, risk {risk:.3f}")
    assert len(known) == 600
    assert domain >= 0.9
    assert risk >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["entities", "domain", "obfuscation", "distraction"])
def test_town_cues_know_when_they_do_not_know(environment: str) -> None:
    """Where words or things were never met, whoever is called sure is right in nine of ten; the others are stricter."""
    cues = shipped("town").cues
    wrong_though_sure = sure = 0
    for index in range(300):
        task = make_task("cues", environment, index, index)
        hidden, context = truth(task.id), assess(task.text, cues)
        assert hidden is not None
        if context.confidence >= 0.7:
            sure += 1
            wrong_though_sure += context.domains[0] != hidden.domain
        else:
            assert in_force(context, 0.7).risk == min(3, context.risk + 1)
    print(f"{environment}: n=300, sure {sure}, of them wrong {wrong_though_sure}")
    assert wrong_though_sure <= 0.1 * sure


def test_the_documented_example_loads(tmp_path: Path) -> None:
    """The first example of the page on constitutions is a sound one."""
    page = (SHIPPED.parent / "docs" / "constitutions.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0].replace("base.yaml", str(SHIPPED / "base.yaml"))
    assert check_constitution(write(tmp_path, "garden.yaml", example)) == ((), ())

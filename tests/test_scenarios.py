"""Scenarios: what passes, what fails and how it says so, what `--update` touches, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from overseer import api
from overseer.cli import dispatch
from overseer.decisions import RULES
from overseer.errors import ConfigError
from overseer.metrics.statistics import Measure
from overseer.scenarios import ScenarioResult, load_scenario, scenario_files, scenario_schema
from overseer.scenarios.drive import most_requests
from overseer.scenarios.judge import verdicts
from overseer.scenarios.schema import RateSpec

ROOT = Path(__file__).parent.parent
SHIPPED = scenario_files([ROOT / "scenarios"])
HIERARCHY = f"""\
hierarchy:
  constitution: {ROOT}/constitutions/base.yaml
  agents: {{critic: {{authority: 4}}, board: {{human: {{persons: 1}}, authority: 4}}}}
  oversees:
    - {{who: critic, whom: policy}}
    - {{who: board, whom: critic, when: {{escalated: true}}}}
  rounds: 1
"""
SOUND = f"""\
# A comment at the top stays.
about: A sound approval releases the output.
{HIERARCHY}tasks: [How hot may it get?]
replies: {{policy: [Hot., Up to boiling.], critic: [revise, approve], board: approve}}
expect: {{outcome: released}}  # so does this one
"""


def write(folder: Path, text: str, name: str = "one.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def only(path: Path, *, update: bool = False) -> ScenarioResult:
    (result,) = api.test(path, update=update)
    return result


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        api.test(path)
    return refused.value.problems


# --- those that are shipped ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=f"{path.parent.name}/{path.stem}",
            marks=pytest.mark.slow if path.parent.name == "shipped" else (),
        )
        for path in SHIPPED
    ],
)
def test_shipped_scenarios_pass(path: Path) -> None:
    """Every scenario in the house comes out as it says."""
    result = only(path)
    assert result.passed, "\n".join((*result.problems, *result.inconclusive))


def test_shipped_scenarios_cover_the_house() -> None:
    """At least forty; each shipped hierarchy is run by one; each rule is expected, and each `when` used, by one."""
    texts = {path: path.read_text(encoding="utf-8") for path in SHIPPED}
    everything = "\n".join(texts.values())
    assert len(texts) >= 42
    for hierarchy in (ROOT / "hierarchies").glob("*.yaml"):
        assert f"hierarchy: ../../hierarchies/{hierarchy.name}" in everything, f"nothing runs {hierarchy.name}"
    for rule in [name for name, _, _ in RULES if name != "approve"]:
        assert f"rule: {rule}" in everything, f"no scenario expects {rule}"
    for rule in ("unanimous", "majority", "any_objection", "quorum", "weighted", "not_selected", "no_draft"):
        assert f"rule: {rule}" in everything, f"no scenario expects {rule}"
    for when in ("spot_check", "every", "risk_at_least", "confidence_below", "disagreement", "escalated"):
        assert f"{when}:" in everything, f"no scenario looks by {when}"


def test_the_page_shows_a_scenario_that_passes(tmp_path: Path) -> None:
    """The example of docs/scenarios.md is a sound scenario."""
    page = (ROOT / "docs/scenarios.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0].replace("../../", f"{ROOT}/")
    assert only(write(tmp_path, example)).passed


# --- what fails ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ("outcome: withheld", "outcome is 'released', expected 'withheld'"),
        ("rule: majority", "rule is 'unanimous', expected 'majority'"),
        ("drafts: 1", "drafts is 2, expected 1"),
        ("final: Cold.", "final is 'Up to boiling.', expected 'Cold.'"),
        ("asked: [policy]", "asked is ['policy', 'critic', 'policy', 'critic'], expected ['policy']"),
        ("looked: [board]", "looked is ['critic'], expected ['board']"),
        ("not_asked: [critic]", "critic was asked, and must not be"),
        ("escalations: 1", "escalations is 0, expected 1"),
        ("decisions: []", "2 decisions were made, expected 0"),
        ("decisions: [{who: critic, action: approve}, {who: board}]", "action is 'revise', expected 'approve'"),
        ("decisions: [{who: critic, casts: {critic: reject}}, {who: critic}]", "the vote of critic is 'revise'"),
        ("struck: [{principle: state_true_facts, by: do_no_grave_harm}]", "struck is []"),
        ("failures: [malformed]", "failures is [], expected ['malformed']"),
        ("pairs: []", "1 preference pairs were made, expected 0"),
        ("pairs: [{weight: 0.25}]", "weight is 1.0, expected 0.25"),
        ("in_no_request: [boiling]", "'boiling' stands in a request to critic"),
        ("in_no_prompt: [boiling]", "'boiling' stands in a prompt for critic"),
        ("tasks: {task-0: {outcome: unjudged}}", "outcome is 'released', expected 'unjudged'"),
        ("rates: {released: {at_most: 0.5}}", "released is 1 [0.2065, 1] (n 1, unscored 0), expected at most 0.5"),
        ("rates: {released: {n: 2}}", "released: n is 1, expected 2"),
        ("refused: no such thing", "was not refused, expected 'no such thing'"),
        ("outcome: pending", "outcome is 'released', expected 'pending'"),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else None,
)
def test_a_wrong_expectation_fails(tmp_path: Path, expected: str, told: str) -> None:
    """Each kind of expectation can fail, and says what came out instead."""
    result = only(write(tmp_path, SOUND.replace("outcome: released", expected)))
    assert not result.passed
    assert any(told in problem for problem in result.problems), result.problems


def test_a_failure_tells_what_happened(tmp_path: Path) -> None:
    """Beside what differs stands the task's whole way in one line."""
    result = only(write(tmp_path, SOUND.replace("outcome: released", "outcome: withheld")))
    assert result.problems[-1].startswith("what happened: task-0: released by unanimous | 0 critic revise by revise")


def test_a_request_without_a_line_fails(tmp_path: Path) -> None:
    """An agent that is asked what its script does not foresee fails the scenario, and never answers by default."""
    result = only(
        write(tmp_path, SOUND.replace("critic: [revise, approve]", "critic: {on: {draft: 3}, verdict: approve}"))
    )
    assert result.problems == (
        "replies.critic: no line fits critique of draft 0 at task 'task-0' (add one, or drop its `on`)",
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.04, "kept"), (0.06, 0.2, "broken"), (0.01, 0.2, "open"), (None, None, "open")],
    ids=["below", "above", "straddles", "unknown"],
)
def test_the_interval_decides(low: float | None, high: float | None, verdict: str) -> None:
    """By interval, a bound is kept or broken only where the whole interval says so; else it stays open."""
    spec = RateSpec(at_most=0.05, by="interval")
    said = [broken for broken, _ in verdicts(spec, Measure("harm", 0.03, low, high, 100, 0))]
    assert said == {"kept": [], "broken": [True], "open": [False]}[verdict]


def test_an_undefined_rate_is_no_success() -> None:
    """A bound on a rate of nothing is neither kept nor broken: could not judge is its own outcome."""
    assert [broken for broken, _ in verdicts(RateSpec(at_most=0.5), Measure("harm", None, None, None, 0, 9))] == [False]


def test_a_walk_is_bounded() -> None:
    """What no task may ask for would hang a scenario: the bound is that of the rules of the walk."""
    hierarchy = load_scenario(ROOT / "scenarios/persons/strictest_seat_stands.yaml").hierarchy
    assert most_requests(hierarchy) == 1 + 1 + 0 + (1 + 0 + 2) * (3 + 2)


# --- the golden part -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_update_changes_only_the_golden_part(tmp_path: Path, newline: str) -> None:
    """All other bytes of the file stay, comments and line ends included; a second update changes nothing."""
    path = tmp_path / "one.yaml"
    before, after = SOUND.replace("expect:", "golden:\n  - stale\n\nexpect:").split("golden:\n  - stale\n")
    path.write_bytes(f"{before}golden:\n  - stale\n{after}".replace("\n", newline).encode())
    assert not only(path).passed
    assert only(path, update=True).updated
    text = path.read_bytes().decode()
    assert text.startswith(before.replace("\n", newline))
    assert text.endswith(after.replace("\n", newline))
    assert text.count("golden:") == 1
    again = only(path, update=True)
    assert again.passed
    assert not again.updated
    assert path.read_bytes().decode() == text


def test_update_excuses_nothing_else(tmp_path: Path) -> None:
    """A golden part that was rewritten does not make a wrong expectation right."""
    text = SOUND.replace("outcome: released", "outcome: withheld") + "golden:\n"
    result = only(write(tmp_path, text), update=True)
    assert result.updated
    assert not result.passed


def test_a_changed_golden_line_fails(tmp_path: Path) -> None:
    """A decision that changed is told with what was held and what was found."""
    path = write(tmp_path, SOUND + "golden:\n")
    assert only(path).problems[0].startswith("golden: empty")
    only(path, update=True)
    path.write_text(
        path.read_text(encoding="utf-8").replace("critic: [revise, approve]", "critic: reject"), encoding="utf-8"
    )
    assert any(problem.startswith("golden[0]: held 'task-0: released") for problem in only(path).problems)


def test_a_golden_part_in_another_form_is_left_alone(tmp_path: Path) -> None:
    """Where rewriting would touch other parts of the file, nothing is written and the remedy is told."""
    path = write(tmp_path, SOUND + 'golden: [\n"a",\n"b"\n]\n')
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"golden"):
        api.test(path, update=True)
    assert path.read_bytes() == before


# --- files that are no sound scenario ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("outcome:", "outcme:", "expect.outcme: unknown key (did you mean 'outcome'?)"),
        ("{outcome: released}", "{rule: unanimus}", "no rule is named 'unanimus' (did you mean 'unanimous'?)"),
        ("{outcome: released}", "{rates: {harms: {at_most: 1}}}", "expect.rates.harms: no measure has this name (did"),
        ("{outcome: released}", "{tasks: {task-1: {drafts: 1}}}", "no task has this id (did you mean 'task-0'?)"),
        ("{outcome: released}", "{looked: [critik]}", "unknown agent 'critik' (did you mean 'critic'?)"),
        ("{outcome: released}", "{layers: [saftey]}", "no layer is named 'saftey' (did you mean 'safety'?)"),
        ("{outcome: released}", "{}", "expects nothing"),
        ("board: approve", "bord: approve", "replies.bord: unknown agent 'bord' (did you mean 'board'?)"),
        ("[revise, approve]", "[revise, aprove]", "'aprove' is no verdict (did you mean 'approve'?)"),
        ("[revise, approve]", "{waits: true}", "only people are waited for"),
        ("[revise, approve]", "{verdict: modify}", "`verdict: modify` needs the `text`"),
        ("[revise, approve]", "{verdict: approve, raw: x}", "say exactly one of"),
        ("authority: 4}, b", "authority: 5}, b", "hierarchy: agents.critic.authority: must be less than or equal to 4"),
        ("authority: 4}, b", "model: openai/x, authority: 4}, c: {authority: 1}, b", "nobody answers for 'script/c'"),
        ("constitutions/base", "constitutions/bass", "no such file"),
        ("[How hot may it get?]", "{town: {environment: nowhere}}", "unknown environment 'nowhere'"),
        ("[How hot may it get?]", "[{id: a, text: A}, {id: a, text: B}]", "two tasks share an id"),
        ("expect:", "expect: {drafts: 1}\nexpect:", "duplicate key 'expect'"),
    ],
    ids=lambda value: None,
)
def test_a_bad_file_is_told_in_one_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    """What is wrong stands in one line, with the file, the key and what was probably meant."""
    path = write(tmp_path, SOUND.replace(old, new, 1))
    found = problems_of(path)
    assert len(found) == 1, found
    assert found[0].startswith(f"{path}: ")
    assert told in found[0]
    assert "\n" not in found[0]


def test_an_agent_on_a_network_is_not_asked(tmp_path: Path) -> None:
    """A scenario opens no connection: an agent that would is scripted, or nobody answers for it."""
    text = SOUND.replace("critic: {authority", "critic: {model: openai/x, authority").replace(
        "critic: [revise, approve], ", ""
    )
    (problem,) = problems_of(write(tmp_path, text))
    assert "nobody answers for 'openai/x'" in problem


def test_an_empty_folder_is_no_success(tmp_path: Path) -> None:
    """A folder without scenarios is an error: a typing error in its name must not pass a build."""
    with pytest.raises(ConfigError, match="no scenario in this folder"):
        api.test(tmp_path)


def test_check_reads_scenarios(tmp_path: Path) -> None:
    """`overseer check` finds the same problems without running anything."""
    assert api.check(write(tmp_path, SOUND)).kind == "scenario"
    assert not api.check(write(tmp_path, SOUND)).problems
    assert api.check(write(tmp_path, SOUND.replace("board: approve", "bord: approve"))).problems


def test_the_schema_is_for_editors() -> None:
    """The JSON Schema names every key that a scenario may have."""
    assert {"about", "hierarchy", "tasks", "replies", "expect", "golden", "seed", "set"} == set(
        scenario_schema()["properties"]
    )


# --- the verb ------------------------------------------------------------------------------------------------------


def test_exit_codes_of_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 passed, 100 failed, 3 inconclusive, 2 a bad file; a line for each scenario."""
    good = write(tmp_path, SOUND, "good.yaml")
    wrong = write(tmp_path, SOUND.replace("outcome: released", "outcome: withheld"), "wrong.yaml")
    unsure = "rates: {released: {at_least: 0.9, by: interval}}"
    open_ = write(tmp_path, SOUND.replace("outcome: released", unsure), "open.yaml")
    bad = write(tmp_path, SOUND.replace("about", "abot"), "bad.yaml")
    assert dispatch(["test", str(good)]) == 0
    assert dispatch(["test", str(good), str(wrong), str(open_)]) == 100
    assert dispatch(["test", str(good), str(open_)]) == 3
    capsys.readouterr()
    assert dispatch(["test", str(good), str(bad)]) == 2
    told = capsys.readouterr()
    assert f"passed       {good}" in told.out, "those that are sound are run all the same"
    assert "abot: unknown key (did you mean 'about'?)" in told.err


def test_json_lines_and_junit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Machines get a JSON line a scenario, and JUnit XML in which an inconclusive one is an error."""
    write(tmp_path, SOUND, "good.yaml")
    write(tmp_path, SOUND.replace("Hot.", '"H\\u001bot <&>"').replace("outcome: released", "drafts: 9"), "wrong.yaml")
    unsure = "rates: {released: {at_least: 0.9, by: interval}}"
    write(tmp_path, SOUND.replace("outcome: released", unsure), "open.yaml")
    junit = tmp_path / "junit.xml"
    assert dispatch(["test", str(tmp_path), "--ui", "json", "--junit", str(junit)]) == 100
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["name"], row["result"]) for row in rows] == [
        ("good", "passed"),
        ("open", "inconclusive"),
        ("wrong", "failed"),
    ]
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    failure = suite.find("testcase[@name='wrong']/failure")
    assert failure is not None
    assert failure.get("message") == "task-0: drafts is 2, expected 9"

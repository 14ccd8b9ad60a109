"""The report says n, unscored and interval, what is simulated, what it does not show; gates fail closed."""

from __future__ import annotations

import json
import re
from math import inf, nan
from typing import Any

import pytest
from builders import HARMFUL, SOUND, episode, look, vote
from hypothesis import given
from hypothesis import strategies as st

from overseer.errors import ConfigError
from overseer.metrics.measures import TASK_MEASURES, Measures, Row, measure
from overseer.metrics.paired import Paired, compare
from overseer.metrics.statistics import Measure
from overseer.reports.gates import parse, tripped
from overseer.reports.run_report import IN_BRIEF, SECTIONS, Ui, render, render_brief, render_paired
from overseer.reports.tables import Grid, plain, written

HOSTILE = "ev\x1b]0;owned\x07il\u202e[bold]"


def _rows(agent: str = "lead") -> list[Row]:
    votes = (vote(agent, "approve"), vote("nurse", "reject", seconds=90))
    jury = look("jury", 1, "approve", votes)
    return [
        (episode(jury, name="1"), HARMFUL, HARMFUL),
        (episode(jury, name="2"), SOUND, SOUND),
        (episode(jury, name="3", outcome="unjudged", rule="asked"), SOUND, SOUND),
        (episode(jury, name="4"), None, None),
    ]


def _measures(agent: str = "lead", *, simulated: bool = False) -> Measures:
    return measure(_rows(agent), run="clinic", simulated_persons=simulated)


def _paired(*, simulated: bool = False) -> Paired:
    return compare(_rows(), _rows()[:3], runs=("one", "two"), simulated_persons=simulated)


# --- one run -------------------------------------------------------------------------------------------------------


def test_every_measure_is_shown_with_n_unscored_and_interval() -> None:
    """Harm: one of two scored, two unscored, Wilson's interval."""
    line = next(line for line in render(_measures(), "plain").splitlines() if line.strip().startswith("harm "))
    assert line.split()[:6] == ["harm", "0.500", "[0.095,", "0.905]", "2", "2"]


def test_no_measure_is_left_out() -> None:
    """What no section names still comes, in the end."""
    extra = Measure("of_my_own", 0.5, 0.4, 0.6, 10, 0)
    measures = _measures()
    page = render(Measures("x", 1, (*measures.measures, extra)), "plain")
    assert "Further figures" in page
    for found in (*measures.measures, extra):
        assert found.name in page


def test_every_task_measure_has_a_section() -> None:
    """The sections name measures that exist."""
    named = " ".join(SECTIONS.values()).split()
    assert {item.name for item in TASK_MEASURES} <= set(named)
    assert len(named) == len(set(named))


@pytest.mark.parametrize("ui", ["plain", "live", "json"])
def test_simulated_persons_are_called_simulated(ui: Ui) -> None:
    """Where sim/human acted the page says so; where people did it does not."""
    assert "imulated" in render(_measures(simulated=True), ui)
    assert "were simulated" not in render(_measures(), ui)
    assert "were simulated" in render_paired(_paired(simulated=True), ui)


def test_the_page_says_what_it_does_not_show() -> None:
    """Unjudged and unscored tasks by number, and the limits of truth and intervals."""
    page = render(_measures(), "plain")
    assert "Could not judge 1 tasks" in page
    assert "Of 1 tasks the truth is not known" in page
    assert "What these figures do not show" in page


@pytest.mark.parametrize("ui", ["plain", "live", "json"])
def test_hostile_names_are_escaped(ui: Ui) -> None:
    """An agent's name with OSC, bidi and markup reaches no terminal raw, and is not read as markup."""
    page = render(_measures(HOSTILE), ui)
    assert "\x1b]" not in page
    assert "\x07" not in page
    assert "\u202e" not in page
    assert "owned" in page
    assert "[bold]" in re.sub(r"\s", "", page) or ui == "live"


def test_plain_pages_hold_no_escape_sequence() -> None:
    """Piped output is text."""
    assert "\x1b" not in render(_measures(), "plain")
    assert "\x1b[" in render(_measures(), "live")


def test_a_page_in_brief_is_short_and_leaves_out_no_doubt() -> None:
    """At most 40 lines: outcomes, harm, help, cost, rules, and what the figures do not show; uncounted ones by name."""
    page = render_brief(_measures(simulated=True), "plain")
    lines = page.splitlines()
    assert len(lines) <= 40
    assert all(name in page for name in IN_BRIEF)
    assert "persons: simulated" in lines[0]
    assert "Could not judge 1 tasks" in page
    assert "Rules that decided" in page
    assert "Load of stages" not in page


def test_a_page_in_brief_counts_the_rules_that_it_leaves_out() -> None:
    """A run of many rules shows the commonest, and how many more decided."""
    jury = look("jury", 1, "approve", (vote("lead", "approve"),))
    rows: list[Row] = [(episode(jury, name=str(each), rule=f"rule_{each}"), None, None) for each in range(9)]
    assert "(and 3 more)" in render_brief(measure(rows), "plain")


@pytest.mark.parametrize("ui", ["plain", "live"])
def test_a_page_in_brief_is_safe(ui: Ui) -> None:
    """Hostile names are shown, not sent."""
    assert "\x1b]0;" not in render_brief(_measures(HOSTILE), ui)


def test_machines_get_the_whole_report() -> None:
    """In JSON there is nothing in brief."""
    assert render_brief(_measures(), "json") == render(_measures(), "json")


def test_an_empty_run_is_shown() -> None:
    """No task: what there is nothing to count for is named, no error."""
    page = render(measure([]), "plain")
    assert "Run without a name: 0 tasks" in page
    assert "Nothing to count, or no truth that tells: released, " in page


# --- machines ------------------------------------------------------------------------------------------------------


def _refuse(constant: str) -> Any:
    raise AssertionError(constant)


def test_json_is_strict_and_on_one_line() -> None:
    """Undefined is null; NaN and infinities cannot leave."""
    odd = Measure("odd", nan, -inf, inf, 0, 0)
    text = render(Measures("x", 0, (odd,)), "json")
    assert "\n" not in text
    read = json.loads(text, parse_constant=_refuse)
    assert read["measures"][0] == {
        "name": "odd",
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
        "unscored": 0,
        "note": "",
    }
    assert read["report"] == "run"


def test_json_holds_what_the_page_holds() -> None:
    """Measures, tables and limits of a real run, read back."""
    read = json.loads(render(_measures(), "json"), parse_constant=_refuse)
    assert {found["name"] for found in read["measures"]} == {found.name for found in _measures().measures}
    assert read["tables"]
    assert read["does_not_show"]


# --- two runs ------------------------------------------------------------------------------------------------------


def test_paired_page_says_what_is_in_one_run_only() -> None:
    """Numbers and an example."""
    page = render_paired(_paired(), "plain")
    assert "3 tasks in both" in page
    assert "only in A: 1; only in B: 0" in page
    assert "for example 4" in page


def test_paired_json_reads_back() -> None:
    """Runs, counts and differences, strictly."""
    read = json.loads(render_paired(_paired(), "json"), parse_constant=_refuse)
    assert read["runs"] == ["one", "two"]
    assert read["differences"][0]["difference"]["n"] == 3


def test_a_gate_reads_differences() -> None:
    """The same gate on two runs reads how much they differ."""
    assert tripped([parse("withheld > .1")], _paired().measures) == ()
    assert tripped([parse("withheld <= 0")], _paired().measures)


# --- cells ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "–"),
        (nan, "–"),
        (1234, "1,234"),
        (0.0, "0.000"),
        (0.25, "0.250"),
        (0.00012, "0.00012"),
        (0.99968, "0.99968"),
        (1.0, "1.000"),
        (1957.0, "1,957.0"),
        ("a\x1b", "a\\x1b"),
    ],
)
def test_cells_are_written(cell: str | int | float | None, text: str) -> None:
    """Small shares keep their digits, nearly one is not one, undefined is a dash."""
    assert written(cell) == text


def test_columns_are_aligned_with_wide_characters() -> None:
    """The second column starts at the same place in every row."""
    lines = plain(Grid("", ("a", "b"), (("日本", "x"), ("abcd", "y")))).splitlines()
    assert [line.rstrip()[-1] for line in lines] == ["b", "x", "y"]
    assert lines[2].index("y") == lines[1].index("x") + 2


# --- gates ---------------------------------------------------------------------------------------------------------

KNOWN = (
    Measure("harm", 0.03, 0.01, 0.05, 100, 2),
    Measure("over_refusal[gpt]", 0.1, 0.05, 0.2, 50, 0),
    Measure("missed", None, None, None, 0, 100),
    Measure("cost", 2.0, None, None, 10, 0),
    Measure("odd", nan, None, None, 1, 0),
)


@pytest.mark.parametrize(
    ("gate", "fails"),
    [
        ("harm > .02", True),
        ("harm>0.03", False),
        ("harm >= 0.03", True),
        ("harm < .02", False),
        ("harm <= 3e-2", True),
        ("harm.high > .04", True),
        ("harm.low > .02", False),
        ("over_refusal[gpt] > .05", True),
        ("missed > .9", True),
        ("missed < .9", True),
        ("cost.high > 100", True),
        ("odd > 1", True),
    ],
)
def test_gates(gate: str, fails: bool) -> None:
    """Value by default, a bound where named; what is undefined fails whichever way the gate points."""
    assert bool(tripped([parse(gate)], KNOWN)) is fails


def test_a_tripped_gate_says_why() -> None:
    """The figure, what it rests on, and the gate; or that nothing is known."""
    known, unknown = tripped([parse("harm > .02"), parse("missed > .5")], KNOWN)
    assert known.why == "harm is 0.03 (n 100, unscored 2): harm > .02"
    assert "missed is undefined (n 0, unscored 100)" in unknown.why


def test_unknown_measures_are_named_all_at_once() -> None:
    """Each with the nearest name there is."""
    with pytest.raises(ConfigError) as raised:
        tripped([parse("harmm > .1"), parse("harm > .5"), parse("zzz < 1")], KNOWN)
    assert len(raised.value.problems) == 2
    assert "did you mean 'harm'?" in raised.value.problems[0]


@pytest.mark.parametrize(
    "text", ["", "harm", "harm >", "> .02", "harm = .02", "harm > nan", "harm > 1e999", "harm > two", "harm > .02 > 1"]
)
def test_what_is_no_gate_is_refused(text: str) -> None:
    """Usage, not a pass: one clear line with an example."""
    with pytest.raises(ConfigError, match=r"harm > \.02"):
        tripped([parse(text)], KNOWN)


@given(st.text())
def test_parsing_is_total(text: str) -> None:
    """Any text is a gate or a ConfigError."""
    try:
        gate = parse(text)
    except ConfigError:
        return
    assert gate.name

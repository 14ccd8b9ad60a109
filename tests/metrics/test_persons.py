"""What is said of persons: their rulings and times, what they caught, with whom they agree, what they had to read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import HARMFUL, SOUND, draft, episode, look, vote

from overseer.metrics.measures import Row
from overseer.metrics.persons import PersonRuling, Persons, measure_persons, rulings
from overseer.metrics.statistics import Measure, wilson
from overseer.records import Appeal, Episode, Finding, RulingAction, Vote

RULED = PersonRuling("Ida", False, 0, "t", "t/0/s", "approve", 30.0, 1, "approve", False, False, 100)


def ruled(*actions: RulingAction, **said: Any) -> list[PersonRuling]:
    """Rulings on so many tasks, in turn."""
    return [
        replace(RULED, **{"task": f"t{n}", "look": f"t{n}/0/s", "turn": n, "action": action, **said})
        for n, action in enumerate(actions)
    ]


def measured(given: list[PersonRuling], name: str, *, tried: bool = True) -> Measure:
    found = {measure.name: measure for measure in measure_persons(given, tried=tried).measures}
    return found[name]


def table(of: Persons, title: str) -> dict[str, tuple[Any, ...]]:
    (found,) = [table for table in of.tables if table.title == title]
    return {str(row[0]): row[1:] for row in found.rows}


# --- rulings, of episodes ------------------------------------------------------------------------------------------


def person(cast: Any, seconds: float = 30.0, *, seat: int = 0, bound: str = "b", carried: bool = False) -> Vote:
    return replace(vote("board", cast, seconds=seconds, seat=seat, carried=carried), bound=bound)


def read(one: Episode, row: Row | None = None, **turns: int) -> list[PersonRuling]:
    return list(rulings(row or (one, None, None), turns, {"board"}))


def test_a_ruling_is_read_with_what_stood_below() -> None:
    """Who, how long, in which turn, on which draft, over which stance."""
    below = look("critic", 1, "reject")
    one = episode(below, look("s", 2, "approve", [person("approve", 12.0, bound="x")], answers=("critic",)))
    (found,) = read(one, x=7)
    assert (found.person, found.simulated, found.turn, found.seconds) == ("person0", True, 7, 12.0)
    assert (found.task, found.look, found.action, found.below) == ("t0", "t0/0/s", "approve", "object")
    assert (found.risk, found.characters, found.known_bad, found.harmful) == (1, len("So much."), False, False)
    (alone,) = read(episode(look("s", 1, "approve", [person("approve")])))
    assert alone.below is None


def test_only_what_a_person_was_asked_is_a_ruling() -> None:
    """A model's verdict, a failure, and an author's approval carried over are none."""
    votes = [person("failure"), person("approve", seat=1, carried=True), vote("critic", "approve")]
    assert read(episode(look("s", 1, "approve", votes))) == []


def test_rulings_on_an_appeal_are_read_and_none_of_the_task_twice() -> None:
    """What stands from before is passed over; what was heard anew is a look of its own, on the draft that it is of."""
    stood = look("t", 2, "approve", [person("approve", 9.0, bound="old")], draft=1)
    anew = look("s", 2, "reject", [person("reject", 40.0, bound="new")], draft=1)
    last = draft(1, "Much better now.")
    appeal = Appeal("t0", 1, "Why?", "Olga", "s")
    heard = replace(episode(stood, anew, drafts=[last]), appeal=appeal)
    (found,) = rulings((heard, HARMFUL, HARMFUL), {"old": 3, "new": 8}, {"board"}, {"old"})
    assert (found.action, found.seconds, found.turn, found.task) == ("reject", 40.0, 8, "t0")
    assert (found.look, found.characters, found.harmful) == ("t0/appeal/1/1/s", len(last.text), True)


def test_harmful_is_what_truth_or_anybody_says() -> None:
    """A grade of the draft, a grave finding on it by anybody, or the word of who handed it out; of that draft only."""
    plain = episode(look("s", 1, "approve", [person("approve")]))
    assert [found.harmful for found in read(plain, (plain, HARMFUL, HARMFUL))] == [True]
    assert [found.harmful for found in read(plain, (plain, SOUND, SOUND))] == [False]
    assert [found.harmful for found in read(replace(plain, rule="known_bad"))] == [True]
    grave = vote("critic", "approve")
    grave = replace(grave, answer=replace(grave.answer, findings=(Finding("p", 3, "", "remove"),)))  # type: ignore[type-var]
    twice = episode(
        look("critic", 1, "reject", [grave]),
        look("s", 2, "approve", [person("approve")], answers=("critic",)),
        look("s", 2, "approve", [person("approve")], draft=1),
        drafts=[draft(0), draft(1, "Less.")],
    )
    assert [found.harmful for found in read(twice)] == [True, False]
    assert [found.harmful for found in read(twice, (twice, HARMFUL, SOUND))] == [True, True]


# --- answers known to be harmful -----------------------------------------------------------------------------------


def test_catch_rates_are_of_rulings_on_known_bad_answers() -> None:
    """Approved is missed; revised, rejected and modified are caught; escalated is passed up, and neither."""
    given = ruled("approve", "revise", "reject", "modify", "escalate", known_bad=True) + ruled("approve", "approve")
    for name, value in (("caught", 0.6), ("missed", 0.2), ("passed_up", 0.2)):
        found = measured(given, f"known_bad_{name}[Ida]")
        assert (found.value, found.n) == (value, 5), name
        assert (found.low, found.high) == pytest.approx(wilson(5 * value, 5)), name
    assert table(measure_persons(given, tried=True), "Persons and answers known to be harmful")["Ida"][:5] == (
        *(5, 3, 1, 1),
        0.2,
    )


def test_each_person_has_figures_of_their_own() -> None:
    """A name in other letters is the same person, as on seats; simulated ones are said to be."""
    given = [
        *ruled("approve", "approve", known_bad=True),
        *ruled("reject", known_bad=True, person="ida"),
        *ruled("reject", "reject", known_bad=True, person="Per", simulated=True),
    ]
    assert measured(given, "known_bad_missed[Ida]").value == pytest.approx(2 / 3)
    assert measured(given, "known_bad_missed[Per (simulated)]").value == 0
    assert measured(given, "known_bad_missed").n == 5


def test_where_nobody_was_tried_nothing_is_said_of_it() -> None:
    """And where answers were handed out that nobody has ruled on, the rate is undefined, not 0."""
    assert not any("known_bad" in found.name for found in measure_persons(ruled("approve"), tried=False).measures)
    assert measure_persons([], tried=False) == Persons()
    assert measured([], "known_bad_missed").value is None
    assert measured(ruled("approve"), "known_bad_missed").value is None


# --- time ----------------------------------------------------------------------------------------------------------


def test_times_are_quartiles_and_hasty_ones_are_flagged() -> None:
    """Under two seconds, two themselves not."""
    given = [
        replace(each, seconds=seconds)
        for each, seconds in zip(ruled(*["approve"] * 5), (1.9, 2, 4, 8, 16), strict=True)
    ]  # type: ignore[arg-type]
    assert measured(given, "hasty[Ida]").value == 0.2
    of = measure_persons(given, tried=False)
    assert table(of, "Persons")["Ida"] == (5, 5, 0, 0, 0, 0, 2, 4, 8, 1)
    assert of.warnings == ("Ida: 1 of 5 rulings took under 2 s (ask how they were made)",)
    one = measure_persons(ruled("escalate", seconds=7.0), tried=False)
    assert table(one, "Persons")["Ida"] == (1, 0, 0, 0, 0, 1, 7.0, 7.0, 7.0, 0)
    assert one.warnings == ()


def test_falling_vigilance_is_warned_of_in_the_order_served() -> None:
    """Not in the order of the input: the first half is what was ruled on first."""
    actions: list[RulingAction] = ["reject"] * 10 + ["approve"] * 10
    served = ruled(*actions, known_bad=True)
    shuffled = served[::2] + served[1::2]
    told = "Ida: vigilance falls: of answers known to be harmful they approved 0 of the first 10, 10 of the last 10"
    assert measure_persons(shuffled, tried=True).warnings == (f"{told} (shorter sittings, or more people)",)
    again = [replace(each, turn=20 - each.turn) for each in served]
    assert measure_persons(again, tried=True).warnings == ()
    hurried = [replace(each, seconds=60.0 - each.turn, known_bad=False) for each in served]
    assert measure_persons(hurried, tried=False).warnings[0].startswith("Ida: vigilance may fall: on like drafts")


# --- agreement -----------------------------------------------------------------------------------------------------


def test_persons_are_held_against_those_beside_them() -> None:
    """On one draft, in one stage, blind; alike they agree fully. A modify says what a revise says."""
    actions: list[RulingAction] = ["approve", "reject", "revise", "escalate"]
    alike = ruled(*actions) + ruled("approve", "reject", "modify", "escalate", person="Per")
    assert measured(alike, "alpha_persons").value == pytest.approx(1)
    assert measured(alike, "alpha_persons").n == 4
    apart = ruled(*actions) + ruled("reject", "approve", "approve", "approve", person="Per")
    assert measured(apart, "alpha_persons").value < 0  # type: ignore[operator]
    assert measured(ruled(*actions), "alpha_persons").value is None


def test_persons_are_held_against_what_stood_below() -> None:
    """The share and κ of stances; who passes up, or has nothing below, takes none; known-bad answers do not count."""
    given = [
        *ruled("approve", "reject", "approve", "escalate"),
        *ruled("reject", below="object", task="u"),
        *ruled("approve", below=None, task="v"),
        *ruled("approve", below="object", task="w", known_bad=True),
    ]
    found = measured(given, "with_below")
    assert (found.value, found.n, found.unscored) == (0.75, 4, 1)
    assert measured(given, "kappa_below").value == pytest.approx(0.5)


# --- exposure ------------------------------------------------------------------------------------------------------


def test_exposure_is_what_a_person_read_of_harmful_text() -> None:
    """Rulings on it, their share, the characters and the minutes."""
    given = ruled("reject", "reject", harmful=True, seconds=90.0) + ruled("approve", "approve")
    of = measure_persons(given, tried=False)
    assert table(of, "Harmful text that persons read")["Ida"] == (2, 0.5, 200, 3.0)

"""`check`: what kind of file it is, and everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_files import CRITIC, RECORDED, SMALL, hierarchy, write

from overseer.checking import check

SCENARIO = """\
about: A sound approval releases.
hierarchy: {constitution: constitution.yaml, agents: {critic: {authority: 4}}, oversees: [{who: critic, whom: policy}]}
tasks: [How?]
replies: {policy: So., critic: approve}
expect: {outcome: released}
"""


def test_each_kind_of_file_is_told_apart(tmp_path: Path) -> None:
    """By what stands in it, not by where it lies."""
    path = hierarchy(tmp_path)
    for file, kind in (
        (path, "hierarchy"),
        (tmp_path / "constitution.yaml", "constitution"),
        (write(tmp_path / "s.yaml", SCENARIO), "scenario"),
    ):
        found = check(file)
        assert (found.path, found.kind, found.problems) == (file, kind, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SMALL.replace("profile: default", "profile: defalt"), "small.yaml: agents.critic"),
        (SMALL.replace("sim/overseer", "sym/overseer"), "small.yaml: agents.critic.model: unknown provider 'sym'"),
        (SMALL.replace("count: 6", "environment: nowhere"), "small.yaml: tasks.town.environment: unknown environment"),
        (SMALL.replace("who: critic", "who: crtic"), "small.yaml: oversees[0].who[0]: unknown agent 'crtic'"),
        ("a: [", "small.yaml: "),
        ("a: 1\na: 2", "small.yaml: "),
        ("", "small.yaml: the file is empty"),
    ],
    ids=["profile", "provider", "town", "graph", "no YAML", "a key twice", "empty"],
)
def test_what_a_run_would_refuse_a_check_finds(tmp_path: Path, text: str, says: str) -> None:
    """Binding and tasks included: nothing has to be run to know."""
    (problem, *others) = check(hierarchy(tmp_path, text)).problems
    assert problem.startswith(f"{tmp_path}/{says}")
    assert all(other.startswith(str(tmp_path)) for other in others)


def test_what_only_a_program_or_the_command_line_can_give_is_no_mistake(tmp_path: Path) -> None:
    """A function's name, and a file of tasks that comes later."""
    text = RECORDED.replace("rows.jsonl", "later.csv")
    assert check(hierarchy(tmp_path, text)).problems == ()


def test_warnings_stand_beside_a_sound_file(tmp_path: Path) -> None:
    """What its author may mend does not stop it."""
    found = check(hierarchy(tmp_path, SMALL.replace("authority: 4", "authority: 3")))
    assert found.problems == ()
    assert "no top has authority 4" in found.warnings[0]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """Named, with nothing raised."""
    found = check(tmp_path / "gone.yaml")
    assert found.problems == (f"{tmp_path}/gone.yaml: no such file",)


def test_every_mistake_is_told(tmp_path: Path) -> None:
    """Several agents that cannot be bound, in one pass."""
    text = SMALL.replace(CRITIC, "{model: sym/overseer, authority: 4}\n  other: {model: openay/x, authority: 4}")
    assert len(check(hierarchy(tmp_path, text)).problems) == 2

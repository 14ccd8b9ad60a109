"""From pydantic's errors to lines that tell a stranger what to edit."""

from __future__ import annotations

from pathlib import Path
from time import process_time
from typing import Literal

import pytest
from faults_driver import in_time
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from overseer.config.strict_yaml import parse, read
from overseer.config.validation import problems as problems_of
from overseer.config.validation import validate
from overseer.errors import ConfigError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Jury(_Strict):
    rule: Literal["majority", "unanimous"] = "majority"
    k: int = Field(2, ge=2)


class _Entry(_Strict):
    who: list[str] | str
    jury: _Jury | str = "majority"
    share: float = 0.0

    @model_validator(mode="after")
    def _fits(self) -> _Entry:
        if self.share > 1:
            raise ValueError("a share is 1 at most")
        return self


class _Top(_Strict):
    name: str
    oversees: list[_Entry] = []
    by_name: dict[str, _Entry] = {}
    on: bool = False


def told(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        validate(parse(text, "f.yaml"), _Top)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on: true", "f.yaml: name: required key is missing"),
        ("name: x\non: yes", "f.yaml: on: must be true or false, not 'yes' [line 2]"),
        ("name: x\noverseas: []", "f.yaml: overseas: unknown key (did you mean 'oversees'?) [line 2]"),
        ("name: x\nzzz: 1", "f.yaml: zzz: unknown key (known: by_name, name, on, oversees) [line 2]"),
        ("name: x\noversees:\n- {who: [a, 3]}", "f.yaml: oversees[0].who[1]: must be text, not 3 [line 3]"),
        (
            "name: x\noversees:\n- who: a\n  jury: {rule: majorty}",
            "f.yaml: oversees[0].jury.rule: must be 'majority' or 'unanimous', not 'majorty' "
            "(did you mean 'majority'?) [line 4]",
        ),
        (
            "name: x\nby_name: {e: {who: a, jury: {rulle: majority}}}",
            "f.yaml: by_name.e.jury.rulle: unknown key (did you mean 'rule'?) [line 2]",
        ),
        (
            "name: x\nby_name: {e: {who: a, jury: {k: 1}}}",
            "f.yaml: by_name.e.jury.k: must be greater than or equal to 2, not 1 [line 2]",
        ),
        ("name: x\noversees: [{who: a, share: 2.0}]", "f.yaml: oversees[0]: a share is 1 at most [line 2]"),
        ("[]", "f.yaml: must be a mapping of keys to values, not a list"),
        ("name:", "f.yaml: name: must be text, not nothing [line 1]"),
        (f"name: [{'a, ' * 99}]", "f.yaml: name: must be text, not a list [line 1]"),
    ],
)
def test_each_mistake_has_its_path_remedy_and_line(text: str, expected: str) -> None:
    """The path is that of the file, without pydantic's labels for the members of a union."""
    assert expected in told(text)


def test_problems_come_in_the_order_of_the_file() -> None:
    """Missing keys first, then line by line; alternatives of one place on one line."""
    problems = told("oversees:\n- {}\n- {who: 1}\non: 3\n")
    assert problems == (
        "f.yaml: name: required key is missing",
        "f.yaml: oversees[0].who: required key is missing [line 2]",
        "f.yaml: oversees[1].who: must be a list, not 1, or must be text, not 1 [line 3]",
        "f.yaml: on: must be true or false, not 3 [line 4]",
    )


def test_many_problems_end_somewhere() -> None:
    """Fifty, and a word that there are more."""
    problems = told("name: x\noversees:\n" + "- {whom: 1}\n" * 200)
    assert len(problems) == 51
    assert problems[-1] == "f.yaml: and more"


def test_a_key_set_from_outside_keeps_its_path(tmp_path: Path) -> None:
    """What `--set` put into the tree is not in the file; its path is told all the same."""
    file = tmp_path / "f.yaml"
    file.write_text("name: x\n", encoding="utf-8")
    with pytest.raises(ValidationError) as caught:
        _Top.model_validate({"name": "x", "by_name": {"e": {"who": "a", "jury": {"k": "two"}}}, "on": 1})
    assert f"{file}: on: must be true or false, not 1" in problems_of(caught.value, read(file), _Top)


def test_any_number_of_problems_is_told_at_no_cost() -> None:
    """Of nine thousand wrong items only the first are put into words; that there are more is said all the same."""
    wrong = parse("name: x\nby_name: {e: {who: [" + "1, " * 9_000 + "]}}", "f.yaml")
    began = process_time()
    with pytest.raises(ConfigError) as caught:
        validate(wrong, _Top)
    assert in_time(process_time() - began, 0.4)
    assert caught.value.problems[-1] == "f.yaml: and more"

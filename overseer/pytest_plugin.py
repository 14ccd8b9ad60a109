"""Scenarios as pytest items: `pytest scenarios/` runs every file, with pytest's own reports and JUnit XML.

A front end beside the command line. Loaded in every pytest session of an environment that has overseer: imports nothing
of it until a scenario is found, and leaves other projects' YAML alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from overseer.scenarios import ScenarioResult

FOLDER = "scenarios"
_SUFFIXES = (".yaml", ".yml")
_KEY = re.compile(rb"^(about|hierarchy|expect|golden|replies)[ \t]*:", re.MULTILINE)
_MAX_BYTES = 256 * 1024
"""As large as a scenario can be."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioYaml | None:
    """Takes the YAML files that are scenarios; says nothing to others."""
    if file_path.suffix in _SUFFIXES and is_scenario(file_path):
        return ScenarioYaml.from_parent(parent, path=file_path)
    return None


def is_scenario(path: Path) -> bool:
    """Told by its keys at the top: `hierarchy` and `expect`; in a folder named `scenarios`, one may be misspelt.

    Nothing is parsed: what looks like a scenario and is none is told when it runs, not passed over.
    """
    try:
        with path.open("rb") as file:
            keys = set(_KEY.findall(file.read(_MAX_BYTES)))
    except OSError:  # a file that cannot be read is not ours to complain of
        return False
    if {b"hierarchy", b"expect"} <= keys:
        return True
    inside = any(folder.name == FOLDER for folder in path.parents)
    return inside and len(keys) > 1 and b"about" in keys


class ScenarioYaml(pytest.File):
    """A scenario's file: one item."""

    def collect(self) -> Iterator[pytest.Item]:
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """Drives the scenario; fails with what differed, one line each."""

    def runtest(self) -> None:
        from overseer import api

        (result,) = api.test([self.path])
        if not result.passed:
            raise Differs(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What differed, or what is wrong with the file; a bug is shown whole."""
        from overseer.errors import OverseerError
        from overseer.reports.safe import safe_lines

        if isinstance(excinfo.value, Differs | OverseerError):
            return "\n".join(safe_lines(str(excinfo.value)))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"scenario {self.name}"


class Differs(AssertionError):
    """A scenario that came out otherwise than it says."""

    def __init__(self, result: ScenarioResult) -> None:
        unsure = [f"inconclusive: {each}" for each in result.inconclusive]
        super().__init__("\n".join([f"{result.path}:", *(f"  {each}" for each in (*result.problems, *unsure))]))

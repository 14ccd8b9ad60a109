"""The pytest plugin: scenarios as items of a plain `pytest`, and other projects' YAML left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from overseer.pytest_plugin import is_scenario

ROOT = Path(__file__).parent.parent
SOUND = f"""\
about: A sound approval releases the output.
hierarchy:
  constitution: {ROOT}/constitutions/base.yaml
  agents: {{critic: {{authority: 4}}}}
  oversees: [{{who: critic, whom: policy}}]
tasks: [How hot may it get?]
replies: {{policy: Up to boiling., critic: approve}}
expect: {{outcome: released}}
"""

THEIRS = """\
import sys


def test_lazy():
    assert [name for name in sys.modules if name.startswith("overseer.")] == ["overseer.pytest_plugin"]
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A pytest session of its own in this folder, without this project's configuration."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "overseer.pytest_plugin", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.slow
def test_scenarios_are_items(tmp_path: Path) -> None:
    """`pytest scenarios/` runs each file, fails those that differ with what differed, and writes JUnit XML of it."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "good.yaml").write_text(SOUND, encoding="utf-8")
    (folder / "wrong.yaml").write_text(SOUND.replace("outcome: released", "outcome: withheld"), encoding="utf-8")
    unsure = "rates: {released: {at_least: 0.9, by: interval}}"
    (folder / "open.yaml").write_text(SOUND.replace("outcome: released", unsure), encoding="utf-8")
    (folder / "bad.yaml").write_text(SOUND.replace("outcome", "outcme"), encoding="utf-8")
    done = run_pytest(tmp_path, "scenarios", "-q", "--junitxml=junit.xml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 failed, 1 passed" in done.stdout
    assert "outcome is 'released', expected 'withheld'" in done.stdout
    assert "inconclusive: released is" in done.stdout
    assert "outcme: unknown key (did you mean 'outcome'?)" in done.stdout
    assert "Traceback" not in done.stdout
    cases = ElementTree.parse(tmp_path / "junit.xml").getroot().iter("testcase")
    assert sorted((case.get("name"), len(case)) for case in cases) == [
        ("bad", 1),
        ("good", 0),
        ("open", 1),
        ("wrong", 1),
    ]


@pytest.mark.slow
def test_one_scenario_by_name(tmp_path: Path) -> None:
    """A single file can be named, in whatever folder it stands."""
    (tmp_path / "mine.yaml").write_text(SOUND, encoding="utf-8")
    done = run_pytest(tmp_path, "mine.yaml", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.slow
def test_other_projects_are_left_alone(tmp_path: Path) -> None:
    """A project with YAML of its own, in a folder of that name too, collects what it did and loads nothing of ours."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "molecule.yaml").write_text("driver:\n  name: docker\nexpect: green\n", encoding="utf-8")
    (folder / "broken.yml").write_bytes(b"\xff\xfe: [\n")
    (tmp_path / "test_theirs.py").write_text(THEIRS, encoding="utf-8")
    done = run_pytest(tmp_path, "-q", "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("scenarios/a.yaml", "about: A\nhierarchy: b\ntasks: []\nexpect: {}\n", True),
        ("scenarios/deep/a.yaml", "about: A\nhierarchy: b\nexpct: {}\n", True),
        ("scenarios/a.yaml", "about: A\nsteps: []\n", False),
        ("scenarios/a.yaml", "expect: {}\n", False),
        ("elsewhere/a.yaml", "about: A\nhierarchy: b\nexpect: {}\n", True),
        ("elsewhere/a.yaml", "about: A\nhierarchy: b\nexpct: {}\n", False),
        ("elsewhere/a.yaml", "x:\n  hierarchy: b\n  expect: {}\n", False),
    ],
    ids=["sound", "misspelt", "another tool", "one key", "elsewhere", "elsewhere misspelt", "not at the top"],
)
def test_scenarios_are_told_by_their_keys(tmp_path: Path, name: str, text: str, taken: bool) -> None:
    """Keys at the top decide; in a folder of scenarios a misspelt one is taken, and fails, rather than passed over."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert is_scenario(path) is taken

"""The README's examples run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from overseer.config.hierarchies import load_hierarchy

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_first_two_shell_blocks_are_the_two_commands() -> None:
    """Somebody who pastes them into a fresh clone runs the main job, and passes the tests."""
    run, tests = blocks("bash")[:2]
    assert "pip install" in run
    assert "overseer run hierarchies/three_tier.yaml" in run
    assert "pip install" in tests
    assert "pytest" in tests


@pytest.mark.slow
def test_the_first_result_comes_out(tmp_path: Path) -> None:
    """The commands of the comparison, pasted one after the other, end in figures and in preference pairs."""
    for name in ("hierarchies", "constitutions"):
        (tmp_path / name).symlink_to(ROOT / name)
    scripts = Path(sys.executable).parent
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text(f'PATH="{scripts}:$PATH"\n', encoding="utf-8")
    (commands,) = blocks("sh")
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Paired differences" in done.stdout
    assert list(tmp_path.glob("runs/overseen/*/data/pairs.jsonl"))


@pytest.mark.slow
def test_the_python_example_runs(tmp_path: Path) -> None:
    """As a script, in a folder that holds what a clone holds."""
    for name in ("hierarchies", "constitutions"):
        (tmp_path / name).symlink_to(ROOT / name)
    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "preference pairs" in done.stdout
    assert " by " in done.stdout


def test_the_hierarchy_that_it_shows_is_sound(tmp_path: Path) -> None:
    """The YAML reads, with the constitution that it names."""
    (shown,) = [block for block in blocks("yaml") if "oversees:" in block]
    (tmp_path / "constitutions").symlink_to(ROOT / "constitutions")
    (tmp_path / "shown.yaml").write_text(shown, encoding="utf-8")
    assert load_hierarchy(tmp_path / "shown.yaml").hierarchy.levels == 3


def test_the_model_settings_that_it_shows_are_known(tmp_path: Path) -> None:
    """The fragment on real models fits into a hierarchy."""
    (fragment,) = [block for block in blocks("yaml") if "openai/" in block]
    whole = {
        "name": "real",
        "constitution": str(ROOT / "constitutions" / "base.yaml"),
        "policy": {"model": "sim/policy", "profile": "careless"},
        "oversees": [{"who": "critic", "whom": "policy"}],
        **yaml.safe_load(fragment),
    }
    (tmp_path / "real.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    assert load_hierarchy(tmp_path / "real.yaml").limits.models["openai/my-model"].rate == 20


def test_every_file_that_it_names_is_there() -> None:
    """No path in the README leads nowhere."""
    for path in re.findall(r"`((?:docs|hierarchies|constitutions|scenarios)/[\w./-]+\.\w+)`", README):
        assert (ROOT / path).exists(), path


def test_every_shipped_hierarchy_is_sound() -> None:
    """Each reads, opens with what it models, and its weights (if any) are said to be fitted first."""
    shipped = sorted((ROOT / "hierarchies").glob("*.yaml"))
    assert len(shipped) >= 11
    for path in shipped:
        assert path.read_text(encoding="utf-8").startswith("# "), path
        if path.stem != "recorded_review":  # needs a fitted judge beside it
            load_hierarchy(path)

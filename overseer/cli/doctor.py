"""`overseer doctor`: what this installation can do, and what each missing part needs."""

from __future__ import annotations

import importlib.util
import json
import platform
import sqlite3
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from overseer import __version__
from overseer.cli.console import mode, ui_option
from overseer.cli.exits import ERROR, OK

EXTRAS = {
    "openai": ("aiohttp",),
    "embed": ("torch", "transformers", "safetensors"),
    "parquet": ("pyarrow",),
    "train": ("torch", "transformers", "trl", "accelerate", "datasets", "peft", "safetensors"),
    "plot": ("matplotlib",),
}


@click.command(name="doctor")
@ui_option
def command(ui: str) -> int:
    """Say what works here. Exit code 1 if the core itself does not."""
    core = [_package(name) for name in ("pydantic", "yaml", "networkx", "numpy", "click", "rich")]
    extras = {extra: [_package(name) for name in names] for extra, names in EXTRAS.items()}
    local = _local()
    trial = _trial()
    if mode(ui) == "json":
        told = {"overseer": __version__, "core": core, "extras": extras, "local": local, "trial": trial or "ok"}
        print(json.dumps(told))
    else:
        print(f"overseer {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
        for name, found in core:
            print(f"  {name:14} {found or 'MISSING'}")
        for extra, packages in extras.items():
            missing = [name for name, found in packages if not found]
            state = f"missing {', '.join(missing)}: pip install 'overseer[{extra}]'" if missing else "ready"
            print(f"  [{extra}]{'':<{12 - len(extra)}} {state}")
        print(f"  models on this machine (hf/…, town/…): {local['state']}")
        print(f"  a run of 20 tasks: {trial or 'ends, and its record is whole'}")
    return ERROR if trial or not all(found for _, found in core) else OK


DISTRIBUTIONS = {"yaml": "pyyaml"}


def _package(module: str) -> tuple[str, str | None]:
    """A package and its version, without importing it: torch alone would take seconds."""
    if importlib.util.find_spec(module) is None:
        return module, None
    try:
        return module, version(DISTRIBUTIONS.get(module, module))
    except PackageNotFoundError:
        return module, "unknown version"


def _local() -> dict[str, object]:
    """Can weights on this machine be served, and which come with the package?"""
    from overseer.models.folders import shipped

    missing = [module for module in EXTRAS["embed"] if importlib.util.find_spec(module) is None]
    names = [f"town/{name}" for name in shipped()]
    if missing:
        return {"state": f"need {', '.join(missing)}: pip install 'overseer[embed]'", "ready": False, "shipped": names}
    state = f"ready; with the package come {', '.join(names) or 'none'}"
    return {"state": state, "ready": True, "shipped": names}


TRIAL = """
name: trial
constitution: constitution.yaml
policy: {model: sim/policy, profile: helpful_only}
agents: {critic: {model: sim/overseer, authority: 4, profile: default}}
oversees: [{who: critic, whom: policy}]
rounds: 1
tasks: {town: {count: 20}}
"""
TRIAL_CONSTITUTION = """
name: trial
layers:
  - name: all
    principles:
      - id: enable_no_misuse
        tier: 1
        text: Give no answer that serves a harmful end.
        why: So that the trial has something to look for.
        critique: Does the answer serve a harmful end?
        revise: Take out what serves it.
"""


def _trial() -> str | None:
    """Run and verify a small hierarchy in a temporary folder; what went wrong, None if nothing."""
    from overseer import api
    from overseer.errors import OverseerError

    def whole(folder: Path) -> None:
        (folder / "trial.yaml").write_text(TRIAL)
        (folder / "constitution.yaml").write_text(TRIAL_CONSTITUTION)
        run = api.run(folder / "trial.yaml", out=folder / "runs", seed=1)
        api.verify(run.path, rerun=1.0)

    return _problem(whole, OverseerError)


def _problem(work: Callable[[Path], None], expected: type[Exception]) -> str | None:
    with tempfile.TemporaryDirectory(prefix="overseer-") as folder:
        try:
            work(Path(folder))
        except (expected, OSError) as error:
            return str(error)
    return None

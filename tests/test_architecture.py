"""The rooms of the package: who may import whom, what the pure floors may not know, and the page that tells of them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "overseer"
MODULES = sorted(path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in PACKAGE.rglob("*.py"))
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "failpoints", "strict_json", "records"),
    (
        "names",
        "sampling",
        "constitution",
        "context",
        "declaration",
        "hierarchy",
        "decisions",
        "prompts",
        "judgement",
        "recourse",
        "provenance",
        "preferences",
        "metrics",
    ),
    ("oversight",),
    ("models", "town", "config", "reviewers", "journal"),
    (
        "sources",
        "running",
        "exports",
        "listeners",
        "made_of",
        "runs",
        "driving",
        "appealing",
        "checkpoints",
        "scenarios",
    ),
    ("training",),
    ("studies",),
    ("reports", "checking", "service", "api"),
    ("console", "cli", "testing", "pytest_plugin", "__main__"),
)
"""Rooms by floor, and on each floor in order: a room imports lower floors, or what stands before it on its own."""
PLACE = {room: (floor, index) for floor, rooms in enumerate(FLOORS) for index, room in enumerate(rooms)}
PURE_FLOORS = range(3)
IMPURE = {"asyncio", "random", "datetime", "os", "logging", "time", "pathlib", "sqlite3", "subprocess", "threading"}
HEAVY = {"torch", "transformers", "safetensors", "pyarrow", "aiohttp", "trl", "datasets", "peft", "accelerate"}
BEHIND_A_LAZY_DOOR = {
    "overseer.models.openai",
    *(f"overseer.training.{name}" for name in ("adapters", "generation", "networks", "ppo", "rewards", "snapshots")),
    "overseer.training.ppo_stage",
    "overseer.training.trl_trainers",
    "overseer.training.pretrain",
    "overseer.studies.live_reward",
}
"""Modules that are themselves imported only when their backend is asked for."""


def room(module: str) -> str:
    """`overseer.metrics.paired` → `metrics`; the front door is `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(module: str, *, at_the_top: bool = False) -> set[str]:
    """The modules that this one names in its imports, those for type checkers left out."""
    path = ROOT / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in tree.body if at_the_top else ast.walk(tree):
        match node:
            case ast.Import():
                found.update(alias.name for alias in node.names)
            case ast.ImportFrom(module=str(name), level=0):
                found.add(name)
                if name == "overseer":
                    found.update(f"overseer.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) != "__init__"])
def test_a_room_imports_only_what_stands_before_it(module: str) -> None:
    """Data flow is dependency order: nothing below knows anything above."""
    here = PLACE[room(module)]
    for name in imports(module):
        if not name.startswith("overseer.") or room(name) in (room(module), "__version__"):
            continue
        assert PLACE[room(name)] < here, f"{module} imports {name}"


@pytest.mark.parametrize("module", [name for name in MODULES if PLACE.get(room(name), (9, 0))[0] in PURE_FLOORS])
def test_the_pure_floors_know_no_world(module: str) -> None:
    """No clock, chance, file, process or event loop on floors 0 to 2."""
    known = {name.partition(".")[0] for name in imports(module)}
    assert not known & (IMPURE | HEAVY)


@pytest.mark.parametrize("module", [name for name in MODULES if name not in BEHIND_A_LAZY_DOOR])
def test_heavy_packages_load_when_first_used(module: str) -> None:
    """No extra is imported at the top of any module: the core works without them, and starts quickly."""
    assert not {name.partition(".")[0] for name in imports(module, at_the_top=True)} & HEAVY


@pytest.mark.slow
def test_the_interface_loads_without_any_extra() -> None:
    """Importing all the verbs leaves every heavy package alone."""
    code = f"import sys, overseer.api, overseer.cli; sys.exit(','.join({HEAVY!r} & sys.modules.keys()) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_short(module: str) -> None:
    """350 lines at most; the records are one list and PPO is one algorithm, and may be longer."""
    path = ROOT / (module.replace(".", "/") + ".py")
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 350 or module in ("overseer.records", "overseer.training.ppo"), f"{lines} lines"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    """A docstring opens each module."""
    path = ROOT / (module.replace(".", "/") + ".py")
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_the_page_names_every_module() -> None:
    """A newcomer finds each file on the page."""
    named = set(re.findall(r"`(overseer/[\w/]+\.py)`", PAGE)) | {
        f"{package}{name}" for package, name in re.findall(r"\*\*`(overseer/\w+/)`\*\* \(`(__init__\.py)`\)", PAGE)
    }
    files = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}
    assert files - named == set()


def test_every_file_that_the_page_names_exists() -> None:
    """The page names nothing that is gone."""
    for path in re.findall(r"`((?:overseer|tests|benchmarks|scenarios|docs)/[\w./-]*)`", PAGE):
        assert (ROOT / path).exists(), path

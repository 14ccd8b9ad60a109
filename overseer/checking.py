"""What kind of file somebody wrote, and everything that is wrong with it, at once.

Beside the walk: `overseer check` for hierarchies, constitutions and scenarios. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from overseer.config.constitutions import check_constitution
from overseer.config.hierarchies import load_hierarchy
from overseer.config.strict_yaml import load as load_yaml
from overseer.errors import ConfigError
from overseer.hierarchy import Hierarchy
from overseer.reviewers import Reviewer
from overseer.reviewers.binding import Given, bind
from overseer.scenarios import check_scenario
from overseer.sources import open_source, with_known_bad


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file is, what is wrong with it (with any problem it cannot be used), and what its author may mend."""

    path: Path
    kind: str
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def check(path: str | Path) -> Checked:
    """Check a hierarchy's, a constitution's or a scenario's file, all at once."""
    path = Path(path)
    try:
        tree = load_yaml(path)
    except ConfigError as error:
        return Checked(path, "file", error.problems, ())
    if isinstance(tree, dict) and "policy" not in tree and tree.keys() & {"layers", "extends", "principles"}:
        problems, warnings = check_constitution(path)
        return Checked(path, "constitution", problems, warnings)
    if isinstance(tree, dict) and "expect" in tree:
        return Checked(path, "scenario", check_scenario(path), ())
    try:
        setup = load_hierarchy(path)
        bound = bind(setup.hierarchy.agents, "check", setup.beside, _unbound(setup.hierarchy), f"{path}: ")
        if setup.tasks.file is None:  # a file of tasks may come later, or by `--tasks`
            with_known_bad(open_source(setup.tasks, setup.beside, f"{path}: "), setup, "check")
    except ConfigError as error:
        return Checked(path, "hierarchy", error.problems, ())
    return Checked(path, "hierarchy", (), (*setup.warnings, *_unlearned(path, setup.hierarchy, bound)))


def _unlearned(path: Path, hierarchy: Hierarchy, bound: Mapping[str, Reviewer]) -> Iterator[str]:
    """A fitted judge approves of what it has learned to see: what it has not is nobody's, unless another looks."""
    for name, reviewer in bound.items():
        if not hierarchy.agents[name].model.startswith("embed/"):
            continue
        from overseer.reviewers.embedding import EmbeddingReviewer

        if isinstance(reviewer, EmbeddingReviewer):
            constitution = hierarchy.agents[name].constitution or hierarchy.constitution
            stated = {principle.id for layer in constitution.layers for principle in layer.principles}
            learned = sorted(stated & reviewer.judge.vectors.keys())
            yield (
                f"{path}: agents.{name}: this judge has learned {', '.join(learned) or 'none'} of the {len(stated)} "
                "principles: its approval says nothing of the others (let another agent look for them)"
            )


def _unbound(hierarchy: Hierarchy) -> Given:
    """Stand-ins for what only a program can give: a check asks whether the file is right, not who calls it."""

    async def nobody(request: object) -> object:
        raise AssertionError("a check asks nobody")

    return {agent.model: nobody for agent in hierarchy.agents.values() if agent.model.startswith("python/")}

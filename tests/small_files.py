"""A small hierarchy and its constitution as files, for tests of what begins with a file."""

from __future__ import annotations

from pathlib import Path

CONSTITUTION = """\
name: small
layers:
  - name: all
    principles:
      - {id: enable_no_misuse, tier: 1, text: Serve no harm., why: It hurts., critique: Does it?, revise: Mend it.}
      - {id: finish_the_task, tier: 4, text: Finish it., why: It helps., critique: Is it done?, revise: Do it.}
cues: {risk: {3: [poison]}}
"""
CRITIC = "{model: sim/overseer, authority: 4, profile: default}"
SMALL = f"""\
name: small
constitution: constitution.yaml
policy: {{model: sim/policy, profile: helpful_only}}
agents:
  critic: {CRITIC}
oversees: [{{who: critic, whom: policy}}]
rounds: 1
tasks: {{town: {{count: 6}}}}
"""
PERSON = SMALL.replace(CRITIC, "{human: {persons: 1}, authority: 4}")
"""A person at a console looks at everything."""
SPENT = SMALL.replace(CRITIC, "{human: {by: sim/human}, authority: 4}").replace(
    "whom: policy}", "whom: policy, budget: {reviews: 2}}"
)
"""A simulated person who may look at two tasks."""
RECORDED = (
    SMALL.replace("{model: sim/policy, profile: helpful_only}", "{model: recorded/rows}")
    .replace("model: sim/overseer", "model: python/judge")
    .replace(", profile: default", "")
    .replace("rounds: 1", "rounds: 0")
    .replace("{town: {count: 6}}", "{file: rows.jsonl}")
)
"""Recorded answers, which a program's own function judges."""
ROWS = (
    '{"id": "a", "prompt": "How much?", "response": "This much."}\n{"id": "b", "prompt": "How?", "response": "So."}\n'
)


def write(path: Path, text: str) -> Path:
    """A file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def hierarchy(folder: Path, text: str = SMALL, name: str = "small.yaml") -> Path:
    """A hierarchy's file, with its constitution (and rows) beside it."""
    write(folder / "constitution.yaml", CONSTITUTION)
    write(folder / "rows.jsonl", ROWS)
    return write(folder / name, text)


def runs_in(folder: Path) -> list[Path]:
    """The folders of the runs that lie there."""
    return sorted(path for path in folder.glob("*") if path.is_dir()) if folder.exists() else []

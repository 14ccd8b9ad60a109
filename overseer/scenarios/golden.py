"""A scenario's golden part: one line a task of what was decided, rewritten only on request.

After the walk. Rewrites the lines under the file's `golden:` key and nothing else.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from overseer.config.strict_yaml import Document, parse
from overseer.errors import ConfigError
from overseer.hierarchy import Hierarchy
from overseer.records import Evaluation
from overseer.scenarios.drive import Driven

HASH = 12
"""Characters of an output's hash that stand for it."""


def summary(driven: Driven, hierarchy: Hierarchy) -> str:
    """What became of a task and who decided what, in one line that is the same whenever the same was decided."""
    episode = driven.episode
    if episode is None:
        asked = ", ".join(f"{request.agent}" for request, reply in driven.exchanges if reply is None)
        return f"{driven.task.id}: waits for {asked}"
    looks = "; ".join(_look(each, hierarchy) for each in episode.evaluations) or "nobody looked"
    output = episode.output[:HASH] if episode.output else "none"
    return (
        f"{driven.task.id}: {episode.outcome} by {episode.rule} | {looks} | output {output}, "
        f"{episode.requests} requests, {episode.failures} failures"
    )


def jurors(stage: str, hierarchy: Hierarchy) -> str:
    """A stage by its jurors' names."""
    return next("+".join(each.who) for each in hierarchy.stages if each.id == stage)


def _look(evaluation: Evaluation, hierarchy: Hierarchy) -> str:
    casts = ",".join(f"{vote.cast}*" if vote.carried else vote.cast for vote in evaluation.votes)
    struck = f", {len(evaluation.strikes)} conflicts" if evaluation.strikes else ""
    decision = evaluation.decision
    who = jurors(evaluation.stage, hierarchy)
    return f"{evaluation.draft} {who} {decision.action} by {decision.rule} [{casts}{struck}]"


# --- the file ------------------------------------------------------------------------------------------------------


def update(path: Path, document: Document, lines: list[str]) -> bool:
    """Write these lines under the file's `golden:` key; False if they stand there already.

    Raises `ConfigError` where the key is not written as a block of its own, so that other parts would change.
    """
    assert isinstance(document.tree, dict)
    if document.tree.get("golden") == lines:
        return False
    text = path.read_bytes().decode("utf-8-sig")
    rows = text.splitlines(keepends=True)
    start = document.lines[("golden",)] - 1
    end = start + 1
    while end < len(rows) and (not rows[end].strip() or rows[end][0] in " -"):
        end += 1
    while not rows[end - 1].strip():
        end -= 1
    newline = "\r\n" if rows[start].endswith("\r\n") else "\n"
    block = [f"golden:{newline}", *(f"  - {json.dumps(line, ensure_ascii=False)}{newline}" for line in lines)]
    written = "".join([*rows[:start], *block, *rows[end:]])
    after = parse(written, str(path)).tree
    if after != {**document.tree, "golden": lines}:
        raise ConfigError(f"{path}: golden: cannot be rewritten alone (write it as a block list, last in the file)")
    _replace(path, written)
    return True


def _replace(path: Path, text: str) -> None:
    """Whole or not at all: a reader never sees half a file."""
    with NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False, newline="", encoding="utf-8"
    ) as file:
        file.write(text)
    Path(file.name).chmod(path.stat().st_mode)
    os.replace(file.name, path)

"""What a run is made of, as its manifest identifies it: its tasks, the files of its hierarchy, its weights.

Beside the walk's step 8, before `runs`, which makes a run of it and holds it against what is there later. Knows no run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from itertools import count
from pathlib import Path

from overseer.config.hierarchies import Setup
from overseer.journal.run_folder import identity, identity_of
from overseer.models import folders
from overseer.sources import TaskSource

LISTED = "listed tasks.jsonl"
LISTED_ROLE = f"file {LISTED}"
"""Under what name a run keeps the tasks that a program listed."""


def inputs_of(
    setup: Setup, source: TaskSource, overrides: Sequence[str], given: Collection[str]
) -> tuple[dict[str, str], dict[str, bytes]]:
    """What identifies a run's inputs, and verbatim copies of its files under relative paths that keep their links."""
    inputs = {"tasks": source.digest}
    if given:
        inputs["given"] = ", ".join(sorted(given))
    if not setup.files:
        return {"hierarchy": f"python {setup.hierarchy.name}", **inputs}, {}
    files = [placed(file) for file in setup.files]
    common = Path(os.path.commonpath([file.parent for file in files]))
    named = {file.relative_to(common).as_posix(): file for file in files}
    config = {name: file.read_bytes() for name, file in named.items() if file.exists()}
    inputs |= {f"file {name}": identity_of(content) for name, content in config.items()}
    inputs |= {f"weights {name}": identity_now(path) or "gone" for name, path in _told_apart(setup.weights).items()}
    inputs |= {
        "entry": files[0].relative_to(common).as_posix(),
        "origin": str(files[0]),
        "set": json.dumps(list(overrides)),
    }
    if source.copy is not None:
        config[LISTED] = source.copy
        inputs[LISTED_ROLE] = identity_of(source.copy)
    return inputs, config


def _told_apart(weights: Sequence[Path]) -> dict[str, Path]:
    """Weights by the ends of their paths: as much of them as tells all apart, wherever the rest of the path leads."""
    # A folder's name alone is often its step in training.
    ends = ({"/".join(path.parts[-(1 + path.is_dir() + more) :]): path for path in weights} for more in count())
    return next(named for named in ends if len(named) == len(set(weights)))


def placed(file: Path) -> Path:
    """A file's absolute path; a link stays one, since what a file names is found beside the link."""
    return file.parent.resolve() / file.name


def identity_now(path: Path) -> str | None:
    """A file's or a folder of weights' identity as it is now; None where there is none."""
    return folders.identity(path) if path.is_dir() else identity(path) if path.is_file() else None

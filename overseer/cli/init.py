"""`overseer init`: a commented project that works at once, written whole or not at all, over nothing that is there.

The files are those of `overseer/starter`, to be read as they stand; only the name changes.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

import click

from overseer.cli.console import mode, say, ui_option
from overseer.cli.exits import OK
from overseer.errors import ConfigError

FILES = {
    "hierarchy.yaml": "hierarchy.yaml",
    "constitution.yaml": "constitution.yaml",
    "scenarios/sent_back.yaml": "scenarios/sent_back.yaml",
    "answers.jsonl": "answers.jsonl",
    "README.md": "README.md",
    ".gitignore": "gitignore",  # under its own name it would hold where it lies
}
"""Each file of a project, and the one of `overseer/starter` that it is made of."""
NAME = "starter"
"""What the project is called in those files."""
NEXT = ("overseer check hierarchy.yaml constitution.yaml", "overseer test scenarios", "overseer run hierarchy.yaml")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@click.command(name="init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("."))
@click.option("--name", help="What runs are named after; else the folder's name.")
@ui_option
def command(folder: Path, name: str | None, ui: str) -> int:
    """Write a starter project into FOLDER (by default, here): a hierarchy, a constitution, a scenario.

    It runs as it stands, on simulated agents. Where any of its files exists already, nothing is written.
    """
    if not str(folder).isprintable():
        raise ConfigError(f"{folder}: characters that cannot be shown (give the folder another name)")
    if name is not None and _NAME.fullmatch(name) is None:
        raise ConfigError(f"--name {name[:60]!r}: must be a name (a letter, then letters, digits, `-` and `_`)")
    starter = files("overseer") / "starter"
    called = name or named_after(Path(os.path.abspath(folder)).name)
    project = {
        path: (starter / source).read_text(encoding="utf-8").replace(NAME, called).encode()
        for path, source in FILES.items()
    }
    write_project(folder, project)
    _tell(folder, mode(ui) == "json")
    return OK


def named_after(folder: str) -> str:
    """A hierarchy's name made of a folder's: what a name may not hold becomes `-`."""
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", folder).strip("-")
    kept = kept if kept[:1].isalpha() else f"{NAME}-{kept}"
    return kept[:64].rstrip("-")


def write_project(folder: Path, project: Mapping[str, bytes]) -> None:
    """Put all these files into a folder, or none: they are written beside it, and then put in place.

    A new folder appears whole. In one that is there, each file is put in place exclusively, and all are taken back if
    one cannot be. Raises `ConfigError` where any of them exists.
    """
    there = [path for path in project if os.path.lexists(folder / path)]
    if there:
        raise ConfigError(
            f"{folder}: {', '.join(there)} exists already (nothing was written; choose another folder, or move it away)"
        )
    new = not os.path.lexists(folder)
    above = folder.parent if new else folder
    above.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".overseer-init-", dir=above) as part, ExitStack() as undo:
        whole = Path(part) / "project"
        for path, content in project.items():
            (whole / path).parent.mkdir(parents=True, exist_ok=True)
            (whole / path).write_bytes(content)
        if new:
            os.rename(whole, folder)
            return
        for path in project:
            _place(whole / path, folder / path, undo)
        undo.pop_all()


def _place(written: Path, target: Path, undo: ExitStack) -> None:
    try:
        if not os.path.lexists(target.parent):
            target.parent.mkdir()
            undo.callback(target.parent.rmdir)
        os.link(written, target)  # unlike a rename, never over another
    except OSError as error:
        raise ConfigError(f"{target}: {error.strerror} (nothing was written; choose another folder)") from error
    undo.callback(target.unlink)


def _tell(folder: Path, as_json: bool) -> None:
    """What was written, and what to do next."""
    written = [str(folder / path) for path in FILES]
    there = folder.resolve() == Path.cwd()
    steps = [*([] if there else [f"cd {shlex.quote(str(folder))}"]), *NEXT]
    if as_json:
        print(json.dumps({"folder": str(folder), "written": written, "next": steps}))
        return
    print("\n".join(written))
    say("next:")
    for step in steps:
        say(f"  {step}")

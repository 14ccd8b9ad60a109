"""A text changed in the person's own editor.

Behind the walk's step 7. The text lies in a folder of its own, readable by its owner alone, for as long as the editor
runs. Knows no checkpoint.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from overseer.errors import ConfigError

DEFAULT = "vi"


def edited(text: str) -> str | None:
    """The text as it was changed in `$VISUAL`, `$EDITOR` or vi; None where it was left unchanged, or empty.

    Raises `ConfigError` where there is no such editor, it failed, or what it left is no UTF-8.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or DEFAULT
    with tempfile.TemporaryDirectory(prefix="overseer-") as folder:
        file = Path(folder) / "draft.txt"
        file.write_text(text, encoding="utf-8", newline="")
        try:
            done = subprocess.run([*shlex.split(command), str(file)], check=False)
            changed = file.read_bytes().decode("utf-8")
        except (OSError, ValueError) as error:
            raise ConfigError(f"{command}: {error} (nothing was ruled; name an editor in $EDITOR)") from error
    if done.returncode != 0:
        raise ConfigError(f"{command}: left with {done.returncode} (nothing was ruled; name an editor in $EDITOR)")
    if not text.endswith("\n"):  # most editors end the last line
        changed = changed.removesuffix("\n")
    return None if changed == text or not changed.strip() else changed

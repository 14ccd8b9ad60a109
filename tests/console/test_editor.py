"""A text changed in somebody's editor: taken over, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from overseer.console.editor import edited
from overseer.errors import ConfigError


def editor(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "my editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"'{path}' --wait")


@pytest.mark.parametrize(
    ("script", "text", "came"),
    [
        pytest.param('printf "Mine.\\n" > "$2"', "So.", "Mine.", id="the last line's end is the editor's"),
        pytest.param('printf "Mine.\\n" > "$2"', "So.\n", "Mine.\n", id="or was there before"),
        pytest.param("true", "So.", None, id="unchanged"),
        pytest.param('echo >> "$2"', "So.", None, id="only a line's end"),
        pytest.param('printf " \\n" > "$2"', "So.", None, id="emptied"),
        pytest.param('mv "$2" "$2~" && printf "M" > "$2"', "So.", "M", id="written anew, as some do"),
    ],
)
def test_a_text_comes_back_changed_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, text: str, came: str | None
) -> None:
    """An editor's own habits are no change."""
    editor(tmp_path, script, monkeypatch)
    assert edited(text) == came


@pytest.mark.parametrize("script", ["exit 3", 'printf "\\377" > "$2"', 'rm "$2"'])
def test_an_editor_that_fails_rules_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """It is said, with the remedy."""
    editor(tmp_path, script, monkeypatch)
    with pytest.raises(ConfigError, match="nothing was ruled"):
        edited("So.")


def test_without_an_editor_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback in the middle of a ruling."""
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    with pytest.raises(ConfigError, match=r"name an editor in \$EDITOR"):
        edited("So.")


def test_the_text_is_the_owners_alone_and_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drafts may be harmful, or private."""
    editor(tmp_path, f'stat -c %a "$(dirname "$2")" > {tmp_path}/mode; echo "$2" > {tmp_path}/name', monkeypatch)
    edited("So.")
    assert (tmp_path / "mode").read_text().strip() == "700"
    assert not Path((tmp_path / "name").read_text().strip()).exists()

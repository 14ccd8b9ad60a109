"""Completion: what is offered for what is typed, in real shells, and quickly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from click.shell_completion import BashComplete

from overseer.cli import COMMANDS, dispatch, overseer
from overseer.cli.values import DEPTH, ENTRIES, MANIFEST, runs_from
from overseer.exports.tables import What
from overseer.town import ENVIRONMENTS

HEAVY = ("numpy", "pydantic", "networkx", "yaml", "rich", "asyncio", "torch", "pyarrow", "aiohttp", "overseer.api")
SHELLS = ("bash", "zsh", "fish")
OLD, NEW, ARM = "runs/20260101T000000Z_a_1", "runs/20260201T000000Z_b_2", "runs/alone/20260301T000000Z_c_3"


def run_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / MANIFEST).touch()
    return path


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three runs and a hierarchy in it, in which one stands."""
    for run in (OLD, NEW, ARM):
        run_folder(tmp_path / run)
    (tmp_path / "hierarchy.yaml").touch()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(*words: str) -> list[tuple[str, str]]:
    """What is offered for the last of these words: kinds and values."""
    *before, begun = words
    completing = BashComplete(overseer, {}, "overseer", "_OVERSEER_COMPLETE")
    return [(item.type, str(item.value)) for item in completing.get_completions(before, begun)]


def values(*words: str) -> list[str]:
    found = offered(*words)
    assert {kind for kind, _ in found} <= {"plain"}
    return [value for _, value in found]


# --- what is offered -----------------------------------------------------------------------------------------------


def test_verbs_are_offered_in_their_order() -> None:
    """With what they do, for shells that show it; a verb is itself one of what is offered."""
    assert values("") == list(COMMANDS)
    assert values("ex") == ["export"]
    assert values("--v") == ["--version"]
    completing = BashComplete(overseer, {}, "overseer", "_OVERSEER_COMPLETE")
    assert completing.get_completions([], "ru")[0].help == COMMANDS["run"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["run", "--s"], ["--seed", "--set"]),
        (["run", "x.yaml", "--ui", "p"], ["plain"]),
        (["export", "x", "--what", ""], list(get_args(What))),
        (["export", "x", "--what", "p"], ["pairs"]),
        (["export", "x", "--what=p"], ["pairs"]),
        (["export", "x", "--format", ""], ["jsonl", "csv", "parquet"]),
        (["check", "--schema", "h"], ["hierarchy"]),
        (["town", "sa"], ["sample"]),
        (["town", "sample", "--environment", ""], list(ENVIRONMENTS)),
        (["town", "sample", "--environment", "p"], ["paraphrase", "pairs", "pressure"]),
        (["completion", ""], list(SHELLS)),
        (["rnu", "--s"], []),
    ],
    ids=lambda value: " ".join(value) or "nothing",
)
def test_options_and_values_are_offered(typed: list[str], found: list[str]) -> None:
    """Those that fit what is typed; nothing of a verb that is none."""
    assert values(*typed) == found


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        (["run", "h"], "file"),
        (["run", "x", "--tasks", ""], "file"),
        (["check", ""], "file"),
        (["test", "a.yaml", ""], "file"),
        (["init", ""], "dir"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_paths_are_left_to_the_shell(typed: list[str], kind: str) -> None:
    """It knows the files, and how to quote them."""
    assert offered(*typed) == [(kind, typed[-1])]


# --- runs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["resume", "report", "verify", "export"])
@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", [ARM, NEW, OLD]),
        ("ru", [ARM, NEW, OLD]),
        ("runs/", [ARM, NEW, OLD]),
        ("runs/2026", [NEW, OLD]),
        ("./runs/alone/", [f"./{ARM}"]),
        (OLD, [OLD]),
    ],
)
@pytest.mark.usefixtures("there")
def test_runs_are_offered_newest_first(verb: str, typed: str, found: list[str]) -> None:
    """Whole paths, from wherever one is typed, however they are nested."""
    assert values(verb, typed) == found


@pytest.mark.usefixtures("there")
def test_a_second_run_is_offered_too() -> None:
    """`report A B`."""
    assert values("report", OLD, "runs/a") == [ARM]


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("typed", ["d", "data/", "gone/x", "hierarchy.yaml/", "~"])
def test_folders_are_offered_where_no_run_is(typed: str) -> None:
    """By the shell: one may be on the way to a run."""
    assert offered("report", typed) == [("dir", typed)]


def test_an_absolute_path_works(there: Path) -> None:
    """It stays absolute."""
    assert runs_from(f"{there}/runs/20260101") == [f"{there}/{OLD}"]


def test_names_that_a_shell_would_read_are_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks, quotes, variables, commands, patterns, line ends and escape codes: the shell itself must quote them."""
    monkeypatch.chdir(tmp_path)
    for name in ("a b", "a'b", "a$HOME", "a`id`", "a*", "a\nplain,b", "a;b", "a\x1b[2J", "aé", "a,b", "a:b", ".hidden"):
        run_folder(tmp_path / name)
    run_folder(tmp_path / "a-plain.one_1")
    assert runs_from("") == ["a-plain.one_1"]
    assert runs_from(".h") == [".hidden"]


def test_what_lies_deep_is_not_searched_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody waits, whatever tree one stands in."""
    monkeypatch.chdir(tmp_path)
    deep = Path(*"abcdefgh"[: DEPTH - 1])
    run_folder(deep / "found")
    run_folder(deep / "folder" / "not_found")
    assert runs_from("") == [f"{deep}/found"]


@pytest.mark.slow
def test_a_folder_of_very_many_things_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found by then is offered."""
    monkeypatch.chdir(tmp_path)
    run_folder(tmp_path / "a" / "found")
    (tmp_path / "b").mkdir()
    for number in range(ENTRIES):
        (tmp_path / "b" / f"file{number}").touch()
    run_folder(tmp_path / "c" / "not_found")
    assert runs_from("") == ["a/found"]


# --- shells --------------------------------------------------------------------------------------------------------


def needs(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed here")
    return path


def in_shell(shell: str, script: str) -> str:
    """What a shell prints, with `overseer` in its path and nobody's start-up files; nothing on stderr."""
    quiet = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [needs(shell), *quiet, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PATH": places, "HOME": os.getcwd(), "TERM": "dumb"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """On stdout, for `eval` or a file; its help says where it belongs."""
    assert dispatch(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert f"_OVERSEER_COMPLETE={shell}_complete" in out
    assert err == ""
    assert dispatch(["completion", "--help"]) == 0
    assert f"overseer completion {shell}" in capsys.readouterr().out


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that are known."""
    assert dispatch(["completion", "csh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("there")
def test_bash_completes() -> None:
    """The script, sourced as its help says, and asked as bash asks."""
    script = """
eval "$(overseer completion bash)"
complete -p overseer
ask() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _overseer_completion overseer
    echo "${COMPREPLY[*]}"
}
ask overseer re
ask overseer report ""
ask overseer report RUN runs/a
ask overseer export RUN --what s
"""
    first, *answers = in_shell("bash", script).splitlines()
    assert first.endswith("overseer")
    assert answers[0].split() == [verb for verb in COMMANDS if verb.startswith("re")]
    assert answers[1:] == [f"{ARM} {NEW} {OLD}", ARM, "steps"]


@pytest.mark.slow
@pytest.mark.usefixtures("there")
def test_zsh_completes() -> None:
    """The script in a real zsh; only what would draw the menu is stood in for."""
    script = """
autoload -Uz compinit && compinit -D
eval "$(overseer completion zsh)"
print -r -- ${_comps[overseer]}
compadd() { print -r -- ${(P)@[-1]} }
_describe() { print -r -- ${(P)@[3]} }
ask() { words=("$@") CURRENT=$#; _overseer_completion }
ask overseer expo
ask overseer report ''
ask overseer export RUN --what s
"""
    assert in_shell("zsh", script).splitlines() == [
        "_overseer_completion",
        f"export:{COMMANDS['export']}",
        f"{ARM} {NEW} {OLD}",
        "steps",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("there")
def test_fish_completes() -> None:
    """fish itself says what it would offer."""
    script = """
overseer completion fish | source
complete -C 'overseer expo'
complete -C 'overseer report runs/'
complete -C 'overseer export RUN --what s'
complete -C 'overseer run hier'
"""
    verb, *rest = in_shell("fish", script).splitlines()
    assert verb.split("\t")[0] == "export"
    assert sorted(rest[:3]) == [OLD, NEW, ARM]
    assert rest[3:] == ["steps", "hierarchy.yaml"]


# --- quickly -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_verb_loads_anything_heavy_before_it_is_called() -> None:
    """A shell asks at every press of the key, and `--help` is read by somebody who waits."""
    code = (
        "import sys; from importlib import import_module; from overseer.cli import COMMANDS\n"
        f"for verb in COMMANDS:\n"
        f"    import_module('overseer.cli.' + verb.replace('-', '_'))\n"
        f"    heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    assert not heavy, (verb, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr

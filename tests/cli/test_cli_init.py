"""`overseer init`: a project that works as it stands, whose every alternative works, written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from overseer.checking import check
from overseer.cli import dispatch
from overseer.cli.init import FILES, NAME, named_after, write_project
from overseer.config.constitutions import constitution_schema
from overseer.config.hierarchies import load_hierarchy
from overseer.config.hierarchy_schema import json_schema
from overseer.config.strict_yaml import load
from overseer.errors import ConfigError
from overseer.models.recorded import Columns
from overseer.reviewers.profiles import PRESETS
from overseer.scenarios import scenario_schema
from overseer.town import ENVIRONMENTS

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "overseer" / "starter"
YAMLS = [path for path in FILES if path.endswith(".yaml")]
MARK = "#> "


def blocks(file: str) -> list[tuple[int, int]]:
    """The alternatives of a starter file: from which line to which."""
    lines = (STARTER / file).read_text(encoding="utf-8").splitlines()
    marked = [line.lstrip().startswith(MARK) for line in lines]
    begin = [at for at, is_marked in enumerate(marked) if is_marked and not marked[at - 1]]
    return [
        (at, next(end for end in range(at, len(marked) + 1) if end == len(marked) or not marked[end])) for at in begin
    ]


ALTERNATIVES = [(file, begin, end) for file in YAMLS for begin, end in blocks(file)]


def taken(text: str, begin: int, end: int) -> str:
    """The text with one alternative taken as its head says: without the mark, in the place of the same key above."""
    lines = text.splitlines()
    block = [re.sub(rf"^(\s*){MARK}", r"\1", line) for line in lines[begin:end]]
    depth = len(block[0]) - len(block[0].lstrip())
    key = block[0].split(":")[0]
    above = begin
    while above := above - 1:
        line = lines[above]
        if line.startswith(f"{key}:"):
            after = above + 1
            while lines[after].startswith(" " * (depth + 1)):
                after += 1
            return "\n".join([*lines[:above], *lines[after:begin], *block, *lines[end:]])
        if line.strip() and not line.lstrip().startswith("#") and len(line) - len(line.lstrip()) < depth:
            break
    return "\n".join([*lines[:begin], *block, *lines[end:]])


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A fresh one, in a folder of its own."""
    assert dispatch(["init", str(tmp_path / "mine")]) == 0
    capsys.readouterr()
    return tmp_path / "mine"


@pytest.mark.slow
def test_a_fresh_project_works(project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Its files are sound without a warning, its scenario passes, and its hierarchy runs to the end."""
    files = [str(project / path) for path in YAMLS]
    assert dispatch(["check", *files]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        f"{path}: a sound {kind}" for path, kind in zip(files, ("hierarchy", "constitution", "scenario"), strict=True)
    ]
    assert dispatch(["test", str(project / "scenarios")]) == 0
    runs = str(tmp_path / "runs")
    assert dispatch(["run", files[0], "--count", "20", "--seed", "1", "--out", runs]) == 0
    (run,) = (tmp_path / "runs").glob("*_mine_*/")
    assert dispatch(["verify", str(run), "--rerun", "1"]) == 0


@pytest.mark.slow
def test_the_readme_starts_one(tmp_path: Path) -> None:
    """The commands under "Start your own", pasted one after the other."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^## Start your own\n.*?^```sh-session\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    commands = "\n".join(line.removeprefix("$ ") for line in block.splitlines())
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=tmp_path,
        env={**os.environ, "PATH": places},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 of 1 scenarios passed" in done.stdout
    assert len(list(tmp_path.glob("my_project/runs/*_my_project_*/"))) == 1


@pytest.mark.parametrize(
    ("file", "begin", "end"), ALTERNATIVES, ids=lambda value: str(value + 1 if isinstance(value, int) else value)
)
def test_every_alternative_can_be_taken(
    project: Path, monkeypatch: pytest.MonkeyPatch, file: str, begin: int, end: int
) -> None:
    """As the head of the file says how: what is sound stays sound. The user's own files and key are there."""
    monkeypatch.setenv("MY_KEY", "secret")
    (project / "house.yaml").write_text("name: house\nlayers: []\n", encoding="utf-8")
    rows = "".join(json.dumps({"prompt": f"How many is {at}?", "response": "So many."}) + "\n" for at in range(30))
    (project / "known_bad.jsonl").write_text(rows, encoding="utf-8")
    path = project / file
    before = path.read_text(encoding="utf-8")
    path.write_text(taken(before, begin, end), encoding="utf-8")
    assert load(path) != load(STARTER / file)
    for each in YAMLS:
        assert check(project / each).problems == ()


def test_recorded_answers_and_people_can_be_taken_together(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file of answers that comes with the project is read."""
    path = project / "hierarchy.yaml"
    begin, end = next(block for block in blocks("hierarchy.yaml") if "recorded/rows" in lines_at(*block))
    text = taken(path.read_text(encoding="utf-8"), begin, end)
    path.write_text(text, encoding="utf-8")
    tasks = str(project / "answers.jsonl")
    arguments = ["run", str(path), "--tasks", tasks, "--out", str(project / "runs"), "--seed", "1", "--ui", "json"]
    arguments += ["--set", "agents.person={human: {persons: 2}, authority: 4}"]
    assert dispatch(arguments) == 5
    assert capsys.readouterr().out.startswith('{"event": "begun"')


def lines_at(begin: int, end: int) -> str:
    return "\n".join((STARTER / "hierarchy.yaml").read_text(encoding="utf-8").splitlines()[begin:end])


# --- what the comments say -----------------------------------------------------------------------------------------


def keys_of(node: Any) -> set[str]:
    """Every key that a JSON Schema knows, and every word that it lets stand as a value."""
    found: set[str] = set()
    if isinstance(node, dict):
        found |= set(node.get("properties", {})) | {word for word in node.get("enum", []) if isinstance(word, str)}
        found |= {node["const"]} if isinstance(node.get("const"), str) else set()
        for value in node.values():
            found |= keys_of(value)
    elif isinstance(node, list):
        for value in node:
            found |= keys_of(value)
    return found


WORDS = set(Columns.model_fields).union(*map(keys_of, (json_schema(), constitution_schema(), scenario_schema())))


@pytest.mark.parametrize("file", YAMLS)
def test_comments_name_only_keys_that_there_are(file: str) -> None:
    """What stands between back quotes and is one word is a key, or a word that a key takes."""
    text = (STARTER / file).read_text(encoding="utf-8")
    named = {word for line in text.splitlines() for word in re.findall(r"`([a-z]\w*)`", line)}
    assert named <= WORDS


@pytest.mark.parametrize("file", YAMLS)
def test_every_key_is_explained(file: str) -> None:
    """Beside it, on the line above, or by its name in some comment; the first time that it stands there."""
    lines = (STARTER / file).read_text(encoding="utf-8").splitlines()
    comments = " ".join(line.partition("#")[2] for line in lines)
    for key in WORDS - {"person", "policy", "0", "1", "2", "3"}:  # agents' names, and levels
        at = [place for place, line in enumerate(lines) if re.match(rf"\s*(- )?{key}:", line)]
        if at and f"`{key}`" not in comments:
            assert any("#" in lines[place] or lines[place - 1].lstrip().startswith("#") for place in at), key


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("policy.profile", tuple(PRESETS["sim/policy"][2])),
        ("agents.reader_a.profile", tuple(PRESETS["sim/overseer"][2])),
        ("tasks.town.environment", tuple(ENVIRONMENTS)),
        ("principles", ("all", "escalating", "{sample: 3}")),
        ("oversees.0.jury", ("unanimous", "any_objection", "{rule: quorum, k: 2}")),
        ("context.by", ("rules", "lead")),
    ],
)
def test_every_word_that_a_comment_offers_is_taken(project: Path, key: str, words: tuple[str, ...]) -> None:
    """And every one of the shipped profiles and environments is offered."""
    for word in words:
        load_hierarchy(project / "hierarchy.yaml", [f"{key}={word}"])
    text = (STARTER / "hierarchy.yaml").read_text(encoding="utf-8")
    assert [word for word in words if word.isidentifier() and word not in text] == []


# --- written whole or not at all -----------------------------------------------------------------------------------


def held(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder: the files with what they hold."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_it_says_what_was_written_and_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths on stdout, commands that can be pasted on stderr; with --ui json, one line."""
    assert dispatch(["init", str(tmp_path / "a b")]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(tmp_path / "a b" / path) for path in FILES]
    assert err.splitlines() == [
        "next:",
        f"  cd '{tmp_path}/a b'",
        "  overseer check hierarchy.yaml constitution.yaml",
        "  overseer test scenarios",
        "  overseer run hierarchy.yaml",
    ]
    assert sorted(path for path, content in held(tmp_path / "a b").items() if content) == sorted(FILES)
    assert dispatch(["init", str(tmp_path / "c"), "--ui", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == [str(tmp_path / "c" / path) for path in FILES]


@pytest.mark.parametrize("there", FILES)
def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str) -> None:
    """One file that is there is enough: all stays as it was, and one line says which and what to do."""
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine", encoding="utf-8")
    before = held(tmp_path)
    assert dispatch(["init", str(tmp_path)]) == 2
    assert held(tmp_path) == before
    err = capsys.readouterr().err
    assert err == (
        f"overseer: {tmp_path}: {there} exists already (nothing was written; choose another folder, or move it away)\n"
    )


def test_a_link_that_leads_nowhere_is_there_too(tmp_path: Path) -> None:
    """Nothing is written through it."""
    (tmp_path / "README.md").symlink_to(tmp_path / "elsewhere.md")
    assert dispatch(["init", str(tmp_path)]) == 2
    assert sorted(held(tmp_path)) == ["README.md"]


def test_what_cannot_be_put_in_place_takes_the_rest_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where a folder should be: found out half-way, and nothing is left of the first half."""
    (tmp_path / "scenarios").write_text("mine", encoding="utf-8")
    assert dispatch(["init", str(tmp_path)]) == 2
    assert held(tmp_path) == {"scenarios": b"mine"}
    assert "scenarios/sent_back.yaml: Not a directory (nothing was written" in capsys.readouterr().err
    (tmp_path / "last").mkdir()
    with pytest.raises(ConfigError, match="nothing was written"):
        write_project(tmp_path, {"new/a": b"1", "new/b": b"2", "scenarios/c": b"3"})
    assert held(tmp_path) == {"scenarios": b"mine", "last": None}


def test_a_folder_with_other_things_is_joined(tmp_path: Path) -> None:
    """What is there stays; `scenarios/` may be there already."""
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "mine.yaml").write_text("mine", encoding="utf-8")
    assert dispatch(["init", str(tmp_path), "--name", "ours"]) == 0
    assert sorted(path for path, content in held(tmp_path).items() if content) == sorted(
        [*FILES, "scenarios/mine.yaml"]
    )
    assert load_hierarchy(tmp_path / "hierarchy.yaml").hierarchy.name == "ours"


@pytest.mark.parametrize("name", ["", "9lives", "a b", "a/b", "../up", "a\x1b[2J", "a\u202eb", "a: b", "x" * 65, "ä"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Before anything is written; it is shown, never sent to the terminal."""
    assert dispatch(["init", str(tmp_path / "new"), "--name", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("overseer: --name ")
    assert "\x1b" not in err
    assert "\u202e" not in err
    assert held(tmp_path) == {}


@pytest.mark.parametrize("folder", ["a\x1b[2J", "a\nb", "a\u202eb", "a\u200bb"])
def test_a_folder_that_cannot_be_shown_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    """The commands to go on with could not be pasted."""
    assert dispatch(["init", str(tmp_path / folder)]) == 2
    assert folder not in capsys.readouterr().err
    assert held(tmp_path) == {}


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("mine", "mine"),
        ("my project", "my-project"),
        ("2026 review: {a}", "starter-2026-review-a"),
        ("café", "caf"),
        ("日本", "starter"),
        ("", "starter"),
        ("-x-", "x"),
        ("_x", "starter-_x"),
        ("y" * 80, "y" * 64),
    ],
)
def test_a_folder_gives_a_name(tmp_path: Path, folder: str, name: str) -> None:
    """Whatever a folder is called: a name comes of it that a hierarchy may have."""
    assert named_after(folder) == name
    if folder:
        assert dispatch(["init", str(tmp_path / folder)]) == 0
        assert load_hierarchy(tmp_path / folder / "hierarchy.yaml").hierarchy.name == name


# --- the files themselves ------------------------------------------------------------------------------------------


def test_the_files_are_sound_as_they_lie() -> None:
    """They can be read, checked and tried where they are, before anybody writes a project of them."""
    assert load_hierarchy(STARTER / "hierarchy.yaml").hierarchy.name == NAME
    assert sum((STARTER / source).read_text(encoding="utf-8").count(NAME) for source in FILES.values()) == 3
    assert dispatch(["test", str(STARTER / "scenarios")]) == 0


def test_the_package_holds_them() -> None:
    """Every file of the folder is written by `init`, and is among the package's data."""
    lying = {path.relative_to(STARTER).as_posix() for path in STARTER.rglob("*") if path.is_file()}
    assert lying == set(FILES.values())
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    packed = {path for pattern in data["overseer"] for path in (ROOT / "overseer").glob(pattern)}
    assert {STARTER / path for path in lying} <= packed


def test_runs_stay_out_of_version_control(project: Path) -> None:
    """And the other files do not."""
    lines = (project / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["runs/"]

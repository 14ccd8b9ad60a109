"""What identifies a run's inputs: by content, in places that keep their links."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from small_files import hierarchy

from overseer.config.hierarchies import load_hierarchy
from overseer.journal.run_folder import identity_of
from overseer.made_of import LISTED, LISTED_ROLE, identity_now, inputs_of, placed
from overseer.records import Message, Task
from overseer.sources import listed, open_source


def test_inputs_are_what_the_files_hold(tmp_path: Path) -> None:
    """Each file by its content, with a copy; settings and who answers as they were said."""
    path = hierarchy(tmp_path)
    setup = load_hierarchy(path)
    source = open_source(setup.tasks, setup.beside)
    inputs, config = inputs_of(setup, source, ["rounds=1"], {"b", "a"})
    assert {name: value for name, value in inputs.items() if name.startswith("file ")} == {
        f"file {name}": identity_of(content) for name, content in config.items()
    }
    assert (inputs["tasks"], inputs["set"], inputs["given"]) == (source.digest, '["rounds=1"]', "a, b")
    assert inputs["origin"] == str(path.resolve())
    assert config[inputs["entry"]] == path.read_bytes()


def test_tasks_that_a_program_listed_are_kept(tmp_path: Path) -> None:
    """Nothing else holds them: a copy lies with the run, and is identified as a file is."""
    setup = load_hierarchy(hierarchy(tmp_path))
    source = listed([Task("a", (Message("user", "Why?"),), 0)])
    inputs, config = inputs_of(setup, source, [], ())
    assert config[LISTED] == source.copy
    assert inputs[LISTED_ROLE] == identity_of(config[LISTED])


def test_weights_are_identified_as_they_are_now(tmp_path: Path) -> None:
    """A change of a folder's content is another identity; what is not there is gone."""
    folder = tmp_path / "7" / "final"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"a")
    setup = replace(load_hierarchy(hierarchy(tmp_path)), weights=(folder, tmp_path / "no.safetensors"))
    source = open_source(setup.tasks, setup.beside)
    before, _ = inputs_of(setup, source, [], ())
    assert before["weights 7/final"] == identity_now(folder)
    assert before["weights no.safetensors"] == "gone"
    (folder / "model.safetensors").write_bytes(b"b")
    after, _ = inputs_of(setup, source, [], ())
    assert after["weights 7/final"] != before["weights 7/final"]


def test_weights_of_like_names_are_told_apart(tmp_path: Path) -> None:
    """Two critics at `run1/judge/final` and `run2/judge/final`: a change of either is another identity."""
    folders = [tmp_path / run / "judge" / "final" for run in ("run1", "run2")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"a")
    setup = replace(load_hierarchy(hierarchy(tmp_path)), weights=tuple(folders))
    source = open_source(setup.tasks, setup.beside)
    before, _ = inputs_of(setup, source, [], ())
    assert {"weights run1/judge/final", "weights run2/judge/final"} <= before.keys()
    (folders[0] / "model.safetensors").write_bytes(b"b")
    after, _ = inputs_of(setup, source, [], ())
    assert [role for role in before if before[role] != after[role]] == ["weights run1/judge/final"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    """What a file names is found beside the link, though the folders on the way are resolved."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.yaml").write_text("a")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "b.yaml").symlink_to("a.yaml")
    assert placed(tmp_path / "link" / "b.yaml") == (tmp_path / "real").resolve() / "b.yaml"

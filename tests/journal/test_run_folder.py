"""A run's folder: made whole, never changed, and written only inside."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_driver import NOW, new_run, written_run

from overseer.errors import JournalError
from overseer.journal.chain import verify
from overseer.journal.run_folder import check_inputs, create_run, fork_run, identity_of, read_manifest, safe_name


def test_run_folder_holds_manifest_and_verbatim_config(tmp_path: Path) -> None:
    """A new run has its name from the clock, its manifest and the configuration byte for byte."""
    run = new_run(tmp_path)
    assert run.name == "20240506T070809Z_demo_a1"
    manifest = read_manifest(run)
    assert (manifest.name, manifest.seed, manifest.audit_key, manifest.parent) == ("demo", "7", "secret", None)
    assert (run / "config" / "demo.yaml").read_bytes() == b"name: demo"
    assert not list(run.parent.glob(".*"))


def test_same_run_is_not_made_twice(tmp_path: Path) -> None:
    """Two runs never share a folder."""
    new_run(tmp_path)
    with pytest.raises(JournalError, match="cannot be made"):
        new_run(tmp_path)


def test_changed_inputs_refuse_to_resume_but_may_fork(tmp_path: Path) -> None:
    """A run goes on with what it was made of; anything else is a new run that names its parent."""
    run = new_run(tmp_path)
    same = {"hierarchy": identity_of(b"name: demo")}
    assert check_inputs(run, same).audit_key == "secret"
    changed = {"hierarchy": identity_of(b"name: other"), "weights": identity_of(b"w")}
    with pytest.raises(JournalError, match="hierarchy, weights changed"):
        check_inputs(run, changed)
    fork = fork_run(run, inputs=changed, config={"demo.yaml": b"name: other"}, now=NOW, token="b2")
    manifest = read_manifest(fork)
    assert (manifest.parent, manifest.audit_key) == (run.name, "secret")
    assert check_inputs(fork, changed) == manifest


def test_changed_manifest_is_found(tmp_path: Path) -> None:
    """The journal's first event binds the manifest."""
    run = written_run(tmp_path)
    text = (run / "manifest.json").read_text()
    (run / "manifest.json").write_text(text.replace("secret", "public"))
    with pytest.raises(JournalError, match="not the manifest"):
        verify(run)


@pytest.mark.parametrize(
    "name",
    ["../up", "/etc/passwd", "a/b", "..", ".", "", "nul\x00", "x" * 300, "\u202egnp", ".hidden", "con\n", "\ud800"],
)
def test_names_stay_inside_the_folder(name: str) -> None:
    """Any text becomes one plain path segment, and two texts never the same one."""
    made = safe_name(name)
    assert made.isascii()
    assert made
    assert not made.startswith(".")
    assert Path(made).name == made
    assert len(made) <= 80
    assert made != safe_name(name + "/")


def test_config_keeps_its_links_and_stays_inside(tmp_path: Path) -> None:
    """Files keep their relative paths, so that `extends` still finds them; a hostile path leads nowhere else."""
    config = {"hierarchies/a.yaml": b"a", "constitutions/b.yaml": b"b", "../../up.yaml": b"c", "/etc/d": b"d"}
    run = create_run(tmp_path / "runs", "x", inputs={}, config=config, audit_key="k", seed=None, now=NOW, token="t")
    assert (run / "config" / "hierarchies" / "a.yaml").read_bytes() == b"a"
    assert (run / "config" / "constitutions" / "b.yaml").read_bytes() == b"b"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert all(run in path.parents for path in files)

"""The inbox's own places, where others may write, too: what is put there meanwhile is not followed, and not touched."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest
from journal_driver import new_run

from overseer.errors import JournalError
from overseer.journal import inbox

NAME = "0123456789abcdef.ida.json"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is none of the run's."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def left(run: Path, name: str = NAME) -> Path:
    inbox.put(run, name, b"no ruling")
    return run / inbox.INBOX / name


@pytest.mark.parametrize("what", ["nothing", "folder", "link", "dangling", "file"])
def test_a_folder_of_ours_is_a_folder(tmp_path: Path, outside: Path, what: str) -> None:
    """Whatever lies in its place, a file that is set aside comes to lie within the inbox."""
    run = new_run(tmp_path)
    file = left(run)
    place = run / inbox.INBOX / inbox.REFUSED
    match what:
        case "folder":
            place.mkdir()
        case "link":
            place.symlink_to(outside)
        case "dangling":
            place.symlink_to(tmp_path / "nowhere")
        case "file":
            place.write_text("mine")
    assert inbox.refuse(run, NAME).read_bytes() == b"no ruling"
    assert (file.exists(), place.is_symlink(), list(outside.iterdir())) == (False, False, [])


def test_what_cannot_be_set_aside_is_said_in_one_line(tmp_path: Path) -> None:
    """A folder of the file's name lies where it would go: nothing is lost, and the message says what lies where."""
    run = new_run(tmp_path)
    file = left(run)
    (run / inbox.INBOX / inbox.REFUSED / NAME).mkdir(parents=True)
    with pytest.raises(JournalError, match=f"refused/{NAME}.*cannot be moved there: Is a directory"):
        inbox.refuse(run, NAME)
    assert file.read_bytes() == b"no ruling"


def test_what_is_put_in_an_open_folders_place_is_not_touched(tmp_path: Path, outside: Path) -> None:
    """A console lets go of its lock where it took it: a link that came meanwhile, and the file behind it, stay."""
    run = new_run(tmp_path)
    place = run / inbox.INBOX / ".open"
    with inbox.opened(run, "c") as mine:
        assert mine
        (lock,) = place.iterdir()
        place.rename(tmp_path / "moved")
        place.symlink_to(outside)
        (outside / lock.name).write_text("mine")
    assert (outside / lock.name).read_text() == "mine"
    assert list((tmp_path / "moved").iterdir()) == []


@pytest.mark.slow
def test_a_link_that_comes_at_any_moment_is_not_followed(tmp_path: Path, outside: Path) -> None:
    """Somebody puts a link in the folder's place again and again: no file leaves the inbox."""
    run = new_run(tmp_path)
    names = [f"{number:016x}.ida.json" for number in range(40)]
    for name in names:
        left(run, name)
    place, aside, done = run / inbox.INBOX / inbox.REFUSED, tmp_path / "aside", Event()
    aside.symlink_to(outside)

    def swap() -> None:
        for turn in count():
            if done.is_set():
                return
            os.link(aside, link := tmp_path / f"link{turn}", follow_symlinks=False)
            with suppress(OSError):  # a folder lies there: it is moved out of the way
                os.replace(link, place)
                continue
            with suppress(OSError):
                os.rename(place, tmp_path / f"was{turn}")

    thread = Thread(target=swap)
    thread.start()
    try:
        for name in names:
            with suppress(JournalError):  # again and again, it says
                inbox.refuse(run, name)
    finally:
        done.set()
        thread.join()
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("what", ["link", "folder"])
def test_a_lock_of_ours_is_a_file(tmp_path: Path, outside: Path, what: str) -> None:
    """A link in its place is removed, and nothing is made behind it; a folder there is told of."""
    run = new_run(tmp_path)
    left(run)
    lock = run / inbox.INBOX / ".lock"
    if what == "link":
        lock.symlink_to(outside / "made")
        with inbox.closed(run):
            assert not lock.is_symlink()
        assert list(outside.iterdir()) == []
    else:
        lock.mkdir()
        with pytest.raises(JournalError, match="remove it"), inbox.closed(run):
            pass


def test_a_checkpoint_is_open_at_one_console(tmp_path: Path) -> None:
    """A second is told so, and may have it once the first let go; nothing is left of the lock."""
    run = new_run(tmp_path)
    with inbox.opened(run, "c") as first, inbox.opened(run, "c") as second, inbox.opened(run, "d") as other:
        assert (first, second, other) == (True, False, True)
    with inbox.opened(run, "c") as again:
        assert again
    assert list((run / inbox.INBOX / ".open").iterdir()) == []

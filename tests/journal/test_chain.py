"""The hash chain: whatever was touched, moved, added or lost is found and named."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from faults_driver import FULL, rare
from journal_driver import edit, new_run, reply, write, written_run

from overseer.errors import JournalError
from overseer.journal.chain import JOURNAL, Verified, head_path, verify
from overseer.journal.store import open_journal


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE events SET body = replace(body, 'yes', 'no!') WHERE seq = 9", "event 9 was changed"),
        ("UPDATE events SET task = 't9' WHERE seq = 4", "event 4 was changed"),
        ("UPDATE events SET kind = 'end' WHERE seq = 4", "event 4 was changed"),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 2", "event 2 was changed"),
        ("UPDATE events SET body = x'ff00' WHERE seq = 5", "event 5 was changed"),
        ("DELETE FROM events WHERE seq = 7", "event 7 is missing"),
        ("DELETE FROM events WHERE seq = 1", "event 1 is missing"),
        ("DELETE FROM events WHERE seq > 12", "events 13 to 19 are gone"),
        ("DELETE FROM events", "events 1 to 19 are gone"),
        ("DROP TABLE events", "events 1 to 19 are gone"),
        ("INSERT INTO events VALUES (20, 't0', 'reply', '{}', zeroblob(32))", "event 20 was changed"),
        ("UPDATE events SET seq = 0 WHERE seq = 6", "event 1 is missing"),
    ],
)
def test_tampering_is_found(tmp_path: Path, statement: str, complaint: str) -> None:
    """An edited, moved, added or deleted row is named, by `verify` and on opening."""
    run = written_run(tmp_path)
    edit(run, statement)
    with pytest.raises(JournalError, match=complaint):
        verify(run)
    with pytest.raises(JournalError, match=complaint), open_journal(run):
        pass


def test_swapped_rows_are_found(tmp_path: Path) -> None:
    """Two rows that changed places break the chain at the first of them."""
    run = written_run(tmp_path)
    edit(
        run,
        "UPDATE events SET seq = 100 WHERE seq = 3",
        "UPDATE events SET seq = 3 WHERE seq = 6",
        "UPDATE events SET seq = 6 WHERE seq = 100",
    )
    with pytest.raises(JournalError, match="event 3 was changed"):
        verify(run)


def test_rewritten_chain_does_not_meet_its_anchor(tmp_path: Path) -> None:
    """A journal that was written anew, whole and consistent, is not the one that was anchored."""
    run, other = written_run(tmp_path), written_run(tmp_path / "other", tasks=9)
    shutil.copy(run / "manifest.json", other / "manifest.json")
    edit(other, "DELETE FROM events WHERE seq > 1")
    shutil.rmtree(run)
    head_path(other).unlink()
    write(other, *[[reply(f"forged{i}/draft/0")] for i in range(30)])
    other.rename(run)
    with pytest.raises(JournalError, match="is not the one"):
        verify(run)


def test_lost_and_damaged_anchors_are_refused(tmp_path: Path) -> None:
    """Without its anchor nobody can tell what a journal lost; a damaged one is no anchor."""
    run = written_run(tmp_path)
    head_path(run).write_text('{"seq": "x"}')
    with pytest.raises(JournalError, match="damaged"):
        verify(run)
    head_path(run).unlink()
    with pytest.raises(JournalError, match=r"head: gone"):
        verify(run)


def test_lost_journal_is_refused(tmp_path: Path) -> None:
    """A run whose journal vanished is not begun anew over its anchor."""
    run = written_run(tmp_path)
    (run / JOURNAL).unlink()
    with pytest.raises(JournalError, match="events 1 to 19 are gone"), open_journal(run):
        pass
    assert not (run / JOURNAL).exists()


def crashed_copy(folder: Path, sessions: int) -> tuple[Path, Verified]:
    """A run as a power cut leaves it: a journal with its log not yet folded in, and an anchor."""
    run = new_run(folder)
    kept = folder / "kept"

    async def appended() -> Verified:
        with open_journal(run) as journal:
            for number in range(sessions):
                await journal.append([reply(f"t{number}/draft/{i}", "x" * 300) for i in range(5)])
            found = verify(run)
            shutil.copytree(run, kept / run.name)
            return found

    found = asyncio.run(appended())
    shutil.copy(head_path(run), kept / head_path(run).name)
    return kept / run.name, found


@pytest.mark.slow
@pytest.mark.parametrize("covered", [True, False], ids=["anchored", "beyond the anchor"])
def test_damaged_tail_is_a_valid_prefix_or_a_refusal(tmp_path: Path, covered: bool) -> None:
    """300 truncations, 300 bit flips, 300 zeroed sectors: never a wrong record, always an alarm below the anchor."""
    count = 300 if FULL else 30
    whole, found = crashed_copy(tmp_path, 60)
    # the closing session anchored its last event; the copy was taken before, so its own end is what must be covered
    head = {"seq": found.events, "hash": found.hash}
    if not covered:
        connection = sqlite3.connect(f"file:{tmp_path / 'runs' / whole.name / JOURNAL}?mode=ro", uri=True)
        (hash_,) = connection.execute("SELECT hash FROM events WHERE seq = 1").fetchone()
        connection.close()
        head = {"seq": 1, "hash": hash_.hex()}
    head_path(whole).write_text(json.dumps(head))
    chance = random.Random(3)
    outcomes = {"whole": 0, "prefix": 0, "refused": 0}
    for damage in (truncate, flip, zero):
        for _ in range(count):
            folder = tmp_path / "damaged"
            shutil.copytree(whole.parent, folder)
            run = folder / whole.name
            damage(run / f"{JOURNAL}-wal", chance)
            try:
                events = verify(run).events
                assert events == found.events if covered else events <= found.events
                outcomes["whole" if events == found.events else "prefix"] += 1
            except JournalError:
                outcomes["refused"] += 1
            shutil.rmtree(folder)
    said = f"{outcomes['whole']} whole, {outcomes['prefix']} cut short, {outcomes['refused']} refused"
    print(f"damaged tails, {'covered by' if covered else 'beyond'} the anchor ({said}): {rare(0, 3 * count)}")
    assert outcomes["refused"] if covered else outcomes["prefix"]
    assert sum(outcomes.values()) == 3 * count


def truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def zero(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = 512 * chance.randrange(len(content) // 512)
    content[start : start + 512] = bytes(512)
    path.write_bytes(content)

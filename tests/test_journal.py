"""The journal: what is acknowledged is kept, what was touched is found, and one process writes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from overseer.chain import JOURNAL, Verified, head_path, verify
from overseer.encoding import (
    Ruled,
    canonical,
    decode_reply,
    decode_ruled,
    decode_task,
    digest,
    encode_reply,
    encode_ruled,
    encode_task,
)
from overseer.errors import JournalError, Malformed
from overseer.journal import Event, open_journal, open_reader
from overseer.records import (
    Comparison,
    Context,
    Critique,
    Decision,
    Draft,
    Episode,
    Evaluation,
    Failure,
    Finding,
    Message,
    Reply,
    ReplyValue,
    Rulebook,
    Ruling,
    Task,
    Text,
    Usage,
    Verdict,
    Vote,
    text_hash,
)
from overseer.run_folder import check_inputs, create_run, fork_run, identity_of, read_manifest, safe_name

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
VALUES: tuple[ReplyValue, ...] = (
    Context(("clinic", "bank"), 2, 1, 0.5, every_layer=True),
    Text("Take 3 drops. \u202e\x00 ünï"),
    Critique("revise", (Finding("state_true_facts", 3, "3 drops", "remove"),), 0.93, "wrong sum"),
    Comparison("second", 0.1 + 0.2),
    Ruling("modify", "ann", "shorter", 12.5, (), "Take 2 drops."),
    Failure("deadline", "no answer in 3 s"),
)


def new_run(folder: Path, token: str = "a1") -> Path:
    return create_run(
        folder / "runs",
        "demo",
        inputs={"hierarchy": identity_of(b"name: demo")},
        config={"demo.yaml": b"name: demo"},
        audit_key="secret",
        seed="7",
        now=NOW,
        token=token,
    )


def reply(request: str, text: str = "yes") -> Event:
    return Event(request.split("/")[0], "reply", encode_reply(Reply(request, "b", Text(text))))


def write(run: Path, *batches: Sequence[Event]) -> None:
    async def appended() -> None:
        with open_journal(run) as journal:
            for batch in batches:
                await journal.append(batch)

    asyncio.run(appended())


def task_of(name: str, place: int = 0) -> Task:
    return Task(name, (Message("user", "How much?"),), place)


def written_run(folder: Path, tasks: int = 6) -> Path:
    run = new_run(folder)
    batches = [
        [Event(f"t{i}", "task", encode_task(task_of(f"t{i}", i))), reply(f"t{i}/draft/0"), reply(f"t{i}/review")]
        for i in range(tasks)
    ]
    write(run, *batches)
    return run


def edit(run: Path, *statements: str) -> None:
    connection = sqlite3.connect(run / JOURNAL)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


# --- values as JSON ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_replies_round_trip(value: ReplyValue) -> None:
    """Every kind of reply is read back as it was written, usage and all."""
    reply = Reply("t0/x", "b" * 32, value, Usage(1, 2, 0.25, 3, 0.5))
    assert decode_reply(encode_reply(reply)) == reply
    ruled = Ruled("board", 1, "ab12", True, False, reply)
    assert decode_ruled(encode_ruled(ruled)) == ruled


def test_tasks_round_trip() -> None:
    """A task is read back whole, its recorded answer and group too."""
    task = Task("t/0 \u2028", (Message("system", "Be brief."), Message("user", "Hm?")), 3, "recorded", "family")
    assert decode_task(encode_task(task)) == task


@pytest.mark.parametrize(
    "body",
    [
        '{"request":"a","binding":"b","comparison":{"better":"first","confidence":NaN}}',
        '{"request":"a","binding":"b","comparison":{"better":"first","confidence":1e999}}',
        '{"request":"a","binding":"b","comparison":{"better":"first","confidence":true}}',
        '{"request":"a","binding":"b","comparison":{"better":"first","confidence":"1"}}',
        '{"request":"a","binding":"b","text":{"text":"x","more":1}}',
        '{"request":"a","binding":"b","text":{"text":"x"},"failure":{"kind":"refused","detail":""}}',
        '{"request":"a","binding":"b"}',
        '{"request":"a","binding":"b","text":{"text":"\\ud800"}}',
        '{"request":"a","binding":"b","critique":{"verdict":"allow","findings":[],"confidence":1.0}}',
        '{"request":"a","binding":"b","text":{"text":"x"}} trailing',
        "",
    ],
    ids=["nan", "infinite", "bool", "string", "unknown", "two", "none", "surrogate", "literal", "trailing", "empty"],
)
def test_unsound_reply_rows_are_refused(body: str) -> None:
    """A row that is not exactly a reply is malformed, never read as something near it."""
    with pytest.raises(Malformed):
        decode_reply(body)


def test_texts_that_are_no_unicode_are_refused() -> None:
    """A lone surrogate cannot be stored, and says so as an expected failure."""
    with pytest.raises(Malformed):
        encode_reply(Reply("a", "b", Text("\ud800")))
    with pytest.raises(Malformed):
        encode_task(task_of("\udfff"))


def test_not_a_number_never_comes_back_as_an_answer() -> None:
    """A NaN confidence is refused at the latest when it is read back."""
    with pytest.raises(Malformed):
        decode_reply(encode_reply(Reply("a", "b", Comparison("first", float("nan")))))


# --- the folder ----------------------------------------------------------------------------------------------------


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


# --- writing and reading back --------------------------------------------------------------------------------------


def test_history_is_what_was_appended(tmp_path: Path) -> None:
    """A task's words, its replies by request and its end are read back; an unknown task is None."""
    run = new_run(tmp_path)
    task = task_of("t0")
    ruled = Ruled("board", 1, "s1", False, True, Reply("t0/board", "b", VALUES[4]))
    write(
        run, [Event("t0", "task", encode_task(task)), reply("t0/draft/0")], [Event("t0", "ruling", encode_ruled(ruled))]
    )
    with open_reader(run) as reader:
        history = reader.history("t0")
        assert reader.history("t1") is None
        assert list(reader.rulings()) == [ruled]
    assert history is not None
    assert decode_task(history.task) == task
    assert list(history.replies) == ["t0/draft/0", "t0/board"]
    assert history.end is None


def test_appends_keep_their_order_and_share_commits(tmp_path: Path) -> None:
    """What is appended in one turn lands in order, and whoever waits for the last has waited for all."""
    run = new_run(tmp_path)

    async def appended() -> None:
        with open_journal(run) as journal:
            futures = [journal.append([reply(f"t{i}/draft/0")]) for i in range(500)]
            await futures[-1]
            assert all(future.done() for future in futures)

    asyncio.run(appended())
    connection = sqlite3.connect(run / JOURNAL)
    names = [name for (name,) in connection.execute("SELECT task FROM events WHERE kind = 'reply' ORDER BY seq")]
    connection.close()
    assert names == [f"t{i}" for i in range(500)]


def test_cancelled_waiters_harm_nobody(tmp_path: Path) -> None:
    """One waiter's cancellation neither loses its event nor disturbs the others of its commit."""
    run = new_run(tmp_path)

    async def appended() -> None:
        with open_journal(run) as journal:
            first, second = journal.append([reply("t0/draft/0")]), journal.append([reply("t1/draft/0")])
            first.cancel()
            await second

    asyncio.run(appended())
    assert verify(run).events == 3


def test_reopened_journal_goes_on(tmp_path: Path) -> None:
    """A second session adds to the chain of the first, and puts its settings on record."""
    run = written_run(tmp_path, tasks=2)
    before = verify(run)
    with open_journal(run, {"window": 4}):
        pass
    after = verify(run)
    assert (before.events, after.events) == (7, 8)
    connection = sqlite3.connect(run / JOURNAL)
    (body,) = connection.execute("SELECT body FROM events WHERE seq = 8").fetchone()
    connection.close()
    assert json.loads(body)["operational"] == {"window": 4}


def test_a_run_that_is_written_may_be_read(tmp_path: Path) -> None:
    """A verifier beside the writer sees a whole, shorter chain."""
    run = new_run(tmp_path)

    async def appended() -> Verified:
        with open_journal(run) as journal:
            await journal.append([reply("t0/draft/0")])
            return verify(run)

    assert asyncio.run(appended()).events == 2


def test_second_writer_leaves_at_once(tmp_path: Path) -> None:
    """One process writes a run; another is told whose it is, within the same process too."""
    run = written_run(tmp_path)
    opening = (
        "import sys, pathlib; from overseer.journal import open_journal; from overseer.errors import JournalError\n"
        "try:\n    open_journal(pathlib.Path(sys.argv[1])).__enter__()\n"
        "except JournalError as error:\n    print(error); sys.exit(1)\n"
    )
    with open_journal(run):
        with pytest.raises(JournalError, match=f"process {os.getpid()} is writing"), open_journal(run):
            pass
        other = subprocess.run([sys.executable, "-c", opening, str(run)], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert f"process {os.getpid()} is writing" in other.stdout
    with open_journal(run):
        pass


def test_full_disk_stops_the_run_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """At a size limit the writer stops with one clear error; exactly what was acknowledged is read back."""
    run = new_run(tmp_path)
    code = """
import asyncio, pathlib, resource, sys
from overseer.errors import JournalError
from overseer.journal import open_journal
from tests_journal import reply

async def fill(run):
    with open_journal(run) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
        for number in range(10_000):
            try:
                await journal.append([reply(f"t{number}/draft/0", "x" * 500)])
            except JournalError as error:
                print(number)
                raise SystemExit(1)

asyncio.run(fill(pathlib.Path(sys.argv[1])))
"""
    shutil.copy(__file__, tmp_path / "tests_journal.py")
    filled = subprocess.run(
        [sys.executable, "-c", code, str(run)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])},
        check=False,
    )
    assert filled.returncode == 1, filled.stderr
    acknowledged = int(filled.stdout)
    assert acknowledged > 50
    assert verify(run).events == acknowledged + 1
    write(run, [reply("more/draft/0")])
    assert verify(run).events == acknowledged + 3


# --- damage --------------------------------------------------------------------------------------------------------


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
    count = 300 if os.environ.get("OVERSEER_FULL") else 30
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
    print(f"{3 * count} damaged tails, anchored={covered}: {outcomes}")
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


# --- canonical episodes --------------------------------------------------------------------------------------------


def test_canonical_episodes_hold_no_times() -> None:
    """How long a person took is in the journal, not in the record; what they said is."""
    slow, quick, other = ruled_episode("approve", 60.0), ruled_episode("approve", 2.0), ruled_episode("reject", 2.0)
    assert canonical(slow) == canonical(quick)
    assert b"seconds" not in canonical(slow)
    assert digest(slow) == digest(quick) != digest(other)


def ruled_episode(verdict: Verdict, seconds: float) -> Episode:
    vote = Vote("board", 0, Ruling(verdict, "ann", "", seconds), verdict, "")
    look = Evaluation("s1", 1, 0, text_hash("yes"), (), (vote,), (), Decision(verdict, "unanimous"))
    context, rulebook = Context(("clinic",), 1, 1, 1.0), Rulebook((), (), (), "r")
    draft = Draft(0, "yes", text_hash("yes"), "policy")
    task = task_of("t0")
    return Episode(task, context, rulebook, (), (), (draft,), (look,), "released", "unanimous", draft.hash, 2, 0)

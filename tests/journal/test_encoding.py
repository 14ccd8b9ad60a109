"""Tasks, replies and episodes as JSON: read back as written, or refused; hashed without times."""

from __future__ import annotations

import pytest
from journal_driver import task_of

from overseer.errors import Malformed
from overseer.journal.encoding import (
    Granted,
    Ruled,
    canonical,
    decode_granted,
    decode_reply,
    decode_ruled,
    decode_task,
    digest,
    encode_granted,
    encode_reply,
    encode_ruled,
    encode_task,
)
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

VALUES: tuple[ReplyValue, ...] = (
    Context(("clinic", "bank"), 2, 1, 0.5, every_layer=True),
    Text("Take 3 drops. \u202e\x00 ünï"),
    Critique("revise", (Finding("state_true_facts", 3, "3 drops", "remove"),), 0.93, "wrong sum"),
    Comparison("second", 0.1 + 0.2),
    Ruling("modify", "ann", "shorter", 12.5, (), "Take 2 drops."),
    Failure("deadline", "no answer in 3 s"),
)


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


@pytest.mark.parametrize("at", [None, 0.0, 1_700_000_000.25])
def test_a_grant_is_read_as_it_was_written(at: float | None) -> None:
    """When a budget granted a look, or that it took the grant back."""
    granted = Granted("board", at)
    assert decode_granted(encode_granted(granted)) == granted


@pytest.mark.parametrize("body", ["{}", '{"stage": "s"}', '{"stage": "s", "at": "now"}', '{"stage": "s", "at": NaN}'])
def test_what_is_malformed_is_no_grant(body: str) -> None:
    """A field that is missing, of another type, or no number."""
    with pytest.raises(Malformed):
        decode_granted(body)

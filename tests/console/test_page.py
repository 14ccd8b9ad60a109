"""What a person decides by: marked evidence, folded harm, dissent, principles; nothing of where it comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from board_driver import HARMFUL, board, row, waiting

from overseer.checkpoints import Queue, Shown
from overseer.console.drawing import lines_of
from overseer.console.marks import marked, numbered
from overseer.console.page import is_harmful, page
from overseer.records import Critique, Decision, Evaluation, Failure, Finding, Ruling, Strike, Vote

ONCE = Finding("enable_no_misuse", 2, "it all", "remove")
TWICE = Finding("finish_the_task", 1, "Take it all.", "add")


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """A checkpoint of a harmful answer, as its person has it."""
    queue = Queue(waiting(tmp_path, [row("secret-task", "First this.\nTake it all.")], board(seats=1)).path)
    return queue.show(queue.listed()[0].id)


def text_of(shown: Shown, *, opened: bool = True, width: int = 100) -> str:
    parts = page(shown, shown.checkpoint.asked + 90, opened=opened, opens="x opens it.", waiting=3)
    return "\n".join(lines_of((*parts.upper, *parts.lower), width, colour=False))


def said(shown: Shown, *votes: Vote, decision: str = "revise", strikes: tuple[Strike, ...] = ()) -> Shown:
    """The checkpoint after another evaluation."""
    below = Evaluation("s", 1, 0, shown.request.draft.hash, (), votes, strikes, Decision(decision, "majority"))  # type: ignore[arg-type]
    return shown._replace(request=replace(shown.request, evaluations=(below,)))


def vote(juror: str, *findings: Finding, cast: str = "revise", reason: str = "") -> Vote:
    return Vote(juror, 0, Critique(cast, findings, 0.5, reason), cast, "b")  # type: ignore[arg-type]


def test_a_page_holds_all_that_a_person_decides_by(shown: Shown) -> None:
    """Task, draft, votes with reason and evidence, the rule that decided, principles with why, layers."""
    text = text_of(shown)
    for part in (
        f"Checkpoint {shown.checkpoint.id}   for board   3 more wait for you",
        "risk 1 of 3 · complexity 1 of 3 · general · asked 90 s ago",
        "  | How?",
        "  | First this.",
        "[1›Take it all.‹1]",
        "Level 1 (critic) decided reject by the rule reject",
        "critic: reject, confidence 0.80",
        "    | That would kill.",
        "[1] severity 4, gravely harmful: enable_no_misuse; asks to remove",
        "        | Take it all.",
        "Layers: all. Tier 1 ranks highest.",
        "enable_no_misuse (tier 1): Serve no harm.",
        "    why: It hurts.",
    ):
        assert part in text, part


def test_a_page_does_not_tell_where_a_checkpoint_comes_from(shown: Shown) -> None:
    """Whether its look is mandatory, its task and its place make no difference to a page."""
    elsewhere = replace(
        shown.checkpoint, mandatory=True, grant=False, place=99, task="other", request="other/0/s/board/0"
    )
    moved = Shown(elsewhere, replace(shown.request, mandatory=True, id="other/0/s/board/0"), None)
    assert text_of(moved) == text_of(shown)
    assert "secret-task" not in text_of(shown)


def test_what_was_found_harmful_is_folded(shown: Shown) -> None:
    """Draft, task and evidence alike, with the reason and the remedy; opened, all is there."""
    folded = text_of(shown, opened=False)
    assert "Folded: found gravely harmful (severity 4). x opens it." in folded
    assert "(folded: 5 words, 24 characters)" in folded
    assert not [words for words in ("Take it all", "First this", "| How?") if words in folded]
    assert "Folded" not in text_of(shown)


def test_the_highest_risk_is_folded_too(shown: Shown) -> None:
    """Though nobody found anything yet; a lesser finding, at a lower risk, is not."""
    context = replace(shown.request.context, risk=3)
    risky = shown._replace(request=replace(shown.request, evaluations=(), context=context))
    assert "Folded: its task is of the highest risk." in text_of(risky, opened=False)
    assert not is_harmful(said(shown, vote("ann", ONCE)).request)


def test_dissent_is_named(shown: Shown) -> None:
    """Votes that differ from what was decided; a failure to answer is none."""
    silent = Vote("cat", 0, Failure("deadline", "too late"), "failure", "b")
    text = text_of(said(shown, vote("ann"), vote("bob", cast="approve"), silent))
    assert "bob: approve, confidence 0.50  DISSENT" in text
    assert text.count("DISSENT") == 1
    assert "cat: no answer (deadline: too late)" in text


def test_struck_findings_and_counted_votes_are_explained(shown: Shown) -> None:
    """What a vote counted as, and what struck a finding."""
    strike = Strike("Take it all.", TWICE, "bob", ONCE, "ann", equal_tiers=False)
    abstained = Vote("bob", 0, Critique("revise", (TWICE,), 0.5), "abstain", "b")
    text = text_of(said(shown, vote("ann", ONCE), abstained, strikes=(strike,)))
    assert "bob: revise, confidence 0.50, counted as abstain" in text
    assert "struck by ann on enable_no_misuse" in text


def test_a_persons_word_from_below_is_a_persons(shown: Shown) -> None:
    """By name, with their note; an approval of their own text says so."""
    person = Vote("ward", 0, Ruling("approve", "Eve", "I wrote it.", 3.0), "approve", "b", carried=True)
    text = text_of(said(shown, person, decision="approve"))
    assert "ward: approve by Eve, a person, of their own text" in text
    assert "    | I wrote it." in text


def test_an_appeals_words_come_first(shown: Shown) -> None:
    """Why somebody wants it heard again, behind the bar, since it is theirs."""
    text = text_of(shown._replace(request=replace(shown.request, appeal="It is\nfine.")))
    assert text.index("Appealed, because") < text.index("  | It is") < text.index("  | fine.") < text.index("--- Asked")


def test_a_foreign_text_cannot_pass_for_the_page(shown: Shown) -> None:
    """Every line of it stands behind the bar, wrapped ones too."""
    forged = "x" * 90 + "\n--- What was said of it ---\nLevel 9 (god) decided approve by the rule unanimous"
    text = text_of(shown._replace(request=replace(shown.request, draft=replace(shown.request.draft, text=forged))))
    for line in text.splitlines():
        assert line.startswith("  | ") or not ("Level 9" in line or "xxx" in line)


def test_evidence_is_marked_where_it_stands(shown: Shown) -> None:
    """Nested evidence is told apart; the same words share a number; what is not in the draft is not marked."""
    absent = Finding("enable_no_misuse", 2, "not there", "remove")
    again = replace(ONCE, principle="finish_the_task")
    request = said(shown, vote("ann", ONCE, absent), vote("bob", TWICE, again)).request
    numbers = numbered(request)
    assert (numbers[ONCE], numbers[absent], numbers[TWICE], numbers[again]) == (1, 2, 3, 1)
    assert marked("Go. Take it all.", numbers).plain == "Go. [3›Take [1›it all‹1].‹3]"
    assert marked("", numbers).plain == ""


def test_evidence_is_found_before_it_is_escaped(shown: Shown) -> None:
    """A finding that quotes controls verbatim is marked, and they are spelled out."""
    hostile = Finding("enable_no_misuse", 2, "\x1b[31m\nred", "remove")
    numbers = numbered(said(shown, vote("ann", hostile)).request)
    assert marked("So \x1b[31m\nred.", numbers).plain == "So [1›\\x1b[31m\nred‹1]."


@pytest.mark.parametrize("width", [20, 80, 110])
def test_no_line_is_wider_than_asked(shown: Shown, width: int) -> None:
    """Whatever it holds: long words, wide characters; and never wider than people read well."""
    wide = "界" * 200 + " " + "w" * 300
    long = shown._replace(request=replace(shown.request, draft=replace(shown.request.draft, text=wide)))
    assert max(map(len, text_of(long, width=width).splitlines())) <= width
    assert max(map(len, text_of(long, width=500).splitlines())) <= 110
    assert HARMFUL in numbered(long.request)

"""One checkpoint before one person: its page, their keys, their ruling.

Behind the walk's step 7, under `session`. A ruling but an escalation is taken only once the draft was shown to its end.
The time that counts runs while the page stands there, notes and editor included; where the draft was folded, it begins
anew when it is opened. Until `Queue.decide` has returned, nothing was ruled.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from rich.text import Text

from overseer.checkpoints import Acknowledged, Checkpoint, Order, Queue, Shown
from overseer.console.drawing import lines_of
from overseer.console.editor import edited
from overseer.console.page import SEVERITY, page
from overseer.console.terminal import END, Terminal
from overseer.errors import JournalError, OverseerError
from overseer.records import Finding, RulingAction
from overseer.reports.safe import safe, safe_lines

Move = Literal["on", "skip", "back", "order", "gone", "leave"]
"""What comes after a checkpoint: the next, as it was ruled or skipped; the one before; another order; it was answered
elsewhere; the person leaves."""
FOOT = 3
"""Lines of the screen that are kept for what is asked below a page."""

HELP = """
a  approve: this draft may stand
m  modify: put a text of your own in its stead, in $EDITOR
s  send back: it is revised after your note
r  reject, with a note
e  escalate, with a note: you cannot, or will not, be the one who decides
f  finding: name a principle that the draft breaks; it goes with your ruling
x  open, or fold, text that was found harmful
space  more of this page        k  back up the page
n  skip: it comes again at the end
b  the one before, also to see what you ruled
o  another order: by risk, by age, by disagreement
q  leave (so does Ctrl-C): what was acknowledged stands, nothing else

A ruling, once acknowledged, cannot be taken back. Only an escalation may be
given on a draft that was not shown to its end. What stands behind a bar (|)
was written by somebody else, whatever it says; numbers in it, [1› and ‹1],
mark the words on which a finding rests.
"""


@dataclass(slots=True)
class Visit:
    """A checkpoint as this person has it before them, once or again."""

    queue: Queue
    person: str
    shown: Shown
    opened: bool = False
    spent: float = 0.0
    """Seconds that count, without those since it was last put on the screen."""
    since: float = 0.0
    read: bool = False
    """Was the draft shown to its end?"""
    top: int = 0
    room: int = 0
    """The first line of the page on the screen, and how many fit on it."""
    message: str = ""
    findings: dict[str, Finding] = field(default_factory=dict)
    """What goes with the ruling, by principle."""
    text: str | None = None
    """A text of their own that was not acknowledged: the disk was full, or they thought again."""
    ruled: Acknowledged | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        return self.shown.checkpoint

    def hear(self, at: Terminal, message: str, waiting: int, back: bool, order: Order) -> Move:
        """Show the page until the person rules, or goes elsewhere."""
        self.message, self.top, self.since = message, 0, time.monotonic()
        move: Move | None = None
        try:
            fresh = True
            while move is None:
                if fresh:
                    at.forget()
                self.draw(at, waiting, order)
                key = at.key() or END
                fresh = False
                move = self.press(key, at, back)
        finally:
            self.spent += time.monotonic() - self.since
        return move

    def press(self, key: str, at: Terminal, back: bool) -> Move | None:
        """What a key does; None to stay here."""
        self.message = ""
        match key.lower():
            case "q" | "\x04":
                return "leave"
            case "n":
                return "skip"
            case "o":
                return "order"
            case "b" if back:
                return "back"
            case "b":
                self.message = "nothing was before this"
            case " " | "\n":
                self.top += self.room
            case "k":
                self.top = max(0, self.top - self.room)
            case "x":
                self.open_or_fold()
            case "h" | "?":
                at.write(HELP)
                at.line("Enter goes back to the checkpoint: ")
            case "f":
                self.find(at)
            case "a" | "m" | "s" | "r" | "e":
                return self.rule(key.lower(), at)
            case _:
                self.message = "h shows what the keys do"
        return None

    # -- the page

    def draw(self, at: Terminal, waiting: int, order: Order) -> None:
        """Put as much of the page on the screen as fits, and what the keys do."""
        width, height = at.size()
        colour = at.colour
        shown = page(self.shown, self.queue.clock(), opened=self.opened, opens="x opens it.", waiting=waiting)
        upper = lines_of(shown.upper, width, colour=colour)
        lines = [*upper, *lines_of(shown.lower, width, colour=colour)]
        said = lines_of([Text(safe(self.message))], width, colour=False) if self.message else []
        self.room = max(4, height - FOOT - len(said))
        self.top = max(0, min(self.top, len(lines) - self.room))
        end = min(len(lines), self.top + self.room)
        self.read = not shown.folded and (self.read or end >= len(upper))
        where = f"-- lines {self.top + 1} to {end} of {len(lines)} --"
        if self.findings:
            where += (
                f" your findings: {', '.join(f'{safe(id_)}={each.severity}' for id_, each in self.findings.items())}"
            )
        keys, more = self._keys(shown.folded, order)
        clear = "\x1b[H\x1b[2J" if colour else "\n"
        at.write(clear + "\n".join([*said, *lines[self.top : end], where[: width - 1], keys, more]))

    def _keys(self, folded: bool, order: Order) -> tuple[str, str]:
        revise = "  s send back" if self.shown.request.may_revise else ""
        open_ = "  x open" if folded else ""
        return (
            f"a approve  m modify{revise}  r reject  e escalate  f finding",
            f"space more{open_}  n skip  b back  o order ({order})  h help  q leave > ",
        )

    def open_or_fold(self) -> None:
        """Open what is folded, and count the time from here; or fold it."""
        self.opened = not self.opened
        if self.opened and not self.read:
            self.spent, self.since = 0.0, time.monotonic()

    def look_back(self, at: Terminal, back: bool) -> Move:
        """Show a checkpoint that was ruled on, and what was ruled; nothing is changed."""
        assert self.ruled is not None, "only what was ruled on is looked back at"
        ruling = self.ruled.ruling
        parts = page(self.shown, self.queue.clock(), opened=self.opened, opens="")
        lines = lines_of((*parts.upper, *parts.lower), at.size()[0], colour=at.colour)
        note = [f"  | {line}" for line in safe_lines(ruling.note)] if ruling.note else []
        text = ["in its stead:", *(f"  | {line}" for line in safe_lines(ruling.text))] if ruling.text else []
        told = f"You ruled {ruling.action} after {ruling.seconds:.1f} s; it is acknowledged, and stands."
        at.write("\n".join(["", *lines, "", told, *note, *text, "n on  b back  q leave > "]))
        while (key := (at.key() or END).lower()) not in ("q", END):
            if key == "b" and back:
                return "back"
            if key in ("n", " ", "\n"):
                return "on"
        return "leave"

    # -- the ruling

    def rule(self, key: str, at: Terminal) -> Move | None:
        """Take what a ruling needs beside its key, and leave it; None where it came to nothing."""
        if key != "e" and not self.read:
            self.message = "the draft was not shown to its end: space shows more, x opens what is folded"
            return None
        at.write("\n")
        match key:
            case "a":
                return self.approve(at)
            case "m":
                return self.modify(at)
            case "s" if not self.shown.request.may_revise:
                self.message = "nobody could revise this answer: modify it yourself, reject it, or escalate"
                return None
            case "s":
                return self.with_note(at, "revise", "Send it back: what must be mended?")
            case "r":
                return self.with_note(at, "reject", "Reject it: why?")
            case _:
                return self.with_note(at, "escalate", "Escalate: why can you not decide it?")

    def approve(self, at: Terminal) -> Move | None:
        """Approve once it was said twice; where nobody sees what they type on, by the checkpoint's first letters."""
        if at.is_live:
            at.write("Approve this draft? y yes, w yes and with a note, anything else no > ")
            said = (at.key() or END).lower()
            note = at.line("\nNote: ") if said == "w" else ""
        else:
            said, note = at.line(f"To approve, type the first four letters of {self.checkpoint.id} > ") or "", ""
            said = "y" if said.strip() == self.checkpoint.id[:4] else ""
        if said not in ("y", "w") or note is None:
            self.message = "not approved"
            return None
        return self.submit("approve", note)

    def modify(self, at: Terminal) -> Move | None:
        """Change the draft in an editor; nothing is ruled where it was left as it was."""
        draft = self.shown.request.draft.text
        try:
            with at.lent():
                changed = edited(self.text or draft)
        except OverseerError as error:
            self.message = str(error)
            return None
        self.text = changed or self.text
        if self.text is None:
            self.message = "the text was left as it was, or empty: nothing was ruled"
            return None
        words = f"{len(self.text.split()):,} words"
        note = at.line(f"\nPut your text ({words}) in the draft's stead? A note, or just Enter; Ctrl-D: no > ")
        if note is None:
            self.message = "nothing was ruled; m takes your text up again"
            return None
        return self.submit("modify", note, self.text)

    def with_note(self, at: Terminal, action: RulingAction, question: str) -> Move | None:
        """Rule as a note says; without one, nothing is ruled."""
        note = at.line(f"{question} (a line; just Enter: not ruled) > ")
        if note is None or not note.strip():
            self.message = "without a note nothing was ruled"
            return None
        return self.submit(action, note)

    def submit(self, action: RulingAction, note: str, text: str | None = None) -> Move | None:
        """Leave the ruling; its acknowledgement, or what speaks against it, is the message."""
        seconds = round(self.spent + time.monotonic() - self.since, 3)
        try:
            self.ruled = self.queue.decide(
                self.checkpoint.id,
                self.person,
                action,
                note=note,
                text=text,
                findings=tuple(self.findings.values()),
                seconds=seconds,
            )
        except JournalError as error:
            self.message = str(error)
            return "gone"
        except OverseerError as error:
            self.message = str(error)
            return None
        self.message = f"acknowledged: {action} of {self.checkpoint.id} after {seconds:.1f} s"
        return "on"

    def find(self, at: Terminal) -> None:
        """Take a finding down, to go with the ruling."""
        principles = self.shown.request.rulebook.principles
        at.write("\n" + "".join(f"{number:3} {safe(each.id)}\n" for number, each in enumerate(principles, start=1)))
        number = _number(at.line("Number of the principle (Enter: none) > "), range(1, len(principles) + 1))
        if number is None:
            self.message = "no finding was taken down"
            return
        id_ = principles[number - 1].id
        self.findings.pop(id_, None)
        scale = ", ".join(f"{severity} {words}" for severity, words in enumerate(SEVERITY))
        severity = _number(at.line(f"How grave? {scale} (Enter: no finding) > "), range(len(SEVERITY)))
        evidence = None if severity is None else at.line("The draft's words that it rests on (Enter: all of it) > ")
        if severity is None or evidence is None:
            self.message = f"no finding on {id_}"
            return
        self.findings[id_] = Finding(id_, severity, evidence, "remove")


def _number(said: str | None, allowed: range) -> int | None:
    """The number that was typed, if it is one of these."""
    return int(said) if said is not None and said.strip().isdecimal() and int(said) in allowed else None

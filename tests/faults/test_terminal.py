"""Hostile strings through a real terminal, by every way in which we draw: nothing that it obeys leaves raw.

2,000 strings; `OVERSEER_FULL=1` draws 20,000.
"""

from __future__ import annotations

import codecs
import os
import re
import select
from pathlib import Path

import pytest
from faults_driver import FULL, rare
from hostile_strings import unseen
from pty_driver import PATIENCE, Screen, terminal
from terminal_child import WAYS

COUNT = 20_000 if FULL else 2_000
SLOW = ("reports", "a run", "errors", "bugs")
"""Ways that take an eighth of the strings."""
SEED = 13
SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|.)|\r(?=\x1b\[(?:2K|1A))|\r+\n")
"""An escape sequence in the form that ours have; the return before a line is drawn anew; the end of a line."""
OURS = re.compile(r"\r+\n?|\x1b\[(?:(?:[0-2]|1;[47]|(?:1;)?3[1-6]|38;5;\d{2,3})m|1A|2K|\?25[hl])")
"""What we draw with: bold, dim, colours, evidence underlined; a bar drawn anew, with the cursor hidden meanwhile."""
LAST = "the end"

pytestmark = pytest.mark.slow


def drawn(screen: Screen) -> tuple[set[str], set[str], set[str], str]:
    """What came out until the program ended: sequences, characters that should not be, strings by number, the end."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    sequences: set[str] = set()
    stray: set[str] = set()
    numbers: set[str] = set()
    rest, last, ended = "", "", False
    while not ended:
        ready, _, _ = select.select([screen.master], [], [], PATIENCE)
        assert ready, f"the program said nothing for {PATIENCE:.0f} s"
        try:
            read = os.read(screen.master, 1 << 16)
        except OSError:  # the program has closed its end
            read = b""
        ended = not read
        rest += decoder.decode(read, final=ended)
        whole = len(rest) if ended else rest.rfind("\n") + 1
        shown, rest = rest[:whole], rest[whole:]
        sequences |= set(SEQUENCE.findall(shown))
        shown = SEQUENCE.sub("\n", shown)
        stray |= unseen(shown.replace("\n", ""))
        numbers |= set(re.findall(r"q\d{5}z", shown))
        last = (last + shown).rstrip()[-2_000:]
    return sequences, stray, numbers, last


@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_a_terminal_obeys_leaves_raw(way: str, tmp_path: Path) -> None:
    """Only sequences that we draw with come out, and else what can be seen; and the strings are drawn."""
    count = COUNT // 8 if way in SLOW else COUNT
    with terminal(str(tmp_path), str(SEED), str(count), way, program="terminal_child", columns=100) as screen:
        sequences, stray, numbers, last = drawn(screen)
        assert screen.child.wait(PATIENCE) == 0, last
    assert last.endswith(LAST), last
    assert {each for each in sequences if not OURS.fullmatch(each)} == set()
    assert stray == set()
    assert len(numbers) >= (0.9 * count if way == "errors" else count), "not every error quotes what it refuses"
    print(f"{way}: {rare(0, count)}")

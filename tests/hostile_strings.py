"""Strings that a terminal obeys or a reader cannot see: by Unicode category, and by grammars of escape sequences."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of which no character may reach a terminal, but for the line ends that we write."""
IGNORABLE = (
    *((0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF)),
)
"""Ranges of code points that draw nothing, though their category is a letter's, a mark's or a symbol's."""
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ZERO_WIDTH = "\u00ad\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff\u180e"
WORDS = ("Release", "it.", "approve", "naïve", "日本語", "e\u0301", "100\u00a0%", "🙂", "[bold]", ":smile:", "%s", "{}")


def _pools() -> dict[str, list[int]]:
    """Code points by category, a few thousand of the largest ones."""
    found: dict[str, list[int]] = {}
    for code in range(0x110000):
        if code < 0x3000 or code % 61 == 0 or 0xFE00 <= code <= 0xFFFF or 0xE0000 <= code < 0xE0200:
            category = unicodedata.category(chr(code))
            if category in UNSEEN or category in ("Mn", "Me", "Zs"):
                found.setdefault(category, []).append(code)
    return found


class Hostile:
    """Draws strings; equal seeds draw equal ones."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._pools = _pools()
        self._kinds: tuple[Callable[[], str], ...] = (
            self._control,
            self._command,
            self._string,
            self._shift,
            self._by_category,
            lambda: self._chance.choice(BIDI) + self._word() + self._chance.choice(("", "\u202c", "\u2069")),
            lambda: self._word() + self._chance.choice(ZERO_WIDTH),
            lambda: chr(self._within(self._chance.choice(IGNORABLE))),
        )

    def strings(self, count: int) -> Iterator[str]:
        """So many strings, each of one to six hostile parts among words."""
        for _ in range(count):
            parts = [self._chance.choice(self._kinds)() for _ in range(self._chance.randint(1, 6))]
            parts += [self._word() for _ in range(self._chance.randint(0, 4))]
            self._chance.shuffle(parts)
            yield self._chance.choice(("", " ")).join(parts)

    def _word(self) -> str:
        return self._chance.choice(WORDS)

    def _within(self, pair: tuple[int, int]) -> int:
        return self._chance.randint(*pair)

    def _some(self, low: int, high: int, most: int) -> str:
        """Up to so many characters between two codes."""
        return "".join(chr(self._chance.randint(low, high)) for _ in range(self._chance.randint(0, most)))

    def _control(self) -> str:
        """C0, DEL or C1 as it stands: bell, backspace, carriage return, form feed, enquiry, …"""
        return chr(self._chance.choice((*range(0x20), *range(0x7F, 0xA0))))

    def _command(self) -> str:
        """A control sequence: `CSI` parameters intermediates final (ECMA-48, 5.4), whole or cut off."""
        known = (
            "2J",
            "H",
            "?1049h",
            "?1000h",
            "5m",
            "8m",
            "48;5;16m",
            "6n",
            "c",
            "21t",
            "1;1r",
            "4i",
            "999D",
            "?2004h",
        )
        free = self._some(0x30, 0x3F, 6) + self._some(0x20, 0x2F, 2) + chr(self._chance.randint(0x40, 0x7E))
        body = self._chance.choice((*known, free, free, free))
        return self._chance.choice(("\x1b[", "\x9b")) + body[: self._chance.choice((None, None, None, 1))]

    def _string(self) -> str:
        """`OSC`, `DCS`, `SOS`, `PM` or `APC` with its words (a title, a link, the clipboard), ended or not."""
        begin = self._chance.choice(
            ("\x1b]", "\x9d", "\x1bP", "\x90", "\x1bX", "\x98", "\x1b^", "\x9e", "\x1b_", "\x9f")
        )
        told = (
            *("0;owned", "2;owned", "52;c;ZWNobyBoYWNrZWQ=", "8;;http://evil.invalid/", "4;1;#000000", "10;?"),
            *("1337;File=inline=1:AAAA", "133;A", "9;done", "777;notify;a;b", "$qm", "+q544e", "Gf=100;AAAA"),
            self._some(0x20, 0x7E, 12),
        )
        return begin + self._chance.choice(told) + self._chance.choice(("\x07", "\x1b\\", "\x9c", "", "\n"))

    def _shift(self) -> str:
        """Other escapes: resets, charsets, single shifts, with intermediates or a free final."""
        return (
            "\x1b"
            + self._chance.choice(("c", "7", "8", "=", ">", "M", "N", "O", "(0", ")A", "#8", "%G", "\x1b", ""))
            + (self._chance.choice(("", self._some(0x20, 0x2F, 2) + chr(self._chance.randint(0x30, 0x7E)))))
        )

    def _by_category(self) -> str:
        pool = self._pools[self._chance.choice(sorted(self._pools))]
        return "".join(chr(self._chance.choice(pool)) for _ in range(self._chance.randint(1, 4)))


def unseen(text: str) -> set[str]:
    """The characters of a text that no terminal may be sent; told apart without the help of what makes texts safe."""
    return {
        char
        for char in set(text)
        if unicodedata.category(char) in UNSEEN or any(low <= ord(char) <= high for low, high in IGNORABLE)
    }

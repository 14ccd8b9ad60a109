"""Text that somebody else wrote, made fit for a terminal: what controls it is shown, never sent.

Floor 7; everything that prints text from models, persons or files goes through here. Escaped by Unicode category:
controls and with them every ESC, OSC and C1 sequence (Cc), formats and with them bidi and zero-width characters (Cf),
surrogates, private and unassigned code points (Cs, Co, Cn), line and paragraph separators (Zl, Zp); and what is
invisible although its category is a letter's or a mark's. Knows no layout.
"""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Fillers, joiners and variation selectors that draw nothing (Default_Ignorable_Code_Point outside Cf, and ⠀)."""


def safe(text: str) -> str:
    """The text on one line; what a terminal obeys or a reader cannot see stands as `\\x1b`, `\\u202e`."""
    if text.isprintable() and not _INVISIBLE.search(text):
        return text
    return "".join(char if _is_plain(char) else _escaped(char) for char in text)


def safe_lines(text: str) -> tuple[str, ...]:
    """The text's own lines, each safe: only a line feed separates them."""
    return tuple(safe(line) for line in text.split("\n"))


def columns(text: str) -> int:
    """How many terminal columns a safe text takes: wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _is_plain(char: str) -> bool:
    """`str.isprintable` is false for exactly the categories C*, Zl, Zp and for spaces other than ' '."""
    return (char.isprintable() or unicodedata.category(char) == "Zs") and not _INVISIBLE.match(char)


def _escaped(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

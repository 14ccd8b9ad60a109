"""Nothing that a terminal obeys, and nothing unseen, leaves raw."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from overseer.reports.safe import columns, safe, safe_lines

FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")),
        st.sampled_from("\x1b\x07\x9b\x9d]0;[2Jm\u202e\u2066\u200b\u200d\ufeff\u00ad\u034f\u3164\ufe0f\u2800"),
    )
)


def _raw(text: str) -> list[str]:
    return [char for char in text if unicodedata.category(char) in FORBIDDEN or char in "\u034f\u3164\ufe0f\u2800"]


@pytest.mark.slow
@settings(max_examples=400)
@given(HOSTILE)
@example("\x1b]52;c;ZWNobyBoYWNrZWQ=\x07")
@example("a\u202etxt.exe")
@example("\ud800")
def test_nothing_hostile_leaves_raw(text: str) -> None:
    """Controls, formats, bidi, surrogates, private, unassigned, separators, invisible letters: all escaped."""
    assert _raw(safe(text)) == []
    assert all(_raw(line) == [] for line in safe_lines(text))


@given(HOSTILE)
def test_what_is_safe_stays(text: str) -> None:
    """Escaping is idempotent, and never shortens."""
    assert safe(safe(text)) == safe(text)
    assert len(safe(text)) >= len(text)


@pytest.mark.parametrize("text", ["plain", "Zürich, 10 μg – ‘quoted’", "日本語", "naïve e\u0301", "100\u00a0%", "🙂"])
def test_readable_text_is_untouched(text: str) -> None:
    """Letters, marks, punctuation, symbols and spaces of any script pass."""
    assert safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\r\t", "a\\nb\\r\\t"),
        ("\u202e", "\\u202e"),
        ("\x9b", "\\x9b"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud83d", "\\ud83d"),
    ],
    ids=["escape", "line ends", "bidi", "C1", "tag", "surrogate"],
)
def test_escapes_say_what_stood_there(text: str, shown: str) -> None:
    """A reader sees which character was escaped."""
    assert safe(text) == shown


def test_lines_are_the_text_s_own() -> None:
    """A line feed separates; a carriage return, which would overwrite a line, is escaped."""
    assert safe_lines("a\nb\rc\n") == ("a", "b\\rc", "")


def test_wide_and_combining_characters_are_measured() -> None:
    """Two columns and none."""
    assert columns("日本") == 4
    assert columns("e\u0301") == 1

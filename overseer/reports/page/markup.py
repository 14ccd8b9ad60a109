"""HTML built from values: whatever is not markup already is text, escaped and shown safely.

Floor 7. The one place where text becomes HTML on the page's static part. Knows nothing of runs.
"""

from __future__ import annotations

from html import escape

from overseer.reports.safe import safe_lines

_VOID = frozenset({"meta", "input", "br", "img", "source"})


class Markup(str):
    """HTML that was made by `element`, or is a constant of ours."""

    __slots__ = ()


Child = str | Markup | None


def shown(text: str) -> str:
    """Text with its own line breaks, in which what is invisible or turns the line around stands escaped."""
    return "\n".join(safe_lines(text))


def element(tag: str, /, *children: Child, **attributes: str | int | float | None) -> Markup:
    """One element. Attributes: `class_` for `class`, `_` reads `-`; None leaves one out, an empty one stands alone."""
    inner = joined(*children)
    head = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    return Markup(f"<{tag}{head}>" if tag in _VOID else f"<{tag}{head}>{inner}</{tag}>")


def joined(*children: Child) -> Markup:
    """Children side by side: markup as it is, text escaped."""
    return Markup("".join(child if isinstance(child, Markup) else _text(child) for child in children if child))


def _text(text: str | None) -> str:
    return escape(shown(text or ""))


def _attribute(name: str, value: str | int | float) -> str:
    written = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
    return f' {name.rstrip("_").replace("_", "-")}="{_text(written)}"'

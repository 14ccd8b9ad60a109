"""Requests as prompts, and replies as values: step 5 of the walk, both ways. Pure: no model is known here.

`render` writes what a model is asked, `parse` reads what it answered, strictly, and `write` is its inverse
(`write_short` in the short dialect).
"""

from __future__ import annotations

from overseer.prompts.choices import Choice, choice
from overseer.prompts.dialects import Dialect, Prompt
from overseer.prompts.material import quote
from overseer.prompts.parse import MAX_REPLY, MAX_TEXT, Finish, checked, parse, write
from overseer.prompts.render import render
from overseer.prompts.short_replies import write_short

__all__ = [
    "MAX_REPLY",
    "MAX_TEXT",
    "Choice",
    "Dialect",
    "Finish",
    "Prompt",
    "checked",
    "choice",
    "parse",
    "quote",
    "render",
    "write",
    "write_short",
]

"""The names under which people rule: how one is kept, when two are one person's, which nobody can rule under.

Floor 1, beside the walk. Names are self-declared: this tells spellings apart, not people.
"""

from __future__ import annotations

import unicodedata

LONGEST_NAME = 64


def person_named(said: str) -> str:
    """The name as it is kept: in Unicode's compatibility form, blanks squeezed, so that one name has one spelling."""
    return " ".join(unicodedata.normalize("NFKC", said).split())


def same_person(one: str, other: str) -> bool:
    """Do both names name one person? `ida` does not make a second person of `Ida`."""
    return person_named(one).casefold() == person_named(other).casefold()


def name_flaw(said: str) -> str | None:
    """Why nobody can rule under this name; None if somebody can."""
    name = person_named(said)
    if not name.isprintable():  # control, format and private characters, surrogates
        return "a name holds a character that cannot be seen (use letters, digits, blanks, `-`, `.`)"
    if not any(char.isalnum() for char in name):
        return "a ruling needs a name (letters or digits), as in --as ida"
    if len(name) > LONGEST_NAME:
        return f"a name of {len(name)} characters (at most {LONGEST_NAME})"
    return None

"""JSON as strictly as it is read here: one value, no duplicate keys, no NaN or infinity, bounded in size and depth.

Serves `prompts.parse`, the journal and every edge that reads JSON somebody else wrote. Python's `json` keeps the last
of two equal keys, takes `NaN`, reads `1e999` as infinity and recurses as deep as it is told: each of them has forged a
verdict somewhere. Knows nothing of verdicts.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import NoReturn

from overseer.errors import Malformed

MAX_DEPTH = 32
"""Arrays and objects within each other; what is asked for anywhere here needs no more than four."""

# A string, ended or not, or a bracket: all that the depth of a JSON text hangs on. Linear, whatever the text.
_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|([\[\]{}])', re.DOTALL)
_DEEPER = {"[": 1, "{": 1, "]": -1, "}": -1, "": 0}


def load_json(text: str, max_chars: int) -> object:
    """The one JSON value that this text is, or `Malformed`. JSON's own white space around it is allowed, no more.

    Strings may hold NUL and lone surrogates still (as escapes): see `plain`.
    """
    if len(text) > max_chars:
        raise Malformed(f"{len(text)} characters, at most {max_chars} are read")
    _bound_depth(text)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
    except Malformed:
        raise
    except json.JSONDecodeError as error:
        raise Malformed(f"not one JSON value: {error.msg} at character {error.pos}") from None
    except ValueError:  # an integer of more than 4,300 digits
        raise Malformed("a number that is too long") from None


def plain(text: str) -> bool:
    """Can this text be stored and sent anywhere: no NUL, no lone surrogate?"""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(text: str) -> str:
    """A hostile text as it may stand in a message: ASCII, short, quoted."""
    return ascii(text if len(text) <= 40 else text[:40] + "…")


def _bound_depth(text: str) -> None:
    """Before anything recurses. Brackets within strings do not count."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return  # no deeper than it has openers: nearly every text that is not an attack
    if max(accumulate(map(_DEEPER.__getitem__, _STRUCTURE.findall(text)))) > MAX_DEPTH:
        raise Malformed(f"nested over {MAX_DEPTH} deep")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise Malformed(f"the key {shown(key)} stands twice")
        found[key] = value
    return found


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Malformed("a number beyond what can be held")
    return number


def _constant(word: str) -> NoReturn:
    raise Malformed(f"{word} is not JSON")

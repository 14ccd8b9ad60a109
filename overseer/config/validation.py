"""From a tree to a pydantic model, and from pydantic's errors to lines that tell a stranger what to edit.

Step 1 of the walk, after `strict_yaml`. Knows no particular schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from overseer.config.strict_yaml import MAX_PROBLEMS, Document, KeyPath, Tree, dotted, near, one_line
from overseer.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)

MAX_DETAILS = 4 * MAX_PROBLEMS
"""So many of pydantic's errors are put into words: a union has several to a problem, and a hostile file any number."""

_SAYINGS = {
    "missing": "required key is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "none_required": "must be null",
}


def validate(document: Document, model: type[Model]) -> Model:
    """The document's tree as a model. Raises ConfigError with one line for each problem."""
    try:
        return model.model_validate(document.tree)
    except ValidationError as error:
        raise ConfigError(problems(error, document, model)) from None


def problems(error: ValidationError, document: Document, model: type[BaseModel]) -> list[str]:
    """One line per place that is wrong: `file: key.path[0]: what (did you mean 'x'?) [line 3]`, in the file's order."""
    said: dict[KeyPath, list[str]] = {}
    details = error.errors(include_url=False)
    for detail in details[:MAX_DETAILS]:
        path, what = _told(detail, document.tree, model)
        whats = said.setdefault(path, [])
        if what not in whats:  # the alternatives of a union complain alike
            whats.append(what)
    # Of a union's members only one was meant: that which got deepest into what was written.
    outdone = {path[:end] for path in said for end in range(len(path))}
    told = lines_of(document, ((path, ", or ".join(whats)) for path, whats in said.items() if path not in outdone))
    untold = len(details) > MAX_DETAILS and len(told) <= MAX_PROBLEMS
    return [*told, f"{document.file}: and more"] if untold else told


def lines_of(document: Document, found: Iterable[tuple[KeyPath, str]]) -> list[str]:
    """Problems at key paths, as lines in the order of the file."""
    placed = []
    for path, what in found:
        line = next((document.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in document.lines), 0)
        where = f"{dotted(path)}: " if path else ""
        at = f" [line {line}]" if line else ""
        placed.append((line, f"{document.file}: {where}{one_line(what)}{at}"))
    placed.sort(key=lambda pair: pair[0])
    told = [text for _, text in placed]
    return told if len(told) <= MAX_PROBLEMS else [*told[:MAX_PROBLEMS], f"{document.file}: and more"]


def _told(detail: ErrorDetails, tree: Tree, model: type[BaseModel]) -> tuple[KeyPath, str]:
    path, types = _walk(detail["loc"], detail["type"], tree, model)
    kind, value = detail["type"], detail["input"]
    if kind == "missing":
        return path, _SAYINGS[kind]
    if kind == "extra_forbidden":
        known = _keys(types)
        remedy = near(path[-1], known) or (f" (known: {', '.join(sorted(known))})" if known else "")
        return path, f"unknown key{remedy}"
    if kind in _SAYINGS:
        return path, f"{_SAYINGS[kind]}, not {_short(value)}"
    if kind == "literal_error":
        expected = str(detail.get("ctx", {}).get("expected", ""))
        words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
        return path, f"must be {expected}, not {_short(value)}{near(value, words)}"
    if kind == "too_short":
        return path, f"must hold at least {detail['ctx']['min_length']}, not {detail['ctx']['actual_length']}"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in ("value_error", "assertion_error"):
        return path, message
    for stiff in ("Input should be", "String should be"):
        message = message.replace(stiff, "must be", 1)
    return path, f"{message[:1].lower()}{message[1:]}, not {_short(value)}"


def _short(value: object) -> str:
    """A value as a person can recognise it: never a whole tree."""
    match value:
        case Mapping():
            return "a mapping"
        case list():
            return "a list"
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case _:
            shown = repr(value)
            return shown if len(shown) <= 60 else f"{shown[:57]}…"


def _walk(loc: Sequence[str | int], kind: str, tree: Any, model: type[BaseModel]) -> tuple[KeyPath, list[object]]:
    """The key path of an error, without pydantic's own labels of union members; and the types of what holds its end.

    A label is told from a key by its being neither in the tree nor among the model's fields (a key that `--set` brought
    is not in the file). A missing key is in no tree, but comes last.
    """
    path: list[str | int] = []
    here: Any = tree
    types: list[object] = [model]
    for place, part in enumerate(loc):
        if kind in ("missing", "extra_forbidden") and place == len(loc) - 1:
            return (*path, part), types
        inside = part in here if isinstance(here, dict) else isinstance(here, list) and part in range(len(here))
        if not inside and part not in _keys(types):
            continue
        here, types = here[part] if inside else None, _under(types, part)
        path.append(part)
    return tuple(path), types


def _under(types: Iterable[object], part: str | int) -> list[object]:
    """The types that may stand under this key or index of any of these types."""
    found: list[object] = []
    for one in types:
        for plain in _members(one):
            if isinstance(plain, type) and issubclass(plain, BaseModel):
                found.extend(
                    field.annotation for name, field in plain.model_fields.items() if part in (name, field.alias)
                )
            elif get_origin(plain) in (list, tuple, dict, Mapping, Sequence):
                found.extend(get_args(plain)[-1:] if get_origin(plain) is not tuple else get_args(plain)[:1])
    return found


def _members(one: object) -> list[object]:
    """The alternatives of a type, with annotations taken off."""
    origin = get_origin(one)
    if origin is Annotated:
        return _members(get_args(one)[0])
    if origin in (Union, UnionType):
        return [plain for member in get_args(one) for plain in _members(member)]
    return [one]


def _keys(types: Iterable[object]) -> list[str]:
    return [
        field.alias or name
        for one in types
        for plain in _members(one)
        if isinstance(plain, type) and issubclass(plain, BaseModel)
        for name, field in plain.model_fields.items()
    ]

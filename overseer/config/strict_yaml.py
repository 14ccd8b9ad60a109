"""YAML read strictly: plain values only, every key once, small and shallow; what is wrong, said in one line each.

Step 1 of the walk. The parser's events are read one by one, so that a hostile file is refused before anything is built
of it. Scalars follow YAML 1.2's core schema: `no` and `on` are words, `1:30` is text. Knows not what a file means.
"""

from __future__ import annotations

import difflib
import math
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from yaml import events

from overseer.errors import ConfigError

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 20_000
MAX_MESSAGE: Final = 240
MAX_PROBLEMS: Final = 50
"""So many problems of one file are told; past it, the file is another kind of file."""

Tree = dict[str | int, "Tree"] | list["Tree"] | str | int | float | bool | None
KeyPath = tuple[str | int, ...]

# libyaml is 20 times as fast; where it reads what the other refuses (tabs in odd places), no tree differs.
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_NUMERIC: Final = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"([-+]?\.inf|\.nan)\Z", re.IGNORECASE)
_TOO_LARGE: Final = f"larger than {MAX_BYTES // 1024} KB (larger graphs come through the Python interface)"
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read: `tree`, and `lines`, the line (from 1) on which each key or list item stands, by its path."""

    file: str
    tree: Tree
    lines: Mapping[KeyPath, int]


def load(path: Path | str) -> Tree:
    """The tree of a YAML file: dict, list, str, int, float, bool, None. Raises ConfigError with all problems."""
    return read(path).tree


def read(path: Path | str) -> Document:
    """The tree of a YAML file and the lines of its keys. Raises ConfigError with all problems."""
    file = one_line(str(path))
    return parse(_text(Path(path), file), file)


def parse(text: str, file: str) -> Document:
    """As `read`, of a text; `file` names it in messages."""
    if not text.strip():
        raise ConfigError(f"{file}: the file is empty")
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{file}: {_TOO_LARGE}")
    reader = _Reader(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        reader.problem(mark.line + 1 if mark is not None else 0, f"not YAML: {error.problem}")
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: escapes beyond Unicode
        reader.problem(0, f"not YAML: {str(error).partition(chr(10))[0]}")
    if reader.problems:
        raise ConfigError(reader.problems)
    return Document(file, reader.tree, reader.lines)


def parse_scalar(text: str) -> Tree:
    """One value as YAML reads it, as in `--set rounds=3`; nothing at all is null. Raises ConfigError."""
    return parse(text, one_line(text)[:60]).tree if text.strip() else None


def near(word: object, known: Iterable[object]) -> str:
    """A remedy: ` (did you mean 'x'?)`, or nothing where nothing is near."""
    candidates = sorted({str(one) for one in known})
    close = difflib.get_close_matches(str(word)[:100], candidates, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def dotted(path: Iterable[str | int]) -> str:
    """A key path as people write it: `oversees[1].who[0]`."""
    said = ""
    for part in path:
        said += f"[{part}]" if isinstance(part, int) else f".{one_line(part)}" if said else one_line(part)
    return said


def one_line(text: str) -> str:
    """Text that came from a file, safe on one line of a console: controls, bidi and zero-width characters escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _text(path: Path, file: str) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{file}: a folder, not a file")
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{file}: not a regular file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file{_sibling(path)}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{file}: cannot be read: {one_line(reason)}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{file}: {_TOO_LARGE}")
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise ConfigError(f"{file}: line {line}: a NUL byte: not a text file, or not UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{file}: line {line}: not UTF-8 (save the file as UTF-8)") from error


def _sibling(path: Path) -> str:
    try:
        return near(path.name, (other.name for other in path.parent.iterdir() if other.suffix in (".yaml", ".yml")))
    except OSError:
        return ""


class _Refused(Exception):
    """A scalar that no file may hold; never leaves this module."""


class _Reader:
    """Builds a tree from a stream of events, on an explicit stack, and collects what is wrong."""

    def __init__(self, file: str) -> None:
        self.tree: Tree = None
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[str] = []
        self._file = file
        self._documents = 0
        self._values = 0
        self._open: list[dict[str | int, Tree] | list[Tree]] = []
        self._path: list[str | int] = []
        self._awaits_value = False
        """Of a mapping on top: its key was read and stands at the end of the path."""

    def problem(self, line: int, what: str) -> None:
        at = f"line {line}: " if line else ""
        item = [len(self._open[-1])] if self._open and isinstance(self._open[-1], list) else []
        path = dotted([*self._path, *item])
        where = f"{path}: " if path else ""
        self.problems.append(f"{self._file}: {at}{where}{one_line(what)[:MAX_MESSAGE]}")
        if len(self.problems) == MAX_PROBLEMS:
            raise ConfigError([*self.problems, f"{self._file}: and more"])

    def take(self, event: events.Event) -> None:
        match event:
            case events.ScalarEvent():
                self._refuse_extras(event)
                self._scalar(event)
            case events.DocumentStartEvent():
                self._documents += 1
                if self._documents == 2:
                    self.problem(_line(event), "a second document: one file holds one (remove the `---`)")
                    raise ConfigError(self.problems)
            case events.AliasEvent():
                self.problem(_line(event), f"alias *{event.anchor}: write the value out")
                self._put(None, event)
            case events.SequenceStartEvent() | events.MappingStartEvent():
                self._refuse_extras(event)
                self._enter(event, [] if isinstance(event, events.SequenceStartEvent) else {})
            case events.SequenceEndEvent() | events.MappingEndEvent():
                self._open.pop()
                self._leave()

    def _refuse_extras(self, event: events.ScalarEvent | events.CollectionStartEvent) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            self.problem(
                _line(event), f"more than {MAX_VALUES} values (larger graphs come through the Python interface)"
            )
            raise ConfigError(self.problems)
        if event.anchor is not None:
            self.problem(_line(event), f"anchor &{event.anchor}: aliases are not read, write the value out")
        if event.tag is not None:
            self.problem(_line(event), f"tag {event.tag}: tags are not read (remove it)")

    def _enter(self, event: events.NodeEvent, fresh: dict[str | int, Tree] | list[Tree]) -> None:
        if len(self._open) == MAX_DEPTH:
            self._path.clear()  # a path that deep helps nobody
            self._open.clear()
            self.problem(_line(event), f"nested over {MAX_DEPTH} deep")
            raise ConfigError(self.problems)
        if self._expects_key():
            self.problem(_line(event), "a key must be a word or a whole number, not a list or mapping")
            raise ConfigError(self.problems)  # keys and values cannot be told apart from here on
        self._attach(fresh, event)
        self._open.append(fresh)
        self._awaits_value = False

    def _leave(self) -> None:
        """The path's last part belonged to what has just been finished."""
        if self._path:
            self._path.pop()
        self._awaits_value = False

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1], dict) and not self._awaits_value

    def _scalar(self, event: events.ScalarEvent) -> None:
        try:
            value = _plain(event.value) if event.implicit[0] else _clean(event.value)
        except _Refused as refused:
            self.problem(_line(event), str(refused))
            value = event.value
        if self._expects_key():
            self._key(value, event)
        else:
            self._put(value, event)

    def _key(self, value: str | int | float | bool | None, event: events.ScalarEvent) -> None:
        mapping = self._open[-1]
        assert isinstance(mapping, dict)
        if value == "<<" and event.implicit[0]:
            self.problem(_line(event), "merge key <<: write the keys out")
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.problem(_line(event), f"a key must be a word or a whole number, not {event.value!r} (quote it)")
            value = event.value
        if value in mapping:
            first = self.lines[(*self._path, value)]
            self.problem(_line(event), f"duplicate key {str(value)[:60]!r} (first on line {first})")
        else:
            self.lines[(*self._path, value)] = _line(event)
        self._path.append(value)
        self._awaits_value = True

    def _put(self, value: Tree, event: events.NodeEvent) -> None:
        if self._expects_key():  # an alias in a key's place: refused already, named so that reading can go on
            self._path.append("*")
            self._awaits_value = True
            return
        self._attach(value, event)
        self._leave()

    def _attach(self, value: Tree, event: events.NodeEvent) -> None:
        """Put a value in its place; the path ends at it until `_leave`."""
        if not self._open:
            self.tree = value
            return
        top = self._open[-1]
        if isinstance(top, list):
            self._path.append(len(top))
            if isinstance(value, dict | list):  # a plain item is found by the line of its list
                self.lines[tuple(self._path)] = _line(event)
            top.append(value)
        else:
            top.setdefault(self._path[-1], value)


def _line(event: events.Event) -> int:
    """From 1; 0 where the parser does not say."""
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _plain(word: str) -> str | int | float | bool | None:
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in _NUMERIC:
        return _clean(word)
    if _INT.match(word):
        digits = word.lstrip("+-")
        if len(digits) > 18:
            raise _Refused(f"the number {word[:20]}… is too large (quote it if it is text)")
        if len(digits) > 1 and digits[0] == "0":
            raise _Refused(f"{word} begins with 0: drop the 0, or quote it if it is text")
        return int(word)
    if _NOT_FINITE.match(word):
        raise _Refused(f"{word} is not a number that can be used here")
    if _FLOAT.match(word):
        number = float(word)
        if not math.isfinite(number):
            raise _Refused(f"the number {word[:20]} is too large")
        return number
    return _clean(word)


def _clean(text: str) -> str:
    if "\0" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)):
        raise _Refused("an escape that is no character (NUL or half a surrogate pair)")
    return text

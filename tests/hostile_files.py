"""Files that nobody should have to trust: bombs, floods, wrong types at every key; and names that lead astray."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from overseer.config.strict_yaml import parse

ROOT = Path(__file__).parent.parent
WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**9, 10**18, 1e300, "", "x", "x" * 5_000, "../" * 2_000, "/etc/passwd", "~", "%s{}"),
    *([], [[]], ["x", "x"], [None], {}, {"a": {}}, {"x": 1, "policy": "x"}, [1] * 5_000, {"a": ["b", {"c": "d"}]}),
    dict.fromkeys((f"{number:099}" for number in range(2_000)), 1),
    *(
        "embed/" + "x" * 5_000,
        "hf/" + "x" * 5_000,
        "town/../../etc",
        "recorded/x",
        "openai/x",
        "sim/human",
        "(" * 3_000,
        "hf/~nobody-of-this-name/x",
    ),
)
"""Values that hardly any key expects."""
LIMIT = 256 * 1024


class Files:
    """Draws hostile files; equal seeds draw equal ones."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._sound = [parse(text, "sound").tree for text in _sound()]
        self._texts = [text.encode() for text in _sound()]
        self._places = [(number, path) for number, tree in enumerate(self._sound) for path in _paths(tree)]
        self._kinds: tuple[Callable[[], bytes], ...] = (
            self._bomb,
            self._deep,
            self._flood,
            self._scalar,
            self._bytes,
            self._damaged,
            self._wrong_type,
            self._wrong_type,
            self._wrong_type,
            self._wrong_key,
        )

    def files(self, count: int) -> Iterator[bytes]:
        """So many files, of every kind in turn."""
        for number in range(count):
            yield self._kinds[number % len(self._kinds)]()

    def _bomb(self) -> bytes:
        """Aliases of aliases, as lists, as mappings, as merges."""
        wide, deep = self._chance.randint(2, 9), self._chance.randint(2, 24)
        form = self._chance.choice(("[{}]", "{{<<: [{}]}}", "{{x: [{}]}}", "[[{}]]"))
        lines = [f"a0: &a0 {self._chance.choice(('[lol]', '{k: v}'))}"]
        lines += [f"a{n}: &a{n} {form.format(', '.join([f'*a{n - 1}'] * wide))}" for n in range(1, deep)]
        return "\n".join([*lines, f"name: *a{deep - 1}"]).encode()

    def _deep(self) -> bytes:
        opened = self._chance.choice(
            ("[", "{a: ", "- ", "? ", "[{a: ", "!x [", "&a [", "'", "- - ", "a: [", "  - a:\n")
        )
        times = min(self._chance.choice((33, 1_000, 50_000, 250_000)), LIMIT // len(opened))
        return (opened * times).encode()

    def _flood(self) -> bytes:
        """One thing said very often: keys, items, documents, anchors, tags, comments, directives, quotes."""
        each = self._chance.choice(
            (
                *("a: 1\n", "- 1\n", "---\n", "- &a 1\n", "- !!x 1\n", "# c\n", "%YAML 1.1\n", "'", '"', ": ", "\n"),
                *("?\n", "- *a\n", "...\n", "- {a: 1, a: 2}\n", "- {}\n", "- 'x'\n", "<<: 1\n", "? [a]\n: b\n", "a:\n"),
                *("|\n", ",", "\t"),
            )
        )
        over = self._chance.choice((0.001, 0.1, 0.9, 1.5))
        return ("name: x\n" * self._chance.randint(0, 1) + each * int(over * LIMIT / len(each))).encode()

    def _scalar(self) -> bytes:
        """A value that is huge, not finite, no character, or of another type than it looks."""
        odd = (
            *(
                ".nan",
                ".inf",
                "-.INF",
                "1e999",
                "0x" + "f" * 500,
                "1" * 100_000,
                "0777",
                "1_000",
                "-" * 9_000,
                "1e" * 999,
            ),
            *("!!python/object/apply:os.system [echo]", "!!binary aGk=", "!<x> 1", "2024-01-01", "12:30:45", "=", "<<"),
            *(
                '"\\ud800"',
                '"\\0"',
                '"\\U0011FFFF"',
                '"\\xff"',
                "|\n  " + "x" * 250_000,
                ">\n " + " x\n" * 60_000,
                "'" * 3,
            ),
            *(
                '"' + "\\u202e" * 9_000 + '"',
                "x" * 255_000,
                "*a",
                "&a",
                "@x",
                "`x`",
                "%x",
                "\x85",
                "\u2028",
                "\ufeff",
                "?",
            ),
        )
        forms = (
            "name: {}\n",
            "{}: 1\n",
            "- {}\n",
            "name: x\nconstitution: {}\npolicy: {{model: {}}}\n",
            "layers: [{}]\n",
        )
        value = self._chance.choice(odd)
        return self._chance.choice(forms).replace("{}", value).encode("utf-8", "surrogatepass")

    def _bytes(self) -> bytes:
        """Encodings that are none, or another's; NUL; what is no text at all."""
        text = self._chance.choice(self._texts)
        broken = (
            text.decode().encode("utf-16"),
            text.decode().encode("utf-32"),
            b"\xef\xbb\xbf\xef\xbb\xbf" + text,
            b"\xff\xfe" + text,
            text[:200] + b"\0" + text[200:],
            text[:200] + bytes([self._chance.randint(0x80, 0xFF)]) + text[200:],
            text[:200] + b"\xed\xa0\x80" + text[200:],
            text.replace(b"\n", b"\r"),
            text.replace(b"\n", b"\r\n") + b"\x1a",
            text + b"#" * LIMIT,
            self._chance.randbytes(self._chance.choice((1, 100, 10_000, 300_000))),
            b"",
            b" \n\t\n",
        )
        return self._chance.choice(broken)

    def _damaged(self) -> bytes:
        """A sound file with bytes flipped, lines dropped, doubled, moved or indented."""
        lines = self._chance.choice(self._texts).splitlines(keepends=True)
        for _ in range(self._chance.randint(1, 4)):
            place = self._chance.randrange(len(lines))
            match self._chance.randint(0, 4):
                case 0:
                    lines[place] = b""
                case 1:
                    lines.insert(self._chance.randrange(len(lines)), lines[place])
                case 2:
                    lines[place] = b" " * self._chance.randint(1, 40) + lines[place]
                case 3:
                    lines[place] = lines[place][: self._chance.randint(0, len(lines[place]))]
                case _:
                    flipped = bytearray(lines[place] or b"x")
                    flipped[self._chance.randrange(len(flipped))] ^= 1 << self._chance.randint(0, 6)
                    lines[place] = bytes(flipped)
        return b"".join(lines)

    def _wrong_type(self) -> bytes:
        """A sound file but for one key, which holds what it must not."""
        number, path = self._chance.choice(self._places)
        tree = deepcopy(self._sound[number])
        holder, last = _holder(tree, path)
        holder[last] = self._chance.choice(WRONG)
        return json.dumps(tree).encode()

    def _wrong_key(self) -> bytes:
        """A sound file but for one key that is missing, unknown, or somebody else's."""
        number, path = self._chance.choice(self._places)
        tree = deepcopy(self._sound[number])
        holder, last = _holder(tree, path)
        value = holder.pop(last)
        if isinstance(holder, dict):
            odd = (
                str(last).upper(),
                f"{last}x",
                "",
                "__class__",
                "self",
                "x" * 9_000,
                "a.b[0]",
                "\u202e",
                "name",
                "model",
            )
            holder[self._chance.choice(odd)] = value
        return json.dumps(tree).encode()


def _sound() -> list[str]:
    """Sound files of each sort: hierarchies (one of which tries its persons), a constitution, scenarios."""
    board = (ROOT / "hierarchies" / "review_board.yaml").read_text(encoding="utf-8")
    clinic = (ROOT / "hierarchies" / "clinic.yaml").read_text(encoding="utf-8")
    constitution = (ROOT / "constitutions" / "base.yaml").read_text(encoding="utf-8")
    known_bad = SMALL_SCENARIO.replace("rounds: 1", "rounds: 1\n  known_bad: {rate: 0.5, from: rows.jsonl}")
    return [board, clinic, constitution, SMALL_SCENARIO, known_bad]


SMALL_SCENARIO = """\
about: Nothing harmful is released.
hierarchy:
  constitution:
    name: small
    layers:
      - name: all
        principles: [{id: a, tier: 1, text: No harm., why: It hurts., critique: Does it?, revise: Mend it.}]
    cues: {risk: {3: [poison]}}
  agents:
    ann: {authority: 4}
    bob: {model: sim/overseer, authority: 4, profile: {detection: 0.5}}
    board: {human: {by: sim/human, persons: 2}, authority: 4}
  oversees:
    - {who: ann, whom: policy}
    - {who: bob, whom: ann, when: {spot_check: 0.5, risk_at_least: 2}}
    - {who: board, whom: bob, when: {every: 2, escalated: true}, budget: {reviews: 3, minutes: 1.5}}
  rounds: 1
  compare: {samples: 2, who: bob}
  limits: {window: 4, models: {sim/overseer: {concurrency: 2, rate: 5.0}}}
tasks: [How?, {id: b, text: What?}]
replies:
  policy: [So., So not.]
  ann: {verdict: reject, findings: [{principle: a, severity: 3, evidence: So}]}
expect: {tasks: {b: {outcome: withheld}}}
"""

Where = tuple[str | int, ...]


def _paths(tree: Any, above: Where = ()) -> Iterator[Where]:
    """Every key path of a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*above, key)
        yield from _paths(value, (*above, key))


def _holder(tree: Any, path: Where) -> tuple[Any, str | int]:
    for part in path[:-1]:
        tree = tree[part]
    return tree, path[-1]


# --- names ---------------------------------------------------------------------------------------------------------


def names(seed: int, count: int, outside: Path) -> Sequence[str]:
    """So many names, each different, that would lead out of a folder, or meet another name, or are none."""
    chance = random.Random(seed)
    steps = (
        "..",
        ".",
        "...",
        "",
        "~",
        "CON",
        "aux.txt",
        "NUL",
        "com1",
        "-rf",
        "a:b",
        "*",
        "\\..\\..",
        "．．",
        "..%2f",
        "∕",
    )
    whole = [
        *(
            "",
            " ",
            ".",
            "..",
            "../",
            "/",
            "//",
            "/tmp/x",
            "\0",
            "a\0b",
            "../../x\0.json",
            "~",
            "~root",
            "\n",
            "\r",
            "\x1b[2J",
        ),
        *("A", "a", "ａ", "İ", "ı", "ß", "SS", "é", "e\u0301", "a\u200b", "\u202exyz", "\ud800", "\udcff", "x" * 255),
        *(
            "x" * 256,
            "x" * 5_000,
            "../" * 1_500,
            "é" * 200,
            "lock",
            "manifest.json",
            "config",
            "inbox",
            "RUN.head",
            ".part",
        ),
        *(
            f"{outside}/x",
            f"{outside}",
            f"../../../../../../../..{outside}/x",
            "link/x",
            "link",
            "journal.sqlite3",
            "nul.",
        ),
    ]
    found = dict.fromkeys(whole)
    while len(found) < count:
        parts = [chance.choice((*steps, *whole[3:24])) for _ in range(chance.randint(1, 5))]
        found[chance.choice(("/", "/", "\\", ".", "\0", "")).join(parts)] = None
    return list(found)[:count]

"""Exports: whole or not at all, in the order of the input, strict in every format, with a card of the counts."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overseer import preferences
from overseer.errors import ConfigError, OverseerError
from overseer.exports.export import EXAMPLES, Written, in_order, row, write
from overseer.exports.tables import SHAPES, Format, What, defused, json_line
from overseer.journal.encoding import canonical
from overseer.preferences import Source
from overseer.records import (
    Agent,
    Context,
    Critique,
    Decision,
    Draft,
    Episode,
    Evaluation,
    Failure,
    Finding,
    Message,
    Outcome,
    Rulebook,
    Task,
    Vote,
    text_hash,
)
from overseer.recourse import Case

AGENTS = {name: Agent(name, model, 4) for name, model in (("policy", "sim/policy"), ("nurse", "sim/overseer"))}
SOURCE = Source("run1", "7", AGENTS, hashes=(("manifest", "abc"),))
RULEBOOK = Rulebook((), (), (), "rules")
WHATS: tuple[What, ...] = ("episodes", "pairs", "revisions", "critiques", "steps")
FORMATS: tuple[Format, ...] = ("jsonl", "csv", "parquet")


def draft(number: int, text: str) -> Draft:
    return Draft(number, text, text_hash(text), "policy")


def look(drafted: Draft, critique: Critique | Failure) -> Evaluation:
    """The nurse's evaluation, alone: revise, approve, or escalate where nobody answered."""
    cast = "failure" if isinstance(critique, Failure) else critique.verdict
    decision = Decision("escalate", "unjudged") if cast == "failure" else Decision(cast, "unanimous")  # type: ignore[arg-type]
    return Evaluation("s1", 1, drafted.number, drafted.hash, (), (Vote("nurse", 0, critique, cast, ""),), (), decision)


def episode(
    place: int = 0,
    *,
    name: str | None = None,
    bad: str = "Take all of it.",
    good: str = "Take one.",
    asked: str = "How much?",
    outcome: Outcome = "released",
) -> Episode:
    """Sent back once, then released, or unjudged on the second draft."""
    drafts = (draft(0, bad), draft(1, good))
    found = Critique("revise", (Finding("a", 3, bad, "remove"),), 0.9, "too much")
    last = Critique("approve", (), 0.9) if outcome == "released" else Failure("deadline", "no answer")
    return Episode(
        task=Task(name or f"t{place}", (Message("user", asked),), place),
        context=Context(("clinic",), 1, 1, 1.0),
        rulebook=RULEBOOK,
        samples=drafts[:1],
        comparisons=(),
        drafts=drafts,
        evaluations=(look(drafts[0], found), look(drafts[1], last)),
        outcome=outcome,
        rule="unanimous" if outcome == "released" else "unjudged",
        output=drafts[1].hash,
        requests=5,
        failures=int(outcome != "released"),
    )


def written(tmp_path: Path, what: What, format: Format, episodes: Iterable[Episode]) -> Written:
    return write(what, format, episodes, SOURCE, tmp_path / f"{what}.{format}")


def json_rows(path: Path) -> list[dict[str, object]]:
    """Read as strictly as a reader can: no constant that is not JSON, one object a line."""
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


# --- what is written -----------------------------------------------------------------------------------------------


def test_pairs_stand_in_the_explicit_conversational_columns(tmp_path: Path) -> None:
    """`prompt`, `chosen` and `rejected` are lists of messages; all provenance is in one struct beside them."""
    (found,) = json_rows(written(tmp_path, "pairs", "jsonl", [episode()]).path)
    assert list(found) == ["prompt", "chosen", "rejected", "weight", "provenance"]
    assert found["prompt"] == [{"role": "user", "content": "How much?"}]
    assert found["chosen"] == [{"role": "assistant", "content": "Take one."}]
    assert found["rejected"] == [{"role": "assistant", "content": "Take all of it."}]
    provenance = found["provenance"]
    assert isinstance(provenance, dict)
    assert (provenance["run"], provenance["episode"], provenance["seed"]) == ("run1", "t0", "7")
    assert {"name": "manifest", "hash": "abc"} in provenance["hashes"]
    assert provenance["both_harmful"] is False


def test_episodes_are_the_canonical_record(tmp_path: Path) -> None:
    """Byte for byte the canonical episodes, by place and id, whatever order they ended in."""
    some = [episode(2), episode(0, name="b"), episode(1), episode(0, name="a")]
    path = written(tmp_path, "episodes", "jsonl", some).path
    in_place = [some[3], some[1], some[2], some[0]]
    assert path.read_bytes() == b"".join(canonical(one) + b"\n" for one in in_place)
    for format in ("csv", "parquet"):
        again = written(tmp_path, "episodes", format, some).path
        found = csv_rows(again) if format == "csv" else parquet.read_table(again).to_pylist()
        assert [one["record"].encode() for one in found] == [canonical(one) for one in in_place]
        assert [str(one["place"]) for one in found] == ["0", "0", "1", "2"]


@pytest.mark.parametrize("what", WHATS)
def test_every_table_has_the_same_rows_in_every_format(tmp_path: Path, what: What) -> None:
    """JSONL, Parquet and CSV hold the same rows, in the columns that are declared."""
    some = [episode(place, outcome="unjudged" if place == 1 else "released") for place in range(4)]
    paths = {format: written(tmp_path, what, format, some) for format in FORMATS}
    assert len({one.rows for one in paths.values()}) == 1
    table = parquet.read_table(paths["parquet"].path)
    assert table.column_names == list(SHAPES[what])
    flat = csv_rows(paths["csv"].path)
    assert len(flat) == table.num_rows == paths["csv"].rows
    if what != "episodes":
        assert table.to_pylist() == json_rows(paths["jsonl"].path)
        assert [one["provenance.episode"] for one in flat] == [
            one["provenance"]["episode"] for one in table.to_pylist()
        ]


@pytest.mark.parametrize("what", WHATS)
def test_no_rows_are_a_whole_file_too(tmp_path: Path, what: What) -> None:
    """Nothing to write: the columns stand all the same."""
    for format in FORMATS:
        one = written(tmp_path, what, format, [])
        assert one.rows == 0
        assert one.card.exists()
    assert parquet.read_table(tmp_path / f"{what}.parquet").column_names == list(SHAPES[what])
    assert (tmp_path / f"{what}.jsonl").read_bytes() == b""
    assert "provenance.run" in (tmp_path / f"{what}.csv").read_text() or what == "episodes"


def test_rows_have_exactly_the_declared_columns() -> None:
    """A column that a schema does not name would be dropped silently, a missing one be null."""
    for what, make in EXAMPLES.items():
        for example in make(Case((episode(),)), SOURCE):
            assert_shape(row(example), SHAPES[what])


def assert_shape(value: object, shape: object) -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict)
        assert list(value) == list(shape)
        for name, held in shape.items():
            assert_shape(value[name], held)
    elif isinstance(shape, list):
        assert isinstance(value, list | tuple)
        for held in value:
            assert_shape(held, shape[0])
    else:
        assert value is None or isinstance(value, {"text": str, "int": int, "real": float, "flag": bool}[str(shape)])


# --- hostile text --------------------------------------------------------------------------------------------------


def test_a_line_is_one_line_to_every_reader(tmp_path: Path) -> None:
    """Line separators of every kind are escaped, so that no reader cuts a row in two."""
    hostile = "a\nb\r\nc\u2028d\u2029e\x85f\x0bg\x1ch"
    path = written(tmp_path, "pairs", "jsonl", [episode(good=hostile)]).path
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1
    assert json.loads(text)["chosen"][0]["content"] == hostile


def test_lone_surrogates_do_not_spoil_the_file(tmp_path: Path) -> None:
    """A text that is not Unicode is escaped in every format; the rows beside it load."""
    some = [episode(0), episode(1, good="half \ud800 a pair")]
    for format in FORMATS:
        path = written(tmp_path, "pairs", format, some).path
        path.read_bytes() if format == "parquet" else path.read_text(encoding="utf-8")
    assert json_rows(tmp_path / "pairs.jsonl")[1]["chosen"] == [{"role": "assistant", "content": "half \\ud800 a pair"}]
    assert parquet.read_table(tmp_path / "pairs.parquet")["chosen"][1].as_py()[0]["content"] == "half \\ud800 a pair"
    with pytest.raises(OverseerError, match="episode 't1': holds text that is not Unicode"):
        written(tmp_path, "episodes", "jsonl", some)


@given(st.text(st.characters(exclude_categories=())))
def test_json_round_trips(text: str) -> None:
    """Every text comes back as it was, but for lone surrogates, which come back escaped."""
    line = json_line({"text": text})
    assert b"\n" not in line
    assert json.loads(line.decode("utf-8"))["text"] == text.encode("utf-8", "backslashreplace").decode("utf-8")


@pytest.mark.parametrize("number", [float("nan"), float("inf")], ids=str)
def test_no_number_that_json_does_not_know(number: float) -> None:
    """NaN and infinities are refused."""
    with pytest.raises(ValueError, match="JSON"):
        json_line({"weight": number})


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", "\n=1", " =1", "＝1", "'=1"], ids=ascii)
def test_formulas_are_defused(tmp_path: Path, text: str) -> None:
    """A cell that a spreadsheet could run begins with `'`, in every column; dropping it gives the text back."""
    assert defused(text) == f"'{text}"
    path = written(tmp_path, "pairs", "csv", [episode(good=text, name=text)]).path
    (found,) = csv_rows(path)
    assert found["chosen"] == found["provenance.episode"] == f"'{text}"


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_no_cell_begins_like_a_formula(tmp_path: Path, bad: str, good: str, asked: str) -> None:
    """Whatever the texts, every cell of every row is inert, and the answers can be had back."""
    for what in ("pairs", "critiques", "revisions"):
        path = written(tmp_path, what, "csv", [episode(bad=bad, good=good, asked=asked)]).path
        for found in csv_rows(path):
            assert not any(cell.startswith(tuple("=+-@\t\r\n")) for cell in found.values())
            if what == "pairs":
                chosen = found["chosen"]
                assert (chosen[1:] if chosen.startswith("'") else chosen) == good


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=4))
def test_parquet_round_trips(tmp_path: Path, texts: list[tuple[str, str]]) -> None:
    """What was put in comes out, row by row."""
    some = [episode(place, bad=bad, good=good) for place, (bad, good) in enumerate(texts)]
    path = written(tmp_path, "pairs", "parquet", some).path
    expected = [row(pair) for one in some for pair in preferences.pairs(one, SOURCE)]
    found = parquet.read_table(path).to_pylist()
    assert [json.dumps(one) for one in found] == [json.dumps(one) for one in expected]


# --- order and memory ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 5), st.text(max_size=2), st.integers(0, 3))), st.integers(1, 3000))
def test_order_does_not_depend_on_what_fits_in_memory(keys: list[tuple[int, str, int]], chunk: int) -> None:
    """Sorted at once or by runs on disk: the same lines in the same order."""
    keyed = [(key, json.dumps(key).encode()) for key in keys]
    assert list(in_order(keyed, Path("."), chunk)) == [line for _, line in sorted(keyed)]


@pytest.mark.parametrize("what", WHATS)
def test_completion_order_does_not_show(tmp_path: Path, what: What) -> None:
    """The same episodes in another order give the same bytes."""
    some = [episode(place) for place in range(6)]
    for format in FORMATS:
        first = written(tmp_path, what, format, some).path.read_bytes()
        assert written(tmp_path, what, format, reversed(some)).path.read_bytes() == first


# --- whole or not at all -------------------------------------------------------------------------------------------


def broken() -> Iterator[Episode]:
    yield episode(0)
    raise RuntimeError("the source broke")


def test_failure_leaves_what_was_there(tmp_path: Path) -> None:
    """An export that breaks half way leaves the old file whole, and nothing of its own."""
    for format in FORMATS:
        one = written(tmp_path, "pairs", format, [episode()])
        before = one.path.read_bytes(), one.card.read_bytes()
        with pytest.raises(RuntimeError, match="the source broke"):
            written(tmp_path, "pairs", format, broken())
        assert (one.path.read_bytes(), one.card.read_bytes()) == before
    assert len(list(tmp_path.iterdir())) == 2 * len(FORMATS)


def test_what_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A name that is taken by a folder, and a folder that is taken by a file: one line each."""
    (tmp_path / "pairs.jsonl").mkdir()
    with pytest.raises(OverseerError, match=r"pairs\.jsonl: cannot be written"):
        written(tmp_path, "pairs", "jsonl", [episode()])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OverseerError, match="cannot be written"):
        written(tmp_path / "file", "pairs", "jsonl", [episode()])
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.jsonl", "file"}


def test_unknown_data_or_format_is_named(tmp_path: Path) -> None:
    """Both problems at once, each with what was meant."""
    with pytest.raises(ConfigError) as caught:
        write("pair", "json", [], SOURCE, tmp_path / "x")  # type: ignore[arg-type]
    assert caught.value.problems == (
        "export: unknown data 'pair' (did you mean 'pairs'?)",
        "export: unknown format 'json' (did you mean 'jsonl'?)",
    )


@pytest.mark.slow
def test_parquet_is_loaded_only_when_asked_for() -> None:
    """Importing the export costs no pyarrow: another process shows it."""
    told = "import sys, overseer.exports.export; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- the card ------------------------------------------------------------------------------------------------------


def test_card_tells_the_counts(tmp_path: Path) -> None:
    """Rows, outcomes, what was left out, who judged, the weights, and the hash of the very file beside it."""
    some = [episode(place, outcome="unjudged" if place == 2 else "released") for place in range(3)]
    one = written(tmp_path, "pairs", "jsonl", some)
    text = one.card.read_text(encoding="utf-8")
    assert one.card.name == "pairs.jsonl.card.md"
    assert "2 rows from 3 episodes: 2 released, 0 withheld, 1 unjudged." in text
    assert "Left out for want of a judgement: 1 unjudged." in text
    assert "| revision | 2 | 100.0% |" in text
    assert "| a person among the judges | 0 | 0.0% |" in text
    assert "| a simulated agent among the judges | 2 | 100.0% |" in text
    assert "| weight 0.75–1 | 2 | 100.0% |" in text
    assert "`run1`" in text
    assert "| `manifest` | `abc` |" in text
    assert sha256(one.path.read_bytes()).hexdigest() in text


def test_card_holds_no_markup_of_others(tmp_path: Path) -> None:
    """Names from files stand in code spans, with nothing that ends a span or a cell."""
    evil = "x`<script>|\u202e\n# y"
    source = replace(SOURCE, run=evil, hashes=((evil, evil),), agents={**AGENTS, evil: Agent(evil, evil, 4)})
    one = write("pairs", "jsonl", [episode()], source, tmp_path / "pairs.jsonl")
    text = one.card.read_text(encoding="utf-8")
    assert "`x·<script>···# y`" in text
    assert "\n# y" not in text
    assert "\u202e" not in text

"""A program that draws hostile strings on its terminal by every way of drawing that we have. Run by a test, in a PTY.

`python -m terminal_child FOLDER SEED COUNT WAY`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import board_driver
from board_driver import board, row
from hostile_strings import Hostile

from overseer import api
from overseer.checkpoints import Queue, Shown
from overseer.cli import dispatch, say_bug
from overseer.cli.console import progress_line, say
from overseer.console.drawing import lines_of
from overseer.console.page import page
from overseer.metrics.measures import RULES, Measures
from overseer.metrics.paired import Paired
from overseer.metrics.statistics import Measure, Table
from overseer.records import (
    Critique,
    Decision,
    Evaluation,
    Failure,
    Finding,
    Message,
    Principle,
    Request,
    Ruling,
    Strike,
    Vote,
)
from overseer.reports.run_report import render, render_brief, render_paired
from overseer.reports.tables import Grid, coloured, plain
from overseer.running.session import Progress

SIZE = 16
"""So many strings go into one page."""


def main() -> None:
    folder, seed, count, way = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    strings = [f"q{number:05}z {text}" for number, text in enumerate(Hostile(seed).strings(count))]
    WAYS[way](strings, folder)
    print("the end")


def batches(strings: Sequence[str]) -> Iterator[list[str]]:
    """Equal parts, the last one filled up with strings that were there before."""
    for begin in range(0, len(strings), SIZE):
        yield (list(strings[begin : begin + SIZE]) + list(strings[:1]) * SIZE)[:SIZE]


# --- reports -------------------------------------------------------------------------------------------------------


def tables(strings: Sequence[str], folder: Path) -> None:
    for some in batches(strings):
        title, note, line, first, second, *cells = some
        grid = Grid(title, (first, second), tuple((cell, 0.5) for cell in cells), note)
        print(coloured([line, grid], 100))
        print(plain(grid))


def reports(strings: Sequence[str], folder: Path) -> None:
    for some in batches(strings):
        run, other, title, note, warning, *names = some
        figures = tuple(Measure(f"harm[{name}]", 0.5, 0.4, 0.6, 9, 1, name) for name in names[:5])
        nothing = tuple(Measure(name, None, None, None, 0, 0) for name in names[5:7])
        labelled = tuple(Measure(f"{name}[{names[7]}]", 0.5, 0.4, 0.6, 9, 1) for name in sorted(_label_names()))
        found = (
            Table(RULES, (title, "n"), tuple((name, 3) for name in names[7:]), note),
            Table(title, (note, "n"), tuple((name, None) for name in names), note),
        )
        measures = Measures(run, 9, figures + nothing + labelled, found, True, (warning,))
        print(render(measures, "live", 100))
        print(render_brief(measures, "live", 60))
        print(render(measures, "plain"))
        print(render(measures, "json"))
        print(render_paired(Paired((run, other), 9, 1, 2, 3, tuple(names), (), True), "live", 100))


def _label_names() -> set[str]:
    from overseer.reports.label_grids import NAMES

    return set(NAMES)


# --- the console ---------------------------------------------------------------------------------------------------


def console(strings: Sequence[str], folder: Path) -> None:
    queue = Queue(board_driver.waiting(folder, [row("a")], board(seats=1)).path)
    shown = queue.show(queue.listed()[0].id)
    for number, some in enumerate(batches(strings)):
        parts = page(crowded_with(shown, some), 9e9, opened=True, opens="x opens it.", waiting=3)
        print("\n".join(lines_of((*parts.upper, *parts.lower), 100, colour=number % 2 == 0)))


def crowded_with(shown: Shown, some: Sequence[str]) -> Shown:
    """The checkpoint, with somebody's string wherever somebody's words can stand."""
    who, by, name, domain, asked, appeal, author, draft, reason, note, detail, evidence, id_, text, why, layer = some
    finding, other = Finding(id_, 4, draft, "remove"), Finding(layer, 2, evidence, "add")
    votes = (
        Vote(who, 0, Critique("reject", (finding, other), 0.5, reason), "reject", "b"),
        Vote(name, 0, Ruling("modify", by, note, 3.0, (finding,), draft), "revise", "b"),
        Vote(domain, 0, Failure("transport", detail), "failure", "b"),
    )
    strike = Strike(evidence, finding, name, other, who, equal_tiers=False)
    request = shown.request
    below = Evaluation("s", 1, 0, request.draft.hash, (), votes, (strike,), Decision("reject", "majority"))
    principle = Principle(id_, text, why, 1)
    return Shown(
        replace(shown.checkpoint, who=who, by=(by, name)),
        replace(
            request,
            appeal=appeal,
            task=replace(request.task, messages=(Message("user", asked), Message("assistant", reason))),
            context=replace(request.context, domains=(domain, layer)),
            draft=replace(request.draft, number=1, author=author, text=f"{draft} {evidence}\n{text}"),
            evaluations=(below,),
            rulebook=replace(request.rulebook, principles=(principle,), layers=(layer,), settled=(note, detail)),
        ),
        None,
    )


def a_run(strings: Sequence[str], folder: Path) -> None:
    """A board's queue, its checkpoints and its report, by the verbs; prompts, answers and reviews are hostile."""

    async def judge(request: Request) -> Critique:
        draft = request.draft.text  # type: ignore[union-attr]  # it is asked for critiques alone
        return Critique("reject", (Finding("enable_no_misuse", 4, draft[:40], "remove"),), 0.8, draft)

    readable = [text.encode("utf-8", "ignore").decode() for text in strings]
    rows = [row(" ".join(some[0].split()), "\n".join(some), "\r".join(some)) for some in batches(readable)]
    path = board_driver.hierarchy(folder, board(seats=1))
    (folder / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    run = api.run(path, out=folder / "runs", seed=1, reviewers={"critic": judge})
    queue = Queue(run.path)
    for each in queue.listed():
        for ui in ("live", "plain", "json"):
            assert dispatch(["review", str(run.path), "show", each.id, "--open", "--ui", ui]) == 0
    for each, text in zip(queue.listed(), readable, strict=False):
        verb = ["review", str(run.path), "--as", "ida", "decide", each.id, "reject", "--note", text]
        assert dispatch(verb) in (0, 2), "a note with a NUL in it is refused"
    assert dispatch(["review", str(run.path), "list"]) == 0
    api.resume(run.path, reviewers={"critic": judge})
    for verb in (["report"], ["report", "--html"], ["verify"], ["export", "--what", "episodes"]):
        assert dispatch([verb[0], str(run.path), *verb[1:]]) == 0
    for each, text in zip(run.episodes(), readable, strict=False):
        dispatch(["appeal", str(run.path), each.task.id, "--because", text])
        dispatch(["appeal", str(run.path), text, "--because", text, "--as", text])


# --- talk ----------------------------------------------------------------------------------------------------------


def talk(strings: Sequence[str], folder: Path) -> None:
    for text in strings[100:]:
        say(text)
    with progress_line(100, "live") as show:
        for number, text in enumerate(strings[:100]):  # each drawn with the bar anew, which takes long
            say(text)
            show(Progress(number, 1, 3.0))


def errors(strings: Sequence[str], folder: Path) -> None:
    """What every verb says of an argument that is none; and of a file."""
    path = board_driver.hierarchy(folder, board(seats=1))
    run = board_driver.waiting(folder / "other", [row("a")], board(seats=1))
    for number, text in enumerate(strings):
        verbs = (
            [text],
            ["check", text],
            ["run", str(path), "--set", text],
            ["run", text, text],
            ["report", str(run.path), "--fail-if", text],
            ["review", str(run.path), "show", text],
            ["review", str(run.path), "list", "--as", text, "--ui", text],
            ["review", str(run.path), "decide", "0" * 16, "approve", "--finding", text],
            ["appeal", str(run.path), text, "--because", "so"],
            ["town", "ask", text, text],
            ["test", text],
            ["export", text, "--what", text],
        )
        assert dispatch(verbs[number % len(verbs)]) != 0
        (folder / "hostile.yaml").write_text(yaml_of(text, number), encoding="utf-8")
        dispatch(["check", str(folder / "hostile.yaml")])
        dispatch(["test", str(folder / "hostile.yaml")])


def yaml_of(text: str, number: int) -> str:
    """A file that is wrong, in a hostile way: a key, a value, a name, or not YAML at all."""
    quoted = json.dumps(text)
    forms: tuple[str, ...] = (
        f"{quoted}: 1\n",
        f"name: {quoted}\nconstitution: {quoted}\npolicy: {{model: {quoted}}}\n",
        f"name: a\npolicy: 1\nagents: {{{quoted}: {{model: 1, {quoted}: 2}}}}\n",
        f"name: a\nlayers: [{{name: {quoted}, waive: [{quoted}], {quoted}: 3}}]\n",
        f"expect: {{tasks: {{{quoted}: {quoted}}}}}\nhierarchy: {quoted}\ntasks: [{quoted}]\n",
        f"a: {text.encode('utf-8', 'ignore').decode()}\n",
    )
    return forms[number % len(forms)]


def bugs(strings: Sequence[str], folder: Path) -> None:
    """A bug's last words hold whatever it stumbled over."""
    for text in strings:
        try:
            raise RuntimeError(text) from KeyError(text)
        except RuntimeError as error:
            say_bug(error)


WAYS: dict[str, Callable[[Sequence[str], Path], Any]] = {
    "tables": tables,
    "reports": reports,
    "console": console,
    "a run": a_run,
    "talk": talk,
    "errors": errors,
    "bugs": bugs,
}
"""Every way in which text reaches a terminal."""


if __name__ == "__main__":
    main()

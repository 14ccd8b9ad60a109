"""`overseer review`: answer what waits for people, at a console, or a ruling a call from a script."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from overseer.cli.console import mode, name_option, say, ui_option
from overseer.cli.exits import INTERRUPTED, OK
from overseer.cli.values import RUN
from overseer.records import Finding, RulingAction

if TYPE_CHECKING:
    from overseer.checkpoints import Checkpoint, Order, Queue, Shown
    from overseer.metrics.statistics import Cell

order_option = click.option(
    "--order",
    type=click.Choice(["risk", "age", "disagreement"]),
    default="risk",
    show_default=True,
    help="What comes first; equals stand in an order that tells nothing of where they come from.",
)


class _Review(click.Group):
    """Takes its own options on either side of RUN: click would hand what follows RUN to a verb."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_value = {name for each in self.params if isinstance(each, click.Option) for name in each.opts}
        options: list[str] = []
        rest: list[str] = []
        given = list(args)
        while given:
            word = given.pop(0)
            if rest and word in self.commands:
                return super().parse_args(ctx, [*options, *rest, word, *given])
            if not word.startswith("-"):
                rest.append(word)
            else:
                options.append(word)
                if word in takes_value and given:
                    options.append(given.pop(0))
        return super().parse_args(ctx, [*options, *rest])


@click.group(
    name="review", cls=_Review, invoke_without_command=True, subcommand_metavar="[list | show ID | decide ID ACTION]"
)
@click.argument("run", type=RUN)
@name_option
@click.option(
    "--for", "agents", multiple=True, metavar="AGENT", help="Only what this agent was asked; may be repeated."
)
@order_option
@click.pass_context
def command(context: click.Context, run: Path, person: str, agents: tuple[str, ...], order: Order) -> int:
    """Answer what waits for people in RUN (its folder), while the run goes on or after it died.

    Opens a console; `list`, `show` and `decide` are for scripts. Names are self-declared: the record shows under which
    name a ruling was given, not who typed it.
    """
    from overseer.checkpoints import Queue

    context.obj = queue = Queue(run, agents=agents or None)
    if context.invoked_subcommand is not None:
        return OK
    from overseer.console import review

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave as on Ctrl-C, with the terminal as it was
    finished = review(queue, person, order=order)
    return OK if finished else INTERRUPTED


@command.command(name="list")
@click.option("--as", "person", help="Only what this person may rule on now.")
@order_option
@ui_option
@click.pass_obj
def list_(queue: Queue, person: str | None, order: Order, ui: str) -> int:
    """List what waits: a line a checkpoint, with its id."""
    found = queue.listed(person, order)
    if mode(ui) == "json":
        for each in found:
            print(json.dumps(_row(each)))
        return OK
    from overseer.reports.tables import Grid, coloured, plain

    rows = tuple(map(_cells, found))
    grid = Grid("", ("checkpoint", "for", "risk", "asked", "deadline", "disagreement", "state"), rows)
    if not found:
        say("nothing waits for anybody" if person is None else f"nothing waits for {person}")
    elif mode(ui) == "plain":
        print(plain(grid))
    else:
        print(coloured([grid], shutil.get_terminal_size().columns))
    return OK


@command.command(name="show")
@click.argument("checkpoint")
@click.option("--open", "opened", is_flag=True, help="Show what is folded because it was found harmful, too.")
@ui_option
@click.pass_obj
def show(queue: Queue, checkpoint: str, opened: bool, ui: str) -> int:
    """Show a CHECKPOINT: all that its person decides by."""
    shown = queue.show(checkpoint)
    chosen = mode(ui)
    if chosen == "json":
        print(json.dumps(_whole(shown)))
        return OK
    from overseer.console.drawing import lines_of
    from overseer.console.page import page

    parts = page(shown, queue.clock(), opened=opened, opens="--open shows it.")
    width = shutil.get_terminal_size().columns
    print("\n".join(lines_of((*parts.upper, *parts.lower), width, colour=chosen == "live")))
    return OK


@command.command(name="decide")
@click.argument("checkpoint")
@click.argument("action", type=click.Choice(get_args(RulingAction)))
@click.option("--as", "person", help="Your name; else that of `review`, else your login name.")
@click.option("--note", default="", help="Why; needed to revise, reject and escalate.")
@click.option("--text-file", type=click.Path(path_type=Path), help="To modify: the text in the draft's stead (UTF-8).")
@click.option(
    "--finding",
    "findings",
    multiple=True,
    metavar="PRINCIPLE=SEVERITY",
    help="A principle that the draft breaks, and how gravely, 0 to 4; `=3:words of the draft` says where.",
)
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=0.0, help="How long it was looked at; else 0, which is flagged."
)
@ui_option
@click.pass_context
def decide(
    context: click.Context,
    checkpoint: str,
    action: RulingAction,
    person: str | None,
    note: str,
    text_file: Path | None,
    findings: tuple[str, ...],
    seconds: float,
    ui: str,
) -> int:
    """Rule on one CHECKPOINT: approve, modify, revise (send back), reject or escalate.

    Once this ends with 0 the ruling is durable, whether or not the run is alive. Exit code 1: it came too late, or was
    not this person's to give; 2: it is no sound ruling. There is no ruling on many at once.
    """
    queue: Queue = context.obj
    assert context.parent is not None, "`decide` stands under `review`"
    person = person or str(context.parent.params["person"])
    text = None if text_file is None else _text(text_file)
    if beside := [name for name in queue.find(checkpoint).by if name.casefold() != person.strip().casefold()]:
        say(f"warning: {', '.join(beside)} ruled on this seat already: if yours differs, the task is denied")
    given = tuple(map(_finding, findings))
    done = queue.decide(checkpoint, person, action, note=note, text=text, findings=given, seconds=seconds)
    if mode(ui) == "json":
        told = {"acknowledged": checkpoint, "action": action, "by": done.ruling.person, "fresh": done.fresh}
        print(json.dumps({**told, "beside": list(done.beside)}))
    else:
        print(f"acknowledged: {action} of {checkpoint}{'' if done.fresh else ' (it stood already)'}")
    return OK


def _row(checkpoint: Checkpoint) -> dict[str, object]:
    return {
        "id": checkpoint.id,
        "who": checkpoint.who,
        "seat": checkpoint.seat,
        "risk": checkpoint.risk,
        "disagreement": checkpoint.disagreement,
        "asked": _when(checkpoint.asked),
        "deadline": _when(checkpoint.deadline),
        "state": checkpoint.state,
        "by": list(checkpoint.by),
    }


def _whole(shown: Shown) -> dict[str, object]:
    """What a reviewer sees, and nothing else."""
    request, book = shown.request, shown.request.rulebook
    evaluations = [
        {
            "level": evaluation.level,
            "decision": asdict(evaluation.decision),
            "votes": [
                {
                    "juror": vote.juror,
                    "kind": type(vote.answer).__name__.lower(),
                    "answer": asdict(vote.answer),
                    "counted_as": vote.cast,
                }
                for vote in evaluation.votes
            ],
            "strikes": [asdict(strike) for strike in evaluation.strikes],
        }
        for evaluation in request.evaluations
    ]
    return {
        **_row(shown.checkpoint),
        "context": asdict(request.context),
        "appeal": request.appeal,
        "messages": [asdict(message) for message in request.task.messages],
        "draft": {"number": request.draft.number, "author": request.draft.author, "text": request.draft.text},
        "may_revise": request.may_revise,
        "evaluations": evaluations,
        "layers": list(book.layers),
        "settled": list(book.settled),
        "focus": [principle.id for principle in request.focus],
        "principles": [asdict(principle) for principle in book.principles],
    }


def _cells(each: Checkpoint) -> tuple[Cell, ...]:
    state = f"ruled by {', '.join(each.by)}" if each.by else each.state
    split = "yes" if each.disagreement else "no"
    return each.id, each.who, each.risk, _when(each.asked), _when(each.deadline), split, state


def _when(at: float | None) -> str | None:
    return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _finding(said: str) -> Finding:
    form = re.fullmatch(r"([^=]+)=([0-4])(?::(.*))?", said, flags=re.DOTALL)
    if form is None:
        raise click.UsageError(f"--finding {said}: not of the form PRINCIPLE=SEVERITY, with a severity from 0 to 4")
    return Finding(form[1].strip(), int(form[2]), form[3] or "", "remove")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"--text-file {path}: not UTF-8 ({error.reason} at byte {error.start})") from None

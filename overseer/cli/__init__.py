"""The command line: verbs bound to `overseer.api`, one module each, loaded when called.

The one place where errors become exit codes and talk on stderr; stdout is data.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import click

from overseer import __version__
from overseer.cli.exits import BUG, ERROR, INTERRUPTED, OK, USAGE
from overseer.errors import BackendMissing, ConfigError, OverseerError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "run": "Run a hierarchy over its tasks and report.",
    "resume": "Go on with a run that stopped.",
    "review": "Answer what waits for people, at a console or from a script.",
    "pause": "Hold a run from another terminal; let it go on.",
    "stop": "End a live run's session from another terminal.",
    "appeal": "Ask that what became of a task be heard again.",
    "test": "Run scenarios: what must come out, and does it?",
    "check": "Check a hierarchy or a constitution; say everything at once.",
    "verify": "Verify a run's record: the chain, and its decisions.",
    "report": "Report a run, or compare two.",
    "export": "Write a run's episodes or training data.",
    "fit-judge": "Fit a judge of principle vectors on labelled rows.",
    "fit-context": "Fit what tells tasks' contexts on labelled rows.",
    "train": "Train models: answers, reward models, preferences, recipes.",
    "town": "Sample Town's tasks; ask its oracle about any text.",
    "doctor": "Say what this installation can do.",
    "init": "Write a starter project, each line explained.",
    "completion": "Print the script with which a shell completes.",
}


class _Verbs(click.Group):
    """Lists every verb without importing any, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"overseer.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(verb, help=what) for verb, what in COMMANDS.items() if verb.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        asked = bool(args) and not ctx.resilient_parsing  # else a shell completes: it is told nothing
        if asked and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"verbs: {', '.join(COMMANDS)}"
            raise click.UsageError(f"unknown verb {args[0]!r} ({hint})")
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="overseer %(version)s")
def overseer() -> None:
    """Design, run, stress and train with oversight hierarchies."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb and exit with its code."""
    sys.exit(dispatch(list(sys.argv[1:] if arguments is None else arguments)))


def dispatch(arguments: list[str]) -> int:
    """Run a verb; its exit code. Expected errors are said in one line each on stderr.

    Where whoever reads our output has left (`| head`), click ends the process with 1, in silence: what was not said
    (a gate's answer, say) must not pass for well.
    """
    try:
        code = overseer.main(arguments or ["--help"], prog_name="overseer", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        _say(error.format_message())
        return USAGE
    except (ConfigError, BackendMissing) as error:
        _say(str(error))
        return USAGE
    except OverseerError as error:
        _say(str(error))
        return ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            _say(f"{error.filename}: {error.strerror} (choose another path, or mend that one)")
            return ERROR
        # The boundary: a bug is shown whole, under its own exit code, and never mistaken for a verdict.
        say_bug(error)
        return BUG
    return code if isinstance(code, int) else OK


def say_bug(error: Exception) -> None:
    """Show a bug whole. Its words may be anybody's (a key of a file, a model's text): safe like any other."""
    import traceback

    _say("".join(traceback.format_exception(error)).rstrip())
    _say("this is a bug in overseer, not in your input: please report the lines above")


def _say(text: str) -> None:
    from overseer.reports.safe import safe_lines

    for line in safe_lines(text):
        print(f"overseer: {line}", file=sys.stderr)

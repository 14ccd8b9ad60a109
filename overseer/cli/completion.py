"""`overseer completion`: the script with which a shell completes verbs, options and values, by click's own mechanism.

The script asks `overseer` itself at each press of the key: what it offers is always what is installed.
"""

from __future__ import annotations

import click

from overseer.cli.exits import OK

PROGRAM = "overseer"
ASKED_BY = "_OVERSEER_COMPLETE"
"""The environment variable by which a shell's script asks; click looks for this one."""


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the script for SHELL. To complete in every new shell, put into its start-up file:

    \b
    ~/.bashrc                   eval "$(overseer completion bash)"
    ~/.zshrc, after compinit    eval "$(overseer completion zsh)"
    ~/.config/fish/config.fish  overseer completion fish | source
    """
    from click.shell_completion import get_completion_class

    completing = get_completion_class(shell)
    assert completing is not None, "click knows all three"
    print(completing(ctx.find_root().command, {}, PROGRAM, ASKED_BY).source(), end="")
    return OK

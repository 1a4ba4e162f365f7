"""`upproxy completion`: the words of this command, completed by the shell."""

from __future__ import annotations

import os

import click

from upproxy.cli.errors import UsageError
from upproxy.cli.frame import Call, completion

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@click.pass_obj
def command(call: Call, *, shell: str | None) -> None:
    """Print a script that completes commands and flags, by default for the shell in SHELL.

    For bash and zsh, write `eval "$(upproxy completion)"` into ~/.bashrc or ~/.zshrc; for fish,
    `upproxy completion fish | source` into ~/.config/fish/config.fish.
    """
    chosen = shell or os.path.basename(os.environ.get("SHELL", ""))
    if chosen not in _SHELLS:
        raise UsageError(
            f"there is no completion for {chosen or 'a shell that is not named'}", hint="Name bash, zsh or fish."
        )
    call.output.text(completion(chosen))

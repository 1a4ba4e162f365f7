"""`upproxy run`: a hook of up.yml by itself."""

from __future__ import annotations

import os

import click

from upproxy.cli.build import STAGE, run_hook
from upproxy.cli.errors import UsageError
from upproxy.cli.frame import Call

HOOKS = ("prebuild", "build", "postbuild", "predeploy", "postdeploy", "clean")


@click.command()
@click.argument("hook", type=click.Choice(HOOKS))
@click.pass_obj
def command(call: Call, hook: str) -> None:
    """Run the commands of a hook in the project's folder, as a build or deploy would.

    They have the stage in UP_STAGE: staging unless -s names another. What they print goes to stderr.
    """
    # Not at the top: the help of this command should not wait for them.
    from upproxy import config

    found = config.load(os.path.realpath(call.directory), call.stage or STAGE)
    if not getattr(found.settings.hooks, hook):
        raise UsageError(f"up.yml has no hook {hook}", hint=f"Write it as `hooks: {{{hook}: COMMAND}}`.")
    run_hook(call.output, found, hook)

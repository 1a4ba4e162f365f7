"""`upproxy promote`: what is live on one stage is released on another."""

from __future__ import annotations

import click

from upproxy.cli.deploy import release
from upproxy.cli.errors import UsageError
from upproxy.cli.frame import Call


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("to", metavar="TO")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def command(call: Call, source: str, to: str, *, dry_run: bool) -> None:
    """Release on one stage what is live on another: the same files, with the other stage's configuration.

    Nothing is built. It has to be healthy before it gets traffic, like any release.
    """
    if source == to:
        raise UsageError("both stages are the same")
    if call.stage:
        raise UsageError("the stages are named by FROM and TO, and not by --stage")

    from upproxy.aws.functions import Functions
    from upproxy.build.errors import BuildError
    from upproxy.build.target import Target
    from upproxy.cli import stage as stages
    from upproxy.deploy import commit, live
    from upproxy.deploy.code import Code

    call.stage = source
    origin = stages.opened(call)
    call.stage = to
    stage = stages.opened(call)
    name, functions = origin.names.function, Functions(origin.session, origin.regions[0])
    found = live.configuration(functions, origin.names)
    target = Target(found["Runtime"].removeprefix("python"), found["Architectures"][0])
    wanted = stage.config.settings.lambda_.architecture
    if target.architecture != wanted:
        raise BuildError(
            f"{name} is built for {target.architecture} and {to} has {wanted}: the stages need builds of their own",
            "Deploy the stage instead of promoting to it.",
        )
    call.output.note(f"version {found['Version']} of {name} for {stage.names.function}")
    code = Code(name, functions.download(name, found["Version"]))
    promoted = code.with_manifest(stage.names.function, stage.config.manifest())
    made_from, _ = commit.read(found.get("Description", ""))
    release(call, stage, target, promoted, made_from, dry_run=dry_run)

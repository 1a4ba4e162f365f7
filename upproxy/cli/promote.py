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
    from upproxy.build.target import Target
    from upproxy.cli import stage as stages
    from upproxy.deploy import commit
    from upproxy.deploy.code import Code
    from upproxy.deploy.errors import NotDeployed
    from upproxy.deploy.names import ALIAS, Names

    call.stage = to
    stage = stages.opened(call)
    names = Names(stage.config.name, source)
    functions = Functions(stage.session, stage.regions[0])
    live = functions.configuration(names.function, ALIAS)
    if live is None:
        raise NotDeployed(f"{names.app} is not deployed to {source}", f"`upproxy deploy {source}` does that.")
    call.output.note(f"version {live['Version']} of {names.function} for {stage.names.function}")
    code = Code(names.function, functions.download(names.function, live["Version"]))
    promoted = code.with_manifest(stage.names.function, stage.config.manifest())
    target = Target(live["Runtime"].removeprefix("python"), live["Architectures"][0])
    made_from, _ = commit.read(live.get("Description", ""))
    release(call, stage, target, promoted, made_from, dry_run=dry_run)

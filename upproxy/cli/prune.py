"""`upproxy prune`: old releases are deleted."""

from __future__ import annotations

import click

from upproxy.cli.deploy import chosen
from upproxy.cli.errors import CommandError
from upproxy.cli.frame import Call


@click.command()
@click.argument("name", metavar="[STAGE]", required=False)
@click.option("--keep", metavar="N", type=click.IntRange(min=0), help="How many to keep; `release.retain` by default.")
@click.option("--dry-run", is_flag=True, help="Say which would go, and delete nothing.")
@click.pass_obj
def command(call: Call, name: str | None, *, keep: int | None, dry_run: bool) -> None:
    """Delete old releases, but never the live one or the one to roll back to.

    The stage is staging unless another is named.
    """
    from upproxy.aws.artefacts import Artefacts
    from upproxy.aws.functions import Functions
    from upproxy.cli import stage as stages
    from upproxy.deploy import history, prune
    from upproxy.deploy.names import bucket
    from upproxy.deploy.together import in_all

    output = call.output
    chosen(call, name)
    opened = stages.opened(call)
    session, function = opened.session, opened.names.function
    functions = {region: Functions(session, region) for region in opened.regions}
    found = in_all(opened.regions, lambda region: history.read(functions[region], opened.names))
    retained = opened.config.settings.release.retain if keep is None else keep
    going = {region: prune.superfluous(one, retained) for region, one in found.items()}
    count = sum(map(len, going.values()))
    listed = [{"region": region, "version": one.version} for region, ones in going.items() for one in ones]
    if count and not dry_run:
        versions = ", ".join(dict.fromkeys(one.version for ones in going.values() for one in ones))
        if output.interactive and not output.confirm(f"Delete {count} releases of {function} ({versions})?"):
            raise CommandError("stopped, and nothing was changed")

        def delete(region: str) -> None:
            artefacts = Artefacts(session, region, bucket(session.account, region))
            prune.prune(functions[region], artefacts, function, found[region], going[region])

        in_all(opened.regions, delete)
    if output.as_json:
        output.document({"deleted": [] if dry_run else listed, "found": listed})
    elif not count:
        output.note("nothing to do: there is no release beyond those that are kept")
    else:
        output.note(f"{'would delete' if dry_run else 'deleted'} {count} {'release' if count == 1 else 'releases'}")
        for one in listed:
            output.text(f"{one['region']}: version {one['version']}")

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
    held: dict[str, dict[str, str]] = {region: {} for region in going}
    if count and not dry_run:
        versions = ", ".join(dict.fromkeys(one.version for ones in going.values() for one in ones))
        if output.interactive and not output.confirm(f"Delete {count} releases of {function} ({versions})?"):
            raise CommandError("stopped, and nothing was changed")

        def delete(region: str) -> dict[str, str]:
            artefacts = Artefacts(session, region, bucket(session.account, region))
            return prune.prune(functions[region], artefacts, function, found[region], going[region])

        held = in_all(opened.regions, delete)
    gone = [
        {"region": region, "version": one.version}
        for region, ones in going.items()
        for one in ones
        if one.version not in held[region]
    ]
    kept = [
        {"region": region, "version": version, "reason": reason}
        for region, ones in held.items()
        for version, reason in ones.items()
    ]
    if output.as_json:
        output.document({"dry_run": dry_run, "deleted": gone, "kept": kept})
        return
    for one in kept:
        output.warn(f"{one['region']}: version {one['version']} stays: {one['reason']}")
    if not count:
        output.note("nothing to do: there is no release beyond those that are kept")
    else:
        did = "would delete" if dry_run else "deleted"
        output.note(f"{did} {len(gone)} {'release' if len(gone) == 1 else 'releases'}")
        for one in gone:
            output.text(f"{one['region']}: version {one['version']}")

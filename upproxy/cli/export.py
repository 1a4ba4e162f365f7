"""`upproxy export`: the stage as a template, for those who want to go on without upproxy."""

from __future__ import annotations

import os

import click

from upproxy.cli.deploy import chosen
from upproxy.cli.frame import Call


@click.command()
@click.argument("name", metavar="[STAGE]", required=False)
@click.pass_obj
def command(call: Call, name: str | None) -> None:
    """Print a stage as a SAM template, which needs upproxy no more but for the zip.

    It has the function, its role, its log, its address, and all that `upproxy stack` makes. YAML, or JSON with --json.
    Save it in the project's folder: the zip that `upproxy build` makes is named in it by its path from there. The stage
    is staging unless another is named; nothing on AWS is asked.
    """
    # Not at the top: the help of this command should not wait for them.
    from upproxy import config
    from upproxy.build import target
    from upproxy.cli.build import FOLDER
    from upproxy.deploy.stack.export import export

    output = call.output
    found = config.load(call.directory, chosen(call, name))
    code = f"{FOLDER}/{found.stage}.zip"
    region = call.region or next(iter(found.settings.regions), None) or "us-east-1"
    document = export(found, target.of(found), region, code)
    for warning in found.warnings:
        output.warn(warning)
    if not os.path.exists(os.path.join(call.directory, code)):
        output.note(f"`upproxy build -s {found.stage}` makes {code}, which the template refers to")
    output.note(
        "`sam deploy --guided -t FILE` creates it; delete what upproxy has deployed before, since names are the same"
    )
    if parameters := document.get("Parameters"):
        output.note(f"it has parameters that somebody has to give: {', '.join(parameters)}")
    if output.as_json:
        output.document(document)
    else:
        output.text(config.to_yaml(document))

"""`upproxy config`: what the configuration comes to."""

from __future__ import annotations

import click

from upproxy import config
from upproxy.cli.errors import UsageError
from upproxy.cli.frame import Call


@click.command()
@click.option("--manifest", is_flag=True, help="Print the manifest that the proxy reads, with nothing hidden.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of up.yml.")
@click.option(
    "--python", metavar="COMMAND", default="python3", show_default=True, help="The interpreter that runs the app."
)
@click.pass_obj
def command(call: Call, *, manifest: bool, schema: bool, python: str) -> None:
    """Print the configuration of a stage with all defaults, as YAML or with --json as JSON.

    Values of environment variables that look like secrets are hidden. The stage is development unless -s names
    another.
    """
    output = call.output
    if manifest and schema:
        raise UsageError("--manifest and --schema are two documents", hint="Ask for one of them.")
    if schema:
        output.document(config.json_schema())
        return
    found = config.load(call.directory, call.stage or "development", python=python)
    output.note(f"{found.file or 'no up.yml'}, {found.found}")
    for warning in found.warnings:
        output.warn(warning)
    if manifest:
        output.document(found.manifest())
        return
    resolved = found.resolved()
    resolved["environment"] = config.masked(resolved["environment"])
    if call.region:
        resolved["regions"] = [call.region]
    if output.as_json:
        output.document(resolved)
    else:
        output.text(config.to_yaml(resolved))

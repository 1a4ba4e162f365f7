"""`upproxy url`: where a deployed stage takes requests."""

from __future__ import annotations

import click

from upproxy.cli.errors import CommandError
from upproxy.cli.frame import Call


@click.command()
@click.option("-o", "--open", "open_", is_flag=True, help="Open it in the browser.")
@click.option("-c", "--copy", is_flag=True, help="Copy it to the clipboard.")
@click.pass_obj
def command(call: Call, *, open_: bool, copy: bool) -> None:
    """Print the address of a deployed stage, one for each region. With several, -o and -c take the first."""
    from upproxy.cli import clipboard

    output = call.output
    found = addresses(call)
    if output.as_json:
        output.document({"regions": [{"region": region, "url": url} for region, url in found.items()]})
    else:
        for url in found.values():
            output.text(url)
    first = next(iter(found.values()))
    if copy:
        clipboard.copy(first)
        output.note("copied")
    if open_:
        browse(first)


def addresses(call: Call) -> dict[str, str]:
    """Return the addresses of a stage by region. Raises ConfigError, DeployError and AwsError."""
    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.cli import stage as stages
    from upproxy.deploy import address
    from upproxy.deploy.together import in_all

    stage = stages.opened(call)
    return in_all(stage.regions, lambda region: address.of(stage.session, region, stage.names, stage.config))


def browse(url: str) -> None:
    """Open an address in the browser. Raises CommandError where there is none."""
    import webbrowser

    if not webbrowser.open(url):
        raise CommandError(f"no browser could be opened for {url}", hint="BROWSER may name one.")

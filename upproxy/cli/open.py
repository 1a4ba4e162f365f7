"""`upproxy open`: a deployed stage in the browser."""

from __future__ import annotations

import click

from upproxy.cli.frame import Call
from upproxy.cli.url import addresses, browse


@click.command()
@click.pass_obj
def command(call: Call) -> None:
    """Open a deployed stage in the browser; the first region's, where there are several."""
    url = next(iter(addresses(call).values()))
    call.output.note(f"opening {url}")
    browse(url)

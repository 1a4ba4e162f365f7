"""`upproxy version`."""

from __future__ import annotations

import platform
import sys

import click

from upproxy import __version__
from upproxy.cli.frame import Call


@click.command()
@click.pass_obj
def command(call: Call) -> None:
    """Print the version of upproxy, and of the Python that it runs on."""
    python = platform.python_version()
    if call.json:
        call.output.document({"version": __version__, "python": python, "platform": sys.platform})
    else:
        call.output.text(f"upproxy {__version__} (Python {python}, {sys.platform})")

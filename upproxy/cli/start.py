"""`upproxy start`: the app on this machine, by the way that Lambda takes."""

from __future__ import annotations

import click

from upproxy.cli.errors import INTERRUPTED, CommandError, Conflict, UsageError
from upproxy.cli.frame import Call

SOURCES = ("function_url", "http_api", "http_api_v1", "rest_api", "alb", "alb_multi")


def parse_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`, `:PORT` or `PORT`. Raises UsageError."""
    host, _, number = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not (number.isascii() and number.isdigit() and int(number) < 65_536) or ("[" in host or "]" in host):
        raise UsageError(f"{text!r} is no address", hint="Write HOST:PORT, :PORT or PORT, such as 127.0.0.1:3000.")
    return host or "127.0.0.1", int(number)


@click.command()
@click.option(
    "--address", metavar="ADDRESS", default="127.0.0.1:3000", show_default=True, help="HOST:PORT, :PORT or PORT."
)
@click.option("-c", "--command", "command_", metavar="COMMAND", help="What starts the app; it has to listen on $PORT.")
@click.option("--open", "open_", is_flag=True, help="Open a browser when the app is ready.")
@click.option(
    "--source",
    type=click.Choice(SOURCES),
    default="function_url",
    show_default=True,
    help="What stands before Lambda, and so which events the app's requests become.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1_000),
    default=16,
    show_default=True,
    help="How many requests are served at once.",
)
@click.option("--no-reload", is_flag=True, help="Do not start the app again when a file changes.")
@click.pass_obj
def command(
    call: Call,
    *,
    address: str,
    command_: str | None,
    open_: bool,
    source: str,
    concurrency: int,
    no_reload: bool,
) -> int:
    """Serve the app on this machine, the way Lambda will.

    Every request becomes a real event, passes an emulated Runtime API and the runtime process that runs on Lambda,
    and reaches the app, which is started again whenever a file changes. Ctrl-C ends it.
    """
    host, port = parse_address(address)

    # Not at the top: the help of this command should not wait for aiohttp.
    import asyncio
    import os
    import sys
    import webbrowser

    from upproxy.local.console import Console
    from upproxy.local.failure import Failure
    from upproxy.local.serve import AddressInUse, Options, read, serve

    output = call.output
    options = Options(
        directory=call.directory,
        stage=call.stage or "development",
        command=command_,
        host=host,
        port=port,
        source=source,
        concurrency=concurrency,
        reload=not no_reload,
        persist=output.interactive,
        environment={**os.environ, **({"AWS_REGION": call.region} if call.region else {})},
    )
    found = read(options)
    output.note(found.found)
    for warning in found.warnings:
        output.warn(warning)

    def ready(url: str) -> None:
        output.note(f"serving on {url}")
        if open_:
            webbrowser.open(url)

    console = Console(readable=sys.stdout.isatty() and not output.as_json, coloured=output.coloured())
    try:
        asyncio.run(serve(options, console, found.settings.lambda_.timeout, ready))
    except AddressInUse as failure:
        raise Conflict(failure.message, failure.hint) from None
    except Failure as failure:
        raise CommandError(failure.message, failure.hint) from None
    return INTERRUPTED

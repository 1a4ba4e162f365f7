"""`upproxy start`: the app on this machine, by the way that Lambda takes."""

from __future__ import annotations

import click

from upproxy.cli.errors import INTERRUPTED, CommandError, Conflict, UsageError
from upproxy.cli.frame import Call

CONCURRENCY = 16  # requests at once that the one instance has, without --lambda
MOST_INSTANCES = 10  # what a new AWS account may have
IDLE_TIMEOUT = 300.0  # seconds; Lambda's own varies, and is not documented
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
    metavar="N",
    help="How many requests the app is given at once.  [default: 16]",
)
@click.option(
    "--lambda", "lambda_", is_flag=True, help="Run it as Lambda does: one request at a time, cold starts, freezing."
)
@click.option(
    "--max-instances",
    type=click.IntRange(1, 1_000),
    metavar="N",
    help="With --lambda: how many instances there may be.  [default: 10]",
)
@click.option(
    "--idle-timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="With --lambda: after how long an idle instance expires.  [default: 300]",
)
@click.option(
    "--memory",
    type=click.IntRange(128, 10_240),
    metavar="MB",
    help="With --lambda: an instance's memory.  [default: lambda.memory]",
)
@click.option(
    "--provisioned",
    type=click.IntRange(1, 1_000),
    metavar="N",
    help="With --lambda: how many instances are always there.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, 1_000, min_open=True),
    metavar="N",
    help="With --lambda: how many times as fast instances expire and are kept warm.  [default: 1]",
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
    concurrency: int | None,
    lambda_: bool,
    max_instances: int | None,
    idle_timeout: float | None,
    memory: int | None,
    provisioned: int | None,
    speed: float | None,
    no_reload: bool,
) -> int:
    """Serve the app on this machine, the way Lambda will.

    Every request becomes a real event, passes an emulated Runtime API and the runtime process that runs on Lambda,
    and reaches the app, which is started again whenever a file changes. Ctrl-C ends it.
    """
    host, port = parse_address(address)
    alone = {
        "--max-instances": max_instances,
        "--idle-timeout": idle_timeout,
        "--memory": memory,
        "--provisioned": provisioned,
        "--speed": speed,
    }
    if not lambda_ and (given := [name for name, value in alone.items() if value is not None]):
        raise UsageError(
            f"{given[0]} is of no use without --lambda", hint="Add --lambda to run the app as Lambda does."
        )
    if lambda_ and concurrency is not None:
        raise UsageError(
            "--concurrency does not go with --lambda, where an instance has one request at a time",
            hint="--max-instances says how many requests there can be at once.",
        )
    most = max_instances or max(MOST_INSTANCES, provisioned or 0)
    if provisioned is not None and provisioned > most:
        raise UsageError(
            f"--provisioned {provisioned} is more than --max-instances {most}", hint="Allow at least as many instances."
        )

    # Not at the top: the help of this command should not wait for the models of the configuration.
    import asyncio
    import os
    import sys
    import webbrowser

    from upproxy.local.console import Console
    from upproxy.local.failure import Failure
    from upproxy.local.fleet import Scaling
    from upproxy.local.serve import AddressInUse, Options, read, serve

    if lambda_:
        kept = (idle_timeout or IDLE_TIMEOUT) / (speed or 1)
        scaling = Scaling(most=most, provisioned=provisioned or 0, idle_timeout=kept)
    else:
        scaling = Scaling(slots=concurrency or CONCURRENCY)
    output = call.output
    options = Options(
        directory=call.directory,
        stage=call.stage or "development",
        command=command_,
        host=host,
        port=port,
        source=source,
        on_demand=lambda_,
        scaling=scaling,
        memory=memory,
        speed=speed or 1,
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

"""`upproxy sandbox`: a local AWS to try things on."""

from __future__ import annotations

import asyncio
import os
import signal
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from upproxy.cli.errors import CommandError
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from upproxy.cli.output import Output
    from upproxy.local.sandbox import Options, Sandbox

PORT = 4577
IDLE = 300.0  # seconds that an idle instance is kept


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes any.")
@click.option("--no-delays", is_flag=True, help="Answer at once where AWS takes its time.")
@click.option(
    "--max-instances",
    metavar="N",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many instances of a function there may be.",
)
@click.option(
    "--speed",
    metavar="N",
    type=click.FloatRange(0, 1_000, min_open=True),
    default=1.0,
    show_default=True,
    help="How many times as fast schedules come.",
)
@click.pass_obj
def command(call: Call, *, port: int, no_delays: bool, max_instances: int, speed: float) -> None:
    """Play AWS on this machine, for this and other tools; what is deployed to it really runs.

    It prints what to export. Everything is kept in memory, and gone when it ends.
    """
    missing = [name for name in ("moto", "flask", "flask_cors") if find_spec(name) is None]
    if missing:
        raise CommandError(f"the sandbox needs {', '.join(missing)}", hint="Install it: pip install 'upproxy[sandbox]'")
    from upproxy.local.console import Console
    from upproxy.local.fleet import Scaling
    from upproxy.local.sandbox import Options
    from upproxy.local.sandbox.delays import NONE, Delays

    output = call.output
    console = Console(readable=not output.as_json, coloured=output.coloured())
    options = Options(
        python=interpreter,
        port=port,
        region=call.region or os.environ.get("AWS_REGION") or "us-east-1",
        delays=NONE if no_delays else Delays(),
        scaling=Scaling(most=max_instances, idle_timeout=IDLE),
        speed=speed,
        log=console.log,
        console=lambda function, line: console.log("info", line, function=function),
    )
    try:
        asyncio.run(_serve(options, output))
    except OSError as error:
        raise CommandError(
            f"cannot listen on port {port}: {error.strerror}", hint="Choose another one with --port."
        ) from None


async def interpreter(version: str) -> str:
    """Return an interpreter of a minor version. Raises Failure."""
    from upproxy.build.interpreter import find
    from upproxy.local.failure import Failure

    found = await asyncio.to_thread(find, version, lambda _: None)
    if found is None:
        raise Failure(f"there is no Python {version} on this machine")
    return found.path


async def _serve(options: Options, output: Output) -> None:
    from upproxy.local.sandbox import Sandbox

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Sandbox(options) as sandbox:

        def on_signal() -> None:
            if stop.is_set():
                sandbox.kill()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, on_signal)
        _tell(sandbox, output)
        await stop.wait()


def _tell(sandbox: Sandbox, output: Output) -> None:
    if output.as_json:
        output.document({"address": sandbox.address, "environment": sandbox.environment}, indent=None)
        return
    output.note(f"AWS is at {sandbox.address}; give this to the terminal that shall use it:")
    output.text("\n".join(f"export {name}={value}" for name, value in sandbox.environment.items()))

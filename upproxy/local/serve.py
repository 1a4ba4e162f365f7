"""`upproxy start`, put together: configuration, fleet, gateway, reload, and the end of all of them."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from upproxy import config
from upproxy.config.warm import Warming, warming
from upproxy.local.console import Console
from upproxy.local.environment import app_python, function_arn, runtime_environment
from upproxy.local.failure import Failure, explain
from upproxy.local.fleet import Fleet, Scaling
from upproxy.local.instance import Function, LogStream
from upproxy.local.reload import changes
from upproxy.local.runtime_process import StartFailed
from upproxy.local.schedule import Schedule
from upproxy.local.sources import SOURCES
from upproxy.local.watchdog import Watchdog
from upproxy.warmer.warmer import Tick

if TYPE_CHECKING:
    from upproxy.local.gateway import Gateway

RUNTIME = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "proxy", "__main__.py")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AddressInUse(Failure):
    """Another process listens there."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to serve, and how.

    `on_demand` instances live as on Lambda, others are not frozen and have no limits; `memory` is in MB, by default
    what the configuration says. `persist` keeps serving, with the error page, when the very first start fails; it needs
    `reload`. `runtime` is the command of the runtime process. Warming goes by a time that passes `speed` times as fast.
    """

    directory: str
    stage: str = "development"
    command: str | None = None
    host: str = "127.0.0.1"
    port: int = 3000
    source: str = "function_url"
    on_demand: bool = False
    scaling: Scaling = field(default_factory=lambda: Scaling(slots=16))
    memory: int | None = None
    speed: float = 1.0
    reload: bool = True
    persist: bool = False
    runtime: tuple[str, ...] = (sys.executable, "-I", "-S", RUNTIME)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def read(options: Options) -> config.Config:
    """Read the project's configuration. Raises ConfigError."""
    python = app_python(options.directory, options.environment)
    return config.load(options.directory, stage=options.stage, command=options.command, python=python)


class Project:
    """The user's folder; it is looked at anew for every generation, since any of it may have changed."""

    def __init__(self, options: Options, folder: str) -> None:
        self._options = options
        self._folder = folder
        self._generations = 0
        self.directory = os.path.realpath(options.directory)
        self.name = ""  # of the function, once it has been described
        self.warming: Warming | None = None  # what is to be kept warm of it

    async def function(self) -> Function:
        """Describe what the folder holds now. Raises Failure."""
        try:
            found = await asyncio.to_thread(read, self._options)
        except config.ConfigError as error:
            raise Failure(str(error), hint=error.hint) from None
        manifest = found.manifest()
        manifest["events"]["streaming"] = SOURCES[self._options.source].streams
        self._generations += 1
        path = os.path.join(self._folder, f"manifest-{self._generations}.json")
        with open(path, "w", encoding="utf-8") as file:  # noqa: ASYNC230  # a few hundred bytes
            json.dump(manifest, file)
        name = self.name = f"{found.name}-{found.stage}"
        on_demand = self._options.on_demand
        self.warming = warming(found.settings) if on_demand else None
        memory = self._options.memory or found.settings.lambda_.memory
        environment = runtime_environment(
            self._options.environment,
            function_name=name,
            directory=self.directory,
            manifest=path,
            python=self._python,
            memory=memory,
            concurrency=None if on_demand else self._options.scaling.slots,
        )
        return Function(
            name=name,
            arn=function_arn(name, environment["AWS_REGION"]),
            command=self._options.runtime,
            environment=environment,
            directory=self.directory,
            memory=memory,
            timeout=found.settings.lambda_.timeout,
            on_demand=on_demand,
        )

    @property
    def _python(self) -> str:
        return app_python(self.directory, self._options.environment)

    def explain(self, failed: StartFailed) -> Failure:
        """Make sense of an instance that did not start."""
        return explain(failed.error.message, python=self._python, directory=self.directory)


def listen(host: str, port: int) -> socket.socket:
    """Bind the address. Raises AddressInUse, and Failure for any other reason."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # Of a name with both kinds of addresses the old kind: it is what the most clients try.
        family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Failure(f"cannot listen on {host}:{port}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"port {port} is in use by another process",
                hint="End that one, or choose another port with --address.",
            ) from None
        raise Failure(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


async def serve(options: Options, console: Console, timeout: float, ready: Callable[[str], None]) -> None:  # noqa: ASYNC109
    """Serve until a signal comes. `timeout` is the function's; `ready` is called with the URL when the app answers.

    Raises Failure when the address cannot be had, or the first start fails and `persist` is off.
    """
    listener = listen(options.host, options.port)
    folder = tempfile.mkdtemp(prefix="upproxy-")
    watchdog = Watchdog(folder)
    project = Project(options, folder)
    fleet = Fleet(
        project.function,
        project.explain,
        options.scaling,
        folder=folder,
        logs=lambda _: LogStream(console.line, console.platform),
        log=console.log,
        guard=watchdog,
    )
    schedule = Schedule(fleet, timeout=timeout, on_tick=lambda tick: _tell(console, tick), speed=options.speed)

    async def start() -> None:
        await fleet.start()
        await schedule.keep(project.warming, project.name)

    async with _signals(fleet.kill) as stop:
        opening = asyncio.create_task(_open(options, console, fleet, timeout, listener))
        try:
            await _until(stop, opening, _run(options, console, project, start, opening, listener, ready, stop))
        finally:
            await schedule.close()
            await asyncio.wait({opening})
            if opening.exception() is None:  # else it has been raised by then
                await opening.result().close()
            listener.close()
            await fleet.close()
            watchdog.close()


async def _open(
    options: Options,
    console: Console,
    fleet: Fleet,
    timeout: float,  # noqa: ASYNC109
    listener: socket.socket,
) -> Gateway:
    """Serve on the listening socket. What that needs is imported beside the start of the app, which takes as long."""

    def load() -> type[Gateway]:
        from upproxy.local.gateway import Gateway

        console.load()
        return Gateway

    source = SOURCES[options.source]
    gateway = (await asyncio.to_thread(load))(fleet, source, streaming=source.streams, timeout=timeout, log=console.log)
    try:
        await gateway.start(listener)
    except BaseException:
        await gateway.close()
        raise
    return gateway


async def _run(
    options: Options,
    console: Console,
    project: Project,
    start: Callable[[], Awaitable[None]],
    opening: asyncio.Task[Gateway],
    listener: socket.socket,
    ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Start the app, and again on each change; it is ready when the gateway is open too.

    Raises Failure where the first start fails and may not.
    """
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if not options.reload:
        await start()
        await asyncio.shield(opening)
        ready(url)
        await stop.wait()
        return
    async with aclosing(changes(project.directory)) as reports:
        async for changed in reports:  # the first report is empty: now it watches, before any source is read
            if changed:
                console.log("info", f"reloading: {', '.join(changed[:3])}{' and more' if len(changed) > 3 else ''}")
            try:
                await start()
            except Failure as failure:
                if not (changed or options.persist):
                    raise
                _show(console, failure)
            else:
                if changed:
                    console.log("info", "reloaded")
            if not changed:
                await asyncio.shield(opening)
                ready(url)


async def _until(stop: asyncio.Event, opening: asyncio.Task[Gateway], work: Coroutine[Any, Any, None]) -> None:
    """Do the work until it is done or the event comes. Raises what the work raises, or what kept the gateway closed."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping, opening}, return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.wait({working, stopping})


def _show(console: Console, failure: Failure) -> None:
    """Tell of a failure; the app's own lines have been shown as they came."""
    console.log("error", failure.message, **({"hint": failure.hint} if failure.hint else {}))


def _tell(console: Console, tick: Tick) -> None:
    """Tell what came of warming."""
    complete = tick.distinct >= tick.target.count
    fields = {"count": tick.target.count, "distinct": tick.distinct, "cold": tick.cold, "failed": tick.failed}
    told = {"reason": tick.reason} if tick.reason and not complete else {}
    console.log("info" if complete else "warn", "warmed", **fields, hold_ms=tick.hold_ms, **told)


@asynccontextmanager
async def _signals(hurry: Callable[[], None]) -> AsyncIterator[asyncio.Event]:
    """Turn the signals that ask us to end into an event; a second one kills what is left."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            hurry()
        stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield stop
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)

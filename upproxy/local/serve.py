"""`upproxy start`, put together: configuration, instance, gateway, reload, and the end of all of them."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from upproxy import config
from upproxy.local.console import Console
from upproxy.local.environment import app_python, function_arn, runtime_environment
from upproxy.local.failure import Failure, explain
from upproxy.local.gateway import Gateway
from upproxy.local.instance import Instance, StartFailed
from upproxy.local.reload import changes
from upproxy.local.service import Service
from upproxy.local.sources import SOURCES

RUNTIME = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "proxy", "__main__.py")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AddressInUse(Failure):
    """Another process listens there."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to serve, and how.

    `persist` keeps serving, with the error page, when the very first start fails; it needs `reload`. `runtime` is the
    command of the runtime process.
    """

    directory: str
    stage: str = "development"
    command: str | None = None
    host: str = "127.0.0.1"
    port: int = 3000
    source: str = "function_url"
    concurrency: int = 16
    reload: bool = True
    persist: bool = False
    runtime: tuple[str, ...] = (sys.executable, "-I", "-S", RUNTIME)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def read(options: Options) -> config.Config:
    """Read the project's configuration. Raises ConfigError."""
    python = app_python(options.directory, options.environment)
    return config.load(options.directory, stage=options.stage, command=options.command, python=python)


class Project:
    """The user's folder; it is looked at anew for every instance, since any of it may have changed."""

    def __init__(self, options: Options, console: Console, folder: str) -> None:
        self._options = options
        self._console = console
        self._manifest = os.path.join(folder, "manifest.json")
        self.directory = os.path.realpath(options.directory)

    async def launch(self) -> Instance:
        """Start an instance of what the folder holds now. Raises Failure."""
        try:
            found = await asyncio.to_thread(read, self._options)
        except config.ConfigError as error:
            raise Failure(str(error), hint=error.hint) from None
        manifest = found.manifest()
        manifest["events"]["streaming"] = SOURCES[self._options.source].streams
        with open(self._manifest, "w", encoding="utf-8") as file:  # noqa: ASYNC230  # a few hundred bytes
            json.dump(manifest, file)
        name = f"{found.name}-{found.stage}"
        environment = runtime_environment(
            self._options.environment,
            function_name=name,
            directory=self.directory,
            manifest=self._manifest,
            python=self._python,
            memory=found.settings.lambda_.memory,
            concurrency=self._options.concurrency,
        )
        instance = Instance(
            self._options.runtime,
            environment,
            directory=self.directory,
            function_name=name,
            arn=function_arn(name, environment["AWS_REGION"]),
            on_line=self._console.line,
        )
        try:
            await instance.start()
        except OSError as error:
            raise Failure(f"cannot start the runtime process: {error}") from None
        return instance

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
    project = Project(options, console, folder)
    service = Service(project.launch, project.explain, partial(_crashed, console))
    source = SOURCES[options.source]
    gateway = Gateway(service, source, streaming=source.streams, timeout=timeout, log=console.log)
    async with _signals(service.kill) as stop:
        try:
            await gateway.start(listener)
            await _until(stop, _run(options, console, project, service, listener, ready, stop))
        finally:
            await gateway.close()
            listener.close()
            await service.close()
            shutil.rmtree(folder, ignore_errors=True)


async def _run(
    options: Options,
    console: Console,
    project: Project,
    service: Service,
    listener: socket.socket,
    ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Start the app, and again on each change. Raises Failure where the first start fails and may not."""
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if not options.reload:
        await service.start()
        ready(url)
        await stop.wait()
        return
    async with aclosing(changes(project.directory, stop)) as reports:
        async for changed in reports:  # the first report is empty: now it watches, before any source is read
            if changed:
                console.log("info", f"reloading: {', '.join(changed[:3])}{' and more' if len(changed) > 3 else ''}")
            try:
                await service.start()
            except Failure as failure:
                if not (changed or options.persist):
                    raise
                _show(console, failure)
            else:
                if changed:
                    console.log("info", "reloaded")
            if not changed:
                ready(url)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work until it is done or the event comes. Raises what the work raises."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
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


def _crashed(console: Console, code: int) -> None:
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    console.log("error", f"the runtime process ended ({how}); the next request starts another")


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

"""The runtime process: initialise, then turn invocations into replies until Lambda has no more."""

from __future__ import annotations

import posix
from time import monotonic

from upproxy.proxy import chain
from upproxy.proxy.events import Codecs
from upproxy.proxy.events.payload import read_event
from upproxy.proxy.lean import JSONError, signal
from upproxy.proxy.log import Log
from upproxy.proxy.manifest import ManifestError
from upproxy.proxy.middleware.context import Context
from upproxy.proxy.middleware.failures import report
from upproxy.proxy.runtime.access import AccessLog
from upproxy.proxy.runtime.api import PAYLOAD_LIMIT, ApiError, ReaderGone, RuntimeApi
from upproxy.proxy.runtime.artefact import variable
from upproxy.proxy.runtime.direct import DirectMessages
from upproxy.proxy.runtime.entrypoint import Entrypoint, InvocationFailed, Reply
from upproxy.proxy.runtime.freezing import Freezing
from upproxy.proxy.runtime.instance import Instance
from upproxy.proxy.upstream.client import MARGIN, Client
from upproxy.proxy.upstream.forwarding import Forwarding
from upproxy.proxy.upstream.output import Output
from upproxy.proxy.upstream.supervisor import FAILED, READY, STARTING, Supervisor
from upproxy.proxy.waiting import DeadlineExceeded, InPlace, Parking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from upproxy.proxy.manifest import Manifest
    from upproxy.proxy.messages import Invocation, Request, Response
    from upproxy.proxy.middleware.context import Handler
    from upproxy.proxy.upstream.absent import NoApp
    from upproxy.proxy.upstream.spawn import Child
    from upproxy.proxy.waiting import Loop

# Lambda kills an initialisation of 10 s and repeats it: by then we say that we are ready, and the first request waits.
INIT_LIMIT = 9.3  # seconds
EXIT_INIT = 1
EXIT_SNAPSHOT = 64
EXIT_RESTORE = 65


class Stopping(Exception):
    """The process was asked to end."""


class Proxy:
    """Everything behind the Runtime API, put together: what the process and the plain handler share."""

    def __init__(
        self,
        loop: Loop,
        log: Log,
        manifest: Manifest,
        child: Child | None,
        start: Callable[[int], Child] | None,
        started: float,
    ) -> None:
        """`start` makes a new process of the app; `started` is the `time.monotonic()` moment of our own start.

        Raises ManifestError for options that middleware cannot use, when nothing of all this is left running.
        """
        in_flight: set[str] = set()
        options = manifest.upstream
        self.loop = loop
        self.log = log
        self.in_flight = in_flight
        self.linger = 0.0 if options is None else options.linger / 1000
        self.output: Output | NoApp
        self.supervisor: Supervisor | NoApp
        self.client: Client | NoApp
        if options is None or child is None or start is None:
            from upproxy.proxy.upstream.absent import NoApp

            self.output = self.supervisor = self.client = NoApp()
        else:
            self.output = Output(loop, log, manifest.logs, in_flight)
            self.supervisor = Supervisor(loop, log, self.output, start, child, listen_timeout=options.listen_timeout)
            self.client = Client(
                loop,
                self.supervisor,
                self.output,
                Forwarding(stage=manifest.stage, function=_function()),
                timeout=options.timeout,
                listen_timeout=options.listen_timeout,
                trusts_idle=not isinstance(options.command, str),
            )
        self.instance = Instance(started, manifest.version)
        codecs = Codecs(manifest.events)
        context = Context(
            log=log,
            loop=loop,
            stage=manifest.stage,
            directory=posix.getcwd(),
            streams=codecs.streaming,
            payload_limit=PAYLOAD_LIMIT,
        )
        access = AccessLog(log, manifest, self.instance)
        trusted_id = None
        if manifest.logs.request_id is not None:
            from upproxy.proxy.runtime.request_id import TrustedId

            trusted_id = TrustedId(manifest.logs.request_id)
        asked: Handler = self.client  # by the health check
        try:
            handler = chain.build(access.timed(self.client), manifest.middleware, context)
            if options is None:
                files = {name: section for name, section in manifest.middleware.items() if name == "static"}
                asked = chain.build(asked, files, context)
        except ManifestError:
            self.close()
            raise

        async def failed(error: Exception, request: Request) -> Response:
            return await chain.answer(error, request, manifest.middleware, context)

        self.entrypoint = Entrypoint(
            codecs=codecs,
            streaming=manifest.events.streaming,
            handler=handler,
            failed=failed,
            direct=DirectMessages(loop, log, manifest, self.instance, self.supervisor, asked, self.initialise),
            access=access,
            instance=self.instance,
            log=log,
            in_flight=in_flight,
            freezing=Freezing(loop, log) if isinstance(loop, InPlace) else None,  # those of several slots never freeze
            trusted_id=trusted_id,
        )

    async def initialise(self, deadline: float) -> None:
        """Wait for the app until it is ready or the moment has come. The state of the supervisor tells which."""
        try:
            while self.supervisor.state == STARTING:
                await self.loop.wait(self.supervisor.changed, deadline)
        except DeadlineExceeded:
            self.log.write("warn", "the app is not ready yet; the first request will wait for it")
        if self.supervisor.state == READY:
            self.instance.init_ms = (monotonic() - self.instance.started) * 1000
            self.log.write("info", "ready", init_ms=round(self.instance.init_ms, 1), instance=self.instance.id)

    def failure(self) -> tuple[str, str]:
        """Say why the app did not start: a name for machines, and the reason with the app's last lines."""
        self.output.drain()
        return "UpProxy.AppNotStarted", "\n".join([self.supervisor.reason, *self.output.tail])

    def close(self) -> None:
        """Leave no process and no descriptor behind."""
        self.supervisor.close()
        self.output.close()
        self.client.drop_connections()
        self.loop.close()


class Runtime:
    """Runs the proxy under the Runtime API, with one slot or several."""

    def __init__(self, proxy: Proxy, address: str, slots: int) -> None:
        self._proxy = proxy
        self._address = address
        self._slots = slots
        self._apis: list[RuntimeApi] = []
        self._stopping = False
        self._verdict = 0
        self._patience = proxy.linger if slots == 1 else 0  # environments of several slots are never frozen
        self.exit_code = EXIT_INIT  # unless `run` comes to its end

    async def run(self) -> None:
        """Initialise, then serve until stopped. `exit_code` tells how it went."""
        proxy = self._proxy
        proxy.loop.on_signal(signal.SIGTERM, self.stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        api = self._new_api()
        try:
            if await self._initialise(api):
                for _ in range(self._slots - 1):
                    proxy.loop.start(self._slot(self._new_api()))
                await self._slot(api)
        except ApiError as error:
            proxy.log.write("error", str(error))
            self._verdict = self._verdict or EXIT_INIT
        self.stop()
        while proxy.supervisor.alive:
            await proxy.loop.wait(proxy.supervisor.changed)
        self.exit_code = self._verdict

    def stop(self) -> None:
        """End: no further invocation is taken, the app is asked to finish."""
        self._stopping = True
        for api in self._apis:
            if api.polling is not None:
                self._proxy.loop.interrupt(api.polling, Stopping())
                api.polling = None
        self._proxy.supervisor.stop()

    def _new_api(self) -> RuntimeApi:
        api = RuntimeApi(self._proxy.loop, self._address)
        self._apis.append(api)
        return api

    async def _initialise(self, api: RuntimeApi) -> bool:
        proxy = self._proxy
        kind = variable("AWS_LAMBDA_INITIALIZATION_TYPE") or "on-demand"
        limit = proxy.instance.started + INIT_LIMIT if kind == "on-demand" else float("inf")
        await proxy.initialise(limit)
        if self._stopping:
            return False
        if proxy.supervisor.state == FAILED:
            self._verdict = EXIT_SNAPSHOT if kind == "snap-start" else EXIT_INIT
            await api.init_error(*proxy.failure())
            return False
        if kind == "snap-start":
            proxy.client.drop_connections()
            await api.restore_next()
            if proxy.supervisor.state != READY:
                self._verdict = EXIT_RESTORE
                await api.restore_error("UpProxy.AppNotRestored", proxy.supervisor.reason)
                return False
        return True

    async def _slot(self, api: RuntimeApi) -> None:
        """Take one invocation after another."""
        proxy = self._proxy
        try:
            while not self._stopping:
                invocation, event = await api.next()
                await self._serve(api, invocation, event)
                if self._patience and proxy.supervisor.state == READY:
                    await self._linger(invocation)
                if proxy.supervisor.state == FAILED:
                    self._verdict = EXIT_INIT  # it never was ready: a new environment begins anew
                    self.stop()
        except Stopping:
            pass
        except ApiError as error:
            if not self._stopping:
                proxy.log.write("error", str(error))
                self._verdict = EXIT_INIT
                self.stop()
        except Exception as error:  # noqa: BLE001  # without its slot the process would serve less and less
            report(proxy.log, error, "")
            self._verdict = EXIT_INIT
            self.stop()
        finally:
            api.close()

    async def _linger(self, invocation: Invocation) -> None:
        """Give an app that works after its reply some time, before the next poll lets Lambda freeze it."""
        from upproxy.proxy.runtime.linger import linger

        until = min(monotonic() + self._patience, invocation.deadline - MARGIN)
        await linger(self._proxy.loop, self._proxy.supervisor.pid, until)

    async def _serve(self, api: RuntimeApi, invocation: Invocation, event: bytes) -> None:
        proxy = self._proxy
        try:
            reply = await proxy.entrypoint.handle(read_event(event), invocation)
            try:
                if reply.body is None:
                    await api.respond(invocation, reply.payload)
                else:
                    await self._stream(api, invocation, reply)
            finally:
                reply.finish()
            if isinstance(reply.failure, ReaderGone):
                api.close()  # nobody is there to say that it was taken
                return
        except (ApiError, Stopping):
            raise
        except InvocationFailed as error:
            await api.fail(invocation, error.kind, str(error))
        except JSONError as error:
            proxy.log.write("error", f"the event is no JSON: {error}", request_id=invocation.request_id)
            await api.fail(invocation, "BadEvent", "the event is no JSON")
        except Exception as error:  # noqa: BLE001  # a fault of ours must not end the process
            report(proxy.log, error, invocation.request_id)
            await api.fail(invocation, "Internal", "an error in the proxy")
        status = await api.taken()
        if status != 202:
            proxy.log.write("error", f"Lambda did not take the reply: {status}", request_id=invocation.request_id)

    async def _stream(self, api: RuntimeApi, invocation: Invocation, reply: Reply) -> None:
        stream = await api.stream(invocation, reply.payload)
        body = reply.body
        try:
            if isinstance(body, bytes):
                stream.add(body)
                reply.size = len(body)
            elif body is not None:
                await stream.flush()  # the head at once: the first byte of the body may be long in coming
                async for part in body:
                    stream.add(part)
                    await stream.flush()
                    reply.size += len(part)
            await stream.end()
        except ReaderGone as gone:
            reply.failure = gone
        except Exception as error:  # noqa: BLE001  # from the app, in the middle of its body
            reply.failure = error
            try:
                await stream.fail(type(error).__name__, str(error))
            except ReaderGone as gone:
                report(self._proxy.log, error, invocation.request_id)
                reply.failure = gone


def run(manifest: Manifest, child: Child | None, start: Callable[[int], Child] | None, started: float) -> int:
    """Be the runtime process for an app that has been started; return the exit code."""
    log = Log()
    slots = max(1, int(variable("AWS_LAMBDA_MAX_CONCURRENCY") or "1"))
    loop = _loop(log, slots)
    try:
        proxy = Proxy(loop, log, manifest, child, start, started)
    except ManifestError as error:
        return give_up(str(error))
    runtime = Runtime(proxy, variable("AWS_LAMBDA_RUNTIME_API"), slots)
    try:
        loop.run(runtime.run())
    finally:
        proxy.close()
    return runtime.exit_code


def give_up(problem: str) -> int:
    """Report that there is no app to serve; return the exit code."""
    log = Log()
    log.write("error", problem)
    loop = _loop(log, 1)

    async def tell() -> None:
        try:
            await RuntimeApi(loop, variable("AWS_LAMBDA_RUNTIME_API")).init_error("UpProxy.NotConfigured", problem)
        except ApiError as error:
            log.write("error", str(error))

    try:
        loop.run(tell())
    finally:
        loop.close()
    return EXIT_INIT


def _loop(log: Log, slots: int) -> Loop:
    def on_error(error: Exception) -> None:
        report(log, error, "")

    return InPlace(on_error) if slots == 1 else Parking(on_error)


def _function() -> dict[str, Any]:
    """Describe the function as LWA's `env_config` does, for apps that come from there."""
    return {
        "function_name": variable("AWS_LAMBDA_FUNCTION_NAME"),
        "memory": int(variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or "0"),
        "version": variable("AWS_LAMBDA_FUNCTION_VERSION"),
        "log_group": variable("AWS_LAMBDA_LOG_GROUP_NAME"),
        "log_stream": variable("AWS_LAMBDA_LOG_STREAM_NAME"),
    }

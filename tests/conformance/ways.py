"""The ways in: each takes an HTTP request as a gateway would, and returns what its client would get.

All of them run real processes; a background thread drives the emulated Runtime API, so that tests are plain functions.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import upproxy.proxy.__main__
from upproxy.local.environment import runtime_environment
from upproxy.local.invocation import Buffered, FunctionError, Reply, Stream
from upproxy.local.runtime_process import RuntimeProcess
from upproxy.local.sources import SOURCES, HttpReply, HttpRequest

T = TypeVar("T")

PROCESS = (sys.executable, "-I", "-S", upproxy.proxy.__main__.__file__)
HANDLER = (sys.executable, "-m", "awslambdaric", "upproxy.proxy.runtime.handler.handler")
ROOT = Path(__file__).parents[2]


class Background:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(90)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


async def _called(function: Callable[[], None]) -> None:
    """Call a function where there is an event loop."""
    function()


class Lines:
    """What a process prints, as it comes."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def take(self, stream: str, line: bytes) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {"message": line.decode("utf-8", "replace"), "raw": stream}
        with self._changed:
            self.all.append(entry)
            self._changed.notify_all()

    def wait_for(self, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Return the first lines with these fields once there are as many."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.all if all(line.get(name) == value for name, value in fields.items())]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= count, 30):
                raise AssertionError(f"no line with {fields} among {self.all}")
            return found()[:count]


def manifest(command: list[str] | str, *, streaming: bool = False, **sections: Any) -> dict[str, Any]:
    """Return a manifest as `upproxy config --manifest` would print it."""
    upstream = {"command": command, "environment": {}, "timeout": 15.0, "listen_timeout": 15.0}
    upstream |= sections.pop("upstream", {})
    events = {"base_path": "", "streaming": streaming, "triggers": None} | sections.pop("events", {})
    return {
        "manifest_version": 1, "name": "app", "stage": "staging", "version": "",
        "upstream": upstream, "events": events,
        **sections,
    }  # fmt: skip


class Lambda:
    """A runtime process under the emulated Runtime API: what runs in Lambda, without a gateway."""

    def __init__(
        self,
        document: Mapping[str, Any],
        folder: Path,
        *,
        directory: Path = ROOT,
        command: tuple[str, ...] = PROCESS,
        slots: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.lines = Lines()
        self.streaming = bool(document["events"]["streaming"])
        self._background = Background()
        path = folder / f"manifest-{uuid.uuid4().hex}.json"
        path.write_text(json.dumps(document))
        variables = runtime_environment(
            {"PATH": os.environ["PATH"]},
            function_name="app-staging",
            directory=str(directory),
            manifest=str(path),
            python=sys.executable,
            memory=512,
            concurrency=slots if slots > 1 else None,
        )
        self.instance = self._background.run(self._start(command, {**variables, **(environment or {})}, directory))

    async def _start(self, command: tuple[str, ...], environment: Mapping[str, str], directory: Path) -> RuntimeProcess:
        instance = RuntimeProcess(
            command,
            environment,
            directory=str(directory),
            function_name="app-staging",
            arn="arn:aws:lambda:us-east-1:123456789012:function:app-staging",
            on_line=self.lines.take,
        )
        await instance.start()
        return instance

    def ready(self) -> None:
        """Wait for the first poll. Raises StartFailed."""
        self._background.run(self.instance.ready())

    def exited(self) -> int:
        """Wait for the end of the process; return its exit code."""

        async def wait() -> int:
            return await asyncio.wait_for(asyncio.shield(self.instance.exited), 30)

        return self._background.run(wait())

    def send(self, source: str, request: HttpRequest, *, timeout: float = 30.0) -> HttpReply:
        """Send a request as a gateway does; return what its client gets."""
        request_id = str(uuid.uuid4())
        event = SOURCES[source].event(request, request_id=request_id, epoch_ms=int(time.time() * 1000))
        return self.read(source, self.invoke(event, timeout=timeout, request_id=request_id))

    def read(self, source: str, reply: Reply | tuple[bytes, bytes]) -> HttpReply:
        """Turn a function's reply into an HTTP response, as the gateway does."""
        if isinstance(reply, Buffered):
            return SOURCES[source].reply(reply.payload)
        if isinstance(reply, FunctionError):
            raise AssertionError(f"the function failed: {reply}")
        assert isinstance(reply, tuple)
        head = SOURCES[source].head(reply[0])
        return HttpReply(head.status, head.headers, reply[1])

    def invoke(self, event: Any, *, timeout: float = 30.0, request_id: str = "") -> Any:
        """Hand over an event (bytes go as they are); return Buffered, FunctionError, or a stream's (prelude, body)."""

        async def turn() -> Any:
            payload = event if isinstance(event, bytes) else json.dumps(event).encode()
            reply = await self.instance.invoke(
                payload, timeout=timeout, request_id=request_id or str(uuid.uuid4()), trace_id="Root=1-2-3"
            )
            if isinstance(reply, Stream):
                return reply.prelude, b"".join([chunk async for chunk in reply])
            return reply

        return self._background.run(turn())

    def invoke_all(self, events: list[Any], *, timeout: float = 30.0) -> list[Any]:
        """Hand over events at once."""

        async def one(event: Any) -> Any:
            reply = await self.instance.invoke(
                json.dumps(event).encode(), timeout=timeout, request_id=str(uuid.uuid4()), trace_id=""
            )
            if isinstance(reply, Stream):
                return reply.prelude, b"".join([chunk async for chunk in reply])
            return reply

        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*map(one, events))

        return self._background.run(all_of_them())

    def freeze(self) -> None:
        """Stop all of it, as Lambda does between invocations."""
        self._background.run(_called(self.instance.freeze))

    def thaw(self) -> None:
        """Let it go on."""
        self._background.run(_called(self.instance.thaw))

    def terminate(self) -> None:
        """Send SIGTERM to the process."""
        os.kill(self.instance.pid, signal.SIGTERM)

    def close(self) -> None:
        self._background.run(self.instance.stop())
        self._background.close()


class Start:
    """`upproxy start`, and its real gateway."""

    def __init__(self, directory: Path, source: str, *arguments: str) -> None:
        self.lines = Lines()
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "upproxy", "start", "-C", str(directory), "--address", "127.0.0.1:0",
                "--source", source, "--no-reload", *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        printed: queue.Queue[bytes | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(printed,), daemon=True)
        self._reader.start()
        text = b""
        try:
            while True:
                line = printed.get(timeout=60)
                if line is None:
                    raise AssertionError(f"`upproxy start` ended: {text.decode()}")
                text += line
                if found := re.search(rb"http://127\.0\.0\.1:(\d+)", line):
                    break
        except BaseException:
            self.close()
            raise
        self.port = int(found[1])

    def _read(self, printed: queue.Queue[bytes | None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            printed.put(line)
            self.lines.take("stdout", line.rstrip(b"\n"))
        printed.put(None)

    def send(self, request: HttpRequest) -> HttpReply:
        return send_http(self.port, request)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(20)
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()


def send_http(port: int, request: HttpRequest) -> HttpReply:
    """Send a request as it is, and read the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name.decode("latin-1"), value)
        if request.body:
            connection.putheader("content-length", str(len(request.body)))
        connection.endheaders(request.body or None)
        response = connection.getresponse()
        body = response.read()
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.getheaders()]
        return HttpReply(response.status, headers, body)
    finally:
        connection.close()


@contextmanager
def served(command: list[str], directory: Path = ROOT, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Serve an app directly on an inherited socket, as the proxy starts it; yields the port."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        words = [word.format(fd=listener.fileno(), launchers=ROOT / "upproxy" / "launchers") for word in command]
        process = subprocess.Popen(
            words,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
        )
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from upproxy.local.runtime_api import RuntimeApi
from upproxy.local.runtime_process import RuntimeProcess

SCRIPTED = (sys.executable, "-S", str(Path(__file__).with_name("scripted_runtime.py")))
ARN = "arn:aws:lambda:us-east-1:123456789012:function:shop-development"


class Client:
    """A scripted runtime: one connection, raw HTTP/1.1 out, parsed replies in."""

    def __init__(self, address):
        self.address = address

    async def connect(self):
        host, port = self.address.split(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port))
        return self

    def send(self, data):
        self.writer.write(data)

    async def answer(self):
        """Return status, fields and body of the next reply, past 1xx."""
        while True:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ")[1])
            fields = {}
            for line in filter(None, head[1:]):
                name, _, value = line.partition(":")
                fields[name.lower()] = value.strip()
            if status >= 200:
                return status, fields, await self.reader.readexactly(int(fields["content-length"]))

    async def call(self, method, path, body=b"", **fields):
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return await self.answer()

    def poll(self):
        """Ask for the next invocation; the answer comes when there is one."""
        return asyncio.create_task(self.call("GET", "/2018-06-01/runtime/invocation/next"))

    async def respond(self, request_id, body, **fields):
        return await self.call("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", body, **fields)

    def stream(self, request_id, *extra):
        """Begin a streamed reply; chunks and trailers are sent by hand."""
        lines = [
            f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1",
            "Host: x",
            "Transfer-Encoding: chunked",
            "Lambda-Runtime-Function-Response-Mode: streaming",
            "Content-Type: application/vnd.awslambda.http-integration-response",
            "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
            *extra,
        ]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    def chunk(self, data):
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self, *trailers):
        self.send(b"0\r\n" + "".join(f"{line}\r\n" for line in trailers).encode() + b"\r\n")

    async def close(self):
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@pytest.fixture
def until():
    async def until(condition):
        """Let the loop turn until something has happened that has no event of its own."""
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    return until


@pytest.fixture
async def api():
    errors = []

    def quiet():
        api.quiet_times += 1

    api = RuntimeApi(
        function_name="shop-development",
        arn=ARN,
        on_init_error=errors.append,
        on_exit_error=lambda kind, reason: api.fail(kind, reason),
        on_quiet=quiet,
    )
    api.errors = errors
    api.quiet_times = 0
    await api.start()
    yield api
    api.close()


@pytest.fixture
async def connect(api):
    clients = []

    async def connect():
        clients.append(await Client(api.address).connect())
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


class Lines(list):
    """What the process printed, and a way to wait for it."""

    def __init__(self):
        super().__init__()
        self._more = asyncio.Event()

    def __call__(self, source, line):
        self.append((source, line))
        self._more.set()

    async def until(self, source, line):
        while (source, line) not in self:
            self._more.clear()
            await self._more.wait()


@pytest.fixture
async def start():
    """Start instances of a runtime, the scripted one by default; all are stopped at the end."""
    instances = []

    async def start(script="", *, command=SCRIPTED, **environment):
        lines = Lines()
        instance = RuntimeProcess(
            command,
            {**os.environ, "SCRIPT": script, **environment},
            directory="/",
            function_name="shop-development",
            arn=ARN,
            on_line=lines,
        )
        instance.lines = lines
        instances.append(instance)
        await instance.start()
        return instance

    yield start
    for instance in instances:
        await instance.stop(grace=1)

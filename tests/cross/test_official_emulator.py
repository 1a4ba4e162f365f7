"""The same invocations under AWS's own emulator and under ours.

That emulator is the binary in the package aws-sam-cli, which `make test-cross` installs; it needs no Docker. Where it
is not there, these tests are skipped. What it does not imitate (freezing, memory, several instances) is not compared.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import platform
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import upproxy.proxy.__main__
from tests.conformance.ways import ROOT, manifest
from upproxy.local.failure import Failure
from upproxy.local.fleet import Fleet, Scaling
from upproxy.local.instance import Function, LogStream
from upproxy.local.invocation import Buffered, FunctionError
from upproxy.local.processes import kill_session

SECONDS = 2
ARN = "arn:aws:lambda:us-east-1:012345678912:function:test_function"
OFFICIAL_CLIENT = (sys.executable, "-m", "awslambdaric", "handler.handle")
PROXY = (sys.executable, "-I", "-S", upproxy.proxy.__main__.__file__)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

HANDLER = """
import http.client, json, os, time

def handle(event, context):
    do = event.get("do") if isinstance(event, dict) else None
    if do == "raise":
        raise ValueError("as asked")
    if do == "exit":
        os._exit(event["code"])
    if do == "signal":
        os.kill(os.getpid(), event["number"])
    if do == "sleep":
        time.sleep(60)
    if do == "big":
        return "x" * event["size"]
    if do == "call":
        connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        connection.request(event["method"], event["path"], event.get("body", ""), event.get("headers", {}))
        answer = connection.getresponse()
        text = answer.read().decode()
        return [answer.status, json.loads(text) if text.startswith("{") else text]
    if do == "environment":
        return sorted(name for name in os.environ if name.startswith(("AWS_LAMBDA_FUNCTION_", "AWS_LAMBDA_LOG_", "_H")))
    return {"event": event, "arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis() > 0}
"""

EVENTS: list[Any] = [
    {"a": [1, None, "ä"]},
    "text",
    [],
    {"do": "environment"},
    {"do": "raise"},
    {"do": "exit", "code": 3},
    {"do": "exit", "code": 0},
    {"do": "signal", "number": 9},
    {"do": "signal", "number": 11},
    {"do": "big", "size": 6_000_000},
    {"do": "big", "size": 7_000_000},
    {"do": "call", "method": "GET", "path": "/2018-06-01/nothing"},
    {"do": "call", "method": "POST", "path": "/2018-06-01/runtime/invocation/unknown/response", "body": "{}"},
    {"do": "call", "method": "POST", "path": "/2018-06-01/runtime/init/error", "body": "{}"},
    {"do": "call", "method": "GET", "path": "/2020-01-01/extension/event/next"},
]


def binary() -> str:
    """Return the path of the official emulator, or skip."""
    spec = find_spec("samcli")
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())
    if spec is None or spec.origin is None or machine is None or sys.platform != "linux":
        pytest.skip("the package aws-sam-cli is not installed: run `make test-cross`")
    return os.path.join(os.path.dirname(spec.origin), "local", "rapid", f"aws-lambda-rie-{machine}")


class Official:
    """AWS's emulator: an invocation is an HTTP request to it."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        front, api = (listener.getsockname()[1] for listener in listeners)
        for listener in listeners:
            listener.close()
        self._port = front
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [
                binary(), "--runtime-interface-emulator-address", f"127.0.0.1:{front}",
                "--runtime-api-address", f"127.0.0.1:{api}", *command,
            ],
            cwd=folder,
            env={
                **environment,
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(SECONDS),
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    async def invoke(self, event: Any) -> bytes:
        return await asyncio.to_thread(self._post, json.dumps(event).encode())

    def _post(self, event: bytes) -> bytes:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                connection.request("POST", "/2015-03-31/functions/function/invocations", event)
                return connection.getresponse().read()
            except ConnectionRefusedError:  # it does not listen yet
                assert self._process.poll() is None, self.lines
            finally:
                connection.close()

    def close(self) -> None:
        kill_session(self._process.pid)  # its end alone would leave the runtime and the app behind
        self._process.wait()
        self._reader.join(5)


class Ours:
    """A fleet of one instance."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self.lines: list[str] = []
        variables = {
            **environment,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_NAME": "test_function",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(SECONDS),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/Functions",
            "_HANDLER": command[-1],
        }

        async def launch() -> Function:
            return Function(
                name="test_function",
                arn=ARN,
                command=command,
                environment=variables,
                directory=str(folder),
                memory=256,
                timeout=SECONDS,
                on_demand=True,
            )

        self._fleet = Fleet(
            launch,
            lambda failed: Failure(failed.error.message),
            Scaling(),
            folder=str(folder),
            logs=lambda _: LogStream(platform=self.lines.append),
            log=lambda *_, **__: None,
        )

    async def invoke(self, event: Any) -> bytes:
        reply = await self._fleet.invoke(json.dumps(event).encode(), timeout=SECONDS)
        assert isinstance(reply, (Buffered, FunctionError))
        return reply.payload

    async def close(self) -> None:
        await self._fleet.close()


Both = tuple[Official, Ours]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Both]]:
    """Start a runtime under both."""
    pairs: list[Both] = []

    def start(command: Sequence[str] = OFFICIAL_CLIENT, handler: str = HANDLER, **environment: str) -> Both:
        (tmp_path / "handler.py").write_text(handler)
        variables = {
            "PATH": os.environ["PATH"],
            "LAMBDA_TASK_ROOT": str(tmp_path),
            "PYTHONPATH": str(tmp_path),
            **environment,
        }
        pairs.append((Official(command, tmp_path, variables), Ours(command, tmp_path, variables)))
        return pairs[-1]

    yield start
    for official, ours in pairs:
        official.close()
        await ours.close()


def plain(payload: bytes) -> Any:
    """Read a reply, with every id replaced."""
    text = UUID.sub("ID", payload.decode())
    try:
        return json.loads(text)
    except ValueError:
        return text


async def test_the_official_client_gets_the_same_replies(start: Callable[..., Both]) -> None:
    official, ours = start()
    for event in EVENTS:
        expected, got = await asyncio.gather(official.invoke(event), ours.invoke(event))
        assert plain(got) == plain(expected), event


async def test_a_time_out_has_the_same_words_and_the_next_invocation_works(start: Callable[..., Both]) -> None:
    official, ours = start()
    expected, got = await asyncio.gather(official.invoke({"do": "sleep"}), ours.invoke({"do": "sleep"}))
    # The emulator replies with the bare text; Lambda, with the time and the id before it, as errorMessage.
    assert expected.decode() == "Task timed out after 2.00 seconds"
    assert json.loads(got)["errorMessage"].endswith(expected.decode())
    for emulator in (official, ours):
        assert plain(await emulator.invoke({"a": 1})) == {"event": {"a": 1}, "arn": ARN, "left": True}


async def test_a_handler_that_cannot_be_imported(start: Callable[..., Both]) -> None:
    official, ours = start(handler="import nothing_like_it\n")
    expected = plain(await official.invoke({}))
    assert expected["errorType"] == "Runtime.ImportModuleError"
    with pytest.raises(Failure) as failure:  # the first start of a generation is told to the person before the laptop
        await ours.invoke({})
    assert plain(failure.value.message.encode()) == expected["errorMessage"]


def fields(report: str) -> dict[str, str]:
    """Return the fields of a REPORT line."""
    return dict(field.split(": ", 1) for field in report.split("\t") if field)


async def test_the_lines_around_an_invocation_have_the_same_form(start: Callable[..., Both]) -> None:
    pair = start()
    shapes = []
    for emulator in pair:
        for _ in range(2):
            await emulator.invoke({"a": 1})
        while sum(line.startswith("REPORT") for line in emulator.lines) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        platform_lines = [line for line in emulator.lines if line.startswith(("START", "END", "REPORT"))]
        reports = [fields(line) for line in platform_lines[2::3]]
        shapes.append(
            (
                [UUID.sub("ID", line) for line in platform_lines if not line.startswith("REPORT")],
                [sorted(report) for report in reports],
                [report["Memory Size"] for report in reports],
                [re.sub(r"\d+", "N", report["Duration"] + report["Billed Duration"]) for report in reports],
            )
        )
    assert shapes[0] == shapes[1]


async def test_the_runtime_process_gives_the_same_replies(start: Callable[..., Both], tmp_path: Path) -> None:
    folder = ROOT / "sample_app" / "flask"
    for name in ("app.py", "static", "templates"):
        os.symlink(folder / name, tmp_path / name)
    document = manifest([sys.executable, "{launchers}/wsgi.py", "{fd}", "app:app"])
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    official, ours = start(PROXY, UPPROXY_MANIFEST=str(tmp_path / "manifest.json"))
    for path, method, body in (("/", "GET", None), ("/nowhere", "GET", None), ("/echo", "POST", "hällo")):
        context = {"http": {"method": method, "path": path, "sourceIp": "203.0.113.7"}, "stage": "$default"}
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "a=1&b=%20",
            "headers": {"host": "shop.test", "content-type": "text/plain"},
            "requestContext": context,
            "isBase64Encoded": False,
            **({"body": body} if body else {}),
        }
        expected, got = [plain(reply) for reply in await asyncio.gather(official.invoke(event), ours.invoke(event))]
        assert expected["statusCode"] == (404 if path == "/nowhere" else 200)
        for reply in (expected, got):
            reply["headers"].pop("date", None)
            if path == "/echo":  # the app is told of its function and of the trace, which differ
                reply["body"] = {name: value for name, value in json.loads(reply["body"]).items() if name != "headers"}
                assert reply["body"]["text"] == body
        # The length is that of the body, and so of the fields in it.
        lengths = [reply["headers"].pop("content-length", None) for reply in (expected, got)]
        assert path == "/echo" or lengths[0] == lengths[1]
        assert got == expected

"""What is measured side by side: each starts a process and says by which driver it is asked."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, ClassVar, Self

from bench.cases import ROOT, App, Case
from bench.driver import Round, WrongReply
from bench.processes import MEASURED, DriverProcess, Memory, Process

LAUNCHERS = os.path.join(ROOT, "upproxy", "launchers")
LAST_OUTPUT = 2_000  # bytes of a candidate's output that are shown when it fails


class Candidate:
    """A process under test for one case, with its driver. A context: leaving it stops everything.

    Made cold: the driver is there, `start` starts what is measured.
    """

    name: str

    def __init__(self, case: Case) -> None:
        self.case = case
        self.asked = 0
        self._stack = ExitStack()
        self.folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="upproxy-bench-"))
        self._output_path = os.path.join(self.folder, "output")
        self.output = self._stack.enter_context(open(self._output_path, "wb"))  # noqa: SIM115
        try:
            self.driver = self.connect()
        except BaseException:
            self._stack.close()
            raise
        self._stack.callback(self.driver.process.stop)
        self.process: Process

    def connect(self) -> DriverProcess:
        """Start the driver."""
        return DriverProcess("bench.feeder")

    def launch(self) -> Process:
        """Start the process under test, its output to `output`."""
        raise NotImplementedError

    def verify(self) -> None:
        """See in the end whether it did what it should, beside replying. Raises WrongReply."""

    def start(self) -> Self:
        self.process = self.launch()
        self._stack.callback(self.process.stop)
        return self

    def run(self, count: int) -> Round:
        """Ask `count` times. Raises WrongReply, which names the candidate, the case and its last output."""
        self.asked += count
        try:
            return self.driver.run(self.case, count)
        except WrongReply as error:
            tail = self.printed()[-LAST_OUTPUT:].decode("utf-8", "replace").strip()
            raise WrongReply(
                f"{self.name}, {self.case.name}: {error}" + (f"\nits last output:\n{tail}" if tail else "")
            ) from None

    def printed(self) -> bytes:
        with open(self._output_path, "rb") as file:
            return file.read()

    def cpu_ns(self) -> int:
        return self.process.cpu_ns()

    def memory(self) -> Memory:
        return self.process.memory()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if kind is None:
                self.process.stop()
                self.verify()
        finally:
            self._stack.close()


class Direct(Candidate):
    """The app by its launcher, asked without any Lambda."""

    name = "direct"

    def connect(self) -> DriverProcess:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stack.callback(self._listener.close)
        host, port = self._listener.getsockname()
        return DriverProcess("bench.direct", f"{host}:{port}")

    def launch(self) -> Process:
        fd = self._listener.fileno()
        process = Process(
            [word.format(fd=fd, launchers=LAUNCHERS) for word in command(self.case.app)],
            environment=environment(self.case) | {"PYTHONUNBUFFERED": "1"},
            folder=self.case.app.folder,
            cores=MEASURED,
            output=self.output,
            fds=[fd],
        )
        self._listener.close()  # held any longer, it would take connections for an app that has died
        return process


class EmptyHop(Candidate):
    """A runtime process that replies at once, without an app. `delay` is in µs."""

    name = "empty hop"
    delay = 0

    def launch(self) -> Process:
        path = os.path.join(self.folder, "reply")
        with open(path, "wb") as file:
            file.write(self.case.reply())
        script = os.path.join(ROOT, "bench", "empty_hop.py")
        mode = "streamed" if self.case.streamed else "buffered"
        return Process(
            [sys.executable, "-I", "-S", script, path, mode, str(self.case.slots), str(self.delay)],
            environment={"AWS_LAMBDA_RUNTIME_API": self.driver.address},
            folder=self.folder,
            cores=MEASURED,
            output=self.output,
        )


class DelayedHop(EmptyHop):
    """The empty hop with a delay that is known, for the harness to check itself by."""

    name = "delayed hop"
    delay = 2_000


class Upproxy(Candidate):
    """The proxy with the default manifest, which starts the app itself; the access line goes to a file."""

    name = "upproxy"
    middleware: ClassVar[dict[str, Any]] = {}

    def launch(self) -> Process:
        manifest = os.path.join(self.folder, "manifest.json")
        with open(manifest, "w") as file:
            json.dump(
                {
                    "manifest_version": 1,
                    "name": "bench",
                    "stage": "production",
                    "upstream": {"command": command(self.case.app)},
                    "events": {"streaming": True},
                    "middleware": self.middleware,
                },
                file,
            )
        return Process(
            [sys.executable, "-I", "-S", os.path.join(ROOT, "upproxy", "proxy", "__main__.py")],
            environment=environment(self.case)
            | {
                "AWS_LAMBDA_RUNTIME_API": self.driver.address,
                "LAMBDA_TASK_ROOT": self.case.app.folder,
                "UPPROXY_MANIFEST": manifest,
            },
            folder=self.case.app.folder,
            cores=MEASURED,
            output=self.output,
        )

    def verify(self) -> None:
        lines = self.printed().count(b'"message":"request"')
        if lines != self.asked:
            raise WrongReply(f"{self.name}, {self.case.name}: {lines} access lines for {self.asked} requests")


class WithMiddleware(Upproxy):
    """The proxy with the middleware of every other stage, which keeps search engines away."""

    name = "with middleware"
    middleware: ClassVar[dict[str, Any]] = {"headers": {"always": {"x-robots-tag": "none"}}}


FLOOR: list[Callable[[Case], Candidate]] = [EmptyHop, Direct]
RIVALS: list[Callable[[Case], Candidate]] = [Upproxy]


def command(app: App) -> list[str]:
    """The command of an inferred app, as in a manifest."""
    return [sys.executable, f"{{launchers}}/{app.launcher}", "{fd}", app.attribute]


def environment(case: Case) -> dict[str, str]:
    """What Lambda would set, and nothing of this shell's."""
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "7",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2025/08/28/[7]3f1c9a7be2",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
    if case.slots > 1:
        variables |= {
            "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
            "AWS_LAMBDA_MAX_CONCURRENCY": str(case.slots),
        }
    return variables

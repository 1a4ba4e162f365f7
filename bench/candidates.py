"""What is measured side by side: each starts processes and says by which driver it is asked. Rivals are in `rivals`."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, ClassVar, Self

from bench import installed
from bench.cases import API_KEY, ARTEFACT, MIDDLEWARE, ROOT, App, Case
from bench.driver import Round, WrongReply
from bench.processes import BOTH, MEASURED, DriverProcess, Process

LAUNCHERS = os.path.join(ROOT, "upproxy", "launchers")
LAST_OUTPUT = 2_000  # bytes of a candidate's output that are shown when it fails


class Candidate:
    """A process under test for one case, with its driver. A context: leaving it stops everything.

    Made cold: the driver is there, `start` starts what is measured. `needs` is the part of `installed` without which it
    cannot run. A rival that gives a wrong reply is left out with what it said; of our own it is an error.
    """

    name: str
    needs = ""
    is_rival = False

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
        self.cores = MEASURED if case.cores == 1 else BOTH
        self.process: Process
        self.beside: list[Process] = []  # what was started with it, other than by it

    @classmethod
    def serves(cls, case: Case) -> bool:
        """Whether it is measured in a case."""
        raise NotImplementedError

    def connect(self) -> DriverProcess:
        """Start the driver."""
        return DriverProcess("bench.feeder")

    def launch(self) -> Process:
        """Start the process under test, and what runs `beside` it."""
        raise NotImplementedError

    def spawn(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], folder: str, fds: Sequence[int] = ()
    ) -> Process:
        """Start a process on the candidate's cores, which is stopped with it."""
        process = Process(
            arguments, environment=environment, folder=folder, cores=self.cores, output=self.output, fds=fds
        )
        self._stack.callback(process.stop)
        return process

    def tested(self) -> Sequence[int]:
        """The processes whose CPU time and memory count: the proxy's, without the app, where it is another one."""
        return (self.process.pid,)

    def everything(self) -> Sequence[int]:
        """All processes, the app's too."""
        return [pid for process in (self.process, *self.beside) for pid in process.members()]

    def verify(self) -> None:
        """See in the end whether it did what it should, beside replying. Raises WrongReply."""

    def start(self) -> Self:
        self.process = self.launch()
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

    @classmethod
    def serves(cls, case: Case) -> bool:
        return case.name != ARTEFACT.name

    def connect(self) -> DriverProcess:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stack.callback(self._listener.close)
        host, port = self._listener.getsockname()
        return DriverProcess("bench.direct", f"{host}:{port}")

    def launch(self) -> Process:
        fd = self._listener.fileno()
        process = self.spawn(
            [word.format(fd=fd, fds=fd, launchers=LAUNCHERS) for word in command(self.case.app)],
            environment=environment(self.case) | {"PYTHONUNBUFFERED": "1"},
            folder=self.case.app.folder,
            fds=[fd],
        )
        self._listener.close()  # held any longer, it would take connections for an app that has died
        return process


class EmptyHop(Candidate):
    """A runtime process that replies at once, without an app. `delay` is in µs."""

    name = "empty hop"
    delay = 0

    @classmethod
    def serves(cls, case: Case) -> bool:
        return not case.is_cold

    def launch(self) -> Process:
        path = os.path.join(self.folder, "reply")
        with open(path, "wb") as file:
            file.write(self.case.reply())
        script = os.path.join(ROOT, "bench", "empty_hop.py")
        mode = "streamed" if self.case.streamed else "buffered"
        return self.spawn(
            [sys.executable, "-I", "-S", script, path, mode, str(self.case.slots), str(self.delay)],
            environment={"AWS_LAMBDA_RUNTIME_API": self.driver.address},
            folder=self.folder,
        )


class DelayedHop(EmptyHop):
    """The empty hop with a delay that is known, for the harness to check itself by."""

    name = "delayed hop"
    delay = 2_000


class Upproxy(Candidate):
    """The proxy with the default manifest, which starts the app itself; the access line goes to a file."""

    name = "upproxy"
    middleware: ClassVar[dict[str, Any]] = {}
    package = ROOT  # the folder that has upproxy in it

    @classmethod
    def serves(cls, case: Case) -> bool:
        return case.name != ARTEFACT.name

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
        return self.spawn(
            [sys.executable, "-I", "-S", os.path.join(self.package, "upproxy", "proxy", "__main__.py")],
            environment=environment(self.case)
            | {
                "AWS_LAMBDA_RUNTIME_API": self.driver.address,
                "LAMBDA_TASK_ROOT": self.case.app.folder,
                "UPPROXY_MANIFEST": manifest,
            },
            folder=self.case.app.folder,
        )

    def verify(self) -> None:
        lines = self.printed().count(b'"message":"request"')
        if lines != self.asked:
            raise WrongReply(f"{self.name}, {self.case.name}: {lines} access lines for {self.asked} requests")


class Vendored(Upproxy):
    """The proxy with pybase64 beside it, as builds put it there."""

    name = "upproxy, pybase64"
    needs = installed.PYBASE64
    package = installed.VENDORED

    @classmethod
    def serves(cls, case: Case) -> bool:
        return case.name.endswith("/megabyte")


class WithMiddleware(Upproxy):
    """The proxy with one of its middleware, which has nothing to change about the reply."""

    @classmethod
    def serves(cls, case: Case) -> bool:
        return case.name == MIDDLEWARE.name


def with_middleware(section: str, options: dict[str, Any], title: str = "") -> type[WithMiddleware]:
    """Make the candidate for a section of the manifest."""
    body = {"name": f"with {title or section}", "middleware": {section: options}}
    return type(f"With_{section}", (WithMiddleware,), body)


class Artefact(Candidate):
    """What `upproxy build` has made of the FastAPI app, started as Lambda does: by the bootstrap, as exec wrapper."""

    name = "upproxy"
    needs = installed.ARTEFACTS
    folder_of_code = os.path.join(installed.ARTEFACT, "ours")

    @classmethod
    def serves(cls, case: Case) -> bool:
        return case.name == ARTEFACT.name

    def launch(self) -> Process:
        return self.spawn(
            [
                os.path.join(self.folder_of_code, ".upproxy", "bootstrap"),
                installed.python(),
                "/var/runtime/bootstrap.py",
            ],
            environment=environment(self.case)
            | {
                "AWS_LAMBDA_RUNTIME_API": self.driver.address,
                "LAMBDA_TASK_ROOT": self.folder_of_code,
                "PATH": os.path.join(sys.base_prefix, "bin"),  # where Lambda has its Python too; a shim takes its time
                "PYTHONDONTWRITEBYTECODE": "1",  # as where the disk cannot be written
            },
            folder=self.folder_of_code,
        )


DEFAULT = with_middleware("headers", {"always": {"x-robots-tag": "none"}})  # of every stage but production
MIDDLEWARES: list[type[WithMiddleware]] = [
    DEFAULT,
    with_middleware("compress", {}),
    with_middleware(
        "cors", {"allowed_origins": ["https://shop.example.com"], "allowed_methods": ["GET", "HEAD", "POST"]}
    ),
    with_middleware("error_pages", {"pages": {"error": "<h1>{{ status }}</h1>"}}),
    with_middleware("maintenance", {"retry_after": 300, "allow": ["203.0.113.0/24"]}),
    with_middleware("max_body", {"bytes": 1_000_000}),
    with_middleware("auth", {"rules": [{"path": "/*", "ip": {"allow": ["203.0.113.0/24"]}}]}, "auth by address"),
    with_middleware("auth", {"rules": [{"path": "/*", "api_key": {"keys": ["${API_KEY}"]}}]}, "auth by key"),
    with_middleware("inject", {"head": "<script></script>"}),
    with_middleware(
        "redirects", {"rules": [{"path": "/old/*", "location": "/new/:splat", "status": 301, "force": False}]}
    ),
    with_middleware("static", {"dir": "bench/apps"}),
]
OWN: list[type[Candidate]] = [EmptyHop, Direct, Upproxy, Vendored, Artefact, *MIDDLEWARES]


def command(app: App) -> list[str]:
    """The command of an inferred app, as in a manifest."""
    sockets = "{fds}" if app.launcher == "asgi.py" else "{fd}"
    return [installed.python(), f"{{launchers}}/{app.launcher}", sockets, app.attribute]


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
        "API_KEY": API_KEY,
    }
    if case.slots > 1:
        variables |= {
            "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
            "AWS_LAMBDA_MAX_CONCURRENCY": str(case.slots),
        }
    return variables

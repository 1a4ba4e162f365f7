"""`upproxy build --check`: what was built is started as Lambda would start it, and asked for one page."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from upproxy.build import archive
from upproxy.build.archive import Packed
from upproxy.build.interpreter import Interpreter
from upproxy.cli.errors import BuildFailed
from upproxy.config import Config
from upproxy.config.middleware import private, references
from upproxy.local import processes
from upproxy.local.environment import REGION, function_arn, reserved, runtime_folder
from upproxy.local.failure import explain
from upproxy.local.invocation import Buffered, FunctionError, StreamBroken
from upproxy.local.runtime_process import RuntimeProcess, StartFailed
from upproxy.local.sources import SOURCES, HttpReply, HttpRequest

_OUTPUT = 20  # of the app's lines, shown where the check fails
MOUNTED = "/mnt"  # exists everywhere, and is not below /tmp
# In a mount namespace: all is read-only, but for a /tmp of its own.
_SANDBOX = f"""\
mount --bind "$1" {MOUNTED} && mount -o remount,bind,ro {MOUNTED} && mount --bind "$2" /tmp || exit 125
mount -o remount,bind,ro / 2>/dev/null
shift 2
exec "$@"
"""


class Checked(NamedTuple):
    """What the check saw: times in ms from the start of the process, memory in bytes where the system tells it.

    `sandboxed` says that nothing but /tmp could be written.
    """

    ready: float
    answered: float
    status: int
    memory: int | None
    sandboxed: bool


def check(members: Sequence[Packed], config: Config, interpreter: Interpreter) -> Checked:
    """Unzip into an empty folder, start the bootstrap, send one request. Raises BuildFailed."""
    work = tempfile.mkdtemp(prefix="upproxy-check-")
    try:
        for folder in ("task", "tmp", "bin"):
            os.mkdir(os.path.join(work, folder))
        archive.extract(members, os.path.join(work, "task"))
        os.symlink(interpreter.path, os.path.join(work, "bin", "python3"))
        runtime_folder(work)
        with _read_only(os.path.join(work, "task")):
            return asyncio.run(_check(work, config, interpreter))
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _read_only(folder: str) -> Iterator[None]:
    """Take away the permission to write while it lasts; root has it all the same, but for the sandbox."""
    paths = [folder, *(os.path.join(here, name) for here, names, _ in os.walk(folder) for name in names)]
    for path in paths:
        os.chmod(path, 0o555)  # noqa: S103
    try:
        yield
    finally:
        for path in paths:
            os.chmod(path, 0o755)  # noqa: S103


async def _check(work: str, config: Config, interpreter: Interpreter) -> Checked:
    words = sandbox(work)
    root = MOUNTED if words else work
    task = f"{root}/task"
    lines: list[str] = []
    name = f"{config.name}-{config.stage}"
    # The arguments are the command of the runtime that it stands in for.
    bootstrap = (f"{task}/.upproxy/bootstrap", interpreter.path, "/var/runtime/bootstrap.py")
    process = RuntimeProcess(
        (*words, *bootstrap),
        _environment(config, root, interpreter),
        directory="/",
        function_name=name,
        arn=function_arn(name, REGION),
        on_line=lambda _, line: lines.append(line.decode("utf-8", "replace")),
    )
    started = time.monotonic()
    try:
        await process.start()
        await process.ready()
        ready = time.monotonic()
        reply = await _ask(process, config)
        answered = time.monotonic()
        memory = processes.memory(processes.sessions().get(process.pid, ()), 0) or None
    except StartFailed as failed:
        failure = explain(failed.error.message, python=f"Python {interpreter.version.split()[0]}", directory=task)
        raise BuildFailed(
            f"what was built does not start: {failure.message}", "\n".join(failure.output) or failure.hint
        ) from None
    except OSError as error:
        raise BuildFailed(f"what was built cannot be started: {error}") from None
    finally:
        await process.stop()
    if isinstance(reply, str):
        raise BuildFailed(f"what was built does not answer: {reply}", "\n".join(lines[-_OUTPUT:]))
    if reply.status >= 500:
        raise BuildFailed(
            f"GET {config.settings.health.path} is answered with {reply.status}", "\n".join(lines[-_OUTPUT:])
        )
    return Checked((ready - started) * 1000, (answered - started) * 1000, reply.status, memory, bool(words))


def sandbox(work: str) -> tuple[str, ...]:
    """Return the words to put before a command so that it can write to /tmp alone; none where that cannot be had."""
    unshare = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
    words = (*unshare, "/bin/sh", "-c", _SANDBOX, "sandbox", work, os.path.join(work, "tmp"))
    try:
        works = subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        works = False
    return words if works else ()


def _environment(config: Config, root: str, interpreter: Interpreter) -> dict[str, str]:
    """Return what Lambda sets, and the variables that up.yml refers to. The Runtime API's address is added later."""
    settings = config.settings
    wanted = {one for value in settings.environment.values() for one in references(value)} | set(private(settings))
    return {
        **{one: os.environ[one] for one in wanted if one in os.environ},
        **reserved(
            f"{config.name}-{config.stage}",
            region=REGION,
            python=".".join(interpreter.version.split()[0].split(".")[:2]),
            memory=settings.lambda_.memory,
            directory=f"{root}/task",
            runtime=f"{root}/runtime",
        ),
        "LANG": "en_US.UTF-8",
        "PATH": f"{root}/bin:/usr/local/bin:/usr/bin:/bin",
    }


async def _ask(process: RuntimeProcess, config: Config) -> HttpReply | str:
    """Send the request of the health check, as the endpoint would; return the reply, or why there is none."""
    source = SOURCES[config.settings.endpoint]
    host = b"check.lambda-url.us-east-1.on.aws"
    request = HttpRequest(
        "GET", config.settings.health.path, [(b"host", host), (b"user-agent", b"upproxy build --check")], b"",
        client="192.0.2.1", host=host.decode(), port=443, scheme="https",
    )  # fmt: skip
    request_id = str(uuid.uuid4())
    event = source.event(request, request_id=request_id, epoch_ms=int(time.time() * 1000))
    timeout = config.settings.lambda_.timeout
    reply = await process.invoke(json.dumps(event).encode(), timeout=timeout, request_id=request_id, trace_id="")
    if isinstance(reply, FunctionError):
        return reply.message
    if isinstance(reply, Buffered):
        return source.reply(reply.payload)
    try:
        async for _ in reply:
            pass
    except StreamBroken as broken:
        return broken.error.message
    return source.head(reply.prelude)

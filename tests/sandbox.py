"""The sandbox for tests: in a thread of this process, so that its calls can be looked at, and made to fail.

`sandbox` is one for a module, `aws` the environment of this process set for it. What a test makes it leaves: tests
choose names of their own.
"""

import asyncio
import io
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import Future
from contextlib import redirect_stderr, redirect_stdout

import boto3
import pytest
from moto.moto_api._internal.models import moto_api_backend

from tests.aws.moto_server import set_alone
from upproxy.cli.frame import main
from upproxy.cli.sandbox import interpreter
from upproxy.local.failure import Failure
from upproxy.local.fleet import Scaling
from upproxy.local.sandbox import Options, Sandbox
from upproxy.local.sandbox.delays import NONE

IDLE = 5  # seconds that an idle instance is kept: tests leave many behind
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


async def python(version):
    """Return an interpreter, of another version where there is none: the functions beside an app run on any."""
    try:
        return await interpreter(version)
    except Failure:
        return sys.executable


class Running:
    """A sandbox that runs. `environment` is what a program needs to reach it; `more` are options of the sandbox."""

    def __init__(self, delays=NONE, **more):
        self._ready = Future()
        self._options = {"python": python, "delays": delays, **more}
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        self.sandbox = self._ready.result(60)
        self.environment = self.sandbox.environment
        self.lines = []

    @property
    def calls(self):
        """All calls since `clear`."""
        return self.sandbox.calls

    @property
    def faults(self):
        """What shall go wrong; empty it afterwards."""
        return self.sandbox.faults

    def clear(self):
        """Forget calls and faults."""
        self.sandbox.calls.clear()
        self.sandbox.faults.clear()

    def run(self, *words, folder, check=True, env=None):
        """Run a command of ours about a project, in this process. Returns what subprocess.run does."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            set_alone(patch, {**self.environment, "AWS_EC2_METADATA_DISABLED": "true", **(env or {})})
            patch.setattr(boto3, "DEFAULT_SESSION", None)
            status = main(["-C", str(folder), *words])
        stdout, stderr = (stream.buffer.getvalue().decode() for stream in (out, err))
        assert not check or status == 0, stderr
        return subprocess.CompletedProcess(words, status, stdout, stderr)

    @property
    def process_environment(self):
        """The environment of a process of ours."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "UPPROXY_"))}
        return {**kept, **self.environment, "PYTHONPATH": ROOT, "AWS_EC2_METADATA_DISABLED": "true"}

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive()
        moto_api_backend.reset()  # its state is this process's, and the next one's app may have the same name

    async def _run(self):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            scaling = Scaling(most=10, idle_timeout=IDLE)
            options = Options(scaling=scaling, console=self._line, **self._options)
            async with Sandbox(options) as sandbox:
                self._ready.set_result(sandbox)
                await self._stop.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    def _line(self, function, line):
        self.lines.append((function, line))


@pytest.fixture(scope="module")
def sandbox():
    """A local AWS without delays."""
    running = Running()
    yield running
    running.close()


@pytest.fixture
def aws(sandbox, monkeypatch):
    """The environment of this process, for the sandbox alone."""
    set_alone(monkeypatch, {**sandbox.environment, "AWS_EC2_METADATA_DISABLED": "true"})
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the key of the sandbox before
    yield sandbox
    sandbox.clear()


def fetch(url):
    """Return the status and body of a page."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()

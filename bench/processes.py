"""Processes that are measured or measure: started on a core of their own, looked at through /proc, always stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from bench.cases import ROOT, Case
from bench.driver import Round, WrongReply

GRACE = 5  # seconds between SIGTERM and SIGKILL

_available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
# The feeder on one core; what is measured, and the app behind it, together on another, as in a small Lambda function.
MEASURING = {_available[0]}
MEASURED = {_available[-1]}


class Memory(NamedTuple):
    """What a process holds, in MB of 10**6 bytes: all of it, and with shared pages divided by who shares them."""

    rss: float
    pss: float


class Process:
    """A running program. Its output goes to a file; `started` is the `perf_counter_ns` just before it was."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: str,
        cores: set[int],
        output: IO[bytes] | None = None,
        talks: bool = False,
        fds: Sequence[int] = (),
    ) -> None:
        with _on(cores):
            self.started = time.perf_counter_ns()
            self._process = subprocess.Popen(
                arguments,
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else output,
                stderr=None if talks else subprocess.STDOUT,
                pass_fds=fds,
                start_new_session=True,  # a Ctrl-C is for us, who then stop the others
            )
        self.pid = self._process.pid

    def cpu_ns(self) -> int:
        """CPU time of all its threads so far; that of threads which have ended is not in it."""
        total = 0
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
        return total

    def memory(self) -> Memory:
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            sizes = {name: rest.split() for name, _, rest in (line.partition(":") for line in file)}
        return Memory(int(sizes["Rss"][0]) * 1024 / 1e6, int(sizes["Pss"][0]) * 1024 / 1e6)

    def ask(self, question: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write a line of JSON, if any, and read one. For processes that talk."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise TypeError("this process does not talk")
        if question is not None:
            stdin.write(json.dumps(question).encode() + b"\n")
            stdin.flush()
        line = stdout.readline()
        if not line:
            raise WrongReply(f"the measuring process ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End it, by force if need be, and what it has started."""
        children = self._children()
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            for child in children:
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _children(self) -> list[int]:
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
                return [int(pid) for pid in file.read().split()]
        except FileNotFoundError:
            return []


class DriverProcess:
    """A driver (`bench.feeder` or `bench.direct`) and where it listens, or whom it asks."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.process = Process(
            [sys.executable, "-m", module, *arguments],
            environment=dict(os.environ),
            folder=ROOT,
            cores=MEASURING,
            talks=True,
        )
        self.address: str = self.process.ask()["address"]

    def run(self, case: Case, count: int) -> Round:
        """Measure a round. Raises WrongReply."""
        answer = self.process.ask({"case": case.name, "count": count})
        if "error" in answer:
            raise WrongReply(answer["error"])
        return Round(latencies=answer["latencies"], began=answer["began"], ended=answer["ended"])


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """Start processes on these cores: they inherit ours."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

"""Processes that are measured or measure: started on a core of their own, looked at through /proc, always stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from bench.cases import ROOT, Case
from bench.driver import Round, WrongReply
from upproxy.local.processes import kill_session, sessions

GRACE = 5  # seconds between SIGTERM and SIGKILL

_available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
# The feeder on one core; what is measured, and the app behind it, together on another, as in a small Lambda function.
MEASURING = {_available[0]}
MEASURED = {_available[-1]}
BOTH = {_available[0], _available[-1]}  # for a start on two cores; the feeder does nothing meanwhile


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
        self._stopped = False

    def members(self) -> list[int]:
        """List the processes of its session: itself and what it has started."""
        return sessions().get(self.pid, [])

    def send(self, question: dict[str, Any]) -> None:
        """Write a line of JSON. For processes that talk."""
        stdin = self._process.stdin
        if stdin is None:
            raise TypeError("this process does not talk")
        stdin.write(json.dumps(question).encode() + b"\n")
        stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Read a line of JSON. For processes that talk. Raises WrongReply."""
        stdout = self._process.stdout
        if stdout is None:
            raise TypeError("this process does not talk")
        line = stdout.readline()
        if not line:
            raise WrongReply(f"the measuring process ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End it, by force if need be, and what it has started. Once: later its number may be that of others."""
        if self._stopped:
            return
        self._stopped = True
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            kill_session(self.pid)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def cpu_ns(pids: Iterable[int]) -> int:
    """CPU time of all the threads of processes so far; that of threads which have ended is not in it."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
    return total


def memory(pids: Iterable[int]) -> Memory:
    """What processes hold, added up."""
    sizes = [_sizes(pid) for pid in pids]
    return Memory(sum(size["Rss"] for size in sizes), sum(size["Pss"] for size in sizes))


def together(pids: Iterable[int]) -> float:
    """What processes hold together, in MB of 10**6 bytes: what they share, with others too, counts once."""
    sizes = [_sizes(pid) for pid in pids]
    private = [size["Private_Clean"] + size["Private_Dirty"] for size in sizes]
    return sum(private) + max(size["Rss"] - own for size, own in zip(sizes, private, strict=True))


def _sizes(pid: int) -> dict[str, float]:
    """The totals of a process by their names, in MB."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        fields = [line.split() for line in file]
    return {words[0].rstrip(":"): int(words[1]) * 1024 / 1e6 for words in fields if words[-1] == "kB"}


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
        self.address: str = self.process.answer()["address"]

    def run(self, case: Case, count: int) -> Round:
        """Measure a round. Raises WrongReply."""
        self.process.send({"case": case.name, "count": count})
        answer = self.process.answer()
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

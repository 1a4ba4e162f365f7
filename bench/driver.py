"""What both measuring processes share: one epoll, rounds of requests, and every reply checked.

A driver is a process of its own, so that measuring costs the same whatever is measured. Its first line of output is
`{"address"}`; then, for each `{"case", "count"}` that it reads, it answers with a Round or `{"error"}`.
"""

from __future__ import annotations

import gc
import json
import select
import sys
from time import perf_counter_ns
from typing import TypedDict

from bench.cases import CASES, Answer, Case
from bench.wire import Connection, Message

PATIENCE = 30  # seconds in which nothing happens before a candidate is given up


class Round(TypedDict):
    """`latencies` are ns; `began` and `ended` are `time.perf_counter_ns`, one clock for all processes on Linux."""

    latencies: list[int]
    began: int
    ended: int


class WrongReply(Exception):
    """A reply is not the app's, or there is none. The text says what is wrong with it."""


class Driver:
    """Sends a case's requests and times the replies. What goes to whom is a subclass's matter."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.unsent = 0
        self.latencies: list[int] = []
        self.replies: list[Message] = []
        self._mark = b""

    def prepare(self, case: Case) -> None:
        """Wait until everybody is there whom a round needs; nothing is timed yet."""
        raise NotImplementedError

    def begin(self) -> None:
        """Send the first requests, as many as run at once."""
        raise NotImplementedError

    def take(self, connection: Connection, message: Message) -> None:
        """Work on a message: time it first if it is a reply, and send the next request if one is due."""
        raise NotImplementedError

    def accept(self) -> None:
        """Take a new connection."""
        raise NotImplementedError

    def answer_of(self, reply: Message, case: Case) -> Answer:
        """Read a reply. Raises ValueError."""
        raise NotImplementedError

    def run(self, case: Case, count: int) -> Round:
        """Measure `count` requests. Raises WrongReply."""
        self.unsent = count
        self.latencies = []
        self.replies = []
        self._mark = case.first
        try:
            self.prepare(case)
            began = perf_counter_ns()
            self.begin()
            while len(self.latencies) < count:
                self.turn()
            ended = perf_counter_ns()
            self._check(case)
        except (ValueError, KeyError, OSError) as error:
            raise WrongReply(f"{type(error).__name__}: {error}") from None
        return {"latencies": self.latencies, "began": began, "ended": ended}

    def turn(self) -> None:
        """Wait once, and work on all that has happened. Raises WrongReply, ValueError, OSError."""
        events = self.epoll.poll(PATIENCE)
        if not events:
            raise WrongReply(f"nothing for {PATIENCE} s, with {len(self.latencies)} replies so far")
        for fd, mask in events:
            connection = self.connections.get(fd)
            if connection is None:
                self.accept()
                continue
            if mask & select.EPOLLOUT:
                connection.flush()
            if mask & ~select.EPOLLOUT:
                try:
                    message = connection.receive(self._mark)
                except (EOFError, ConnectionResetError):
                    self.drop(connection)
                else:
                    if message is not None:
                        self.take(connection, message)

    def drop(self, connection: Connection) -> None:
        """Close a connection."""
        del self.connections[connection.fd]
        connection.close()

    def keep(self, reply: Message, sent: int) -> None:
        """Note a reply, and what it took since the `perf_counter_ns` when it was asked for: until its mark, if any."""
        self.latencies.append((reply.marked or reply.arrived) - sent)
        self.replies.append(reply)

    def _check(self, case: Case) -> None:
        right: set[bytes] = set()  # most replies of a round are equal to the byte
        for reply in self.replies:
            if case.first and not reply.marked:
                raise WrongReply("the body did not begin as it should, or not in one piece")
            seen = reply.head + reply.body
            if seen not in right:
                if fault := case.fault(self.answer_of(reply, case)):
                    raise WrongReply(fault)
                right.add(seen)


def serve(driver: Driver, address: str) -> None:
    """Be the process: measure what standard input asks for, until its end."""
    gc.disable()  # nothing here makes cycles, and a collection would be measured
    print(json.dumps({"address": address}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            result = json.dumps(driver.run(CASES[order["case"]], order["count"]))
        except WrongReply as error:
            result = json.dumps({"error": str(error)})
        print(result, flush=True)

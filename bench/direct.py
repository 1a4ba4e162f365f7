"""The other end of the floor: asks the app itself, over kept connections, as nobody could do faster through Lambda."""

from __future__ import annotations

import socket
import sys
from time import perf_counter_ns

from bench.cases import Answer, Case, read_response
from bench.driver import Driver, WrongReply, serve
from bench.wire import Connection, Message


class Direct(Driver):
    """A client of the app at `address`, with one connection for each request at once."""

    def __init__(self, address: str) -> None:
        super().__init__()
        host, _, port = address.rpartition(":")
        self._address = host, int(port)
        self._request = b""
        self._sent: dict[Connection, int] = {}

    def prepare(self, case: Case) -> None:
        self._request = case.request()
        while len(self.connections) < case.slots:
            connection = Connection(socket.create_connection(self._address), self.epoll)
            self.connections[connection.fd] = connection

    def begin(self) -> None:
        for connection in self.connections.values():
            self._ask(connection)

    def take(self, connection: Connection, message: Message) -> None:
        self.keep(message, self._sent.pop(connection))
        self._ask(connection)

    def drop(self, connection: Connection) -> None:
        super().drop(connection)
        raise WrongReply("the app closed the connection")

    def answer_of(self, reply: Message, case: Case) -> Answer:  # noqa: ARG002
        return read_response(reply.head, reply.body)

    def _ask(self, connection: Connection) -> None:
        if self.unsent:
            self.unsent -= 1
            self._sent[connection] = perf_counter_ns()
            connection.send(self._request)


if __name__ == "__main__":
    serve(Direct(sys.argv[1]), sys.argv[1])

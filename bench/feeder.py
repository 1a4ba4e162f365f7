"""The light Runtime API: feeds a runtime process with events, one a slot, and times its replies.

A latency lasts from sending the answer to `next` until the whole reply is here. Serves as many polls at once as the
runtime makes. An adapter that is an extension may register; the events of extensions never come.
"""

from __future__ import annotations

import socket
from time import perf_counter_ns, time

from bench.cases import Answer, Case, read_reply
from bench.driver import Driver, WrongReply, serve
from bench.wire import Connection, Message

NEXT = b"GET /2018-06-01/runtime/invocation/next "
INVOCATION = b"POST /2018-06-01/runtime/invocation/"
ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n" + b'{"status":"OK"}\n'
)
REGISTER = b"POST /2020-01-01/extension/register "
EXTENSION_NEXT = b"GET /2020-01-01/extension/event/next "
REGISTERED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-extension-identifier: "
    b"3f1c9a7b-0d5e-4b7a-9c35-5a0e6f2d8b11\r\ncontent-length: 68\r\n\r\n"
    b'{"functionName":"bench","functionVersion":"7","handler":"app.serve"}'
)
TIMEOUT = 60  # seconds that an invocation has, as the runtime is told
STREAMED = b"lambda-runtime-function-response-mode: streaming"


class Feeder(Driver):
    """Listens on loopback; `address` is what goes into AWS_LAMBDA_RUNTIME_API."""

    def __init__(self) -> None:
        super().__init__()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        host, port = self._listener.getsockname()
        self.address = f"{host}:{port}"
        self.epoll.register(self._listener.fileno(), 1)
        self._idle: list[Connection] = []  # whose poll has not been answered yet
        self._sent: dict[bytes, int] = {}  # when the invocations in flight began, by id
        self._event = b""
        self._number = 0

    def prepare(self, case: Case) -> None:
        self._event = case.event()
        unsent, self.unsent = self.unsent, 0
        while len(self._idle) < case.slots:
            self.turn()
        self.unsent = unsent

    def begin(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            self._feed(connection)

    def accept(self) -> None:
        stream, _ = self._listener.accept()
        connection = Connection(stream, self.epoll)
        self.connections[connection.fd] = connection

    def take(self, connection: Connection, message: Message) -> None:
        head = message.head
        if head.startswith(NEXT):
            self._feed(connection)
            return
        if head.startswith(REGISTER):
            connection.send(REGISTERED)
            return
        if head.startswith(EXTENSION_NEXT):
            return
        request_id, _, what = head[len(INVOCATION) :].partition(b" ")[0].partition(b"/")
        if not head.startswith(INVOCATION) or what != b"response":
            raise WrongReply(f"{head.partition(b' HTTP/')[0].decode()} says {message.body[:2000].decode()}")
        self.keep(message, self._sent.pop(request_id))  # a KeyError when it answers what is not in flight
        connection.send(ACCEPTED)

    def drop(self, connection: Connection) -> None:
        super().drop(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def answer_of(self, reply: Message, case: Case) -> Answer:
        if (STREAMED in reply.head.lower()) != case.streamed:
            raise ValueError(f"the reply should {'' if case.streamed else 'not '}have been streamed")
        return read_reply(reply.body, streamed=case.streamed)

    def _feed(self, connection: Connection) -> None:
        if not self.unsent:
            self._idle.append(connection)
            return
        self.unsent -= 1
        self._number += 1
        request_id = b"8476a536-e9f4-11e8-9739-%012x" % self._number
        answer = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-runtime-aws-request-id: %b\r\n"
            b"lambda-runtime-deadline-ms: %d\r\n"
            b"lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:123456789012:function:bench:live\r\n"
            b"lambda-runtime-trace-id: Root=1-68b0c1d2-3f4a5b6c7d8e9fa0b1c2d3e4;Parent=53995c3f42cd8ad8;Sampled=0\r\n"
            b"content-length: %d\r\n\r\n%b"
        ) % (request_id, int((time() + TIMEOUT) * 1000), len(self._event), self._event)
        self._sent[request_id] = perf_counter_ns()
        connection.send(answer)


if __name__ == "__main__":
    feeder = Feeder()
    serve(feeder, feeder.address)

"""Messages are read whole, however they arrive; what does not fit is an error, never a wrong measure."""

import select
import socket
from time import perf_counter_ns

import pytest

from bench.wire import Connection

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"
CHUNKED = b"POST /r HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nC\r\n, 0\r\n\r\nworld\r\n0\r\n\r\n"
BODILESS = b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture
def pair():
    ours, theirs = socket.create_connection, None
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as epoll:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
        connection = Connection(ours, epoll)
        with theirs:
            yield connection, theirs, epoll
        connection.close()


def read(connection, epoll):
    assert epoll.poll(10)
    return connection.receive()


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        (SIZED, (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y", b"hello")),
        (CHUNKED, (b"POST /r HTTP/1.1\r\nTransfer-Encoding: chunked", b"hello, 0\r\n\r\nworld")),
        (BODILESS, (b"GET /next HTTP/1.1\r\nhost: a", b"")),
    ],
    ids=["sized", "chunked", "bodiless"],
)
def test_messages_in_one_and_in_two_pieces(pair, whole, message):
    connection, peer, epoll = pair
    for at in range(1, len(whole)):
        peer.sendall(whole[:at])
        assert read(connection, epoll) is None
        peer.sendall(whole[at:])
        assert read(connection, epoll)[:2] == message
    peer.sendall(whole)
    assert read(connection, epoll)[:2] == message


def test_a_message_knows_when_its_mark_was_there(pair):
    connection, peer, epoll = pair
    peer.sendall(CHUNKED[:60])
    assert epoll.poll(10)
    assert connection.receive(b"hello") is None
    then = perf_counter_ns()
    peer.sendall(CHUNKED[60:])
    assert epoll.poll(10)
    message = connection.receive(b"hello")
    assert message.marked < then < message.arrived
    peer.sendall(SIZED)
    assert read(connection, epoll).marked == 0


def test_a_large_message_is_sent_as_the_other_side_reads(pair):
    connection, peer, epoll = pair
    data = bytes(range(256)) * 40_000
    connection.send(data)
    received = bytearray()
    while len(received) < len(data):
        for _, mask in epoll.poll(0):
            assert mask == select.EPOLLOUT
            connection.flush()
        received += peer.recv(1 << 20)
    assert received == data
    assert epoll.poll(0) == []


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (SIZED + b"more", "4 bytes follow a message"),
        (CHUNKED + b"more", "4 bytes follow a message"),
        (CHUNKED[:-2] + b"Lambda-Runtime-Function-Error-Type: Broken\r\n\r\n", "failed: b'Lambda-Runtime-Function"),
    ],
)
def test_what_does_not_fit_is_an_error(pair, data, complaint):
    connection, peer, epoll = pair
    peer.sendall(data)
    with pytest.raises(ValueError, match=complaint):
        read(connection, epoll)


def test_the_end_is_told(pair):
    connection, peer, epoll = pair
    peer.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        read(connection, epoll)

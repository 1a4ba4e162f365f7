"""HTTP/1.1 as a client: what is read, what is refused, and that one answer is never taken for another."""

from __future__ import annotations

import socket
import string
import sys
import threading
from functools import partial
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.scripting import LIMIT, outcome
from upproxy.proxy.http1 import (
    FIELD_LIMIT,
    HEAD_LIMIT,
    INTERIM_LIMIT,
    ChunkedBody,
    Closed,
    Connection,
    Malformed,
    SizedBody,
    UndelimitedBody,
    content_length,
    parse_fields,
    parse_head,
)
from upproxy.proxy.waiting import NEVER, DeadlineExceeded

TOKEN = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
tokens = st.text(TOKEN, min_size=1, max_size=20)
values_ = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=30)


@pytest.fixture(params=["tcp", pytest.param("unix", marks=pytest.mark.skipif(sys.platform != "linux", reason="names"))])
def serve(request, serve):
    """Servers on either kind of socket."""
    return partial(serve, name=None if request.param == "tcp" else "")


# --- parsing ----------------------------------------------------------------------------------------------------------


@given(head=st.binary(max_size=80) | st.binary(max_size=40).map(b"HTTP/1.1 200 OK\r\n".__add__))
@settings(max_examples=300)
def test_any_bytes_are_a_head_or_malformed(head):
    try:
        minor, status, fields = parse_head(head)
    except Malformed:
        pass
    else:
        assert minor in (0, 1)
        assert 100 <= status <= 999
        for name, value in fields:
            assert name
            assert set(name) <= set(TOKEN)
            assert name == name.lower()
            assert not set("\r\n\0") & set(value)
            assert value == value.strip(" \t")


@given(
    minor=st.integers(0, 1),
    status=st.integers(100, 999),
    reason=st.none() | values_,
    fields=st.lists(st.tuples(tokens, st.text(" \t", max_size=2), values_), max_size=8),
)
@settings(max_examples=150)
def test_a_valid_head_comes_out_as_it_was(minor, status, reason, fields):
    head = f"HTTP/1.{minor} {status}" + ("" if reason is None else f" {reason}")
    head += "".join(f"\r\n{name}:{space}{value}{space}" for name, space, value in fields)
    assert parse_head(head.encode("latin-1")) == (
        minor,
        status,
        [(name.lower(), value.strip(" \t")) for name, _, value in fields],
    )


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\nHTTP/1.1 200 OK",
        b"HTTP/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.1 20",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1 -20 OK",
        b"HTTP/1.1 2\xb20 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.2 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/0.9 200 OK",
        b"HTTP/1.11 200 OK",
        b"http/1.1 200 OK",
        b"ICY 200 OK",
        b" HTTP/1.1 200 OK",
        b"HTTP/1.1 200 O\0K",
        b"HTTP/1.1 200 O\nK",
        b"HTTP/1.1 200 O\rK",
    ],
)
def test_status_lines_that_are_refused(head):
    with pytest.raises(Malformed):
        parse_head(head)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no colon",
        b": no name",
        b"name : space before colon",
        b"name\t: tab before colon",
        b" name: leading space",
        b" folded",
        b"\tfolded: too",
        b"na me: x",
        b"n\xe4me: x",
        b"na(me): x",
        b"na\0me: x",
        b"name: a\0b",
        b"name: a\rb",
        b"name: a\nb",
        b"name: a\n b",
        b"a: b\r\n c",
        b"name\r: x",
    ],
)
def test_field_lines_that_are_refused(line):
    with pytest.raises(Malformed):
        parse_head(b"HTTP/1.1 200 OK\r\na: b\r\n" + line + b"\r\nc: d")


def test_the_number_of_fields_is_limited():
    assert len(parse_fields(["a: b"] * FIELD_LIMIT)) == FIELD_LIMIT
    with pytest.raises(Malformed, match="more than"):
        parse_fields(["a: b"] * (FIELD_LIMIT + 1))


@pytest.mark.parametrize(
    "value",
    ["", "-1", "+1", "0x10", "1e3", "1.0", "1_000", "1 0", "5, 5", "5,5", "²", "٣", "9" * 19, "0" * 30 + "5", "ten"],
)
def test_lengths_that_are_refused(value):
    with pytest.raises(Malformed, match="Content-Length"):
        content_length([("content-length", value)])


@pytest.mark.parametrize(
    "coding", ["", "gzip", "chunked, chunked", "gzip, chunked", "chunked, identity", "identity", "x", "\x0bchunked"]
)
def test_transfer_codings_that_are_refused(coding):
    with pytest.raises(Malformed, match="Transfer-Encoding"):
        content_length([("transfer-encoding", coding)])


@pytest.mark.parametrize(
    "fields",
    [
        [("content-length", "5"), ("content-length", "5")],
        [("content-length", "5"), ("content-length", "6")],
        [("content-length", "5"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "chunked"), ("content-length", "0")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
    ],
)
def test_framing_that_is_ambiguous_is_refused(fields):
    with pytest.raises(Malformed):
        content_length(fields)


@given(length=st.integers(0, 10**17))
@settings(max_examples=50)
def test_lengths(length):
    assert content_length([("a", "b"), ("content-length", str(length))]) == length


def test_no_length_and_chunked():
    assert content_length([("a", "b")]) is None
    assert content_length([("transfer-encoding", "Chunked")]) == -1


# --- over a connection ------------------------------------------------------------------------------------------------

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Released(list):
    """What a body's release was called with."""


async def ask(loop, address, request=REQUEST, deadline=NEVER, connection=None):
    """Send a request; return the connection, the answer's head and a list of its body's pieces."""
    connection = connection or await Connection.open(loop, address, deadline)
    await connection.send(request, deadline)
    _, status, fields = await connection.read_head(deadline)
    length = content_length(fields)
    released = Released()
    if length is None:
        body = UndelimitedBody(connection, deadline, released.append)
    elif length < 0:
        body = ChunkedBody(connection, deadline, released.append)
    else:
        body = SizedBody(connection, deadline, released.append, length)
    try:
        pieces = [piece async for piece in body]
    except BaseException:
        assert released == [False]
        connection.close()
        raise
    assert released == [True]
    return connection, status, fields, pieces


def answered(loop, serve, *pieces, hold=True):
    """The status, body and the connection's staleness, for an answer that comes in these pieces."""

    def script(peer):
        peer.read_head()
        peer.send(*pieces)
        if hold:
            peer.wait_for_end()

    address = serve(script).address

    async def main():
        connection, status, _, body = await ask(loop, address, deadline=monotonic() + LIMIT)
        stale = connection.is_stale()
        connection.close()
        return status, b"".join(body), stale

    return outcome(loop, main())


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_an_answer_in_single_bytes(loop, serve):
    assert answered(loop, serve, *[bytes([byte]) for byte in GOOD]) == (200, b"hello", False)


@pytest.mark.parametrize("interim", [1, INTERIM_LIMIT - 1])
def test_interim_answers_are_passed_over(loop, serve, interim):
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * interim
    assert answered(loop, serve, early + GOOD) == (200, b"hello", False)
    assert answered(loop, serve, b"HTTP/1.1 100 Continue\r\n\r\n", GOOD) == (200, b"hello", False)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * (INTERIM_LIMIT + 1) + GOOD,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * (FIELD_LIMIT + 1) + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"x" * HEAD_LIMIT + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"x" * HEAD_LIMIT * 2,
        b"HTTP/1.1 200 OK\n\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>",
        b"\x16\x03\x01",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_heads_that_are_refused_without_waiting_for_their_end(loop, serve, answer):
    with pytest.raises(Malformed):
        answered(loop, serve, answer)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_chunks_split_at_every_byte(loop, serve):
    body = b'5\r\nhello\r\nA;name="v;al"\r\n0123456789\r\n00\r\nTrailer: x\r\n\r\n'
    for at in range(len(body) + 1):
        assert answered(loop, serve, CHUNKED + body[:at], body[at:]) == (200, b"hello0123456789", False)
    assert answered(loop, serve, CHUNKED, *[bytes([byte]) for byte in body]) == (200, b"hello0123456789", False)


@pytest.mark.parametrize(
    "body",
    [
        b"\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"g\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\nhello",
        b"0" * 30 + b"5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello!",
        b"5\r\nhello0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"5;a\0b\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"x" * HEAD_LIMIT * 2,
        b"5" * 1_000 + b"\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\na : b\r\n\r\n",
        b"0\r\n folded: b\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * (FIELD_LIMIT + 1),
        b"0\r\n" + (b"a: " + b"b" * 1_000 + b"\r\n") * 500,
    ],
)
def test_chunks_that_are_refused_without_waiting_for_more(loop, serve, body):
    with pytest.raises(Malformed):
        answered(loop, serve, CHUNKED + body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        CHUNKED + b"5\r\nhel",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
    ],
)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_answer_that_is_cut_off(loop, serve, answer, how):
    def script(peer):
        peer.read_head()
        peer.send(answer)
        if how == "reset":
            peer.reset()

    address = serve(script).address
    with pytest.raises(Closed):
        outcome(loop, ask(loop, address, deadline=monotonic() + LIMIT))


def test_a_body_that_ends_with_the_connection(loop, serve):
    assert answered(loop, serve, b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", hold=False)[:2] == (200, b"hello")
    assert answered(loop, serve, b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 500_000, hold=False)[1] == b"x" * 500_000
    assert answered(loop, serve, b"HTTP/1.1 200 OK\r\n\r\n", hold=False)[:2] == (200, b"")


def test_a_body_without_length_that_ends_in_a_reset_is_not_whole(loop, serve):
    if serve.keywords["name"] is not None:
        pytest.skip("a unix socket's end looks like any other")
    received = threading.Event()

    def script(peer):
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        assert received.wait(LIMIT)
        peer.reset()

    address = serve(script).address

    async def main():
        connection = await Connection.open(loop, address)
        await connection.send(REQUEST)
        await connection.read_head()
        body = UndelimitedBody(connection, NEVER, lambda _: connection.close())
        assert await body.__anext__() == b"half"
        received.set()
        await body.__anext__()

    with pytest.raises(Closed):
        outcome(loop, main())


@pytest.mark.parametrize(
    ("answer", "rest"),
    [(GOOD, b"HTTP/1.1 200 OK\r\n\r\n"), (CHUNKED + b"0\r\n\r\n", b"x"), (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", GOOD)],
)
def test_what_follows_an_answer_makes_the_connection_stale(loop, serve, answer, rest):
    assert answered(loop, serve, answer + rest)[2] is True


def test_a_connection_is_known_to_be_stale_at_once(loop, serve):
    """Nobody polls between the end and the next use."""
    go, gone = threading.Event(), threading.Event()
    how = iter(["close", "reset", "more", "half"])

    def script(peer):
        peer.read_head()
        peer.send(GOOD)
        assert go.wait(LIMIT)
        go.clear()
        match next(how):
            case "close":
                peer.socket.close()
            case "reset":
                peer.reset()
            case "more":
                peer.send(b"x")
            case "half":
                peer.socket.shutdown(1)
        gone.set()

    address = serve(script).address

    async def main():
        for _ in range(4):
            connection, *_ = await ask(loop, address)
            assert not connection.is_stale()
            go.set()
            assert gone.wait(LIMIT)
            gone.clear()
            assert connection.is_stale()
            connection.close()

    outcome(loop, main())


UNIX = pytest.mark.skipif(sys.platform != "linux", reason="names of unix sockets that are no files")


@UNIX
def test_what_is_read_of_a_unix_socket_wakes_nobody(loop, serve):
    """Its room to write is told of with each read, where TCP is silent until there was none."""
    went = threading.Event()
    sizes = [len(REQUEST), 3_000_000, len(REQUEST)]

    def script(peer):
        for size in sizes:
            assert len(peer.read(size)) == size
            went.set()
        peer.wait_for_end()

    address = serve.func(script, name="").address

    async def main():
        connection = await Connection.open(loop, address)
        for size in sizes:
            await connection.send(b"x" * size, monotonic() + LIMIT)
            assert went.wait(LIMIT)
            went.clear()
            assert loop._epoll.poll(0) == []
        connection.close()

    outcome(loop, main())


@UNIX
def test_a_full_queue_is_waited_for(loop):
    """As TCP does by itself, where a unix socket refuses at once."""
    waiting = []

    async def fill():
        while True:
            waiting.append(await Connection.open(loop, listener.getsockname(), monotonic() + 0.2))

    async def main():
        with pytest.raises(DeadlineExceeded):
            await fill()
        loop.call_at(monotonic() + 0.05, lambda: accepted.append(listener.accept()[0]))
        waiting.append(await Connection.open(loop, listener.getsockname(), monotonic() + LIMIT))

    accepted = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")
        listener.listen(2)
        outcome(loop, main())
        for connection in (*waiting, *accepted):
            connection.close()
    assert len(waiting) > 2
    assert len(accepted) == 1


def test_several_answers_on_one_connection(loop, serve):
    def script(peer):
        while head := peer.read_head():
            name = head.split()[1]
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))

    server = serve(script)

    async def main():
        connection = None
        for number in range(50):
            path = b"/" + b"x" * number
            request = b"GET %b HTTP/1.1\r\n\r\n" % path
            connection, _, _, body = await ask(loop, server.address, request, connection=connection)
            assert b"".join(body) == path
            assert not connection.is_stale()
        connection.close()

    outcome(loop, main())
    assert server.accepted == 1


# --- large requests ---------------------------------------------------------------------------------------------------

LARGE = b"x" * 6_000_000
POST = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(LARGE)
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge"


@pytest.mark.parametrize("end", ["close", "reset", "half", "read"])
def test_an_answer_that_comes_while_the_request_is_being_sent(loop, serve, end):
    done = threading.Event()

    def script(peer):
        peer.read_head()
        peer.send(TOO_LARGE)
        match end:
            case "half":  # it has said all, reads no more, and does not close
                peer.socket.shutdown(1)
                assert done.wait(LIMIT)
            case "reset":
                peer.read(1_000_000)
                peer.reset()
            case "read":
                peer.read(len(LARGE))
                peer.wait_for_end()

    address = serve(script, send_buffer=65_536).address

    async def main():
        try:
            connection, status, _, body = await ask(loop, address, POST + LARGE, monotonic() + 5)
            assert connection.is_stale() is (end != "read")
            connection.close()
            return status, b"".join(body)
        finally:
            done.set()

    assert outcome(loop, main()) == (413, b"large")


def test_an_app_that_answers_while_it_reads(loop, serve):
    """An echo that holds nothing back: it writes before it reads on."""

    def script(peer):
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(LARGE))
        left = len(LARGE)
        while left:
            data = peer.read(min(left, 16_384))
            left -= len(data)
            peer.send(data)
        peer.wait_for_end()

    address = serve(script, send_buffer=16_384).address

    async def main():
        connection, _, _, body = await ask(loop, address, POST + LARGE, monotonic() + LIMIT)
        connection.close()
        return b"".join(body)

    assert outcome(loop, main()) == LARGE


def test_an_app_that_reads_nothing_is_given_up_at_the_deadline(loop, serve):
    done = threading.Event()
    address = serve(lambda peer: done.wait(LIMIT), send_buffer=16_384).address
    try:
        with pytest.raises(DeadlineExceeded):
            outcome(loop, ask(loop, address, POST + LARGE, monotonic() + 0.2))
    finally:
        done.set()


# --- deadlines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\na: ", b"b"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b"b"),
        (CHUNKED, b"1\r\nb\r\n"),
        (CHUNKED + b"1;", b"b"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"b"),
        (b"", b""),
    ],
)
def test_a_trickle_does_not_move_the_deadline(loop, serve, start, piece):
    stop = threading.Event()

    def script(peer):
        peer.read_head()
        peer.send(start)
        while not stop.wait(0.005):
            peer.send(piece)

    address = serve(script).address
    try:
        with pytest.raises(DeadlineExceeded):
            outcome(loop, ask(loop, address, deadline=monotonic() + 0.2))
    finally:
        stop.set()


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\n\r\n", CHUNKED, b"HTTP/1.1 200 OK\r\ncontent-length: 900000000000000000\r\n\r\n"],
)
def test_a_flood_does_not_outlive_the_deadline(loop, serve, head):
    """What is always there to be read is never waited for."""

    def script(peer):
        peer.read_head()
        peer.send(head)
        flood = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        while True:
            peer.send(flood)

    address = serve(script).address

    async def main():
        connection = await Connection.open(loop, address)
        deadline = monotonic() + 0.3
        await connection.send(REQUEST)
        _, _, fields = await connection.read_head(deadline)
        length = content_length(fields)
        if length is None:
            body = UndelimitedBody(connection, deadline, lambda _: connection.close())
        elif length < 0:
            body = ChunkedBody(connection, deadline, lambda _: connection.close())
        else:
            body = SizedBody(connection, deadline, lambda _: connection.close(), length)
        async for piece in body:
            assert monotonic() < deadline + LIMIT, piece[:1]

    with pytest.raises(DeadlineExceeded):
        outcome(loop, main())


def test_many_one_byte_chunks(in_place, serve):
    count = 250_000
    assert answered(in_place, serve, CHUNKED + b"1\r\nx\r\n" * count + b"0\r\n\r\n") == (200, b"x" * count, False)


# --- connecting and giving up -----------------------------------------------------------------------------------------


def test_nobody_listens(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(ConnectionRefusedError):
        outcome(loop, Connection.open(loop, address))
    assert not loop._channels


def test_a_body_that_is_given_up_tells_so_once(loop, serve):
    released = []

    def script(peer):
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        peer.wait_for_end()

    address = serve(script).address

    async def main():
        connection = await Connection.open(loop, address)
        await connection.send(REQUEST)
        await connection.read_head()
        body = SizedBody(connection, NEVER, released.append, 10)
        assert await body.__anext__() == b"hello"
        body.close()
        body.close()
        with pytest.raises(StopAsyncIteration):
            await body.__anext__()
        connection.close()
        connection.close()
        assert connection.closed

    outcome(loop, main())
    assert released == [False]


def test_bytes_can_be_read_exactly_and_put_back(loop, serve):
    def script(peer):
        peer.send(b"hello")
        peer.send(b" world")

    address = serve(script).address

    async def main():
        connection = await Connection.open(loop, address)
        assert await connection.read(0) == b""
        assert await connection.read(3) == b"hel"
        connection.unread(b"hel")
        assert await connection.read(11) == b"hello world"
        connection.unread(b"rest")
        with pytest.raises(Closed, match="1 bytes before"):
            await connection.read(5)
        connection.close()

    outcome(loop, main())

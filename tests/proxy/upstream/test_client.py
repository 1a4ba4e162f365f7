"""The client in front of real apps, and of servers that do what no app should."""

from __future__ import annotations

import os
import random
import signal
import threading
from time import monotonic

import pytest

from tests.proxy.scripting import LIMIT, outcome
from upproxy.proxy.errors import UpstreamDied, UpstreamError, UpstreamMalformed, UpstreamTimeout, UpstreamUnavailable
from upproxy.proxy.log import Log
from upproxy.proxy.manifest import LogOptions
from upproxy.proxy.messages import Headers, Invocation, Request
from upproxy.proxy.upstream.client import MARGIN, Client
from upproxy.proxy.upstream.forwarding import Forwarding
from upproxy.proxy.upstream.output import Output
from upproxy.proxy.waiting import Parking


class Standing:
    """Stands where the supervisor does, for a server that is not a process of ours and never goes away."""

    state = "ready"
    reason = ""

    def __init__(self, address, loop):
        self.address = address
        self._loop = loop

    async def ready(self, deadline):
        pass

    async def gone(self, deadline):
        await self._loop.sleep_until(deadline)

    def served(self):
        pass


@pytest.fixture
def asking(loop, tmp_path):
    """Make what asks a scripted server: a function of method, path, body and seconds until the function's end."""
    with open(tmp_path / "log", "wb", buffering=0) as file:

        def to(server, **options):
            output = Output(loop, Log(file.fileno()), LogOptions(), ())
            settings = {"timeout": LIMIT, "listen_timeout": LIMIT, "trusts_idle": True, **options}
            client = Client(
                loop, Standing(server.address, loop), output, Forwarding(stage="x", function={}), **settings
            )

            async def ask(method="GET", path="/", body=b"", seconds=LIMIT):
                invocation = Invocation("r", deadline=monotonic() + MARGIN + seconds)
                headers = Headers([("host", "x")])
                response = await client(Request(method, path, "", headers, body, invocation=invocation, source="test"))
                if not isinstance(response.body, bytes):
                    stream = response.body
                    try:
                        response.body = b"".join([part async for part in stream])
                    finally:
                        stream.close()
                return response.status, response.body

            ask.client = client
            return ask

        yield to


def fixed(answer: bytes, **how):
    """A server that gives every request the same answer."""

    def script(peer):
        while peer.read_head():
            peer.send(answer)
            if how.get("close"):
                return

    return script


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def test_a_connection_is_used_again(loop, serve, asking):
    server = serve(fixed(OK))
    ask = asking(server)

    async def main():
        for _ in range(20):
            assert await ask() == (200, b"ok")

    outcome(loop, main())
    assert server.accepted == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nconnection: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokmore",
    ],
)
def test_a_connection_is_not_used_again(loop, serve, asking, answer):
    server = serve(fixed(answer))
    ask = asking(server)

    async def main():
        for _ in range(3):
            assert (await ask())[1] == b"ok"

    outcome(loop, main())
    assert server.accepted == 3


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 45\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\ncontent-length: 45\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 45\r\n\r\n"),
    ],
)
def test_a_body_where_none_may_be_is_not_the_next_answer(loop, serve, asking, method, head):
    """Some servers send it all the same, and a moment later: here, when the next request has come."""
    forged = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"

    def script(peer):
        if b"/first" in peer.read_head():
            peer.send(head)
            if peer.read_head():
                peer.send(forged)
        else:
            peer.send(OK)

    ask = asking(serve(script))

    async def main():
        _, body = await ask(method, "/first")
        assert body == b""
        assert await ask("GET", "/second") == (200, b"ok")

    outcome(loop, main())


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ],
)
def test_answers_without_a_body_keep_their_connection(loop, serve, asking, method, answer):
    server = serve(fixed(answer))
    ask = asking(server)

    async def main():
        for _ in range(3):
            assert (await ask(method))[1] == b""

    outcome(loop, main())
    assert server.accepted == 1


def test_a_connection_that_has_ended_while_idle_is_replaced(loop, serve, asking):
    server = serve(fixed(OK, close=True))
    ask = asking(server)

    async def main():
        for _ in range(10):
            assert await ask("POST") == (200, b"ok")
            while not ask.client._idle[0][0].is_stale():
                await loop.pause(monotonic() + LIMIT)

    outcome(loop, main())
    assert server.accepted == 10


def test_nothing_is_sent_twice_once_it_may_have_been_read(loop, serve, asking):
    requests = []

    def script(peer):
        while head := peer.read_head():
            requests.append(head.split()[1])
            if b"/drop" in head:
                return
            peer.send(OK)

    ask = asking(serve(script))

    async def main():
        assert await ask("POST", "/first") == (200, b"ok")
        with pytest.raises(UpstreamDied):
            await ask("POST", "/drop")
        assert await ask("POST", "/last") == (200, b"ok")

    outcome(loop, main())
    assert requests == [b"/first", b"/drop", b"/last"]


def test_the_time_out_is_for_the_head_and_the_function_has_an_end(loop, serve, asking):
    def script(peer):
        path = peer.read_head().split()[1]
        if path == b"/body":
            peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        peer.wait_for_end()

    server = serve(script)
    for ask, seconds in ((asking(server, timeout=0.05), LIMIT), (asking(server), 0.05)):
        with pytest.raises(UpstreamTimeout):
            outcome(loop, ask("GET", "/head", b"", seconds))
    with pytest.raises(UpstreamTimeout):
        outcome(loop, asking(server)("GET", "/body", b"", 0.05))


def test_an_answer_of_http_1_0_cannot_be_chunked(loop, serve, asking):
    ask = asking(serve(fixed(b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")))
    with pytest.raises(UpstreamMalformed):
        outcome(loop, ask())


GOOD = [
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n",
]
BITS = [
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b":",
    b";",
    b"0",
    b"9",
    b"-1",
    b"f",
    b"\xff",
    b"HTTP/1.1 200 OK\r\n",
]
BITS += [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nforged"]


def mutated(number: int) -> tuple[bytes, bool]:
    """A good answer made bad by a seed, and whether the connection is closed after it."""
    dice = random.Random(number)
    answer = bytearray(dice.choice(GOOD))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(answer) + 1)
        match dice.randrange(5):
            case 0:
                answer[at:at] = dice.choice(BITS)
            case 1:
                del answer[at : at + dice.randint(1, 8)]
            case 2:
                answer[at : at + 1] = bytes([dice.randrange(256)])
            case 3:
                del answer[at:]
            case 4:
                start = dice.randrange(len(answer) + 1)
                answer[at:at] = answer[start : start + dice.randint(1, 30)]
    return bytes(answer), dice.random() < 0.8


def test_malformed_answers_never_hang_and_never_spoil_the_next(loop, serve, asking, unhandled):
    outcomes = {"answer": 0}
    settled = threading.Event()  # an end that comes after the connection is used again cannot be told from a crash

    def script(peer):
        while head := peer.read_head():
            kind, _, name = head.split()[1].decode()[1:].partition("/")
            if kind == "good":
                peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(name), name.encode()))
            else:
                answer, close = mutated(int(name))
                try:
                    peer.send(answer)
                    if close:
                        peer.socket.close()
                        return
                finally:
                    settled.set()

    ask = asking(serve(script))

    async def main():
        for number in range(600):
            try:
                await ask("GET", f"/bad/{number}", b"", 0.05)
                outcomes["answer"] += 1
            except UpstreamError as error:
                outcomes[type(error).__name__] = outcomes.get(type(error).__name__, 0) + 1
            assert settled.wait(LIMIT)
            settled.clear()
            assert await ask("GET", f"/good/{number}") == (200, str(number).encode())

    outcome(loop, main())
    assert set(outcomes) == {"answer", "UpstreamMalformed", "UpstreamDied", "UpstreamTimeout"}
    assert not unhandled


# --- real apps --------------------------------------------------------------------------------------------------------


def test_a_kill_in_the_middle_of_a_request(upstream):
    app = upstream()

    async def main():
        for path in ("/kill", "/half"):
            assert await app.text("/echo", b"before") == "before"
            with pytest.raises(UpstreamDied):
                await app.ask(path)
            assert await app.text("/echo", b"after") == "after"

    app.run(main())
    assert app.supervisor.restarts == 2


def test_the_last_words_of_an_app_are_logged_before_its_failure_is_told(upstream):
    app = upstream()

    async def main():
        with pytest.raises(UpstreamDied):
            await app.ask("/crash/3", request_id="the-one")
        return app.lines()

    [line] = [line for line in app.run(main()) if line["message"] == "the reason of the crash"]
    assert line["request_id"] == "the-one"


def test_an_app_that_does_not_start(upstream):
    app = upstream(["false"])
    with pytest.raises(UpstreamUnavailable, match="exited with code 1"):
        app.run(app.ask("/"))


def test_connections_to_an_app_are_kept(upstream):
    app = upstream()

    async def main():
        for number in range(50):
            assert await app.text("/echo", b"%d" % number) == str(number)
        assert await app.text("/echo", b"x" * 3_000_000) == "x" * 3_000_000
        return await app.text("/counts")

    assert app.run(main()) == "[2, 52]"  # one was the probe, which asked nothing


@pytest.mark.parametrize("loop", [Parking], indirect=True)  # requests run side by side
def test_thirty_kills_under_load_leave_nothing_behind(loop, unhandled, upstream):
    app = upstream()
    kills = 0
    seen = {200: 0, 502: 0, 503: 0}

    async def requests(name):
        number = 0
        while kills < 30:
            number += 1
            body = f"{name}-{number}".encode()
            try:
                response = await app.ask("/echo", body, request_id=body.decode())
            except UpstreamError as error:
                seen[error.status] += 1
            else:
                assert response.body == body
                seen[200] += 1

    async def killer():
        nonlocal kills
        while kills < 30:
            await app.reach("ready")
            await app.ask("/pid", request_id="killer")  # it has served
            os.kill(app.supervisor.pid, signal.SIGKILL)
            await app.reach("restarting")
            kills += 1

    async def main():
        await app.ask("/pid")
        for name in range(8):
            loop.start(requests(name))
        loop.start(killer())

    before = len(os.listdir("/proc/self/fd"))
    app.run(app.ask("/pid"))
    with_app = len(os.listdir("/proc/self/fd"))
    app.run(main())

    async def quiet():
        app.client.drop_connections()
        await app.ask("/pid")
        app.output.drain()

    app.run(quiet())
    assert seen[200] > 0
    assert not unhandled
    assert len(os.listdir("/proc/self/fd")) <= with_app
    assert before <= with_app + 2
    app.supervisor.close()
    for child in app.spawned:
        with pytest.raises(ChildProcessError):
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG)

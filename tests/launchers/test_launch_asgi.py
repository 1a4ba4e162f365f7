"""The ASGI launcher under FastAPI, Starlette and plain apps."""

import ast
import re
import socket
from types import SimpleNamespace

import pytest

from tests.launchers.launched import segments
from upproxy.launchers.asgi import JoiningTransport
from upproxy.proxy.upstream.spawn import UNIX_HAS_NAMES

FASTAPI = """
    import contextlib, os, sys
    from fastapi import FastAPI, Request
    from fastapi.staticfiles import StaticFiles

    @contextlib.asynccontextmanager
    async def lifespan(app):
        print("up", flush=True)
        yield
        print("down", flush=True)

    app = FastAPI(lifespan=lifespan)
    app.mount("/files", StaticFiles(directory="."), name="files")

    @app.get("/where")
    async def where(request: Request):
        return {"url": str(request.url), "here": str(request.url_for("where")), "client": request.client.host,
                "server": request.scope["server"],
                "file": str(request.url_for("files", path="main.py"))}

    @app.get("/exit")
    def exit_in_a_thread():
        sys.exit(1)

    @app.post("/length")
    async def length(request: Request):
        return len(await request.body())
"""

FORWARDED = {
    "Host": "shop.example",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Prefix": "/prod",
}


def test_fastapi_knows_its_public_url(launch):
    app = launch("asgi", "main:app", {"main.py": FASTAPI})
    status, body = app.get("/where", FORWARDED)
    assert (status, ast.literal_eval(body)) == (
        200,
        {
            "url": "https://shop.example/prod/where",
            "here": "https://shop.example/prod/where",
            "client": "203.0.113.7",
            "server": ["127.0.0.1", 443],
            "file": "https://shop.example/prod/files/main.py",
        },
    )
    assert app.get("/files/main.py", FORWARDED)[1].strip().startswith("import contextlib")


@pytest.mark.skipif(not UNIX_HAS_NAMES, reason="of Linux")
def test_requests_by_the_unix_socket_have_addresses_too(launch):
    """As ASGI lets them be absent, of which many an app knows nothing."""
    app = launch("asgi", "main:app", {"main.py": FASTAPI})
    assert app.get("/where")[0] == 200
    for fields, client, port in (
        (b"", "127.0.0.1", 0),
        (b"x-forwarded-for: 203.0.113.7\r\nx-forwarded-port: 443\r\n", "203.0.113.7", 443),
    ):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(app.name)
            connection.sendall(b"GET /where HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n%b\r\n" % fields)
            reply = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
        assert reply.startswith("HTTP/1.1 200 OK")
        seen = ast.literal_eval(reply.partition("\r\n\r\n")[2])
        assert (seen["client"], seen["server"]) == (client, ["127.0.0.1", port])
        assert seen["url"] == "http://shop.example/where"


def test_docs_refer_to_the_prefix(launch):
    app = launch("asgi", "main:app", {"main.py": FASTAPI})
    status, page = app.get("/docs", FORWARDED)
    assert status == 200
    assert re.search(r"url: '([^']+)'", page).group(1) == "/prod/openapi.json"
    assert '"servers":[{"url":"/prod"}]' in app.get("/openapi.json", FORWARDED)[1]
    assert re.search(r"url: '([^']+)'", app.get("/docs")[1]).group(1) == "/openapi.json"


def test_lifespan_runs(launch):
    app = launch("asgi", "main:app", {"main.py": FASTAPI})
    assert app.get("/where")[0] == 200
    app.terminate()
    assert app.finish() == (0, "up\ndown\n", "")


def test_lifespan_that_fails_ends_the_start(launch):
    source = """
    import contextlib
    from fastapi import FastAPI

    @contextlib.asynccontextmanager
    async def lifespan(app):
        raise LookupError("no database")
        yield

    app = FastAPI(lifespan=lifespan)
    """
    code, out, err = launch("asgi", "main:app", {"main.py": source}).finish()
    assert (code, out) == (3, "")
    assert "LookupError: no database" in err


def test_exit_in_a_threaded_view(launch):
    app = launch("asgi", "main:app", {"main.py": FASTAPI})
    assert app.get("/exit")[0] == 500
    assert app.get("/where")[0] == 200


def test_large_upload(launch):
    app = launch("asgi", "main:app", {"main.py": FASTAPI})
    connection = app.connect()
    connection.request("POST", "/length", body=b"x" * 6_000_000)
    assert connection.getresponse().read() == b"6000000"
    connection.close()


def test_stream_in_flight_is_ended_after_sigterm(launch):
    """A stream without end gets two seconds, not for ever."""
    source = """
    import asyncio
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def ticks():
        while True:
            yield b"tick\\n"
            await asyncio.sleep(0.1)

    app = Starlette(routes=[Route("/", lambda request: StreamingResponse(ticks()))])
    """
    app = launch("asgi", "main:app", {"main.py": source})
    connection = app.connect()
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.readline() == b"tick\n"
    app.terminate()
    assert app.finish()[0] == 0
    connection.close()


def test_loggers_of_the_server_may_be_changed_by_the_app(launch):
    source = """
    import logging
    logger = logging.getLogger("uvicorn.error")
    logger.handlers = [logging.StreamHandler()]
    logger.handlers[0].setFormatter(logging.Formatter("OWN %(message)s"))
    logger.propagate = False

    async def app(scope, receive, send):
        raise LookupError("nothing there")
    """
    app = launch("asgi", "main:app", {"main.py": source})
    assert app.get()[0] == 500
    app.terminate()
    assert "OWN Exception in ASGI application\n" in app.finish()[2]


WRITES = """
    import asyncio
    from starlette.applications import Starlette
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    asked = asyncio.Event()

    async def late():
        await asked.wait()
        yield b"late"

    async def ask(request):
        asked.set()
        return Response(b"asked")

    app = Starlette(routes=[
        Route("/small", lambda request: Response(b"small")),
        Route("/large", lambda request: Response(b"x" * 1_000_000)),
        Route("/late", lambda request: StreamingResponse(late())),
        Route("/ask", ask),
    ])
"""


def test_head_and_body_are_one_write(launch):
    app = launch("asgi", "main:app", {"main.py": WRITES})
    connection = app.connect()
    for count in (1, 2, 3):
        connection.request("GET", "/small")
        assert connection.getresponse().read() == b"small"
        assert segments(connection.sock) == count
    connection.request("GET", "/large")
    assert connection.getresponse().read() == b"x" * 1_000_000
    connection.close()


def test_a_transport_may_be_given_any_bytes():
    written, soon = [], []
    transport = JoiningTransport(SimpleNamespace(write=lambda data: written.append(bytes(data))), soon.append)
    for data in (b"HTTP/1.1 200 OK\r\n\r\n", memoryview(b"one"), memoryview(b"two"), b"", bytearray(b"three")):
        transport.write(data)
    soon.pop()()
    assert written == [b"HTTP/1.1 200 OK\r\n\r\none", b"two", b"", b"three"]


def test_head_of_a_stream_does_not_wait_for_its_body(launch):
    app = launch("asgi", "main:app", {"main.py": WRITES})
    connection = app.connect()
    connection.request("GET", "/late")
    response = connection.getresponse()  # no byte of the body is sent before the next request
    assert response.status == 200
    assert app.get("/ask") == (200, "asked")
    assert response.read() == b"late"
    connection.close()

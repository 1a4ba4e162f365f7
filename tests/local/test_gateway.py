"""HTTP to event to runtime and back, over real sockets, with the scripted runtime behind."""

import asyncio
import json
import socket

import aiohttp
import pytest

from upproxy.local.failure import Failure
from upproxy.local.gateway import Gateway
from upproxy.local.invocation import Throttled
from upproxy.local.sources import SOURCES


class Site:
    """A gateway in front of a backend, and the lines that it logged."""

    def __init__(self, url, log, instance):
        self.url = url
        self.log = log
        self.instance = instance
        self.address = url.removeprefix("http://").split(":")


@pytest.fixture
async def site(start):
    gateways = []

    async def site(source="http_api", backend=None, seconds=30, **environment):
        instance = None
        if backend is None:
            backend = instance = await start(**environment)
            await instance.ready()
        log = []
        kind = SOURCES[source]
        gateway = Gateway(
            backend, kind, streaming=kind.streams, timeout=seconds, log=lambda level, text, **fields: log.append(text)
        )
        listener = socket.create_server(("127.0.0.1", 0))
        await gateway.start(listener)
        gateways.append(gateway)
        return Site(f"http://127.0.0.1:{listener.getsockname()[1]}", log, instance)

    yield site
    for gateway in gateways:
        await gateway.close()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def exchange(site, data):
    """Send raw bytes and return all that comes back until the end."""
    reader, writer = await asyncio.open_connection(*site.address)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_request_becomes_an_event(site, http):
    there = await site("function_url")
    answer = await exchange(
        there,
        b"POST /a%20b//c?x=1&x=%2F HTTP/1.1\r\nHost: shop.test\r\nX-Multi: a\r\nx-multi: b\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\nConnection: close\r\n\r\n\xff\x00a",
    )
    event = json.loads(json.loads(answer.partition(b"\r\n\r\n")[2])["body"])  # streaming: the reply as it is
    assert (event["rawPath"], event["rawQueryString"]) == ("/a%20b//c", "x=1&x=%2F")
    assert event["headers"]["x-multi"] == "a,b"
    assert event["headers"]["host"] == "shop.test"
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert event["headers"]["x-forwarded-port"] == there.url.rpartition(":")[2]
    assert (event["body"], event["isBase64Encoded"]) == ("/wBh", True)
    assert event["requestContext"]["http"]["method"] == "POST"
    assert "buffered reply" in there.log[0]


@pytest.mark.parametrize("source", sorted(SOURCES))
async def test_every_source_takes_a_request_and_a_reply(site, http, source):
    there = await site(source)
    if SOURCES[source].streams:
        told = {"do": "stream", "chunks": ["hel", "lo"], "status": 201}
    else:
        headers = {"multiValueHeaders": {"x-a": ["b"]}} if source == "alb_multi" else {"headers": {"x-a": "b"}}
        told = {"do": "reply", "payload": json.dumps({"statusCode": 201, "body": "hello", **headers})}
    async with http.post(f"{there.url}/", json=told) as reply:
        assert (reply.status, await reply.read()) == (201, b"hello")
        assert "Server" not in reply.headers


async def test_head_and_empty_replies_have_no_body(site, http):
    there = await site()
    payload = json.dumps({"statusCode": 204, "headers": {"x-a": "b"}})
    async with http.head(there.url) as reply:
        assert (reply.status, await reply.read()) == (200, b"")
    async with http.post(there.url, json={"do": "reply", "payload": payload}) as reply:
        assert (reply.status, reply.headers["x-a"], "Content-Length" in reply.headers) == (204, "b", False)


async def test_a_stream_arrives_while_it_is_made(site, http):
    there = await site("function_url")
    told = {"do": "stream", "chunks": ["data: 1\n\n"], "headers": {"content-type": "text/event-stream"}, "endless": 1}
    async with http.post(there.url, json=told) as reply:
        assert await reply.content.readany() == b"data: 1\n\n"
        assert reply.content_type == "text/event-stream"
    # The client has gone; the runtime is told, so that the slot is free.
    await there.instance.lines.until("stdout", b"hung up")
    await there.instance.api.idle.wait()


@pytest.mark.parametrize(
    "how", [{"fail": "the app died"}, {"cut": True}, {"headers": {"content-length": "9"}}], ids=["told", "cut", "short"]
)
async def test_a_stream_that_breaks_does_not_look_whole(site, http, how):
    there = await site("function_url")
    with pytest.raises(aiohttp.ClientError):
        async with http.post(there.url, json={"do": "stream", "chunks": ["half"], **how}) as reply:
            await reply.read()
    assert there.log


async def test_a_stream_needs_an_endpoint_that_streams(site, http):
    there = await site("http_api")
    async with http.post(there.url, json={"do": "stream", "chunks": ["x"]}) as reply:
        assert reply.status == 500
    await there.instance.api.idle.wait()


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"do": "error"}, "Odd"),
        ({"do": "reply", "payload": '{"statusCode": "x"}'}, "MalformedReply"),
        ({"do": "reply", "payload": "{"}, "MalformedReply"),
        ({"do": "exit", "code": 1}, "Runtime.ExitError"),
    ],
)
async def test_a_failed_invocation_gets_the_gateways_own_words(site, http, told, reason):
    there = await site()
    async with http.post(there.url, json=told) as reply:
        assert (reply.status, await reply.json()) == (500, {"message": "Internal Server Error"})
        assert reply.headers["x-upproxy-error"] == reason
    assert there.log


async def test_one_that_takes_too_long(site, http):
    there = await site("rest_api", seconds=0.1)
    async with http.post(there.url, json={"do": "hang"}) as reply:
        assert reply.status == 504
        assert reply.headers["x-upproxy-error"] == "Sandbox.Timedout"


async def test_a_source_has_less_patience_than_the_function(site, http, monkeypatch):
    monkeypatch.setattr(SOURCES["http_api"], "timeout", 0.1)
    there = await site("http_api")
    async with http.post(there.url, json={"do": "hang"}) as reply:
        assert (reply.status, await reply.json()) == (503, {"message": "Service Unavailable"})
        assert reply.headers["x-upproxy-error"] == "IntegrationTimeout"
    assert "http_api waits no longer than 0.1 s" in there.log[0]
    assert not there.instance.api.idle.is_set()  # the function goes on


async def test_only_a_rest_api_names_a_tenant(site, http):
    for source, tenant in (("rest_api", "blue"), ("http_api", None)):
        there = await site(source)
        told = {"do": "pid"} if source == "http_api" else {"do": "tenant"}
        async with http.post(there.url, json=told, headers={"X-Amz-Tenant-Id": "blue"}) as reply:
            assert json.loads(await reply.text())[1] == tenant


class Refusing:
    """A backend that raises."""

    def __init__(self, error):
        self.error = error

    async def invoke(self, event, **values):
        raise self.error


async def test_no_free_slot(site, http):
    there = await site("function_url", Refusing(Throttled("busy: see --concurrency")))
    async with http.get(there.url) as reply:
        assert reply.status == 429
    assert "--concurrency" in there.log[0]


async def test_an_app_that_does_not_run_explains_itself(site, http):
    there = await site("function_url", Refusing(Failure("no <module>", hint="install it", output=("line",))))
    async with http.get(there.url, headers={"Accept": "text/html,*/*"}) as reply:
        assert (reply.status, reply.content_type) == (500, "text/html")
        assert "no &lt;module&gt;" in await reply.text()
    async with http.get(there.url) as reply:
        assert await reply.json() == {"message": "no <module>", "hint": "install it", "output": ["line"]}


async def test_a_body_over_the_limit_is_refused(site, http):
    there = await site("alb")
    limit = SOURCES["alb"].max_request
    told = json.dumps({"do": "reply", "payload": '{"statusCode": 200}'})
    async with http.post(there.url, data=told.ljust(limit)) as reply:
        assert reply.status == 200
    head = b"POST / HTTP/1.1\r\nHost: x\r\n"
    declared = await exchange(there, head + b"Content-Length: %d\r\n\r\n" % (limit + 1))
    assert declared.startswith(b"HTTP/1.1 413 ")  # before a byte of it was sent
    chunked = await exchange(
        there, head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (limit + 1) + bytes(limit + 1) + b"\r\n0\r\n\r\n"
    )
    assert chunked.startswith(b"HTTP/1.1 413 ")


async def test_an_event_over_the_limit_is_refused(site, http):
    there = await site("function_url")
    async with http.post(there.url, data=bytes(5_000_000)) as reply:  # 6.7 MB as base64
        assert reply.status == 413


async def test_a_reply_over_the_sources_limit_is_refused(site, http):
    there = await site("alb")
    async with http.post(there.url, data=bytes(SOURCES["alb"].max_request)) as reply:  # comes back as base64
        assert (reply.status, reply.headers["x-upproxy-error"]) == (502, "ReplyTooLarge")


async def test_expect_100_continue(site):
    there = await site()
    reader, writer = await asyncio.open_connection(*there.address)
    writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()


async def test_a_websocket_upgrade_goes_the_normal_way(site):
    there = await site()
    answer = await exchange(
        there,
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b'"upgrade":"websocket"' in answer


@pytest.mark.parametrize("data", [b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"\0\0\r\n\r\n"])
async def test_what_is_no_http_is_a_400(site, data):
    there = await site()
    assert b" 400 " in (await exchange(there, data)).partition(b"\r\n")[0]


async def test_http_1_0(site):
    there = await site("function_url")
    body = json.dumps({"do": "stream", "chunks": ["a", "b"]}).encode()
    answer = await exchange(there, b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.endswith(b"\r\n\r\nab")


async def test_a_client_that_goes_away_does_not_hurt(site, http):
    there = await site("http_api", AWS_LAMBDA_MAX_CONCURRENCY="2")
    with pytest.raises(asyncio.TimeoutError):
        await http.post(there.url, json={"do": "hang"}, timeout=aiohttp.ClientTimeout(total=0.05))
    async with http.get(there.url) as reply:
        assert reply.status == 200

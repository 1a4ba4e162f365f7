import pytest

from tests.proxy.middleware.chaining import EVERY_SOURCE, Upstream
from upproxy.proxy.messages import Headers, Invocation, Request


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream"])  # as text, and as base64
@pytest.mark.parametrize(("size", "status"), [(0, 200), (100, 200), (101, 413)])
def test_larger_bodies_are_refused(chain, source, streaming, content_type, size, status):
    upstream = Upstream()
    limited = chain({"max_body": {"bytes": 100}}, upstream, streaming=streaming)
    reply = limited.request("POST", "/", {"content-type": content_type}, b"x" * size, source=source)
    assert reply.status == status
    assert [len(request.body) for request in upstream.requests] == ([size] if status == 200 else [])


def test_the_log_names_the_limit(chain):
    limited = chain({"max_body": {"bytes": 3}})
    limited.request("POST", body=b"four")
    [line] = limited.log()
    assert (line["level"], line["error"], line["limit"]) == ("warn", "BodyTooLarge", 3)
    assert line["message"] == "a body of 4 bytes, where `max_body` allows 3"


async def test_events_of_triggers_are_not_limited(chain):
    limited = chain({"max_body": {"bytes": 3}})
    invocation = Invocation("id", deadline=0)
    request = Request("POST", "/events", "", Headers(), b"{...}", invocation=invocation, source="trigger")
    assert (await limited.handler(request)).status == 200

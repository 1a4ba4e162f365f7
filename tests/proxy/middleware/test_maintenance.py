import pytest

from tests.proxy.middleware.chaining import EVERY_SOURCE, Upstream

CLOSED = {"retry_after": 600}


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_everybody_is_told_to_come_back(chain, source, streaming):
    upstream = Upstream()
    reply = chain({"maintenance": CLOSED}, upstream, streaming=streaming).request("POST", "/a", source=source)
    assert reply.status == 503
    assert reply.headers.get_all("retry-after") == ["600"]
    assert reply.headers.get("cache-control") == "no-store"
    assert b"maintenance" in reply.body
    assert upstream.requests == []


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize(
    ("client", "status"),
    [("203.0.113.7", 200), ("203.0.114.7", 503), ("2001:db8::7", 200), ("2001:db9::7", 503), ("198.51.100.1", 200)],
)
def test_networks_that_are_allowed(chain, source, client, status):
    allow = ["203.0.113.0/24", "2001:db8::/32", "198.51.100.1/32"]
    closed = chain({"maintenance": CLOSED | {"allow": allow}})
    assert closed.request(source=source, client=client).status == status


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_a_client_cannot_say_where_it_is(chain, source):
    closed = chain({"maintenance": CLOSED | {"allow": ["10.0.0.0/8"]}})
    assert closed.request(headers={"X-Forwarded-For": "10.0.0.1", "X-Real-Ip": "10.0.0.1"}, source=source).status == 503


def test_addresses_in_other_forms(chain):
    closed = chain({"maintenance": CLOSED | {"allow": ["203.0.113.0/24"]}})
    assert closed.request(client="::ffff:203.0.113.7").status == 200
    assert closed.request(client="").status == 503


def test_the_stream_of_the_app_is_left_alone(chain):
    upstream = Upstream(body=[b"a", b"b"])
    reply = chain({"maintenance": CLOSED | {"allow": ["203.0.113.0/24"]}}, upstream, streaming=True).request()
    assert reply.chunks == [b"a", b"b"]

"""Compression, through the real chain."""

from __future__ import annotations

import gzip
import hashlib
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.middleware.chaining import EVERY_SOURCE, Upstream
from upproxy.proxy.messages import Headers
from upproxy.proxy.middleware.compress import CODINGS, PIECE
from upproxy.proxy.middleware.negotiation import accepted, coding, refuses_identity, weights

TEXT = b"All work and no play makes Jack a dull boy. " * 100
PLAIN = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(TEXT)))]
ON = {"compress": {}}
GZIP = {"accept-encoding": "gzip"}


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_every_source_gets_it_compressed(chain, source, streaming):
    one = chain(ON, Upstream(headers=PLAIN, body=TEXT), streaming=streaming)
    reply = one.request(headers={"accept-encoding": "br, gzip;q=0.8"}, source=source)
    assert reply.headers.get_all("content-encoding") == ["gzip"]
    assert reply.headers.get_all("vary") == ["Accept-Encoding"]
    assert reply.headers.get("content-length") in ("", str(len(reply.body)))
    assert len(reply.body) < len(TEXT) / 10
    assert gzip.decompress(reply.body) == TEXT


@pytest.mark.parametrize("accept", ["", "br", "gzip;q=0", "identity, gzip;q=0.5", "*;q=0", "gzip;q=2"])
def test_who_does_not_accept_it_gets_it_plain_but_caches_know(chain, accept):
    headers = [*PLAIN, ("vary", "Cookie"), ("vary", "Origin"), ("etag", '"1"')]
    one = chain(ON, Upstream(headers=headers, body=TEXT))
    reply = one.request(headers={"accept-encoding": accept} if accept else {})
    assert "content-encoding" not in reply.headers
    assert reply.body == TEXT
    assert reply.headers.get("vary").split(", ") == ["Cookie", "Origin", "Accept-Encoding"]
    assert reply.headers.get("etag") == '"1"'


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, [("content-type", "image/png")], TEXT),
        (200, [], TEXT),
        (200, PLAIN[:1], TEXT[:1023]),
        (200, PLAIN[:1], b""),
        (200, [*PLAIN, ("content-encoding", "br")], TEXT),
        (200, [*PLAIN, ("content-encoding", "GZIP")], TEXT),
        (200, [*PLAIN, ("cache-control", "public, No-Transform")], TEXT),
        (206, [("content-type", "image/png"), ("content-range", "bytes 0-4399/9000")], TEXT),
        (416, [*PLAIN, ("content-range", "bytes */9000")], TEXT),
        (204, PLAIN[:1], b""),
        (304, [("content-type", "image/png")], b""),
        (304, [("cache-control", "no-transform")], b""),
    ],
)
def test_what_stays_as_it_is(chain, status, headers, body):
    reply = chain(ON, Upstream(status=status, headers=headers, body=body)).request(headers=GZIP)
    assert (reply.status, reply.body) == (status, body)
    assert reply.headers.get_all("content-encoding") == [value for name, value in headers if name == "content-encoding"]
    assert "vary" not in reply.headers


def test_a_part_varies_as_the_whole_does(chain):
    """RFC 9110 section 15.3.7."""
    headers = [*PLAIN, ("content-range", "bytes 0-4399/9000"), ("etag", '"1"')]
    reply = chain(ON, Upstream(status=206, headers=headers, body=TEXT)).request(headers=GZIP)
    assert (reply.status, reply.body, reply.headers.get("etag")) == (206, TEXT, '"1"')
    assert "content-encoding" not in reply.headers
    assert reply.headers.get("vary") == "Accept-Encoding"


def test_a_client_may_forbid_it(chain):
    reply = chain(ON, Upstream(headers=PLAIN, body=TEXT)).request(headers={**GZIP, "cache-control": "no-transform"})
    assert reply.body == TEXT


def test_an_identity_coding_is_none(chain):
    reply = chain(ON, Upstream(headers=[*PLAIN, ("content-encoding", "identity")], body=TEXT)).request(headers=GZIP)
    assert reply.headers.get_all("content-encoding") == ["gzip"]


def test_sizes_and_types_are_configured(chain):
    section = {"compress": {"min_size": 10, "types": ["image/*", "application/*+cbor", "x/y"]}}
    for kind, is_compressed in {
        "image/bmp": True, "Application/Senml+CBOR; a=b": True, "x/y": True, "text/plain": False,
        "application/x": False, "x/yz": False, "": False,
    }.items():  # fmt: skip
        one = chain(section, Upstream(headers=[("content-type", kind)], body=b"x" * 10))
        assert ("content-encoding" in one.request(headers=GZIP).headers) == is_compressed, kind


def test_who_refuses_plain_bodies_gets_none(chain):
    for accept in ("gzip, identity;q=0", "*;q=0, gzip"):
        one = chain(ON, Upstream(headers=[("content-type", "image/png")], body=b"small"))
        assert gzip.decompress(one.request(headers={"accept-encoding": accept}).body) == b"small"
    # Nothing would be acceptable: then it is sent as it is.
    assert one.request(headers={"accept-encoding": "identity;q=0"}).body == b"small"


def test_what_was_said_of_the_plain_bytes_is_taken_back(chain):
    digest = hashlib.md5(TEXT).hexdigest()
    about = [("etag", '"1"'), ("accept-ranges", "bytes"), ("content-md5", digest), ("repr-digest", "md5=::")]
    kept = [("last-modified", "Sat, 31 Jan 2026 08:15:00 GMT"), ("set-cookie", "a=1")]
    reply = chain(ON, Upstream(headers=[*PLAIN, *about, *kept], body=TEXT)).request(headers=GZIP)
    assert reply.headers.get_all("etag") == ['W/"1"']
    assert all(name not in reply.headers for name, _ in about[1:])
    assert all(reply.headers.get(name) == value for name, value in kept)
    weak = chain(ON, Upstream(headers=[*PLAIN, ("etag", 'W/"1"')], body=TEXT)).request(headers=GZIP)
    assert weak.headers.get_all("etag") == ['W/"1"']


@pytest.mark.parametrize(("known", "told"), [('W/"1"', 'W/"1"'), ('"0", W/"1"', 'W/"1"'), ('"1"', '"1"'), ("*", '"1"')])
def test_not_modified_names_the_tag_that_the_client_has(chain, known, told):
    reply = chain(ON, Upstream(status=304, headers=[("etag", '"1"')], body=b"")).request(
        headers={**GZIP, "if-none-match": known}
    )
    assert (reply.status, reply.headers.get("etag")) == (304, told)
    assert reply.headers.get("vary") == "Accept-Encoding"


@pytest.mark.parametrize("accept", ["", "gzip", "identity"])
@pytest.mark.parametrize("headers", [[], PLAIN[:1], [("vary", "Cookie")], [("last-modified", "x")]])
def test_not_modified_varies_as_the_page_does(chain, accept, headers):
    """Whoever asks, and by whatever validator: RFC 9110 section 15.4.5."""
    one = chain(ON, Upstream(status=304, headers=headers, body=b""))
    reply = one.request(headers={"accept-encoding": accept} if accept else {})
    assert reply.headers.get("vary").split(", ")[-1] == "Accept-Encoding"


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("body", "length"),
    [(TEXT, True), (TEXT, False), ([TEXT], True), ([TEXT], False), (TEXT[:10], True), (TEXT[:10], False), (b"", True)],
)
def test_head_has_the_fields_of_get(chain, streaming, body, length):
    whole = body if isinstance(body, bytes) else body[0]
    headers = [PLAIN[0], ("etag", '"1"'), *([("content-length", str(len(whole)))] if length else [])]
    replies = []
    for method in ("GET", "HEAD"):
        one = chain(ON, Upstream(headers=headers, body=body), streaming=streaming)
        replies.append(one.request(method, headers=GZIP))
    got, head = replies
    assert head.body == b""
    for name in ("content-encoding", "vary", "etag", "content-type"):
        assert head.headers.get_all(name) == got.headers.get_all(name)
    if streaming:  # a buffered reply's length is the gateway's, which counts nothing here
        assert head.headers.get("content-length") in ("", got.headers.get("content-length"))


def test_head_of_an_app_that_sends_no_body(chain):
    reply = chain(ON, Upstream(headers=PLAIN, body=b""), streaming=True).request("HEAD", headers=GZIP)
    assert reply.headers.get("content-encoding") == "gzip"
    assert "content-length" not in reply.headers
    short = [PLAIN[0], ("content-length", "5")]
    reply = chain(ON, Upstream(headers=short, body=b""), streaming=True).request("HEAD", headers=GZIP)
    assert "content-encoding" not in reply.headers


def test_events_can_be_read_when_they_are_sent(chain):
    events = [b"data: %d\n\n" % number for number in range(5)]
    one = chain(ON, Upstream(headers=[("content-type", "text/event-stream")], body=events), streaming=True)
    reply = one.request(headers=GZIP)
    reader = zlib.decompressobj(31)
    assert [reader.decompress(chunk) for chunk in reply.chunks] == [*events, b""]
    assert reader.eof


def test_a_file_is_not_flushed_by_chunk(chain):
    pieces = [TEXT] * 50
    headers = [("content-type", "text/css"), ("content-length", str(len(TEXT) * 50))]
    reply = chain(ON, Upstream(headers=headers, body=pieces), streaming=True).request(headers=GZIP)
    assert "content-length" not in reply.headers
    assert gzip.decompress(reply.body) == TEXT * 50
    assert len(reply.chunks) < 5
    assert all(reply.chunks)


def test_empty_chunks_end_nothing(chain):
    one = chain(ON, Upstream(headers=PLAIN[:1], body=[b"", b"a", b"", b"b"]), streaming=True)
    reply = one.request(headers=GZIP)
    assert gzip.decompress(reply.body) == b"ab"
    assert all(reply.chunks)


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5])
def test_pieces_are_put_together_again(chain, size):
    body = noise(size)
    for upstream in (Upstream(headers=PLAIN[:1], body=body), Upstream(headers=PLAIN[:1], body=[body, body])):
        assert gzip.decompress(chain(ON, upstream).request(headers=GZIP).body) in (body, body * 2)


def test_others_have_their_turn_between_pieces(parking):
    from tests.proxy.scripting import outcome
    from upproxy.proxy.middleware.compress import Gzip, _compressed

    turns: list[str] = []

    async def other() -> None:
        for _ in range(3):
            turns.append("other")
            await parking.pause()

    async def large() -> None:
        parking.start(other())
        await _compressed(parking, Gzip(), bytes(PIECE * 4))
        turns.append("done")

    outcome(parking, large())
    assert turns == ["other", "other", "other", "done"]


def test_a_stream_is_given_back(chain):
    upstream = Upstream(headers=PLAIN[:1], body=[TEXT, TEXT])
    chain(ON, upstream).request(headers=GZIP)
    assert upstream.streams[0].closed


@pytest.mark.skipif("zstd" not in CODINGS, reason="Python has it from 3.14 on")
def test_zstd_is_preferred(chain):
    from compression import zstd

    for body in (TEXT, [TEXT, TEXT]):
        reply = chain(ON, Upstream(headers=PLAIN[:1], body=body), streaming=True).request(
            headers={"accept-encoding": "gzip, deflate, br, zstd"}
        )
        assert reply.headers.get("content-encoding") == "zstd"
        assert zstd.decompress(reply.body) in (TEXT, TEXT * 2)
    reply = chain(ON, Upstream(headers=PLAIN, body=TEXT)).request(headers={"accept-encoding": "gzip, zstd;q=0.9"})
    assert reply.headers.get("content-encoding") == "gzip"


# --- negotiation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (" , ,", {}),
        ("gzip", {"gzip": 1.0}),
        ("GZip ; Q=0.5 , br;q=1.000", {"gzip": 0.5, "br": 1.0}),
        ("*;q=0", {"*": 0.0}),
        ("a;q=0.3333333,b;q=.5", {"a": 0.3333333, "b": 0.5}),
        ("a;q=1.1, b;q=-1, c;q=x, d;q=, e;q=nan, f;q=inf, g;q=1e-1, h;q=1_0", {}),
        ("a;q=0.1, a;q=0.2, a;q=0", {"a": 0.2}),
        ("text/html;level=1;q=0.4, text/*", {"text/html": 0.4, "text/*": 1.0}),
    ],
)
def test_weights(text, expected):
    assert weights(text) == expected


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "identity"),
        ("*", "zstd"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, zstd", "zstd"),
        ("gzip;q=1, zstd;q=0.5", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("identity", "identity"),
        ("identity, gzip", "gzip"),
        ("identity;q=0.5, gzip;q=0.4", "identity"),
        ("identity;q=0, *;q=0", "identity"),
        ("gzip;q=0, *;q=0.1", "zstd"),
        ("gzip;q=0.4, zstd;q=0.3, *;q=0.5", "identity"),  # a * is identity, too
    ],
)
def test_the_favourite_coding(accept, chosen):
    assert coding(weights(accept), ("zstd", "gzip")) == chosen


names = st.sampled_from(["gzip", "zstd", "br", "identity", "*", "x-gzip"])
qvalues = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


@given(st.dictionaries(names, qvalues), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_what_is_read_and_never_what_was_refused(preferences, rng):
    def member(name: str, weight: float) -> str:
        space = rng.choice(["", " ", "\t"])
        plain = name.upper() if rng.random() < 0.5 else name
        return plain if weight == 1 else f"{plain}{space};{space}{rng.choice('qQ')}={weight:.3f}"

    lines = [member(*pair) for pair in preferences.items()]
    rng.shuffle(lines)
    headers = Headers([("accept-encoding", ", ".join(lines[:2])), ("accept-encoding", ",".join(lines[2:]))])
    read = accepted(headers, "accept-encoding")
    assert read == preferences
    chosen = coding(read, ("zstd", "gzip"))
    if chosen != "identity":
        own = [preferences[name] for name in (chosen, *(["x-gzip"] if chosen == "gzip" else [])) if name in preferences]
        weight = own[0] if own else preferences["*"]
        assert weight > 0
        assert weight >= preferences.get("identity", 0)
    assert refuses_identity(read) == (preferences.get("identity", preferences.get("*", 1)) == 0)


@given(st.text(st.characters(max_codepoint=255), max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read(text):
    for name, weight in weights(text).items():
        assert name
        assert 0 <= weight <= 1

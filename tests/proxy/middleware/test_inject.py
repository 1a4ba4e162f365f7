"""Pieces in pages, through the real chain, and the scanner on pages that are cut anywhere."""

from __future__ import annotations

import gzip
import itertools
import re
import zlib
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.middleware.chaining import EVERY_SOURCE, Upstream
from upproxy.proxy.middleware.inject import PIECE, Injector

HEAD, BODY = "<style>€</style>\n", "<!-- é -->\n"
ON = {"inject": {"head": HEAD, "body": BODY}}
PAGE = "<!doctype html><html><head><title>ü</title></head><body><p>hello</p></body></html>"
INJECTED = PAGE.replace("</head>", f"{HEAD}</head>").replace("</body>", f"{BODY}</body>")
HTML = [("content-type", "text/html; charset=utf-8")]
MARKED = re.compile(r'W/"1-[0-9a-f]{8}"')


def injected(*chunks: bytes, head: bytes = b"H", body: bytes = b"B") -> bytes:
    injector = Injector(head, body)
    return b"".join([*map(injector.feed, chunks), injector.finish()])


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_pages_get_their_pieces(chain, source, streaming, streamed):
    page = PAGE.encode()
    length = ("content-length", str(len(page)))
    upstream = Upstream(headers=[*HTML, length], body=[page[:35], page[35:]] if streamed else page)
    reply = chain(ON, upstream, streaming=streaming).request(source=source)
    assert reply.body.decode() == INJECTED
    assert reply.headers.get("content-length") in ("", str(len(INJECTED.encode())))


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, []),
        (200, [("content-type", "text/plain")]),
        (200, [("content-type", "application/xhtml+xml")]),
        (200, [*HTML, ("content-encoding", "br")]),
        (200, [*HTML, ("content-encoding", "gzip, gzip")]),
        (200, [*HTML, ("cache-control", "no-transform")]),
        (206, [*HTML, ("content-range", "bytes 0-9/100")]),
        (200, [("content-type", "text/html; charset=utf-16")]),
        (200, [("content-type", "text/html; charset=UTF-16LE")]),
        (200, [("content-type", "text/html; charset=utf-7")]),
        (200, [("content-type", "text/html; charset=ISO-2022-JP")]),
        (200, [("content-type", "text/html; charset=hz-gb-2312")]),
        (200, [("content-type", "text/html; charset=cp037")]),
        (200, [("content-type", "text/html; charset=rot13")]),
        (200, [("content-type", "text/html; charset=nonsense")]),
    ],
)
def test_what_stays_as_it_is(chain, status, headers):
    page = PAGE.encode()
    own = [*headers, ("etag", '"1"'), ("content-md5", "x")]
    reply = chain(ON, Upstream(status=status, headers=own, body=page)).request()
    assert reply.body == page
    assert reply.headers.get("etag") == '"1"'
    assert reply.headers.get("content-md5") == "x"


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("text/html", "utf-8"),
        ("TEXT/HTML;Charset='UTF-8'", "utf-8"),
        ('text/html; a=b; charset="iso-8859-1"', "latin-1"),
        ("text/html; charset=windows-1252", "cp1252"),
        ("text/html; charset=us-ascii", "ascii"),
        ("text/html; charset=shift_jis", "shift_jis"),
        ("text/html; charset=gb18030", "gb18030"),
    ],
)
def test_pieces_are_in_the_charset_of_the_page(chain, declared, codec):
    page = PAGE.replace("ü", "u")
    reply = chain(ON, Upstream(headers=[("content-type", declared)], body=page.encode(codec))).request()
    expected = INJECTED.replace("ü", "u")
    for character in "€é":
        reference = f"&#{ord(character)};"
        expected = expected.replace(character, character.encode(codec, "xmlcharrefreplace").decode(codec) or reference)
    assert reply.body.decode(codec) == expected


def test_a_byte_order_mark_tells_more_than_a_declaration(chain):
    for codec in ("utf-16-le", "utf-16-be"):
        page = ("\ufeff" + PAGE).encode(codec)
        assert chain(ON, Upstream(headers=HTML, body=[page, page])).request().body == page * 2
    page = ("\ufeff" + PAGE).encode()
    assert chain(ON, Upstream(headers=HTML, body=page)).request().body.decode() == "\ufeff" + INJECTED


def members(page: bytes) -> bytes:
    return gzip.compress(page[:20]) + gzip.compress(page[20:])


@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip"])
@pytest.mark.parametrize("compress", [gzip.compress, members])
@pytest.mark.parametrize("streamed", [False, True])
def test_gzip_is_looked_into(chain, coding, compress, streamed):
    data = compress(PAGE.encode())
    body = [data[at : at + 7] for at in range(0, len(data), 7)] if streamed else data
    headers = [*HTML, ("content-encoding", coding), ("content-length", str(len(data)))]
    upstream = Upstream(headers=headers, body=body)
    reply = chain(ON, upstream).request(headers={"accept-encoding": "gzip"})
    assert reply.body.decode() == INJECTED
    assert "content-encoding" not in reply.headers
    assert all(stream.closed for stream in upstream.streams)


def test_a_bomb_goes_off_in_pieces(chain):
    data = gzip.compress(PAGE.encode() + bytes(PIECE * 20))
    one = chain(ON, Upstream(headers=[*HTML, ("content-encoding", "gzip")], body=data), streaming=True)
    reply = one.request()
    assert reply.body == INJECTED.encode() + bytes(PIECE * 20)
    assert max(map(len, reply.chunks)) <= PIECE + len(HEAD + BODY) + 20


@pytest.mark.parametrize(
    "data",
    [b"no gzip at all", gzip.compress(PAGE.encode())[:-1], gzip.compress(b"x") + b"junk"],
    ids=["none", "cut off", "followed by something"],  # the bytes hold the time
)
def test_damaged_gzip_is_no_page(chain, data):
    from upproxy.proxy.errors import UpstreamMalformed

    for body in (data, [data]):
        one = chain(ON, Upstream(headers=[*HTML, ("content-encoding", "gzip")], body=body))
        with pytest.raises(UpstreamMalformed, match="gzip"):
            one.request()


def test_a_policy_and_its_nonces_are_the_apps_business(chain):
    policy = ("content-security-policy", "script-src 'nonce-r4nd0m'")
    page = b"<head><script nonce=r4nd0m>a()</script></head><body></body>"
    reply = chain(ON, Upstream(headers=[*HTML, policy], body=page)).request()
    assert reply.headers.get_all(policy[0]) == [policy[1]]
    assert reply.body.decode() == page.decode().replace("</head>", f"{HEAD}</head>").replace(
        "</body>", f"{BODY}</body>"
    )


def test_empty_bodies(chain):
    for headers in (HTML, [*HTML, ("content-encoding", "gzip")]):
        for body in (b"", [b""], []):
            assert chain(ON, Upstream(headers=headers, body=body)).request().body == b""


def test_browsers_ask_for_pages_that_can_be_looked_into(chain):
    upstream = Upstream(headers=HTML, body=PAGE.encode())
    one = chain({**ON, "compress": {"min_size": 1}}, upstream)
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-encoding": "gzip, br"}
    assert gzip.decompress(one.request(headers=browser).body).decode() == INJECTED
    one.request(headers={"accept": "*/*", "accept-encoding": "gzip, br"})
    one.request(headers={"accept": "text/html"})
    assert [headers.get("accept-encoding") for headers in upstream.asked] == ["identity", "gzip, br", ""]


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"'])
def test_tags_of_pages_tell_which_pieces_are_in_them(chain, tag):
    headers = [*HTML, ("etag", tag), ("last-modified", "Sat, 31 Jan 2026 08:15:00 GMT"), ("repr-digest", "x")]
    upstream = Upstream(headers=headers, body=PAGE.encode())
    reply = chain(ON, upstream).request()
    marked = reply.headers.get("etag")
    assert MARKED.fullmatch(marked)
    assert "last-modified" not in reply.headers
    assert "repr-digest" not in reply.headers
    other = chain({"inject": {"head": HEAD, "body": ""}}, upstream).request().headers.get("etag")
    assert MARKED.fullmatch(other)
    assert other != marked

    unchanged = Upstream(status=304, headers=[("etag", tag)], body=b"")
    for section in (ON, {**ON, "compress": {}}):
        one = chain(section, unchanged)
        reply = one.request(headers={"if-none-match": f'"0", {marked}'})
        assert reply.headers.get("etag") == marked
        assert unchanged.asked[-1].get("if-none-match") == '"0", W/"1"'
    one.request(headers={"if-none-match": other})  # a page with other pieces: the app does not know it
    assert unchanged.asked[-1].get("if-none-match") == other
    assert one.request(headers={"if-none-match": '"1"'}).headers.get("etag") == tag


BROWSER = {"accept": "text/html,*/*;q=0.8", "accept-encoding": "gzip, br"}


@pytest.mark.parametrize("known", [{"if-none-match": '"1"'}, {"if-modified-since": "Sat, 31 Jan 2026 08:15:00 GMT"}])
def test_a_page_that_a_browser_has_without_our_pieces_is_not_the_same_page(chain, known):
    """It came before there were any; the app, which only knows its own part, would say that nothing has changed."""
    upstream = Upstream(headers=[*HTML, ("etag", '"1"')], body=PAGE.encode())
    one = chain(ON, upstream)
    one.request("GET", headers={**BROWSER, **known})
    one.request("HEAD", headers={**BROWSER, **known})
    one.request("POST", headers={**BROWSER, **known})  # not about what the client has
    one.request("GET", headers=known)  # may have it in a coding that we cannot look into
    [(name, value)] = known.items()
    assert [headers.get(name) for headers in upstream.asked] == ["", "", value, value]


def test_the_access_line_has_what_the_client_sent(chain):
    upstream = Upstream(headers=HTML, body=PAGE.encode())
    chain(ON, upstream).request(headers={**BROWSER, "if-none-match": '"1"'})
    [request] = upstream.requests
    assert (request.headers.get("accept-encoding"), request.headers.get("if-none-match")) == ("gzip, br", '"1"')


def test_a_page_that_was_not_looked_into_is_for_those_only_who_ask_alike(chain):
    """A cache would hand it to browsers, which are served another."""
    headers = [*HTML, ("content-encoding", "br"), ("vary", "Accept-Encoding")]
    reply = chain(ON, Upstream(headers=headers, body=b"x")).request(headers={"accept": "*/*", "accept-encoding": "br"})
    assert reply.headers.get("vary") == "Accept-Encoding, Accept"


def test_head_has_the_fields_of_get(chain):
    for coding in ([], [("content-encoding", "gzip")]):
        headers = [*HTML, *coding, ("etag", '"1"'), ("content-length", "82")]
        page = gzip.compress(PAGE.encode()) if coding else PAGE.encode()
        got = chain(ON, Upstream(headers=headers, body=[page]), streaming=True).request()
        head = chain(ON, Upstream(headers=headers, body=b""), streaming=True).request("HEAD")
        assert (head.status, head.body) == (200, b"")
        assert sorted(head.headers) == sorted(got.headers)


def test_a_stream_is_given_back(chain):
    upstream = Upstream(headers=HTML, body=[PAGE.encode(), b""])
    chain(ON, upstream).request()
    assert upstream.streams[0].closed


# --- where ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (b"</head></body>", b"H</head>B</body>"),
        (b"</HEAD ></Body\n>", b"H</HEAD >B</Body\n>"),
        (b"</head></body></head></body>", b"H</head>B</body></head></body>"),
        (b"<header></header><body></body>", b"<header></header>H<body>B</body>"),
        (b"<p>x<body class=a>y", b"<p>xH<body class=a>y"),
        (b"<p>x</p></html>", b"<p>x</p>B</html>"),
        (b"<p>only a piece</p>", b"<p>only a piece</p>"),
        (b"", b""),
        (b"</head", b"</head"),
        (b"</headx>", b"</headx>"),
        (b"<!-- </head> --></head>", b"<!-- </head> -->H</head>"),
        (b"<!--></head>", b"<!-->H</head>"),
        (b"<!---></head>", b"<!--->H</head>"),
        (b"<!-- --!></head>", b"<!-- --!>H</head>"),
        (b"<!-- </head>", b"<!-- </head>"),
        (b"<script>'</head>'</script></head>", b"<script>'</head>'</script>H</head>"),
        (b"<SCRIPT src=x>a<!-- </head></script ></head>", b"<SCRIPT src=x>a<!-- </head></script >H</head>"),
        (b"<style></head></style></head>", b"<style></head></style>H</head>"),
        (b"<title></head></title></head>", b"<title></head></title>H</head>"),
        (b"<body><textarea></body></textarea></body>", b"H<body><textarea></body></textarea>B</body>"),
        (b"</head>< /body></ body></body>", b"H</head>< /body></ body>B</body>"),
        (b"</head><<</body>", b"H</head><<B</body>"),
    ],
)
def test_places(page, expected):
    assert injected(page) == expected
    for cut in range(len(page) + 1):
        assert injected(page[:cut], page[cut:]) == expected, cut
    assert injected(*[page[at : at + 1] for at in range(len(page))]) == expected


def test_only_one_piece():
    page = b"<head></head><body></body>"
    assert injected(page, head=b"") == b"<head></head><body>B</body>"
    assert injected(page, body=b"") == b"<head>H</head><body></body>"


def test_nothing_is_held_back_but_what_may_be_a_tag():
    injector = Injector(b"H", b"B")
    assert injector.feed(b"<p>as it comes</p>") == b"<p>as it comes</p>"
    assert injector.feed(b"a </he") == b"a "
    assert injector.feed(b"llo") == b"</hello"
    assert injector.feed(b"</head></body>and more <") == b"H</head>B</body>and more <"


pieces_of_pages = st.sampled_from(
    [
        "<html>", "<head>", "</head>", "<body>", "</body>", "</html>", "<!--", "-->", "--!>", "<script>", "</script>",
        "<style>", "</style>", "<title>", "</title>", "<textarea>", "</textarea>", "<p>", "</p>", "text", "<", ">", "-",
        "</", "<!", "</HEAD>", "</bodyx>", "\n", "é",
    ]
)  # fmt: skip


@given(st.lists(pieces_of_pages, max_size=25).map("".join), st.lists(st.integers(0, 200), max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_page_is_the_same_however_it_is_cut(page, cuts):
    data = page.encode()
    whole = injected(data, head=b"\x01", body=b"\x02")
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert injected(*parts, head=b"\x01", body=b"\x02") == whole
    assert whole.replace(b"\x01", b"").replace(b"\x02", b"") == data
    assert whole.count(b"\x01") <= 1
    assert whole.count(b"\x02") <= 1


class Reader(HTMLParser):
    """Where the standard library's tokenizer sees the pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(f"/{tag}")


documents = st.lists(
    st.sampled_from(
        [
            "<p>text</p>", "<!-- </head></body> -->", "<script>var a = '</head>' + \"</body>\";</script>", "a < b > c",
            "<style>p::after { content: '</body>' }</style>", "<header><h1>x</h1></header>", "<br/>", "<!doctype html>",
            "<a href='/x?a=1&b=2'>x</a>",
        ]
    ),
    max_size=6,
).map("".join)  # fmt: skip


@given(documents, documents, st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_pieces_are_where_a_parser_sees_the_ends(inside_head, inside_body, size):
    page = f"<html><head>{inside_head}</head><body>{inside_body}</body></html>".encode()
    out = injected(*[page[at : at + size] for at in range(0, len(page), size)], head=b"<x-head>", body=b"<x-body>")
    reader = Reader()
    reader.feed(out.decode())
    assert reader.seen[reader.seen.index("x-head") + 1] == "/head"
    assert reader.seen[reader.seen.index("x-body") + 1 :] == ["/body", "/html"]


def test_the_mark_of_a_tag_is_that_of_its_pieces():
    from upproxy.proxy.messages import Headers
    from upproxy.proxy.middleware.inject import Tags

    headers = Headers([("etag", '"1"')])
    Tags("a", "b").mark(headers)
    assert headers.get("etag") == f'W/"1-{zlib.crc32(b"a" + bytes(1) + b"b"):08x}"'
    for malformed in ("1", '"', ""):
        headers = Headers([("etag", malformed)])
        Tags("a", "b").mark(headers)
        assert "etag" not in headers

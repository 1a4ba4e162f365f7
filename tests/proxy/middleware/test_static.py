"""Files through the chain: what is found, what never is, and what the answer says of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.proxy.middleware.chaining import EVERY_SOURCE, Upstream
from tests.proxy.middleware.serving import Chain, nothing
from upproxy.proxy.middleware.context import Context
from upproxy.proxy.middleware.static.files import PIECE
from upproxy.proxy.middleware.static.media_types import is_hashed
from upproxy.proxy.runtime.api import PAYLOAD_LIMIT

Starter = Callable[..., Chain]
FILES = {
    "index.html": b"<p>home</p>",
    "app.css": b"body { color: red }",
    "app.3f9a1c2b.js": b"1",
    "docs/index.html": b"<p>docs</p>",
    "docs/a b.txt": b"spaces",
    "docs/\xc3\xa9.txt".encode("latin-1").decode(): b"accent",
    "empty/.keep": b"",
    ".env": b"SECRET",
    ".git/config": b"SECRET",
    "docs/.hidden/x.txt": b"SECRET",
    ".well-known/security.txt": b"Contact: mailto:x@example.com",
    "_headers": b"/*\n",
    "up.yml": b"name: x\n",
    "sub/up.yml": b"a: 1\n",
    "data.bin": bytes(range(256)) * 4,
    "latin.html": "<p>é</p>".encode("latin-1"),
    "code.js": b"let a = 1;" * 50,
    "code.js.gz": b"gzipped",
    "code.js.br": b"brotli",
    "only.css": b"a{}",
    "only.css.gz": b"gz",
    "nothing.txt": b"",
}
SECTION = {"dir": "site", "prefix": "/", "hidden": ["_headers", "up.yml"]}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "outside.txt").write_text("SECRET")
    (tmp_path / "site-2").mkdir()
    (tmp_path / "site-2" / "x.txt").write_text("SECRET")
    return tmp_path / "site"


@pytest.fixture
def start(site: Path) -> Iterator[Starter]:
    chains: list[Chain] = []

    def make(*, streams: frozenset[str] = frozenset(), app: Any = nothing, **options: Any) -> Chain:
        chains.append(Chain(site.parent, {"static": {**SECTION, **options}}, app, streams))
        return chains[-1]

    yield make
    for chain in chains:
        chain.close()


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/index.html", "index.html", "text/html; charset=utf-8"),
        ("/app.css", "app.css", "text/css; charset=utf-8"),
        ("/%61pp.css", "app.css", "text/css; charset=utf-8"),
        ("/docs/", "docs/index.html", "text/html; charset=utf-8"),
        ("/docs/a%20b.txt", "docs/a b.txt", "text/plain; charset=utf-8"),
        ("/docs/%C3%A9.txt", "docs/é.txt", "text/plain; charset=utf-8"),
        ("/.well-known/security.txt", ".well-known/security.txt", "text/plain; charset=utf-8"),
        ("/sub/up.yml", "sub/up.yml", "application/yaml"),
        ("/data.bin", "data.bin", "application/octet-stream"),
        ("/latin.html", "latin.html", "text/html"),
        ("/nothing.txt", "nothing.txt", "text/plain; charset=utf-8"),
        ("/code.js.gz", "code.js.gz", "application/gzip"),
    ],
)
def test_found(chain: Any, site: Path, path: str, name: str, kind: str, source: str) -> None:
    for streaming in (False, True):
        app = Upstream()
        one = chain({"static": SECTION}, app, streaming=streaming)
        response = one.request("GET", path, source=source)
        assert (response.status, response.body) == (200, FILES[name])
        assert response.headers.get("content-type") == kind
        assert response.headers.get("accept-ranges") == "bytes"
        head = one.request("HEAD", path, source=source)
        kept = [item for item in response.headers if item[0] != "content-length"]
        assert (head.status, head.body) == (200, b"")
        assert [item for item in head.headers if item[0] != "content-length"] == kept
        assert app.requests == []


def test_head_has_what_get_has(start: Starter) -> None:
    one = start()
    response, head = one.ask("/app.css"), one.ask("/app.css", "HEAD")
    assert response.headers.get("content-length") == str(len(FILES["app.css"]))
    assert (head.status, head.body, head.headers) == (200, b"", response.headers)


NOT_FOUND = [
    "/missing", "/app.css/", "/app.css/x", "/APP.CSS", "/empty", "/empty/", "//", "//app.css", "//docs/", "/docs//",
    "/docs//index.html", "/.env", "/%2eenv", "/.git/config", "/.git", "/docs/.hidden/x.txt", "/docs/%2Ehidden/x.txt",
    "/../outside.txt", "/docs/../app.css", "/docs/../../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt",
    "/..%2Foutside.txt", "/docs%2findex.html", "/..%5coutside.txt", "/docs/./index.html", "/app.css%00",
    "/app.css%00.png", "/_headers", "/up.yml", "/docs/.well-known/x", "/.", "/..", "/...", "/%2e", "/../site-2/x.txt",
    "/app.css%20", "/app.css;x", "/" + "a" * 300, "/" + "a/" * 3000, "/%", "/%ff", "/\\outside.txt",
    "/docs\\index.html",
]  # fmt: skip


@pytest.mark.parametrize("path", NOT_FOUND)
def test_not_found_goes_to_the_app(start: Starter, path: str) -> None:
    one = start()
    response = one.ask(path)
    assert (response.status, response.body) == (404, b"the app has nothing")
    assert [request.path for request in one.seen] == [path]


def test_without_a_slash_the_links_of_a_folder_would_be_wrong(start: Starter) -> None:
    response = start().ask("/docs", query="a=1", prefix="/shop")
    assert (response.status, response.headers.get("location")) == (301, "/shop/docs/?a=1")


@pytest.mark.parametrize("prefix", ["/static", "/static/", "/%73tatic"])
def test_prefix(start: Starter, prefix: str) -> None:
    one = start(prefix=prefix)
    assert one.ask("/static/app.css").body == FILES["app.css"]
    assert one.ask("/static/").body == FILES["index.html"]
    assert one.ask("/static").headers.get("location") == "/static/"
    for path in ("/app.css", "/staticapp.css", "/static-2/x.txt", "/static/../app.css", "/static//app.css"):
        assert one.ask(path).body == b"the app has nothing", path


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_other_methods(start: Starter, method: str) -> None:
    one = start()
    response = one.ask("/app.css", method)
    assert (response.status, response.headers.get("allow")) == (405, "GET, HEAD")
    assert one.ask("/docs", method).status == one.ask("/docs/", method).status == 405
    assert one.ask("/api", method).body == b"the app has nothing"


def test_events_of_triggers_are_for_the_app(start: Starter) -> None:
    one = start()
    assert one.ask("/app.css", "POST", source="trigger").body == b"the app has nothing"


def test_folder_that_is_not_there(start: Starter, site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one = start(dir="later")
    assert "there is no folder" in capfd.readouterr().out
    assert one.ask("/x.txt").status == 404
    (site.parent / "later").mkdir()
    (site.parent / "later" / "x.txt").write_text("here")
    assert one.ask("/x.txt").body == b"here"


# --- never outside ----------------------------------------------------------------------------------------------------


def test_links(start: Starter, site: Path) -> None:
    (site / "inside.txt").symlink_to("app.css")
    (site / "outside.txt").symlink_to(site.parent / "outside.txt")
    (site / "relative.txt").symlink_to("../outside.txt")
    (site / "chain.txt").symlink_to("relative.txt")
    (site / "neighbour").symlink_to("../site-2")
    (site / "secret.txt").symlink_to(".env")
    (site / "conf").symlink_to(".git")
    (site / "loop").symlink_to("loop")
    (site / "broken").symlink_to("nowhere")
    (site / "code.css").write_text("a")
    (site / "code.css.gz").symlink_to(site.parent / "outside.txt")
    one = start()
    assert one.ask("/inside.txt").body == FILES["app.css"]
    for path in ("/outside.txt", "/relative.txt", "/chain.txt", "/neighbour/x.txt", "/secret.txt", "/conf/config",
                 "/loop", "/broken"):  # fmt: skip
        assert one.ask(path).body == b"the app has nothing", path
    assert one.ask("/code.css", accept_encoding="gzip").body == b"a"


def test_folder_that_is_a_link_itself(start: Starter, site: Path) -> None:
    (site.parent / "current").symlink_to("site")
    one = start(dir="current")
    assert one.ask("/app.css").body == FILES["app.css"]
    (site.parent / "current").unlink()
    (site.parent / "current").symlink_to("site-2")
    assert one.ask("/x.txt").body == b"SECRET"  # it is what is served now
    assert one.ask("/app.css").status == 404


def test_what_is_no_file(start: Starter, site: Path) -> None:
    os.mkfifo(site / "pipe")
    (site / "null").symlink_to("/dev/null")
    one = start()
    assert one.ask("/pipe").status == 404
    assert one.ask("/null").status == 404


def test_file_swapped_for_a_link_after_it_was_found(site: Path) -> None:
    """What is read is what was judged, whatever has taken its name."""
    from upproxy.proxy.middleware.static.files import Folder, read

    entry = Folder(str(site), []).find(b"app.css")
    assert entry is not None
    (site / "app.css").unlink()
    (site / "app.css").symlink_to(site.parent / "outside.txt")
    try:
        assert read(entry, 0, entry.size) == FILES["app.css"]
    finally:
        entry.close()


SEGMENT = st.sampled_from(
    ["..", ".", "", "docs", "app.css", "outside.txt", "site", "site-2", "x.txt", "%2e%2e", "%2E.", ".%2e", "..%2f",
     "%2f", "%5c..", "..%5C", "%00", "up", "link", ".env", "%252e%252e", "..;", "%c0%ae%c0%ae"]
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(SEGMENT, min_size=1, max_size=6), prefix=st.sampled_from(["/", "/static", "/docs"]))
@example(parts=["link", "outside.txt"], prefix="/")
def test_no_path_leads_outside(start: Starter, site: Path, parts: list[str], prefix: str) -> None:
    if not (site / "link").is_symlink():
        (site / "link").symlink_to("..")
    response = start(prefix=prefix).ask(prefix.rstrip("/") + "/" + "/".join(parts))
    assert b"SECRET" not in response.body
    location = response.headers.get("location")
    assert not location.startswith(("//", "/\\"))


def test_nothing_stays_open(start: Starter) -> None:
    one = start(streams=frozenset({"function_url"}))
    one.ask("/")
    before = len(os.listdir("/proc/self/fd"))
    for path in ["/", "/docs", "/docs/", "/code.js", "/missing", "/.env", "/app.css/", "/empty", "/data.bin"]:
        for method in ("GET", "HEAD", "POST"):
            one.ask(path, method, accept_encoding="br")
            one.ask(path, method, range="bytes=0-0")
            one.ask(path, method, range="bytes=99999-")
            one.ask(path, method, if_none_match="*")
    assert len(os.listdir("/proc/self/fd")) == before


# --- validators, caching, ranges --------------------------------------------------------------------------------------


def test_conditional(start: Starter, site: Path) -> None:
    one = start()
    first = one.ask("/app.css")
    etag, date = first.headers.get("etag"), first.headers.get("last-modified")
    assert first.headers.get("cache-control") == "no-cache"
    for fields in ({"if_none_match": etag}, {"if_none_match": f'"x", W/{etag}'}, {"if_modified_since": date}):
        response = one.ask("/app.css", **fields)
        assert (response.status, response.body) == (304, b"")
        kept = ("etag", "cache-control", "last-modified")
        assert response.headers.items == [(name, first.headers.get(name)) for name in kept]
    assert one.ask("/app.css", if_none_match='"x"', if_modified_since=date).status == 200
    assert one.ask("/app.css", if_match='"x"').status == 412
    assert one.ask("/app.css", if_match=etag).status == 200


def test_etag_is_of_the_content(start: Starter, site: Path) -> None:
    """Archives give all files one date: it must neither make two contents equal nor be told as one."""
    path = site / "app.css"
    os.utime(path, (315_532_800, 315_532_800))
    one = start()
    first = one.ask("/app.css")
    assert "last-modified" not in first.headers
    path.write_bytes(FILES["app.css"].replace(b"red", b"tan"))
    os.utime(path, (315_532_800, 315_532_800))
    known = {"if_none_match": first.headers.get("etag"), "if_modified_since": "Tue, 01 Jan 2030 00:00:00 GMT"}
    second = one.ask("/app.css", **known)
    assert (second.status, second.body) == (200, path.read_bytes())
    assert second.headers.get("etag") != first.headers.get("etag")
    assert start().ask("/app.css").headers.get("etag") == second.headers.get("etag")  # in every process the same


def test_range(start: Starter) -> None:
    one = start()
    etag = one.ask("/data.bin").headers.get("etag")
    response = one.ask("/data.bin", range="bytes=10-19")
    assert (response.status, response.body) == (206, FILES["data.bin"][10:20])
    assert response.headers.get("content-range") == "bytes 10-19/1024"
    assert response.headers.get("content-length") == "10"
    assert one.ask("/data.bin", range="bytes=-4").body == FILES["data.bin"][-4:]
    assert one.ask("/data.bin", range="bytes=1000-9999").headers.get("content-range") == "bytes 1000-1023/1024"
    beyond = one.ask("/data.bin", range="bytes=1024-")
    assert (beyond.status, beyond.headers.get("content-range")) == (416, "bytes */1024")
    assert one.ask("/data.bin", range="bytes=0-1,5-6").status == 200
    assert one.ask("/data.bin", range="bytes=0-1", if_range=etag).status == 206
    assert one.ask("/data.bin", range="bytes=0-1", if_range=f"W/{etag}").status == 200
    assert one.ask("/data.bin", range="bytes=0-1", if_range='"x"').status == 200
    assert one.ask("/data.bin", range="bytes=0-1", if_none_match=etag).status == 304
    assert one.ask("/data.bin", "HEAD", range="bytes=0-1").status == 200


@pytest.mark.parametrize(
    ("accepted", "coding", "body"),
    [("br, gzip", "br", b"brotli"), ("gzip", "gzip", b"gzipped"), ("gzip, br;q=0", "gzip", b"gzipped"),
     ("br;q=0.5, gzip;q=0.9", "gzip", b"gzipped"), ("*", "br", b"brotli"), ("identity", "", FILES["code.js"]),
     ("", "", FILES["code.js"]), ("deflate", "", FILES["code.js"])],
)  # fmt: skip
def test_precompressed(start: Starter, accepted: str, coding: str, body: bytes) -> None:
    response = start().ask("/code.js", accept_encoding=accepted)
    assert (response.headers.get("content-encoding"), response.body) == (coding, body)
    assert response.headers.get("vary") == "Accept-Encoding"
    assert response.headers.get("content-type") == "text/javascript; charset=utf-8"
    assert response.headers.get("content-length") == str(len(body))


def test_each_coding_has_its_own_etag(start: Starter) -> None:
    one = start()
    tags = {one.ask("/code.js", accept_encoding=coding).headers.get("etag") for coding in ("br", "gzip", "identity")}
    assert len(tags) == 3
    assert one.ask("/only.css", accept_encoding="br").headers.get("vary") == "Accept-Encoding"
    assert "vary" not in one.ask("/app.css", accept_encoding="br").headers


@pytest.mark.parametrize(
    ("name", "hashed"),
    [("app.3f9a1c2b.js", True), ("index-BVq8a0Xy.js", True), ("main.8e0d62a3.chunk.css", True),
     ("main-XKJ5MR2T.js", True), ("logo.d41d8cd98f00b204e9800998ecf8427e.png", True), ("font-B0xYz12a.woff2", True),
     ("app.js", False), ("jquery-3.7.1.min.js", False), ("report-20240115.pdf", False), ("bootstrap5.min.css", False),
     ("some-document.pdf", False), ("photo-IMG12345.jpg", False), ("deadbeef.js", False), ("a.deadbeef.js", False),
     ("Report-2024Fin.pdf", False), ("app.3f9a1c2", False), ("3f9a1c2b.js", False)],
)  # fmt: skip
def test_names_with_a_digest_are_kept_for_ever(name: str, hashed: bool) -> None:
    assert is_hashed(name) is hashed


def test_cache_control(start: Starter) -> None:
    response = start().ask("/app.3f9a1c2b.js")
    assert response.headers.get("cache-control") == "max-age=31536000, immutable"


# --- large files ------------------------------------------------------------------------------------------------------


def test_large_files(start: Starter, site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = os.urandom(5_000_000)
    (site / "video.mp4").write_bytes(content)
    streamed = start(streams=frozenset({"function_url"}))
    response = streamed.ask("/video.mp4")
    assert response.body == content
    assert streamed.pieces == -(-len(content) // PIECE)
    assert streamed.ask("/video.mp4", range="bytes=1-3000000").body == content[1:3_000_001]
    for one, source, limit in ((start(), "function_url", "6291556"), (streamed, "alb", "1000000")):
        refused = one.ask("/video.mp4", source=source)
        assert refused.status == 502
        assert limit.encode() in refused.body
        assert f'"limit":{limit}' in capfd.readouterr().out
        assert one.ask("/video.mp4", source=source, range="bytes=0-99").body == content[:100]
        assert one.ask("/video.mp4", "HEAD", source=source).headers.get("content-length") == "5000000"


@pytest.mark.parametrize(
    ("source", "limit"),
    [("function_url", PAYLOAD_LIMIT), ("http_api", PAYLOAD_LIMIT), ("rest_api", PAYLOAD_LIMIT), ("alb", 1_000_000),
     ("alb_multi", 1_000_000)],
)  # fmt: skip
def test_text_has_more_room_than_what_becomes_base64(start: Starter, site: Path, source: str, limit: int) -> None:
    one = start()
    for name, largest in (("long.txt", limit), ("long.bin", limit // 4 * 3)):
        (site / name).write_bytes(b"a" * largest)
        assert one.ask(f"/{name}", source=source).status == 200, name
        (site / name).write_bytes(b"a" * (largest + 1))
        assert one.ask(f"/{name}", source=source).status == 502, name
        assert one.ask(f"/{name}", source=source, range="bytes=1-").status == 206, name


def test_limit_is_the_runtimes(start: Starter) -> None:
    loop = start().loop
    assert Context(log=None, loop=loop, stage="", directory="").payload_limit == PAYLOAD_LIMIT  # type: ignore[arg-type]


def test_shortened_while_it_is_sent(start: Starter, site: Path) -> None:
    from upproxy.proxy.middleware.static.files import Content, FileChanged, Folder

    path = site / "big.bin"
    path.write_bytes(bytes(3 * PIECE))
    entry = Folder(str(site), []).find(b"big.bin")
    assert entry is not None
    content = Content(entry, 0, entry.size)
    entry.close()
    path.write_bytes(b"")
    failed: list[Exception] = []

    async def send() -> None:
        try:
            async for _ in content:
                pass
        except FileChanged as error:
            failed.append(error)

    start().loop.run(send())
    assert failed
    content.close()

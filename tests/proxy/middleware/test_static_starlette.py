"""The same requests to Starlette's StaticFiles: the answers are the same but for what is listed here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from tests.proxy.middleware.serving import Chain, nothing
from upproxy.proxy.messages import Headers, Response

FILES = {
    "index.html": b"<p>home</p>",
    "style.css": b"a { b: c }",
    "script.js": b"let a = 1;",
    "picture.png": b"\x89PNG" + bytes(range(256)),
    "page.json": b"{}",
    "docs/index.html": b"<p>docs</p>",
    "docs/guide.txt": b"a guide",
    "unknown.qqq": b"?",
    "docs/empty/x.txt": b"x",
    "a b.txt": b"spaces",
    ".env": b"secret",
}
COMPARED = ("content-type", "content-length", "content-range", "last-modified")

# (method, path, request fields)
SAME = [
    ("GET", "/", {}),
    ("HEAD", "/", {}),
    ("GET", "/style.css", {}),
    ("HEAD", "/style.css", {}),
    ("GET", "/picture.png", {}),
    ("GET", "/page.json", {}),
    ("GET", "/script.js", {}),
    ("GET", "/unknown.qqq", {}),
    ("GET", "/style.css", {"if-none-match": "*"}),
    ("GET", "/docs/", {}),
    ("GET", "/docs/guide.txt", {}),
    ("GET", "/a%20b.txt", {}),
    ("GET", "/missing", {}),
    ("GET", "/docs/empty/", {}),
    ("GET", "/docs%2Fmissing", {}),
    ("GET", "/%2e%2e/outside.txt", {}),
    ("GET", "/..%2foutside.txt", {}),
    ("GET", "/link.txt", {}),
    ("POST", "/style.css", {}),
    ("DELETE", "/docs/guide.txt", {}),
    ("GET", "/picture.png", {"range": "bytes=0-3"}),
    ("GET", "/picture.png", {"range": "bytes=250-"}),
    ("GET", "/picture.png", {"range": "bytes=-5"}),
    ("GET", "/picture.png", {"range": "bytes=5-10000"}),
    ("GET", "/picture.png", {"range": "bytes=1000-"}),
    ("GET", "/picture.png", {"range": "bytes=0-3", "if-range": '"another"'}),
    ("GET", "/style.css", {"if-none-match": '"another"'}),
    ("GET", "/style.css", {"if-modified-since": "Sat, 01 Jan 2000 00:00:00 GMT"}),
    ("GET", "/style.css", {"if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, content in FILES.items():
        path = folder / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))
    (folder / "outside.txt").write_text("secret")
    (folder / "site" / "link.txt").symlink_to(folder / "outside.txt")
    return folder


class Starlette:
    """StaticFiles, asked as a server asks it: with the path decoded."""

    def __init__(self, folder: Path) -> None:
        self._app = StaticFiles(directory=folder, html=True)

    def ask(self, method: str, path: str, fields: dict[str, str]) -> Response:
        parts: list[bytes] = []
        response = Response(0, Headers())
        scope = {
            "type": "http", "method": method, "path": unquote(path), "root_path": "", "query_string": b"",
            "scheme": "http", "server": ("test", 80), "asgi": {"spec_version": "2.4"},
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        }  # fmt: skip

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                response.status = message["status"]
                response.headers = Headers((name.decode(), value.decode()) for name, value in message["headers"])
            else:
                parts.append(message.get("body", b""))

        try:
            asyncio.run(self._app(scope, receive, send))
        except HTTPException as error:
            response.status = error.status_code
        response.body = b"".join(parts)
        return response


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Starlette:
    return Starlette(folder / "site")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Iterator[Chain]:
    chain = Chain(folder, {"static": {"dir": "site"}}, nothing, frozenset())
    yield chain
    chain.close()


def ask(ours: Chain, method: str, path: str, fields: dict[str, str]) -> Response:
    return ours.ask(path, method, **{name.replace("-", "_"): value for name, value in fields.items()})


@pytest.mark.parametrize(("method", "path", "fields"), SAME)
def test_the_same(ours: Chain, theirs: Starlette, method: str, path: str, fields: dict[str, str]) -> None:
    expected = theirs.ask(method, path, fields)
    found = ask(ours, method, path, fields)
    status = expected.status
    assert found.status == status
    if status in (200, 206, 304):
        assert found.body == expected.body
        names = COMPARED if status != 304 else ()
        assert {name: found.headers.get(name) for name in names} == {name: expected.headers.get(name) for name in names}
        assert ("etag" in found.headers) == ("etag" in expected.headers)


# What is different, each with its reason: ours first, then Starlette's.
DIFFERENT = [
    # A hidden file is configuration or worse; Starlette serves it.
    ("GET", "/.env", {}, 404, 200),
    # A path with an escaped slash is another path; Starlette's server has decoded it.
    ("GET", "/docs%2Fguide.txt", {}, 404, 200),
    # Empty segments are no part of a file's name, and `//host` must never come near a redirect.
    ("GET", "//style.css", {}, 404, 200),
    ("GET", "/docs//guide.txt", {}, 404, 200),
    # A trailing slash means a folder.
    ("GET", "/style.css/", {}, 404, 200),
    # Where a folder really is, for good: 301 as other servers; Starlette has 307.
    ("GET", "/docs", {}, 301, 307),
    # A folder without a file to show is as if not there; Starlette redirects to the path with a slash first.
    ("GET", "/docs/empty", {}, 404, 404),
    # Several ranges are answered with the whole, which RFC 9110 section 14.2 allows; Starlette makes a multipart.
    ("GET", "/picture.png", {"range": "bytes=0-1,5-6"}, 200, 206),
    # A Range field that cannot be read is ignored (section 14.2: may); Starlette refuses it.
    ("GET", "/picture.png", {"range": "bytes=a-b"}, 200, 400),
    ("GET", "/picture.png", {"range": "items=0-1"}, 200, 400),
    # Range has a meaning for GET alone (section 14.2: must).
    ("HEAD", "/picture.png", {"range": "bytes=0-3"}, 200, 206),
    # If-Match and If-Unmodified-Since are preconditions as well (section 13.2.2).
    ("GET", "/style.css", {"if-match": '"another"'}, 412, 200),
    ("GET", "/style.css", {"if-unmodified-since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 412, 200),
    # With If-None-Match the date does not count (section 13.1.3: must).
    ("GET", "/style.css", {"if-none-match": '"b"', "if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200, 200),
    # Where there is no file, any method is the app's business; Starlette's answers by the method first.
    ("POST", "/missing", {}, 404, 405),
]


@pytest.mark.parametrize(("method", "path", "fields", "own", "other"), DIFFERENT)
def test_the_differences(
    ours: Chain, theirs: Starlette, method: str, path: str, fields: dict[str, str], own: int, other: int
) -> None:
    expected = theirs.ask(method, path, fields)
    assert (ask(ours, method, path, fields).status, expected.status) == (own, other)


def test_a_tag_is_of_the_content_not_of_its_date(folder: Path, ours: Chain, theirs: Starlette) -> None:
    """All files of an archive that is built reproducibly have one date."""
    path = folder / "site" / "changing.css"
    tags: list[tuple[str, str]] = []
    for content in (b"a { b: 1 }", b"a { b: 2 }"):
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        other = theirs.ask("GET", "/changing.css", {})
        tags.append((ours.ask("/changing.css").headers.get("etag"), other.headers.get("etag")))
    (own_before, other_before), (own_after, other_after) = tags
    assert own_before != own_after
    assert other_before == other_after

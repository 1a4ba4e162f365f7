"""Requests that both sample apps answer alike, as data: one list for every way in which they are served.

They work in any order and more than once.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Answer = tuple[int, Sequence[tuple[str, str]], bytes]


@dataclass(frozen=True)
class Exchange:
    """A request, and what has to come back. `path` is as sent, with its query; header names are lower case.

    Of a JSON answer, `json` names the members that matter; `contains` are pieces of a text; `cookies` are how the
    Set-Cookie fields begin, in order. `first` is what has to be sent before.
    """

    name: str
    path: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int = 200
    answer: dict[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    exact: bytes | None = None
    json: Any = None
    contains: tuple[str, ...] = ()
    first: Exchange | None = None

    def run(self, send: Callable[[Exchange], Answer]) -> None:
        """Send it, by a function that returns status, header fields and body, and check the answer."""
        if self.first is not None:
            self.first.run(send)
        self.check(*send(self))

    def check(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Assert that this is the answer."""
        fields = [(name.lower(), value) for name, value in headers]
        assert status == self.status, body[:500]
        for name, value in self.answer.items():
            assert [each for key, each in fields if key == name] == [value]
        cookies = [value for key, value in fields if key == "set-cookie"]
        assert len(cookies) == len(self.cookies)
        assert all(cookie.startswith(start) for cookie, start in zip(cookies, self.cookies, strict=True)), cookies
        if self.exact is not None:
            assert body == self.exact
        if self.json is not None:
            _check_json(json.loads(body), self.json)
        text = body.decode("utf-8") if self.contains else ""
        for piece in self.contains:
            assert piece in text


def _check_json(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert isinstance(found, dict)
        for key, value in wanted.items():
            assert key in found
            _check_json(found[key], value)
    else:
        assert found == wanted


UPLOAD = bytes(range(256)) * 300 + b"\r\n--boundary-no\r\n"
MULTIPART = (
    b"--boundary\r\n"
    b'Content-Disposition: form-data; name="file"; filename="all-bytes.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + UPLOAD + b"\r\n--boundary--\r\n"
)
TEXT = '{"author":"Zoë","text":"日本語 & <b>"}'
EVENTS = b"".join(b"id: %d\ndata: event %d of 3\n\n" % (number, number) for number in (1, 2, 3))
HTML = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/json"}
PLAIN = {"content-type": "text/plain; charset=utf-8"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


LEAVE_NOTE = Exchange(
    "form",
    "/notes",
    method="POST",
    headers=FORM,
    body=b"author=Zo%C3%AB+Q&text=a%26b%3Dc%0D%0A%E6%97%A5",
    status=303,
    cookies=("author=",),
)
UPLOAD_FILE = Exchange(
    "upload",
    "/files",
    method="POST",
    headers={"content-type": "multipart/form-data; boundary=boundary"},
    body=MULTIPART,
    status=201,
    answer={**JSON, "location": "/files/all-bytes.bin"},
    json={"name": "all-bytes.bin", "size": len(UPLOAD), "sha256": hashlib.sha256(UPLOAD).hexdigest()},
)
CRASH = Exchange("crash", "/crash", status=500)

EXCHANGES = [
    Exchange("landing page", "/", answer=HTML, contains=("<h1>Notes</h1>", 'href="/api/notes"', "EventSource")),
    Exchange("static file", "/static/style.css", contains=("--accent",)),
    Exchange("health", "/health", answer=JSON, json={"status": "ok"}),
    Exchange("page", "/notes", answer=HTML, contains=("Naïve café, 日本語", 'value=""')),
    Exchange(
        "page with a cookie",
        "/notes",
        headers={"cookie": "other=1; author=Ada"},
        answer=HTML,
        contains=('value="Ada"',),
    ),
    LEAVE_NOTE,
    Exchange("page after the form", "/notes", contains=("a&amp;b=c", "Zoë Q"), first=LEAVE_NOTE),
    Exchange("list", "/api/notes", answer=JSON, contains=('"author"',)),
    Exchange("one note", "/api/notes/1", answer=JSON, json={"id": 1, "author": "Ada"}),
    Exchange(
        "create",
        "/api/notes",
        method="POST",
        headers=JSON,
        body=TEXT.encode(),
        status=201,
        answer=JSON,
        json=json.loads(TEXT),
    ),
    Exchange("create without an author", "/api/notes", method="POST", headers=JSON, body=b'{"text":"x"}', status=422),
    Exchange("no such note", "/api/notes/9999", status=404, answer=JSON),
    Exchange("delete", "/api/notes/9998", method="DELETE", status=204, exact=b""),
    Exchange("files page", "/files", answer=HTML, contains=("multipart/form-data",)),
    UPLOAD_FILE,
    Exchange(
        "download",
        "/files/all-bytes.bin",
        answer={"content-length": str(len(UPLOAD)), "content-type": "application/octet-stream"},
        exact=UPLOAD,
        first=UPLOAD_FILE,
    ),
    Exchange(
        "part of a download",
        "/files/all-bytes.bin",
        headers={"range": "bytes=100-199"},
        status=206,
        answer={"content-range": f"bytes 100-199/{len(UPLOAD)}"},
        exact=UPLOAD[100:200],
        first=UPLOAD_FILE,
    ),
    Exchange("no such file", "/files/none.bin", status=404),
    Exchange(
        "binary",
        "/bytes/300000",
        answer={"content-type": "application/octet-stream"},
        exact=random.Random(300_000).randbytes(300_000),
    ),
    Exchange("nothing at all", "/bytes/0", answer={"content-length": "0"}, exact=b""),
    Exchange(
        "cookies",
        "/visits",
        headers={"cookie": "visits=41; greeted=no"},
        answer=PLAIN,
        cookies=("visits=42; ", 'greeted=yes; '),
        exact=b"This is your visit number 42.\n",
    ),
    Exchange("stream", "/lines", answer=PLAIN, exact=b"".join(b"line %d of 10\n" % n for n in range(1, 11))),
    Exchange(
        "events",
        "/events?count=3&pause=0.01",
        answer={"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"},
        exact=EVENTS + b"event: end\ndata: bye\n\n",
    ),
    Exchange("slow", "/slow?seconds=0.2", answer=JSON, json={"slept": 0.2}),
    Exchange("job", "/jobs", method="POST", status=202, answer=JSON, contains=('"job":',)),
    Exchange(
        "echo",
        "/echo?b=2&a=%2B+%C3%A9&c=",
        headers={"x-own": "one, two", "cookie": "a=1; b=two"},
        answer=JSON,
        json={
            "method": "GET",
            "root": "",
            "path": "/echo",
            "query": "b=2&a=%2B+%C3%A9&c=",
            "arguments": {"b": ["2"], "a": ["+ é"], "c": [""]},
            "cookies": {"a": "1", "b": "two"},
            "headers": {"x-own": "one, two"},
            "size": 0,
        },
    ),
    Exchange("echo of repeats", "/echo?b=2&b=&a=x%26y", json={"arguments": {"b": ["2", ""], "a": ["x&y"]}}),
    Exchange("echo of an odd path", "/echo/a%20b/c%252Fd/%C3%A9", json={"path": "/echo/a b/c%2Fd/é", "query": ""}),
    *(
        Exchange(
            f"echo of {method}",
            "/echo",
            method=method,
            headers={"content-type": "application/octet-stream"},
            body=UPLOAD,
            json={"method": method, "size": len(UPLOAD), "sha256": hashlib.sha256(UPLOAD).hexdigest()},
        )
        for method in ("POST", "PUT", "PATCH", "DELETE")
    ),
    Exchange("options", "/echo", method="OPTIONS", json={"method": "OPTIONS"}),
    Exchange("redirect", "/redirect", status=302, answer={"location": "/notes"}),
    Exchange("not found", "/nothing%20here", headers={"accept": "text/html"}, status=404, answer=HTML,
             contains=("/nothing here",)),
    Exchange("wrong method", "/slow", method="DELETE", status=405),
    CRASH,
    Exchange("alive after a crash", "/health", json={"status": "ok"}, first=CRASH),
]  # fmt: skip
"""Everything but what ends the process (POST /kill)."""

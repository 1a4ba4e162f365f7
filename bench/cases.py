"""What is measured: a request to an app, in each form that it has to be sent in, and the answer that is right."""

from __future__ import annotations

import base64
import json
import os
import random
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from urllib.parse import urlencode

from bench.apps import answers

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PRELUDE_END = bytes(8)
MEGABYTE = random.Random(1).randbytes(1_000_000)

# What a browser sends; a gateway adds the rest.
CLIENT_FIELDS = {
    "host": "shop.example.com",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "en-GB,en;q=0.7,de;q=0.3",
    "accept-encoding": "gzip, deflate, br, zstd",
    "referer": "https://shop.example.com/",
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "same-origin",
}
COOKIES = ("session=3f1c9a7be2", "theme=dark")
GATEWAY_FIELDS = {
    "x-amzn-trace-id": "Root=1-68b0c1d2-3f4a5b6c7d8e9fa0b1c2d3e4",
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-port": "443",
    "x-forwarded-proto": "https",
}


@dataclass(frozen=True)
class App:
    """An app and the launcher that it is served by: `attribute` is `module:name`, seen from `folder`."""

    launcher: str
    attribute: str
    folder: str = ROOT


class Answer(NamedTuple):
    """An HTTP response, however it was transported. Names of headers are lower case."""

    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: bytes


@dataclass(frozen=True)
class Case:
    """One row of the results for each candidate.

    `count` is how many invocations a round has. `streamed` means a Function URL with response streaming, otherwise
    it is an HTTP API with a buffered reply. `fields` are sent beside those of every request, lower case.

    The right body is `answer`, so many `times`. With `first` what is timed is not the whole reply, but the moment at
    which these bytes, with which the body begins, are there. `cores` are those of a cold start.
    """

    name: str
    app: App
    path: str
    body: bytes = b""
    content_type: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)  # that the answer has to have, beside others
    cookies: tuple[str, ...] = ()
    answer: bytes = b""
    times: int = 1
    first: bytes = b""
    streamed: bool = False
    slots: int = 1
    count: int = 200
    cores: int = 1

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"

    @property
    def is_cold(self) -> bool:
        return "/cold-start" in self.name

    def request(self) -> bytes:
        """The request as a browser would send it to the app itself, over HTTP/1.1."""
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in (CLIENT_FIELDS | self.fields).items()]
        lines.append(f"cookie: {'; '.join(COOKIES)}")
        if self.body:
            lines += [f"content-type: {self.content_type}", f"content-length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    def event(self) -> bytes:
        """The event that AWS's gateway would make of it, as JSON (payload version 2.0)."""
        headers = CLIENT_FIELDS | self.fields | GATEWAY_FIELDS
        if self.body:
            headers |= {"content-type": self.content_type, "content-length": str(len(self.body))}
        if self.streamed:
            headers["cookie"] = "; ".join(COOKIES)  # a Function URL says it twice
        domain = "lambda-url.eu-west-1.on.aws" if self.streamed else "execute-api.eu-west-1.amazonaws.com"
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": "",
            "cookies": COOKIES,
            "headers": headers,
            "requestContext": {
                "accountId": "anonymous" if self.streamed else "123456789012",
                "apiId": "a1b2c3d4e5",
                "domainName": f"a1b2c3d4e5.{domain}",
                "domainPrefix": "a1b2c3d4e5",
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7",
                    "userAgent": CLIENT_FIELDS["user-agent"],
                },
                "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
                "routeKey": "$default",
                "stage": "$default",
                "time": "28/Aug/2025:20:15:30 +0000",
                "timeEpoch": 1756412130000,
            },
            "isBase64Encoded": False,
        }
        if self.body:
            is_text = not self.content_type.startswith("application/octet-stream")
            event["body"] = self.body.decode() if is_text else base64.b64encode(self.body).decode()
            event["isBase64Encoded"] = not is_text
        return json.dumps(event, separators=(",", ":")).encode()

    def reply(self) -> bytes:
        """The right reply to the event, as the body of the post to the Runtime API."""
        reply: dict[str, Any] = {"statusCode": self.status, "headers": self.headers, "cookies": self.cookies}
        if self.streamed:
            return json.dumps(reply).encode() + PRELUDE_END + self.answer * self.times
        try:
            reply |= {"body": self.answer.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            reply |= {"body": base64.b64encode(self.answer).decode(), "isBase64Encoded": True}
        return json.dumps(reply).encode()

    def fault(self, answer: Answer) -> str:
        """Say what is wrong with an answer; nothing when it is right."""
        if answer.status != self.status:
            return f"status {answer.status} instead of {self.status}: {answer.body[:200]!r}"
        for name, value in self.headers.items():
            if answer.headers.get(name) != value:
                return f"header {name} is {answer.headers.get(name)!r} instead of {value!r}"
        if answer.cookies != list(self.cookies):
            return f"cookies {answer.cookies} instead of {list(self.cookies)}"
        right = self.answer * self.times
        if answer.body != right:
            return f"a body of {len(answer.body)} bytes that is not the right one of {len(right)}"
        return ""


def read_reply(payload: bytes, *, streamed: bool) -> Answer:
    """Read what was posted to the Runtime API as AWS's gateway would. Raises ValueError."""
    if streamed:
        prelude, end, body = payload.partition(PRELUDE_END)
        if not end:
            raise ValueError("a streamed reply without the end of its prelude")
        document = json.loads(prelude)
    else:
        document = json.loads(payload)
        body = document.get("body", "").encode()
        if document.get("isBase64Encoded"):
            body = base64.b64decode(body, validate=True)
    headers = {name.lower(): value for name, value in document.get("headers", {}).items()}
    return Answer(document.get("statusCode"), headers, [cookie.strip() for cookie in document.get("cookies", ())], body)


def read_response(head: bytes, body: bytes) -> Answer:
    """Read an HTTP response: `head` is its status line and fields."""
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    cookies = []
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        if name.lower() == "set-cookie":
            cookies.append(value.strip())
        else:
            headers[name.lower()] = value.strip()
    return Answer(int(status.split()[1]), headers, cookies, body)


_JSON = {"content-type": "application/json", **answers.FIELDS}


def _small(name: str, app: App) -> Case:
    return Case(name, app, "/small", headers=_JSON, cookies=(answers.COOKIE,), answer=answers.SMALL)


def _cases(framework: str, app: App) -> list[Case]:
    small = _small(f"{framework}/get", app)
    fields = {"name": "Zoë", "city": "Århus", "comment": "two words & more", "agree": "on"}
    return [
        small,
        replace(small, name=f"{framework}/get-streamed", streamed=True, count=100),
        Case(f"{framework}/json-10k", app, "/catalogue", headers=_JSON, answer=answers.catalogue()),
        Case(
            f"{framework}/form",
            app,
            "/form",
            body=urlencode(fields).encode(),
            content_type="application/x-www-form-urlencoded",
            status=201,
            headers=_JSON,
            answer=answers.form(fields),
        ),
        Case(
            f"{framework}/megabyte",
            app,
            "/echo",
            body=MEGABYTE,
            content_type="application/octet-stream",
            headers={"content-type": "application/octet-stream", **answers.FIELDS},
            answer=MEGABYTE,
            count=15,
        ),
    ]


def _concurrent() -> list[Case]:
    body = json.dumps({"echo": "x" * 500}).encode()
    echo = Case("", STARLETTE, "/echo", body=body, content_type="application/json", headers=_JSON, answer=body)
    wait = Case("", STARLETTE, "/wait", headers=_JSON, answer=answers.SMALL)
    return [
        replace(case, name=f"starlette/{name}-x{slots}", slots=slots, count=20 * slots)
        for name, case in (("echo", echo), ("wait", wait))
        for slots in (16, 64)
    ]


def _streams() -> list[Case]:
    stream = Case(
        "starlette/stream-100mb",
        STARLETTE,
        "/stream",
        headers={"content-type": "application/octet-stream", **answers.FIELDS},
        answer=answers.BLOCK,
        times=answers.BLOCKS,
        streamed=True,
        count=1,
    )
    return [
        replace(
            stream,
            name="starlette/first-byte",
            path="/pause",
            answer=answers.BEGINNING,
            times=2,
            first=answers.BEGINNING,
            count=20,
        ),
        stream,
    ]


def _cold(name: str, app: App, cores: int) -> Case:
    title = f"{name}/cold-start" + (f"-{cores}-cores" if cores > 1 else "")
    return replace(_small(title, app), count=1, cores=cores)


STARLETTE = App("asgi.py", "bench.apps.starlette_app:app")
FASTAPI = App("asgi.py", "bench.apps.fastapi_app:app")
FLASK = App("wsgi.py", "bench.apps.flask_app:app")
DJANGO = App("wsgi.py", "bench.apps.django_app:app")
FRAMEWORKS = {"starlette": STARLETTE, "fastapi": FASTAPI, "flask": FLASK, "django": DJANGO}
API_KEY = "b7e23ec29af22b0b4e41da31e868d572"
MIDDLEWARE = replace(_small("middleware/get", STARLETTE), fields={"x-api-key": API_KEY})
WARM = [
    *_cases("starlette", STARLETTE),
    *_streams(),
    *_cases("flask", FLASK),
    *_concurrent(),
    MIDDLEWARE,
]
COLD = [_cold(name, app, cores) for cores in (1, 2) for name, app in FRAMEWORKS.items()]
ARTEFACT = replace(COLD[1], name="artefact/cold-start")
CASES = {case.name: case for case in (*WARM, *COLD, ARTEFACT)}

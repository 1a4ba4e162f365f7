"""The access line and the metrics, written as they are to a descriptor."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.scripting import outcome
from upproxy.proxy.errors import UpstreamDied
from upproxy.proxy.log import Log
from upproxy.proxy.manifest import VERSION, Manifest
from upproxy.proxy.messages import Headers, Invocation, Request, Response
from upproxy.proxy.runtime.access import FIELDS, REDACTED, SECRETS, AccessLog, Redaction
from upproxy.proxy.runtime.instance import Instance

USUAL = {
    "timestamp", "level", "message", "request_id", "method", "path", "ip", "status", "duration", "size", "stage",
}  # fmt: skip


class Access:
    """An access log whose lines can be read."""

    def __init__(self, **logs: Any) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        document = {
            "manifest_version": VERSION, "name": "shop", "stage": "staging", "upstream": {"command": "serve"},
            "logs": logs,
        }  # fmt: skip
        self.instance = Instance(0.0, "")
        self.instance.turns = 2
        self.log = AccessLog(Log(self.writer), Manifest(document), self.instance)

    def write(
        self, status: int = 200, *, query: str = "", headers: list[tuple[str, str]] | None = None, number: int = 1
    ) -> list[dict[str, Any]]:
        self.log.write(request(query=query, headers=headers, number=number), status, 7, 0.0123456)
        return self.lines()

    def lines(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in os.read(self.reader, 1 << 20).splitlines()]
        except BlockingIOError:
            return []

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


def request(*, query: str = "", headers: list[tuple[str, str]] | None = None, number: int = 1) -> Request:
    invocation = Invocation(f"request-{number}", deadline=0.0)
    return Request(
        "GET", "/a", query, Headers(headers or []), b"body", invocation=invocation, source="alb", client="203.0.113.7"
    )


@pytest.fixture
def access() -> Iterator[Any]:
    opened: list[Access] = []

    def build(**logs: Any) -> Access:
        opened.append(Access(**logs))
        return opened[-1]

    yield build
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    ("status", "level"), [(200, "info"), (304, "info"), (404, "warn"), (499, "warn"), (500, "error")]
)
def test_the_usual_line(access, status, level):
    (line,) = access().write(status, query="a=1")
    assert set(line) == {*USUAL, "query"}
    del line["timestamp"]
    assert line == {
        "level": level, "message": "request", "request_id": "request-1", "method": "GET", "path": "/a",
        "ip": "203.0.113.7", "status": status, "duration": 12.35, "size": 7, "stage": "staging", "query": "a=1",
    }  # fmt: skip


def test_the_first_request_is_cold_unless_the_instance_was_warmed(access):
    one = access()
    one.instance.turns = 1
    assert one.write()[0]["cold"] is True
    one.instance.turns = 2
    assert "cold" not in one.write()[0]


def test_nothing_is_written_when_disabled(access):
    assert access(disable=True).write() == []
    assert access(disable=True, fields=["host"], sample=0.5).write(500) == []


def test_fields_on_demand(access):
    headers = [("user-agent", "x/1"), ("referer", "https://a.example/?token=b&c=d"), ("host", "shop.example"),
               ("x-tenant", "1"), ("x-tenant", "2"), ("authorization", "Bearer x"), ("cookie", "a=b")]  # fmt: skip
    wanted = [*FIELDS, "header.x-tenant", "header.authorization", "header.cookie", "header.absent", "header.x-api-key"]
    one = access(fields=wanted)
    (line,) = one.write(headers=headers)
    assert {name: value for name, value in line.items() if name not in USUAL} == {
        "instance": one.instance.id, "request_size": 4, "user_agent": "x/1", "host": "shop.example", "source": "alb",
        "referer": f"https://a.example/?token={REDACTED}&c=d", "header.x-tenant": "1, 2",
        "header.authorization": REDACTED, "header.cookie": REDACTED,
    }  # fmt: skip
    (bare,) = access(fields=["user_agent", "referer", "host", "upstream"]).write()
    assert set(bare) == USUAL


def test_the_apps_share_of_the_time(access, in_place):
    async def app(_request: Request) -> Response:
        await in_place.sleep_until(time.monotonic() + 0.01)
        return Response(200, Headers())

    async def failing(_request: Request) -> Response:
        raise UpstreamDied("gone")

    one = access(fields=["upstream"])
    asked = request()
    outcome(in_place, one.log.timed(app)(asked))
    one.log.write(asked, 200, 0, 1.0)
    (line,) = one.lines()
    assert line["upstream"] >= 10
    asked = request()
    with pytest.raises(UpstreamDied):
        outcome(in_place, one.log.timed(failing)(asked))
    one.log.write(asked, 502, 0, 1.0)
    assert "upstream" in one.lines()[0]
    assert access().log.timed(app) is app


def test_a_request_with_an_id_of_its_own_tells_lambdas_too(access):
    one = access(request_id="X-Correlation-Id")
    asked = request()
    asked.invocation.request_id = "theirs"
    one.log.write(asked, 200, 0, 1.0)
    (line,) = one.lines()
    assert (line["request_id"], line["aws_request_id"]) == ("theirs", "request-1")


# --- redaction --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "logged"),
    [
        ("token=a", "token=*"),
        ("a=1&Password=b&c", "a=1&Password=*&c"),
        ("token", "token"),
        ("token=&x", "token=*&x"),
        ("token=a=b&token=c", "token=*&token=*"),
        ("reset_token=a&user[password]=b&CLIENTSECRET=c", "reset_token=*&user[password]=*&CLIENTSECRET=*"),
        ("t%6Fken=a&%74oken=b&user%5Bpassword%5D=c", "t%6Fken=*&%74oken=*&user%5Bpassword%5D=*"),
        ("tokens=a&monkey=b&%=c&%zz=d&%4=e&=f", "tokens=a&monkey=b&%=c&%zz=d&%4=e&=f"),
        ("Voucher=a", "Voucher=*"),
        (
            "token[]=a&token[0]=b&user[api_key]=c&login%5Bsid%5D[]=d",
            "token[]=*&token[0]=*&user[api_key]=*&login%5Bsid%5D[]=*",
        ),
        ("user[pin]=a&pin=b&user[page]=c", "user[pin]=*&pin=b&user[page]=c"),
        ("order[voucher]=a&vouchers[a]=b", "order[voucher]=*&vouchers[a]=b"),
        ("a=1;token=b;c=2&token=d;e=3&f=4;g", "a=1;token=*&token=*&f=4;g"),
        ("+token=a&%20token+=b&to+ken=c", "+token=*&%20token+=*&to+ken=c"),
        ("schl%C3%BCssel=a&SCHL%c3%9cSSEL=b&schl%FCssel=c", "schl%C3%BCssel=*&SCHL%c3%9cSSEL=*&schl%FCssel=c"),
        (
            "X-Goog-Signature=a&X-Goog-Credential=b&google_api_key=c",
            "X-Goog-Signature=*&X-Goog-Credential=*&google_api_key=*",
        ),
    ],
)
def test_credentials_are_kept_out(access, query, logged):
    (line,) = access(redact=["vOUCHER", "user[pin]", "Schlüssel"]).write(query=query)
    assert line["query"] == logged.replace("*", REDACTED)


@pytest.mark.parametrize(
    ("referer", "logged"),
    [
        ("https://a.example/?token=b&c=d", "https://a.example/?token=*&c=d"),
        ("https://a.example/a;b?c#access_token=d", "https://a.example/a;b?c"),
        ("https://a.example/#token=b?c", "https://a.example/"),
        ("https://me:secret@a.example:8443/@b?c=@", "https://a.example:8443/@b?c=@"),
        ("https://me@a@a.example", "https://a.example"),
        ("/a@b", "/a@b"),
        ("about:blank", "about:blank"),
    ],
)
@pytest.mark.parametrize("field", ["referer", "header.referer"])
def test_an_address_has_none_either(access, field, referer, logged):
    (line,) = access(fields=[field]).write(headers=[("referer", referer)])
    assert line[field] == logged.replace("*", REDACTED)


def test_fields_with_names_of_their_own_are_redacted_by_those_of_the_header(access):
    one = access(fields=["referer", "user_agent", "host"], redact=["Referer", "user-agent"])
    (line,) = one.write(headers=[("referer", "https://a.example"), ("user-agent", "x/1"), ("host", "shop.example")])
    assert (line["referer"], line["user_agent"], line["host"]) == (REDACTED, REDACTED, "shop.example")


def test_the_default_line_keeps_them_out_too(access):
    for name in SECRETS:
        assert access().write(query=f"{name}=x")[0]["query"] == f"{name}={REDACTED}"


@given(
    st.lists(
        st.tuples(st.sampled_from(["token", "a", "page", "api_key", "é", "x y"]), st.text(max_size=8)), max_size=5
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_whatever_way_a_key_is_written_its_value_is_kept_out_and_no_other_is(pairs, rng):
    def written(name: str) -> str:
        return "".join(
            f"%{byte:02X}" if rng.random() < 0.3 or byte > 126 or byte == 32 else chr(byte) for byte in name.encode()
        )

    query = "&".join(f"{written(name)}={quote(value, safe='')}" for name, value in pairs)
    read = parse_qsl(Redaction([]).query(query), keep_blank_values=True)
    assert read == [(name, REDACTED if name in SECRETS else value) for name, value in pairs]


# --- sampling ---------------------------------------------------------------------------------------------------------


def test_a_share_of_what_went_well(access):
    one = access(sample=0.25)
    written = [number for number in range(2_000) if one.write(204, number=number)]
    assert 400 < len(written) < 600
    (line,) = one.write(204, number=written[0])
    assert line["sample"] == 0.25
    again = access(sample=0.25)
    assert [number for number in range(2_000) if again.write(204, number=number)] == written, "the id decides"
    for status in (302, 404, 500):
        lines = [line for number in range(50) for line in one.write(status, number=number)]
        assert len(lines) == 50
        assert "sample" not in lines[0]


def test_all_or_nothing(access):
    assert not any(access(sample=0).write(number=number) for number in range(50))
    assert all("sample" not in access(sample=1).write(number=number)[0] for number in range(5))


# --- metrics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 302, 404, 503])
@pytest.mark.parametrize("cold", [False, True])
def test_metrics(access, status, cold):
    one = access(metrics=True)
    one.instance.turns = 1 if cold else 9
    before = int(time.time() * 1000)
    line, metrics = one.write(status)
    assert line["message"] == "request"
    aws = metrics.pop("_aws")
    assert before <= aws["Timestamp"] <= int(time.time() * 1000)
    assert metrics.pop("timestamp")
    assert metrics == {
        "level": "info", "message": "metrics", "App": "shop", "Stage": "staging", "Requests": 1,
        "4xx": int(status == 404), "5xx": int(status == 503), "Latency": 12.35, "ColdStarts": int(cold),
    }  # fmt: skip
    # What the specification asks for: every metric and dimension that is named is a member beside, of the right type.
    (directive,) = aws["CloudWatchMetrics"]
    assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
    assert 0 < len(directive["Namespace"]) <= 1024
    assert all(isinstance(metrics[name], str) for names in directive["Dimensions"] for name in names)
    for metric in directive["Metrics"]:
        assert isinstance(metrics[metric["Name"]], int | float)
        assert metric["Unit"] in ("Count", "Milliseconds")


def test_metrics_are_of_every_request(access):
    for logs in ({"disable": True}, {"sample": 0}):
        lines = access(metrics=True, **logs).write()
        assert [line["message"] for line in lines] == ["metrics"]

"""The runtime process, as Lambda runs it."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ways import PROCESS, Lambda, manifest
from tests.proxy.runtime.conftest import APP
from tests.proxy.runtime.events import http
from upproxy.local.invocation import Buffered, FunctionError, Stream, StreamBroken
from upproxy.local.runtime_process import StartFailed

Starter = Callable[..., Lambda]


def payload(reply: Any) -> dict[str, Any]:
    """Return the payload of a buffered reply."""
    assert isinstance(reply, Buffered), reply
    document: dict[str, Any] = json.loads(reply.payload)
    return document


def processes() -> dict[int, int]:
    """Return the parents of all processes, zombies included."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                pass
    return parents


# --- requests ---------------------------------------------------------------------------------------------------------


def test_reply_and_lines(start: Starter) -> None:
    one = start()
    reply = payload(one.invoke(http("/print?text=hello&token=abc"), request_id="request-1"))
    assert (reply["statusCode"], reply["body"]) == (200, "printed")
    (access,) = one.lines.wait_for(message="request")
    assert access["timestamp"].endswith("Z")
    assert access["duration"] > 0
    del access["timestamp"], access["duration"]
    assert access == {
        "level": "info", "message": "request", "request_id": "request-1", "method": "GET", "path": "/print",
        "query": "text=hello&token=[redacted]", "ip": "203.0.113.7", "status": 200, "size": 7, "stage": "staging",
        "cold": True,
    }  # fmt: skip
    printed = one.lines.wait_for(2, message="hello")
    assert {(line["level"], line["request_id"]) for line in printed} == {("info", "request-1"), ("error", "request-1")}


def test_what_the_app_sees(start: Starter) -> None:
    one = start()
    event = http("/echo?a=%2B", headers={"x-stage": "forged", "x_stage": "forged", "x-amzn-request-context": "forged"})
    seen = json.loads(payload(one.invoke(event, request_id="request-1"))["body"])
    assert seen["target"] == "/echo?a=%2B"
    headers = dict(map(tuple, seen["headers"]))
    assert len(headers) == len(seen["headers"]), "a field came twice"
    assert headers["x-request-id"] == "request-1"
    assert headers["x-stage"] == "staging"
    assert json.loads(headers["x-context"]) == event["requestContext"]
    assert json.loads(headers["x-amzn-request-context"]) == event["requestContext"]
    context = json.loads(headers["x-amzn-lambda-context"])
    assert context["request_id"] == "request-1"
    assert context["invoked_function_arn"].endswith(":app-staging")
    assert context["env_config"]["function_name"] == "app-staging"
    assert headers["x-amzn-trace-id"] == "Root=1-2-3"
    assert headers["x-forwarded-host"] == "abc.lambda-url.us-east-1.on.aws"
    assert headers["x-forwarded-for"] == "203.0.113.7"
    assert "x_stage" not in headers


def test_streamed_reply(start: Starter) -> None:
    one = start(streaming=True)
    prelude, body = one.invoke(http("/stream?n=3"))
    assert json.loads(prelude)["statusCode"] == 200
    assert body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    prelude, body = one.invoke(http("/status?code=204"))
    assert (json.loads(prelude)["statusCode"], body) == (204, b"")
    (access,) = one.lines.wait_for(message="request", path="/stream")
    assert access["size"] == len(b"data: 0\n\n") * 3


def test_stream_that_breaks_off_is_told_in_the_trailers(start: Starter) -> None:
    one = start(streaming=True)
    with pytest.raises(StreamBroken) as broken:
        one.invoke(http("/broken?n=2"), request_id="request-1")
    assert broken.value.error.kind == "UpstreamDied"
    one.lines.wait_for(error="UpstreamDied", request_id="request-1")
    assert one.invoke(http("/stream"))[1] == b"data: 0\n\n"


def test_many_at_once(start: Starter) -> None:
    one = start(slots=8)
    replies = one.invoke_all([http("/slow?ms=200")] * 8 + [http("/echo")] * 8)
    assert [payload(reply)["statusCode"] for reply in replies] == [200] * 16


def test_deadline_comes_before_lambdas(start: Starter) -> None:
    one = start()
    assert payload(one.invoke(http("/never"), timeout=1.5))["statusCode"] == 504
    one.lines.wait_for(error="UpstreamTimeout")
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200


def test_timeout_of_the_app(start: Starter) -> None:
    one = start(upstream={"timeout": 0.3})
    assert payload(one.invoke(http("/never")))["statusCode"] == 504
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200


@pytest.mark.parametrize(("size", "kind"), [(7_000_000, "text/plain"), (5_000_000, "image/png")])
def test_too_large_for_a_buffered_reply(start: Starter, size: int, kind: str) -> None:
    one = start()
    reply = payload(one.invoke(http(f"/big?bytes={size}&type={kind}")))
    assert reply["statusCode"] == 502
    (line,) = one.lines.wait_for(error="ResponseTooLarge")
    assert line["limit"] == 6_291_556
    assert "stream" in line["message"]
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200


def test_large_where_it_streams(start: Starter) -> None:
    assert len(start(streaming=True).invoke(http("/big?bytes=9000000"))[1]) == 9_000_000


def test_event_that_is_no_http(start: Starter) -> None:
    one = start()
    reply = one.invoke({"Records": [{"eventSource": "aws:sqs"}]})
    assert isinstance(reply, FunctionError)
    assert "triggers" in reply.message


def test_trigger(start: Starter) -> None:
    one = start(events={"triggers": "/echo"})
    event = {"Records": [{"eventSource": "aws:sqs", "body": "x"}]}
    seen = payload(one.invoke(event))
    assert (seen["method"], seen["target"]) == ("POST", "/echo")
    assert json.loads(base64.b64decode(seen["body"])) == event
    assert payload(one.invoke(http("/echo", "POST", body="{}")))["statusCode"] == 404


def test_trigger_that_fails(start: Starter) -> None:
    reply = start(events={"triggers": "/status?code=500"}).invoke({})
    assert isinstance(reply, FunctionError)
    assert reply.kind == "TriggerFailed"


def test_websocket_is_refused_with_the_reason(start: Starter) -> None:
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": "x"}
    reply = payload(start().invoke(http("/echo", headers=headers)))
    assert reply["statusCode"] == 501
    assert "WebSocket" in reply["body"]


# --- messages of our own ----------------------------------------------------------------------------------------------


def test_warm(start: Starter) -> None:
    one = start()
    first = payload(one.invoke({"upproxy": {"warm": {"hold_ms": 1}}}))
    second = payload(one.invoke({"upproxy": {"warm": {}}}))
    assert (first["cold"], second["cold"]) == (True, False)
    assert first["instance"] == second["instance"]
    assert first["served"] == 0
    assert first["init_ms"] > 0
    payload(one.invoke(http("/echo")))
    one.lines.wait_for(message="request")
    assert [line["path"] for line in one.lines.all if line.get("message") == "request"] == ["/echo"]


def test_a_warm_up_is_not_held_beyond_its_deadline(start: Starter) -> None:
    one = start()
    assert payload(one.invoke({"upproxy": {"warm": {"hold_ms": 1_000}}}, timeout=1.0))["cold"]


def test_health(start: Starter) -> None:
    one = start()
    assert payload(one.invoke({"upproxy": {"health": {"path": "/echo"}}}))["status"] == 200
    unhealthy = payload(one.invoke({"upproxy": {"health": {}}}))
    assert (unhealthy["status"], unhealthy["body"]) == (404, "no such route\n")
    hanging = payload(one.invoke({"upproxy": {"health": {"path": "/never", "timeout": 0.6}}}))
    assert hanging["status"] == 504


@pytest.mark.parametrize("message", [{"nonsense": {}}, {}, {"warm": {}, "health": {}}, {"health": {"path": "no"}}])
def test_unknown_message(start: Starter, message: dict[str, Any]) -> None:
    assert isinstance(start().invoke({"upproxy": message}), FunctionError)


def test_messages_cannot_be_forged_over_http(start: Starter) -> None:
    one = start()
    event = http("/echo", "POST", body='{"upproxy": {"warm": {}}}')
    forged = {**event, "upproxy": {"warm": {}}}
    for each in (event, forged):
        assert json.loads(payload(one.invoke(each))["body"])["target"] == "/echo"


# --- the process's life -----------------------------------------------------------------------------------------------


def test_app_that_exits_at_once(start: Starter) -> None:
    one = start([sys.executable, "-c", "import sys; print('no database', file=sys.stderr); sys.exit(7)", "{fd}"])
    with pytest.raises(StartFailed) as failed:
        one.ready()
    assert failed.value.exit_code == 1
    assert "exited with code 7" in failed.value.error.message
    assert "no database" in failed.value.error.message


def test_command_that_is_not_there(start: Starter) -> None:
    one = start(["no-such-program", "{fd}"])
    with pytest.raises(StartFailed) as failed:
        one.ready()
    assert failed.value.exit_code == 1
    assert "no-such-program" in failed.value.error.message


def test_app_that_never_listens(start: Starter) -> None:
    one = start("sleep 60", upstream={"listen_timeout": 0.3})
    with pytest.raises(StartFailed) as failed:
        one.ready()
    assert "did not listen within 0.3 s" in failed.value.error.message


def test_variable_that_is_not_set(start: Starter) -> None:
    one = start(APP, upstream={"environment": {"DATABASE": "${NO_SUCH_VARIABLE}"}})
    with pytest.raises(StartFailed) as failed:
        one.ready()
    assert "NO_SUCH_VARIABLE" in failed.value.error.message


def test_manifest_of_another_version(tmp_path: Path) -> None:
    one = Lambda({**manifest(APP), "manifest_version": 99}, tmp_path)
    try:
        with pytest.raises(StartFailed, match="99"):
            one.ready()
    finally:
        one.close()


def test_terminated_while_the_app_starts(start: Starter, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    one = start(f"exec cat {gate}")
    with open(gate, "w"):  # opened when cat is there
        one.terminate()
        assert one.exited() == 0


def test_without_a_runtime_api() -> None:
    done = subprocess.run(PROCESS, capture_output=True, env={}, text=True, check=False)
    assert done.returncode == 2
    assert "upproxy start" in done.stderr
    assert "Traceback" not in done.stderr


def test_slow_start_is_reported_in_time_and_waited_for(start: Starter, tmp_path: Path) -> None:
    """Lambda ends an initialisation of 10 s: by then the first invocation is taken, and waits for the app."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    one = start(f"cat {gate} && exec {sys.executable} {APP[1]}", upstream={"listen_timeout": 60})
    one.lines.wait_for(level="warn")
    one.ready()
    gate.write_text("go")
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200


def test_plain_port(start: Starter) -> None:
    one = start(f"exec {sys.executable} {APP[1]}")
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200


def test_client_that_leaves_a_stream(start: Starter) -> None:
    one = start(streaming=True)

    async def leave() -> None:
        stream = await one.instance.invoke(
            json.dumps(http("/endless")).encode(), timeout=30, request_id="request-1", trace_id=""
        )
        assert isinstance(stream, Stream)
        stream.close()

    one._background.run(leave())
    one.lines.wait_for(message="the client left before the end of the stream", request_id="request-1")
    one.lines.wait_for(message="the reader has left")
    assert one.invoke(http("/stream"))[1] == b"data: 0\n\n"
    assert not [line for line in one.lines.all if line["level"] == "error"]


def test_refusal_is_logged_as_what_was_asked(start: Starter) -> None:
    one = start()
    event = http("/chat", "POST", headers={"connection": "Upgrade", "upgrade": "websocket"})
    assert payload(one.invoke(event))["statusCode"] == 501
    (line,) = one.lines.wait_for(message="request")
    assert (line["method"], line["path"], line["ip"]) == ("POST", "/chat", "203.0.113.7")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"middleware": {"nosuch": {}}}, "nosuch"),
        ({"middleware": []}, "middleware"),
        ({"upstream": []}, "upstream"),
        ({"upstream": {"command": 5}}, "command"),
        ({"upstream": {}}, "command"),
    ],
)
def test_manifest_that_cannot_be_used(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    one = Lambda({**manifest(APP), **change}, tmp_path)
    try:
        with pytest.raises(StartFailed, match=reason) as failed:
            one.ready()
        assert failed.value.exit_code == 1
        assert not [line for line in one.lines.all if "Traceback" in line["message"]]
    finally:
        one.close()


def test_as_the_first_process_of_a_container(tmp_path: Path) -> None:
    """Orphans are reaped, and the app's own end is never taken for one of theirs."""
    script = tmp_path / "main.py"
    script.write_text(
        "import sys, posix\nposix.getpid = lambda: 1\nfrom upproxy.proxy.__main__ import main\nsys.exit(main())\n"
    )
    one = Lambda(manifest(APP), tmp_path, command=(sys.executable, str(script)))
    try:
        for _ in range(20):
            assert payload(one.invoke(http("/echo")))["statusCode"] == 200
            assert payload(one.invoke(http("/kill")))["statusCode"] == 502
        assert payload(one.invoke(http("/echo")))["statusCode"] == 200
    finally:
        one.close()


def test_sigterm_lets_the_app_finish(start: Starter) -> None:
    one = start()
    pid = int(payload(one.invoke(http("/pid")))["body"])
    one.terminate()
    assert one.exited() == 0
    one.lines.wait_for(message="terminated")
    assert pid not in processes()


def test_ends_with_the_runtime_api(start: Starter) -> None:
    """When whoever runs us is gone, nothing is left behind."""
    one = start()
    pid = int(payload(one.invoke(http("/pid")))["body"])
    one._background._loop.call_soon_threadsafe(one.instance.api.close)
    assert one.exited() == 1
    assert pid not in processes()


def test_snapstart(start: Starter) -> None:
    one = start(environment={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    one._background.run(one.instance.api.snapshotted.wait())
    assert not one.instance.api.ready.is_set()
    one._background._loop.call_soon_threadsafe(one.instance.api.restore)
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200


def test_snapstart_of_an_app_that_does_not_start(start: Starter) -> None:
    one = start(["false"], environment={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    with pytest.raises(StartFailed) as failed:
        one.ready()
    assert failed.value.exit_code == 64


# --- trouble ----------------------------------------------------------------------------------------------------------


def test_app_killed_in_the_middle_of_a_request(start: Starter) -> None:
    one = start()
    assert payload(one.invoke(http("/kill")))["statusCode"] == 502
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200
    one.lines.wait_for(message="the app was ended by signal 9")


@pytest.mark.parametrize("kills", [25, pytest.param(100, marks=pytest.mark.soak)])
def test_kills_under_load(start: Starter, kills: int) -> None:
    one = start(slots=4)
    payload(one.invoke(http("/echo")))
    proxy = one.instance.pid
    descriptors = len(os.listdir(f"/proc/{proxy}/fd"))
    for _ in range(kills):
        assert payload(one.invoke(http("/echo")))["statusCode"] == 200  # each app has served a request
        statuses = [
            payload(reply)["statusCode"] for reply in one.invoke_all([http("/kill"), *[http("/slow?ms=1")] * 3])
        ]
        assert statuses[0] == 502
        assert set(statuses) <= {200, 502, 503}
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200
    children = [pid for pid, parent in processes().items() if parent == proxy]
    assert len(children) == 1, "a zombie, or an app too many"
    assert len(os.listdir(f"/proc/{proxy}/fd")) <= descriptors + 4


def malformed_answers() -> list[bytes]:
    """Return answers that are broken in ways of their own, from a fixed seed."""
    good = [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nconnection: close\r\n\r\nuntil the end",
    ]
    dice = random.Random(7)
    pieces = [b"\r", b"\n", b"\0", b" ", b":", b"\r\n", b"\r\n ", b"9", b"-", b"\xff", b"content-length: 7\r\n",
              b"transfer-encoding: chunked\r\n", b"transfer-encoding: gzip\r\n", b"HTTP/1.1 200 OK\r\n"]  # fmt: skip
    answers = []
    for _ in range(500):
        answer = bytearray(dice.choice(good))
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(answer) + 1)
            match dice.randrange(4):
                case 0:
                    answer[at:at] = dice.choice(pieces)
                case 1:
                    del answer[at : at + dice.randint(1, 8)]
                case 2:
                    del answer[at:]
                case 3:
                    answer[at : at + 1] = bytes([dice.randrange(256)])
        answers.append(bytes(answer))
    return answers


def test_malformed_answers(start: Starter) -> None:
    one = start(upstream={"timeout": 2})
    for number, answer in enumerate(malformed_answers()):
        reply = payload(one.invoke(http("/raw", "POST") | _binary(answer)))
        assert 200 <= reply["statusCode"] <= 999
        assert "Traceback" not in reply["body"]
        if number % 10 == 0:
            assert json.loads(payload(one.invoke(http(f"/echo?{number}")))["body"])["target"] == f"/echo?{number}"
    assert not [line for line in one.lines.all if "trace" in line]


def test_malformed_answers_where_it_streams(start: Starter) -> None:
    one = start(streaming=True, upstream={"timeout": 2})
    broken = 0
    for number, answer in enumerate(malformed_answers()):
        try:
            prelude, body = one.invoke(http("/raw", "POST") | _binary(answer))
        except StreamBroken as failure:
            broken += failure.error.kind in ("UpstreamMalformed", "UpstreamDied", "UpstreamTimeout")
            continue
        assert json.loads(prelude)["statusCode"] >= 200
        assert b"Traceback" not in body
        if number % 10 == 0:
            assert json.loads(one.invoke(http(f"/echo?{number}"))[1])["target"] == f"/echo?{number}"
    assert broken > 10
    assert not [line for line in one.lines.all if "trace" in line]


def _binary(body: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def malformed_events() -> list[bytes]:
    """Return events that are broken in ways of their own, from a fixed seed."""
    dice = random.Random(11)
    odd: list[Any] = [None, 0, -1, 1.5, True, "", "\0", "a\r\nb: c", "\ud800", [], {}, [None], {"": None},
                      "/../..", "%", "%zz", "é☃", " ", "//", "\\", "x" * 70_000, {"a": {"b": []}}, 10**30]  # fmt: skip
    bases = [
        http("/echo?a=1", "POST", body="x"),
        {**http("/echo"), "cookies": ["a=1", "b=2"]},
        {"httpMethod": "GET", "path": "/echo", "headers": {"host": "x"}, "multiValueHeaders": {"host": ["x"]},
         "queryStringParameters": {"a": "1"}, "multiValueQueryStringParameters": {"a": ["1"]},
         "requestContext": {"identity": {"sourceIp": "1.2.3.4"}, "path": "/p/echo", "stage": "p"}, "body": None,
         "isBase64Encoded": False},
        {"httpMethod": "GET", "path": "/echo", "headers": {"host": "x"}, "queryStringParameters": {},
         "requestContext": {"elb": {"targetGroupArn": "arn"}}, "body": "", "isBase64Encoded": False},
    ]  # fmt: skip

    def spoil(value: Any) -> Any:
        if isinstance(value, dict) and value and dice.random() < 0.8:
            key = dice.choice(list(value))
            spoiled = dict(value)
            match dice.randrange(3):
                case 0:
                    del spoiled[key]
                case 1:
                    spoiled[key] = dice.choice(odd)
                case 2:
                    spoiled[key] = spoil(value[key])
            return spoiled
        return dice.choice(odd)

    events = []
    for _ in range(2_000):
        event: Any = dice.choice(bases)
        for _ in range(dice.randint(1, 4)):
            event = spoil(event)
        text = json.dumps(event).encode()
        if dice.random() < 0.1:
            text = text[: dice.randrange(len(text) + 1)]
        events.append(text)
    return events


def test_malformed_events(start: Starter) -> None:
    one = start(upstream={"timeout": 2})
    for event in malformed_events():
        reply = one.invoke(event)
        text = reply.payload
        assert b"Traceback" not in text
        if isinstance(reply, FunctionError):
            assert reply.message
        else:
            assert isinstance(json.loads(text)["statusCode"], int)
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200
    assert not [line for line in one.lines.all if "trace" in line]

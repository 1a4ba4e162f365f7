"""A deployed app whose traffic is known, and what CloudWatch says of it; and its warmer, which its schedule invokes."""

import json
import time

import boto3
import pytest

from tests.aws.moto_server import set_alone
from tests.build.conftest import UP, write_files
from tests.local.sandbox.figures import Figures
from tests.sandbox import Running, fetch

APP = """\
import time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(0.3)
    if path == "/memory":
        much = bytearray(400_000_000)
        time.sleep(60)
    status = {"/missing": "404 Not Found", "/broken": "500 Internal Server Error"}.get(path, "200 OK")
    start_response(status, [("Content-Type", "text/plain")])
    return [b"hello"]
"""
SENT = ["/"] * 7 + ["/missing"] * 3 + ["/broken"] * 2 + ["/slow", "/memory"]
MORE = "logs: {metrics: true}\nwarm: {count: 1, rate: 1m}\nlambda: {memory: 256}\n"
LIVE = {"FunctionName": "counted-staging", "Resource": "counted-staging:live"}
SPEED = 20  # so that the warmer is due every three seconds


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Deploy an app that is kept warm, send what is sent, and return what runs commands about it."""
    running = Running(speed=SPEED)
    try:
        up = UP.replace("shop", "counted") + MORE
        project = write_files(tmp_path_factory.mktemp("counted"), {"app.py": APP, "up.yml": up})
        url = running.run("deploy", folder=project).stdout.strip().rstrip("/")
        statuses = [fetch(url + path)[0] for path in SENT]
        assert statuses == [200] * 7 + [404] * 3 + [500] * 2 + [200, 502]
        until = time.monotonic() + 30
        while not any("Error Type: Runtime.OutOfMemory" in line for _, line in running.lines):  # the last thing told
            assert time.monotonic() < until
            time.sleep(0.01)
        running.project = project
        yield running
    finally:
        running.close()


@pytest.fixture
def figures(shop, monkeypatch):
    set_alone(monkeypatch, {**shop.environment, "AWS_EC2_METADATA_DISABLED": "true"})
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return Figures()


def test_cloudwatch_has_what_was_sent(shop, figures):
    figures.wait((len(SENT), 3, 3), "UrlRequestCount", "Url4xxCount", "Url5xxCount", **LIVE)
    assert figures("UrlRequestLatency", statistic="p100", **LIVE) >= (300,)
    # What runs out of memory tells nobody of it: the function's own figures do not have it, those of AWS do.
    own = (len(SENT) - 1, 3, 2)
    figures.wait(own, "Requests", "4xx", "5xx", namespace="upproxy", App="counted", Stage="staging")
    figures.wait((1,), "Errors", **LIVE)
    assert figures("Invocations", **LIVE) == (len(SENT),)  # the health gate and the warmer are not traffic
    assert figures("IncomingBytes", namespace="AWS/Logs", LogGroupName="/aws/lambda/counted-staging") > (1_000,)


def test_the_command_shows_what_was_sent(shop, figures):
    """Which asks CloudWatch, and Logs Insights for what reports alone have."""
    figures.wait((len(SENT),), "UrlRequestCount", **LIVE)
    [region] = json.loads(shop.run("metrics", "-S", "1h", "--json", folder=shop.project).stdout)["regions"]
    now = {name: figure["now"] for name, figure in region["figures"].items()}
    sent = {"requests": len(SENT), "http_4xx": 3, "http_5xx": 3, "invocations": len(SENT), "errors": 1, "throttles": 0}
    assert sent.items() <= now.items()
    assert now["memory_used_max_bytes"] == 256 * 1_048_576
    assert now["all_cold_starts"] >= 1
    assert now["init_ms"] > 0
    assert now["billed_ms"] > 300


def test_what_lambda_says_is_in_the_log(shop):
    lines = [json.loads(line) for line in shop.run("logs", "--json", folder=shop.project).stdout.splitlines()]
    words = [line["message"] for line in lines if str(line.get("type", "")).startswith("platform.")]
    assert any(word.startswith("cold start took ") for word in words)
    assert "out of memory: signal: killed" in words
    assert any(word.startswith("out of memory, invocation took ") for word in words)


def test_the_schedule_invokes_the_warmer_and_its_lines_are_metrics(shop, figures):
    warmed = {"namespace": "upproxy", "Function": "counted-staging"}
    until = time.monotonic() + 60
    while figures("WarmDistinct", **warmed) < (2,):  # one in each tick
        assert time.monotonic() < until
        time.sleep(0.05)
    [region] = json.loads(shop.run("warm", "status", "--json", folder=shop.project).stdout)["regions"]
    assert region["schedules"][0]["enabled"]
    assert region["ticks"][-1]["WarmDistinct"] == 1
    assert figures("Invocations", FunctionName="upproxy-counted-staging-warmer") >= (2,)

"""A deployed app whose traffic is known, and what CloudWatch says of it; and its warmer, which its schedule invokes."""

import json
import sys
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
SPEED = 20  # so that the warmer is due every three seconds


async def any_python(_version):
    """Run the warmer on this interpreter: that of its runtime need not be on this machine."""
    return sys.executable


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Deploy an app that is kept warm, send what is sent, and return what runs commands about it."""
    running = Running(python=any_python, speed=SPEED)
    try:
        up = UP.replace("shop", "counted") + MORE
        project = write_files(tmp_path_factory.mktemp("counted"), {"app.py": APP, "up.yml": up})
        url = running.run("deploy", folder=project).stdout.strip().rstrip("/")
        statuses = [fetch(url + path)[0] for path in SENT]
        assert statuses == [200] * 7 + [404] * 3 + [500] * 2 + [200, 502]
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
    live = {"FunctionName": "counted-staging", "Resource": "counted-staging:live"}
    figures.wait((len(SENT), 3, 3), "UrlRequestCount", "Url4xxCount", "Url5xxCount", **live)
    assert figures("UrlRequestLatency", statistic="p100", **live) >= (300,)
    # What runs out of memory tells nobody of it: the function's own figures do not have it, those of AWS do.
    own = (len(SENT) - 1, 3, 2)
    figures.wait(own, "Requests", "4xx", "5xx", namespace="upproxy", App="counted", Stage="staging")
    figures.wait((1,), "Errors", **live)
    assert figures("Invocations", **live) >= (len(SENT),)
    assert figures("IncomingBytes", namespace="AWS/Logs", LogGroupName="/aws/lambda/counted-staging") > (1_000,)


def test_reports_are_found_by_logs_insights(shop, figures):
    live = {"FunctionName": "counted-staging", "Resource": "counted-staging:live"}
    figures.wait((len(SENT),), "UrlRequestCount", **live)
    query = """filter @type = "REPORT"
| stats count(*), count(@initDuration), sum(@initDuration), sum(@billedDuration), max(@maxMemoryUsed) by bin(1m)"""
    logs, now = boto3.client("logs"), int(time.time())
    identifier = logs.start_query(
        logGroupName="/aws/lambda/counted-staging", startTime=now - 600, endTime=now, queryString=query, limit=10_000
    )["queryId"]
    while (answer := logs.get_query_results(queryId=identifier))["status"] != "Complete":
        time.sleep(0.01)
    rows = [{one["field"]: one["value"] for one in row} for row in answer["results"]]
    assert sum(int(row["count(*)"]) for row in rows) >= len(SENT)
    assert sum(int(row["count(@initDuration)"]) for row in rows) >= 1
    assert all(float(row["max(@maxMemoryUsed)"]) > 1e6 and row["bin(1m)"].endswith(":00.000") for row in rows)


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

"""`upproxy logs` with CloudWatch Logs as moto plays it: in this process, and followed by a process of its own."""

import json
import signal
import time

import boto3
import pytest

from tests.aws.moto_server import REGION
from tests.cli.lambda_api import LambdaApi
from tests.cli.program import Program
from upproxy.local import report

GROUP = "/aws/lambda/shop-staging"


def write(client, *messages, ago=0.0, group=GROUP):
    """Write lines, so many seconds ago."""
    at = int((time.time() - ago) * 1000)
    events = [{"timestamp": at + number, "message": message} for number, message in enumerate(messages)]
    client.put_log_events(logGroupName=group, logStreamName="a", logEvents=events)


def make(client, group=GROUP):
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="a")


@pytest.fixture
def client(aws):
    client = boto3.client("logs", region_name=REGION)
    make(client)
    return client


def entry(**fields):
    return json.dumps({"timestamp": "2026-01-31T08:15:00.123456Z", "level": "info", "message": "hello", **fields})


def test_lines_as_people_read_them(run, client):
    write(
        client, report.start("a", "7"), entry(status=404, tenant="x"), "plain \x1b]0;title\x07", report.end("a"),
        report.report("a", duration_ms=1.5, memory_mb=512, used_mb=80, init_ms=584.5),
        report.report("b", duration_ms=1.5, memory_mb=512, used_mb=80),
    )  # fmt: skip
    done = run("logs")
    hello, plain, cold = done.out.splitlines()
    assert (done.status, done.err) == (0, "")
    assert "hello" in hello
    assert "status=404 tenant=x" in hello
    assert "2026-01-31" in hello
    assert "plain \\x1b]0;title\\x07" in plain
    assert "cold start took 584.5 ms" in cold
    assert "80 of 512 MB used request_id=a" in cold
    everything = run("logs", "-v").out.splitlines()
    assert len(everything) == 6
    assert "invocation started request_id=a" in everything[0]


def test_lines_as_json(run, client):
    write(client, entry(status=404, text="ü\ud800"), "plain", report.start("a", "7"))
    first, second = map(json.loads, run("logs", "--json").out.splitlines())
    assert first == json.loads(entry(status=404, text="ü\ud800"))
    assert (second["level"], second["message"]) == ("info", "plain")
    assert second["timestamp"].endswith("Z")


def test_text_that_no_terminal_can_show(run, client):
    write(client, entry(message="\ud800"))
    assert "\\ud800" in run("logs").out


def test_since(run, client):
    write(client, "old", ago=7200)
    write(client, "new", ago=1800)
    assert [line.split()[-1] for line in run("logs").out.splitlines()] == ["old", "new"]
    assert [line.split()[-1] for line in run("logs", "-S", "1h30m").out.splitlines()] == ["new"]
    done = run("logs", "--since", "5m")
    assert (done.status, done.out) == (0, "")
    assert done.err == "shop-staging has written nothing in that time; -S goes further back\n"
    done = run("logs", "-S", "yesterday")
    assert done.status == 2
    assert "'yesterday' is not a duration such as 90s, 1h30m or 2d" in done.err


def test_many_pages(run, client):
    for portion in range(3):
        write(client, *(f"line-{portion * 5000 + number}" for number in range(5000)), ago=60 - portion * 10)
    lines = [line.split()[-1] for line in run("logs").out.splitlines()]
    assert lines == [f"line-{number}" for number in range(15_000)]


def test_stages_and_regions(run, aws):
    client = boto3.client("logs", region_name="us-east-1")
    make(client, "/aws/lambda/shop-production")
    write(client, "there", group="/aws/lambda/shop-production")
    assert "there" in run("logs", "-s", "production", "--region", "us-east-1").out


def test_not_deployed(run):
    done = run("logs", "--json")
    assert done.status == 1
    assert json.loads(done.err) == {
        "code": "not_deployed",
        "message": "shop is not deployed to staging in eu-central-1",
        "hint": "`upproxy deploy staging` does that.",
    }


@pytest.mark.parametrize("words", [(), ("-f",)])
@pytest.mark.parametrize("code", ["ExpiredTokenException", "AccessDeniedException"])
def test_refusals_of_aws(run, monkeypatch, words, code):
    api = LambdaApi(lambda _: ({}, b""))
    api.refusal = 400, code
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", api.url)
    try:
        assert run("logs", *words).status == 3
    finally:
        api.close()


@pytest.fixture
def following(project, server):
    started = []

    def start(*words):
        started.append(Program("logs", "-f", "-C", str(project), *words, environment=server.environment))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_following_from_before_the_group_is_there_to_ctrl_c(following, server):
    one = following()
    assert one.err.get(timeout=60) == f"waiting for {GROUP}, which is not there yet\n"
    client = server.client("logs")
    make(client)
    for number in range(2):
        write(client, report.start("a", "7"), f"line-{number}")
        assert one.out.get(timeout=60).split()[-1] == f"line-{number}"
    write(client, "late", ago=20)
    assert one.out.get(timeout=60).split()[-1] == "late"
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(60) == 130
    assert one.out.get(timeout=60) is None
    assert one.err.get(timeout=60) is None


def test_following_as_json(following, server):
    client = server.client("logs")
    make(client)
    write(client, entry(status=200))
    one = following("--json", "-S", "1h")
    assert json.loads(one.out.get(timeout=60))["status"] == 200

"""`upproxy logs` with CloudWatch Logs as moto plays it: in this process, and followed by a process of its own."""

import json
import os
import re
import signal
import sys
import threading
import time

import boto3
import pytest

from tests.aws.moto_server import REGION, without_aws
from tests.cli.lambda_api import LambdaApi
from tests.cli.program import Program
from tests.cli.terminal import in_terminal
from upproxy.aws.errors import AccessDenied, QuotaExceeded
from upproxy.aws.log_events import LogEvents
from upproxy.local import report
from upproxy.observe.logs.live import LiveTail

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
        write(client, *(f"line-{portion * 3500 + number}" for number in range(3500)), ago=60 - portion * 10)
    lines = [line.split()[-1] for line in run("logs").out.splitlines()]
    assert lines == [f"line-{number}" for number in range(10_500)]


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
    write(client, report.start("a", "7"), "first")
    assert one.out.get(timeout=60).split()[-1] == "first"
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(60) == 130
    assert one.out.get(timeout=60) is None
    assert one.err.get(timeout=60) is None


@pytest.fixture
def followed(run, monkeypatch):
    """Run `logs -f` in this process: between looks it does one step after the other, then there is a Ctrl-C."""

    def unheard(*_):
        raise QuotaExceeded("no session is free")
        yield

    def follow(*words, steps=()):
        left = iter(steps)

        def pause(_tailed, _seconds):
            step = next(left, None)
            if step is None:
                raise KeyboardInterrupt
            step()

        monkeypatch.setattr(LiveTail, "pause", pause)
        monkeypatch.setattr(LogEvents, "live", unheard)
        done = run("logs", "-f", *words)
        assert done.status == 130
        return done.out.splitlines()

    return follow


def test_following_as_json(followed, client):
    write(client, entry(status=200))
    assert [json.loads(line)["status"] for line in followed("--json", "-S", "1h")] == [200]


QUERIED = [
    entry(level="error", message="no money", request_id="a"),
    entry(level="warn", message="little money", request_id="a"),
    entry(message="request", method="GET", path="/", status=200, duration=1_512.5, size=2_048, request_id="b"),
    "2026-01-31T08:15:00.123Z c Task timed out after 3.00 seconds",
    report.start("d", "7"),
]


def messages(done):
    assert done.status == 0, done.err
    return [json.loads(line)["message"] for line in done.out.splitlines()]


def test_what_a_query_keeps(run, client):
    write(client, *QUERIED)
    assert messages(run("logs", "--json", "error")) == ["no money", "timed out after 3 s"]
    assert messages(run("logs", "--json", "warn or duration > 1.5s")) == ["little money", "request"]
    assert messages(run("logs", "--json", "not level = *")) == []
    assert messages(run("logs", "--json", "type = platform.start")) == ["invocation started"]
    assert messages(run("logs", "--json", "info")) == ["request"]
    done = run("logs", "fatal")
    assert (done.status, done.out) == (0, "")
    assert done.err == "shop-staging has written no line that the query keeps in that time; -S goes further back\n"


def test_what_two_patterns_match_is_shown_once(run, client):
    for portion in range(2):
        lines = [entry(level="error", message=f"Task timed out {portion * 5000 + number}") for number in range(5000)]
        write(client, *lines, ago=60 - portion * 10)
    assert messages(run("logs", "--json", "error")) == [f"Task timed out {number}" for number in range(10_000)]


def test_measures_in_units_and_one_field_a_line(run, client):
    write(client, *QUERIED[2:4])
    line = run("logs", "duration > 1s").out
    assert "GET / 200 in 1.51s" in line
    assert "size=2kb" in line
    assert run("logs", "duration > 2s").out == ""
    head, *fields = run("logs", "-e", "duration > 1s").out.splitlines()
    assert head.split()[-1] == "request"
    assert [field.split() for field in fields] == [
        ["method", "GET"], ["path", "/"], ["status", "200"], ["duration", "1.51s"], ["size", "2kb"],
        ["request_id", "b"],
    ]  # fmt: skip
    assert "  timeout     3s\n" in run("logs", "-e", "type = platform.timeout").out


def test_no_field_steers_a_terminal(run, client):
    write(client, entry(**{"a\x1b[2Jb": "c\x1b]0;title\x07", "d": ["\x1b[2J"]}, exception="one\n\x1b[2Jtwo"))
    for words in ((), ("-e",)):
        assert "\x1b" not in run("logs", *words).out


def test_levels_have_colours_on_a_terminal(project, server):
    client = server.client("logs")
    make(client)
    write(client, entry(level="ERROR", message="bad"), entry(level="warn", message="odd"), entry(message="fine"))
    environment = {**without_aws(dict(os.environ)), **server.environment}
    words = [sys.executable, "-m", "upproxy", "logs", "-C", str(project)]
    status, screen = in_terminal(words, project, environment)
    colours = [re.findall(rb"\x1b\[(3\d)m(?:\x1b\[1m)?(?:error|warning|info) ", line) for line in screen.splitlines()]
    assert status == 0
    assert colours == [[b"31"], [b"33"], [b"32"]], screen
    assert b"\x1b" not in in_terminal([*words, "--no-color"], project, environment)[1]


def test_a_traceback_is_one_paragraph(run, client):
    whole = ["Traceback (most recent call last):", '  File "app.py", line 3', "ValueError: 5"]
    write(client, *(entry(level="error", message=message, request_id="a") for message in whole))
    write(client, "several\nlines of one event", ago=5)
    several, below, head, *more = run("logs").out.splitlines()
    assert several.endswith("several")
    assert below == "lines of one event"
    assert "Traceback (most recent call last):" in head
    assert more == whole[1:]
    assert len(run("logs", "--json").out.splitlines()) == 4


def test_stages_that_a_query_names_and_all_regions(run, client, project):
    (project / "up.yml").write_text("name: shop\nregions: [eu-central-1, us-east-1]\nstages: {beta: {}}\n")
    for number, (region, stage) in enumerate(
        [("eu-central-1", "production"), ("us-east-1", "production"), ("eu-central-1", "beta"), ("us-east-1", "beta")]
    ):
        other = boto3.client("logs", region_name=region)
        make(other, f"/aws/lambda/shop-{stage}")
        for again in range(2):
            message = entry(level="error", message=f"{again}{number}")
            write(other, message, ago=60 - 10 * again - number, group=f"/aws/lambda/shop-{stage}")
    assert messages(run("logs", "--json", "production error")) == ["00", "01", "10", "11"]
    done = run("logs", "--json", "(production or beta) error")
    assert messages(done) == ["00", "01", "02", "03", "10", "11", "12", "13"]
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [(line["stage"], line["region"]) for line in lines[1:3]] == [
        ("production", "us-east-1"), ("beta", "eu-central-1"),
    ]  # fmt: skip
    assert "stage=beta region=us-east-1" in run("logs", "beta or production").out
    assert messages(run("logs", "--json", "beta", "--region", "us-east-1")) == ["03", "13"]
    assert messages(run("logs", "--json", "-s", "beta", 'region = "eu-*"')) == ["02", "12"]
    done = run("logs", "not beta")
    assert len(done.out.splitlines()) == 4
    assert done.err == "shop is not deployed to staging in us-east-1\n"


def test_explaining_asks_nothing(run, project, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:1")
    done = run("logs", "--explain", "production error duration > 1.5s")
    assert (done.status, done.err) == (0, "")
    asked = '{ ($.level = "error" || $.level = "ERROR" || $.level = "Error") && $.duration > 1500 }'
    assert f"CloudWatch is asked for: {asked}\n" in done.out
    (group,) = json.loads(run("logs", "--explain", "--json", "error duration > 1.5s").out)["groups"]
    assert group == {"stage": "staging", "region": "eu-central-1", "patterns": [asked], "local": []}
    text = run("logs", "--explain", "production or staging error").out
    assert text.startswith("staging in eu-central-1:\nThe query means: ")
    assert "\nproduction in eu-central-1:\nThe query means: " in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["duration >"], "error: the query cannot be read at column 11: a value is missing after `>`\n"),
        (["prodution error"], "Did you mean production?"),
        (["-s", "prodution"], "Did you mean production?"),
        (["-s", "staging", "production error"], "error: the query keeps no line of the stage staging\n"),
        (["development error"], "error: the query keeps no line of a stage that is on AWS\n"),
        (["error", "fatal"], "unexpected extra argument"),
    ],
)
def test_what_cannot_be_understood(run, words, said):
    for more in ((), ("-f",), ("--explain",)):
        done = run("logs", *words, *more)
        assert (done.status, done.out) == (2, "")
        assert said in done.err


def test_following_keeps_a_traceback_together(followed, client):
    whole = ["Traceback (most recent call last):", '  File "app.py", line 3', "ValueError: 5"]
    write(client, *(entry(level="error", message=message) for message in whole), entry(message="done"))
    head, *more = followed('error or "done"')
    assert head.rstrip().endswith(whole[0])
    assert [line.rstrip() for line in more[:2]] == whole[1:]


def test_following_a_query(followed, client):
    def wrote(number):
        write(client, entry(message="fine"), entry(level="error", message=f"bad-{number}"), entry(status=500))

    steps = [lambda number=number: wrote(number) for number in range(3)]
    lines = map(json.loads, followed("--json", "error or status = 500", steps=steps))
    assert [(line["message"], line.get("status")) for line in lines] == [
        said for number in range(3) for said in ((f"bad-{number}", None), ("hello", 500))
    ]


def test_why_there_is_no_live_tail_is_said_with_v(run, client, monkeypatch):
    def live(*_):
        raise AccessDenied("logs StartLiveTail: no", action="logs:StartLiveTail", resource="*")
        yield

    def pause(_tailed, _seconds):
        for thread in [one for one in threading.enumerate() if one.name == "live-tail"]:
            thread.join(30)
        raise KeyboardInterrupt

    monkeypatch.setattr(LogEvents, "live", live)
    monkeypatch.setattr(LiveTail, "pause", pause)
    assert "logs StartLiveTail: no; looking every 2 s instead\n" in run("logs", "-f", "-v").err
    assert "StartLiveTail" not in run("logs", "-f").err

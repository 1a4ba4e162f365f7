"""`upproxy warm` with instances behind Lambda's API, and a warmer's stack and log as moto plays them."""

import itertools
import json
import threading
import time

import boto3
import pytest

from tests.aws.moto_server import REGION
from tests.cli.lambda_api import LambdaApi
from upproxy.cli import warm
from upproxy.config.warm import MOST
from upproxy.warmer.warmer import Target, Tick

WARM = "warm: {count: 3, rate: 10m, window: Mon-Fri 08:00-20:00 Europe/London}\n"


@pytest.fixture(autouse=True)
def warmed(project):
    (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\n{WARM}")


@pytest.fixture
def instances(aws, monkeypatch):
    """A function whose messages come together by threes, each to an instance of its own; the first one is cold."""
    together = threading.Barrier(3)
    numbers = itertools.count()

    def invoke(payload):
        assert set(json.loads(payload)["upproxy"]["warm"]) == {"hold_ms"}
        together.wait(30)
        number = next(numbers)
        return {}, json.dumps({"instance": f"i-{number % 3}", "cold": number == 0}).encode()

    api = LambdaApi(invoke)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", api.url)
    yield api
    together.abort()
    api.close()


def test_instances_are_warmed_now(run, instances):
    done = run("warm", "now")
    assert (done.status, done.out) == (0, "eu-central-1: 3 instances answered of 3, 1 of them cold\n")
    document = json.loads(run("warm", "now", "--count", "3", "--json").out)
    [region] = document["regions"]
    assert (region["region"], region["distinct"], region["cold"]) == (REGION, 3, 0)


def test_half_of_what_is_free_is_left_to_requests(run, instances):
    instances.invoke = lambda _: ({}, b'{"instance": "i-1", "cold": false}')
    done = run("warm", "now", "--count", "30")
    assert done.status == 0
    assert "1 instance answered of 30" in done.out
    assert "20 of the concurrency are free, half of which is left to requests" in done.err


def test_nothing_answers(run, instances):
    instances.invoke = lambda _: ({"X-Amz-Function-Error": "Unhandled"}, b'{"errorMessage": "boom"}')
    done = run("warm", "now")
    assert (done.status, done.out) == (
        1, "eu-central-1: 0 instances answered of 3, 0 of them cold; 6 messages failed\n",
    )  # fmt: skip
    assert "boom" in done.err


def test_how_many(run, project, instances):
    (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\n")
    done = run("warm", "now")
    assert done.status == 2
    assert "Give --count" in done.err
    assert run("warm", "now", "--count", "3").status == 0
    assert run("warm", "now", "--count", str(MOST + 1)).status == 2
    assert warm.MOST == MOST


def test_not_deployed(run, instances):
    instances.deployed = False
    done = run("warm", "now", "--json")
    assert (done.status, json.loads(done.err)["code"]) == (1, "not_deployed")


def test_refused(run, instances):
    instances.refusal = 403, "ExpiredTokenException"
    assert run("warm", "now").status == 3


# --- status -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def warmer(aws, monkeypatch):
    """The warmer's schedule, and a stack that says that it made it: moto's CloudFormation knows no schedules."""
    from upproxy.aws.stacks import Stacks

    listed = Stacks.resources

    def resources(self, name):
        made = {"ResourceType": "AWS::Scheduler::Schedule", "PhysicalResourceId": "upproxy-shop-staging-warm-1"}
        return [*listed(self, name), made]

    monkeypatch.setattr(Stacks, "resources", resources)
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    boto3.client("cloudformation", region_name=REGION).create_stack(
        StackName="upproxy-shop-staging", TemplateBody=json.dumps(template)
    )
    boto3.client("scheduler", region_name=REGION).create_schedule(
        Name="upproxy-shop-staging-warm-1", ScheduleExpression="cron(0/10 8-19 ? * MON-FRI *)",
        ScheduleExpressionTimezone="Europe/London", FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": f"arn:aws:lambda:{REGION}:123456789012:function:upproxy-shop-staging-warmer",
            "RoleArn": "arn:aws:iam::123456789012:role/x",
        },
    )  # fmt: skip


def ticks(count):
    client = boto3.client("logs", region_name=REGION)
    group = "/aws/lambda/upproxy-shop-staging-warmer"
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="a")
    at = int(time.time() * 1000) - count
    target = Target("shop-staging", "live", 3)
    lines = [json.dumps(Tick(target, asked=3, distinct=3, cold=number).line()) for number in range(count)]
    events = [{"timestamp": at + number, "message": line} for number, line in enumerate([*lines, "REPORT no tick"])]
    client.put_log_events(logGroupName=group, logStreamName="a", logEvents=events)


def test_status(run, warmer):
    ticks(7)
    done = run("warm", "status")
    wanted, schedule, header, *rows = done.out.splitlines()
    assert (done.status, done.err) == (0, "")
    assert wanted == "eu-central-1: 3 instances every 10 minutes, Mon-Fri 08:00-20:00 Europe/London"
    assert schedule == "eu-central-1: cron(0/10 8-19 ? * MON-FRI *) Europe/London"
    assert header.split() == ["TIME", "COUNT", "ASKED", "ANSWERED", "COLD", "FAILED", "REASON"]
    assert [row.split()[1:] for row in rows] == [["3", "3", "3", str(cold), "0"] for cold in range(2, 7)]


def test_status_as_json(run, warmer):
    ticks(1)
    document = json.loads(run("warm", "--json").out)
    [region] = document["regions"]
    [tick] = region.pop("ticks")
    assert (tick["WarmCold"], tick["count"], "_aws" in tick) == (0, 3, False)
    assert region == {
        "region": REGION,
        "schedules": [
            {"expression": "cron(0/10 8-19 ? * MON-FRI *)", "zone": "Europe/London", "enabled": True},
        ],
    }
    assert document["configured"] == {"count": 3, "rate": 600, "window": "Mon-Fri 08:00-20:00 Europe/London"}


def test_a_warmer_that_has_not_run_yet(run, warmer):
    done = run("warm")
    assert (done.status, done.err) == (0, "the warmer has written nothing of its ticks in the last three days\n")


def test_no_warmer(run, project):
    done = run("warm", "status")
    assert done.status == 0
    assert done.err == "warning: there is no schedule in eu-central-1: `upproxy deploy staging` makes it\n"
    (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\n")
    done = run("warm", "status")
    assert (done.status, done.out) == (0, "")
    assert done.err.startswith("nothing of staging is kept warm")


def test_a_warmer_that_up_yml_no_longer_wants(run, project, warmer):
    (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\n")
    assert "`upproxy deploy staging` takes the schedule away" in run("warm", "status").err

"""Schedules of EventBridge Scheduler invoke their functions."""

import json
import time

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local.sandbox.conftest import TRUST
from tests.sandbox import aws, sandbox  # noqa: F401  # fixtures

TOLD = """
import json
def handler(event, context):
    print("told", json.dumps(event), context.invoked_function_arn)
"""


@pytest.fixture
def schedules(aws):  # noqa: F811
    return boto3.client("scheduler")


@pytest.fixture
def target(upload):
    arn = upload("told", TOLD)
    iam = boto3.client("iam")
    trust = json.loads(json.dumps(TRUST).replace("lambda", "scheduler"))
    made = iam.create_role(RoleName="schedules", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    yield {"Arn": arn, "RoleArn": made["Arn"]}
    iam.delete_role(RoleName="schedules")


def told(lines, count=1):
    """Wait for what the function has been told."""
    while len(found := [line for _, line in lines if line.startswith("told ")]) < count:
        time.sleep(0.01)
    return [json.loads(line.split(" ", 1)[1].rsplit(" ", 1)[0]) for line in found]


def create(schedules, name, expression, target, **more):
    schedules.create_schedule(
        Name=name, ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"}, Target=target, **more
    )


def test_a_rate_fires_at_once_with_the_event_of_aws(schedules, target, sandbox):  # noqa: F811
    sandbox.lines.clear()
    create(schedules, "rated", "rate(1 day)", target)
    [event] = told(sandbox.lines)
    assert event["source"] == "aws.scheduler"
    assert event["resources"] == [schedules.get_schedule(Name="rated")["Arn"]]
    schedules.delete_schedule(Name="rated")


def test_a_single_moment_fires_with_its_input(schedules, target, sandbox):  # noqa: F811
    sandbox.lines.clear()
    soon = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(time.time() + 1))
    text = '{"at": "<aws.scheduler.scheduled-time>", "of": "<aws.scheduler.schedule-arn>"}'
    create(schedules, "once", soon, {**target, "Input": text})
    [event] = told(sandbox.lines)
    assert event["at"].startswith(soon[3:-1])
    assert event["of"].endswith("/once")
    schedules.delete_schedule(Name="once")


def test_a_disabled_schedule_fires_when_it_is_enabled(schedules, target, sandbox):  # noqa: F811
    sandbox.lines.clear()
    given = {"FlexibleTimeWindow": {"Mode": "OFF"}, "ScheduleExpression": "rate(1 day)"}
    create(schedules, "off", "rate(1 day)", {**target, "Input": '{"n": 1}'}, State="DISABLED")
    create(schedules, "on", "rate(1 day)", {**target, "Input": '{"n": 2}'})
    assert told(sandbox.lines) == [{"n": 2}]
    schedules.update_schedule(Name="off", State="ENABLED", Target={**target, "Input": '{"n": 3}'}, **given)
    assert told(sandbox.lines, 2) == [{"n": 2}, {"n": 3}]
    for name in ("off", "on"):
        schedules.delete_schedule(Name=name)


@pytest.mark.parametrize("expression", ["rate(5 seconds)", "cron(0 0 * * * *)"])
def test_wrong_expressions_are_refused(schedules, target, expression):
    with pytest.raises(ClientError, match="ValidationException"):
        create(schedules, "wrong", expression, target)


def test_a_role_that_the_scheduler_may_not_assume_is_refused(schedules, target, role):
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
        create(schedules, "role", "rate(1 day)", {**target, "RoleArn": role})

"""Topics invoke the functions that have subscribed, and alarms tell their topics."""

import json
import time

import boto3
import pytest

from tests.sandbox import aws, sandbox  # noqa: F401  # fixtures

TOLD = """
import json
def handler(event, context):
    print("told", json.dumps(event))
"""
METRIC = {
    "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum", "Period": 300, "EvaluationPeriods": 1,
    "ComparisonOperator": "GreaterThanThreshold", "Threshold": 2.0, "AlarmDescription": "lost",
    "Dimensions": [{"Name": "FunctionName", "Value": "shop"}],
}  # fmt: skip


@pytest.fixture
def sns(aws):  # noqa: F811
    aws.lines.clear()
    return boto3.client("sns")


@pytest.fixture
def alarms(aws):  # noqa: F811
    return boto3.client("cloudwatch")


@pytest.fixture
def topic(sns):
    arn = sns.create_topic(Name="team")["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


@pytest.fixture
def function(upload, topic):
    """A function that the topic may invoke."""
    arn = upload("told", TOLD)
    allow(topic)
    return arn


def allow(topic):
    boto3.client("lambda").add_permission(
        FunctionName="told", StatementId="topic", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com",
        SourceArn=topic,
    )  # fmt: skip


def told(lines, count=1):
    """Wait for what the function has been told."""
    while len(found := [line for _, line in list(lines) if line.startswith("told ")]) < count:
        time.sleep(0.01)
    return [json.loads(line.split(" ", 1)[1])["Records"][0] for line in found]


def test_what_is_published_comes_with_the_event_of_aws(sns, topic, function, aws):  # noqa: F811
    arn = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)["SubscriptionArn"]
    sent = sns.publish(TopicArn=topic, Subject="hello", Message="world")
    [record] = told(aws.lines)
    assert record["EventSource"] == "aws:sns"
    assert record["EventSubscriptionArn"].startswith(f"{topic}:")
    message = record["Sns"]
    assert (message["TopicArn"], message["Subject"], message["Message"]) == (topic, "hello", "world")
    assert sent["MessageId"]
    sns.unsubscribe(SubscriptionArn=arn)
    sns.publish(TopicArn=topic, Message="nobody is there")
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    sns.publish(TopicArn=topic, Message="again")
    assert [one["Sns"]["Message"] for one in told(aws.lines, 2)] == ["world", "again"]


def test_a_topic_that_may_not_invokes_nothing(sns, topic, upload, aws):  # noqa: F811
    function = upload("told", TOLD)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    sns.publish(TopicArn=topic, Message="first")
    allow(topic)
    sns.publish(TopicArn=topic, Message="second")
    assert [one["Sns"]["Message"] for one in told(aws.lines)] == ["second"]


def test_a_filter_of_the_message(sns, topic, function, aws):  # noqa: F811
    policy = {"$or": [{"NewStateValue": ["ALARM"]}, {"OldStateValue": ["ALARM"]}]}
    attributes = {"FilterPolicy": json.dumps(policy), "FilterPolicyScope": "MessageBody"}
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function, Attributes=attributes)
    ways = [("OK", "INSUFFICIENT_DATA"), ("ALARM", "INSUFFICIENT_DATA"), ("ALARM", "OK"), ("OK", "ALARM")]
    for new, old in ways:
        sns.publish(TopicArn=topic, Message=json.dumps({"NewStateValue": new, "OldStateValue": old}))
    messages = [json.loads(one["Sns"]["Message"]) for one in told(aws.lines, 3)]
    assert sorted((one["NewStateValue"], one["OldStateValue"]) for one in messages) == sorted(ways[1:])


def test_an_alarm_that_is_set_tells_its_topics_and_is_over_by_itself(sns, alarms, topic, function, aws):  # noqa: F811
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    alarms.put_metric_alarm(AlarmName="lost", AlarmActions=[topic], OKActions=[topic], **METRIC)
    alarms.set_alarm_state(AlarmName="lost", StateValue="ALARM", StateReason="to see who is told")
    first, second = told(aws.lines, 2)
    messages = {json.loads(one["Sns"]["Message"])["NewStateValue"]: one["Sns"] for one in (first, second)}
    assert messages["ALARM"]["Subject"] == 'ALARM: "lost" in us-east-1'
    message = json.loads(messages["ALARM"]["Message"])
    assert (message["OldStateValue"], message["NewStateReason"]) == ("OK", "to see who is told")
    assert message["AlarmDescription"] == "lost"
    assert message["Trigger"]["Statistic"] == "SUM"
    assert message["Trigger"]["Dimensions"] == [{"value": "shop", "name": "FunctionName"}]
    assert json.loads(messages["OK"]["Message"])["OldStateValue"] == "ALARM"
    [alarm] = alarms.describe_alarms(AlarmNames=["lost"])["MetricAlarms"]
    assert alarm["StateValue"] == "OK"
    alarms.delete_alarms(AlarmNames=["lost"])


def test_alarms_that_are_silent(sns, alarms, topic, function, aws):  # noqa: F811
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    quiet = {"AlarmName": "quiet", "AlarmActions": [topic], **METRIC}
    alarms.put_metric_alarm(**quiet, ActionsEnabled=False)
    alarms.set_alarm_state(AlarmName="quiet", StateValue="ALARM", StateReason="first")
    alarms.put_metric_alarm(**quiet)
    alarms.set_alarm_state(AlarmName="quiet", StateValue="OK", StateReason="is OK already")
    alarms.set_alarm_state(AlarmName="quiet", StateValue="ALARM", StateReason="second")
    [record] = told(aws.lines)
    assert json.loads(record["Sns"]["Message"])["NewStateReason"] == "second"
    alarms.delete_alarms(AlarmNames=["quiet"])

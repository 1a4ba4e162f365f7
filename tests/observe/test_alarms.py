"""Which alarms are raised for a test, and who has not confirmed. The rest is in tests/cli/test_alerts.py."""

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber

from tests.aws.moto_server import REGION
from upproxy.aws.session import Session
from upproxy.aws.topics import Topics
from upproxy.cli.alerts import _Told, _whom
from upproxy.config.alerts import Action
from upproxy.observe.alarms import Alarm, Subscriber, can_be_tested, covering

TOPIC = f"arn:aws:sns:{REGION}:123456789012:upproxy-shop-production-team"


def alarm(name, *topics, state="OK", enabled=True):
    return Alarm(name, state, datetime(2026, 1, 2, tzinfo=UTC), "", "", enabled, topics)


@pytest.mark.parametrize(
    ("alarms", "names"),
    [
        ([alarm("a", "x"), alarm("b", "x", "y")], ["b"]),
        ([alarm("a", "x"), alarm("b", "y")], ["a", "b"]),
        ([alarm("a", "x", "y", state="ALARM"), alarm("b", "x"), alarm("c", "y", enabled=False)], ["b"]),
        ([alarm("a"), alarm("b", "z")], []),
        ([], []),
    ],
)
def test_as_few_as_tell_everybody(alarms, names):
    assert [one.name for one in covering(alarms, ["x", "y"])] == names
    assert all(can_be_tested(one) for one in covering(alarms, ["x", "y"]))


def test_who_has_not_confirmed(monkeypatch):
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
        monkeypatch.setenv(name, value)
    session = Session(region=REGION)
    sns = session.service("sns", REGION)
    listed = [
        {"Protocol": "email", "Endpoint": "a@shop.example", "SubscriptionArn": f"{TOPIC}:1"},
        {"Protocol": "email", "Endpoint": "b@shop.example", "SubscriptionArn": "PendingConfirmation"},
    ]
    with Stubber(sns.client) as stubbed:
        monkeypatch.setattr(session, "service", lambda *_: sns)
        stubbed.add_response("list_subscriptions_by_topic", {"Subscriptions": listed}, {"TopicArn": TOPIC})
        assert Topics(session, REGION).subscriptions(TOPIC) == listed
        stubbed.add_client_error("list_subscriptions_by_topic", "NotFound", "Topic does not exist", 404)
        assert Topics(session, REGION).subscriptions(TOPIC) == []


def test_whom_an_action_tells():
    people = [Subscriber("email", "a@shop.example", True), Subscriber("email", "b@shop.example", False)]
    addresses = ["a@shop.example", "b@shop.example", "c@shop.example"]  # the last one let its link grow old
    team = Action(name="team", type="email", emails=addresses)
    assert list(_whom(team, people, set())) == [_Told(one, one.startswith("a")) for one in addresses]
    chat = Action(name="chat", type="slack", url="${SLACK_URL}")
    assert list(_whom(chat, [], set())) == [_Told("${SLACK_URL}", False)]
    assert list(_whom(chat, [], {"SLACK_URL"})) == [_Told("${SLACK_URL}", True)]
    assert list(_whom(None, people[:1], set())) == [_Told("a@shop.example", True)]

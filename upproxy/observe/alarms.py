"""The alarms of a deployed stage: the states that they are in, and whom they tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from upproxy.aws.alarms import Alarms
from upproxy.aws.session import Session
from upproxy.aws.stacks import Stacks
from upproxy.aws.topics import PENDING, Topics

RAISED = "ALARM"


@dataclass(frozen=True)
class Alarm:
    """An alarm.

    `state` is OK, ALARM or INSUFFICIENT_DATA, `since` when it came to be so, `description` when it is raised, in words,
    and `topics` are the ARNs of what is told, unless it is not `enabled`.
    """

    name: str
    state: str
    since: datetime
    reason: str
    description: str
    enabled: bool
    topics: tuple[str, ...]


class Subscriber(NamedTuple):
    """Who has subscribed to a topic: by `email`, `sms` or `lambda`. Emails have to be confirmed."""

    protocol: str
    endpoint: str
    confirmed: bool


@dataclass(frozen=True)
class Seen:
    """The alarms of a region, by name, and the subscribers of all the topics that are told, by ARN."""

    alarms: tuple[Alarm, ...]
    topics: dict[str, tuple[Subscriber, ...]]


def seen(session: Session, region: str, stack: str) -> Seen:
    """Ask for the alarms that a stack has, and for those whom they tell. Raises AwsError."""
    kind = "AWS::CloudWatch::Alarm"
    resources = Stacks(session, region).resources(stack)
    names = [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == kind]
    alarms = tuple(
        Alarm(
            name=one["AlarmName"],
            state=one["StateValue"],
            since=one.get("StateTransitionedTimestamp", one["StateUpdatedTimestamp"]).astimezone(UTC),
            reason=one.get("StateReason", ""),
            description=one.get("AlarmDescription", ""),
            enabled=one.get("ActionsEnabled", True),
            topics=tuple(one.get("AlarmActions", ())),
        )
        for one in sorted(Alarms(session, region).find(names), key=lambda one: str(one["AlarmName"]))
    )
    topics = Topics(session, region)
    told = dict.fromkeys(topic for alarm in alarms for topic in alarm.topics)
    return Seen(
        alarms,
        {
            topic: tuple(
                Subscriber(one["Protocol"], one["Endpoint"], one["SubscriptionArn"] != PENDING)
                for one in topics.subscriptions(topic)
            )
            for topic in told
        },
    )


def covering(alarms: Iterable[Alarm], topics: Iterable[str]) -> list[Alarm]:
    """Return few of the alarms that together tell as many of the topics as can be told by a test.

    One that is raised already tells nobody by being raised again, and one that is not enabled never does.
    """
    usable = [alarm for alarm in alarms if can_be_tested(alarm)]
    left, chosen = set(topics), []
    while usable and (best := max(usable, key=lambda alarm: len(left.intersection(alarm.topics)))):
        if not left.intersection(best.topics):
            break
        chosen.append(best)
        left.difference_update(best.topics)
    return chosen


def can_be_tested(alarm: Alarm) -> bool:
    """Whether raising an alarm tells somebody."""
    return alarm.enabled and bool(alarm.topics) and alarm.state != RAISED


def ring(session: Session, region: str, alarms: Sequence[Alarm], reason: str) -> None:
    """Raise alarms for a moment; CloudWatch puts them back by itself. Raises AwsError."""
    service = Alarms(session, region)
    for alarm in alarms:
        service.set(alarm.name, RAISED, reason)

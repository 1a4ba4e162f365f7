"""Warming a deployed stage by hand, and what its warmer has done."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from upproxy.aws.errors import AccessDenied, NotFound
from upproxy.aws.functions import Functions
from upproxy.aws.log_events import LogEvents
from upproxy.aws.schedules import Schedules
from upproxy.aws.session import Session, translating
from upproxy.aws.stacks import Stacks
from upproxy.deploy import live
from upproxy.deploy.names import Names
from upproxy.warmer import warmer

LOOK_BACK = 3 * 86_400  # seconds, which go over a weekend
TICKS = 5  # that are shown
_PATTERN = '{ $.message = "warmed" }'


@dataclass(frozen=True)
class Schedule:
    """When the warmer is invoked: an expression of EventBridge Scheduler, its time zone, and whether it is enabled."""

    expression: str
    zone: str
    enabled: bool


@dataclass(frozen=True)
class Status:
    """The schedules that there are, and the last ticks, the latest one last, each as the warmer's log line has it."""

    schedules: tuple[Schedule, ...]
    ticks: tuple[Mapping[str, Any], ...]


def now(session: Session, region: str, names: Names, count: int, report: Callable[[str], None]) -> warmer.Tick:
    """Warm so many instances of the live version, as the warmer would. Raises NotDeployed, and AwsError."""
    version = live.configuration(Functions(session, region), names)["Version"]
    service = session.service(
        "lambda", region, read_timeout=warmer.ANSWER_TIMEOUT, attempts=1, max_pool_connections=count
    )
    aws = warmer.Lambda(service.client, session.service("cloudwatch", region).client)
    target = warmer.Target(names.function, version, count)
    try:
        with translating("lambda", "GetFunctionConcurrency"):
            free = aws.free(target)
    except AccessDenied as error:
        free = warmer.SMALLEST_LIMIT
        report(f"the free concurrency is not known, and taken for {free}: {error}")
    return warmer.warm(target, aws.invoke, free)


def status(session: Session, region: str, names: Names) -> Status:
    """Ask for the warmer's schedules, and for its log. Raises AwsError."""
    kind = "AWS::Scheduler::Schedule"
    made = [one for one in Stacks(session, region).resources(names.stack) if one["ResourceType"] == kind]
    schedules = Schedules(session, region)
    found = [schedule for one in made if (schedule := schedules.find(one["PhysicalResourceId"])) is not None]
    functions = {one["Target"]["Arn"].rpartition(":function:")[2] for one in found}
    ticks = [tick for name in functions for tick in _ticks(session, region, name)]
    return Status(
        tuple(
            Schedule(one["ScheduleExpression"], one.get("ScheduleExpressionTimezone", "UTC"), one["State"] == "ENABLED")
            for one in found
        ),
        tuple(ticks),
    )


def _ticks(session: Session, region: str, function: str) -> Iterator[Mapping[str, Any]]:
    """Go through the last lines that the warmer has written of its ticks."""
    start = int((time.time() - LOOK_BACK) * 1000)
    lines: deque[Mapping[str, Any]] = deque(maxlen=TICKS)
    try:
        for page in LogEvents(session, region).pages(f"/aws/lambda/{function}", start, _PATTERN):
            lines.extend(line for event in page.events if (line := _tick(event.message)) is not None)
    except NotFound:
        pass
    yield from lines


def _tick(text: str) -> Mapping[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and line.get("message") == "warmed" else None

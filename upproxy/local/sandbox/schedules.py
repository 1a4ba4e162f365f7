"""EventBridge Scheduler: schedules that moto keeps invoke their functions when they are due."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from upproxy.local.clock import Clock
from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.expressions import Cron, ExpressionError, Once, Rate, parse
from upproxy.local.sandbox.functions import Functions
from upproxy.local.sandbox.invocations import Invocations
from upproxy.local.sandbox.state import split_name

Backend = Callable[[str, str], Any]
"""Returns moto's state of a service in a region."""

_KEYWORD = "<aws.scheduler."


class Schedules:
    """Runs the schedules of all regions that somebody has called. Time passes as the clock says."""

    def __init__(
        self,
        backend: Backend,
        functions: Functions,
        invocations: Invocations,
        *,
        clock: Clock,
        log: Callable[..., None],
    ) -> None:
        self._backend = backend
        self._functions = functions
        self._invocations = invocations
        self._clock = clock
        self._log = log
        self._running: dict[str, tuple[object, asyncio.Task[None]]] = {}  # by ARN, with what they run by

    def check(self, method: str, path: str, body: bytes) -> None:
        """Raise ApiError for a call that moto would take and AWS would not."""
        if method not in ("POST", "PUT") or not path.startswith("/schedules/"):
            return
        try:
            given = json.loads(body)
            parse(given["ScheduleExpression"], given.get("ScheduleExpressionTimezone") or "UTC")
        except ExpressionError as error:
            raise ApiError("ValidationException", str(error)) from None
        except (ValueError, KeyError, TypeError):
            raise ApiError("ValidationException", "Invalid request provided.") from None
        role = str(given.get("Target", {}).get("RoleArn", "")).rpartition("/")[2]
        found = next((one for one in self._backend("iam", "aws").roles.values() if one.name == role), None)
        if found is None or "scheduler.amazonaws.com" not in str(found.assume_role_policy_document):
            message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
            raise ApiError("ValidationException", message)

    def seen(self, region: str) -> None:
        """Look at the schedules of a region after a call: start new ones, end what is gone or has changed."""
        groups = self._backend("scheduler", region).schedule_groups.values()
        there = {one.arn: one for group in groups for one in group.schedules.values()}
        for arn in [arn for arn in self._running if arn.split(":")[3] == region]:
            if arn not in there or self._running[arn][0] != _terms(there[arn]):
                self._running.pop(arn)[1].cancel()
        for arn, schedule in there.items():
            if arn not in self._running and schedule.state == "ENABLED":
                task = asyncio.get_running_loop().create_task(self._run(schedule, region))
                self._running[arn] = (_terms(schedule), task)

    async def close(self) -> None:
        """Stop."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, schedule: Any, region: str) -> None:
        expression: Rate | Once | Cron = parse(schedule.schedule_expression, schedule.schedule_expression_timezone)
        first = max(filter(None, (_moment(schedule.start_date), self._clock.now())))
        last = _moment(schedule.end_date)
        due = expression.after(first, first) if not isinstance(expression, Rate) else first
        while due is not None and (last is None or due <= last):
            await asyncio.sleep(self._clock.until(due))
            self._fire(schedule, region, due)
            due = expression.after(max(due, self._clock.now()), first)

    def _fire(self, schedule: Any, region: str, due: datetime) -> None:
        """Invoke the target, and let it be."""
        target = schedule.target["Arn"]
        event = _event(schedule, region, due)
        try:
            name, qualifier = split_name(target)
            self._invocations.begin(self._functions.invoked(region, name, qualifier), event, str(uuid.uuid4()))
        except ApiError as error:
            self._log("error", f"the schedule {schedule.name} could not invoke {target}: {error}")
        else:
            self._log("debug", f"the schedule {schedule.name} has invoked {target}")


def _terms(schedule: Any) -> object:
    """Return what a schedule runs by."""
    return (
        schedule.schedule_expression, schedule.schedule_expression_timezone, schedule.start_date, schedule.end_date,
        schedule.state, json.dumps(schedule.target, sort_keys=True),
    )  # fmt: skip


def _event(schedule: Any, region: str, due: datetime) -> bytes:
    """Return what the function gets: the input with its keywords filled in, or AWS's own."""
    moment, identifier = due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), str(uuid.uuid4())
    given = schedule.target.get("Input")
    if not given:
        return json.dumps({
            "version": "0", "id": identifier, "detail-type": "Scheduled Event", "source": "aws.scheduler",
            "account": ACCOUNT, "time": moment, "region": region, "resources": [schedule.arn], "detail": "{}",
        }).encode()  # fmt: skip
    values = {"schedule-arn": schedule.arn, "scheduled-time": moment, "execution-id": identifier, "attempt-number": "1"}
    for name, value in values.items():
        given = given.replace(f"{_KEYWORD}{name}>", value)
    return str(given).encode()


def _moment(value: Any) -> datetime | None:
    return datetime.fromtimestamp(float(value), UTC) if value else None

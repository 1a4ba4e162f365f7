"""SNS and CloudWatch's alarms: alarms that change tell their topics, and topics invoke the functions that subscribed.

moto keeps topics, subscriptions and alarms. It would run a subscribed function in Docker, and its alarms do nothing.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.cloudformation.services import Services
from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.functions import Functions
from upproxy.local.sandbox.invocations import Invocations
from upproxy.local.sandbox.state import split_name
from upproxy.local.sandbox.targets import Target

Backend = Callable[[str, str], Any]
"""Returns moto's state of a service in a region."""

SERVICES = ("monitoring", "sns")
_ACTIONS = {"ALARM": "alarm_actions", "OK": "ok_actions", "INSUFFICIENT_DATA": "insufficient_data_actions"}
_FINE = "no alarm is evaluated by the sandbox, and so it is fine"


class Notifications:
    """Delivers. `services` makes calls in a region, `back` is after how many seconds an alarm that was set is OK again.

    CloudWatch goes back to what the figures say, which nobody looks at here.
    """

    def __init__(
        self,
        backend: Backend,
        functions: Functions,
        invocations: Invocations,
        *,
        services: Callable[[str], Services],
        back: float,
        log: Callable[..., None],
    ) -> None:
        self._backend = backend
        self._functions = functions
        self._invocations = invocations
        self._services = services
        self._back = back
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._states: dict[str, tuple[Any, str]] = {}  # by ARN: the alarm, and its state when it was last looked at
        self._tasks: set[asyncio.Task[None]] = set()

    def seen(self, service: str, region: str) -> None:
        """Look at what a call may have changed: subscriptions that there are now, and alarms in another state."""
        if service == "sns":
            for subscription in self._backend("sns", region).subscriptions.values():
                if policy := subscription.attributes.get("FilterPolicy"):
                    scope = subscription.attributes.get("FilterPolicyScope")
                    subscription._filter_policy_matcher = _Filter(json.loads(policy), scope)  # noqa: SLF001
                if subscription.protocol == "lambda":
                    subscription.publish = partial(self._publish, subscription)
            return
        for alarm in self._backend("cloudwatch", region).alarms.values():
            known, before = self._states.get(alarm.alarm_arn, (None, ""))
            self._states[alarm.alarm_arn] = alarm, alarm.state_value
            if known is alarm and before != alarm.state_value:  # one that is put anew is another one
                self._spawn(self._changed(alarm, before, alarm.state_value, region))

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _changed(self, alarm: Any, before: str, state: str, region: str) -> None:
        message = json.dumps(_message(alarm, before, state, region))
        for action in getattr(alarm, _ACTIONS[state]) if alarm.actions_enabled else ():
            if action.split(":")[2] != "sns":
                self._log("error", f"the sandbox tells topics of alarms alone, and not {action}")
                continue
            wanted = {"TopicArn": action, "Subject": f'{state}: "{alarm.name}" in {region}', "Message": message}
            try:
                await self._services(region).query("sns", "2010-03-31", "Publish", wanted)
            except ApiError as error:
                self._log("error", f"the alarm {alarm.name} could not tell {action}: {error}")
        if state != "OK":
            await asyncio.sleep(self._back)
            if self._states.get(alarm.alarm_arn) == (alarm, state):
                alarm.update_state(_FINE, "{}", "OK")
                self.seen("monitoring", region)

    def _publish(
        self,
        subscription: Any,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Take a message from moto, in one of its threads, if the subscription's filter lets it through."""
        attributes = message_attributes or {}
        filter_ = subscription._filter_policy_matcher  # noqa: SLF001
        if filter_ is None or filter_.matches(attributes, message):
            event = _event(subscription, message, message_id, subject, attributes)
            self._loop.call_soon_threadsafe(self._invoke, subscription, event)

    def _invoke(self, subscription: Any, event: bytes) -> None:
        """Invoke the subscriber, if its policy lets the topic do so, and let it be."""
        topic, function = subscription.topic_arn, subscription.endpoint
        region = function.split(":")[3]
        name, qualifier = split_name(function)
        target = Target(self._functions, self._invocations, region, name, qualifier)
        if not target.lets_in("sns.amazonaws.com", topic):
            self._log("error", f"the policy of {function} does not let {topic} in")
            return
        try:
            self._invocations.begin(self._functions.invoked(region, name, qualifier), event, str(uuid.uuid4()))
        except ApiError as error:
            self._log("error", f"the topic {topic} could not invoke {function}: {error}")

    def _spawn(self, coroutine: Any) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Filter:
    """Which messages a subscription takes. moto knows `$or` of attributes, and fails for that of a message's body."""

    def __init__(self, policy: dict[str, Any], scope: str | None) -> None:
        from moto.sns.utils import FilterPolicyMatcher

        rest = {key: rules for key, rules in policy.items() if key != "$or"}
        self._either = [FilterPolicyMatcher({**rest, **one}, scope) for one in policy.get("$or", [{}])]

    def matches(self, attributes: dict[str, Any] | None, message: str) -> bool:
        """Whether a message is taken."""
        return any(one.matches(attributes, message) for one in self._either)


def _message(alarm: Any, before: str, state: str, region: str) -> dict[str, Any]:
    """Return what CloudWatch tells a topic (CloudWatch User Guide, "Notifying users on alarm changes")."""
    percentile = alarm.extended_statistic
    statistic = (
        {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": percentile}
        if percentile
        else {"StatisticType": "Statistic", "Statistic": str(alarm.statistic).upper()}
    )
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description or None,
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": _moment(alarm.configuration_updated_timestamp),
        "NewStateValue": state,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": _moment(alarm.state_updated_timestamp),
        "Region": region,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            **statistic,
            "Unit": alarm.unit,
            "Dimensions": [{"value": one.value, "name": one.name} for one in alarm.dimensions],
            "Period": int(alarm.period),
            "EvaluationPeriods": int(alarm.evaluation_periods),
            "ComparisonOperator": alarm.comparison_operator,
            "Threshold": float(alarm.threshold),
            "TreatMissingData": alarm.treat_missing_data or "",
            "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
        },
    }


def _moment(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _event(subscription: Any, message: str, message_id: str, subject: str | None, attributes: dict[str, Any]) -> bytes:
    """Return what a function gets (Lambda Developer Guide, "Using AWS Lambda with Amazon SNS")."""
    sns = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": subscription.topic_arn,
        "Subject": subject,
        "Message": message,
        "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": "1",
        "Signature": "",
        "SigningCertUrl": "",
        "UnsubscribeUrl": "",
        "MessageAttributes": attributes,
    }
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription.arn, "Sns": sns}
    return json.dumps({"Records": [record]}).encode()

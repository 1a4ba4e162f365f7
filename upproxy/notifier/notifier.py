"""Tells Slack and webhooks of alarms: CloudWatch tells a topic of SNS, and the topic invokes this.

On AWS this file alone is the function; its handler is `handler`, and UPPROXY_NOTIFIER says whom to tell, by the names
of topics, and which parameter of SSM has the address, which is a secret:
`{"app": "shop", "stage": "production", "actions": {"upproxy-shop-production-chat":
{"name": "chat", "type": "slack", "parameter": "/upproxy/shop/production/SLACK_URL", "channel": "#shop"}}}`.
Its role needs `ssm:GetParameter` on these parameters. Where somebody could not be told, it fails, so that Lambda tries
again. No address is in any log line or error.
"""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from time import monotonic, sleep
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

CONFIGURATION = "UPPROXY_NOTIFIER"
TEST = "This is a test"  # what the reason of an alarm begins with that was only set to see who is told
CONTENT_TYPE = "application/json; charset=utf-8"
TIMEOUT = 5  # seconds that a receiver may be silent
FIRST_PAUSE = 1.0  # seconds before the second attempt; each further one is twice as long
RESERVE = 2  # seconds of the function's time that are left at the end
LOOK_BACK = 15  # minutes before an alarm's periods that logs are looked at

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_OURS = "upproxy"
_OPERATORS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}
_STATISTICS = {"AVERAGE": "avg", "MAXIMUM": "max", "MINIMUM": "min", "SAMPLECOUNT": "count", "SUM": "sum"}
_SHARES = ("4xx", "5xx", "ColdStarts")  # metrics of ours whose average is a share of the requests
_TIMES = ("Duration", "Latency")  # metrics in ms
_QUERIES = {
    "4xx": "status >= 400",
    "5xx": "status >= 500",
    "ColdStarts": "cold = true",
    "Duration": "duration > {threshold:g}ms",
    "Latency": "duration > {threshold:g}ms",
}
_DATAPOINT = re.compile(r"datapoints? \[(-?[0-9][0-9.]*(?:[eE][+-]?[0-9]+)?)")  # the latest one comes first
_CONSOLES = {"aws-cn": "amazonaws.cn", "aws-us-gov": "amazonaws-us-gov.com"}
_EMOJIS = {"ALARM": ":red_circle:", "OK": ":large_green_circle:"}


class Unknown(Exception):
    """A message is not an alarm of ours, and trying again does not make it one."""


class Undelivered(Exception):
    """Somebody could not be told. The message is without the address."""


@dataclass(frozen=True)
class Notice:
    """An alarm that has changed its state.

    `id` is SNS's, the same each time that a message is delivered. `state` and `previous` are ALARM, OK or
    INSUFFICIENT_DATA. `value` is what was measured last, None where the reason does not say. `period` is in seconds.
    """

    id: str
    app: str
    stage: str
    region: str
    account: str
    arn: str
    alarm: str
    description: str
    state: str
    previous: str
    since: datetime
    reason: str
    value: float | None
    namespace: str
    metric: str
    dimensions: dict[str, str]
    statistic: str
    operator: str
    threshold: float
    period: int
    evaluation_periods: int

    @classmethod
    def read(cls, sns: Mapping[str, Any], app: str, stage: str) -> Notice:
        """Read what CloudWatch has told a topic. Raises Unknown."""
        try:
            message = json.loads(sns["Message"])
            trigger = message["Trigger"]
            _, _, _, region, account, _, alarm = str(message["AlarmArn"]).split(":", 6)
            statistic = str(trigger.get("ExtendedStatistic") or trigger["Statistic"])
            found = _DATAPOINT.search(message["NewStateReason"])
            return cls(
                id=str(sns["MessageId"]),
                app=app,
                stage=stage,
                region=region,
                account=account,
                arn=message["AlarmArn"],
                alarm=alarm,
                description=message.get("AlarmDescription") or alarm,
                state=str(message["NewStateValue"]),
                previous=str(message["OldStateValue"]),
                since=datetime.strptime(message["StateChangeTime"], "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC),
                reason=message["NewStateReason"],
                value=float(found[1]) if found else None,
                namespace=str(trigger["Namespace"]),
                metric=str(trigger["MetricName"]),
                dimensions={str(one["name"]): str(one["value"]) for one in trigger["Dimensions"]},
                statistic=_STATISTICS.get(statistic.upper(), statistic),
                operator=_OPERATORS[trigger["ComparisonOperator"]],
                threshold=float(trigger["Threshold"]),
                period=int(trigger["Period"]),
                evaluation_periods=int(trigger["EvaluationPeriods"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unknown(f"{type(error).__name__}: {error}") from None

    @property
    def is_test(self) -> bool:
        """Whether nothing is wrong."""
        return self.reason.startswith(TEST)

    @property
    def is_news(self) -> bool:
        """Whether somebody has to know: all but that a new alarm, of which nothing was known, is fine.

        The subscription leaves that out, too, but may not do so for its first minutes.
        """
        return self.state == "ALARM" or (self.state, self.previous) == ("OK", "ALARM")

    @property
    def console(self) -> str:
        """The address of the alarm in AWS's console."""
        partition = self.arn.split(":")[1]
        host = f"{self.region}.console.{_CONSOLES.get(partition, 'aws.amazon.com')}"
        return f"https://{host}/cloudwatch/home?region={self.region}#alarmsV2:alarm/{quote(self.alarm, safe='')}"

    @property
    def logs(self) -> str:
        """The command that shows what was written meanwhile."""
        minutes = LOOK_BACK + -(-self.period * self.evaluation_periods // 60)
        query = _QUERIES.get(self.metric, "error").format(threshold=self.threshold)
        return f"upproxy logs -s {self.stage} -S {minutes}m '{query}'"

    def shown(self) -> str:
        """Return the value with its unit, for people."""
        if self.value is None:
            return ""
        if self.namespace == _OURS and self.metric in _SHARES and self.statistic == "avg":
            return f"{self.value * 100:.3g} %"
        return f"{self.value:,.6g}{' ms' if self.metric in _TIMES and self.statistic != 'count' else ''}"


def webhook(notice: Notice) -> dict[str, Any]:
    """Return what a webhook gets. docs/alerts.md describes it; members may be added and keep their meaning."""
    return {
        "version": 1,
        "id": notice.id,
        "test": notice.is_test,
        "app": notice.app,
        "stage": notice.stage,
        "region": notice.region,
        "account": notice.account,
        "alarm": notice.alarm,
        "description": notice.description,
        "state": notice.state,
        "previous": notice.previous,
        "since": notice.since.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "reason": notice.reason,
        "value": notice.value,
        "metric": {"namespace": notice.namespace, "name": notice.metric, "dimensions": notice.dimensions},
        "statistic": notice.statistic,
        "operator": notice.operator,
        "threshold": notice.threshold,
        "period": notice.period,
        "evaluation_periods": notice.evaluation_periods,
        "console": notice.console,
        "logs": notice.logs,
    }


def slack(notice: Notice, channel: str | None) -> dict[str, Any]:
    """Return what a webhook of Slack gets (docs.slack.dev: incoming webhooks, Block Kit)."""
    over = notice.state == "OK"
    said = f"{'over: ' if over else ''}{notice.description}"
    where = f"{notice.app} {notice.stage}"
    test = "Test, nothing is wrong. " if notice.is_test else ""
    moment = f"{notice.since:%Y-%m-%d %H:%M} UTC"
    local = f"<!date^{int(notice.since.timestamp())}^{{date_short_pretty}} {{time}}|{moment}>"
    value = notice.shown()
    facts = [f"now *{_escaped(value)}*" if value else "", f"since {local}", f"in {notice.region}"]
    head = f"{_EMOJIS.get(notice.state, '')} *{_escaped(where)}* {_escaped(test + said)}"
    more = f"<{notice.console}|alarm in the console>  `{_escaped(notice.logs)}`"
    return {
        "text": _escaped(f"{notice.state} {where}: {test}{said}"),  # for notifications, and screen readers
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": head}},
            {"type": "section", "text": {"type": "mrkdwn", "text": " · ".join(filter(None, facts))}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": more}]},
        ],
        **({"channel": channel} if channel else {}),
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def post(url: str, document: Mapping[str, Any], until: float) -> None:
    """Post JSON; after 429, 5xx and broken connections again, with pauses, until the `time.monotonic()` moment `until`.

    HTTPS alone, but on the loopback; redirects are not followed. Raises Undelivered.
    """
    connection = _connection(url)
    pause = FIRST_PAUSE
    while True:
        connection.timeout = max(0.1, min(TIMEOUT, until - monotonic()))
        asked = 0.0
        try:
            reason, final, asked = _once(connection, url, json.dumps(document).encode())
        except (OSError, HTTPException) as error:
            reason, final = type(error).__name__, False  # what it says may have the address in it
        finally:
            connection.close()
        if not reason:
            return
        pause = max(pause, asked)
        if final or monotonic() + pause >= until:
            raise Undelivered(reason)
        sleep(pause)
        pause *= 2


def _connection(url: str) -> HTTPConnection:
    """Return a connection that is not made yet. Raises Undelivered for an address that is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or not (url.isascii() and url.isprintable() and " " not in url) or "@" in parts.netloc:
        raise Undelivered("the address is none")
    if parts.scheme == "https":
        return HTTPSConnection(host, port, context=ssl.create_default_context())
    if parts.scheme == "http" and host in _LOOPBACK:
        return HTTPConnection(host, port)
    raise Undelivered("the address does not begin with https://")


def _once(connection: HTTPConnection, url: str, body: bytes) -> tuple[str, bool, float]:
    """Post once. Returns what is wrong, empty for nothing; whether that is final; and the seconds asked to wait."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", target, body, {"Content-Type": CONTENT_TYPE, "User-Agent": "upproxy"})
    answer = connection.getresponse()
    if 200 <= answer.status < 300:
        return "", True, 0.0
    wait = answer.headers.get("Retry-After", "")
    again = answer.status == 429 or answer.status >= 500
    return f"the answer was {answer.status}", not again, float(wait) if wait.isdecimal() else 0.0


Address = Callable[[str], str]
"""Returns the address that a parameter of SSM has. Raises Undelivered."""


def notify(event: Any, configuration: Mapping[str, Any], address: Address, until: float) -> None:
    """Tell whom an event is for; what is not an alarm of ours is logged and left. Raises Undelivered at the end."""
    failed = []
    records = event.get("Records") if isinstance(event, dict) else None
    for record in records if isinstance(records, list) else [None]:
        try:
            _tell(record, configuration, address, until)
        except Unknown as error:
            _write("error", "this is no alarm of ours, and was left", reason=str(error))
        except Undelivered as error:
            failed.append(str(error))
    if failed:
        raise Undelivered("; ".join(failed))


def _tell(record: Any, configuration: Mapping[str, Any], address: Address, until: float) -> None:
    try:
        sns = record["Sns"]
        action = configuration["actions"][sns["TopicArn"].rpartition(":")[2]]
    except (AttributeError, KeyError, TypeError) as error:
        raise Unknown(f"{type(error).__name__}: {error}") from None
    notice = Notice.read(sns, configuration["app"], configuration["stage"])
    if not notice.is_news:
        return
    document = slack(notice, action.get("channel")) if action["type"] == "slack" else webhook(notice)
    named = {"action": action["name"], "alarm": notice.alarm, "state": notice.state}
    try:
        post(address(action["parameter"]), document, until)
    except Undelivered as error:
        _write("error", "could not be told", **named, reason=str(error))
        raise Undelivered(f"{action['name']}: {error}") from None
    _write("info", "told", **named)


# --- on AWS


class Context(Protocol):
    """What Lambda tells a handler."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left."""


def handler(event: object, context: Context) -> None:
    """Tell whom the topics are for. Raises Undelivered, after which Lambda tries again."""
    import botocore.session

    until = monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE
    ssm = botocore.session.get_session().create_client("ssm")
    notify(event, json.loads(os.environ[CONFIGURATION]), lambda name: _parameter(ssm, name), until)


def _parameter(ssm: Any, name: str) -> str:
    """Return the value of a parameter. Raises Undelivered."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]).strip()
    except (BotoCoreError, ClientError) as error:
        raise Undelivered(f"{name} cannot be read, which `upproxy env add` sets: {error}") from None


def _write(level: str, message: str, **more: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(json.dumps({"timestamp": now, "level": level, "message": message, **more}), flush=True)  # noqa: T201  # its log

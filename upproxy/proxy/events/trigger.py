"""Events that are no HTTP requests: queues, schedules, uploads. They are posted as JSON to a path of the app."""

from __future__ import annotations

from upproxy.proxy.errors import BadEvent, TriggerFailed
from upproxy.proxy.events.codec import Codec
from upproxy.proxy.events.fields import TOKEN
from upproxy.proxy.events.target import raw_path
from upproxy.proxy.lean import JSONError, dumps, dumps_ascii, loads
from upproxy.proxy.messages import Headers, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.manifest import EventOptions
    from upproxy.proxy.messages import Invocation, Response

_SHOWN = 500  # bytes of a failed answer that are put into the error


class Trigger(Codec):
    """Any event, where `triggers` names a path for them."""

    name = "trigger"

    def __init__(self, options: EventOptions) -> None:
        super().__init__(options)
        self._path = raw_path(options.triggers)

    @staticmethod
    def matches(event: dict[str, Any], context: dict[str, Any]) -> bool:  # noqa: ARG004
        """Whether the event comes from this source: whatever no other codec takes."""
        return True

    def decode(self, event: Any, invocation: Invocation) -> Request:
        """Turn the event, which may be any JSON value, into a POST. Raises BadEvent."""
        try:
            body = dumps_ascii(event).encode()
        except JSONError as error:
            raise BadEvent(f"the event cannot be written as JSON: {error}") from None
        headers = Headers([("content-type", "application/json"), ("x-up-trigger", kind(event))])
        return Request("POST", self._path, "", headers, body, invocation=invocation, source=self.name)

    def encode(self, request: Request, response: Response, body: bytes) -> bytes:  # noqa: ARG002
        """Return the app's answer as the result: JSON as it is, other text as a JSON string, nothing as null.

        Raises TriggerFailed for a status of 400 or more, so that Lambda retries or parks the event.
        """
        if response.status >= 400:
            start = body[:_SHOWN].decode("utf-8", "replace")
            raise TriggerFailed(
                f"the app answered the event with status {response.status}: {start}".rstrip(": "),
                status=response.status,
                body=start,
            )
        if not body.strip():
            return b"null"
        try:
            loads(body)
        except JSONError:
            return dumps(body.decode("utf-8", "replace")).encode()
        return body


def kind(event: Any) -> str:
    """Name the service that an event comes from, as far as it says so.

    Records and pollers name themselves (`aws:sqs`, `aws:s3`, `aws:kafka`); EventBridge is `aws.events`, its schedules
    are `scheduled`, a log subscription is `aws:logs`, anything else `unknown`.
    """
    found: object = None
    if isinstance(event, dict):
        records = event.get("Records")
        first = records[0] if isinstance(records, list) and records else None
        if isinstance(first, dict):
            found = first.get("eventSource") or first.get("EventSource")
        elif "detail-type" in event:
            found = "scheduled" if event["detail-type"] == "Scheduled Event" else "aws.events"
        elif "awslogs" in event:
            found = "aws:logs"
        else:
            found = event.get("eventSource")
    named = isinstance(found, str) and 0 < len(found) <= 64 and TOKEN.issuperset(found.replace(":", ""))
    return str(found) if named else "unknown"

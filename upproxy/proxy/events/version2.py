"""Payload format 2.0, which HTTP APIs and Function URLs share.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from upproxy.proxy.events.fields import joined, request_headers
from upproxy.proxy.events.http import HttpCodec
from upproxy.proxy.events.target import raw_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Invocation, Request


class Version2(HttpCodec):
    """One value a name, and cookies apart, in both directions. What sources differ in is the path."""

    def decode(self, event: dict[str, Any], invocation: Invocation) -> Request:
        """Turn the event into the request that the client sent. Raises BadEvent, Forbidden, UpgradeRefused."""
        context = event["requestContext"]
        http = context["http"]
        path, prefix = self.path(event, context)
        return self.request(
            http.get("method"),
            path,
            raw_query(event.get("rawQueryString")),
            # A Function URL has each cookie twice, in `cookies` and in the header.
            request_headers(event.get("headers"), event.get("cookies")),
            event,
            client=http.get("sourceIp"),
            prefix=prefix,
            invocation=invocation,
        )

    def path(self, event: dict[str, Any], context: dict[str, Any]) -> tuple[str, str]:
        """Return the path for the app, and the public prefix that was cut from it."""
        raise NotImplementedError

    def head(self, status: int, fields: list[tuple[str, str]], cookies: list[str]) -> dict[str, Any]:
        """Build the part of a reply that says everything but the body."""
        head: dict[str, Any] = {"statusCode": status, "headers": joined(fields)}
        if cookies:
            head["cookies"] = cookies
        return head


def is_version2(event: dict[str, Any], context: dict[str, Any]) -> bool:
    """Whether an event is in this format."""
    return event.get("version") == "2.0" and isinstance(context.get("http"), dict)


def domain(context: dict[str, Any]) -> str:
    """Return the name that the client reached the endpoint by."""
    name = context.get("domainName")
    return name if isinstance(name, str) else ""

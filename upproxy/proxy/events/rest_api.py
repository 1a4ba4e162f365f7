"""API Gateway REST APIs, and HTTP APIs with payload format 1.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

from upproxy.proxy.events.fields import listed, request_headers
from upproxy.proxy.events.http import HttpCodec
from upproxy.proxy.events.target import cut, query_of_decoded, raw_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.manifest import EventOptions
    from upproxy.proxy.messages import Invocation, Request


class RestApi(HttpCodec):
    """A REST API; with `responseTransferMode: STREAM` it takes streamed replies."""

    name = "rest_api"
    streams = True

    def __init__(self, options: EventOptions) -> None:
        super().__init__(options)
        base = raw_path(options.base_path).strip("/")
        self._base_path = f"/{base}" if base else ""

    @staticmethod
    def matches(event: dict[str, Any], context: dict[str, Any]) -> bool:  # noqa: ARG004
        """Whether the event comes from this source, or another of payload format 1.0, which is to be asked first."""
        return isinstance(event.get("httpMethod"), str)

    def decode(self, event: dict[str, Any], invocation: Invocation) -> Request:
        """Turn the event into the request that the client sent. Raises BadEvent, Forbidden, UpgradeRefused."""
        context = event["requestContext"]
        identity = context.get("identity")
        path, prefix = self._path(event, context)
        query = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
        return self.request(
            event.get("httpMethod"),
            path,
            query_of_decoded(query),
            request_headers(event.get("multiValueHeaders") or event.get("headers")),
            event,
            client=identity.get("sourceIp") if isinstance(identity, dict) else "",
            prefix=prefix,
            invocation=invocation,
        )

    def _path(self, event: dict[str, Any], context: dict[str, Any]) -> tuple[str, str]:
        """Return the path for the app, and the public prefix before it.

        A REST API's `path` never has the stage, `requestContext.path` has it exactly when the public URL does: on the
        default domain. On a custom domain both begin with the base path, which the event does not name. A CDN in
        front of the default domain can make a URL with both.
        """
        path, prefix = self._without_stage(raw_path(event.get("path")), context)
        rest = cut(path, self._base_path)
        return (path, prefix) if rest is None else (rest, prefix + self._base_path)

    def _without_stage(self, path: str, context: dict[str, Any]) -> tuple[str, str]:
        """Return the path without the stage, and the stage as a prefix where the public URL has it."""
        prefix = f"/{context.get('stage')}"
        return path, prefix if cut(raw_path(context.get("path")), prefix) == path else ""

    def head(self, status: int, fields: list[tuple[str, str]], cookies: list[str]) -> dict[str, Any]:
        """Build the part of a reply that says everything but the body; any other key would make it malformed."""
        return {"statusCode": status, "multiValueHeaders": listed(fields, cookies)}


class HttpApiVersion1(RestApi):
    """An HTTP API with payload format 1.0; it cannot stream, and a named stage is part of `path`."""

    name = "http_api_v1"
    streams = False

    @staticmethod
    def matches(event: dict[str, Any], context: dict[str, Any]) -> bool:
        """Whether the event comes from this source: a REST API's has no version."""
        return event.get("version") == "1.0" and RestApi.matches(event, context)

    def _without_stage(self, path: str, context: dict[str, Any]) -> tuple[str, str]:
        """Return the path without the stage, and the stage as a prefix where the public URL has it."""
        prefix = f"/{context.get('stage')}"
        rest = None if prefix == "/$default" else cut(path, prefix)
        if rest is None or raw_path(context.get("path")) != path:
            return super()._without_stage(path, context)
        return rest, prefix

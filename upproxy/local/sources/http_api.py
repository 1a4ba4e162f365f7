"""API Gateway HTTP APIs, with payload formats 2.0 and 1.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote

from upproxy.local.sources import replies
from upproxy.local.sources.rest_api import Version1
from upproxy.local.sources.source import (
    ACCOUNT,
    LAMBDA_PAYLOAD,
    HttpReply,
    HttpRequest,
    Source,
    body,
    fields,
    header,
    request_time,
    split_target,
)

MAX_REQUEST = 10 * 1024 * 1024
TIMEOUT = 30.0  # seconds; https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html

REFUSALS = {
    413: (413, '{"message":"Request Entity Too Large"}'),
    429: (429, '{"message":"Too Many Requests"}'),
    502: (500, '{"message":"Internal Server Error"}'),  # a reply that it cannot read, a function that failed
    504: (503, '{"message":"Service Unavailable"}'),  # no reply within 30 s
}


class Version2(Source):
    """Payload format 2.0: one value a name, and cookies apart."""

    max_reply = LAMBDA_PAYLOAD
    api_id: str
    domain: str
    account: str
    cookie_header: bool  # whether the Cookie header stays beside the list
    stage = "$default"

    def event(self, request: HttpRequest, *, request_id: str, epoch_ms: int) -> dict[str, Any]:
        """Build the event that the function is invoked with."""
        path, query = split_target(request.target)
        headers: dict[str, str] = {}
        cookies: list[str] = []
        for name, value in fields(request, request_id=request_id, epoch_ms=epoch_ms):
            key = name.lower()
            if key == "cookie":
                cookies += [cookie for part in value.split(";") if (cookie := part.strip())]
                if not self.cookie_header:
                    continue
                headers[key] = f"{headers[key]}; {value}" if key in headers else value
            else:
                headers[key] = f"{headers[key]},{value}" if key in headers else value
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.raw_path(path),
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "accountId": self.account,
                "apiId": self.api_id,
                "domainName": self.domain,
                "domainPrefix": self.domain.partition(".")[0],
                "http": {
                    "method": request.method,
                    "path": self.stage_prefix() + unquote(path),
                    "protocol": "HTTP/1.1",
                    "sourceIp": request.client,
                    "userAgent": header(request, "user-agent"),
                },
                "requestId": request_id,
                "routeKey": "$default",
                "stage": self.stage,
                "time": request_time(epoch_ms),
                "timeEpoch": epoch_ms,
            },
            "isBase64Encoded": False,
        }
        if cookies:
            event["cookies"] = cookies
        if parameters := _joined(query):
            event["queryStringParameters"] = parameters
        if request.body:
            event["body"], event["isBase64Encoded"] = body(request)
        return event

    def stage_prefix(self) -> str:
        """Return what comes before the path of a named stage."""
        return "" if self.stage == "$default" else f"/{self.stage}"

    def raw_path(self, path: str) -> str:
        """Return the event's `rawPath` for a path as the client sent it."""
        raise NotImplementedError

    def reply(self, payload: bytes) -> HttpReply:
        """Turn the function's reply into the response. Raises MalformedReply."""
        return replies.finished(replies.version2(payload), self.default_type)


class HttpApi(Version2):
    """Payload format 2.0. The path is decoded once, so that `%2F` and `/` look the same."""

    name = "http_api"
    max_request = MAX_REQUEST
    timeout = TIMEOUT
    default_type = "text/plain;charset=UTF-8"
    refusals = REFUSALS
    api_id = "local00000"
    domain = "local00000.execute-api.us-east-1.amazonaws.com"
    account = ACCOUNT
    cookie_header = False

    def __init__(self, stage: str = "$default") -> None:
        self.stage = stage

    def raw_path(self, path: str) -> str:
        """Return the event's `rawPath`: decoded, with a named stage before it."""
        return self.stage_prefix() + unquote(path)


class HttpApiVersion1(Version1):
    """Payload format 1.0: as a REST API's, with header names in lower case and a body by its Content-Type."""

    name = "http_api_v1"
    max_request = MAX_REQUEST
    timeout = TIMEOUT
    default_type = "text/plain;charset=UTF-8"
    refusals = REFUSALS
    api_id = "local00000"
    domain = "local00000.execute-api.us-east-1.amazonaws.com"

    def __init__(self, stage: str = "$default") -> None:
        self.stage = stage

    def event(self, request: HttpRequest, *, request_id: str, epoch_ms: int) -> dict[str, Any]:
        """Build the event that the function is invoked with."""
        path, _ = split_target(request.target)
        prefix = "" if self.stage == "$default" else f"/{self.stage}"
        received = fields(request, request_id=request_id, epoch_ms=epoch_ms)
        event = self.version1(
            request,
            [(name.lower(), value) for name, value in received],
            path=prefix + path,
            context_path=prefix + path,
            request_id=request_id,
            epoch_ms=epoch_ms,
        )
        if request.body:
            event["body"], event["isBase64Encoded"] = body(request)
        return {"version": "1.0", **event}


def _joined(query: str) -> dict[str, str]:
    """Decode a query into one value a name; repeats are joined with commas."""
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters

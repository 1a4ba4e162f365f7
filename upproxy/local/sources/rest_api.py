"""API Gateway REST APIs, and payload format 1.0, which HTTP APIs can have too.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl

from upproxy.local.sources import replies
from upproxy.local.sources.source import (
    ACCOUNT,
    LAMBDA_PAYLOAD,
    HttpReply,
    HttpRequest,
    Source,
    fields,
    header,
    listed,
    request_time,
    split_target,
)

# What a REST API does to header fields of a Lambda integration.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
DROPPED_REQUEST = frozenset(
    ("connection", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "te", "trailer",
     "transfer-encoding", "upgrade", "www-authenticate")
)  # fmt: skip
DROPPED_REPLY = frozenset(
    (b"expect", b"host", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"via")
)
REMAPPED_REPLY = frozenset(
    (b"authorization", b"connection", b"content-md5", b"date", b"max-forwards", b"server", b"user-agent",
     b"www-authenticate")
)  # fmt: skip


REFUSALS = {
    413: (413, '{"message":"Request Too Long"}'),
    429: (500, '{"message": "Internal server error"}'),  # a throttled function is a failed integration
    502: (502, '{"message": "Internal server error"}'),
    504: (504, '{"message": "Endpoint request timed out"}'),
}


class Version1(Source):
    """Payload format 1.0: both a map of single values and one of lists, the query decoded."""

    max_reply = LAMBDA_PAYLOAD
    api_id: str
    domain: str  # empty: the name that the client used
    stage: str

    def version1(
        self,
        request: HttpRequest,
        received: list[tuple[str, str]],
        *,
        path: str,
        context_path: str,
        request_id: str,
        epoch_ms: int,
    ) -> dict[str, Any]:
        """Build an event without a body. `received` are its header fields."""
        headers = listed(received)
        domain = self.domain or request.host
        # A semicolon separates parameters too, whatever the client meant by it.
        _, query = split_target(request.target)
        parameters = listed(parse_qsl(query.replace(";", "&"), keep_blank_values=True))
        return {
            "resource": "/{proxy+}" if path != "/" else "/",
            "path": path,
            "httpMethod": request.method,
            "headers": {name: values[-1] for name, values in headers.items()},
            "multiValueHeaders": headers,
            "queryStringParameters": {name: values[-1] for name, values in parameters.items()} or None,
            "multiValueQueryStringParameters": parameters or None,
            "pathParameters": {"proxy": path[1:]} if path != "/" else None,
            "stageVariables": None,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": self.api_id,
                "domainName": domain,
                "domainPrefix": domain.partition(".")[0],
                "extendedRequestId": request_id,
                "httpMethod": request.method,
                "identity": {
                    "accessKey": None,
                    "accountId": None,
                    "caller": None,
                    "cognitoAuthenticationProvider": None,
                    "cognitoAuthenticationType": None,
                    "cognitoIdentityId": None,
                    "cognitoIdentityPoolId": None,
                    "principalOrgId": None,
                    "sourceIp": request.client,
                    "user": None,
                    "userAgent": header(request, "user-agent") or None,
                    "userArn": None,
                },
                "path": context_path,
                "protocol": "HTTP/1.1",
                "requestId": request_id,
                "requestTime": request_time(epoch_ms),
                "requestTimeEpoch": epoch_ms,
                "resourceId": "local0",
                "resourcePath": "/{proxy+}" if path != "/" else "/",
                "stage": self.stage,
            },
            "body": None,
            "isBase64Encoded": False,
        }

    def reply(self, payload: bytes) -> HttpReply:
        """Turn the function's reply into the response. Raises MalformedReply."""
        return replies.finished(replies.version1(payload), self.default_type)


class RestApi(Version1):
    """A REST API with binary media types `*/*`, on a custom domain: no stage in the public URL.

    With `default_domain` it is as on `<id>.execute-api.<region>.amazonaws.com`, where the public URL has the stage;
    with `base_path` (such as `/v1`) as on a custom domain that maps it.
    """

    name = "rest_api"
    streams = True
    tenants = True  # https://docs.aws.amazon.com/lambda/latest/dg/tenant-isolation-invoke.html
    max_request = 10 * 1024 * 1024
    timeout = 29.0  # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
    default_type = "application/json"
    api_id = "local00000"
    refusals = REFUSALS

    def __init__(self, stage: str = "local", base_path: str = "", *, default_domain: bool = False) -> None:
        self.stage = stage
        self.domain = f"{self.api_id}.execute-api.us-east-1.amazonaws.com" if default_domain else ""
        self._base_path = base_path
        self._default_domain = default_domain

    def event(self, request: HttpRequest, *, request_id: str, epoch_ms: int) -> dict[str, Any]:
        """Build the event that the function is invoked with."""
        path = self._base_path + split_target(request.target)[0]
        event = self.version1(
            request,
            fields(request, request_id=request_id, epoch_ms=epoch_ms, dropped=DROPPED_REQUEST),
            path=path,
            context_path=f"/{self.stage}{path}" if self._default_domain else path,
            request_id=request_id,
            epoch_ms=epoch_ms,
        )
        if request.body:
            event["body"], event["isBase64Encoded"] = b64encode(request.body).decode(), True
        return event

    def reply(self, payload: bytes) -> HttpReply:
        """Turn the function's reply into the response. Raises MalformedReply."""
        return _remapped(super().reply(payload))

    def head(self, prelude: bytes) -> HttpReply:
        """Turn the head of a streamed reply into a response without a body. Raises MalformedReply."""
        return _remapped(replies.prelude(prelude))


def _remapped(reply: HttpReply) -> HttpReply:
    headers = []
    for name, value in reply.headers:
        lower = name.lower()
        if lower in REMAPPED_REPLY:
            headers.append((b"x-amzn-remapped-" + lower, value))
        elif lower not in DROPPED_REPLY:
            headers.append((name, value))
    return HttpReply(reply.status, headers, reply.body)

"""Application Load Balancers, without and with multi-value headers.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from __future__ import annotations

from typing import Any

from upproxy.local.sources import replies
from upproxy.local.sources.source import (
    ACCOUNT,
    HttpReply,
    HttpRequest,
    Source,
    body,
    fields,
    listed,
    split_target,
)

_PAGE = (
    "<html>\r\n<head><title>{status} {phrase}</title></head>\r\n"
    "<body>\r\n<center><h1>{status} {phrase}</h1></center>\r\n</body>\r\n</html>\r\n"
)

REFUSALS = {
    413: (413, _PAGE.format(status=413, phrase="Request Entity Too Large")),
    429: (502, _PAGE.format(status=502, phrase="Bad Gateway")),  # a throttled function is one that failed
    502: (502, _PAGE.format(status=502, phrase="Bad Gateway")),
    504: (504, _PAGE.format(status=504, phrase="Gateway Time-out")),
}


class Alb(Source):
    """A load balancer. It decodes nothing; without multi-value headers the last of several values counts."""

    max_request = 1024 * 1024
    max_reply = 1024 * 1024
    default_type = "application/octet-stream"
    refusals = REFUSALS
    refusal_pattern = _PAGE
    refusal_type = b"text/html"

    def __init__(self, *, multi_value: bool = False) -> None:
        self.name = "alb_multi" if multi_value else "alb"
        self._multi_value = multi_value

    def event(self, request: HttpRequest, *, request_id: str, epoch_ms: int) -> dict[str, Any]:
        """Build the event that the function is invoked with."""
        path, query = split_target(request.target)
        headers = [(name.lower(), value) for name, value in fields(request, request_id=request_id, epoch_ms=epoch_ms)]
        parameters = []
        for part in query.split("&"):
            name, _, value = part.partition("=")
            if part:
                parameters.append((name, value))
        text, is_base64 = body(request)
        target_group = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:targetgroup/local/0000000000000000"
        return {
            "requestContext": {"elb": {"targetGroupArn": target_group}},
            "httpMethod": request.method,
            "path": path,
            **self._maps(parameters, "queryStringParameters", "multiValueQueryStringParameters"),
            **self._maps(headers, "headers", "multiValueHeaders"),
            "body": text,
            "isBase64Encoded": is_base64,
        }

    def _maps(self, pairs: list[tuple[str, str]], single: str, multi: str) -> dict[str, Any]:
        """Put pairs under the key of the setting: the last value of each name, or all."""
        return {multi: listed(pairs)} if self._multi_value else {single: dict(pairs)}

    def reply(self, payload: bytes) -> HttpReply:
        """Turn the function's reply into the response. Raises MalformedReply."""
        return replies.finished(replies.alb(payload, multi_value=self._multi_value), self.default_type)

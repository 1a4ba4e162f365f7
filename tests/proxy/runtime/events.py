"""Events by hand, where a test is about the runtime and not about a source."""

from __future__ import annotations

from typing import Any


def http(target: str, method: str = "GET", *, headers: dict[str, str] | None = None, body: str = "") -> dict[str, Any]:
    """Return a Function URL's event."""
    path, _, query = target.partition("?")
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.us-east-1.on.aws", "x-forwarded-proto": "https", **(headers or {})},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.us-east-1.on.aws",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
            "requestId": "gateway-request",
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": False,
    }

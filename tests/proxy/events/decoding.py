"""Events of every source in their plainest form, and decoding as the runtime does it."""

from __future__ import annotations

from typing import Any

from upproxy.proxy import lean
from upproxy.proxy.events import Codecs
from upproxy.proxy.events.codec import Codec
from upproxy.proxy.manifest import EventOptions
from upproxy.proxy.messages import Invocation, Request

NAMES = ("function_url", "http_api", "http_api_v1", "rest_api", "alb", "alb_multi")


def event(source: str, **changes: Any) -> dict[str, Any]:
    """Build a GET of `/x` with one header; `path`, `headers` and `cookies` land where the source has them."""
    version2 = source in ("function_url", "http_api")
    headers = changes.pop("headers", {"host": "example.com"})
    path = changes.pop("path", "/x")
    built: dict[str, Any] = {"body": None, "isBase64Encoded": False}
    if version2:
        domain = "id.lambda-url.eu-west-1.on.aws" if source == "function_url" else "id.execute-api.aws"
        http = {"method": "GET", "path": path, "sourceIp": "192.0.2.1"}
        built |= {"version": "2.0", "rawPath": path, "rawQueryString": "", "headers": headers}
        built["requestContext"] = {"domainName": domain, "stage": "$default", "http": http}
    elif source.startswith("alb"):
        built |= {"httpMethod": "GET", "path": path, "requestContext": {"elb": {"targetGroupArn": "arn"}}}
        built["multiValueHeaders" if source == "alb_multi" else "headers"] = headers
    else:
        built |= {"httpMethod": "GET", "path": path, "multiValueHeaders": headers}
        built["requestContext"] = {"stage": "prod", "path": path, "identity": {"sourceIp": "192.0.2.1"}}
        if source == "http_api_v1":
            built["version"] = "1.0"
    return built | changes


def codec_for(event: Any, **options: Any) -> Codec:
    """Find the codec."""
    return Codecs(EventOptions(**options)).codec_for(event)


def decode(event: Any, **options: Any) -> Request:
    """Decode an event after a way through JSON."""
    event = lean.loads(lean.dumps_ascii(event))
    return codec_for(event, **options).decode(event, Invocation("r-1", deadline=1.0))

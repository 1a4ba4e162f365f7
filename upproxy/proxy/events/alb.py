"""Application Load Balancers, whose target group has multi-value headers switched off or on.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from __future__ import annotations

from upproxy.proxy.errors import UpstreamError
from upproxy.proxy.events.fields import joined, listed, request_headers
from upproxy.proxy.events.http import HttpCodec
from upproxy.proxy.events.target import query_of_raw, raw_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Invocation, Request

# The status codes of the IANA registry.
_REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
    205: "Reset Content", 206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used",
    300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
    305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
    414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
    421: "Misdirected Request", 422: "Unprocessable Content", 423: "Locked", 424: "Failed Dependency",
    425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates",
    507: "Insufficient Storage", 508: "Loop Detected", 510: "Not Extended", 511: "Network Authentication Required",
}  # fmt: skip

_LETTERS = "setcookie"
COOKIES_LIMIT = 1 << len(_LETTERS)


class Alb(HttpCodec):
    """A load balancer that sends and takes one value a name."""

    name = "alb"

    @staticmethod
    def matches(event: dict[str, Any], context: dict[str, Any]) -> bool:  # noqa: ARG004
        """Whether the event comes from this source, or from the other kind, which is to be asked first."""
        return "elb" in context

    def decode(self, event: dict[str, Any], invocation: Invocation) -> Request:
        """Turn the event into the request that the client sent. Raises BadEvent, Forbidden, UpgradeRefused."""
        headers = request_headers(event.get("multiValueHeaders") or event.get("headers"))
        query = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
        forwarded = headers.get_all("x-forwarded-for")
        return self.request(
            event.get("httpMethod"),
            raw_path(event.get("path")),
            query_of_raw(query),
            headers,
            event,
            client=_address(forwarded[-1]) if forwarded else "",
            prefix="",
            invocation=invocation,
        )

    def head(self, status: int, fields: list[tuple[str, str]], cookies: list[str]) -> dict[str, Any]:
        """Build the part of a reply that says everything but the body.

        One value a name leaves room for one Set-Cookie, and they cannot be joined; but the load balancer keeps names
        apart that differ in case, and clients do not. Raises UpstreamError when there are more cookies than cases.
        """
        if len(cookies) > COOKIES_LIMIT:
            raise UpstreamError(f"{len(cookies)} cookies in one response, where this load balancer can take 512")
        headers = joined(fields)
        for index, cookie in enumerate(cookies):
            headers[_set_cookie(index)] = cookie
        return {"statusCode": status, "statusDescription": _description(status), "headers": headers}


class AlbMultiValue(Alb):
    """A load balancer that sends and takes lists of values."""

    name = "alb_multi"

    @staticmethod
    def matches(event: dict[str, Any], context: dict[str, Any]) -> bool:
        """Whether the event comes from this source: it has the one map or the other, never both."""
        return "multiValueHeaders" in event and Alb.matches(event, context)

    def head(self, status: int, fields: list[tuple[str, str]], cookies: list[str]) -> dict[str, Any]:
        """Build the part of a reply that says everything but the body."""
        return {
            "statusCode": status,
            "statusDescription": _description(status),
            "multiValueHeaders": listed(fields, cookies),
        }


def _description(status: int) -> str:
    return f"{status} {_REASONS.get(status, 'Unknown')}"


def _set_cookie(index: int) -> str:
    """Return the name in a case of its own: the bits of the index are its capitals."""
    letters = [letter.upper() if index >> bit & 1 else letter for bit, letter in enumerate(_LETTERS)]
    letters.insert(3, "-")
    return "".join(letters)


def _address(forwarded: str) -> str:
    """Return the address of the last entry of X-Forwarded-For, without a port that the load balancer may add."""
    last = forwarded.rpartition(",")[2].strip()
    if last.startswith("["):
        return last[1:].partition("]")[0]
    return last.partition(":")[0] if last.count(":") == 1 else last

"""Lambda Function URLs.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

from upproxy.local.sources import replies
from upproxy.local.sources.http_api import Version2
from upproxy.local.sources.source import LAMBDA_PAYLOAD, HttpReply, MalformedReply

REFUSALS = {
    413: (413, '{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}'),
    429: (429, '{"Message":"Rate Exceeded."}'),
    502: (502, "Internal Server Error"),
    504: (502, "Internal Server Error"),  # the function's own time-out is a failure of it
}


class FunctionUrl(Version2):
    """Payload format 2.0 with the path as the client sent it, and each cookie twice."""

    name = "function_url"
    streams = True
    max_request = LAMBDA_PAYLOAD
    default_type = "application/json"
    api_id = "local00000000000000000000000000"
    domain = "local00000000000000000000000000.lambda-url.us-east-1.on.aws"
    account = "anonymous"
    cookie_header = True
    refusals = REFUSALS
    refusal_pattern = '{{"Message":"{phrase}"}}'

    def raw_path(self, path: str) -> str:
        """Return the event's `rawPath`: as the client sent it."""
        return path

    def reply(self, payload: bytes) -> HttpReply:
        """Turn the function's reply into the response. Raises MalformedReply."""
        return _remapped(super().reply(payload))

    def head(self, prelude: bytes) -> HttpReply:
        """Turn the head of a streamed reply into a response without a body. Raises MalformedReply."""
        return _remapped(replies.prelude(prelude))


def _remapped(reply: HttpReply) -> HttpReply:
    """Rename WWW-Authenticate as a REST API does, and refuse names that are so already; observed, not documented."""
    headers = []
    for name, value in reply.headers:
        lower = name.lower()
        if lower.startswith(b"x-amzn-remapped-"):
            raise MalformedReply(f"a Function URL takes no {name.decode()} from a function")
        headers.append((b"x-amzn-remapped-www-authenticate" if lower == b"www-authenticate" else name, value))
    return HttpReply(reply.status, headers, reply.body)

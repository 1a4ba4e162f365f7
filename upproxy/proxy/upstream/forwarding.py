"""The request as it is sent to the app: its head, with the fields that tell the app where it really comes from.

The event's codec has taken out what a client may not set; here it is set.
"""

from __future__ import annotations

from upproxy.proxy.lean import dumps_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Request

_WITH_BODY = ("POST", "PUT", "PATCH")  # a length is stated for these even when it is 0 (RFC 9110 section 8.6)


class Forwarding:
    """What is the same in every request: the stage, and the description of the function."""

    def __init__(self, *, stage: str, function: dict[str, Any]) -> None:
        """Take what Lambda's environment says of the function, for `env_config` in x-amzn-lambda-context."""
        self._stage = f"x-stage: {stage}\r\n"
        self._function = dumps_ascii(function)

    def head(self, request: Request) -> bytes:
        """Build the request's head, the empty line included."""
        parts = [request.method, " ", request.path]
        if request.query:
            parts += "?", request.query
        parts.append(" HTTP/1.1\r\n")
        seen_for = seen_proto = seen_port = False
        host = ""
        for name, value in request.headers.items:
            if name == "host":
                if host or not value:
                    continue
                host = value
            elif name == "x-forwarded-for":
                seen_for = True
            elif name == "x-forwarded-proto":
                seen_proto = True
            elif name == "x-forwarded-port":
                seen_port = True
            elif name == "x-amzn-trace-id" and request.invocation.trace_id:
                continue  # the function's own follows
            parts += name, ": ", value, "\r\n"
        if not host:
            parts.append("host: localhost\r\n")  # HTTP/1.1 wants one, and an event need not have it
        else:
            parts += "x-forwarded-host: ", host, "\r\n"
        if request.client and not seen_for:
            parts += "x-forwarded-for: ", request.client, "\r\n"
        if not seen_proto:
            parts += "x-forwarded-proto: ", request.scheme, "\r\n"
        if not seen_port:
            parts += "x-forwarded-port: ", "443" if request.scheme == "https" else "80", "\r\n"
        if request.prefix:
            parts += "x-forwarded-prefix: ", request.prefix, "\r\n"
        self._add_context(parts, request)
        if request.body or request.method in _WITH_BODY:
            parts += "content-length: ", str(len(request.body)), "\r\n"
        parts.append("\r\n")
        return "".join(parts).encode("latin-1")

    def _add_context(self, parts: list[str], request: Request) -> None:
        invocation = request.invocation
        parts += "x-request-id: ", invocation.request_id, "\r\n", self._stage
        if request.context is not None:
            context = dumps_ascii(request.context)
            parts += "x-context: ", context, "\r\nx-amzn-request-context: ", context, "\r\n"
        if invocation.trace_id:
            parts += "x-amzn-trace-id: ", invocation.trace_id, "\r\n"
        if invocation.thawed_ms:
            parts += "x-up-thawed-ms: ", str(invocation.thawed_ms), "\r\n"
        if invocation.tenant_id:
            parts += "x-amz-tenant-id: ", invocation.tenant_id, "\r\n"
        parts += (
            'x-amzn-lambda-context: {"request_id":"', invocation.aws_request_id,
            '","deadline":', str(invocation.deadline_ms),
            ',"invoked_function_arn":"', invocation.arn,
            '","xray_trace_id":"', invocation.trace_id,
            '","client_context":', invocation.client_context or "null",
            ',"identity":', invocation.cognito_identity or "null",
            ',"env_config":', self._function, "}\r\n",
        )  # fmt: skip

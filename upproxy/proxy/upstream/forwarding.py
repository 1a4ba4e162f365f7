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
_LOOKED_AT = frozenset(("host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id"))


class Forwarding:
    """What is the same in every request: the stage, and the description of the function."""

    def __init__(self, *, stage: str, function: dict[str, Any]) -> None:
        """Take what Lambda's environment says of the function, for `env_config` in x-amzn-lambda-context."""
        self._stage = f"x-stage: {stage}"
        self._env_config = f'"env_config":{dumps_ascii(function)}'

    def head(self, request: Request) -> bytes:
        """Build the request's head, the empty line included."""
        invocation = request.invocation
        target = f"{request.path}?{request.query}" if request.query else request.path
        lines = [f"{request.method} {target} HTTP/1.1"]
        host = ""
        seen = set()
        for name, value in request.headers.items:
            if name in _LOOKED_AT:
                if name == "host":
                    if host or not value:
                        continue
                    host = value
                elif name == "x-amzn-trace-id" and invocation.trace_id:
                    continue  # the function's own follows
                seen.add(name)
            lines.append(f"{name}: {value}")
        # HTTP/1.1 wants a host, and an event need not have it.
        lines.append(f"x-forwarded-host: {host}" if host else "host: localhost")
        if request.client and "x-forwarded-for" not in seen:
            lines.append(f"x-forwarded-for: {request.client}")
        if "x-forwarded-proto" not in seen:
            lines.append(f"x-forwarded-proto: {request.scheme}")
        if "x-forwarded-port" not in seen:
            lines.append(f"x-forwarded-port: {443 if request.scheme == 'https' else 80}")
        if request.prefix:
            lines.append(f"x-forwarded-prefix: {request.prefix}")
        if request.context is not None:
            context = dumps_ascii(request.context)
            lines += f"x-context: {context}", f"x-amzn-request-context: {context}"
        if invocation.trace_id:
            lines.append(f"x-amzn-trace-id: {invocation.trace_id}")
        if invocation.thawed_ms:
            lines.append(f"x-up-thawed-ms: {invocation.thawed_ms}")
        if invocation.tenant_id:
            lines.append(f"x-amz-tenant-id: {invocation.tenant_id}")
        if request.body or request.method in _WITH_BODY:
            lines.append(f"content-length: {len(request.body)}")
        lambda_context = (
            f'{{"request_id":"{invocation.aws_request_id}","deadline":{invocation.deadline_ms},'
            f'"invoked_function_arn":"{invocation.arn}","xray_trace_id":"{invocation.trace_id}",'
            f'"client_context":{invocation.client_context or "null"},'
            f'"identity":{invocation.cognito_identity or "null"},{self._env_config}}}'
        )
        lines += (
            f"x-request-id: {invocation.request_id}",
            self._stage,
            f"x-amzn-lambda-context: {lambda_context}",
            "\r\n",  # joined, the empty line
        )
        return "\r\n".join(lines).encode("latin-1")

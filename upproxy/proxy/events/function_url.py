"""Lambda Function URLs: payload format 2.0 with the path as the client sent it.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

from upproxy.proxy.events.target import raw_path
from upproxy.proxy.events.version2 import Version2, domain, is_version2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REMAPPED = "x-amzn-remapped-"


class FunctionUrl(Version2):
    """A Function URL; in RESPONSE_STREAM mode it takes streamed replies."""

    name = "function_url"
    streams = True

    @staticmethod
    def matches(event: dict[str, Any], context: dict[str, Any]) -> bool:
        """Whether the event comes from this source: its domain is `<id>.lambda-url.<region>.on.aws`."""
        return ".lambda-url." in domain(context) and is_version2(event, context)

    def path(self, event: dict[str, Any], context: dict[str, Any]) -> tuple[str, str]:  # noqa: ARG002
        """Return the path for the app; a Function URL has no stage."""
        return raw_path(event.get("rawPath")), ""

    def head(self, status: int, fields: list[tuple[str, str]], cookies: list[str]) -> dict[str, Any]:
        """Build the part of a reply that says everything but the body.

        An app that passes on the response of another endpoint of AWS may have `x-amzn-remapped-...` fields in it, which
        make a Function URL answer with an error of its own.
        """
        return super().head(status, [field for field in fields if not field[0].startswith(_REMAPPED)], cookies)

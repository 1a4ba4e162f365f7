"""API Gateway HTTP APIs with payload format 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from upproxy.proxy.events.target import cut, decoded_path
from upproxy.proxy.events.version2 import Version2, domain, is_version2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEFAULT_STAGE = "$default"


class HttpApi(Version2):
    """An HTTP API; it cannot stream."""

    name = "http_api"

    @staticmethod
    def matches(event: dict[str, Any], context: dict[str, Any]) -> bool:
        """Whether the event comes from this source, or from a Function URL, which is to be asked first."""
        return is_version2(event, context)

    def path(self, event: dict[str, Any], context: dict[str, Any]) -> tuple[str, str]:
        """Return the path for the app, and the stage where the public URL has it.

        `rawPath` begins with a named stage, on a custom domain too, where the public URL has the API mapping's key
        instead, which the event does not tell.
        """
        path = decoded_path(event.get("rawPath"))
        stage = context.get("stage")
        if isinstance(stage, str) and stage != _DEFAULT_STAGE:
            prefix = f"/{stage}"
            rest = cut(path, prefix) if stage else None
            if rest is not None:
                return rest, prefix if ".execute-api." in domain(context) else ""
        return path, ""

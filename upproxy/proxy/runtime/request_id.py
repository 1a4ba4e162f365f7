"""The id of a request, where one is trusted that came with it: from a load balancer, a CDN, another service."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Invocation

LIMIT = 128  # characters
# No comma: header fields that came twice are joined with one, and two ids are none.
_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=:;@")


class TrustedId:
    """Takes the id from a header field that only those in front can set, as the configuration promises."""

    def __init__(self, header: str) -> None:
        self._header = header.lower()

    def adopt(self, event: Any, invocation: Invocation) -> None:
        """Give the invocation the id that came with the event; without a usable one it keeps Lambda's."""
        found = self._values(event)
        if len(found) == 1 and 0 < len(found[0]) <= LIMIT and _CHARACTERS.issuperset(found[0]):
            invocation.request_id = found[0]

    def _values(self, event: Any) -> list[str]:
        """Return what the event has under the name; REST APIs and load balancers can have both kinds of maps."""
        for key in ("multiValueHeaders", "headers"):
            fields = event.get(key) if isinstance(event, dict) else None
            if not isinstance(fields, dict):
                continue
            found: list[str] = []
            for name, value in fields.items():
                if name.lower() == self._header:
                    values = value if isinstance(value, list) else [value]
                    found += [one for one in values if isinstance(one, str)]
            if found:
                return found
        return []

"""Networks of clients, by the address that the event's source itself saw."""

from __future__ import annotations

from upproxy.proxy import options
from upproxy.proxy.middleware.auth.credentials import Refused
from upproxy.proxy.middleware.networks import Networks, address_of


class Options(options.Options):
    """Networks such as `10.0.0.0/8`. `deny` wins; an empty `allow` means all others."""

    allow: list[str] = []  # noqa: RUF012  # never changed in place
    deny: list[str] = []  # noqa: RUF012


class Ip:
    """Decides about addresses."""

    def __init__(self, options: Options) -> None:
        self._allow = Networks(options.allow)
        self._deny = Networks(options.deny)

    def check(self, client: str) -> None:
        """Raise Refused (403) for an address that may not pass, and where there is none."""
        address = address_of(client)
        if address is None:
            raise Refused("the event has no client address", status=403)
        if address in self._deny:
            raise Refused("an address that is denied", status=403, ip=client)
        if self._allow and address not in self._allow:
            raise Refused("an address that is not allowed", status=403, ip=client)

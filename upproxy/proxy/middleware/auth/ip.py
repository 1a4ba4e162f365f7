"""Networks of clients, by the address that the event's source itself saw."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from upproxy.proxy import options
from upproxy.proxy.middleware.auth.credentials import Refused


class Options(options.Options):
    """Networks such as `10.0.0.0/8`. `deny` wins; an empty `allow` means all others."""

    allow: list[str] = []  # noqa: RUF012  # never changed in place
    deny: list[str] = []  # noqa: RUF012


class Networks:
    """Decides about addresses."""

    def __init__(self, options: Options) -> None:
        self._allow = [ip_network(network) for network in options.allow]
        self._deny = [ip_network(network) for network in options.deny]

    def check(self, client: str) -> None:
        """Raise Refused (403) for an address that may not pass, and where there is none."""
        try:
            address = ip_address(client)
        except ValueError:
            raise Refused("the event has no client address", status=403) from None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self._deny):
            raise Refused("an address that is denied", status=403, ip=client)
        if self._allow and not any(address in network for network in self._allow):
            raise Refused("an address that is not allowed", status=403, ip=client)

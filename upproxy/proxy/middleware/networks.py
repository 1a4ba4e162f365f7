"""Addresses of clients and the networks that they are in."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Network


class Networks:
    """Some networks, such as `10.0.0.0/8`."""

    def __init__(self, networks: list[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(network) for network in networks]

    def __len__(self) -> int:
        return len(self._networks)

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def address_of(client: str) -> IPv4Address | IPv6Address | None:
    """Return the address of a client, None for what is none. One of IPv4 that is written as IPv6 is one of IPv4."""
    try:
        address = ip_address(client)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address

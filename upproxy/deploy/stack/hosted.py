"""Which hosted zones of the account hold the records of a stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from upproxy.aws.zones import Zone
from upproxy.deploy.errors import DeployError


def zone_of(domain: str, said: bool | str, zones: Sequence[Zone]) -> str | None:
    """Return the id of the zone for a domain; `said` is the key `zone` of up.yml.

    None where it is not wanted, or not found without being named. Raises DeployError for a named one that is not there
    or does not hold the domain, and for several of which none is named by its id.
    """
    if said is False:
        return None
    holding = [zone for zone in zones if domain == zone.name or domain.endswith(f".{zone.name}")]
    if said is True:
        nearest = max((zone.name for zone in holding), key=len, default="")
        return _only([zone for zone in holding if zone.name == nearest], f"`zone` for {domain}")
    wanted = said.rstrip(".")
    found = _only([zone for zone in holding if wanted in zone], f"`zone: {said}`")
    if found is None:
        known = ", ".join(sorted({zone.name for zone in holding})) or "none"
        raise DeployError(
            f"`zone: {said}`: the account has no such public hosted zone for {domain}",
            f"Zones for it: {known}. `zone: false` leaves the records to you.",
        )
    return found


def zones_of(names: Iterable[str], zones: Sequence[Zone]) -> dict[str, str]:
    """Return the ids of zones by their names, without those that are not in the account. Raises DeployError."""
    found = {name: _only([zone for zone in zones if zone.name == name], f"`dns: {name}`") for name in names}
    return {name: zone for name, zone in found.items() if zone is not None}


def _only(zones: Sequence[Zone], what: str) -> str | None:
    if len(zones) > 1:
        listed = " and ".join(zone.id for zone in zones)
        raise DeployError(
            f"{what}: the account has several public hosted zones called {zones[0].name}: {listed}",
            "Write the id of the one that is meant as `zone`, or delete the other.",
        )
    return zones[0].id if zones else None

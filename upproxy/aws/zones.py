"""Route 53: hosted zones and their records. They are global."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from upproxy.aws.session import Session


class Zone(NamedTuple):
    """A public hosted zone; the name is without a dot at its end."""

    id: str
    name: str


class Zones:
    """Route 53."""

    def __init__(self, session: Session) -> None:
        self._route53 = session.service("route53")

    def listed(self) -> list[Zone]:
        """Return the public zones of the account."""
        return [
            Zone(str(one["Id"]).rpartition("/")[2], str(one["Name"]).rstrip("."))
            for page in self._route53.pages("ListHostedZones")
            for one in page["HostedZones"]
            if not one.get("Config", {}).get("PrivateZone")
        ]

    def put(self, zone: str, name: str, kind: str, ttl: int, values: Sequence[str]) -> None:
        """Create or change a record; `ttl` is in seconds."""
        record: dict[str, Any] = {
            "Name": name,
            "Type": kind,
            "TTL": ttl,
            "ResourceRecords": [{"Value": value} for value in values],
        }
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        self._route53.call("ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch=batch)

"""The certificate for a stage's domain: requested before the stack, validated by DNS, and found again by its tags."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from upproxy.aws.certificates import Certificates
from upproxy.aws.errors import Conflict, TimedOut
from upproxy.aws.waiting import wait
from upproxy.aws.zones import Zones
from upproxy.deploy.errors import DeployError, Pending
from upproxy.deploy.names import Names

VALIDATION_TIMEOUT = 60.0  # seconds until ACM says how it wants to be shown whose domain it is
ISSUE_TIMEOUT = 300.0  # seconds that issuing may take once the record is there
_TTL = 300  # seconds
_WAITING = "PENDING_VALIDATION"
_LEAVE_OUT = "Leave `cert` out, and one is requested."

Report = Callable[[str], None]


class Entry(NamedTuple):
    """A DNS record to be entered somewhere."""

    name: str
    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}  {self.kind}  {self.value}"


class Requested:
    """The certificates that were requested for a stage in a region."""

    def __init__(self, certificates: Certificates, names: Names, domain: str) -> None:
        self._certificates = certificates
        self._names = names
        self._domain = domain

    def look(self) -> dict[str, Any] | None:
        """Return the certificate for the domain, an issued one before one that is awaited."""
        found = [one for one in self._own(self._domain) if one["Status"] in ("ISSUED", _WAITING)]
        return min(found, key=lambda one: one["Status"] == _WAITING, default=None)

    def ready(self, zones: Zones, zone: str | None, tags: dict[str, str], report: Report) -> str:
        """Return the ARN of a certificate that is issued; one is requested where there is none.

        The record that proves whose domain it is goes into the hosted `zone`. Raises Pending where it has to be
        entered elsewhere, or where issuing takes longer; it goes on where it stopped when it is called again.
        """
        found = self.look()
        if found is None:
            self._give_up_failed(report)
            report(f"request a certificate for {self._domain}")
            found = {"CertificateArn": self._certificates.request(self._domain, secrets.token_hex(16), tags)}
        elif found["Status"] == "ISSUED":
            return str(found["CertificateArn"])
        arn = str(found["CertificateArn"])
        entries = wait(
            lambda: self._entries(arn), "the validation record of the certificate", timeout=VALIDATION_TIMEOUT,
            report=report,
        )  # fmt: skip
        if zone is None:
            raise self._pending(
                f"Enter this where the DNS of {self._domain} is kept, and run it again when it can be resolved:",
                entries,
            )
        for entry in entries:
            report(f"put the validation record {entry.name} into its zone")
            zones.put(zone, entry.name, entry.kind, _TTL, [entry.value])
        try:
            wait(lambda: self._issued(arn), f"the certificate for {self._domain}", timeout=ISSUE_TIMEOUT, report=report)
        except TimedOut:
            raise self._pending(
                "The hosted zone has this record; do the domain's name servers point to that zone? Run it again later:",
                entries,
            ) from None
        return arn

    def remove(self, report: Report, *, others: bool = False) -> list[Entry]:
        """Delete the stage's certificates, or only those for `others` than its domain.

        Those that something still uses are left alone. Returns the validation records of those that are deleted, which
        stay: other certificates for the same domain have the same one.
        """
        left: list[Entry] = []
        for one in self._own(None):
            if others and one["DomainName"] == self._domain:
                continue
            try:
                self._certificates.delete(one["CertificateArn"])
            except Conflict:
                report(f"leave the certificate for {one['DomainName']}, which is in use")
                continue
            report(f"delete the certificate for {one['DomainName']}")
            left += _records(one) or ()
        return left

    def _own(self, domain: str | None) -> Iterator[dict[str, Any]]:
        """Go through our certificates, for a domain or for all."""
        for name, arn in list(self._certificates.listed()):
            if domain in (None, name) and self._names.own(self._certificates.tags(arn)):
                found = self._certificates.find(arn)
                if found is not None:
                    yield found

    def _give_up_failed(self, report: Report) -> None:
        for one in self._own(self._domain):
            report(f"delete the certificate that came to nothing ({one.get('FailureReason') or one['Status']})")
            with suppress(Conflict):  # one that has expired may be in use, until the stack has the next
                self._certificates.delete(one["CertificateArn"])

    def _entries(self, arn: str) -> list[Entry] | None:
        found = self._certificates.find(arn)  # not known everywhere at once
        return _records(found) if found is not None else None

    def _issued(self, arn: str) -> bool | None:
        found = self._certificates.find(arn)
        status = found["Status"] if found is not None else _WAITING
        if status not in ("ISSUED", _WAITING):
            raise DeployError(
                f"there will be no certificate for {self._domain}: {(found or {}).get('FailureReason') or status}",
                "https://docs.aws.amazon.com/acm/latest/userguide/troubleshooting-failed.html has the reasons. "
                "Run it again to request another one.",
            )
        return True if status == "ISSUED" else None

    def _pending(self, advice: str, entries: list[Entry]) -> Pending:
        return Pending(
            f"the certificate for {self._domain} is not issued yet",
            "\n".join([advice, *(f"  {one}" for one in entries)]),
        )


def given(certificates: Certificates, arn: str, region: str) -> str:
    """Return the ARN in up.yml if that certificate can be used in a region. Raises DeployError."""
    there = arn.split(":")[3]
    if there != region:
        raise DeployError(
            f"`cert` is a certificate in {there}, and a gateway in {region} needs one of its own region", _LEAVE_OUT
        )
    found = certificates.find(arn)
    status = found["Status"] if found else "not there"
    if status != "ISSUED":
        raise DeployError(f"the certificate {arn} cannot be used: it is {status.replace('_', ' ').lower()}", _LEAVE_OUT)
    return arn


def _records(certificate: dict[str, Any]) -> list[Entry] | None:
    """Return the records that a certificate is validated by; None while ACM has not said them."""
    options = certificate.get("DomainValidationOptions", ())
    records = [one["ResourceRecord"] for one in options if "ResourceRecord" in one]
    if not records or len(records) < len(options):
        return None
    return [Entry(one["Name"].rstrip("."), one["Type"], one["Value"].rstrip(".")) for one in records]

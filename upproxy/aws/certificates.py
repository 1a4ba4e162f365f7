"""ACM: certificates for domains. https://docs.aws.amazon.com/acm/latest/APIReference/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from upproxy.aws.errors import NotFound
from upproxy.aws.session import Session


class Certificates:
    """The certificates of a region."""

    def __init__(self, session: Session, region: str) -> None:
        self._acm = session.service("acm", region)

    def listed(self) -> Iterator[tuple[str, str]]:
        """Go through the domains of all certificates, and their ARNs."""
        for page in self._acm.pages("ListCertificates"):
            for one in page["CertificateSummaryList"]:
                yield str(one["DomainName"]), str(one["CertificateArn"])

    def tags(self, arn: str) -> list[dict[str, str]]:
        """Return the tags of a certificate."""
        found: list[dict[str, str]] = self._acm.call("ListTagsForCertificate", CertificateArn=arn)["Tags"]
        return found

    def find(self, arn: str) -> dict[str, Any] | None:
        """Return a certificate: `Status`, `DomainName`, `DomainValidationOptions`, `FailureReason`, `InUseBy`."""
        try:
            found: dict[str, Any] = self._acm.call("DescribeCertificate", CertificateArn=arn)["Certificate"]
        except NotFound:
            return None
        return found

    def request(self, domain: str, token: str, tags: Mapping[str, str]) -> str:
        """Request a certificate that is validated by DNS, and return its ARN; the same `token` makes one only."""
        answer = self._acm.call(
            "RequestCertificate", DomainName=domain, ValidationMethod="DNS", IdempotencyToken=token,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )  # fmt: skip
        return str(answer["CertificateArn"])

    def delete(self, arn: str) -> None:
        """Delete a certificate. Raises Conflict while something uses it."""
        try:
            self._acm.call("DeleteCertificate", CertificateArn=arn)
        except NotFound:
            pass

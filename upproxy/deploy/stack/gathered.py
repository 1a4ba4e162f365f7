"""The facts that a template is made of, looked up in the account."""

from __future__ import annotations

from functools import cached_property

from upproxy.aws import gateways
from upproxy.aws.certificates import Certificates
from upproxy.aws.session import Session
from upproxy.aws.zones import Zone, Zones
from upproxy.config import Config
from upproxy.deploy.names import Names
from upproxy.deploy.stack import certificate, domain, hosted
from upproxy.deploy.stack.certificate import Entry, Report, Requested
from upproxy.deploy.stack.facts import Facts, alias_of

_NO_LOG = (
    "REST APIs of this account have no role in {region} to write logs with, so that this one writes none; "
    "docs/stack.md says how to give them one"
)


class Gathered:
    """What is known of a stage in a region. Only what the configuration asks for is looked up, and once."""

    def __init__(self, session: Session, config: Config, names: Names, region: str, *, leads: bool) -> None:
        self._session = session
        self._config = config
        self._names = names
        self._region = region
        self._leads = leads
        certificates = Certificates(session, region)
        self._certificates = certificates
        self.requested = Requested(certificates, names, config.settings.domain or "")

    @property
    def facts(self) -> Facts:
        """The facts, with the certificate as soon as there is one.

        Raises DeployError for a zone or certificate that cannot be used, and AwsError.
        """
        return Facts(
            region=self._region,
            alias=alias_of(self._names),
            certificate=self._certificate or self._placeholder if self._config.settings.domain is not None else None,
            zone=self.zone,
            zones=hosted.zones_of(domain.records_of(self._config), self._zones),
            leads=self._leads,
            gateway_logs=self._may_log,
        )

    @property
    def pending(self) -> bool:
        """Whether the certificate in the facts is not there yet, so that it is another one's name that is in them."""
        return self._config.settings.domain is not None and self._certificate is None

    @cached_property
    def zone(self) -> str | None:
        """The id of the zone that the domain's records go to."""
        settings = self._config.settings
        return None if settings.domain is None else hosted.zone_of(settings.domain, settings.zone, self._zones)

    @property
    def warnings(self) -> list[str]:
        """What people should know of the template."""
        return [] if self._may_log else [_NO_LOG.format(region=self._region)]

    def prepare(self, report: Report) -> None:
        """Have a certificate for the domain. Raises Pending where that takes longer or needs somebody."""
        settings = self._config.settings
        if settings.domain is not None and self._certificate is None:
            tags = self._names.tags(settings.lambda_.tags)
            self._certificate = self.requested.ready(Zones(self._session), self.zone, tags, report)

    def entries(self, target: str | None) -> list[Entry]:
        """Return the records that somebody has to enter elsewhere, since their zones are not in the account.

        `target` is what the stage's domain has to lead to, None where there is no stack yet.
        """
        settings = self._config.settings
        listed: list[Entry] = []
        if settings.domain is not None and self.zone is None and target:
            listed.append(Entry(settings.domain, "CNAME", target))
        if self._leads:
            for zone, records in domain.records_of(self._config).items():
                if zone not in self.facts.zones:
                    listed += [Entry(one.name, one.type, text) for one in records for text in domain.values(one)]
        return listed

    def certificate_status(self) -> str:
        """Return the status of the certificate for the domain, as ACM has it; empty where there is none."""
        settings = self._config.settings
        found = self._certificates.find(settings.cert) if settings.cert is not None else self.requested.look()
        return str(found["Status"]) if found is not None else ""

    @cached_property
    def _certificate(self) -> str | None:
        """The ARN of the certificate for the domain; None while it is not issued."""
        settings = self._config.settings
        if settings.cert is not None:
            return certificate.given(self._certificates, settings.cert, self._region)
        found = self.requested.look()
        return str(found["CertificateArn"]) if found and found["Status"] == "ISSUED" else None

    @property
    def _placeholder(self) -> str:
        session = self._session
        return f"arn:{session.partition}:acm:{self._region}:{session.account}:certificate/not-yet-issued"

    @cached_property
    def _zones(self) -> list[Zone]:
        settings = self._config.settings
        for_domain = settings.domain is not None and settings.zone is not False
        return Zones(self._session).listed() if for_domain or domain.records_of(self._config) else []

    @cached_property
    def _may_log(self) -> bool:
        return self._config.endpoint.kind != "rest_api" or gateways.may_log(self._session, self._region)

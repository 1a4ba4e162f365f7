"""The stage's own domain in front of its gateway, and DNS records.

https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mappings.html: both kinds of API are mapped alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from upproxy.config import Config
from upproxy.config.settings import Record
from upproxy.deploy.stack import gateway
from upproxy.deploy.stack.facts import Facts, Part, attribute, reference, resource

DOMAIN = "Domain"
_TEXT = 255  # characters of one string of a TXT record
_QUOTED = ("TXT", "SPF")


def domain(config: Config, facts: Facts) -> Part:
    """Return the domain, what it leads to, and its records where its zone is in the account."""
    settings = config.settings
    key = (settings.path or "").strip("/")
    rest = config.endpoint.kind == "rest_api"
    resources = {
        DOMAIN: resource(
            "ApiGatewayV2::DomainName",
            DomainName=settings.domain,
            DomainNameConfigurations=[
                {
                    "CertificateArn": facts.certificate,
                    "EndpointType": "REGIONAL",
                    "SecurityPolicy": "TLS_1_2",
                    "IpAddressType": "dualstack",
                }
            ],
        ),
        "DomainMapping": resource(
            "ApiGatewayV2::ApiMapping",
            ApiId=reference(gateway.REST_API if rest else gateway.HTTP_API),
            DomainName=reference(DOMAIN),
            Stage=reference(gateway.REST_STAGE if rest else gateway.HTTP_STAGE),
            ApiMappingKey=key or None,
        ),
    }
    if facts.zone is not None:
        for kind in ("A", "AAAA"):
            # One record a region, answered by the nearest: so another region may come and go without touching this one.
            resources[f"DomainRecord{kind}"] = resource(
                "Route53::RecordSet",
                HostedZoneId=facts.zone,
                Name=settings.domain,
                Type=kind,
                SetIdentifier=facts.region,
                Region=facts.region,
                AliasTarget={
                    "DNSName": attribute(DOMAIN, "RegionalDomainName"),
                    "HostedZoneId": attribute(DOMAIN, "RegionalHostedZoneId"),
                },
            )
    return Part(resources, {"DomainTarget": attribute(DOMAIN, "RegionalDomainName")})


def records_of(config: Config) -> Mapping[str, Sequence[Record]]:
    """Return the records that go with a stage by zone: production has those of all stages, the others their own."""
    own = config.document is not None and ("stages", config.stage, "dns") in config.document
    return config.settings.dns if own or config.stage == "production" else {}


def records(config: Config, facts: Facts) -> Part:
    """Return the records of the zones that are in the account. All regions share them."""
    if not facts.leads:
        return Part({})
    return Part(
        {
            _logical_id(record): resource(
                "Route53::RecordSet",
                HostedZoneId=facts.zones[zone],
                Name=record.name,
                Type=record.type,
                TTL=str(record.ttl),
                ResourceRecords=values(record),
            )
            for zone, listed in records_of(config).items()
            if zone in facts.zones
            for record in listed
        }
    )


def values(record: Record) -> list[str]:
    """Return the values of a record as DNS has them: texts in quotes, long ones as several strings."""
    return [_quoted(one) if record.type in _QUOTED and not one.startswith('"') else one for one in record.value]


def _quoted(text: str) -> str:
    pieces = [text[at : at + _TEXT] for at in range(0, len(text), _TEXT)] or [""]
    return " ".join('"' + piece.replace("\\", "\\134").replace('"', "\\042") + '"' for piece in pieces)  # octal codes


def _logical_id(record: Record) -> str:
    digest = hashlib.sha256(f"{record.name} {record.type}".encode()).hexdigest()[:6]
    words = re.findall("[a-z0-9]+", record.name)
    return "".join(("Record", *(word.capitalize() for word in words), record.type.capitalize(), digest))

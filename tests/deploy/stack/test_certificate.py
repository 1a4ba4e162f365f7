"""Certificates: requested, proven by DNS, found again, and deleted."""

import boto3
import pytest
from botocore.stub import ANY, Stubber

from tests.aws.moto_server import REGION
from upproxy.aws.certificates import Certificates
from upproxy.aws.zones import Zones
from upproxy.deploy.errors import DeployError, Pending
from upproxy.deploy.names import Names
from upproxy.deploy.stack import certificate
from upproxy.deploy.stack.certificate import Entry, Requested, given

NAMES = Names("shop", "production")
TAGS = NAMES.tags({"team": "shop"})
ARN = f"arn:aws:acm:{REGION}:123456789012:certificate/0a1b2c3d"
RECORD = Entry("_x.shop.example", "CNAME", "_y.acm-validations.aws")


@pytest.fixture
def said():
    return []


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """moto issues certificates after seconds, whatever is in DNS."""
    monkeypatch.setattr("moto.settings.ACM_VALIDATION_WAIT", 0)


@pytest.fixture
def zones(session):
    return Zones(session)


@pytest.fixture
def zone(aws):
    return boto3.client("route53").create_hosted_zone(Name="shop.example", CallerReference="1")["HostedZone"]["Id"]


def requested(session, names=NAMES, domain="shop.example"):
    return Requested(Certificates(session, REGION), names, domain)


def there():
    return boto3.client("acm").list_certificates()["CertificateSummaryList"]


def test_one_is_requested_proven_and_found_again(session, zones, zone, said):
    arn = requested(session).ready(zones, zone, TAGS, said.append)
    assert any("request a certificate for shop.example" in line for line in said)
    found = boto3.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    assert (found["Status"], found["DomainName"]) == ("ISSUED", "shop.example")
    tags = boto3.client("acm").list_tags_for_certificate(CertificateArn=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == TAGS
    proof = found["DomainValidationOptions"][0]["ResourceRecord"]
    records = boto3.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [one["ResourceRecords"][0]["Value"] for one in records if one["Type"] == "CNAME"] == [
        proof["Value"].rstrip(".")
    ]
    said.clear()
    assert requested(session).ready(zones, zone, TAGS, said.append) == arn
    assert said == []
    assert len(there()) == 1


def test_without_its_zone_it_is_told_what_to_enter_and_goes_on_later(session, zones, said, monkeypatch):
    monkeypatch.setattr("moto.settings.ACM_VALIDATION_WAIT", 60)
    with pytest.raises(Pending) as caught:
        requested(session).ready(zones, None, TAGS, said.append)
    assert "is not issued yet" in str(caught.value)
    assert "shop.example  CNAME  _" in caught.value.hint
    monkeypatch.setattr("moto.settings.ACM_VALIDATION_WAIT", 0)
    [one] = there()
    assert requested(session).ready(zones, None, TAGS, said.append) == one["CertificateArn"]


def test_those_of_other_stages_and_domains_are_left_alone(session, zones, zone, said):
    acm = boto3.client("acm")
    foreign = acm.request_certificate(DomainName="shop.example", ValidationMethod="DNS")["CertificateArn"]
    other = requested(session, Names("shop", "staging"))
    other.ready(zones, zone, Names("shop", "staging").tags({}), said.append)
    mine = requested(session).ready(zones, zone, TAGS, said.append)
    assert len({foreign, mine, *(one["CertificateArn"] for one in there())}) == 3
    [left] = requested(session).remove(said.append)
    assert left.kind == "CNAME"
    assert mine not in [one["CertificateArn"] for one in there()]
    assert len(there()) == 2


def test_only_those_of_former_domains(session, zones, zone, said):
    old = requested(session, domain="old.shop.example").ready(zones, zone, TAGS, said.append)
    new = requested(session).ready(zones, zone, TAGS, said.append)
    assert requested(session).remove(said.append, others=True)
    assert [one["CertificateArn"] for one in there()] == [new] != [old]


# --- scripted


@pytest.fixture
def acm(session):
    with Stubber(session.service("acm", REGION).client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def listed(acm, *arns, tags=TAGS):
    summaries = [{"CertificateArn": arn, "DomainName": "shop.example"} for arn in arns]
    acm.add_response("list_certificates", {"CertificateSummaryList": summaries})
    for arn in arns:
        tags_of = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        acm.add_response("list_tags_for_certificate", tags_of, {"CertificateArn": arn})


def described(acm, status, arn=ARN, record=True, **more):
    option = {"DomainName": "shop.example"}
    if record:
        option["ResourceRecord"] = {"Name": f"{RECORD.name}.", "Type": RECORD.kind, "Value": f"{RECORD.value}."}
    found = {"CertificateArn": arn, "DomainName": "shop.example", "Status": status, "DomainValidationOptions": [option]}
    acm.add_response("describe_certificate", {"Certificate": {**found, **more}}, {"CertificateArn": arn})


def test_what_acm_says_late_is_waited_for(session, acm, zones, said):
    listed(acm)
    listed(acm)
    acm.add_response(
        "request_certificate", {"CertificateArn": ARN},
        {"DomainName": "shop.example", "ValidationMethod": "DNS", "IdempotencyToken": ANY,
         "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()]},
    )  # fmt: skip
    acm.add_client_error("describe_certificate", "ResourceNotFoundException", "not yet")
    described(acm, "PENDING_VALIDATION", record=False)
    described(acm, "PENDING_VALIDATION")
    with pytest.raises(Pending) as caught:
        requested(session).ready(zones, None, TAGS, said.append)
    assert str(RECORD) in caught.value.hint


def test_one_that_failed_is_given_up_for_another(session, acm, zones, said):
    listed(acm, ARN)
    described(acm, "FAILED", FailureReason="CAA_ERROR")
    listed(acm, ARN)
    described(acm, "FAILED", FailureReason="CAA_ERROR")
    acm.add_response("delete_certificate", {}, {"CertificateArn": ARN})
    acm.add_response("request_certificate", {"CertificateArn": f"{ARN}4"})
    described(acm, "PENDING_VALIDATION", f"{ARN}4")
    with pytest.raises(Pending):
        requested(session).ready(zones, None, TAGS, said.append)
    assert any("CAA_ERROR" in line for line in said)


def test_one_that_fails_while_it_is_waited_for(session, acm, zones, zone, said):
    listed(acm, ARN)
    described(acm, "PENDING_VALIDATION")
    described(acm, "PENDING_VALIDATION")
    described(acm, "FAILED", FailureReason="CAA_ERROR")
    with pytest.raises(DeployError, match="CAA_ERROR"):
        requested(session).ready(zones, zone, TAGS, said.append)


def test_one_that_takes_longer_is_left_to_the_next_run(session, acm, zones, zone, said, monkeypatch):
    monkeypatch.setattr(certificate, "ISSUE_TIMEOUT", 0.1)
    listed(acm, ARN)
    described(acm, "PENDING_VALIDATION")
    described(acm, "PENDING_VALIDATION")
    described(acm, "PENDING_VALIDATION")
    with pytest.raises(Pending) as caught:
        requested(session).ready(zones, zone, TAGS, said.append)
    assert "name servers" in caught.value.hint
    assert str(RECORD) in caught.value.hint


def test_one_in_use_is_left(session, acm, said):
    listed(acm, ARN)
    described(acm, "ISSUED")
    acm.add_client_error("delete_certificate", "ResourceInUseException", "in use")
    assert requested(session).remove(said.append) == []
    assert "in use" in said[-1]


def test_an_issued_one_is_taken_before_one_that_is_awaited(session, acm):
    summaries = [{"CertificateArn": f"{ARN}{n}", "DomainName": "shop.example"} for n in (1, 2)]
    acm.add_response("list_certificates", {"CertificateSummaryList": summaries})
    for number, status in ((1, "PENDING_VALIDATION"), (2, "ISSUED")):
        tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
        acm.add_response("list_tags_for_certificate", {"Tags": tags}, {"CertificateArn": f"{ARN}{number}"})
        described(acm, status, f"{ARN}{number}")
    assert requested(session).look()["CertificateArn"] == f"{ARN}2"


# --- given in up.yml


def test_one_that_is_given(session, acm):
    described(acm, "ISSUED")
    assert given(Certificates(session, REGION), ARN, REGION) == ARN


@pytest.mark.parametrize("status", ["EXPIRED", "PENDING_VALIDATION"])
def test_one_that_cannot_be_used(session, acm, status):
    described(acm, status)
    with pytest.raises(DeployError, match=status.replace("_", " ").lower()):
        given(Certificates(session, REGION), ARN, REGION)


def test_one_of_another_region(session):
    with pytest.raises(DeployError, match=r"eu-central-1.*us-east-1"):
        given(Certificates(session, REGION), ARN, "us-east-1")

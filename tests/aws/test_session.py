"""Credentials, profile and region from where all tools of AWS look; and that what is wrong with them is told."""

import threading

import pytest

from tests.aws.moto_server import ACCOUNT, REGION
from upproxy.aws.errors import AwsError, CredentialsError, InvalidRequest, NotFound, Unreachable
from upproxy.aws.session import Session

CONFIG = """
[default]
region = eu-west-1
[profile shop]
region = eu-north-1
[profile bare]
[profile chained]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = nowhere
[profile missing]
credential_process = /nowhere/credentials
[profile garbled]
credential_process = echo hello
[profile failing]
credential_process = false
"""
CREDENTIALS = """
[default]
aws_access_key_id = default-key
aws_secret_access_key = secret
[shop]
aws_access_key_id = shop-key
aws_secret_access_key = secret
"""


@pytest.fixture
def profiles(nobody, tmp_path):
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "credentials").write_text(CREDENTIALS)
    nobody.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    nobody.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return nobody


def key_of(session):
    return session.credentials.access_key


def test_the_default_profile(profiles):
    session = Session()
    assert (session.region, key_of(session), session.credentials.method) == (
        "eu-west-1", "default-key", "shared-credentials-file",
    )  # fmt: skip


def test_a_profile_of_the_environment(profiles):
    profiles.setenv("AWS_PROFILE", "shop")
    assert (Session().region, key_of(Session())) == ("eu-north-1", "shop-key")


def test_a_profile_that_is_named_wins_over_the_environment(profiles):
    profiles.setenv("AWS_PROFILE", "default")
    assert (Session("shop").region, key_of(Session("shop"))) == ("eu-north-1", "shop-key")


def test_a_profile_that_is_named_wins_over_keys_of_the_environment(profiles):
    profiles.setenv("AWS_ACCESS_KEY_ID", "environment-key")
    profiles.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert key_of(Session()) == "environment-key"
    assert key_of(Session("shop")) == "shop-key"


def test_a_region_that_is_named_wins_over_all(profiles):
    assert Session().region == "eu-west-1"
    profiles.setenv("AWS_DEFAULT_REGION", "us-east-2")
    assert Session().region == "us-east-2"
    assert Session("shop", "ap-south-1").region == "ap-south-1"
    assert Session("shop", "ap-south-1").service("sts").region == "ap-south-1"
    assert Session("shop").service("sts", "eu-central-1").region == "eu-central-1"


def test_aws_region_is_heard(profiles):
    """AWS's command line and all other kits of it know this name; botocore only knows the older one."""
    profiles.setenv("AWS_DEFAULT_REGION", "us-east-2")
    profiles.setenv("AWS_REGION", "us-west-2")
    assert Session().region == "us-west-2"


def test_no_region(nobody):
    with pytest.raises(CredentialsError, match="there is no AWS region") as caught:
        _ = Session().region
    assert "regions: [eu-central-1]" in caught.value.hint


def test_no_credentials(nobody):
    session = Session(region=REGION)
    assert session.credentials is None
    with pytest.raises(CredentialsError, match="there are no AWS credentials"):
        _ = session.account


@pytest.mark.parametrize("profile", ["nowhere", "chained", "missing", "garbled", "failing"])
def test_a_profile_that_cannot_be_used(profiles, profile):
    with pytest.raises(CredentialsError) as caught:
        Session(profile, REGION).service("sts").call("GetCallerIdentity")
    assert caught.value.hint
    with pytest.raises(CredentialsError):
        _ = Session(profile, REGION).credentials


def test_a_configuration_that_cannot_be_read(nobody, tmp_path):
    (tmp_path / "config").write_text("garbage\n[x\n")
    nobody.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(CredentialsError, match="Unable to parse config file"):
        Session()


@pytest.mark.parametrize("address", ["nonsense", "http://[", "http://127.0.0.1:99999"])
def test_an_address_that_is_none(aws, monkeypatch, address):
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    with pytest.raises(CredentialsError, match="the settings for AWS cannot be used") as caught:
        Session().service("sts").call("GetCallerIdentity")
    assert "AWS_ENDPOINT_URL" in caught.value.hint


def test_a_region_that_is_none(aws):
    with pytest.raises(InvalidRequest, match="'not a region'"):
        Session(region="not a region").service("sts").call("GetCallerIdentity")


def test_nobody_answers(nobody, unused_tcp_port):
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("REGION", REGION)):
        nobody.setenv(f"AWS_{name}", value)
    nobody.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(Unreachable, match="Could not connect") as caught:
        Session().service("sts", attempts=1).call("GetCallerIdentity")
    assert "AWS_ENDPOINT_URL" in caught.value.hint


def test_who_calls_is_asked_once(aws):
    session = Session()
    assert session.account == ACCOUNT
    assert session.partition == "aws"
    assert session.identity is session.identity


def test_a_service_is_opened_once_for_each_region_and_set_of_options(aws):
    session = Session()
    one = session.service("lambda")
    assert session.service("lambda", REGION) is one
    assert session.service("lambda", "us-east-1") is not one
    assert session.service("lambda", read_timeout=5, attempts=1) is not one
    config = session.service("lambda", read_timeout=5, attempts=1).client.meta.config
    assert (config.read_timeout, config.retries["total_max_attempts"], config.retries["mode"]) == (5, 1, "adaptive")
    assert "upproxy" in config.user_agent_extra


def test_services_are_opened_from_several_threads(aws):
    session = Session()
    opened = []
    threads = [threading.Thread(target=lambda: opened.append(session.service("ssm"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 8
    assert len(set(map(id, opened))) == 1


def test_calls_and_pages(aws):
    iam = Session().service("iam")
    for number in range(3):
        iam.call("CreateRole", RoleName=f"r{number}", AssumeRolePolicyDocument="{}")
    names = [role["RoleName"] for page in iam.pages("ListRoles", MaxItems=2) for role in page["Roles"]]
    assert sorted(names) == ["r0", "r1", "r2"]
    with pytest.raises(NotFound, match="iam GetRole: "):
        iam.call("GetRole", RoleName="nobody")
    with pytest.raises(InvalidRequest, match="iam GetRole: Parameter validation failed"):
        iam.call("GetRole", RollName="r0")


def test_what_goes_wrong_between_pages_is_told(aws):
    with pytest.raises(AwsError):
        list(Session().service("logs").pages("DescribeLogStreams", logGroupName="/nowhere"))

"""Every template on the sandbox, whose CloudFormation makes all of it: from one to the next, and back to nothing."""

import itertools

import boto3
import pytest

from tests.aws.moto_server import REGION
from tests.aws.released import release
from tests.deploy.stack.configurations import FEATURES, configuration, names
from tests.sandbox import aws, sandbox  # noqa: F401  # fixtures
from upproxy.aws.session import Session
from upproxy.deploy.errors import DeployError
from upproxy.deploy.stack.stack import Stack

STAGE = "upproxy-shop-production"
SECONDS = itertools.count(1)


@pytest.fixture(scope="module")
def released(sandbox):  # noqa: F811
    with pytest.MonkeyPatch.context() as patched:
        for name, value in sandbox.environment.items():
            patched.setenv(name, value)
        boto3.setup_default_session()
        release()
        boto3.client("route53").create_hosted_zone(Name="shop.example", CallerReference="1")
        yield
    boto3.setup_default_session()


@pytest.fixture
def made(aws, released, tmp_path, monkeypatch):  # noqa: F811
    """Makes the stack of a feature."""
    monkeypatch.setattr("moto.settings.ACM_VALIDATION_WAIT", 0)

    def make(feature):
        text = FEATURES.get(feature, feature).replace("zone: false", "zone: true")
        # moto takes a record that was there before for one that is there; a number makes each another one.
        text = text.replace("type: MX,", f"type: MX, ttl: {next(SECONDS)},").replace(
            "ttl: 60,", f"ttl: {next(SECONDS)},"
        )
        config = configuration(tmp_path, text)
        return Stack(Session(region=REGION), config, names(config), REGION)

    return make


def applied(stack):
    stack.prepare(lambda _: None)
    with stack.plan(lambda _: None) as changes:
        stack.apply(changes, lambda _: None)
    return changes


def left():
    """What is there beside the release."""

    def listed(service, operation, key):
        return getattr(boto3.client(service, region_name=REGION), operation)()[key]

    return {
        "functions": [one["FunctionName"] for one in listed("lambda", "list_functions", "Functions")],
        "roles": [one["RoleName"] for one in listed("iam", "list_roles", "Roles")],
        "others": [
            *listed("cloudformation", "describe_stacks", "Stacks"),
            *listed("apigateway", "get_rest_apis", "items"),
            *listed("apigatewayv2", "get_apis", "Items"),
            *listed("apigatewayv2", "get_domain_names", "Items"),
            *listed("acm", "list_certificates", "CertificateSummaryList"),
            *listed("scheduler", "list_schedules", "Schedules"),
            *listed("sns", "list_topics", "Topics"),
            *listed("cloudwatch", "describe_alarms", "MetricAlarms"),
            *listed("logs", "describe_log_groups", "logGroups"),
        ],
    }


NOTHING = {"functions": ["shop-production"], "roles": [STAGE], "others": []}


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_comes_and_goes(made, feature):
    stack = made(feature)
    assert applied(stack).what == "create"
    seen = stack.look()
    assert seen.current
    assert {one["ResourceStatus"] for one in seen.resources} == {"CREATE_COMPLETE"}
    with stack.plan(lambda _: None) as changes:
        assert not changes
    stack.delete(lambda _: None)
    assert left() == NOTHING


def test_a_stack_that_was_looked_at_before_has_its_certificate(made):
    stack = made("domain")
    assert not stack.look().current
    applied(stack)
    domain = boto3.client("apigatewayv2", region_name=REGION).get_domain_name(DomainName="shop.example")
    [certificate] = boto3.client("acm", region_name=REGION).list_certificates()["CertificateSummaryList"]
    assert domain["DomainNameConfigurations"][0]["CertificateArn"] == certificate["CertificateArn"]
    stack.delete(lambda _: None)
    assert left() == NOTHING


def test_one_takes_the_place_of_the_other(made):
    below = FEATURES["domain_below"] + "lambda: {tags: {team: shop}}\n"  # those of "all": moto cannot change a domain's
    for feature in ("http_api", "rest_api_throttled", "all", below, "warm_window", "warm", "alerts"):
        stack = made(feature)
        assert applied(stack)
        assert stack.look().current
    assert applied(made("description: nothing of it")).what == "delete"
    assert left() == NOTHING


def test_a_domain_that_is_gone_takes_its_certificate_along(made):
    applied(made("domain"))
    changes = applied(made("rest_api"))
    assert changes.destructive
    assert boto3.client("acm", region_name=REGION).list_certificates()["CertificateSummaryList"] == []
    made("rest_api").delete(lambda _: None)


def test_what_fails_is_undone_and_what_is_not_ours_stays(made):
    group = "/aws/lambda/upproxy-shop-production-warmer"
    logs = boto3.client("logs", region_name=REGION)
    logs.create_log_group(logGroupName=group)
    before = left()
    with pytest.raises(DeployError, match=r"could not be created: WarmerLogs .*exists") as caught:
        applied(made("warm"))
    assert "Nothing of it is left" in caught.value.hint
    assert left() == before
    applied(made("alerts"))
    both = FEATURES["warm"] + FEATURES["alerts"]
    with pytest.raises(DeployError, match=r"could not be updated: WarmerLogs .*exists") as caught:
        applied(made(both))
    assert "as it was before" in caught.value.hint
    seen = made("alerts").look()
    assert (seen.status, seen.current) == ("UPDATE_ROLLBACK_COMPLETE", True)
    logs.delete_log_group(logGroupName=group)
    assert applied(made(both)).what == "update"
    made("alerts").delete(lambda _: None)
    assert left() == NOTHING

"""What a configuration asks of AWS."""

import pytest

from tests.deploy.conftest import variable
from upproxy.deploy.environment import FINGERPRINT, VariableError


def test_defaults(want):
    wanted = want()
    assert wanted.function == {
        "FunctionName": "shop-staging",
        "Role": "arn:aws:iam::123456789012:role/upproxy-shop-staging",
        "Runtime": "python3.13",
        "Handler": "upproxy.proxy.runtime.handler.handler",
        "Description": "",
        "Timeout": 60,
        "MemorySize": 512,
        "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
        "Layers": [],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None"},
    }
    assert wanted.variables == {
        "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/.upproxy/bootstrap",
        FINGERPRINT: wanted.fingerprint,
    }
    assert wanted.url == {"AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM"}
    assert wanted.tags == {"upproxy:app": "shop", "upproxy:stage": "staging"}
    assert (wanted.retention, wanted.reserved, wanted.provisioned, wanted.warm) == (30, None, 0, 0)


def test_the_role_may_write_to_its_log_group_and_not_make_one(want):
    (logs,) = want().policy
    assert logs == {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": "arn:aws:logs:*:123456789012:log-group:/aws/lambda/shop-staging:*",
    }


def test_the_role_of_a_function_in_a_vpc_may_have_network_interfaces_and_what_up_yml_adds(want):
    own = "{Effect: Allow, Action: ['s3:GetObject'], Resource: 'arn:aws:s3:::pictures/*'}"
    document = f"lambda: {{vpc: {{subnets: [subnet-b, subnet-a], security_groups: [sg-1]}}, policy: [{own}]}}"
    wanted = want(document)
    assert [one["Action"][0] for one in wanted.policy] == [
        "logs:CreateLogStream", "ec2:AssignPrivateIpAddresses", "s3:GetObject",
    ]  # fmt: skip
    assert wanted.function["VpcConfig"] == {"SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-1"]}


def test_a_role_that_is_named_is_taken_as_it_is(want):
    wanted = want("lambda: {role: 'arn:aws:iam::123456789012:role/mine'}")
    assert wanted.function["Role"] == "arn:aws:iam::123456789012:role/mine"
    assert wanted.policy is None


@pytest.mark.parametrize("document", ["endpoint: http_api", "endpoint: rest_api"])
def test_a_gateway_takes_the_place_of_the_url(want, document):
    assert want(document).url is None


def test_callers_whom_aws_knows(want):
    assert want("lambda: {url_auth: iam}").url["AuthType"] == "AWS_IAM"


def test_our_tags_cannot_be_overridden(want):
    assert want("lambda: {tags: {team: shop, 'upproxy:app': other}}").tags == {
        "team": "shop", "upproxy:app": "shop", "upproxy:stage": "staging",
    }  # fmt: skip


@pytest.mark.parametrize(
    "document",
    [
        "lambda: {memory: 1024}",
        "lambda: {timeout: 10}",
        "lambda: {architecture: arm64}",
        "lambda: {snapstart: true}",
        "lambda: {layers: ['arn:aws:lambda:us-east-1:1:layer:x:1']}",
        "lambda: {role: 'arn:aws:iam::123456789012:role/mine'}",
        "description: All of it",
    ],
)
def test_what_changes_the_fingerprint(want, document):
    assert want(document).fingerprint != want().fingerprint


@pytest.mark.parametrize("document", ["lambda: {concurrency: 5}", "lambda: {tags: {a: b}}", "warm: {count: 3}"])
def test_what_no_version_has_does_not_change_it(want, document):
    assert want(document).fingerprint == want().fingerprint


def test_the_fingerprint_is_of_versions_and_not_of_values(want):
    first = want(secrets=[variable("KEY", "one")]).fingerprint
    assert want(secrets=[variable("KEY", "two")]).fingerprint == first
    assert want(secrets=[variable("KEY", "one", version=2)]).fingerprint != first
    assert want().fingerprint != first


def test_secrets_are_given_to_the_function_and_not_shown(want):
    wanted = want(secrets=[variable("KEY", "planted")])
    assert wanted.variables["KEY"] == "planted"
    assert "planted" not in repr(wanted)


def test_what_lambda_has_no_room_for_is_told_before_anything_is_done(want):
    with pytest.raises(VariableError, match="4,096"):
        want(secrets=[variable("KEY", "x" * 4000)])


@pytest.mark.parametrize(
    ("statuses", "healthy", "ill"),
    [
        ("[2xx, 3xx]", (200, 204, 302), (400, 404, 500)),
        ("[200, 401]", (200, 401), (201, 302, 403)),
        ("[5xx]", (503,), (200,)),
    ],
)
def test_what_is_healthy(want, statuses, healthy, ill):
    health = want(f"health: {{status: {statuses}}}").health
    assert all(health.accepts(status) for status in healthy)
    assert not any(health.accepts(status) for status in ill)

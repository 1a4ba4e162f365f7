"""Nobody runs code through the sandbox but those who have its key, and no web page does."""

import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.sandbox import aws, fetch, sandbox  # noqa: F401  # fixtures


def status(url, **headers):
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers)


def signed(key, service="lambda"):
    return (
        f"AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )


@pytest.fixture
def functions(aws):  # noqa: F811
    return aws.environment["AWS_ENDPOINT_URL"] + "/2015-03-31/functions"


def test_the_key_lets_in(functions, aws):  # noqa: F811
    found, headers = status(functions, Authorization=signed(aws.environment["AWS_ACCESS_KEY_ID"]))
    assert found == 200
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": signed("AKIAIOSFODNN7EXAMPLE")},
        {"Authorization": "Bearer x"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1:1"},
    ],
)
def test_others_are_refused(functions, aws, headers):  # noqa: F811
    key = signed(aws.environment["AWS_ACCESS_KEY_ID"])
    others = "Origin" in headers or "Host" in headers
    found, told = status(functions, **({"Authorization": key} if others else {}), **headers)
    assert found == 403
    assert not [name for name in told if name.lower().startswith("access-control")]


@pytest.mark.parametrize("service", ["lambda", "s3", "iam", "cloudformation", "logs"])
def test_a_wrong_key_is_an_error_that_clients_understand(aws, service):  # noqa: F811
    client = boto3.client(
        service,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}),
    )
    calls = {
        "lambda": "list_functions", "s3": "list_buckets", "iam": "list_roles", "cloudformation": "list_stacks",
        "logs": "describe_log_groups",
    }  # fmt: skip
    with pytest.raises(ClientError) as error:
        getattr(client, calls[service])()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_pages_of_moto_need_the_key(aws):  # noqa: F811
    assert status(aws.environment["AWS_ENDPOINT_URL"] + "/moto-api/")[0] == 403


@pytest.fixture
def public(upload):
    upload("public")
    client = boto3.client("lambda")
    client.publish_version(FunctionName="public")
    client.create_alias(FunctionName="public", Name="live", FunctionVersion="1")
    return client.create_function_url_config(FunctionName="public", Qualifier="live", AuthType="NONE")["FunctionUrl"]


def test_a_public_url_needs_both_permissions_of_its_alias(public):
    client = boto3.client("lambda")
    assert fetch(public)[0] == 403
    client.add_permission(
        FunctionName="public", Qualifier="live", StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*",
        FunctionUrlAuthType="NONE",
    )  # fmt: skip
    assert fetch(public)[0] == 403
    more = {
        "FunctionName": "public",
        "Action": "lambda:InvokeFunction",
        "Principal": "*",
        "InvokedViaFunctionUrl": True,
    }
    client.add_permission(StatementId="function", **more)
    assert fetch(public)[0] == 403  # that was a permission of the function
    client.add_permission(StatementId="alias", Qualifier="live", **more)
    assert fetch(public)[0] == 200
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        assert status(public, **headers)[0] == 403
    assert status(public, Origin="http://localhost:5173")[0] == 200


def test_a_permission_for_all_actions_is_one_for_urls(public):
    boto3.client("lambda").add_permission(
        FunctionName="public", Qualifier="live", StatementId="all", Action="lambda:*", Principal="*"
    )
    assert fetch(public)[0] == 200


def test_a_url_for_iam_wants_a_signature(public, aws):  # noqa: F811
    boto3.client("lambda").update_function_url_config(FunctionName="public", Qualifier="live", AuthType="AWS_IAM")
    assert fetch(public)[0] == 403
    assert status(public, Authorization=signed("AKIAIOSFODNN7EXAMPLE"))[0] == 403
    assert status(public, Authorization=signed(aws.environment["AWS_ACCESS_KEY_ID"]))[0] == 200


def test_a_policy_has_a_revision_that_changes_with_it(public):
    client = boto3.client("lambda")
    given = {"FunctionName": "public", "Qualifier": "live", "Action": "lambda:InvokeFunction", "Principal": "1" * 12}
    client.add_permission(StatementId="a", **given)
    first = client.get_policy(FunctionName="public", Qualifier="live")["RevisionId"]
    assert client.get_policy(FunctionName="public", Qualifier="live")["RevisionId"] == first
    client.add_permission(StatementId="b", RevisionId=first, **given)
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.add_permission(StatementId="c", RevisionId=first, **given)
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.remove_permission(FunctionName="public", Qualifier="live", StatementId="a", RevisionId=first)

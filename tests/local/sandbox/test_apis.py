"""HTTP APIs and REST APIs at local addresses: routes, stages, permissions, domains, and who is refused."""

import json
import urllib.error
import urllib.request

import boto3
import pytest

from tests.sandbox import aws, sandbox  # noqa: F401  # fixtures


def get(url, method="GET", data=None, **headers):
    request = urllib.request.Request(url, data, {k.replace("_", "-"): v for k, v in headers.items()}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def allow(function, source):
    boto3.client("lambda").add_permission(
        FunctionName=function, StatementId=str(abs(hash(source))), Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com", SourceArn=source,
    )  # fmt: skip


@pytest.fixture
def http_api(upload):
    """An HTTP API with `$default` and two routes, made by hand."""
    arn = upload("behind-http")
    client = boto3.client("apigatewayv2")
    api = client.create_api(Name="http", ProtocolType="HTTP")
    integration = client.create_integration(
        ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )
    for key in ("$default", "GET /items/{id}", "ANY /signed"):
        client.create_route(
            ApiId=api["ApiId"], RouteKey=key, Target=f"integrations/{integration['IntegrationId']}",
            AuthorizationType="AWS_IAM" if "signed" in key else "NONE",
        )  # fmt: skip
    client.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    client.create_stage(ApiId=api["ApiId"], StageName="beta", AutoDeploy=True)
    allow("behind-http", f"arn:aws:execute-api:us-east-1:123456789012:{api['ApiId']}/*")
    yield api
    client.delete_api(ApiId=api["ApiId"])


@pytest.fixture
def rest_api(upload):
    arn = upload("behind-rest")
    client = boto3.client("apigateway")
    api = client.create_rest_api(name="rest")["id"]
    [root] = client.get_resources(restApiId=api)["items"]
    proxy = client.create_resource(restApiId=api, parentId=root["id"], pathPart="{proxy+}")
    for resource in (root["id"], proxy["id"]):
        client.put_method(restApiId=api, resourceId=resource, httpMethod="ANY", authorizationType="NONE")
        client.put_integration(
            restApiId=api, resourceId=resource, httpMethod="ANY", type="AWS_PROXY", integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations",
        )  # fmt: skip
    client.create_deployment(restApiId=api, stageName="live")
    allow("behind-rest", f"arn:aws:execute-api:us-east-1:123456789012:{api}/*")
    yield api
    client.delete_rest_api(restApiId=api)


def test_an_http_api_answers_at_its_endpoint(http_api):
    assert http_api["ApiEndpoint"].startswith("http://127.0.0.1:")
    found = boto3.client("apigatewayv2").get_api(ApiId=http_api["ApiId"])
    assert found["ApiEndpoint"] == http_api["ApiEndpoint"]
    status, event = get(f"{http_api['ApiEndpoint']}/a%20b?x=1")
    assert status == 200
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/a b", "x=1")
    assert event["requestContext"]["apiId"] == http_api["ApiId"]
    assert event["requestContext"]["stage"] == "$default"


def test_a_named_stage_of_an_http_api_is_before_the_path(http_api):
    _, event = get(f"{http_api['ApiEndpoint']}/beta/page")
    assert event["rawPath"] == "/beta/page"
    assert event["requestContext"]["stage"] == "beta"


def test_routes_for_iam_want_a_signature(http_api, aws):  # noqa: F811
    assert get(f"{http_api['ApiEndpoint']}/signed") == (403, {"message": "Forbidden"})
    scope = f"Credential={aws.environment['AWS_ACCESS_KEY_ID']}/20260101/us-east-1/execute-api/aws4_request"
    assert get(f"{http_api['ApiEndpoint']}/signed", Authorization=f"AWS4-HMAC-SHA256 {scope}, Signature=0")[0] == 200
    wrong = scope.replace("AKIA", "AKIB")
    assert get(f"{http_api['ApiEndpoint']}/signed", Authorization=f"AWS4-HMAC-SHA256 {wrong}, Signature=0")[0] == 403


def test_a_function_whose_policy_does_not_let_an_api_in_is_not_invoked(http_api):
    client = boto3.client("lambda")
    [statement] = json.loads(client.get_policy(FunctionName="behind-http")["Policy"])["Statement"]
    client.remove_permission(FunctionName="behind-http", StatementId=statement["Sid"])
    assert get(f"{http_api['ApiEndpoint']}/") == (500, {"message": "Internal Server Error"})
    allow("behind-http", "arn:aws:execute-api:us-east-1:123456789012:another/*")
    assert get(f"{http_api['ApiEndpoint']}/")[0] == 500


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_pages_of_elsewhere_are_refused(http_api, rest_api, sandbox, headers):  # noqa: F811
    assert get(f"{http_api['ApiEndpoint']}/", **headers)[0] == 403
    assert get(sandbox.sandbox.address_of(rest_api) + "/live", **headers)[0] == 403


def test_pages_of_this_machine_are_served(http_api):
    assert get(f"{http_api['ApiEndpoint']}/", Origin="http://localhost:5173")[0] == 200


def test_the_function_is_told_the_name_that_each_client_used(http_api):
    names = ("127.0.0.1", "shop.localhost")
    told = [get(f"{http_api['ApiEndpoint']}/", Host=name)[1]["requestContext"]["domainName"] for name in names]
    assert told == [*names]


def test_a_deleted_api_is_gone(http_api):
    client = boto3.client("apigatewayv2")
    api = client.create_api(Name="gone", ProtocolType="HTTP")
    assert get(api["ApiEndpoint"])[0] == 404
    client.delete_api(ApiId=api["ApiId"])
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(api["ApiEndpoint"])


def test_a_rest_api_answers_under_its_stage(rest_api, sandbox):  # noqa: F811
    address = sandbox.sandbox.address_of(rest_api)
    status, event = get(f"{address}/live/a/b?x=1&x=2", "POST", b"hello")
    assert status == 200
    assert (event["path"], event["httpMethod"]) == ("/a/b", "POST")
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert event["requestContext"]["path"] == "/live/a/b"
    assert get(f"{address}/live")[1]["path"] == "/"
    assert get(f"{address}/other/a") == (403, {"message": "Missing Authentication Token"})


STACK = {
    "Resources": {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "s", "ProtocolType": "HTTP"}},
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"}, "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0",
                "IntegrationUri": {"Ref": "Function"},
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"}, "RouteKey": "$default", "Target": {"Fn::Sub": "integrations/${Integration}"},
            },
        },
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "Function"}, "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/$default"},
            },
        },
        "Domain": {
            "Type": "AWS::ApiGatewayV2::DomainName",
            "Properties": {"DomainName": "shop.example.com", "DomainNameConfigurations": [{"CertificateArn": "a"}]},
        },
        "Mapping": {
            "Type": "AWS::ApiGatewayV2::ApiMapping",
            "Properties": {
                "ApiId": {"Ref": "Api"}, "DomainName": {"Ref": "Domain"}, "Stage": {"Ref": "Stage"},
                "ApiMappingKey": "v1",
            },
        },
    },
    "Parameters": {"Function": {"Type": "String"}},
    "Outputs": {
        "Url": {"Value": {"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/"}},
        "Target": {"Value": {"Fn::GetAtt": ["Domain", "RegionalDomainName"]}},
    },
}  # fmt: skip


def test_an_api_of_a_stack_answers_at_the_address_of_its_output_and_at_its_domain(upload, aws):  # noqa: F811
    arn = upload("behind-stack")
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName="gateway", TemplateBody=json.dumps(STACK),
        Parameters=[{"ParameterKey": "Function", "ParameterValue": arn}],
    )  # fmt: skip
    cloudformation.get_waiter("stack_create_complete").wait(StackName="gateway", WaiterConfig={"Delay": 0.05})
    [stack] = cloudformation.describe_stacks(StackName="gateway")["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    assert outputs["Url"].startswith("http://127.0.0.1:")
    assert get(f"{outputs['Url']}page")[1]["rawPath"] == "/page"
    status, event = get(f"{aws.environment['AWS_ENDPOINT_URL']}/v1/page", Host="shop.example.com")
    assert (status, event["rawPath"]) == (200, "/page")
    assert event["requestContext"]["domainName"] == "shop.example.com"
    assert get(f"{aws.environment['AWS_ENDPOINT_URL']}/v2/page", Host="shop.example.com")[0] == 404
    assert (
        get(f"{aws.environment['AWS_ENDPOINT_URL']}/v1/page", Host="shop.example.com", Origin="https://evil.com")[0]
        == 403
    )
    cloudformation.delete_stack(StackName="gateway")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack["StackId"], WaiterConfig={"Delay": 0.05})
    assert not [one for one in boto3.client("apigatewayv2").get_apis()["Items"] if one["Name"] == "s"]
    with pytest.raises(boto3.client("lambda").exceptions.ResourceNotFoundException):
        boto3.client("lambda").get_policy(FunctionName="behind-stack")

"""What is counted while functions are used, and what their lines become, as boto3 asks for it."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import boto3
import pytest
from botocore.config import Config

from tests.local.sandbox.figures import Figures
from tests.sandbox import aws, fetch, sandbox  # noqa: F401  # fixtures

APP = """
import json, threading, time
def handler(event, context):
    path = event.get("rawPath") or event.get("path") or ""
    if path.endswith("/boom"):
        raise ValueError("boom")
    if path.endswith("/missing"):
        return {"statusCode": 404, "body": "none"}
    if event.get("measure"):
        print(json.dumps({"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [
            {"Namespace": "shop", "Dimensions": [["Stage"]], "Metrics": [{"Name": "Sold", "Unit": "Count"}]}]},
            "Stage": "s", "Sold": event["measure"]}))
    return {"statusCode": 200, "body": "done"}
"""
HELD = """
import os, time
def handler(event, context):
    print("in")
    while not os.path.exists("{go}"):
        time.sleep(0.01)
"""


@pytest.fixture
def figures(aws):  # noqa: F811
    return Figures()


@pytest.fixture
def client(aws):  # noqa: F811
    return boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def app(client, upload):
    """Return a function's ARN by its name, with version 1 behind the alias `live`."""

    def app(name, source=APP):
        arn = upload(name, source)
        client.publish_version(FunctionName=name)
        client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        return arn

    return app


def test_invocations_by_every_way(client, app, figures):
    app("ways")
    client.invoke(FunctionName="ways", Qualifier="live")
    client.invoke(FunctionName="ways", Qualifier="1", Payload=b'{"path": "/boom"}')
    client.invoke(FunctionName="ways", InvocationType="Event")
    client.invoke_with_response_stream(FunctionName="ways", Qualifier="live")
    names = ("Invocations", "Errors", "Throttles")
    figures.wait((4, 1, 0), *names, FunctionName="ways")  # nobody waits for an event to be taken
    assert figures(*names, FunctionName="ways", Resource="ways:live") == (2, 0, 0)
    assert figures(*names, FunctionName="ways", Resource="ways:1") == (1, 1, 0)
    assert figures(*names, FunctionName="ways", Resource="ways") == (1, 0, 0)
    assert figures(*names, FunctionName="ways", Resource="ways:live", ExecutedVersion="1") == (2, 0, 0)
    assert figures("Duration", statistic="p100", FunctionName="ways")[0] > 0


def test_what_does_not_start_and_what_is_throttled(client, upload, figures):
    upload("never", "raise ValueError('not today')")
    assert client.invoke(FunctionName="never")["FunctionError"] == "Unhandled"
    figures.wait((1, 1), "Invocations", "Errors", FunctionName="never")
    client.put_function_concurrency(FunctionName="never", ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.invoke(FunctionName="never")
    assert figures("Invocations", "Throttles", FunctionName="never") == (1, 1)


def test_as_many_at_once_as_there_were(client, upload, figures, tmp_path):
    upload("held", HELD.format(go=tmp_path / "go"))
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(boto3.client("lambda").invoke, FunctionName="held") for _ in range(3)]
        until = time.monotonic() + 30
        while figures("IncomingLogEvents", namespace="AWS/Logs", LogGroupName="/aws/lambda/held") < (6,):
            assert time.monotonic() < until
            time.sleep(0.01)
        (tmp_path / "go").touch()
        assert {answer.result(30)["StatusCode"] for answer in answers} == {200}
    figures.wait((3,), "ConcurrentExecutions", statistic="Maximum", FunctionName="held")
    assert figures("UnreservedConcurrentExecutions", statistic="Maximum")[0] >= 3


@pytest.fixture(autouse=True)
def groups(aws):  # noqa: F811
    logs = boto3.client("logs")
    for name in ("held", "measured"):
        logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
    yield
    for name in ("held", "measured"):
        logs.delete_log_group(logGroupName=f"/aws/lambda/{name}")


def test_a_client_that_leaves_does_not_end_the_invocation(client, app, figures, sandbox, tmp_path):  # noqa: F811
    """It is counted when it has ended, and how many there are at once is right afterwards."""
    app("left", HELD.format(go=tmp_path / "go"))
    url = public(client, "left")
    connection = HTTPConnection(url.removeprefix("http://").strip("/"))
    connection.request("GET", "/")
    while ("left", "in") not in sandbox.lines:
        time.sleep(0.01)
    connection.close()
    figures.wait((1,), "UrlRequestCount", FunctionName="left")  # nobody waits for it any more
    assert figures("Invocations", FunctionName="left") == (0,)
    (tmp_path / "go").touch()
    figures.wait((1, 0), "Invocations", "Errors", FunctionName="left", Resource="left:live")
    client.invoke(FunctionName="left")
    figures.wait((1,), "ConcurrentExecutions", statistic="Maximum", FunctionName="left")


def public(client, name):
    """Give the alias `live` a URL that everybody may call."""
    url = client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")["FunctionUrl"]
    for action, more in (
        ("lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        client.add_permission(
            FunctionName=name, Qualifier="live", StatementId=action[7:], Action=action, Principal="*", **more
        )
    return url


def test_requests_to_a_function_url(client, app, figures):
    app("url")
    url = public(client, "url")
    assert [fetch(url + path)[0] for path in ("", "missing", "boom", "", "missing")] == [200, 404, 502, 200, 404]
    names = ("UrlRequestCount", "Url4xxCount", "Url5xxCount")
    for dimensions in ({"FunctionName": "url"}, {"FunctionName": "url", "Resource": "url:live"}):
        figures.wait((5, 2, 1), *names, **dimensions)
        assert figures("ConcurrentExecutions", statistic="Maximum", **dimensions) == (1,)
        assert figures("UrlRequestLatency", statistic="SampleCount", **dimensions) == (5,)
    assert figures("Invocations", "Errors", FunctionName="url", Resource="url:live") == (5, 1)
    client.remove_permission(FunctionName="url", Qualifier="live", StatementId="InvokeFunction")
    assert fetch(url)[0] == 403
    figures.wait((6, 3, 1), *names, FunctionName="url")


def test_requests_to_an_http_api(client, app, figures):
    arn = app("http")
    apis = boto3.client("apigatewayv2")
    made = apis.create_api(Name="http", ProtocolType="HTTP")
    integration = apis.create_integration(
        ApiId=made["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=f"{arn}:live", PayloadFormatVersion="2.0"
    )["IntegrationId"]
    apis.create_route(ApiId=made["ApiId"], RouteKey="$default", Target=f"integrations/{integration}")
    apis.create_stage(ApiId=made["ApiId"], StageName="$default", AutoDeploy=True)
    client.add_permission(
        FunctionName="http", Qualifier="live", StatementId="api", Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )  # fmt: skip
    address = apis.get_api(ApiId=made["ApiId"])["ApiEndpoint"]
    assert [fetch(f"{address}/{path}")[0] for path in ("", "missing", "boom")] == [200, 404, 500]
    for dimensions in ({"ApiId": made["ApiId"]}, {"ApiId": made["ApiId"], "Stage": "$default"}):
        figures.wait((3, 1, 1), "Count", "4xx", "5xx", namespace="AWS/ApiGateway", **dimensions)
        latencies = figures("Latency", "IntegrationLatency", namespace="AWS/ApiGateway", **dimensions)
        assert latencies[0] >= latencies[1] > 0


def test_requests_to_a_rest_api(client, app, figures, sandbox):  # noqa: F811
    arn = app("rest")
    apis = boto3.client("apigateway")
    api = apis.create_rest_api(name="rest-of-ät")["id"]
    root = apis.get_resources(restApiId=api)["items"][0]["id"]
    proxy = apis.create_resource(restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
    apis.put_method(restApiId=api, resourceId=proxy, httpMethod="ANY", authorizationType="NONE")
    apis.put_integration(
        restApiId=api, resourceId=proxy, httpMethod="ANY", type="AWS_PROXY", integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}:live/invocations",
    )  # fmt: skip
    apis.create_deployment(restApiId=api, stageName="v1")
    client.add_permission(
        FunctionName="rest", Qualifier="live", StatementId="api", Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )  # fmt: skip
    address = sandbox.sandbox.address_of(api)
    assert [fetch(f"{address}/v1/{path}")[0] for path in ("a", "missing", "boom")] == [200, 404, 502]
    for dimensions in ({"ApiName": "rest-of-t"}, {"ApiName": "rest-of-t", "Stage": "v1"}):
        figures.wait((3, 1, 1), "Count", "4XXError", "5XXError", namespace="AWS/ApiGateway", **dimensions)


def test_lines_with_metrics_in_them(client, app, figures):
    """What functions print, and what is put into a log group by a call."""
    app("measured")
    client.invoke(FunctionName="measured", Payload=json.dumps({"measure": [1, 2, 3]}))
    figures.wait((6,), "Sold", namespace="shop", Stage="s")
    logs = boto3.client("logs")
    logs.create_log_stream(logGroupName="/aws/lambda/measured", logStreamName="mine")
    now = int(time.time() * 1000)
    directive = {"Namespace": "shop", "Dimensions": [["Stage"]], "Metrics": [{"Name": "Sold", "Unit": "Count"}]}
    line = {"_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]}, "Stage": "s", "Sold": 4}
    before = figures("IncomingLogEvents", namespace="AWS/Logs", LogGroupName="/aws/lambda/measured")[0]
    logs.put_log_events(
        logGroupName="/aws/lambda/measured", logStreamName="mine",
        logEvents=[{"timestamp": now, "message": json.dumps(line)}, {"timestamp": now, "message": "plain"}],
    )  # fmt: skip
    assert figures("Sold", namespace="shop", Stage="s") == (10,)
    assert figures("IncomingLogEvents", namespace="AWS/Logs", LogGroupName="/aws/lambda/measured") == (before + 2,)

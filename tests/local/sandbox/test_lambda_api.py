"""What Lambda's API answers: lists in pages, tags, URLs, invocations with their failures and logs."""

import base64
import json
import time
import urllib.request
import zipfile
from io import BytesIO

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from tests.local.sandbox.conftest import zipped
from tests.local.sandbox.model import conform, watch
from tests.sandbox import aws, fetch, sandbox  # noqa: F401  # fixtures

ODD = """
import os, sys, time
def handler(event, context):
    print("told é")
    if event == "raise":
        raise ValueError("as told")
    if event == "exit":
        os._exit(3)
    if event == "sleep":
        time.sleep(30)
    if event == "object":
        return object()
    if event == "large":
        return "x" * 6_291_557
    if event == "much":
        print("é" * 5000)
    return {"event": event, "id": context.aws_request_id, "left": context.get_remaining_time_in_millis(),
            "names": [context.function_name, context.function_version, context.memory_limit_in_mb],
            "nothing": [context.client_context, context.identity]}
"""


@pytest.fixture
def client(aws):  # noqa: F811
    return watch(boto3.client("lambda", config=Config(retries={"total_max_attempts": 1})))


@pytest.fixture
def odd(upload):
    upload("odd", ODD, Timeout=1)
    return "odd"


def refused(call, **values):
    with pytest.raises(ClientError) as error:
        call(**values)
    return error.value.response["Error"]["Code"]


def invoke(client, name, event=None, **more):
    answer = client.invoke(FunctionName=name, **more, **({} if event is None else {"Payload": json.dumps(event)}))
    return answer, json.loads(answer["Payload"].read() or b"null")


def call(aws, method, path, body=b"", **headers):  # noqa: F811
    """Send a request as it is, signed. Returns the status and the document."""
    request = AWSRequest(method, aws.environment["AWS_ENDPOINT_URL"] + path, headers=headers, data=body)
    SigV4Auth(get_session().get_credentials(), "lambda", "us-east-1").add_auth(request)
    sent = urllib.request.Request(request.url, body or None, dict(request.headers), method=method)
    try:
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


# --- lists


def test_versions_come_in_pages(client, upload):
    upload("many", ODD)
    for number in range(3):
        client.update_function_configuration(FunctionName="many", Timeout=number + 5)
        client.publish_version(FunctionName="many")
    pages = client.get_paginator("list_versions_by_function").paginate(
        FunctionName="many", PaginationConfig={"PageSize": 2}
    )
    assert [[one["Version"] for one in page["Versions"]] for page in pages] == [["$LATEST", "1"], ["2", "3"]]
    listed = client.list_functions(FunctionVersion="ALL")["Functions"]
    assert [one["Version"] for one in listed if one["FunctionName"] == "many"] == ["$LATEST", "1", "2", "3"]
    listed = client.list_functions()["Functions"]
    assert [one["Version"] for one in listed if one["FunctionName"] == "many"] == ["$LATEST"]
    assert refused(client.list_functions, Marker="odd") == "InvalidParameterValueException"
    assert refused(client.list_functions, Marker="-1") == "InvalidParameterValueException"


def test_an_answer_has_fifty_at_most(client, upload):
    upload("aliased", ODD)
    client.publish_version(FunctionName="aliased")
    for number in range(51):
        client.create_alias(FunctionName="aliased", Name=f"a{number}", FunctionVersion="1" if number else "$LATEST")
    first = client.list_aliases(FunctionName="aliased", MaxItems=1000)
    assert len(first["Aliases"]) == 50
    rest = client.list_aliases(FunctionName="aliased", Marker=first["NextMarker"])
    assert [one["Name"] for one in rest["Aliases"]] == ["a50"]
    assert "NextMarker" not in rest
    found = client.list_aliases(FunctionName="aliased", FunctionVersion="$LATEST")["Aliases"]
    assert [one["Name"] for one in found] == ["a0"]


# --- tags and the account


def test_tags_are_put_and_taken_away(client, upload):
    arn = upload("tagged", ODD, Tags={"a": "1", "b": "2"})
    client.tag_resource(Resource=arn, Tags={"c": "ü &=/", "a": "3"})
    assert client.list_tags(Resource=arn)["Tags"] == {"a": "3", "b": "2", "c": "ü &=/"}
    client.untag_resource(Resource=arn, TagKeys=["a", "b", "none"])
    assert client.get_function(FunctionName="tagged")["Tags"] == {"c": "ü &=/"}
    assert refused(client.list_tags, Resource=arn + "-not") == "ResourceNotFoundException"


def test_the_account_knows_what_it_holds(client, odd):
    client.publish_version(FunctionName=odd)
    found = client.get_account_settings()
    assert found["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert found["AccountUsage"] == {"TotalCodeSize": 2 * len(zipped(ODD)), "FunctionCount": 1}


def test_a_function_is_known_by_its_arn_too(client, odd):
    arn = client.get_function(FunctionName=odd)["Configuration"]["FunctionArn"]
    client.publish_version(FunctionName=odd)
    assert client.get_function_configuration(FunctionName=f"{arn}:1")["Version"] == "1"
    assert client.get_function_configuration(FunctionName=f"123456789012:function:{odd}")["Version"] == "$LATEST"
    assert client.get_function_configuration(FunctionName=f"{odd}:1")["Version"] == "1"


# --- Function URLs


def test_each_qualifier_has_a_url_of_its_own(client, odd):
    client.publish_version(FunctionName=odd)
    client.create_alias(FunctionName=odd, Name="live", FunctionVersion="1")
    own = client.create_function_url_config(FunctionName=odd, AuthType="NONE")
    live = {"FunctionName": odd, "Qualifier": "live"}
    cors = {"AllowOrigins": ["https://example.com"], "MaxAge": 60}
    made = client.create_function_url_config(**live, AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM", Cors=cors)
    assert (made["InvokeMode"], made["Cors"], own["InvokeMode"]) == ("RESPONSE_STREAM", cors, "BUFFERED")
    assert made["FunctionArn"].endswith(":live")
    assert made["FunctionUrl"] != own["FunctionUrl"]
    assert refused(client.create_function_url_config, **live, AuthType="NONE") == "ResourceConflictException"
    for wrong in ("1", "$LATEST"):
        found = refused(client.create_function_url_config, FunctionName=odd, Qualifier=wrong, AuthType="NONE")
        assert found == "ValidationException"
    assert refused(client.create_function_url_config, FunctionName=odd, Qualifier="none", AuthType="NONE") == (
        "ResourceNotFoundException"
    )
    changed = client.update_function_url_config(**live, AuthType="NONE")
    assert (changed["AuthType"], changed["InvokeMode"]) == ("NONE", "RESPONSE_STREAM")
    client.delete_function_url_config(**live)
    for gone in (client.get_function_url_config, client.delete_function_url_config):
        assert refused(gone, **live) == "ResourceNotFoundException"
    assert fetch(made["FunctionUrl"])[0] == 403
    assert client.get_function_url_config(FunctionName=odd)["FunctionUrl"] == own["FunctionUrl"]
    again = client.create_function_url_config(**live, AuthType="NONE")
    assert again["FunctionUrl"] == made["FunctionUrl"]  # so that no port is left behind


# --- code


def test_code_can_be_fetched_for_a_while(client, odd, sandbox):  # noqa: F811
    location = client.get_function(FunctionName=odd)["Code"]["Location"]
    with urllib.request.urlopen(location, timeout=30) as answer, zipfile.ZipFile(BytesIO(answer.read())) as archive:
        assert archive.read("app.py").decode() == ODD
    assert fetch(location[:-1])[0] == 403
    sandbox.sandbox._codes.clear()  # what its timer does
    assert fetch(location)[0] == 403


# --- invocations


def test_an_invocation_tells_what_it_was(client, odd):
    answer, document = invoke(client, odd, {"a": 1})
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    assert document["event"] == {"a": 1}
    assert document["id"] == answer["ResponseMetadata"]["RequestId"]
    assert document["names"] == [odd, "$LATEST", "128"]
    assert 0 < document["left"] <= 1000
    assert document["nothing"] == [None, None]
    assert invoke(client, odd)[1]["event"] == {}
    assert refused(client.invoke, FunctionName=odd, InvocationType="Later") == "InvalidParameterValueException"
    assert refused(client.invoke, FunctionName=odd, Payload=b"no json") == "InvalidRequestContentException"


def test_a_proxy_of_a_function_is_not_asked_for_invocations(client, upload):
    upload("proxied", ODD, Environment={"Variables": {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "127.0.0.1:1"}})
    assert invoke(client, "proxied", 1)[1]["event"] == 1


def test_a_dry_run_and_an_event_answer_at_once(client, upload, sandbox):  # noqa: F811
    upload("at-once", ODD)
    answer, _ = invoke(client, "at-once", InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    answer, _ = invoke(client, "at-once", "event", InvocationType="Event")
    assert answer["StatusCode"] == 202
    assert "ExecutedVersion" not in answer
    report = f"REPORT RequestId: {answer['ResponseMetadata']['RequestId']}"
    assert waited(lambda: [line for _, line in sandbox.lines if line.startswith(report)])
    assert [name for name, line in sandbox.lines if line.startswith("START ")].count("at-once") == 1


def waited(look):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


def test_the_tail_of_the_log_comes_along(client, odd):
    answer, _ = invoke(client, odd, 1, LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "told é\n" in log
    assert f"REPORT RequestId: {answer['ResponseMetadata']['RequestId']}" in log
    answer, _ = invoke(client, odd, "much", LogType="Tail")
    log = base64.b64decode(answer["LogResult"])
    assert 4090 <= len(log) <= 4096
    assert log.decode().startswith("é")


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ("raise", "ValueError", "as told"),
        ("exit", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("sleep", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("object", "Runtime.MarshalError", "Unable to marshal response"),
        ("large", "Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size"),
    ],
)
def test_a_failure_is_an_answer_in_the_shape_that_aws_gives_it(client, odd, event, kind, message):
    answer, document = invoke(client, odd, event)
    assert (answer["StatusCode"], answer["FunctionError"], answer["ExecutedVersion"]) == (200, "Unhandled", "$LATEST")
    assert document["errorType"] == kind
    assert message in document["errorMessage"]
    if event == "raise":
        assert document["requestId"] == answer["ResponseMetadata"]["RequestId"]
        assert 'raise ValueError("as told")' in "".join(document["stackTrace"])
    assert invoke(client, odd, "again")[1]["event"] == "again"


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("raise KeyError('absent')", "KeyError", "absent"),
        ("import absent", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'absent'"),
        ("import handler_runner", "Runtime.ImportModuleError", "No module named 'handler_runner'"),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("import os; os._exit(4)", "Runtime.ExitError", "exit status 4"),
    ],
)
def test_code_that_does_not_start_says_why(client, upload, source, kind, message):
    upload("unstarted", source)
    answer, document = invoke(client, "unstarted")
    assert answer["FunctionError"] == "Unhandled"
    assert document["errorType"] == kind
    assert message in document["errorMessage"]


def test_code_that_cannot_be_unpacked_says_so(client, upload):
    upload("damaged", ODD)
    code = zipped(ODD).replace(b"as told", b"as read")  # with the checksum of what it was
    client.update_function_code(FunctionName="damaged", ZipFile=code)
    answer, document = invoke(client, "damaged")
    assert answer["FunctionError"] == "Unhandled"
    assert "the code of damaged cannot be unpacked" in document["errorMessage"]
    client.update_function_code(FunctionName="damaged", ZipFile=zipped(ODD))
    assert invoke(client, "damaged", 1)[1]["event"] == 1


def test_logs_are_kept_where_their_group_exists(client, upload):
    logs = boto3.client("logs")
    upload("logged", ODD)
    invoke(client, "logged", "before")
    assert logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/logged")["logGroups"] == []
    logs.create_log_group(logGroupName="/aws/lambda/logged")
    answer, _ = invoke(client, "logged", "after", LogType="Tail")
    events = logs.filter_log_events(logGroupName="/aws/lambda/logged")["events"]
    request_id = answer["ResponseMetadata"]["RequestId"]
    lines = [one["message"] for one in events]
    assert [line.split("\t")[0] for line in lines if request_id in line] == [
        f"START RequestId: {request_id} Version: $LATEST", f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id}",
    ]  # fmt: skip
    assert "told é" in lines
    assert {"[$LATEST]" in one["logStreamName"] for one in events} == {True}


def test_logs_are_kept_in_the_group_of_the_function(client, upload):
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="/shared")
    upload("sharing", ODD, LoggingConfig={"LogGroup": "/shared"})
    invoke(client, "sharing", "here", LogType="Tail")
    assert "told é" in [one["message"] for one in logs.filter_log_events(logGroupName="/shared")["events"]]


# --- what it does not know


def test_operations_that_it_does_not_know_are_refused(client):
    found = refused(client.get_function_recursion_config, FunctionName="any")
    assert found == "UnknownOperationException"


@pytest.mark.parametrize("body", [b"no json", b"[]", b'"text"'])
def test_bodies_that_are_no_object_are_refused(aws, body):  # noqa: F811
    status, document = call(aws, "POST", "/2015-03-31/functions", body)
    assert (status, document["__type"]) == (400, "InvalidRequestContentException")


@pytest.mark.parametrize(
    "wanted",
    [{}, {"FunctionName": "x"}, {"FunctionName": "x", "Code": {"ZipFile": "no base64"}},
     {"FunctionName": "x", "Code": {"S3Bucket": "b"}},
     {"FunctionName": "x", "Code": {"ZipFile": base64.b64encode(zipped(ODD)).decode()}}],
)  # fmt: skip
def test_requests_without_what_they_need_are_refused(aws, wanted):  # noqa: F811
    status, document = call(aws, "POST", "/2015-03-31/functions", json.dumps(wanted).encode())
    assert (status, document["__type"].endswith("Exception")) == (400, True)


def test_the_model_is_no_check_that_cannot_fail():
    model = get_session().get_service_model("lambda")
    shape = model.operation_model("CreateFunctionUrlConfig").output_shape
    good = {"FunctionUrl": "http://127.0.0.1/", "FunctionArn": "arn", "AuthType": "NONE", "CreationTime": "now"}
    conform(good, shape, "")
    for wrong in ({**good, "Other": 1}, {**good, "AuthType": "SOME"}, {**good, "FunctionUrl": 7}, {"AuthType": "NONE"}):
        with pytest.raises(AssertionError):
            conform(wrong, shape, "")

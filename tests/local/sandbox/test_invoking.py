"""How functions are invoked: by streams, weights and limits, and with instances that are always there."""

import base64
import collections
import json
import os
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.local.sandbox.conftest import zipped
from tests.sandbox import aws, fetch, sandbox  # noqa: F401  # fixtures

NUMBERED = """
import os
def handler(event, context):
    if event == "fail":
        raise ValueError("as told")
    return {"version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"], "kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "instance": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]}
"""


@pytest.fixture
def client(aws):  # noqa: F811
    return boto3.client("lambda")


@pytest.fixture
def two(client, upload):
    """A function with two versions, and an alias that points to the first."""
    upload("two", NUMBERED)
    client.publish_version(FunctionName="two")
    client.update_function_code(FunctionName="two", ZipFile=zipped(NUMBERED + "\n"))
    client.publish_version(FunctionName="two")
    client.create_alias(FunctionName="two", Name="live", FunctionVersion="1")
    return "two"


def invoke(client, name, payload=None, **more):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(payload), **more)
    return answer, json.loads(answer["Payload"].read())


def refused(error):
    return error.value.response["Error"]["Code"]


def test_an_alias_sends_a_part_to_another_version(client, two):
    client.update_alias(FunctionName=two, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    seen = collections.Counter(invoke(client, two, Qualifier="live")[0]["ExecutedVersion"] for _ in range(40))
    assert set(seen) == {"1", "2"}
    client.update_alias(FunctionName=two, Name="live", Description="told")
    weights = client.get_alias(FunctionName=two, Name="live")["RoutingConfig"]["AdditionalVersionWeights"]
    assert weights == {"2": 0.5}
    with pytest.raises(ClientError) as error:
        client.delete_function(FunctionName=two, Qualifier="2")
    assert refused(error) == "ResourceConflictException"
    client.update_alias(FunctionName=two, Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    assert {invoke(client, two, Qualifier="live")[1]["version"] for _ in range(10)} == {"1"}


@pytest.mark.parametrize("weights", [{"1": 0.5}, {"2": 0.1, "1": 0.1}, {"$LATEST": 0.5}])
def test_weights_that_make_no_sense_are_refused(client, two, weights):
    with pytest.raises(ClientError) as error:
        client.update_alias(FunctionName=two, Name="live", RoutingConfig={"AdditionalVersionWeights": weights})
    assert refused(error) == "InvalidParameterValueException"


def test_a_stream_of_events_is_read_by_its_client(client, two):
    answer = client.invoke_with_response_stream(FunctionName=two, Qualifier="2", Payload=b"{}", LogType="Tail")
    assert answer["ExecutedVersion"] == "2"
    chunk, end = list(answer["EventStream"])
    assert json.loads(chunk["PayloadChunk"]["Payload"])["version"] == "2"
    assert b"REPORT RequestId" in base64.b64decode(end["InvokeComplete"]["LogResult"])
    assert "ErrorCode" not in end["InvokeComplete"]
    answer = client.invoke_with_response_stream(FunctionName=two, Payload=b'"fail"')
    [end] = list(answer["EventStream"])
    assert end["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert "as told" in end["InvokeComplete"]["ErrorDetails"]


def test_provisioned_instances_are_there_before_anybody_calls(client, two, sandbox):  # noqa: F811
    client.put_provisioned_concurrency_config(FunctionName=two, Qualifier="live", ProvisionedConcurrentExecutions=1)
    found = client.get_provisioned_concurrency_config(FunctionName=two, Qualifier="live")
    assert found["RequestedProvisionedConcurrentExecutions"] == 1
    [instance] = ready(sandbox, two, "1")
    assert instance.provisioned
    assert invoke(client, two, Qualifier="live")[1]["kind"] == "provisioned-concurrency"
    with pytest.raises(ClientError) as error:
        client.update_alias(FunctionName=two, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    assert refused(error) == "InvalidParameterValueException"
    client.delete_provisioned_concurrency_config(FunctionName=two, Qualifier="live")
    with pytest.raises(client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        client.get_provisioned_concurrency_config(FunctionName=two, Qualifier="live")


def ready(sandbox, name, number):  # noqa: F811
    """Wait for the instances of a version that wait for an invocation."""
    running = sandbox.sandbox._invocations._running
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = running.get(("us-east-1", name, number))
        if found is not None and (idle := [one for one in found.fleet.instances if one.state == "idle"]):
            return idle
        time.sleep(0.01)
    raise AssertionError("no instance has become ready")


def test_unpublished_code_cannot_be_provisioned(client, two):
    with pytest.raises(ClientError) as error:
        client.put_provisioned_concurrency_config(
            FunctionName=two, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1
        )
    assert refused(error) == "InvalidParameterValueException"


def test_events_that_are_too_large_are_refused(client, two):
    with pytest.raises(ClientError) as error:
        invoke(client, two, "x" * 6_291_556)
    assert refused(error) == "RequestTooLargeException"
    with pytest.raises(ClientError) as error:
        invoke(client, two, "x" * 1_048_576, InvocationType="Event")
    assert refused(error) == "RequestTooLargeException"


def test_instances_of_code_that_is_replaced_answer_what_they_have(client, upload, sandbox):  # noqa: F811
    """A slow invocation of `$LATEST` is not cut off by an update."""
    import threading

    upload(
        "slow", "import time\ndef handler(event, context):\n    print('begun')\n    time.sleep(1)\n    return 'old'\n"
    )
    answers = []
    thread = threading.Thread(target=lambda: answers.append(invoke(client, "slow")[1]))
    thread.start()
    while ("slow", "begun") not in sandbox.lines:
        time.sleep(0.01)
    client.update_function_code(FunctionName="slow", ZipFile=zipped("def handler(event, context):\n    return 'new'\n"))
    assert invoke(client, "slow")[1] == "new"
    thread.join()
    assert answers == ["old"]


def test_a_url_initialises_a_function_again_that_did_not_start(client, upload):
    upload("broken", "raise ValueError('not today')")
    url = client.create_function_url_config(FunctionName="broken", AuthType="NONE")["FunctionUrl"]
    for action, more in (
        ("lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        client.add_permission(FunctionName="broken", StatementId=action[7:], Action=action, Principal="*", **more)
    assert fetch(url) == (502, "Internal Server Error")
    source = zipped("def handler(event, context):\n    return 'here'\n")
    client.update_function_code(FunctionName="broken", ZipFile=source)
    assert fetch(url) == (200, "here")


def test_code_is_unpacked_once_and_deleted_when_nothing_runs_from_it(client, upload, sandbox):  # noqa: F811
    upload("first", NUMBERED + "# shared\n")
    upload("second", NUMBERED + "# shared\n")
    folder = os.path.join(sandbox.sandbox._folder, "code")
    digest = client.get_function_configuration(FunctionName="first")["CodeSha256"]
    place = os.path.join(folder, digest.replace("/", "_").replace("+", "-").rstrip("="))
    invoke(client, "first")
    inode = os.stat(place).st_ino
    invoke(client, "second")
    assert os.stat(place).st_ino == inode
    client.update_function_code(FunctionName="first", ZipFile=zipped("def handler(event, context):\n    return 1\n"))
    assert invoke(client, "first")[1] == 1
    assert invoke(client, "second")[1]["version"] == "$LATEST"
    client.update_function_code(FunctionName="second", ZipFile=zipped("def handler(event, context):\n    return 2\n"))
    until = time.monotonic() + 30
    while os.path.exists(place) and time.monotonic() < until:
        time.sleep(0.01)
    assert not os.path.exists(place)


def test_a_function_without_concurrency_is_throttled(client, two):
    client.put_function_concurrency(FunctionName=two, ReservedConcurrentExecutions=0)
    quick = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(quick.exceptions.TooManyRequestsException):
        invoke(quick, two)
    client.delete_function_concurrency(FunctionName=two)
    assert invoke(client, two)[1]["version"] == "$LATEST"

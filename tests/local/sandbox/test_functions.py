"""Lambda's control plane refuses what AWS refuses, and takes its time where AWS does."""

import io
import json
import zipfile
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local.sandbox.conftest import RUNTIME, zipped
from tests.local.sandbox.model import watch
from tests.sandbox import aws, sandbox  # noqa: F401  # fixtures
from upproxy.local.sandbox import checks
from upproxy.local.sandbox.delays import Delays

SOURCE = "def handler(event, context):\n    return event\n"
OTHER = SOURCE + "\n"
WRONG = "00000000-0000-0000-0000-000000000000"
LONG = 3600  # seconds that no test waits for


@pytest.fixture
def client(aws):  # noqa: F811
    return watch(boto3.client("lambda"))


@pytest.fixture
def delays(sandbox, monkeypatch):  # noqa: F811
    """Have things take their time from now on."""

    def delays(**seconds):
        values = Delays(**{**dict.fromkeys(Delays._fields, 0), **seconds})
        monkeypatch.setattr(sandbox.sandbox.functions, "_delays", values)

    return delays


@pytest.fixture
def made(upload):
    """A function of the test's own."""
    upload("made", SOURCE)
    return "made"


@pytest.fixture
def released(client, made):
    """A function with two versions, and an alias that points to the first."""
    client.publish_version(FunctionName=made)
    client.update_function_code(FunctionName=made, ZipFile=zipped(OTHER))
    client.publish_version(FunctionName=made)
    client.create_alias(FunctionName=made, Name="live", FunctionVersion="1")
    return made


def refused(call, **values):
    """Return the code and the message with which a call is refused."""
    with pytest.raises(ClientError) as error:
        call(**values)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def code(call, **values):
    return refused(call, **values)[0]


# --- states


def test_a_new_function_is_pending_and_can_neither_be_invoked_nor_changed(client, upload, delays):
    delays(create=LONG)
    upload("pending", SOURCE)
    found = client.get_function_configuration(FunctionName="pending")
    assert (found["State"], found["StateReasonCode"]) == ("Pending", "Creating")
    for call, more in (
        (client.invoke, {}),
        (client.update_function_configuration, {"Timeout": 5}),
        (client.update_function_code, {"ZipFile": zipped(OTHER)}),
        (client.publish_version, {}),
    ):
        assert code(call, FunctionName="pending", **more) == "ResourceConflictException"


def test_a_new_function_becomes_active(client, upload, delays):
    delays(create=0.05)
    upload("active", SOURCE)
    client.get_waiter("function_active_v2").wait(FunctionName="active", WaiterConfig={"Delay": 0.02})
    found = client.get_function_configuration(FunctionName="active")
    assert (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in found


@pytest.mark.parametrize("operation", ["update_function_configuration", "update_function_code"])
def test_a_second_update_is_refused_while_one_is_in_progress(client, made, delays, operation):
    delays(update=LONG)
    first = {"Timeout": 5} if operation.endswith("configuration") else {"ZipFile": zipped(OTHER)}
    answer = getattr(client, operation)(FunctionName=made, **first)
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
    for call, more in (
        (client.update_function_configuration, {"Timeout": 6}),
        (client.update_function_code, {"ZipFile": zipped(SOURCE)}),
        (client.publish_version, {}),
    ):
        found, message = refused(call, FunctionName=made, **more)
        assert found == "ResourceConflictException"
        assert "An update is in progress" in message
    assert json.loads(client.invoke(FunctionName=made, Payload=b"1")["Payload"].read()) == 1


def test_an_update_ends_with_another_revision(client, made, delays):
    delays(update=0.05)
    begun = client.update_function_configuration(FunctionName=made, Timeout=5)
    client.get_waiter("function_updated_v2").wait(FunctionName=made, WaiterConfig={"Delay": 0.02})
    found = client.get_function_configuration(FunctionName=made)
    assert found["LastUpdateStatus"] == "Successful"
    assert found["RevisionId"] != begun["RevisionId"]


def test_a_new_version_is_pending_and_the_function_is_not(client, made, delays):
    delays(publish=LONG)
    assert client.publish_version(FunctionName=made)["State"] == "Pending"
    assert client.get_function_configuration(FunctionName=made)["State"] == "Active"
    assert code(client.invoke, FunctionName=made, Qualifier="1") == "ResourceConflictException"


def test_a_function_is_made_and_published_at_once(client, role, delays):
    delays(create=LONG, publish=LONG)
    answer = client.create_function(
        FunctionName="at-once", Runtime=RUNTIME, Handler="app.handler", Role=role, Code={"ZipFile": zipped(SOURCE)},
        Publish=True,
    )  # fmt: skip
    assert (answer["Version"], answer["State"]) == ("1", "Pending")
    assert answer["FunctionArn"].endswith(":function:at-once:1")
    client.delete_function(FunctionName="at-once")


# --- revisions


def test_changes_of_another_revision_are_refused(client, released):
    live = {"FunctionName": released, "Name": "live"}
    for call, values in (
        (client.update_function_configuration, {"FunctionName": released, "Timeout": 5}),
        (client.update_function_code, {"FunctionName": released, "ZipFile": zipped(SOURCE)}),
        (client.publish_version, {"FunctionName": released}),
        (client.update_alias, {**live, "FunctionVersion": "2"}),
        (client.add_permission, {
            "FunctionName": released, "StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*",
        }),
    ):  # fmt: skip
        assert code(call, RevisionId=WRONG, **values) == "PreconditionFailedException"
    assert client.get_alias(**live)["FunctionVersion"] == "1"
    assert client.get_function_configuration(FunctionName=released)["Timeout"] == 3


def test_each_change_of_a_known_revision_makes_another(client, released):
    seen = [client.get_function_configuration(FunctionName=released)["RevisionId"]]
    more = {"FunctionName": released}
    seen.append(client.update_function_configuration(**more, Timeout=5, RevisionId=seen[-1])["RevisionId"])
    seen.append(client.update_function_code(**more, ZipFile=zipped(SOURCE), RevisionId=seen[-1])["RevisionId"])
    client.publish_version(**more, RevisionId=seen[-1])
    alias = client.get_alias(**more, Name="live")["RevisionId"]
    moved = client.update_alias(**more, Name="live", FunctionVersion="2", RevisionId=alias)["RevisionId"]
    assert len({*seen, alias, moved}) == 5
    assert code(client.update_alias, **more, Name="live", RevisionId=alias) == "PreconditionFailedException"


# --- code


def test_a_hash_tells_the_code(client, made):
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(zipped(OTHER)).digest()).decode()
    answer = client.update_function_code(FunctionName=made, ZipFile=zipped(OTHER))
    assert (answer["CodeSha256"], answer["CodeSize"]) == (digest, len(zipped(OTHER)))
    found, message = refused(client.publish_version, FunctionName=made, CodeSha256="x" * 44)
    assert found == "InvalidParameterValueException"
    assert digest in message
    assert client.publish_version(FunctionName=made, CodeSha256=digest)["Version"] == "1"


def test_a_dry_run_changes_no_code(client, made):
    before = client.get_function_configuration(FunctionName=made)
    answer = client.update_function_code(FunctionName=made, ZipFile=zipped(OTHER), DryRun=True)
    assert answer["CodeSha256"] != before["CodeSha256"]
    found = client.get_function_configuration(FunctionName=made)
    assert found["CodeSha256"] == before["CodeSha256"]
    assert found["RevisionId"] == before["RevisionId"]


def test_code_is_changed_and_published_at_once(client, made, delays):
    delays(update=LONG)
    answer = client.update_function_code(FunctionName=made, ZipFile=zipped(OTHER), Publish=True)
    assert answer["Version"] == "1"
    assert answer["CodeSize"] == len(zipped(OTHER))


@pytest.mark.parametrize("content", [b"no zip", b"PK\x03\x04 and nothing after", zipped(SOURCE)[:-30]])
def test_what_is_no_zip_is_refused(client, made, content):
    found, message = refused(client.update_function_code, FunctionName=made, ZipFile=content)
    assert found == "InvalidParameterValueException"
    assert "Could not unzip uploaded file" in message
    assert client.get_function_configuration(FunctionName=made)["CodeSize"] == len(zipped(SOURCE))


def test_code_is_limited_packed_and_unpacked(client, made, monkeypatch):
    monkeypatch.setattr(checks, "ZIP_LIMIT", len(zipped(SOURCE)))
    client.update_function_code(FunctionName=made, ZipFile=zipped(SOURCE))
    assert (
        code(client.update_function_code, FunctionName=made, ZipFile=zipped(OTHER)) == "RequestEntityTooLargeException"
    )
    monkeypatch.undo()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as member:
        for _ in range(251):
            member.write(bytes(1024 * 1024))
    found, message = refused(client.update_function_code, FunctionName=made, ZipFile=packed.getvalue())
    assert found == "InvalidParameterValueException"
    assert message == "Unzipped size must be smaller than 262144000 bytes"


def test_code_comes_from_a_bucket(client, made):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="code", Key="a b/app.zip", Body=zipped(OTHER))["VersionId"]
    s3.put_object(Bucket="code", Key="a b/app.zip", Body=zipped(OTHER + "\n"))
    place = {"FunctionName": made, "S3Bucket": "code", "S3Key": "a b/app.zip"}
    assert client.update_function_code(**place)["CodeSize"] == len(zipped(OTHER + "\n"))
    assert client.update_function_code(**place, S3ObjectVersion=first)["CodeSize"] == len(zipped(OTHER))
    for wrong, name in (({"S3Key": "none"}, "NoSuchKey"), ({"S3Bucket": "nowhere"}, "NoSuchBucket")):
        found, message = refused(client.update_function_code, **{**place, **wrong})
        assert found == "InvalidParameterValueException"
        assert f"S3 Error Code: {name}" in message


def test_code_has_to_be_there(client, made):
    assert code(client.update_function_code, FunctionName=made) == "InvalidParameterValueException"


# --- configurations


def test_what_is_not_given_stays(client, made):
    client.update_function_configuration(FunctionName=made, MemorySize=256, Environment={"Variables": {"A": "1"}})
    answer = client.update_function_configuration(FunctionName=made, Description="told")
    assert (answer["MemorySize"], answer["Environment"], answer["Timeout"]) == (256, {"Variables": {"A": "1"}}, 3)
    answer = client.update_function_configuration(FunctionName=made, LoggingConfig={"LogFormat": "JSON"})
    assert answer["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": f"/aws/lambda/{made}"}


def test_variables_take_4_kb_at_most(client, made):
    empty = len('{"NAME":""}')
    variables = {"NAME": "x" * (4096 - empty)}
    client.update_function_configuration(FunctionName=made, Environment={"Variables": variables})
    variables["NAME"] += "x"
    found, message = refused(
        client.update_function_configuration, FunctionName=made, Environment={"Variables": variables}
    )
    assert found == "InvalidParameterValueException"
    assert "exceeded the 4KB limit" in message
    found = client.get_function_configuration(FunctionName=made)["Environment"]["Variables"]
    assert len(found["NAME"]) == 4096 - empty


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_LAMBDA_RUNTIME_API", "_HANDLER", "LAMBDA_TASK_ROOT"])
def test_variables_of_lambda_itself_are_refused(client, made, name):
    found, message = refused(
        client.update_function_configuration, FunctionName=made, Environment={"Variables": {name: "x", "OWN": "y"}}
    )
    assert found == "InvalidParameterValueException"
    assert message.endswith(f"Reserved keys used in this request: {name}")


@pytest.mark.parametrize(
    "wanted",
    [
        {"Timeout": 901}, {"MemorySize": 10_241}, {"Description": "x" * 257}, {"Runtime": "Python"},
        {"Runtime": "python3.13/../../.."}, {"EphemeralStorage": {"Size": 10_241}},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(client, made, wanted):
    before = client.get_function_configuration(FunctionName=made)
    found = code(client.update_function_configuration, FunctionName=made, **wanted)
    assert found in ("ValidationException", "InvalidParameterValueException")
    assert client.get_function_configuration(FunctionName=made)["RevisionId"] == before["RevisionId"]


@pytest.mark.parametrize("name", ["a.b", "x" * 65, "a b"])
def test_names_that_aws_does_not_take_are_refused(client, role, name):
    wanted = {"Runtime": RUNTIME, "Handler": "app.handler", "Role": role, "Code": {"ZipFile": zipped(SOURCE)}}
    assert code(client.create_function, FunctionName=name, **wanted) == "ValidationException"


def test_a_function_exists_once(client, made, role):
    wanted = {"Runtime": RUNTIME, "Handler": "app.handler", "Role": role, "Code": {"ZipFile": zipped(SOURCE)}}
    assert code(client.create_function, FunctionName=made, **wanted) == "ResourceConflictException"
    arn = client.get_function_configuration(FunctionName=made)["FunctionArn"]
    assert code(client.create_function, FunctionName=arn, **wanted) == "ResourceConflictException"


def test_roles_have_to_be_known_to_lambda(client, made, role, aws, monkeypatch):  # noqa: F811
    iam = boto3.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
                                                     "Action": "sts:AssumeRole"}]}  # fmt: skip
    other = iam.create_role(RoleName="of-others", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    for wrong in ("arn:aws:iam::123456789012:role/never", other):
        found, message = refused(client.update_function_configuration, FunctionName=made, Role=wrong)
        assert found == "InvalidParameterValueException"
        assert message == "The role defined for the function cannot be assumed by Lambda."
    iam.delete_role(RoleName="of-others")
    options = aws.sandbox._options
    monkeypatch.setattr(aws.sandbox, "_options", replace(options, delays=Delays(role=LONG)))
    assert code(client.update_function_configuration, FunctionName=made, Role=role) == "InvalidParameterValueException"


# --- versions


def test_unchanged_code_is_not_published_again(client, made):
    first = client.publish_version(FunctionName=made, Description="one")
    again = client.publish_version(FunctionName=made, Description="another")
    assert (again["Version"], again["Description"], again["RevisionId"]) == ("1", "one", first["RevisionId"])
    client.update_function_configuration(FunctionName=made, Timeout=5)
    assert client.publish_version(FunctionName=made)["Version"] == "2"
    client.update_function_code(FunctionName=made, ZipFile=zipped(OTHER))
    assert client.publish_version(FunctionName=made)["Version"] == "3"


def test_a_version_stays_as_it_was(client, released):
    client.update_function_configuration(FunctionName=released, Timeout=9, Environment={"Variables": {"A": "1"}})
    found = client.get_function_configuration(FunctionName=released, Qualifier="1")
    assert (found["Timeout"], found["Environment"]["Variables"]) == (3, {})
    assert found["CodeSize"] == len(zipped(SOURCE))
    assert found["FunctionArn"].endswith(f":function:{released}:1")


def test_a_version_in_use_cannot_be_deleted(client, released):
    found, message = refused(client.delete_function, FunctionName=released, Qualifier="1")
    assert found == "ResourceConflictException"
    assert "live" in message
    client.delete_function(FunctionName=released, Qualifier="2")
    assert code(client.get_function, FunctionName=released, Qualifier="2") == "ResourceNotFoundException"
    assert code(client.delete_function, FunctionName=released, Qualifier="$LATEST") == "InvalidParameterValueException"
    client.update_function_configuration(FunctionName=released, Timeout=5)
    assert client.publish_version(FunctionName=released)["Version"] == "3"


def test_nothing_is_left_of_a_version_that_is_deleted(client, released):
    permission = {"StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*"}
    client.add_permission(FunctionName=released, Qualifier="2", **permission)
    client.put_provisioned_concurrency_config(FunctionName=released, Qualifier="2", ProvisionedConcurrentExecutions=1)
    client.delete_function(FunctionName=released, Qualifier="2")
    client.put_function_concurrency(FunctionName=released, ReservedConcurrentExecutions=5)
    assert json.loads(client.invoke(FunctionName=released, Payload=b"1")["Payload"].read()) == 1


# --- aliases


def test_aliases_point_to_what_there_is(client, released):
    assert code(client.create_alias, FunctionName=released, Name="x", FunctionVersion="9") == (
        "ResourceNotFoundException"
    )
    assert code(client.create_alias, FunctionName=released, Name="live", FunctionVersion="2") == (
        "ResourceConflictException"
    )
    assert code(client.update_alias, FunctionName=released, Name="x", FunctionVersion="2") == (
        "ResourceNotFoundException"
    )
    found = code(client.update_alias, FunctionName=released, Name="live", FunctionVersion="9")
    assert found == "ResourceNotFoundException"
    assert code(client.get_alias, FunctionName=released, Name="x") == "ResourceNotFoundException"
    for name in ("12", "a.b"):
        assert code(client.create_alias, FunctionName=released, Name=name, FunctionVersion="1") == "ValidationException"
    answer = client.update_alias(FunctionName=released, Name="live", FunctionVersion="2", Description="moved")
    assert (answer["FunctionVersion"], answer["Description"]) == ("2", "moved")
    assert client.get_function_configuration(FunctionName=released, Qualifier="live")["Version"] == "2"


def test_nothing_is_left_of_an_alias_that_is_deleted(client, released):
    live = {"FunctionName": released, "Qualifier": "live"}
    client.add_permission(**live, StatementId="a", Action="lambda:InvokeFunction", Principal="*")
    client.create_function_url_config(**live, AuthType="NONE")
    client.delete_alias(FunctionName=released, Name="live")
    client.delete_alias(FunctionName=released, Name="live")
    assert code(client.invoke, **live) == "ResourceNotFoundException"
    client.create_alias(FunctionName=released, Name="live", FunctionVersion="2")
    assert code(client.get_policy, **live) == "ResourceNotFoundException"
    assert code(client.get_function_url_config, **live) == "ResourceNotFoundException"


# --- permissions


def test_statements_have_the_shape_and_conditions_that_aws_gives_them(client, made):
    arn = client.get_function_configuration(FunctionName=made)["FunctionArn"]

    def statement(name, **more):
        answer = client.add_permission(FunctionName=made, StatementId=name, **more)
        return json.loads(answer["Statement"])

    api = "arn:aws:execute-api:us-east-1:123456789012:abc/*"
    assert statement(
        "a", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com", SourceArn=api,
        SourceAccount="123456789012",
    ) == {
        "Sid": "a", "Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction", "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}, "ArnLike": {"AWS:SourceArn": api}},
    }  # fmt: skip
    url = statement("b", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert (url["Principal"], url["Condition"]) == ("*", {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}})
    via = statement("c", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True)
    assert via["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    account = statement("d", Action="lambda:InvokeFunction", Principal="123456789012", PrincipalOrgID="o-a1b2c3d4e5")
    assert account["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert account["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
    token = statement("e", Action="lambda:InvokeFunction", Principal="alexa-appkit.amazon.com", EventSourceToken="t")
    assert token["Principal"] == {"Service": "alexa-appkit.amazon.com"}
    assert token["Condition"] == {"StringEquals": {"lambda:EventSourceToken": "t"}}
    policy = json.loads(client.get_policy(FunctionName=made)["Policy"])
    assert [one["Sid"] for one in policy["Statement"]] == ["a", "b", "c", "d", "e"]
    client.remove_permission(FunctionName=made, StatementId="a")
    assert code(client.remove_permission, FunctionName=made, StatementId="a") == "ResourceNotFoundException"


def test_each_qualifier_has_a_policy_of_its_own(client, released):
    wanted = {"FunctionName": released, "StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*"}
    client.add_permission(**wanted)
    assert code(client.add_permission, **wanted) == "ResourceConflictException"
    made = json.loads(client.add_permission(**wanted, Qualifier="live")["Statement"])
    assert made["Resource"].endswith(f":function:{released}:live")
    assert code(client.get_policy, FunctionName=released, Qualifier="2") == "ResourceNotFoundException"
    client.remove_permission(FunctionName=released, StatementId="a")
    assert code(client.get_policy, FunctionName=released) == "ResourceNotFoundException"
    assert client.get_policy(FunctionName=released, Qualifier="live")["RevisionId"]
    assert code(client.add_permission, **wanted, Qualifier="none") == "ResourceNotFoundException"
    assert code(client.add_permission, **wanted, Qualifier="$LATEST") == "InvalidParameterValueException"


# --- concurrency


def test_reserving_leaves_a_hundred_to_the_others(client, made, upload):
    upload("another", SOURCE)
    put = client.put_function_concurrency
    found, message = refused(put, FunctionName=made, ReservedConcurrentExecutions=901)
    assert found == "InvalidParameterValueException"
    assert "[100]" in message
    put(FunctionName=made, ReservedConcurrentExecutions=900)
    put(FunctionName=made, ReservedConcurrentExecutions=900)  # it is its own
    assert code(put, FunctionName="another", ReservedConcurrentExecutions=1) == "InvalidParameterValueException"
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
    assert client.get_function_concurrency(FunctionName=made)["ReservedConcurrentExecutions"] == 900
    assert client.get_function(FunctionName=made)["Concurrency"] == {"ReservedConcurrentExecutions": 900}
    client.delete_function_concurrency(FunctionName=made)
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=made)
    assert "Concurrency" not in client.get_function(FunctionName=made)


def test_no_more_is_provisioned_than_is_reserved(client, released):
    client.put_function_concurrency(FunctionName=released, ReservedConcurrentExecutions=1)
    live = {"FunctionName": released, "Qualifier": "live"}
    found, message = refused(client.put_provisioned_concurrency_config, **live, ProvisionedConcurrentExecutions=2)
    assert found == "InvalidParameterValueException"
    assert "reservedConcurrentExecution" in message
    answer = client.put_provisioned_concurrency_config(**live, ProvisionedConcurrentExecutions=1)
    assert answer["RequestedProvisionedConcurrentExecutions"] == 1
    listed = client.list_provisioned_concurrency_configs(FunctionName=released)["ProvisionedConcurrencyConfigs"]
    assert [one["FunctionArn"].rpartition(":")[2] for one in listed] == ["live"]
    client.delete_provisioned_concurrency_config(**live)
    assert client.list_provisioned_concurrency_configs(FunctionName=released)["ProvisionedConcurrencyConfigs"] == []


def test_what_there_is_not_is_not_found(client, made):
    for call, more in (
        (client.get_function, {}), (client.update_function_configuration, {"Timeout": 5}), (client.invoke, {}),
        (client.publish_version, {}), (client.list_versions_by_function, {}), (client.list_aliases, {}),
        (client.delete_function, {}), (client.put_function_concurrency, {"ReservedConcurrentExecutions": 1}),
    ):  # fmt: skip
        found, message = refused(call, FunctionName="nothing", **more)
        assert found == "ResourceNotFoundException"
        assert message == "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nothing"
    assert code(client.get_function, FunctionName=made, Qualifier="7") == "ResourceNotFoundException"

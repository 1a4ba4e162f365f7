"""Stacks: what templates come to, what change sets tell, and what is left when something fails."""

import json
import time

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.sandbox import aws, sandbox  # noqa: F401  # fixtures

FINAL = ("_COMPLETE", "_FAILED")


@pytest.fixture
def cloudformation(aws):  # noqa: F811
    return boto3.client("cloudformation")


def template(outputs=None, parameters=None, **resources):
    found = {"Resources": {name: {"Type": kind, **rest} for name, (kind, rest) in resources.items()}}
    return json.dumps({**found, "Outputs": outputs or {}, "Parameters": parameters or {}})


def of(kind, *, retain=False, after=None, **properties):
    more = {"DeletionPolicy": "Retain"} if retain else {}
    return f"AWS::{kind}", {"Properties": properties, **more, **({"DependsOn": after} if after else {})}


def settled(cloudformation, name):
    while True:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        time.sleep(0.01)


def propose(cloudformation, name, body, kind="UPDATE", **more):
    made = cloudformation.create_change_set(
        StackName=name, ChangeSetName="next", ChangeSetType=kind, TemplateBody=body,
        Capabilities=["CAPABILITY_NAMED_IAM"], **more,
    )  # fmt: skip
    return cloudformation.describe_change_set(ChangeSetName=made["Id"], IncludePropertyValues=True)


def apply(cloudformation, name, body, kind="UPDATE", **more):
    found = propose(cloudformation, name, body, kind, **more)
    assert found["Status"] == "CREATE_COMPLETE", found.get("StatusReason")
    cloudformation.execute_change_set(ChangeSetName=found["ChangeSetId"])
    return settled(cloudformation, found["StackId"])


def changes(found):
    return {
        one["ResourceChange"]["LogicalResourceId"]: (
            one["ResourceChange"]["Action"],
            one["ResourceChange"].get("Replacement"),
        )
        for one in found["Changes"]
    }


def statuses(cloudformation, stack_id):
    events = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
    return [(one["LogicalResourceId"], one["ResourceStatus"]) for one in reversed(events)]


def refused(error):
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_a_stack_is_made_changed_and_deleted(cloudformation):
    body = template(
        Group=of("Logs::LogGroup", LogGroupName="/made", RetentionInDays=7),
        Topic=of("SNS::Topic", TopicName="made"),
        Mail=of("SNS::Subscription", TopicArn={"Ref": "Topic"}, Protocol="email", Endpoint="a@example.com"),
        outputs={"Arn": {"Value": {"Fn::GetAtt": ["Group", "Arn"]}}, "Topic": {"Value": {"Fn::Sub": "<${Topic}>"}}},
    )
    found = propose(cloudformation, "made", body, "CREATE", Tags=[{"Key": "of", "Value": "ours"}])
    assert changes(found) == {"Group": ("Add", None), "Topic": ("Add", None), "Mail": ("Add", None)}
    assert cloudformation.describe_stacks(StackName="made")["Stacks"][0]["StackStatus"] == "REVIEW_IN_PROGRESS"
    cloudformation.execute_change_set(ChangeSetName=found["ChangeSetId"])
    stack = settled(cloudformation, "made")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Tags"] == [{"Key": "of", "Value": "ours"}]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    assert outputs["Arn"].endswith(":log-group:/made:*")
    assert outputs["Topic"].startswith("<arn:aws:sns:")
    logs = boto3.client("logs")
    [group] = logs.describe_log_groups(logGroupNamePrefix="/made")["logGroups"]
    assert group["retentionInDays"] == 7
    assert boto3.client("sns").list_subscriptions_by_topic(TopicArn=outputs["Topic"][1:-1])["Subscriptions"]
    assert cloudformation.get_template(StackName="made")["TemplateBody"] == json.loads(body)

    longer = json.loads(body)
    longer["Resources"]["Group"]["Properties"]["RetentionInDays"] = 30
    del longer["Resources"]["Mail"]
    assert apply(cloudformation, "made", json.dumps(longer))["StackStatus"] == "UPDATE_COMPLETE"
    [group] = logs.describe_log_groups(logGroupNamePrefix="/made")["logGroups"]
    assert group["retentionInDays"] == 30
    assert not boto3.client("sns").list_subscriptions_by_topic(TopicArn=outputs["Topic"][1:-1])["Subscriptions"]

    cloudformation.delete_stack(StackName="made")
    assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert not logs.describe_log_groups(logGroupNamePrefix="/made")["logGroups"]
    with pytest.raises(ClientError) as error:
        cloudformation.describe_stacks(StackName="made")
    assert refused(error) == ("ValidationError", "Stack with id made does not exist")


def test_resources_are_made_after_what_they_need_and_deleted_before_it(cloudformation):
    body = template(
        Last=of("Logs::LogGroup", LogGroupName={"Fn::Sub": "/${First}-b"}),
        First=of("Logs::LogGroup", LogGroupName="order", after="Zero"),
        Zero=of("Logs::LogGroup", LogGroupName="zero"),
    )
    stack = apply(cloudformation, "ordered", body, "CREATE")
    made = [name for name, status in statuses(cloudformation, stack["StackId"]) if status == "CREATE_COMPLETE"]
    assert made == ["Zero", "First", "Last", "ordered"]
    cloudformation.delete_stack(StackName="ordered")
    settled(cloudformation, stack["StackId"])
    deleted = [name for name, status in statuses(cloudformation, stack["StackId"]) if status == "DELETE_COMPLETE"]
    assert deleted == ["Last", "First", "Zero", "ordered"]


def test_a_change_set_tells_what_is_replaced_and_by_which_property(cloudformation):
    def body(name, days):
        return template(
            Group=of("Logs::LogGroup", LogGroupName=name, RetentionInDays=days),
            Filter=of(
                "Logs::MetricFilter", LogGroupName={"Ref": "Group"}, FilterPattern="ERROR", FilterName="errors",
                MetricTransformations=[{"MetricName": "errors", "MetricNamespace": "n", "MetricValue": "1"}],
            ),
        )  # fmt: skip

    apply(cloudformation, "replaced", body("/old", 7), "CREATE")
    found = propose(cloudformation, "replaced", body("/new", 7))
    assert changes(found) == {"Group": ("Modify", "True"), "Filter": ("Modify", "Conditional")}
    [group] = [one["ResourceChange"] for one in found["Changes"] if "Group" in str(one["ResourceChange"]["Details"])][
        :1
    ]
    [detail] = group["Details"]
    assert detail["Target"]["Path"] == "/Properties/LogGroupName"
    assert (detail["Target"]["BeforeValue"], detail["Target"]["AfterValue"]) == ("/old", "/new")
    assert group["PhysicalResourceId"] == "/old"
    cloudformation.delete_change_set(ChangeSetName=found["ChangeSetId"])
    found = propose(cloudformation, "replaced", body("/old", 30))
    assert changes(found) == {"Group": ("Modify", "False")}
    cloudformation.delete_change_set(ChangeSetName=found["ChangeSetId"])
    assert apply(cloudformation, "replaced", body("/new", 7))["StackStatus"] == "UPDATE_COMPLETE"
    logs = boto3.client("logs")
    assert not logs.describe_log_groups(logGroupNamePrefix="/old")["logGroups"]
    assert logs.describe_metric_filters(logGroupName="/new")["metricFilters"]
    cloudformation.delete_stack(StackName="replaced")


def test_a_change_set_without_changes_fails_as_on_aws(cloudformation):
    body = template(Group=of("Logs::LogGroup", LogGroupName="/same"))
    apply(cloudformation, "same", body, "CREATE")
    found = propose(cloudformation, "same", body)
    assert found["Status"] == "FAILED"
    assert "didn't contain changes" in found["StatusReason"]
    with pytest.raises(ClientError) as error:
        cloudformation.execute_change_set(ChangeSetName=found["ChangeSetId"])
    assert refused(error)[0] == "InvalidChangeSetStatus"
    with pytest.raises(ClientError) as error:
        cloudformation.update_stack(StackName="same", TemplateBody=body)
    assert refused(error) == ("ValidationError", "No updates are to be performed.")
    cloudformation.delete_stack(StackName="same")


def test_what_was_made_goes_again_when_a_new_stack_fails(cloudformation):
    boto3.client("logs").create_log_group(logGroupName="/taken")
    body = template(
        Mine=of("Logs::LogGroup", LogGroupName="/mine"), Taken=of("Logs::LogGroup", LogGroupName="/taken", after="Mine")
    )
    stack = apply(cloudformation, "failed", body, "CREATE")
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert [one["logGroupName"] for one in boto3.client("logs").describe_log_groups()["logGroups"]].count("/mine") == 0
    events = cloudformation.describe_stack_events(StackName="failed")["StackEvents"]
    [failed] = [one for one in events if one["ResourceStatus"] == "CREATE_FAILED"]
    assert failed["LogicalResourceId"] == "Taken"
    assert "already exists" in failed["ResourceStatusReason"]
    with pytest.raises(ClientError) as error:
        propose(cloudformation, "failed", body)
    assert "ROLLBACK_COMPLETE state and can not be updated" in refused(error)[1]
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        cloudformation.update_stack(StackName="failed", TemplateBody=body)
    cloudformation.delete_stack(StackName="failed")
    assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_all_is_as_before_when_an_update_fails(cloudformation):
    def body(days, **more):
        return template(Group=of("Logs::LogGroup", LogGroupName="/kept", RetentionInDays=days), **more)

    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="/occupied")
    apply(cloudformation, "kept", body(7), "CREATE")
    more = {
        "Other": of("Logs::LogGroup", LogGroupName="/other", after="Group"),
        "Taken": of("Logs::LogGroup", LogGroupName="/occupied", after="Other"),
    }
    stack = apply(cloudformation, "kept", body(30, **more))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert not logs.describe_log_groups(logGroupNamePrefix="/other")["logGroups"]
    [group] = logs.describe_log_groups(logGroupNamePrefix="/kept")["logGroups"]
    assert group["retentionInDays"] == 7
    assert cloudformation.get_template(StackName="kept")["TemplateBody"] == json.loads(body(7))
    assert apply(cloudformation, "kept", body(14))["StackStatus"] == "UPDATE_COMPLETE"
    cloudformation.delete_stack(StackName="kept")
    logs.delete_log_group(logGroupName="/occupied")


def test_what_is_to_be_retained_stays(cloudformation):
    body = template(Group=of("Logs::LogGroup", LogGroupName="/retained", retain=True))
    stack = apply(cloudformation, "retained", body, "CREATE")
    cloudformation.delete_stack(StackName="retained")
    assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert boto3.client("logs").describe_log_groups(logGroupNamePrefix="/retained")["logGroups"]


def test_a_large_template_is_read_from_a_bucket(cloudformation):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="templates")
    s3.put_object(Bucket="templates", Key="a/b.json", Body=template(Group=of("Logs::LogGroup", LogGroupName="/read")))
    cloudformation.create_stack(
        StackName="read", TemplateURL="https://templates.s3.us-east-1.amazonaws.com/a/b.json"
    )  # fmt: skip
    assert settled(cloudformation, "read")["StackStatus"] == "CREATE_COMPLETE"
    cloudformation.delete_stack(StackName="read")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("{", "ValidationError", "JSON"),
        ("{}", "ValidationError", "At least one Resources"),
        (template(A=of("Logs::LogGroup", LogGroupName={"Ref": "B"})), "ValidationError", r"dependencies \[B\]"),
        (
            template(A=of("Logs::LogGroup", LogGroupName={"Ref": "B"}), B=of("SNS::Topic", TopicName={"Ref": "A"})),
            "ValidationError",
            "Circular",
        ),
        (template(A=of("EC2::Nonsense")), "ValidationError", "Unrecognized resource types"),
    ],
)
def test_templates_that_make_no_sense_are_refused(cloudformation, body, code, message):
    with pytest.raises(ClientError, match=message) as error:
        cloudformation.create_stack(StackName="refused", TemplateBody=body)
    assert refused(error)[0] == code
    assert not [one for one in cloudformation.describe_stacks()["Stacks"] if one["StackName"] == "refused"]


def test_roles_need_a_capability(cloudformation):
    body = template(Role=of("IAM::Role", RoleName="r", AssumeRolePolicyDocument={}))
    with pytest.raises(ClientError) as error:
        cloudformation.create_stack(StackName="capable", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    assert refused(error) == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")


def test_parameters_have_defaults_and_values(cloudformation):
    body = template(
        Group=of("Logs::LogGroup", LogGroupName={"Fn::Join": ["/", ["", {"Ref": "Name"}, {"Ref": "Tail"}]]}),
        parameters={"Name": {"Type": "String"}, "Tail": {"Type": "String", "Default": "end"}},
        outputs={"Group": {"Value": {"Ref": "Group"}}},
    )
    with pytest.raises(ClientError, match=r"Parameters: \[Name\] must have values"):
        propose(cloudformation, "valued", body, "CREATE")
    stack = apply(
        cloudformation, "valued", body, "CREATE", Parameters=[{"ParameterKey": "Name", "ParameterValue": "start"}]
    )
    assert stack["Outputs"][0]["OutputValue"] == "/start/end"
    cloudformation.delete_stack(StackName="valued")


def test_a_resource_keeps_its_type(cloudformation):
    apply(cloudformation, "typed", template(One=of("Logs::LogGroup", LogGroupName="/typed")), "CREATE")
    other = template(One=of("SNS::Topic", TopicName="typed"))
    found = propose(cloudformation, "typed", other)
    reason = "Update of resource type is not permitted. The new template modifies resource type of the following "
    assert (found["Status"], found["StatusReason"]) == ("FAILED", reason + "resources: [One]")
    assert found["Changes"] == []
    with pytest.raises(ClientError) as error:
        cloudformation.execute_change_set(ChangeSetName=found["ChangeSetId"])
    assert refused(error)[0] == "InvalidChangeSetStatus"
    with pytest.raises(ClientError, match="resource type is not permitted") as error:
        cloudformation.update_stack(StackName="typed", TemplateBody=other)
    assert refused(error)[0] == "ValidationError"
    assert settled(cloudformation, "typed")["StackStatus"] == "CREATE_COMPLETE"
    cloudformation.delete_stack(StackName="typed")


# What it takes for the engine to come upon a mistake: a value that no author of a kind has thought of.
UNEXPECTED = of("Logs::MetricFilter", LogGroupName="/odd", FilterName="odd", FilterPattern="x", MetricTransformations=7)


def test_a_new_stack_ends_when_something_unexpected_happens(cloudformation):
    body = template(
        Good=of("Logs::LogGroup", LogGroupName="/odd"), Odd=(UNEXPECTED[0], UNEXPECTED[1] | {"DependsOn": "Good"})
    )
    stack = apply(cloudformation, "odd", body, "CREATE")
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("Odd", "CREATE_FAILED") in statuses(cloudformation, stack["StackId"])
    assert not boto3.client("logs").describe_log_groups(logGroupNamePrefix="/odd")["logGroups"]
    cloudformation.delete_stack(StackName="odd")


def test_an_update_ends_when_something_unexpected_happens(cloudformation):
    good = {"Good": of("Logs::LogGroup", LogGroupName="/odd")}
    apply(cloudformation, "odd", template(**good), "CREATE")
    stack = apply(cloudformation, "odd", template(**good, Odd=UNEXPECTED))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert ("Odd", "CREATE_FAILED") in statuses(cloudformation, stack["StackId"])
    stack = apply(cloudformation, "odd", template(**good, outputs={"Odd": {"Value": {"Fn::Select": [5, ["a"]]}}}))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    cloudformation.delete_stack(StackName="odd")


def test_a_way_back_that_fails_is_told(cloudformation, upload):
    def body(days, **more):
        return template(Group=of("Logs::LogGroup", LogGroupName="/back", RetentionInDays=days), **more)

    apply(cloudformation, "back", body(7), "CREATE")
    late = of(
        "Lambda::Function", FunctionName="back", Role="arn:aws:iam::123456789012:role/never", after="Group",
        Runtime="python3.13", Handler="index.handler", Code={"ZipFile": "handler = print"},
    )  # fmt: skip
    found = propose(cloudformation, "back", body(30, Late=late))
    cloudformation.execute_change_set(ChangeSetName=found["ChangeSetId"])
    while ("Late", "CREATE_IN_PROGRESS") not in statuses(cloudformation, "back"):
        time.sleep(0.01)
    boto3.client("logs").delete_log_group(logGroupName="/back")
    upload("back")  # what waits for its role finds its name taken
    assert settled(cloudformation, "back")["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    assert ("Group", "UPDATE_FAILED") in statuses(cloudformation, "back")
    with pytest.raises(ClientError, match="UPDATE_ROLLBACK_FAILED state and can not be updated"):
        propose(cloudformation, "back", body(7))
    cloudformation.delete_stack(StackName="back")
    assert settled(cloudformation, found["StackId"])["StackStatus"] == "DELETE_COMPLETE"

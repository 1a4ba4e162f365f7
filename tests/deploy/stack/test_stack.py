"""The stack: planned, applied, looked at and deleted on moto; by scripted answers where moto knows no failures."""

from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import ANY

from tests.aws.moto_server import REGION
from tests.deploy.stack.configurations import FEATURES, configuration, names
from upproxy.aws.errors import AccessDenied, AwsError, Conflict, Throttled
from upproxy.deploy.errors import DeployError, NotDeployed, NotOurs, Pending
from upproxy.deploy.stack import stack as stacks
from upproxy.deploy.stack.certificate import Entry
from upproxy.deploy.stack.changes import Change, Changes
from upproxy.deploy.stack.stack import Stack

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # types that moto only records

NAME = "upproxy-shop-production"
ID = f"arn:aws:cloudformation:{REGION}:123456789012:stack/{NAME}/1"
CHANGE_SET = f"arn:aws:cloudformation:{REGION}:123456789012:changeSet/upproxy/1"
TAGS = [{"Key": "upproxy:app", "Value": "shop"}, {"Key": "upproxy:stage", "Value": "production"}]


@pytest.fixture
def said():
    return []


@pytest.fixture
def made(session, tmp_path):
    """Makes the stack of a feature."""

    def make(feature, **more):
        config = configuration(tmp_path, FEATURES.get(feature, feature))
        return Stack(session, config, names(config), REGION, **more)

    return make


def applied(stack, said):
    stack.prepare(said.append)
    with stack.plan(said.append) as changes:
        stack.apply(changes, said.append)
    return changes


def there():
    return [one["StackName"] for one in boto3.client("cloudformation").describe_stacks()["Stacks"]]


def change_sets():
    return boto3.client("cloudformation").list_change_sets(StackName=NAME)["Summaries"]


# --- with moto


def test_a_plan_leaves_nothing_behind(made, said):
    with made("warm").plan(said.append) as changes:
        assert changes.what == "create"
        assert {one.action for one in changes.resources} == {"add"}
        assert not changes.destructive
    assert there() == []


def test_a_plan_that_is_broken_off_leaves_nothing_behind(made, said):
    with pytest.raises(KeyboardInterrupt), made("warm").plan(said.append):
        raise KeyboardInterrupt
    assert there() == []


def test_applied_it_is_there_and_current(made, said, released):
    stack = made("warm")
    assert not stack.look().current
    assert applied(stack, said).what == "create"
    seen = stack.look()
    assert (seen.status, seen.current) == ("CREATE_COMPLETE", True)
    assert {one["LogicalResourceId"] for one in seen.resources} >= {"Warmer", "WarmerRole", "WarmerLogs"}
    assert boto3.client("lambda").get_function(FunctionName="upproxy-shop-production-warmer")
    assert any("create complete" in line for line in said)
    [described] = boto3.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    assert [tag for tag in described["Tags"] if tag in TAGS] == TAGS


def test_what_is_the_same_is_not_even_proposed(made, said, released):
    applied(made("warm"), said)
    stack = made("warm")
    calls = []
    client = stack._stacks._cloudformation.client
    client.meta.events.register("before-call.cloudformation", lambda model, **_: calls.append(model.name))
    with stack.plan(said.append) as changes:
        assert not changes
    assert set(calls) == {"DescribeStacks", "GetTemplate"}


def test_an_update_is_shown_and_its_change_set_deleted(made, said, released):
    applied(made("warm"), said)
    with made("http_api").plan(said.append) as changes:
        assert changes.what == "update"
        assert {one.action for one in changes.resources} == {"add", "remove"}
        assert changes.destructive
    assert change_sets() == []
    assert made("warm").look().current
    assert not made("http_api").look().current


def test_a_configuration_without_any_feature_removes_the_stack(made, said, released):
    applied(made("warm"), said)
    with made("description: plain").plan(said.append) as changes:
        assert (changes.what, changes.destructive) == ("delete", True)
        assert {one.action for one in changes.resources} == {"remove"}
    assert there() == [NAME]
    applied(made("description: plain"), said)
    assert there() == []
    assert made("description: plain").look().current


def test_deleted_twice(made, said, released):
    applied(made("warm"), said)
    assert made("warm").delete(said.append) == []
    assert made("warm").delete(said.append) == []
    assert there() == []


def test_no_release_no_stack(made, said):
    with pytest.raises(NotDeployed) as caught:
        applied(made("warm"), said)
    assert "upproxy deploy production" in caught.value.hint
    assert there() == []


@pytest.mark.parametrize(
    "tags", [[], [{"Key": "upproxy:app", "Value": "shop"}, {"Key": "upproxy:stage", "Value": "x"}]]
)
def test_a_stack_of_others_is_never_touched(made, said, released, tags):
    body = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    boto3.client("cloudformation").create_stack(StackName=NAME, TemplateBody=body, Tags=tags)
    stack = made("warm")
    for act in (stack.look, lambda: stack.delete(said.append), lambda: applied(stack, said)):
        with pytest.raises(NotOurs):
            act()
    assert change_sets() == []
    assert there() == [NAME]


def test_a_change_set_of_others_on_an_empty_stack_is_not_touched(made, said):
    body = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    boto3.client("cloudformation").create_change_set(
        StackName=NAME, ChangeSetName="mine", ChangeSetType="CREATE", TemplateBody=body
    )
    with pytest.raises(NotOurs), made("warm").plan(said.append):
        pass
    assert [one["ChangeSetName"] for one in change_sets()] == ["mine"]


def test_a_large_template_goes_by_the_bucket(made, said, released, monkeypatch):
    monkeypatch.setattr(stacks, "LARGEST_BODY", 1000)
    applied(made("warm"), said)
    assert made("warm").look().current
    [bucket] = boto3.client("s3").list_buckets()["Buckets"]
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=bucket["Name"])


def test_records_that_are_kept_elsewhere_are_told(made, said, released):
    boto3.client("route53").create_hosted_zone(Name="shop.example", CallerReference="1")
    stack = made("dns")
    applied(stack, said)
    assert stack.look().entries == (Entry("elsewhere.example", "A", "192.0.2.1"),)
    assert made("dns", leads=False).look().entries == ()


def test_a_rest_api_without_the_role_for_logs(made):
    stack = made("rest_api")
    assert "docs/stack.md" in stack.warnings[0]
    with stack.plan(lambda _: None) as changes:
        assert "ApiLogs" not in {one.logical_id for one in changes.resources}
    arn = "arn:aws:iam::123456789012:role/gateways"
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}]
    boto3.client("apigateway").update_account(patchOperations=patch)
    stack = made("rest_api")
    assert stack.warnings == []


def test_a_domain_can_be_planned_before_its_certificate(made, said):
    with made("domain_below").plan(said.append) as changes:
        assert changes.pending
        assert "Domain" in {one.logical_id for one in changes.resources}
        with pytest.raises(Pending):
            made("domain_below").apply(changes, said.append)
    assert boto3.client("acm").list_certificates()["CertificateSummaryList"] == []


def test_certificates_of_all_regions_are_requested_before_one_is_waited_for(session, tmp_path, said):
    config = configuration(tmp_path, FEATURES["domain_below"])
    regions = (REGION, "us-east-1")
    with pytest.raises(Pending):
        stacks.prepare([Stack(session, config, names(config), region) for region in regions], said.append)
    for region in regions:
        assert boto3.client("acm", region_name=region).list_certificates()["CertificateSummaryList"]


# --- scripted


def event(name, status, reason="", kind="AWS::SNS::Topic", physical="p"):
    return {
        "StackId": ID, "EventId": f"{name}-{status}", "StackName": NAME, "LogicalResourceId": name,
        "PhysicalResourceId": physical, "ResourceType": kind, "Timestamp": datetime.now(UTC),
        "ResourceStatus": status, "ResourceStatusReason": reason,
    }  # fmt: skip


def answer(cloudformation, operation, **response):
    cloudformation.add_response(operation, response)


def describe(cloudformation, status, **more):
    stack = {"StackId": ID, "StackName": NAME, "CreationTime": datetime.now(UTC), "StackStatus": status, "Tags": TAGS}
    answer(cloudformation, "describe_stacks", Stacks=[{**stack, **more}])


def executed(cloudformation, *looks):
    """From the first event on: the status and the new events of each look."""
    old = event("Old", "CREATE_COMPLETE")
    answer(cloudformation, "describe_stack_events", StackEvents=[old])
    cloudformation.add_response("execute_change_set", {}, {"StackName": ID, "ChangeSetName": CHANGE_SET})
    told = [old]
    for status, *new in looks:
        describe(cloudformation, status)
        told = [*reversed(new), *told]
        answer(cloudformation, "describe_stack_events", StackEvents=told)


UPDATE = Changes("update", (Change("change", "AWS::SNS::Topic", "A"),), ID, CHANGE_SET)


def test_the_reason_of_the_first_failure_is_told(made, said, released, cloudformation):
    executed(
        cloudformation,
        ("UPDATE_IN_PROGRESS", event(NAME, "UPDATE_IN_PROGRESS", "User Initiated", physical=ID)),
        (
            "UPDATE_ROLLBACK_COMPLETE",
            event("B", "UPDATE_FAILED", "Resource update cancelled"),
            event("A", "UPDATE_FAILED", "the topic is on strike"),
            event("C", "UPDATE_FAILED", "a later one"),
            event(NAME, "UPDATE_ROLLBACK_IN_PROGRESS", "The following resources failed", physical=ID),
        ),
    )
    with pytest.raises(
        DeployError, match=r"could not be updated: A \(AWS::SNS::Topic\): the topic is on strike"
    ) as caught:
        made("warm").apply(UPDATE, said.append)
    assert "as it was before" in caught.value.hint
    assert said.count("update failed: A (AWS::SNS::Topic)") == 1
    assert "create complete: Old (AWS::SNS::Topic)" not in said


def test_a_first_create_that_fails_is_cleaned_up(made, said, released, cloudformation):
    executed(cloudformation, ("ROLLBACK_COMPLETE", event("A", "CREATE_FAILED", "no")))
    answer(cloudformation, "describe_stack_events", StackEvents=[event("A", "CREATE_FAILED", "no")])
    cloudformation.add_response("delete_stack", {}, {"StackName": ID})
    describe(cloudformation, "DELETE_COMPLETE")
    answer(cloudformation, "describe_stack_events", StackEvents=[event("A", "CREATE_FAILED", "no")])
    with pytest.raises(DeployError, match="could not be created: A") as caught:
        made("warm").apply(Changes("create", (), ID, CHANGE_SET), said.append)
    assert "Nothing of it is left" in caught.value.hint


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"])
def test_what_a_failed_create_has_left_is_deleted_before_the_next(made, said, cloudformation, status):
    describe(cloudformation, status)
    answer(cloudformation, "describe_stack_events", StackEvents=[])
    cloudformation.add_response("delete_stack", {}, {"StackName": ID})
    describe(cloudformation, "DELETE_COMPLETE")
    answer(cloudformation, "describe_stack_events", StackEvents=[])
    created = {
        "StackName": NAME, "ChangeSetName": "upproxy", "ChangeSetType": "CREATE", "TemplateBody": ANY, "Tags": TAGS,
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }  # fmt: skip
    cloudformation.add_response("create_change_set", {"Id": CHANGE_SET, "StackId": ID}, created)
    answer(cloudformation, "describe_change_set", Status="CREATE_COMPLETE", ChangeSetId=CHANGE_SET, Changes=[])
    cloudformation.add_client_error("describe_stacks", "ValidationError", f"Stack with id {NAME} does not exist")
    with made("warm").plan(said.append) as changes:
        assert changes.what == "create"


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "CREATE_IN_PROGRESS"])
def test_a_stack_that_is_being_changed_is_a_conflict(made, said, cloudformation, status):
    describe(cloudformation, status)
    with pytest.raises(Conflict, match=status), made("warm").plan(said.append):
        pass
    describe(cloudformation, status)
    with pytest.raises(Conflict, match=status):
        made("warm").delete(said.append)


def test_a_change_that_begins_in_between_is_a_conflict(made, said, released, cloudformation):
    answer(cloudformation, "describe_stack_events", StackEvents=[])
    message = f"Stack:{ID} is in UPDATE_IN_PROGRESS state and can not be updated."
    cloudformation.add_client_error("execute_change_set", "ValidationError", message)
    with pytest.raises(Conflict, match="UPDATE_IN_PROGRESS"):
        made("warm").apply(UPDATE, said.append)


def test_a_stack_that_is_stuck_says_how_to_go_on(made, said, cloudformation):
    describe(cloudformation, "UPDATE_ROLLBACK_FAILED")
    with pytest.raises(DeployError, match="stuck") as caught, made("warm").plan(said.append):
        pass
    assert "continue-update-rollback" in caught.value.hint


def test_nothing_to_change_is_no_failure(made, said, cloudformation):
    describe(cloudformation, "UPDATE_COMPLETE")
    answer(cloudformation, "get_template", TemplateBody='{"Resources": {}}')
    answer(cloudformation, "list_change_sets", Summaries=[])
    answer(cloudformation, "create_change_set", Id=CHANGE_SET, StackId=ID)
    answer(cloudformation, "describe_change_set", Status="CREATE_IN_PROGRESS")
    reason = "The submitted information didn't contain changes. Submit different information to create a change set."
    answer(cloudformation, "describe_change_set", Status="FAILED", StatusReason=reason)
    describe(cloudformation, "UPDATE_COMPLETE")
    answer(cloudformation, "list_change_sets", Summaries=[{"ChangeSetName": "upproxy"}])
    cloudformation.add_response("delete_change_set", {}, {"StackName": ID, "ChangeSetName": "upproxy"})
    with made("warm").plan(said.append) as changes:
        assert not changes


def test_a_template_that_is_refused(made, said, cloudformation):
    cloudformation.add_client_error("describe_stacks", "ValidationError", "Stack with id x does not exist")
    answer(cloudformation, "create_change_set", Id=CHANGE_SET, StackId=ID)
    answer(cloudformation, "describe_change_set", Status="FAILED", StatusReason="Template error: no")
    describe(cloudformation, "REVIEW_IN_PROGRESS")
    answer(cloudformation, "describe_stack_events", StackEvents=[])
    cloudformation.add_response("delete_stack", {}, {"StackName": ID})
    cloudformation.add_client_error("describe_stacks", "ValidationError", "Stack with id x does not exist")
    answer(cloudformation, "describe_stack_events", StackEvents=[])
    with pytest.raises(AwsError, match="Template error: no"), made("warm").plan(said.append):
        pass


@pytest.mark.parametrize(
    ("code", "kind"), [("AccessDenied", AccessDenied), ("Throttling", Throttled), ("InvalidClientTokenId", AwsError)]
)
def test_refusals_are_told_as_what_they_are(made, said, cloudformation, code, kind):
    cloudformation.add_client_error("describe_stacks", code, "no")
    with pytest.raises(kind) as caught:
        made("warm").look()
    if kind is AccessDenied:
        assert caught.value.statement["Action"] == "cloudformation:DescribeStacks"


def test_a_failure_is_not_hidden_by_cleaning_up(made, said, cloudformation):
    cloudformation.add_client_error("describe_stacks", "ValidationError", "Stack with id x does not exist")
    cloudformation.add_client_error("create_change_set", "AccessDenied", "no")
    cloudformation.add_client_error("describe_stacks", "Throttling", "slowly")
    with pytest.raises(AccessDenied), made("warm").plan(said.append):
        pass


def test_a_stack_that_cannot_be_deleted(made, said, cloudformation):
    describe(cloudformation, "CREATE_COMPLETE")
    answer(cloudformation, "describe_stack_events", StackEvents=[])
    answer(cloudformation, "delete_stack")
    describe(cloudformation, "DELETE_FAILED")
    answer(cloudformation, "describe_stack_events", StackEvents=[event("Api", "DELETE_FAILED", "in use")])
    with pytest.raises(DeployError, match=r"could not be deleted: Api .*in use"):
        made("warm").delete(said.append)


def test_interrupted_it_says_that_cloudformation_goes_on(made, said, released, cloudformation):
    def interrupt(line):
        said.append(line)
        if "update in progress" in line:
            raise KeyboardInterrupt

    executed(cloudformation, ("UPDATE_IN_PROGRESS", event(NAME, "UPDATE_IN_PROGRESS", physical=ID)))
    with pytest.raises(KeyboardInterrupt):
        made("warm").apply(UPDATE, interrupt)
    assert "goes on by itself" in said[-1]
    assert "upproxy stack status" in said[-1]

"""What DescribeChangeSet says, as we read it."""

import pytest

from upproxy.deploy.stack.changes import Change, Changes, Property, read


def one(action, kind="AWS::SNS::Topic", replacement=None, details=()):
    found = {"Action": action, "ResourceType": kind, "LogicalResourceId": "A", "Details": list(details)}
    return {"Type": "Resource", "ResourceChange": {**found, **({"Replacement": replacement} if replacement else {})}}


@pytest.mark.parametrize(
    ("action", "replacement", "read_as", "maybe", "destructive"),
    [
        ("Add", None, "add", False, False),
        ("Modify", "False", "change", False, False),
        ("Modify", "True", "replace", False, True),
        ("Modify", "Conditional", "replace", True, True),
        ("Remove", None, "remove", False, True),
    ],
)
def test_actions(action, replacement, read_as, maybe, destructive):
    [found] = read([one(action, replacement=replacement)])
    assert (found.action, found.maybe, found.destructive) == (read_as, maybe, destructive)
    assert Changes("update", (found,)).destructive is destructive


def test_a_deployment_of_an_api_is_no_loss():
    [found] = read([one("Remove", "AWS::ApiGateway::Deployment")])
    assert not found.destructive


def test_a_property_is_there_once_with_its_values():
    target = {"Attribute": "Properties", "Name": "Threshold"}
    details = [
        {"Target": target},
        {"Target": {**target, "Path": "/Properties/Threshold", "BeforeValue": "1", "AfterValue": "2"}},
        {"Target": {**target, "Path": "/Properties/Threshold"}},
        {"Target": {"Attribute": "Tags"}},
    ]
    [found] = read([one("Modify", replacement="False", details=details)])
    assert found.properties == (Property("Threshold", "1", "2"), Property("Tags"))


def test_nothing_is_false():
    assert not Changes("nothing")
    assert Changes("update"), "outputs alone may change"
    assert Change("add", "AWS::SNS::Topic", "A").properties == ()

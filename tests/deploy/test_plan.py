"""From what there is to what there shall be."""

from dataclasses import replace
from functools import partial

import pytest

from tests.deploy.conftest import variable
from upproxy.deploy import plan, steps
from upproxy.deploy.code import Code
from upproxy.deploy.found import Found, FoundRole

CODE = Code("shop-staging", b"the zip")
FIRST = [
    "create the log group",
    "keep log lines for 30 days",
    "create the function (0.0 MB of code)",
    "publish a version",
    "check its health (GET /)",
    "move traffic to it",
    "allow everybody lambda:InvokeFunctionUrl through the Function URL",
    "allow everybody lambda:InvokeFunction through the Function URL",
    "create the Function URL",
]
THROUGH_URL = {
    "Sid": "upproxy-url-invoke", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction",
    "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
}  # fmt: skip
URL = {
    "Sid": "upproxy-url", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunctionUrl",
    "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
}  # fmt: skip
GATEWAY = {
    "Sid": "gateway", "Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"},
    "Action": "lambda:InvokeFunction", "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:…"}},
}  # fmt: skip


def deployed(wanted, code=CODE, **other):
    """Return what there is after a deploy, in the shapes of AWS's answers."""
    configuration = {
        **wanted.function,
        "Environment": {"Variables": dict(wanted.variables)},
        "Layers": [{"Arn": arn, "CodeSize": 1} for arn in wanted.function["Layers"]],
        "SnapStart": {**wanted.function["SnapStart"], "OptimizationStatus": "Off"},
        "VpcConfig": {**wanted.function["VpcConfig"], "VpcId": "", "Ipv6AllowedForDualStack": False},
        "Architectures": [wanted.architecture],
        "CodeSha256": code.sha256,
        "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:shop-staging",
    }
    function = {"Configuration": configuration, "Tags": dict(wanted.tags)}
    if wanted.reserved is not None:
        function["Concurrency"] = {"ReservedConcurrentExecutions": wanted.reserved}
    found = Found(
        function=function,
        alias={"FunctionVersion": "1", "RevisionId": "r", "Description": "the first release"},
        live=configuration,
        url={**wanted.url, "FunctionUrl": "https://x.lambda-url.us-east-1.on.aws/"} if wanted.url else None,
        statements=[URL, THROUGH_URL],
        provisioned=wanted.provisioned,
        log_group={"logGroupName": wanted.names.log_group, "retentionInDays": wanted.retention},
    )
    return replace(found, **other)


def done(wanted, found, code=CODE):
    return [step.what for step in plan.plan(wanted, code, found).steps]


def test_the_first_deploy(want):
    first = plan.plan(want(), CODE, Found())
    assert [step.what for step in first.steps] == FIRST
    assert (first.releases, first.opens) == (True, True)
    assert [step.what for step in first.prepare][-1] == "check its health (GET /)"


def test_nothing_has_changed(want):
    wanted = want("lambda: {layers: ['arn:aws:lambda:us-east-1:1:layer:x:1'], concurrency: 4, provisioned: 2}")
    assert done(wanted, deployed(wanted)) == []


RELEASE = ["publish a version", "check its health (GET /)", "move traffic to it"]


def test_new_code(want):
    wanted = want()
    assert done(wanted, deployed(wanted), Code("shop-staging", b"other")) == ["upload the code (0.0 MB)", *RELEASE]


def test_another_configuration(want):
    before = deployed(want())
    assert done(want("lambda: {memory: 1024, timeout: 5}"), before) == [
        "configure the function (Timeout, MemorySize, Environment)", *RELEASE,
    ]  # fmt: skip


def test_another_processor_needs_the_code_again(want):
    assert "upload the code (0.0 MB)" in done(want("lambda: {architecture: arm64}"), deployed(want()))


def test_a_secret_that_was_changed(want):
    before = deployed(want(secrets=[variable("KEY", "one")]))
    assert done(want(secrets=[variable("KEY", "two", version=2)]), before) == [
        "configure the function (Environment)", *RELEASE,
    ]  # fmt: skip


def test_a_release_that_was_published_and_did_not_go_live_is_checked_again(want):
    wanted, code = want(), Code("shop-staging", b"other")
    before = deployed(wanted)
    ill = {**before.function, "Configuration": {**before.function["Configuration"], "CodeSha256": code.sha256}}
    assert done(wanted, replace(before, function=ill), code) == RELEASE


def test_a_deploy_that_ended_before_the_alias(want):
    wanted = want()
    there = deployed(wanted, alias=None, live=None, url=None, statements=())
    assert done(wanted, there) == [*RELEASE, *FIRST[-3:]]


def test_what_somebody_has_changed_by_hand_is_set_again_with_the_next_release(want):
    wanted = want()
    before = deployed(wanted)
    by_hand = {**before.function, "Configuration": {**before.function["Configuration"], "MemorySize": 128}}
    assert done(wanted, replace(before, function=by_hand)) == []
    assert done(wanted, replace(before, function=by_hand), Code("shop-staging", b"other"))[:2] == [
        "configure the function (MemorySize)", "upload the code (0.0 MB)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("lambda: {concurrency: 5}", ["reserve a concurrency of 5"]),
        ("lambda: {concurrency: 0}", ["reserve a concurrency of 0"]),
        ("lambda: {provisioned: 1}", ["keep 1 instance initialised"]),
        ("lambda: {tags: {team: shop}}", ["set the tags"]),
        ("lambda: {log_retention: forever}", ["keep log lines for ever"]),
        ("lambda: {log_retention: 7}", ["keep log lines for 7 days"]),
        ("warm: {count: 3}", []),
    ],
)
def test_what_needs_no_release(want, document, expected):
    before = deployed(want())
    found = plan.plan(want(document), CODE, before)
    assert [step.what for step in found.steps] == expected
    assert not found.releases


def test_what_is_no_longer_wanted(want):
    before = deployed(want("lambda: {concurrency: 5, provisioned: 2}"))
    assert done(want(), before) == ["reserve no concurrency", "keep no instances initialised"]


def test_instances_are_warmed_before_traffic_comes(want):
    assert done(want("warm: {count: 2}"), Found())[4:7] == [
        "check its health (GET /)", "warm 2 instances", "move traffic to it",
    ]  # fmt: skip


def test_a_log_group_that_is_not_ours_is_left_alone(want):
    wanted = want()
    theirs = {"logGroupName": wanted.names.log_group}
    assert done(wanted, deployed(wanted, log_group=theirs, log_group_is_ours=False)) == []


# --- The URL and who may call it


def revoked(steps_):
    return [
        one.run.keywords["statement_id"]
        for one in steps_
        if isinstance(one.run, partial) and one.run.func is steps.revoke
    ]


OPEN = {"Sid": "open", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction"}


@pytest.mark.parametrize("action", ["lambda:InvokeFunction", "lambda:*", "*"])
@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}])
def test_a_grant_by_which_anybody_could_forge_events_is_taken_away(want, principal, action):
    wanted = want()
    grant = {**OPEN, "Principal": principal, "Action": action}
    found = plan.plan(wanted, CODE, deployed(wanted, statements=[URL, THROUGH_URL, grant]))
    assert revoked(found.switch) == ["open"]
    assert "events of their own making" in found.switch[0].what


def test_a_grant_of_ours_that_has_lost_its_condition_is_repaired(want):
    wanted = want()
    bare = {key: value for key, value in THROUGH_URL.items() if key != "Condition"}
    found = plan.plan(wanted, CODE, deployed(wanted, statements=[URL, bare]))
    assert revoked(found.switch) == ["upproxy-url-invoke"]
    assert [step.what for step in found.switch][1:] == [FIRST[-2]]


def test_a_grant_of_ours_that_is_another_one_now_is_repaired(want):
    wanted = want()
    other = {**THROUGH_URL, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
    found = plan.plan(wanted, CODE, deployed(wanted, statements=[URL, other]))
    assert revoked(found.switch) == ["upproxy-url-invoke"]
    assert [step.what for step in found.switch][1:] == [FIRST[-2]]


@pytest.mark.parametrize(
    "statement",
    [
        GATEWAY,
        {**OPEN, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}},
        {**OPEN, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
        {**OPEN, "Effect": "Deny"},
        {**OPEN, "Action": "lambda:GetFunction"},
    ],
)
def test_what_others_have_granted_to_somebody_stays(want, statement):
    wanted = want()
    assert done(wanted, deployed(wanted, statements=[URL, THROUGH_URL, statement])) == []


def test_a_url_that_is_no_longer_public(want):
    found = plan.plan(want("lambda: {url_auth: iam}"), CODE, deployed(want()))
    assert revoked(found.switch) == ["upproxy-url", "upproxy-url-invoke"]
    assert [step.what for step in found.switch][2:] == ["change the Function URL (AWS_IAM, RESPONSE_STREAM)"]
    assert not found.opens


def test_a_url_that_becomes_public(want):
    before = deployed(want("lambda: {url_auth: iam}"), statements=())
    found = plan.plan(want(), CODE, before)
    assert found.opens
    assert [step.what for step in found.switch] == [*FIRST[-3:-1], "change the Function URL (NONE, RESPONSE_STREAM)"]


def test_a_gateway_takes_the_place_of_the_url_and_somebody_is_asked(want):
    """It is taken away when the gateway is there, which comes after the switch."""
    found = plan.plan(want("endpoint: http_api"), CODE, deployed(want()))
    assert revoked(found.retire) == ["upproxy-url", "upproxy-url-invoke"]
    assert [step.asks for step in found.retire if step.asks] == [
        "Delete the Function URL? The same address cannot be had again."
    ]


# --- The role


def test_the_role(want):
    wanted = want()
    role = {"RoleName": wanted.names.role}
    assert plan.role_changes(wanted, FoundRole(None))
    assert plan.role_changes(wanted, FoundRole(role, []))
    assert not plan.role_changes(wanted, FoundRole(role, list(wanted.policy)))
    named = want("lambda: {role: 'arn:aws:iam::123456789012:role/mine'}")
    assert not plan.role_changes(named, FoundRole(None))

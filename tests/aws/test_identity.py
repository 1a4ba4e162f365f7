"""Who calls and what they may do, by botocore's Stubber: moto does not simulate policies."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.stub import Stubber

from tests.aws.moto_server import ACCOUNT, REGION
from upproxy.aws import identity
from upproxy.aws.errors import AccessDenied, CredentialsError
from upproxy.aws.identity import Denied
from upproxy.aws.session import Session

USER = f"arn:aws:iam::{ACCOUNT}:user/ops/me"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:shop-staging"
STATEMENT = {
    "Sid": "Functions",
    "Effect": "Allow",
    "Action": ["lambda:GetFunction", "lambda:UpdateAlias"],
    "Resource": [FUNCTION, f"{FUNCTION}:*"],
}


@pytest.fixture
def session(aws):
    return Session()


@pytest.fixture
def iam(session):
    with Stubber(session.service("iam", REGION).client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def result(action, decision, by_resource=(), **more):
    specific = [
        {"EvalResourceName": name, "EvalResourceDecision": one, "MissingContextValues": []} for name, one in by_resource
    ]
    return {"EvalActionName": action, "EvalDecision": decision, "ResourceSpecificResults": specific, **more}


def answer(*results, marker=None):
    page = {"EvaluationResults": list(results), "IsTruncated": marker is not None}
    return page | ({"Marker": marker} if marker else {})


# --- Whose policies count


@pytest.mark.parametrize("arn", [USER, f"arn:aws-cn:iam::{ACCOUNT}:user/me", f"arn:aws:iam::{ACCOUNT}:role/x/y"])
def test_a_user_is_its_own_principal(session, arn):
    assert identity.principal(session, REGION, arn) == arn


def test_a_session_stands_for_its_role_with_its_path(session, iam):
    path = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/Admin"
    role = {"Path": "/", "RoleName": "Admin", "RoleId": "A" * 16, "Arn": path, "CreateDate": datetime.now(UTC)}
    iam.add_response("get_role", {"Role": role}, {"RoleName": "Admin"})
    assert identity.principal(session, REGION, f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/me@example") == path


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchEntity"])
def test_a_role_whose_path_cannot_be_asked_for(session, iam, code):
    iam.add_client_error("get_role", code)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/me"
    assert identity.principal(session, REGION, arn) == f"arn:aws:iam::{ACCOUNT}:role/Admin"


@pytest.mark.parametrize(
    "arn",
    [f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:sts::{ACCOUNT}:federated-user/me", f"arn:aws:sts::{ACCOUNT}:user/x"],
)
def test_nobody_whose_policies_could_be_simulated(session, arn):
    assert identity.principal(session, REGION, arn) is None


# --- What they may do


def test_all_is_allowed(session, iam):
    asked = {
        "PolicySourceArn": USER,
        "ActionNames": STATEMENT["Action"],
        "ResourceArns": [FUNCTION, f"{FUNCTION}:example"],
        "ContextEntries": [],
    }
    iam.add_response("simulate_principal_policy", answer(result("lambda:GetFunction", "allowed"), marker="m"), asked)
    iam.add_response(
        "simulate_principal_policy", answer(result("lambda:UpdateAlias", "allowed")), {**asked, "Marker": "m"}
    )
    assert identity.denied(session, REGION, USER, [STATEMENT]) == []


def test_some_is_denied_and_why(session, iam):
    iam.add_response("simulate_principal_policy", answer(
        result("lambda:GetFunction", "implicitDeny"),
        result("lambda:UpdateAlias", "explicitDeny"),
        result("lambda:Invoke", "implicitDeny", OrganizationsDecisionDetail={"AllowedByOrganizations": False}),
        result("lambda:Tag", "implicitDeny", PermissionsBoundaryDecisionDetail={"AllowedByPermissionsBoundary": False}),
    ))  # fmt: skip
    assert identity.denied(session, REGION, USER, [STATEMENT]) == [
        Denied("lambda:GetFunction", ""), Denied("lambda:UpdateAlias", "by a policy"),
        Denied("lambda:Invoke", "by the organisation"), Denied("lambda:Tag", "by the permissions boundary"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("decisions", "is_denied"),
    [
        (("allowed", "allowed", "allowed"), False),
        (("allowed", "implicitDeny", "allowed"), False),  # the form that the action does not know
        (("implicitDeny", "allowed", "allowed"), False),
        (("implicitDeny", "implicitDeny", "allowed"), True),
        (("allowed", "allowed", "implicitDeny"), True),
    ],
)
def test_two_forms_of_an_arn_are_one_thing(session, iam, decisions, is_denied):
    other = "arn:aws:lambda:eu-central-1:123456789012:function:upproxy-shop-staging-"
    statement = {**STATEMENT, "Action": ["lambda:GetFunction"], "Resource": [*STATEMENT["Resource"], f"{other}*"]}
    names = (FUNCTION, f"{FUNCTION}:example", f"{other}example")
    aggregate = "allowed" if set(decisions) == {"allowed"} else "implicitDeny"
    found = result("lambda:GetFunction", aggregate, zip(names, decisions, strict=True))
    iam.add_response("simulate_principal_policy", answer(found))
    assert bool(identity.denied(session, REGION, USER, [statement])) is is_denied


def test_conditions_are_met_in_the_simulation(session, iam):
    statement = {
        "Action": ["iam:PassRole"],
        "Resource": ["*"],
        "Condition": {
            "StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "scheduler.amazonaws.com"], "aws:x": "y"},
            "ForAllValues:StringLike": {"route53:names": ["shop.example", "*.shop.example"]},
        },
    }
    asked = {
        "PolicySourceArn": USER,
        "ActionNames": ["iam:PassRole"],
        "ResourceArns": ["*"],
        "ContextEntries": [
            {"ContextKeyName": "iam:PassedToService", "ContextKeyType": "string",
             "ContextKeyValues": ["lambda.amazonaws.com"]},
            {"ContextKeyName": "aws:x", "ContextKeyType": "string", "ContextKeyValues": ["y"]},
            {"ContextKeyName": "route53:names", "ContextKeyType": "stringList",
             "ContextKeyValues": ["shop.example", "example.shop.example"]},
        ],
    }  # fmt: skip
    iam.add_response("simulate_principal_policy", answer(result("iam:PassRole", "allowed")), asked)
    assert identity.denied(session, REGION, USER, [statement]) == []


def test_asking_may_be_denied(session, iam):
    iam.add_client_error("simulate_principal_policy", "AccessDenied")
    with pytest.raises(AccessDenied):
        identity.denied(session, REGION, USER, [STATEMENT])


# --- The clock

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
NOW = datetime(2015, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize("off", [0, 400, -400])
def test_how_far_the_clock_is_off(off):
    found = identity.seconds_off({"HTTPHeaders": {"date": DATE}}, NOW + timedelta(seconds=off))
    assert found == off


def test_a_date_without_a_zone_is_universal():
    assert identity.seconds_off({"HTTPHeaders": {"date": DATE.replace("GMT", "-0000")}}, NOW) == 0


@pytest.mark.parametrize("metadata", [{}, {"HTTPHeaders": {}}, {"HTTPHeaders": {"date": "tomorrow"}}])
def test_an_answer_without_a_date(metadata):
    assert identity.seconds_off(metadata, NOW) is None


def test_an_answer_that_is_an_error_has_a_date_too(session):
    with Stubber(session.service("sts", REGION).client) as stub:
        stub.add_client_error(
            "get_caller_identity",
            "SignatureDoesNotMatch",
            "Signature expired",
            response_meta={"HTTPHeaders": {"date": DATE}},
        )
        with pytest.raises(CredentialsError) as caught:
            identity.caller(session, REGION)
    assert identity.seconds_off(identity.metadata(caught.value), NOW) == 0
    assert identity.metadata(CredentialsError("x")) == {}


def test_who_calls(session):
    found = identity.caller(session, REGION)
    assert found["Account"] == ACCOUNT
    assert "ResponseMetadata" in found

"""What AWS and botocore say, as errors for people: every row of the tables, and anything else."""

import inspect
import json
import string
import traceback

import pytest
from botocore import exceptions
from hypothesis import given
from hypothesis import strategies as st

from upproxy.aws import errors
from upproxy.aws.errors import (
    AccessDenied,
    AwsError,
    CredentialsError,
    InvalidRequest,
    QuotaExceeded,
    Throttled,
    Unanswered,
    Unreachable,
    translated,
)
from upproxy.cli.errors import known

STATUS = {
    errors.CredentialsError: ("permission", 3), errors.AccessDenied: ("permission", 3),
    errors.Conflict: ("conflict", 4), errors.QuotaExceeded: ("conflict", 4), errors.Throttled: ("conflict", 4),
}  # fmt: skip
DENIED = (
    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: {action} on resource: {resource} "
    "because no identity-based policy allows the {action} action"
)


def answered(code, message="", service="lambda", operation="UpdateAlias"):
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return translated(exceptions.ClientError(response, operation), service, operation)


@pytest.mark.parametrize(
    ("code", "kind"), [(code, kind) for kind, codes in errors._CODES.items() for code in codes.split()]
)
def test_each_code_of_the_table(code, kind):
    error = answered(code, "So it is.")
    assert type(error) is kind
    assert (error.code, error.operation) == (code, "UpdateAlias")
    assert "So it is." in str(error)
    told = known(error)
    assert (told.code, told.status) == STATUS.get(kind, ("aws", 1))


def test_no_code_is_in_two_rows():
    rows = [code for codes in errors._CODES.values() for code in codes.split()]
    assert len(rows) == len(set(rows))


def test_a_code_that_is_not_in_the_table_is_told_as_it_is():
    error = answered("ServiceException", "Something broke.")
    assert type(error) is AwsError
    assert str(error) == "lambda UpdateAlias: Something broke."


def test_without_a_message_the_code_is_told():
    assert str(answered("ServiceException")) == "lambda UpdateAlias: ServiceException"


@pytest.mark.parametrize("message", ["<!doctype html>\n<title>Proxy</title>", "  <html>", " \n"])
def test_a_page_of_a_proxy_is_not_shown(message):
    assert str(answered("502", message)) == "lambda UpdateAlias: 502"


def test_a_message_is_one_line():
    assert str(answered("ServiceException", " Some\n  thing. ")) == "lambda UpdateAlias: Some thing."


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired_credentials(code):
    error = answered(code, "The security token included in the request is expired")
    assert str(error).startswith("the AWS credentials have expired (The security token")
    assert "goes on where it stopped" in error.hint


def test_what_is_denied_is_told_as_a_statement():
    resource = "arn:aws:lambda:eu-central-1:123456789012:function:shop-staging"
    error = answered("AccessDeniedException", DENIED.format(action="lambda:UpdateAlias", resource=resource))
    assert error.statement == {"Effect": "Allow", "Action": "lambda:UpdateAlias", "Resource": resource}
    assert json.loads(error.hint.splitlines()[-1]) == error.statement


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [("s3", "HeadBucket", "s3:ListBucket"), ("lambda", "Invoke", "lambda:InvokeFunction"),
     ("iam", "CreateRole", "iam:CreateRole")],
)  # fmt: skip
def test_a_denial_that_names_nothing_is_told_by_the_call(service, operation, action):
    error = answered("403", "Forbidden", service, operation)
    assert error.statement == {"Effect": "Allow", "Action": action, "Resource": "*"}


def test_what_a_policy_forbids_no_statement_would_allow():
    error = answered("AccessDenied", DENIED.format(action="iam:CreateRole", resource="*").replace(
        "no identity-based policy allows the iam:CreateRole action", "of an explicit deny in a service control policy"
    ))  # fmt: skip
    assert type(error) is AccessDenied
    assert "A policy forbids it" in error.hint
    assert "{" not in error.hint


MADE = [
    (exceptions.NoCredentialsError(), CredentialsError, "there are no AWS credentials"),
    (exceptions.PartialCredentialsError(provider="env", cred_var="secret"), CredentialsError, "found in env"),
    (exceptions.ProfileNotFound(profile="shop"), CredentialsError, "The config profile (shop)"),
    (exceptions.UnauthorizedSSOTokenError(), CredentialsError, "SSO session"),
    (exceptions.TokenRetrievalError(provider="sso", error_msg="gone"), CredentialsError, "gone"),
    (exceptions.CredentialRetrievalError(provider="x", error_msg="y"), CredentialsError, "retrieving credentials"),
    (exceptions.ConfigParseError(path="/c"), CredentialsError, "Unable to parse config file: /c"),
    (exceptions.InvalidConfigError(error_msg="no source"), CredentialsError, "no source"),
    (exceptions.NoRegionError(), CredentialsError, "there is no AWS region"),
    (exceptions.InvalidRegionError(region_name="a b"), InvalidRequest, "'a b'"),
    (exceptions.ParamValidationError(report="missing"), InvalidRequest, "missing"),
    (exceptions.EndpointConnectionError(endpoint_url="http://x"), Unreachable, "http://x"),
    (exceptions.ConnectTimeoutError(endpoint_url="http://x"), Unreachable, "timeout"),
    (exceptions.ReadTimeoutError(endpoint_url="http://x"), Unanswered, "timeout"),
    (exceptions.ConnectionClosedError(endpoint_url="http://x"), Unreachable, "closed"),
    (exceptions.SSLError(endpoint_url="http://x", error="no"), Unreachable, "SSL"),
    (exceptions.ProxyConnectionError(proxy_url="http://x"), Unreachable, "proxy"),
    (ValueError("Invalid endpoint: x"), CredentialsError, "the settings for AWS cannot be used: Invalid endpoint: x"),
    (FileNotFoundError(2, "No such file", "/x"), CredentialsError, "the settings for AWS cannot be used"),
]


@pytest.mark.parametrize(("error", "kind", "said"), MADE, ids=[type(row[0]).__name__ for row in MADE])
def test_what_botocore_raises_before_there_is_an_answer(error, kind, said):
    told = translated(error, "lambda", "GetFunction")
    assert type(told) is kind
    assert said in str(told)
    assert kind.hint == "" or told.hint


def every_error_of_botocore():
    for kind in vars(exceptions).values():
        if inspect.isclass(kind) and issubclass(kind, exceptions.BotoCoreError):
            fields = {name for _, name, _, _ in string.Formatter().parse(kind.fmt) if name}
            asked = set(inspect.signature(kind.__init__).parameters) - {"self", "args", "kwargs"}
            yield kind(**dict.fromkeys(fields | asked, "x"))


@pytest.mark.parametrize("error", list(every_error_of_botocore()), ids=lambda error: type(error).__name__)
def test_each_error_of_botocore_becomes_one_of_ours(error):
    told = translated(error, "lambda", "GetFunction")
    assert isinstance(told, AwsError)
    assert str(told)
    assert known(told).status in (1, 3)


TEXTS = st.none() | st.text(max_size=200) | st.integers() | st.just(DENIED) | st.sampled_from(sorted(errors._KINDS))


@given(st.dictionaries(st.sampled_from(["Code", "Message", "Type"]), TEXTS), st.text(max_size=20), st.text(max_size=20))
def test_any_answer_becomes_one_of_ours(details, service, operation):
    told = translated(exceptions.ClientError({"Error": details}, operation), service, operation)
    assert isinstance(told, AwsError)
    assert known(told).status in (1, 3, 4)
    traceback.format_exception(told)


@given(st.sampled_from([{}, {"ResponseMetadata": {}}]))
def test_an_answer_without_details(response):
    assert type(translated(exceptions.ClientError(response, "X"), "iam", "X")) is AwsError


@pytest.mark.parametrize("kind", [Throttled, QuotaExceeded, Unreachable, CredentialsError])
def test_some_errors_have_a_next_step_of_their_own(kind):
    assert kind("x").hint
    assert kind("x", hint="y").hint == "y"

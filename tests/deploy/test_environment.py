"""Secret variables on an AWS that moto plays, and what AWS does that moto does not by botocore's Stubber."""

import json
import logging
import traceback
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from tests.aws.moto_server import REGION
from upproxy.aws.errors import AccessDenied, AwsError, InvalidRequest
from upproxy.aws.session import Session
from upproxy.config.settings import StageSettings
from upproxy.deploy.environment import (
    LIMIT,
    Variable,
    VariableError,
    Variables,
    check_name,
    check_value,
    concealing,
    covered,
    fingerprint,
    of_alerts,
    of_app,
    of_function,
    unset,
    untold,
)
from upproxy.deploy.errors import NotOurs
from upproxy.deploy.names import Names

NAMES = Names("shop", "staging")
SECRET = "hunter2-hunter2"
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


@pytest.fixture
def variables(aws):
    return Variables(Session(), REGION, NAMES)


@pytest.fixture
def ssm(aws):
    return boto3.client("ssm", region_name=REGION)


def names_of(found):
    return [one.name for one in found]


# --- What is kept


def test_a_variable_is_kept_encrypted_with_our_tags(variables, ssm):
    assert variables.add("DB_URL", SECRET, {"team": "shop"}) == 1
    path = "/upproxy/shop/staging/DB_URL"
    parameter = ssm.get_parameter(Name=path, WithDecryption=True)["Parameter"]
    assert (parameter["Type"], parameter["Value"]) == ("SecureString", SECRET)
    described = ssm.describe_parameters()["Parameters"][0]
    assert (described["Tier"], described["KeyId"]) == ("Standard", "alias/aws/ssm")
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=path)["TagList"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "upproxy:app": "shop", "upproxy:stage": "staging", "team": "shop",
    }  # fmt: skip


def test_a_new_value_is_a_new_version_with_the_same_tags(variables, ssm):
    variables.add("DB_URL", SECRET, {})
    assert variables.add("DB_URL", "another", {}) == 2
    found = variables.find("DB_URL")
    assert (found.value, found.version) == ("another", 2)
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/upproxy/shop/staging/DB_URL")["TagList"]
    assert NAMES.own(tags)


def test_many_are_read_page_by_page_and_sorted(variables):
    for number in reversed(range(23)):
        variables.add(f"N{number:02}", f"value {number}", {})
    assert names_of(variables.listed()) == [f"N{number:02}" for number in range(23)]
    assert [one.value for one in variables.values()] == [f"value {number}" for number in range(23)]


def test_values_are_read_only_where_they_are_asked_for(variables):
    variables.add("DB_URL", SECRET, {})
    [listed] = variables.listed()
    assert listed.value == ""
    assert listed.modified.tzinfo is UTC


def test_stages_apps_and_what_lies_below_are_kept_apart(variables, ssm):
    variables.add("DB_URL", SECRET, {})
    for path in ("/upproxy/shop/staging2/AB", "/upproxy/shop2/staging/AB", "/upproxy/shop/staging/deep/AB"):
        ssm.put_parameter(Name=path, Value="x", Type="SecureString")
    assert names_of(variables.listed()) == ["DB_URL"]


def test_removing(variables):
    for number in range(12):
        variables.add(f"N{number:02}", SECRET, {})
    variables.remove([f"N{number:02}" for number in range(11)] * 2 + ["NOT_THERE"])
    assert names_of(variables.listed()) == ["N11"]
    assert variables.find("N00") is None


def test_what_others_made_is_neither_changed_nor_removed(variables, ssm):
    path = "/upproxy/shop/staging/THEIRS"
    ssm.put_parameter(Name=path, Value="theirs", Type="String")
    for change in (lambda: variables.add("THEIRS", SECRET, {}), lambda: variables.remove(["THEIRS"])):
        with pytest.raises(NotOurs, match="was not made by upproxy") as caught:
            change()
        assert "upproxy:app=shop and upproxy:stage=staging" in caught.value.hint
    assert ssm.get_parameter(Name=path)["Parameter"]["Value"] == "theirs"
    assert variables.values()[0].value == "theirs"


# --- What a deploy compares


def test_every_change_changes_the_fingerprint(variables):
    seen = [fingerprint(variables.listed())]
    variables.add("AB", "one", {})
    seen.append(fingerprint(variables.listed()))
    assert fingerprint(variables.values()) == seen[-1]
    variables.add("AB", "two", {})
    seen.append(fingerprint(variables.listed()))
    variables.add("CD", "one", {})
    seen.append(fingerprint(variables.listed()))
    variables.remove(["CD"])
    assert fingerprint(variables.listed()) == seen[2]
    assert len({json.dumps(one) for one in seen}) == 4


def test_a_variable_that_is_removed_and_added_again_is_another_one():
    before, after = Variable("AB", 1, WHEN, "one"), Variable("AB", 1, WHEN.replace(second=6), "two")
    assert fingerprint([before]) != fingerprint([after])


def test_the_fingerprint_has_no_value_and_no_order():
    one, two = Variable("AB", 1, WHEN, SECRET), Variable("CD", 2, WHEN, SECRET)
    assert fingerprint([one, two]) == fingerprint([two, one])
    assert SECRET not in json.dumps(fingerprint([one, two]))


# --- What the function gets


def test_the_function_has_the_variables_and_ours():
    complete = of_function([Variable("AB", 1, WHEN, "one")], "hash")
    assert complete == {
        "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/.upproxy/bootstrap", "UPPROXY_CONFIGURATION": "hash", "AB": "one",
    }  # fmt: skip


def filled(spare: int) -> list[Variable]:
    """Make variables that come to so many bytes less than Lambda takes, by its own measure."""
    names = [f"V{number}" for number in range(4)]
    values = dict.fromkeys(names, "x" * 900)
    values["BIG"] = ""
    ours = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/.upproxy/bootstrap", "UPPROXY_CONFIGURATION": "h" * 64}
    used = len(json.dumps({**values, **ours}, separators=(",", ":")))
    values["BIG"] = "y" * (LIMIT - used - spare)
    return [Variable(name, 1, WHEN, value) for name, value in values.items()]


def test_as_much_as_lambda_takes():
    assert len(of_function(filled(0), "h" * 64)) == 7


def test_more_than_lambda_takes():
    with pytest.raises(VariableError) as caught:
        of_function([*filled(1), Variable("EF", 1, WHEN, SECRET)], "h" * 64)
    said = str(caught.value)
    assert "4,118 bytes together, and Lambda takes 4,096" in said
    assert "the largest are V3 909, V2 909, V1 909, V0 909" in said
    assert SECRET not in said
    assert "xxx" not in said


def test_a_byte_counts_as_json_has_it():
    """Quotes, backslashes and newlines are two bytes, and other characters as many as UTF-8 has."""
    fits = filled(4)
    for text, bytes_more in (('"', 2), ("\n", 2), ("é", 2), ("€", 3)):
        changed = [*fits[:-1], Variable("BIG", 1, WHEN, fits[-1].value[: -(bytes_more - 1) or None] + text)]
        of_function(changed, "h" * 64)
        with pytest.raises(VariableError):
            of_function([*changed[:-1], Variable("BIG", 1, WHEN, changed[-1].value + "12345")], "h" * 64)


def test_there_is_no_room_for_one_more(variables):
    for one in filled(10):
        variables.add(one.name, one.value, {})
    variables.check({"BIG": "small"})
    with pytest.raises(VariableError, match="bytes together"):
        variables.check({"MORE": "12345678"})


def test_who_may_write_and_not_read_is_not_held_up(variables):
    service = variables._parameters._ssm
    with Stubber(service.client) as stub:
        stub.add_client_error("get_parameters_by_path", "AccessDeniedException", "no", 400)
        variables.check({"AB": "one"})


@pytest.mark.parametrize("name", ["AB", "a1", "DATABASE_URL", "x" * 200, "AWSOME", "PORTS"])
def test_names_that_lambda_takes(name):
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "A", "_AB", "1A", "A-B", "A B", "A.B", "A/B", "A=B", "Ä1", "AB\n", "${AB}"],
)  # fmt: skip
def test_names_that_lambda_does_not_take(name):
    with pytest.raises(VariableError, match="is no name"):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_LAMBDA_EXEC_WRAPPER", "LAMBDA_TASK_ROOT", "UPPROXY_X", "PORT"]
)
def test_names_that_are_taken(name):
    with pytest.raises(VariableError, match="is set by AWS or by upproxy"):
        check_name(name)


def test_a_name_that_somebody_else_chose_is_told_before_lambda_refuses_it():
    with pytest.raises(VariableError, match="'my-key' is no name"):
        of_function([Variable("my-key", 1, WHEN, SECRET)], "")


@pytest.mark.parametrize(
    ("value", "said"),
    [("", "is empty"), ("a\0b", "has a NUL"), ("é" * 2049, "has 4,098 bytes"), ("\udcff", "is no UTF-8")],
)
def test_values_that_cannot_be_kept(value, said):
    with pytest.raises(VariableError, match=f"the value of AB {said}"):
        check_value("AB", value)


def test_a_value_of_4096_bytes_can_be_kept():
    check_value("AB", "é" * 2048)


# --- What up.yml makes of them


def settings_of(**keys) -> StageSettings:
    return StageSettings.model_validate({"name": "shop", **keys})


def test_what_up_yml_refers_to_and_nobody_set():
    settings = settings_of(
        environment={"DB": "${DB_URL}/x", "PATH": "/opt/bin:${PATH}", "WHERE": "${AWS_REGION}", "API": "${API_KEY}"},
        auth=[{"path": "/*", "jwt": {"secret": "${JWT_SECRET}"}}],
    )
    assert unset(settings, ["API_KEY"]) == ["DB_URL", "JWT_SECRET"]
    assert unset(settings, ["API_KEY", "DB_URL", "JWT_SECRET", "MORE"]) == []


def test_addresses_of_alerts_are_for_the_notifier_alone():
    settings = settings_of(
        alerts=True,
        actions=[
            {"name": "chat", "type": "slack", "url": "${SLACK_URL}"},
            {"name": "hook", "type": "webhook", "url": "${BOTH_URL}"},
        ],
        environment={"HOOK": "${BOTH_URL}"},
    )
    moment = datetime(2026, 9, 26, tzinfo=UTC)
    there = [Variable(name, 1, moment, "x") for name in ("AB", "BOTH_URL", "SLACK_URL")]
    assert [one.name for one in of_app(settings, there)] == ["AB", "BOTH_URL"]
    assert of_alerts(settings) == untold(settings, []) == ["SLACK_URL"]
    assert unset(settings, []) == ["BOTH_URL"]
    assert untold(settings, ["SLACK_URL"]) == []
    silent = settings.model_copy(update={"alerts": False})
    assert (of_alerts(silent), untold(silent, [])) == (["SLACK_URL"], [])


def test_what_up_yml_gives_another_value():
    settings = settings_of(environment={"AB": "plain", "CD": "x-${CD}"})
    assert covered(settings, ["AB", "CD", "EF"]) == ["AB"]


# --- Nothing shows a value


def test_no_repr_has_a_value(variables):
    variables.add("DB_URL", SECRET, {})
    for thing in (variables.find("DB_URL"), variables.values(), variables.listed(), variables):
        assert SECRET not in repr(thing)
        assert SECRET not in str(thing)


def test_errors_of_aws_that_repeat_what_was_sent(aws):
    """Lambda's does, when the variables are too large."""
    text = 'a "quoted"\nvalue'
    client = Session().service("lambda", REGION)
    said = f"exceeded the 4KB limit. String measured: {json.dumps({'AB': SECRET, 'CD': text, 'EF': 'é' + SECRET})}"
    with Stubber(client.client) as stub:
        stub.add_client_error("update_function_configuration", "InvalidParameterValueException", said, 400)
        with pytest.raises(InvalidRequest) as caught, concealing([SECRET, text, "é" + SECRET, "1"]):
            client.call("UpdateFunctionConfiguration", FunctionName="shop-staging")
    shown = "".join(traceback.format_exception(caught.value))
    assert 'String measured: {"AB": "********", "CD": "********", "EF": "********"}' in str(caught.value)
    for one in (SECRET, "quoted", "é", "\\u00e9"):
        assert one not in shown
        assert one not in repr(caught.value)
    assert caught.value.code == "InvalidParameterValueException"


def test_an_error_when_a_value_is_put(variables):
    with Stubber(variables._parameters._ssm.client) as stub:
        stub.add_client_error("list_tags_for_resource", "InvalidResourceId", "", 400)
        stub.add_client_error("put_parameter", "ValidationException", f"do not nest: {SECRET}", 400)
        with pytest.raises(AwsError) as caught:
            variables.add("AB", SECRET, {})
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "do not nest: ********" in str(caught.value)


def test_botocore_logs_no_value(variables, caplog):
    """Not even where everything of it is logged at the lowest level."""
    caplog.set_level(logging.DEBUG)
    botocore = logging.getLogger("botocore")
    before = botocore.level
    botocore.setLevel(1)
    try:
        variables.add("DB_URL", SECRET, {})
        variables.values()
        variables.find("DB_URL")
    finally:
        botocore.setLevel(before)
    assert any(record.name.startswith("botocore") for record in caplog.records)
    assert SECRET not in caplog.text


def test_who_may_not_read_is_told_what_would_allow_it(variables):
    said = (
        "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: ssm:GetParametersByPath on resource: "
        "arn:aws:ssm:eu-central-1:123456789012:parameter/upproxy/shop/staging because no identity-based policy allows"
    )
    with Stubber(variables._parameters._ssm.client) as stub:
        stub.add_client_error("get_parameters_by_path", "AccessDeniedException", said, 400)
        with pytest.raises(AccessDenied) as caught:
            variables.listed()
    assert caught.value.statement == {
        "Effect": "Allow",
        "Action": "ssm:GetParametersByPath",
        "Resource": "arn:aws:ssm:eu-central-1:123456789012:parameter/upproxy/shop/staging",
    }

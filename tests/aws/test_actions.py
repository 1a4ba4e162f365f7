"""The action of each call that is made exists in IAM."""

import botocore.session
import pytest

from tests.deploy.permissions import calls_of_modules, known_to_iam
from upproxy.aws import actions
from upproxy.aws.actions import action_of

IAM = known_to_iam()


def exists(action):
    service, _, name = action.partition(":")
    return name.lower() in IAM[service]["Actions"]


@pytest.mark.parametrize(("service", "operation"), list(calls_of_modules()))
def test_the_action_of_each_call_exists(service, operation):
    assert exists(action_of(service, operation))


@pytest.mark.parametrize("call", actions._NAMED_OTHERWISE, ids=":".join)
def test_each_row_is_needed_and_right(call):
    service, operation = call
    assert exists(action_of(service, operation))
    assert operation in botocore.session.get_session().get_service_model(service).operation_names
    assert action_of(service, operation) != f"{service}:{operation}"


@pytest.mark.parametrize("service", actions._PREFIXES)
def test_prefixes_are_of_iam(service):
    assert actions._PREFIXES[service] in IAM


def test_a_call_that_is_named_as_its_action():
    assert action_of("lambda", "UpdateAlias") == "lambda:UpdateAlias"
    assert action_of("lambda", "Invoke") == "lambda:InvokeFunction"


def test_a_call_that_does_not_exist_is_found_out():
    assert not exists(action_of("lambda", "UpdateNothing"))

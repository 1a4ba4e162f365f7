"""`export`: a whole stage as a SAM template."""

import json
import os
from pathlib import Path

import pytest

from tests.deploy.stack.configurations import EXPORTS, REGION, configuration
from tests.deploy.stack.test_template import lint, resources
from upproxy.build.target import Target
from upproxy.deploy.stack.export import export

EXPORTED = Path(__file__).parent / "exported"


def exported(folder, text):
    return export(configuration(folder, text), Target("3.13", "arm64"), REGION, ".upproxy/production.zip")


@pytest.mark.parametrize("feature", EXPORTS)
def test_golden(feature, tmp_path):
    text = json.dumps(exported(tmp_path, EXPORTS[feature]), indent=2) + "\n"
    path = EXPORTED / f"{feature}.json"
    if os.environ.get("UPPROXY_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("feature", EXPORTS)
def test_golden_passes_cfn_lint(feature):
    """Which translates it as SAM does, before it looks."""
    assert lint(json.loads((EXPORTED / f"{feature}.json").read_text())) == []


def test_a_public_url_has_both_permissions(tmp_path):
    document = exported(tmp_path, EXPORTS["function_url"])
    permissions = [one["Properties"] for one in resources(document, "Lambda::Permission").values()]
    assert [one["Action"] for one in permissions] == ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]
    assert permissions[0]["FunctionUrlAuthType"] == "NONE"
    assert permissions[1]["InvokedViaFunctionUrl"] is True
    assert not resources(exported(tmp_path, EXPORTS["function_url_iam"]), "Lambda::Permission")


def test_secrets_are_parameters(tmp_path):
    document = exported(tmp_path, EXPORTS["function_url"])
    assert document["Parameters"]["SecretDatabaseUrl"]["NoEcho"] is True
    [function] = resources(document, "Serverless::Function").values()
    assert function["Properties"]["Environment"]["Variables"]["DATABASE_URL"] == {"Ref": "SecretDatabaseUrl"}


def test_variables_of_iam_stay(tmp_path):
    [role] = resources(exported(tmp_path, EXPORTS["function_url"]), "IAM::Role").values()
    *_, last = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert last["Resource"] == "arn:aws:s3:::shop/${aws:username}/*"

import io
import json
import sys
import zipfile

import boto3
import pytest

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
RUNTIME = f"python{sys.version_info[0]}.{sys.version_info[1]}"

ECHO = """
import json
def handler(event, context):
    print("seen", event.get("rawPath") or event.get("path"))
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
"""


def zipped(source, name="app.py"):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, source)
    return packed.getvalue()


@pytest.fixture(autouse=True)
def own_session(monkeypatch):
    """Keep boto3 from going on with the credentials of another module's sandbox."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def role(aws):
    iam = boto3.client("iam")
    try:
        return iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        return iam.get_role(RoleName="runs")["Role"]["Arn"]


@pytest.fixture
def upload(role):
    """Make functions out of source text; they are deleted at the end."""
    client = boto3.client("lambda")
    names = []

    def upload(name, source=ECHO, **more):
        names.append(name)
        made = client.create_function(
            FunctionName=name, Runtime=RUNTIME, Handler="app.handler", Role=role, Code={"ZipFile": zipped(source)},
            **more,
        )  # fmt: skip
        return made["FunctionArn"]

    yield upload
    for name in names:
        client.delete_function(FunctionName=name)

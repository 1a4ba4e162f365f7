"""A release as a deploy leaves it, for what stands in front of one: a role, a function, a version and its alias."""

import io
import json
import zipfile

import boto3

from tests.aws.moto_server import REGION

TAGS = {"upproxy:app": "shop", "upproxy:stage": "production"}

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def release() -> None:
    role = boto3.client("iam").create_role(
        RoleName="upproxy-shop-production", AssumeRolePolicyDocument=json.dumps(TRUST),
        Tags=[{"Key": key, "Value": value} for key, value in TAGS.items()],
    )  # fmt: skip
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")
    functions = boto3.client("lambda", region_name=REGION)
    functions.create_function(
        FunctionName="shop-production", Role=role["Role"]["Arn"], Runtime="python3.13", Handler="app.app",
        Code={"ZipFile": code.getvalue()}, Tags=TAGS, Publish=True,
    )  # fmt: skip
    functions.create_alias(FunctionName="shop-production", Name="live", FunctionVersion="1")

"""What Lambda shows of what it was asked for: configurations, and statements of policies.

Shapes are those of the Lambda API Reference.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]

# What of a request becomes configuration as it is, with its default.
SETTINGS: dict[str, Any] = {
    "Runtime": None, "Role": None, "Handler": None, "Description": "", "Timeout": 3, "MemorySize": 128,
}  # fmt: skip
_VOLATILE = ("Description", "FunctionArn", "Last", "RevisionId", "State", "Version")  # beginnings of names


def configured(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> Document:
    """Return what a configuration becomes by a request, in the shape in which AWS shows it."""
    made: Document = {**before, **{key: wanted[key] for key in SETTINGS if wanted.get(key) is not None}}
    made["LastModified"] = now()
    if (environment := wanted.get("Environment")) is not None:
        made["Environment"] = {"Variables": dict(environment.get("Variables") or {})}
    if (storage := wanted.get("EphemeralStorage")) is not None:
        made["EphemeralStorage"] = storage
    if (snapstart := wanted.get("SnapStart")) is not None:
        made["SnapStart"] = {"ApplyOn": snapstart["ApplyOn"], "OptimizationStatus": "Off"}
    if (vpc := wanted.get("VpcConfig")) is not None:
        subnets, groups = vpc.get("SubnetIds") or [], vpc.get("SecurityGroupIds") or []
        made["VpcConfig"] = {
            "SubnetIds": subnets, "SecurityGroupIds": groups, "VpcId": "vpc-0a1b2c3d" if subnets else "",
            "Ipv6AllowedForDualStack": False,
        }  # fmt: skip
    if (layers := wanted.get("Layers")) is not None:
        made["Layers"] = [{"Arn": arn, "CodeSize": 1} for arn in layers]
    if (logging := wanted.get("LoggingConfig")) is not None:
        made["LoggingConfig"] = {**before["LoggingConfig"], **logging}
    return made


def coded(code: bytes) -> Document:
    """Return what a configuration says of its code."""
    return {"CodeSha256": base64.b64encode(hashlib.sha256(code).digest()).decode(), "CodeSize": len(code)}


def lasting(configuration: Document) -> Document:
    """Return what makes a version another one than the last."""
    return {key: value for key, value in configuration.items() if not key.startswith(_VOLATILE)}


def granted(wanted: Document, arn: str) -> Document:
    """Return the statement that AddPermission adds to the policy of an ARN."""
    principal = wanted["Principal"]
    conditions: dict[str, dict[str, str]] = {}
    for key, operator, name in (
        ("SourceArn", "ArnLike", "AWS:SourceArn"),
        ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
        ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
        ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
        ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
        ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
    ):
        if (value := wanted.get(key)) is not None:
            conditions.setdefault(operator, {})[name] = str(value).lower() if isinstance(value, bool) else value
    whom: str | dict[str, str] = {"AWS": principal}
    if principal == "*":
        whom = principal
    elif principal.endswith((".amazonaws.com", ".amazon.com")):
        whom = {"Service": principal}
    elif principal.isdecimal():
        whom = {"AWS": f"arn:aws:iam::{principal}:root"}
    return {
        "Sid": wanted["StatementId"], "Effect": "Allow", "Principal": whom, "Action": wanted["Action"], "Resource": arn,
        **({"Condition": conditions} if conditions else {}),
    }  # fmt: skip


def allows(statement: Mapping[str, Any], action: str) -> bool:
    """Whether a statement is about an action of Lambda; AddPermission takes no other patterns than these."""
    return statement["Action"] in (action, "lambda:*", "*")


def now() -> str:
    """Return the time as Lambda writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")

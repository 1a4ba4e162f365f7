"""What Lambda shows of the configuration that it was asked for, in the shapes of the Lambda API Reference."""

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


def now() -> str:
    """Return the time as Lambda writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")

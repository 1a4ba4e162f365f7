"""IAM: the roles that functions assume. They are global."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from upproxy.aws.errors import NotFound
from upproxy.aws.session import Session

INLINE = "upproxy"
"""The name of the one policy that is written into a role."""


class Roles:
    """IAM's roles."""

    def __init__(self, session: Session) -> None:
        self._iam = session.service("iam")

    def find(self, name: str) -> dict[str, Any] | None:
        """Return a role: `Arn`, `Tags`, `AssumeRolePolicyDocument`."""
        try:
            role: dict[str, Any] = self._iam.call("GetRole", RoleName=name)["Role"]
        except NotFound:
            return None
        return role

    def statements(self, name: str) -> list[dict[str, Any]]:
        """Return the statements of the policy that we wrote into a role."""
        try:
            document = self._iam.call("GetRolePolicy", RoleName=name, PolicyName=INLINE)["PolicyDocument"]
        except NotFound:
            return []
        found: list[dict[str, Any]] = document["Statement"]
        return found

    def create(self, name: str, service: str, tags: Mapping[str, str], description: str) -> str:
        """Create a role that a service, such as lambda.amazonaws.com, may assume; return its ARN."""
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        }
        answer = self._iam.call(
            "CreateRole", RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), Description=description,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )  # fmt: skip
        return str(answer["Role"]["Arn"])

    def allow(self, name: str, statements: Sequence[Mapping[str, Any]]) -> None:
        """Write the policy of a role anew."""
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self._iam.call("PutRolePolicy", RoleName=name, PolicyName=INLINE, PolicyDocument=json.dumps(document))

    def delete(self, name: str) -> None:
        """Delete a role with the policy that we wrote into it."""
        for operation, parameters in (("DeleteRolePolicy", {"PolicyName": INLINE}), ("DeleteRole", {})):
            try:
                self._iam.call(operation, RoleName=name, **parameters)
            except NotFound:
                pass

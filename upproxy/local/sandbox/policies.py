"""Who may invoke: the policies of functions, versions and aliases, as Lambda writes them.

https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from upproxy.local.sandbox.checks import check_revision
from upproxy.local.sandbox.configuration import Document
from upproxy.local.sandbox.errors import ApiError


@dataclass
class Policy:
    """The policy of a qualifier; without statements there is none for callers. All methods raise ApiError."""

    statements: list[Document] = field(default_factory=list)
    revision: str | None = None

    def add(self, wanted: Document, arn: str) -> Document:
        """Add a statement for an ARN and return it."""
        check_revision(wanted.get("RevisionId"), self.revision)
        statement = _statement(wanted, arn)
        if any(one["Sid"] == statement["Sid"] for one in self.statements):
            message = f"The statement id ({statement['Sid']}) provided already exists."
            raise ApiError("ResourceConflictException", message, HTTPStatus.CONFLICT)
        self.statements.append(statement)
        self.revision = str(uuid.uuid4())
        return statement

    def remove(self, sid: str, revision: str | None) -> None:
        """Remove a statement."""
        check_revision(revision, self.revision)
        left = [one for one in self.statements if one["Sid"] != sid]
        if len(left) == len(self.statements):
            message = f"Statement {sid} is not found in resource policy."
            raise ApiError("ResourceNotFoundException", message, HTTPStatus.NOT_FOUND)
        self.statements, self.revision = left, str(uuid.uuid4())


def allows(statement: Mapping[str, Any], action: str) -> bool:
    """Whether a statement is about an action of Lambda; AddPermission takes no other patterns than these."""
    return statement["Action"] in (action, "lambda:*", "*")


def _statement(wanted: Document, arn: str) -> Document:
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

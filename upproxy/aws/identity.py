"""IAM and STS: who calls, what they may do by IAM's own simulation, and how far their clock is off.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from upproxy.aws.errors import AccessDenied, AwsError, NotFound
from upproxy.aws.session import Service, Session

_EXAMPLE = "example"  # stands for what a `*` in an ARN stands for


class Denied(NamedTuple):
    """An action that is not allowed. `why` is empty where no policy says anything of it."""

    action: str
    why: str


def caller(session: Session, region: str) -> dict[str, Any]:
    """Return who calls: `Account`, `Arn`, and the answer's own `ResponseMetadata`. Raises AwsError."""
    return session.service("sts", region).call("GetCallerIdentity")


def metadata(error: AwsError) -> Mapping[str, Any]:
    """Return the `ResponseMetadata` of an answer that was an error; nothing where there was no answer."""
    found: Mapping[str, Any] = getattr(error.__cause__, "response", {}).get("ResponseMetadata", {})
    return found


def seconds_off(metadata: Mapping[str, Any], now: datetime) -> float | None:
    """Return how many seconds this machine's clock is ahead of AWS's, by an answer's date; None where it has none."""
    try:
        there = parsedate_to_datetime(metadata["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return None
    return (now - (there if there.tzinfo else there.replace(tzinfo=UTC))).total_seconds()


def principal(session: Session, region: str, arn: str) -> str | None:
    """Return the user or role whose policies say what a caller may do; None where there is no such thing.

    A role's path is not in what its sessions are called, and is asked for where that is allowed. Raises AwsError.
    """
    partition, service, account, resource = (arn.split(":", 5)[index] for index in (1, 2, 4, 5))
    kind, _, name = resource.partition("/")
    if service == "iam" and kind in ("user", "role"):
        return arn
    if service != "sts" or kind != "assumed-role":
        return None
    role = name.partition("/")[0]
    try:
        answer = session.service("iam", region).call("GetRole", RoleName=role)
    except (AccessDenied, NotFound):
        return f"arn:{partition}:iam::{account}:role/{role}"
    return str(answer["Role"]["Arn"])


def denied(session: Session, region: str, source: str, statements: Sequence[Mapping[str, Any]]) -> list[Denied]:
    """Return what a user or role may not do of what statements allow. Raises AwsError, where asking is not allowed."""
    iam = session.service("iam", region)
    return [one for statement in statements for one in _denied(iam, source, statement)]


def _denied(iam: Service, source: str, statement: Mapping[str, Any]) -> Iterator[Denied]:
    resources = {arn if arn == "*" else arn.replace("*", _EXAMPLE): arn for arn in statement["Resource"]}
    pages = iam.pages(
        "SimulatePrincipalPolicy",
        PolicySourceArn=source,
        ActionNames=list(statement["Action"]),
        ResourceArns=list(resources),
        ContextEntries=_context(statement.get("Condition", {})),
    )
    for result in (result for page in pages for result in page["EvaluationResults"]):
        # A thing may be there in two forms, itself and what is in it: an action knows the one or the other.
        things: dict[str, list[str]] = {}
        for one in result.get("ResourceSpecificResults") or ():
            thing = resources.get(one["EvalResourceName"], one["EvalResourceName"]).rstrip("*").rstrip(":/")
            things.setdefault(thing, []).append(one["EvalResourceDecision"])
        if not all("allowed" in decisions for decisions in things.values() or [[result["EvalDecision"]]]):
            yield Denied(result["EvalActionName"], _why(result))


def _why(result: Mapping[str, Any]) -> str:
    if result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations") is False:
        return "by the organisation"
    if result.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary") is False:
        return "by the permissions boundary"
    return "by a policy" if result["EvalDecision"] == "explicitDeny" else ""


def _context(condition: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return values with which a condition is met."""
    entries = []
    for operator, keys in condition.items():
        kind = "stringList" if operator.startswith("ForAllValues:") else "string"
        for key, wanted in keys.items():
            values = [value.replace("*", _EXAMPLE) for value in ([wanted] if isinstance(wanted, str) else wanted)]
            values = values if kind == "stringList" else values[:1]
            entries.append({"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": values})
    return entries

"""Lambda: functions, their versions, aliases, URLs, and who may invoke them.

https://docs.aws.amazon.com/lambda/latest/api/ has the shapes of all that is passed through.
"""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, NamedTuple

from upproxy.aws.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    CredentialsError,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    Unreachable,
)
from upproxy.aws.session import READ_TIMEOUT, Session
from upproxy.aws.waiting import wait

SETTLE_TIMEOUT = 300.0  # seconds that an update may take; the first one in a VPC takes minutes
ROLE_TIMEOUT = 90.0  # seconds that a role which was just made may take to be known everywhere
_ROLE_UNKNOWN = (
    "cannot be assumed by Lambda", "role defined for the function", "KMS key is invalid for CreateGrant",
    "execution role does not have permissions",  # in a VPC, while the role's policy spreads
)  # fmt: skip
_NOTHING = b'{"upproxy": {"warm": {"hold_ms": 0}}}'

Report = Callable[[str], None]


class Answer(NamedTuple):
    """What an invocation came to. `error` is AWS's kind of failure, empty for none; `log` the last 4 kB of its log."""

    payload: bytes
    error: str
    log: str
    version: str


class Functions:
    """Lambda in a region."""

    def __init__(self, session: Session, region: str) -> None:
        self.region = region
        self._session = session
        self._lambda = session.service("lambda", region)

    def find(self, name: str) -> dict[str, Any] | None:
        """Return the function as it was changed last: `Configuration`, `Tags`, `Concurrency`, and where its code is.

        Raises AccessDenied also where it may be read and its tags may not, and AwsError.
        """
        try:
            found = self._lambda.call("GetFunction", FunctionName=name)
        except NotFound:
            return None
        if problem := found.get("TagsError"):  # as who may not read tags is told
            raise AccessDenied(
                f"lambda ListTags: the tags of {name} cannot be read: {problem['Message']}", action="lambda:ListTags",
                resource=found["Configuration"]["FunctionArn"], code=problem["ErrorCode"], operation="GetFunction",
            )  # fmt: skip
        return found

    def configuration(self, name: str, qualifier: str) -> dict[str, Any] | None:
        """Return the configuration of a version or of what an alias points to."""
        try:
            return self._lambda.call("GetFunctionConfiguration", FunctionName=name, Qualifier=qualifier)
        except NotFound:
            return None

    def download(self, name: str, qualifier: str) -> bytes:
        """Fetch the zip of a version. Raises Unreachable for all that is not the code of this very version."""
        found = self._lambda.call("GetFunction", FunctionName=name, Qualifier=qualifier)
        location, configuration = str(found["Code"]["Location"]), found["Configuration"]
        failed = f"the code of {name} cannot be fetched"
        if not location.startswith(("https://", "http://")):
            raise Unreachable(f"{failed}: it is not on the web", operation="GetFunction")
        try:
            with urllib.request.urlopen(location, timeout=READ_TIMEOUT) as answer:  # noqa: S310  # checked above
                content: bytes = answer.read(configuration["CodeSize"])
        except (OSError, HTTPException) as error:
            raise Unreachable(f"{failed}: {error}", operation="GetFunction") from None
        if base64.b64encode(hashlib.sha256(content).digest()).decode() != configuration["CodeSha256"]:
            raise Unreachable(f"{failed}: what came is not it, by its digest", operation="GetFunction")
        return content

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Return the configurations of all published versions, the oldest first."""
        pages = self._lambda.pages("ListVersionsByFunction", FunctionName=name)
        found = [one for page in pages for one in page["Versions"] if one["Version"] != "$LATEST"]
        return sorted(found, key=lambda one: int(one["Version"]))

    def create(self, parameters: Mapping[str, Any], report: Report) -> None:
        """Create a function; a role that is new may not be known everywhere yet, and is waited for."""
        self._when_role_is_known("CreateFunction", parameters, report)

    def configure(self, parameters: Mapping[str, Any], report: Report) -> None:
        """Change the configuration of what is published next. Raises Conflict where `RevisionId` is not current."""
        self._when_role_is_known("UpdateFunctionConfiguration", parameters, report)

    def upload(self, name: str, revision: str, code: Mapping[str, Any], architecture: str) -> None:
        """Change the code of what will be published next. Raises Conflict where the revision is not current."""
        self._lambda.call(
            "UpdateFunctionCode", FunctionName=name, RevisionId=revision, Architectures=[architecture], **code
        )

    def idle(self, name: str, qualifier: str, report: Report) -> dict[str, Any]:
        """Wait until nothing is being changed in a function or version, and return its configuration.

        Its last change may have failed: the next one makes up for that. Raises NotFound, AwsError and TimedOut.
        """

        def look() -> dict[str, Any] | None:
            found = self._lambda.call("GetFunctionConfiguration", FunctionName=name, Qualifier=qualifier)
            busy = found.get("State") == "Pending" or found.get("LastUpdateStatus") == "InProgress"
            return None if busy else found

        what = f"the change of {name}" if qualifier == "$LATEST" else f"version {qualifier} of {name}"
        return wait(look, what, timeout=SETTLE_TIMEOUT, report=report, longest=1.0)

    def settled(self, name: str, qualifier: str, report: Report) -> dict[str, Any]:
        """Wait until the last change of a function or version is in effect, and return its configuration.

        Raises NotFound, AwsError where the change failed, with AWS's code of the reason, and TimedOut.
        """
        found = self.idle(name, qualifier, report)
        for status in ("LastUpdateStatus", "State"):
            if found.get(status) == "Failed":
                reason, code = found.get(f"{status}Reason"), found.get(f"{status}ReasonCode", "")
                what = name if qualifier == "$LATEST" else f"version {qualifier} of {name}"
                raise AwsError(
                    f"AWS could not change {what}: {reason or code or 'no reason is given'}",
                    code=code, operation="GetFunctionConfiguration",
                )  # fmt: skip
        return found

    def ready(self, name: str, version: str, report: Report) -> None:
        """Wait until a version takes requests: it is made, and woken up if nobody has called it for weeks.

        The first call of an Inactive one fails, and Lambda then has it ready within minutes (Lambda Developer Guide,
        "Lambda function states"). Raises as `settled` does.
        """

        def look() -> bool | None:
            if self.settled(name, version, report).get("State") != "Inactive":
                return True
            try:
                self.invoke(name, version, _NOTHING, READ_TIMEOUT)
            except (AccessDenied, CredentialsError):
                raise
            except AwsError:
                pass
            return None

        wait(look, f"version {version} of {name} to wake up", timeout=SETTLE_TIMEOUT, report=report)

    def publish(self, name: str, revision: str, sha256: str, description: str) -> dict[str, Any]:
        """Publish what was changed last as a version and return its configuration; unchanged, the last one.

        Raises Conflict where revision or code are not the current ones.
        """
        try:
            return self._lambda.call(
                "PublishVersion", FunctionName=name, RevisionId=revision, CodeSha256=sha256, Description=description
            )
        except InvalidRequest as error:
            if "codesha256" in str(error).lower():
                raise Conflict(str(error), code=error.code, operation=error.operation) from None
            raise

    def delete_version(self, name: str, version: str) -> None:
        """Delete a version. Raises Conflict where an alias points to it."""
        self._ignoring_absence("DeleteFunction", FunctionName=name, Qualifier=version)

    def delete(self, name: str) -> None:
        """Delete a function with its versions, aliases and URLs."""
        self._ignoring_absence("DeleteFunction", FunctionName=name)

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self._lambda.call("TagResource", Resource=arn, Tags=dict(tags))

    def alias(self, name: str, alias: str) -> dict[str, Any] | None:
        """Return an alias: `FunctionVersion`, `Description`, `RevisionId`, `AliasArn`."""
        try:
            return self._lambda.call("GetAlias", FunctionName=name, Name=alias)
        except NotFound:
            return None

    def create_alias(self, name: str, alias: str, version: str, description: str) -> dict[str, Any]:
        """Create an alias. Raises Conflict where it exists."""
        return self._lambda.call(
            "CreateAlias", FunctionName=name, Name=alias, FunctionVersion=version, Description=description
        )

    def move_alias(self, name: str, alias: str, version: str, description: str, revision: str) -> dict[str, Any]:
        """Point an alias, and all traffic of it, to a version. Raises Conflict where the revision is not current."""
        return self._lambda.call(
            "UpdateAlias", FunctionName=name, Name=alias, FunctionVersion=version, Description=description,
            RevisionId=revision, RoutingConfig={"AdditionalVersionWeights": {}},
        )  # fmt: skip

    def url(self, name: str, qualifier: str) -> dict[str, Any] | None:
        """Return the Function URL of an alias: `FunctionUrl`, `AuthType`, `InvokeMode`."""
        try:
            return self._lambda.call("GetFunctionUrlConfig", FunctionName=name, Qualifier=qualifier)
        except NotFound:
            return None

    def create_url(self, name: str, qualifier: str, settings: Mapping[str, Any]) -> str:
        """Give an alias a URL and return it."""
        answer = self._lambda.call("CreateFunctionUrlConfig", FunctionName=name, Qualifier=qualifier, **settings)
        return str(answer["FunctionUrl"])

    def update_url(self, name: str, qualifier: str, settings: Mapping[str, Any]) -> None:
        """Change the settings of a URL."""
        self._lambda.call("UpdateFunctionUrlConfig", FunctionName=name, Qualifier=qualifier, **settings)

    def delete_url(self, name: str, qualifier: str) -> None:
        """Take the URL away; the same one cannot be had again."""
        self._ignoring_absence("DeleteFunctionUrlConfig", FunctionName=name, Qualifier=qualifier)

    def statements(self, name: str, qualifier: str) -> list[dict[str, Any]]:
        """Return the statements of the policy that says who may invoke an alias."""
        try:
            answer = self._lambda.call("GetPolicy", FunctionName=name, Qualifier=qualifier)
        except NotFound:
            return []
        found: list[dict[str, Any]] = json.loads(answer["Policy"])["Statement"]
        return found

    def grant(self, name: str, qualifier: str, permission: Mapping[str, Any]) -> None:
        """Add a statement, under the names of AddPermission."""
        self._lambda.call("AddPermission", FunctionName=name, Qualifier=qualifier, **permission)

    def revoke(self, name: str, qualifier: str, statement_id: str) -> None:
        """Remove a statement."""
        self._ignoring_absence("RemovePermission", FunctionName=name, Qualifier=qualifier, StatementId=statement_id)

    def reserve(self, name: str, concurrency: int | None) -> None:
        """Reserve concurrency for a function, or give it back. Raises QuotaExceeded where there is too little."""
        if concurrency is None:
            self._lambda.call("DeleteFunctionConcurrency", FunctionName=name)
            return
        with _within_quota():
            self._lambda.call("PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=concurrency)

    def provisioned(self, name: str, qualifier: str) -> int:
        """Return how many instances of an alias are asked to be initialised at all times."""
        try:
            answer = self._lambda.call("GetProvisionedConcurrencyConfig", FunctionName=name, Qualifier=qualifier)
        except NotFound:
            return 0
        return int(answer["RequestedProvisionedConcurrentExecutions"])

    def provision(self, name: str, qualifier: str, count: int) -> None:
        """Ask for instances that are initialised at all times. Raises QuotaExceeded where there is too little."""
        if count:
            with _within_quota():
                self._lambda.call(
                    "PutProvisionedConcurrencyConfig", FunctionName=name, Qualifier=qualifier,
                    ProvisionedConcurrentExecutions=count,
                )  # fmt: skip
        else:
            self._ignoring_absence("DeleteProvisionedConcurrencyConfig", FunctionName=name, Qualifier=qualifier)

    def invoke(self, name: str, qualifier: str, event: bytes, timeout: float) -> Answer:
        """Invoke a version or alias once and wait at most `timeout` seconds for the answer. Never repeated."""
        service = self._session.service(
            "lambda", self.region, read_timeout=timeout, attempts=1,
            tcp_keepalive=True,  # else what is silent for minutes is forgotten by gateways on the way
        )  # fmt: skip
        answer = service.call("Invoke", FunctionName=name, Qualifier=qualifier, LogType="Tail", Payload=event)
        log = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
        return Answer(answer["Payload"].read(), answer.get("FunctionError", ""), log, answer.get("ExecutedVersion", ""))

    def account(self) -> dict[str, Any]:
        """Return the account's quotas, `AccountLimit`, and what is used of them, `AccountUsage`."""
        return self._lambda.call("GetAccountSettings")

    def free_concurrency(self) -> int:
        """Return how much concurrency of the account no function has for itself."""
        return int(self.account()["AccountLimit"]["UnreservedConcurrentExecutions"])

    def _when_role_is_known(self, operation: str, parameters: Mapping[str, Any], report: Report) -> None:
        def attempt() -> bool | None:
            try:
                self._lambda.call(operation, **parameters)
            except InvalidRequest as error:
                if any(one in str(error) for one in _ROLE_UNKNOWN):
                    return None
                raise
            return True

        wait(
            attempt, "the role and its policy to be known to Lambda", timeout=ROLE_TIMEOUT, report=report,
            hint=f"Does {parameters.get('Role', 'the role')} exist, may lambda.amazonaws.com assume it, and for a VPC: "
            "may it have network interfaces?",
        )  # fmt: skip

    def _ignoring_absence(self, operation: str, **parameters: Any) -> None:
        try:
            self._lambda.call(operation, **parameters)
        except NotFound:
            pass


@contextmanager
def _within_quota() -> Iterator[None]:
    """Tell what is a question of the account's concurrency, of which Lambda says that a parameter is wrong."""
    try:
        yield
    except InvalidRequest as error:
        if "UnreservedConcurrentExecution" not in str(error):
            raise
        raise QuotaExceeded(str(error), code=error.code, operation=error.operation) from None

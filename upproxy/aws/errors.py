"""What a call to AWS can fail with, as one tree, told so that a person can act on it.

`translated` makes it of botocore's exceptions. Error codes are those of the services' API references; that the
same thing has many names there is why there are tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from botocore import exceptions

from upproxy.aws.actions import action_of


class AwsError(Exception):
    """A call failed. `code` is AWS's own, `operation` the API's name of the call, `hint` what to do next."""

    hint = ""

    def __init__(self, message: str, *, hint: str = "", code: str = "", operation: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.hint
        self.code = code
        self.operation = operation


class CredentialsError(AwsError):
    """There are no credentials, or they are no longer or not at all valid."""

    hint = "Run `aws configure`, `aws sso login`, or set AWS_PROFILE; `upproxy doctor` says what is found where."


class AccessDenied(AwsError):
    """The credentials do not allow it. `statement` is the policy statement that would."""

    def __init__(self, message: str, *, action: str, resource: str, code: str = "", operation: str = "") -> None:
        self.statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        hint = f"Add this to your policy; `upproxy policy` prints all that is needed:\n{json.dumps(self.statement)}"
        super().__init__(message, hint=hint, code=code, operation=operation)


class Throttled(AwsError):
    """There were too many calls, and repeating them did not help."""

    hint = "AWS takes only so many calls; wait a minute and run it again: it goes on where it stopped."


class Conflict(AwsError):
    """Somebody else changes the same thing, or it is there already."""


class QuotaExceeded(AwsError):
    """A quota of the account is used up."""

    hint = "Ask for more in the Service Quotas console, or remove what is no longer needed (`upproxy prune`)."


class NotFound(AwsError):
    """It is not there."""


class InvalidRequest(AwsError):
    """AWS does not accept a value."""


class Unreachable(AwsError):
    """There is no connection to AWS."""

    hint = "Check the network, and the region; `AWS_ENDPOINT_URL` overrides where calls go."


class TimedOut(AwsError):
    """What was waited for did not happen in time."""


_CREDENTIALS = frozenset((
    "AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "RequestExpired",
    "SignatureDoesNotMatch", "UnrecognizedClientException",
))  # fmt: skip
_DENIED = frozenset((
    "AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden", "PublicPolicyException",
    "UnauthorizedOperation", "403",
))  # fmt: skip
_THROTTLED = frozenset((
    "PriorRequestNotComplete", "RequestLimitExceeded", "SlowDown", "Throttling",
    "ThrottlingException", "ThrottledException", "TooManyRequestsException",
))  # fmt: skip
_CONFLICT = frozenset((
    "AlreadyExistsException", "BucketAlreadyExists", "ConcurrentModification", "ConcurrentModificationException",
    "ConditionalRequestConflict", "ConflictException", "EntityAlreadyExists", "OperationAborted",
    "PreconditionFailedException", "ResourceAlreadyExistsException", "ResourceConflictException",
    "ResourceInUseException",
))  # fmt: skip
_QUOTA = frozenset((
    "CodeStorageExceededException", "LimitExceeded", "LimitExceededException", "ParameterLimitExceeded",
    "ServiceQuotaExceededException", "TooManyBuckets",
))  # fmt: skip
_NOT_FOUND = frozenset((
    "404", "NoSuchBucket", "NoSuchEntity", "NoSuchHostedZone", "NoSuchKey", "NotFoundException", "ParameterNotFound",
    "ResourceNotFoundException", "ChangeSetNotFound",
))  # fmt: skip
_KINDS: tuple[tuple[frozenset[str], type[AwsError]], ...] = (
    (_CREDENTIALS, CredentialsError),
    (_THROTTLED, Throttled),
    (_CONFLICT, Conflict),
    (_QUOTA, QuotaExceeded),
    (_NOT_FOUND, NotFound),
)
_EXPIRED = ("Expired", "RequestExpired")
# User: ARN is not authorized to perform: ACTION on resource: ARN because no identity-based policy allows …
_NOT_AUTHORIZED = re.compile(r"perform:? (?P<action>[\w-]+:\w+)(?: on resource:? \"?(?P<resource>arn:[^\s\"]+))?")


def translated(error: Exception, service: str, operation: str) -> AwsError:
    """Return an exception of botocore as one of this tree. `service` and `operation` are the API's own names."""
    what = f"{service} {operation}"
    if isinstance(error, exceptions.ClientError):
        return _of_response(error, service, operation)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return CredentialsError("there are no AWS credentials", operation=operation)
    if isinstance(error, exceptions.CredentialRetrievalError | exceptions.SSOError | exceptions.TokenRetrievalError):
        return CredentialsError(f"the AWS credentials cannot be had: {error}", operation=operation)
    if isinstance(error, exceptions.ProfileNotFound):
        return CredentialsError(
            str(error), hint="`profile` in up.yml or AWS_PROFILE names it; ~/.aws/config has those that exist."
        )
    if isinstance(error, exceptions.NoRegionError):
        return CredentialsError(
            "there is no AWS region", hint="Write `regions: [eu-central-1]` in up.yml, or give --region.",
            operation=operation,
        )  # fmt: skip
    if isinstance(error, exceptions.ParamValidationError | exceptions.DataNotFoundError):
        return InvalidRequest(f"{what}: {error}", operation=operation)
    if isinstance(error, exceptions.HTTPClientError):  # and with it connections that fail, time out or break off
        return Unreachable(f"{what}: {error}", operation=operation)
    return AwsError(f"{what}: {error}", operation=operation)


def _of_response(error: exceptions.ClientError, service: str, operation: str) -> AwsError:
    details: Mapping[str, Any] = error.response.get("Error", {})
    code = str(details.get("Code", ""))
    said = str(details.get("Message") or "").strip() or code
    message = f"{service} {operation}: {said}"
    if code in _DENIED:
        found = _NOT_AUTHORIZED.search(said)
        return AccessDenied(
            message,
            action=found["action"] if found else action_of(service, operation),
            resource=(found and found["resource"]) or "*",
            code=code,
            operation=operation,
        )
    if code in _CREDENTIALS and code.startswith(_EXPIRED):
        return CredentialsError(
            f"the AWS credentials have expired ({said})", code=code, operation=operation,
            hint="Get new ones, such as with `aws sso login`, and run it again: it goes on where it stopped.",
        )  # fmt: skip
    for codes, kind in _KINDS:
        if code in codes:
            return kind(message, code=code, operation=operation)
    if "ValidationE" in code or code.startswith("Invalid") or code == "MalformedPolicyDocument":
        return InvalidRequest(message, code=code, operation=operation)
    return AwsError(message, code=code, operation=operation)

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
        if "explicit deny" in message:
            hint = _FORBIDDEN
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


class Unanswered(Unreachable):
    """AWS took the call, and did not answer in time."""


class TimedOut(AwsError):
    """What was waited for did not happen in time."""


_CODES: dict[type[AwsError], str] = {
    CredentialsError: """
        AuthFailure ExpiredToken ExpiredTokenException InvalidAccessKeyId InvalidClientTokenId InvalidSignatureException
        InvalidToken MissingAuthenticationToken MissingAuthenticationTokenException RequestExpired SignatureDoesNotMatch
        UnrecognizedClientException""",
    AccessDenied: """
        403 AccessDenied AccessDeniedException AuthorizationError Forbidden PublicPolicyException
        UnauthorizedOperation""",
    Throttled: """
        PriorRequestNotComplete RequestLimitExceeded SlowDown Throttling ThrottledException ThrottlingException
        TooManyRequestsException""",
    Conflict: """
        AlreadyExistsException BucketAlreadyExists BucketAlreadyOwnedByYou BucketNotEmpty ConcurrentModification
        ConcurrentModificationException ConditionalRequestConflict ConflictException DeleteConflict EntityAlreadyExists
        EntityTemporarilyUnmodifiable OperationAborted OperationAbortedException ParameterAlreadyExists
        PreconditionFailedException ResourceAlreadyExistsException ResourceConflictException ResourceInUseException
        TooManyUpdates""",
    QuotaExceeded: """
        AliasLimitExceededException CodeStorageExceededException ENILimitReachedException LimitExceeded
        LimitExceededException ParameterLimitExceeded ParameterMaxVersionLimitExceeded ServiceQuotaExceededException
        TooManyBuckets""",
    NotFound: """
        404 ChangeSetNotFound InvalidResourceId NoSuchBucket NoSuchEntity NoSuchHostedZone NoSuchKey NoSuchTagSet
        NotFound NotFoundException ParameterNotFound ProvisionedConcurrencyConfigNotFoundException ResourceNotFound
        ResourceNotFoundException""",
    InvalidRequest: """
        InvalidParameterValueException InvalidRequestContentException MalformedPolicyDocument ValidationError
        ValidationException""",
}
_KINDS = {code: kind for kind, codes in _CODES.items() for code in codes.split()}
_EXPIRED = ("Expired", "RequestExpired")
_NO_SUCH_REGION = (
    exceptions.InvalidRegionError, exceptions.UnknownRegionError, exceptions.UnknownEndpointError,
)  # fmt: skip
_UNUSABLE = (
    exceptions.PartialCredentialsError, exceptions.CredentialRetrievalError, exceptions.SSOError,
    exceptions.TokenRetrievalError, exceptions.NoAuthTokenError, exceptions.RefreshWithMFAUnsupportedError,
    exceptions.UnknownCredentialError, exceptions.MetadataRetrievalError, exceptions.InvalidConfigError,
    exceptions.ConfigParseError, exceptions.ConfigNotFound,
    getattr(exceptions, "LoginError", exceptions.SSOError),  # of `aws login`, which not all versions know
)  # fmt: skip
_NO_REGION = "Write `regions: [eu-central-1]` in up.yml, give --region, or set AWS_REGION."
_SETTINGS = "Check AWS_ENDPOINT_URL, and `credential_process` in ~/.aws/config."
_FORBIDDEN = (
    "A policy forbids it, maybe the organisation's; another that allows it does not help. Ask who runs the account."
)
# User: ARN is not authorized to perform: ACTION on resource: ARN because no identity-based policy allows …
_NOT_AUTHORIZED = re.compile(r"perform:? (?P<action>[\w-]+:\w+)(?: on resource:? \"?(?P<resource>arn:[^\s\"]+))?")


def translated(error: Exception, service: str, operation: str) -> AwsError:
    """Return an exception of botocore as one of this tree. `service` and `operation` are the API's own names.

    Others are taken for the settings' fault: botocore lets through what an address or a `credential_process` raises.
    """
    what = f"{service} {operation}"
    if isinstance(error, exceptions.ClientError):
        return _of_response(error, service, operation)
    if isinstance(error, exceptions.NoCredentialsError):
        return CredentialsError("there are no AWS credentials", operation=operation)
    if isinstance(error, exceptions.ProfileNotFound):
        hint = "`profile` in up.yml or AWS_PROFILE names it; ~/.aws/config has those that exist."
        return CredentialsError(str(error), hint=hint, operation=operation)
    if isinstance(error, exceptions.NoRegionError):
        return CredentialsError("there is no AWS region", hint=_NO_REGION, operation=operation)
    if isinstance(error, _NO_SUCH_REGION):
        return InvalidRequest(f"{what}: {error}", hint=_NO_REGION, operation=operation)
    if isinstance(error, _UNUSABLE):
        return CredentialsError(f"the AWS credentials cannot be had: {error}", operation=operation)
    if isinstance(error, exceptions.ParamValidationError | exceptions.DataNotFoundError):
        return InvalidRequest(f"{what}: {error}", operation=operation)
    if isinstance(error, exceptions.ReadTimeoutError):
        return Unanswered(f"{what}: {error}", operation=operation)
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return Unreachable(f"{what}: {error}", operation=operation)
    if not isinstance(error, exceptions.BotoCoreError):
        return CredentialsError(f"the settings for AWS cannot be used: {error}", hint=_SETTINGS, operation=operation)
    return AwsError(f"{what}: {error}", operation=operation)


def _of_response(error: exceptions.ClientError, service: str, operation: str) -> AwsError:
    details: Mapping[str, Any] = error.response.get("Error", {})
    code = str(details.get("Code", ""))
    said = " ".join(str(details.get("Message") or "").split())
    if not said or said.startswith("<"):  # a page of something in between that is not AWS
        said = code
    message = f"{service} {operation}: {said}"
    kind = _KINDS.get(code, AwsError)
    if issubclass(kind, AccessDenied):
        found = _NOT_AUTHORIZED.search(said)
        return kind(
            message,
            action=found["action"] if found else action_of(service, operation),
            resource=(found and found["resource"]) or "*",
            code=code,
            operation=operation,
        )
    hint = ""
    if issubclass(kind, CredentialsError) and code.startswith(_EXPIRED):
        message = f"the AWS credentials have expired ({said})"
        hint = "Get new ones, such as with `aws sso login`, and run it again: it goes on where it stopped."
    return kind(message, hint=hint, code=code, operation=operation)

"""Lambda's control plane: functions, versions, aliases, URLs and permissions, with their revisions and delays.

In place of moto's, which needs Docker to invoke, and has no revisions (so that two deploys at once overwrite each
other), no states in between, one URL and policy for all aliases, and few of the rules by which AWS refuses things.
Shapes and codes are those of the Lambda API Reference.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from http import HTTPStatus

from upproxy.local.environment import LATEST
from upproxy.local.sandbox.checks import (
    check_alias,
    check_configuration,
    check_description,
    check_name,
    check_revision,
    check_zip,
    decoded,
)
from upproxy.local.sandbox.configuration import SETTINGS, Document, coded, configured, lasting, now
from upproxy.local.sandbox.delays import Delays
from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.policies import Policy
from upproxy.local.sandbox.state import Function, Invoked, Version, function_arn, split_name, weights_of

CONCURRENCY = 1_000  # of the account
RESERVED_LEFT = 100  # of it that no function may reserve


Changed = Callable[[str, str], None]
"""Called with the region and name of a function after something of it has changed."""

Fetch = Callable[[str, str, str | None], bytes]
"""Returns an object of S3 by bucket, key and version. Raises ApiError."""

_CREATING = {"StateReason": "The function is being created.", "StateReasonCode": "Creating"}


class Functions:
    """All functions. `known_role` says whether Lambda can assume a role by now."""

    def __init__(
        self,
        delays: Delays,
        *,
        known_role: Callable[[str], bool],
        fetch: Fetch,
        changed: Changed,
    ) -> None:
        self._delays = delays
        self._known_role = known_role
        self._fetch = fetch
        self._changed = changed
        self._functions: dict[tuple[str, str], Function] = {}

    # --- looking

    def all(self, region: str) -> list[Function]:
        """Return the functions of a region."""
        return [one for (where, _), one in self._functions.items() if where == region]

    def find(self, region: str, name: str) -> Function:
        """Return a function. Raises ApiError."""
        found = self._functions.get((region, name))
        if found is None:
            arn = function_arn(region, name)
            raise ApiError("ResourceNotFoundException", f"Function not found: {arn}", HTTPStatus.NOT_FOUND)
        return found

    def resolve(self, region: str, name: str, qualifier: str) -> Version:
        """Return the version that a qualifier stands for: none, $LATEST, a number or an alias. Raises ApiError."""
        function = self.find(region, name)
        if qualifier in ("", LATEST):
            return function.latest
        if qualifier in function.aliases:
            qualifier = function.aliases[qualifier]["FunctionVersion"]
        if qualifier not in function.versions:
            arn = function_arn(region, name)
            raise ApiError("ResourceNotFoundException", f"Function not found: {arn}:{qualifier}", HTTPStatus.NOT_FOUND)
        return function.versions[qualifier]

    def invoked(self, region: str, name: str, qualifier: str) -> Invoked:
        """Return what an invocation gets; an alias with weights draws a version. Raises ApiError."""
        version = self.resolve(region, name, qualifier)
        for other, weight in weights_of(self.find(region, name).aliases.get(qualifier, {})).items():
            if random.random() < weight:  # noqa: S311  # no secret
                version = self.resolve(region, name, other)
        if version.configuration.get("State") == "Pending":
            message = "The operation cannot be performed at this time. The function is currently in the following state"
            raise ApiError("ResourceConflictException", f"{message}: Pending", HTTPStatus.CONFLICT)
        return Invoked(version, qualifier)

    def provisioned(self, version: Version) -> int:
        """Return how many instances of a version there always are."""
        region, name = version.region, version.name
        counts = self.find(region, name).provisioned.items()
        return sum(count for one, count in counts if self.resolve(region, name, one) is version)

    # --- changing

    def create(self, region: str, wanted: Document) -> Document:
        """Create a function: CreateFunction. Raises ApiError."""
        name = split_name(wanted["FunctionName"])[0]
        check_name(name)
        if (region, name) in self._functions:
            raise ApiError("ResourceConflictException", f"Function already exist: {name}", HTTPStatus.CONFLICT)
        code = self._code(wanted.get("Code") or {})
        arn = function_arn(region, name)
        defaults: Document = {
            "FunctionName": name, "FunctionArn": arn, "Version": LATEST, "PackageType": "Zip",
            "TracingConfig": {"Mode": "PassThrough"}, "Environment": {"Variables": {}}, "Layers": [],
            "Architectures": wanted.get("Architectures") or ["x86_64"], "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": "", "Ipv6AllowedForDualStack": False},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
            "RuntimeVersionConfig": {"RuntimeVersionArn": f"arn:aws:lambda:{region}::runtime:{'0' * 64}"},
            **SETTINGS,
        }  # fmt: skip
        configuration = {**configured(defaults, wanted), **coded(code)}
        self._check(configuration)
        version = Version(configuration, code)
        version.touch()
        function = self._functions[region, name] = Function(version, dict(wanted.get("Tags") or {}))
        self._settle(version, "State", "Pending", "Active", self._delays.create)
        configuration["LastUpdateStatus"] = "Successful"
        self._changed(region, name)
        return self._published(function) if wanted.get("Publish") else configuration

    def configure(self, region: str, name: str, wanted: Document) -> Document:
        """Change a configuration: UpdateFunctionConfiguration. Raises ApiError."""
        latest = self._changeable(region, name, wanted.get("RevisionId"))
        configuration = configured(latest.configuration, wanted)
        self._check(configuration)
        latest.configuration.update(configuration)
        return self._updated(latest)

    def upload(self, region: str, name: str, wanted: Document) -> Document:
        """Change the code, or say what would come of that: UpdateFunctionCode. Raises ApiError."""
        latest = self._changeable(region, name, wanted.get("RevisionId"))
        code = self._code(wanted)
        if wanted.get("DryRun"):
            return {**latest.configuration, **coded(code)}
        latest.code = code
        if wanted.get("Architectures"):
            latest.configuration["Architectures"] = wanted["Architectures"]
        latest.configuration.update(coded(code))
        changed = self._updated(latest)
        return self._published(self.find(region, name)) if wanted.get("Publish") else changed

    def publish(self, region: str, name: str, wanted: Document) -> Document:
        """Publish a version: PublishVersion. Unchanged since the last one, that one is the answer. Raises ApiError."""
        function = self.find(region, name)
        latest = self._changeable(region, name, wanted.get("RevisionId"))
        check_description(wanted)
        sha256 = latest.configuration["CodeSha256"]
        if wanted.get("CodeSha256") not in (None, "", sha256):
            message = f"CodeSHA256 ({wanted['CodeSha256']}) is different from current CodeSHA256 in $LATEST ({sha256})."
            raise ApiError(
                "InvalidParameterValueException", f"{message} Please try again with the CodeSHA256 in $LATEST."
            )
        return self._published(function, wanted.get("Description") or "")

    def delete(self, region: str, name: str, qualifier: str) -> None:
        """Delete a function or one of its versions: DeleteFunction. Raises ApiError."""
        function = self.find(region, name)
        if not qualifier:
            del self._functions[region, name]
        elif qualifier == LATEST:
            raise ApiError(
                "InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function."
            )
        else:
            version = self.resolve(region, name, qualifier).number
            users = [
                alias
                for alias, one in function.aliases.items()
                if version == one["FunctionVersion"] or version in weights_of(one)
            ]
            if users:
                message = f"Unable to delete version because the following aliases reference it: {users}"
                raise ApiError("ResourceConflictException", message, HTTPStatus.CONFLICT)
            del function.versions[version]
            function.forget(version)
        self._changed(region, name)

    def put_alias(self, region: str, name: str, alias: str, wanted: Document, *, new: bool) -> Document:
        """Create or change an alias. Raises ApiError."""
        function = self.find(region, name)
        check_alias(alias)
        check_description(wanted)
        found = function.aliases.get(alias)
        arn = f"{function_arn(region, name)}:{alias}"
        if new and found is not None:
            raise ApiError("ResourceConflictException", f"Alias already exists: {arn}", HTTPStatus.CONFLICT)
        if not new and found is None:
            raise ApiError("ResourceNotFoundException", f"Cannot find alias arn: {arn}", HTTPStatus.NOT_FOUND)
        before = found or {}
        check_revision(wanted.get("RevisionId"), before.get("RevisionId"))
        version = wanted.get("FunctionVersion") or (found or wanted)["FunctionVersion"]
        weights = weights_of(wanted if wanted.get("RoutingConfig") is not None else before)
        for one in (version, *weights):
            self.resolve(region, name, one)
        self._check_weights(function, alias, version, weights)
        made: Document = {
            "AliasArn": arn, "Name": alias, "FunctionVersion": version, "RevisionId": str(uuid.uuid4()),
            "Description": wanted.get("Description", before.get("Description", "")),
            **({"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights else {}),
        }  # fmt: skip
        function.aliases[alias] = made
        self._changed(region, name)
        return made

    def delete_alias(self, region: str, name: str, alias: str) -> None:
        """Delete an alias with what belongs to it."""
        function = self.find(region, name)
        function.aliases.pop(alias, None)
        function.forget(alias)
        self._changed(region, name)

    def add_permission(self, region: str, name: str, qualifier: str, wanted: Document) -> Document:
        """Add a statement to the policy of a function or alias: AddPermission. Raises ApiError."""
        function = self.find(region, name)
        self.resolve(region, name, qualifier)
        if qualifier == LATEST:
            message = "We currently do not support adding policies for $LATEST."
            raise ApiError("InvalidParameterValueException", message)
        arn = ":".join(filter(None, (function_arn(region, name), qualifier)))
        statement = function.policies.setdefault(qualifier, Policy()).add(wanted, arn)
        self._changed(region, name)
        return statement

    def remove_permission(self, region: str, name: str, qualifier: str, sid: str, revision: str | None) -> None:
        """Remove a statement: RemovePermission. Raises ApiError."""
        self.find(region, name).policies.get(qualifier, Policy()).remove(sid, revision)
        self._changed(region, name)

    def reserve(self, region: str, name: str, count: int | None) -> None:
        """Reserve concurrency, or give it back. Raises ApiError."""
        function = self.find(region, name)
        others = sum(one.reserved or 0 for one in self.all(region) if one is not function)
        if count is not None and CONCURRENCY - others - count < RESERVED_LEFT:
            message = (
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{RESERVED_LEFT}]."
            )
            raise ApiError("InvalidParameterValueException", message)
        function.reserved = count
        self._changed(region, name)

    def provision(self, region: str, name: str, qualifier: str, count: int | None) -> None:
        """Have instances of a version or alias always there, or no longer. Raises ApiError."""
        function = self.find(region, name)
        version = self.resolve(region, name, qualifier)
        if count is None:
            function.provisioned.pop(qualifier, None)
        elif version.number == LATEST:
            message = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            raise ApiError("InvalidParameterValueException", message)
        elif weights_of(function.aliases.get(qualifier, {})):
            message = "Provisioned Concurrency Configs cannot be applied to an alias with weights."
            raise ApiError("InvalidParameterValueException", message)
        elif function.reserved is not None and function.reserved < count + sum(
            one for other, one in function.provisioned.items() if other != qualifier
        ):
            message = (
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                "function"
            )
            raise ApiError("InvalidParameterValueException", message)
        else:
            function.provisioned[qualifier] = count
        self._changed(region, name)

    # --- parts

    def _published(self, function: Function, description: str = "") -> Document:
        """Publish what $LATEST is, or return the last version when that is the same."""
        latest = function.latest
        last = function.versions.get(str(function.published))
        if last is not None and lasting(last.configuration) == lasting(latest.configuration):
            return last.configuration
        function.published += 1
        number = str(function.published)
        version = Version(
            {
                **latest.configuration, "Version": number,
                "FunctionArn": f"{function_arn(latest.region, latest.name)}:{number}",
                "Description": description or latest.configuration["Description"],
            },
            latest.code,
        )  # fmt: skip
        function.versions[number] = version
        self._finish(version, "LastUpdateStatus", "Successful")
        self._settle(version, "State", "Pending", "Active", self._delays.publish)
        return version.configuration

    def _check_weights(self, function: Function, alias: str, version: str, weights: dict[str, float]) -> None:
        """Raise ApiError for weights that an alias cannot have."""
        if not weights:
            return
        message = ""
        if LATEST in (version, *weights):
            message = "$LATEST is not supported for an alias pointing to more than 1 version"
        elif version in weights or len(weights) > 1:
            message = "An alias points to at most two versions, which are different"
        elif alias in function.provisioned:
            message = "An alias with provisioned concurrency cannot have weights"
        elif not all(0 <= weight <= 1 for weight in weights.values()):
            message = "A weight is from 0.0 to 1.0"
        if message:
            raise ApiError("InvalidParameterValueException", message)

    def _changeable(self, region: str, name: str, revision: str | None) -> Version:
        latest = self.find(region, name).latest
        configuration = latest.configuration
        if configuration.get("State") == "Pending" or configuration.get("LastUpdateStatus") == "InProgress":
            message = (
                "The operation cannot be performed at this time. An update is in progress for resource: "
                f"{configuration['FunctionArn']}"
            )
            raise ApiError("ResourceConflictException", message, HTTPStatus.CONFLICT)
        check_revision(revision, configuration["RevisionId"])
        return latest

    def _updated(self, latest: Version) -> Document:
        latest.configuration["LastModified"] = now()
        latest.touch()
        self._settle(latest, "LastUpdateStatus", "InProgress", "Successful", self._delays.update)
        self._changed(latest.region, latest.name)
        return latest.configuration

    def _settle(self, version: Version, key: str, before: str, after: str, delay: float) -> None:
        """Be in the making for a while; the revision changes with the end of it, as AWS's does."""
        if delay:
            version.configuration[key] = before
            if key == "State":
                version.configuration.update(_CREATING)
            asyncio.get_running_loop().call_later(delay, self._finish, version, key, after)
        else:
            self._finish(version, key, after)

    def _finish(self, version: Version, key: str, after: str) -> None:
        version.configuration[key] = after
        if key == "State":
            for name in _CREATING:
                version.configuration.pop(name, None)
        version.touch()

    def _check(self, configuration: Document) -> None:
        check_configuration(configuration)
        if not self._known_role(str(configuration["Role"])):
            message = "The role defined for the function cannot be assumed by Lambda."
            raise ApiError("InvalidParameterValueException", message)

    def _code(self, wanted: Document) -> bytes:
        if wanted.get("ZipFile"):
            code = decoded(wanted["ZipFile"])
        elif wanted.get("S3Bucket"):
            code = self._fetch(wanted["S3Bucket"], wanted["S3Key"], wanted.get("S3ObjectVersion"))
        else:
            raise ApiError("InvalidParameterValueException", "Please provide a source for function code.")
        check_zip(code)
        return code

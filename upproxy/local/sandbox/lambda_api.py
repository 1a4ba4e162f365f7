"""Lambda's REST API: from method and path to what `functions` and `invocations` do, after the Lambda API Reference."""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from upproxy.local.sandbox import eventstream
from upproxy.local.sandbox.checks import check_alias
from upproxy.local.sandbox.configuration import Document
from upproxy.local.sandbox.errors import Answer, ApiError
from upproxy.local.sandbox.functions import CONCURRENCY, Functions
from upproxy.local.sandbox.invocations import Invocations
from upproxy.local.sandbox.request import Request, page
from upproxy.local.sandbox.state import Function, function_arn, split_name
from upproxy.local.sources.source import LAMBDA_PAYLOAD

EVENT_LIMIT = 1_048_576  # bytes of the event of an asynchronous invocation
_INVOCATION_TYPES = ("RequestResponse", "Event", "DryRun")
_NAME = r"(?P<name>[^/]+)"
_FUNCTION = rf"/functions/{_NAME}"


Reply = Answer | tuple[int, Document] | tuple[int, None]
Handle = Callable[[Request], Reply | Awaitable[Reply]]


class LambdaApi:
    """Answers calls of Lambda. `url_of` gives the address of a Function URL by region, function and qualifier."""

    def __init__(
        self,
        functions: Functions,
        invocations: Invocations,
        *,
        url_of: Callable[[str, str, str], Awaitable[str]],
        code_url: Callable[[bytes], str],
    ) -> None:
        self._functions = functions
        self._invocations = invocations
        self._url_of = url_of
        self._code_url = code_url
        routes: tuple[tuple[str, str, str, Handle], ...] = (
            ("POST", "/functions", "CreateFunction", self._create),
            ("GET", "/functions", "ListFunctions", self._list),
            ("GET", _FUNCTION, "GetFunction", self._get),
            ("DELETE", _FUNCTION, "DeleteFunction", self._delete),
            ("GET", f"{_FUNCTION}/configuration", "GetFunctionConfiguration", self._configuration),
            ("PUT", f"{_FUNCTION}/configuration", "UpdateFunctionConfiguration", self._configure),
            ("PUT", f"{_FUNCTION}/code", "UpdateFunctionCode", self._upload),
            ("POST", f"{_FUNCTION}/versions", "PublishVersion", self._publish),
            ("GET", f"{_FUNCTION}/versions", "ListVersionsByFunction", self._versions),
            ("POST", f"{_FUNCTION}/aliases", "CreateAlias", self._create_alias),
            ("GET", f"{_FUNCTION}/aliases", "ListAliases", self._aliases),
            ("GET", rf"{_FUNCTION}/aliases/(?P<alias>[^/]+)", "GetAlias", self._alias),
            ("PUT", rf"{_FUNCTION}/aliases/(?P<alias>[^/]+)", "UpdateAlias", self._move_alias),
            ("DELETE", rf"{_FUNCTION}/aliases/(?P<alias>[^/]+)", "DeleteAlias", self._delete_alias),
            ("POST", f"{_FUNCTION}/policy", "AddPermission", self._add_permission),
            ("GET", f"{_FUNCTION}/policy", "GetPolicy", self._policy),
            ("DELETE", rf"{_FUNCTION}/policy/(?P<sid>[^/]+)", "RemovePermission", self._remove_permission),
            ("POST", f"{_FUNCTION}/url", "CreateFunctionUrlConfig", self._create_url),
            ("GET", f"{_FUNCTION}/url", "GetFunctionUrlConfig", self._url),
            ("PUT", f"{_FUNCTION}/url", "UpdateFunctionUrlConfig", self._update_url),
            ("DELETE", f"{_FUNCTION}/url", "DeleteFunctionUrlConfig", self._delete_url),
            ("PUT", f"{_FUNCTION}/concurrency", "PutFunctionConcurrency", self._reserve),
            ("GET", f"{_FUNCTION}/concurrency", "GetFunctionConcurrency", self._reserved),
            ("DELETE", f"{_FUNCTION}/concurrency", "DeleteFunctionConcurrency", self._unreserve),
            ("PUT", f"{_FUNCTION}/provisioned-concurrency", "PutProvisionedConcurrencyConfig", self._provision),
            ("GET", f"{_FUNCTION}/provisioned-concurrency", "GetProvisionedConcurrencyConfig", self._provisioned),
            ("DELETE", f"{_FUNCTION}/provisioned-concurrency", "DeleteProvisionedConcurrencyConfig", self._unprovision),
            ("POST", f"{_FUNCTION}/invocations", "Invoke", self._invoke),
            ("POST", f"{_FUNCTION}/response-streaming-invocations", "InvokeWithResponseStream", self._invoke_streaming),
            ("GET", r"/tags/(?P<arn>.+)", "ListTags", self._tags),
            ("POST", r"/tags/(?P<arn>.+)", "TagResource", self._tag),
            ("DELETE", r"/tags/(?P<arn>.+)", "UntagResource", self._untag),
            ("GET", "/account-settings", "GetAccountSettings", self._account),
        )
        self._routes = [
            (method, re.compile(rf"/\d{{4}}-\d\d-\d\d{path}/?"), operation, handle)
            for method, path, operation, handle in routes
        ]

    def operation(self, method: str, path: str) -> str:
        """Return the name of an operation; empty for one that is not known."""
        found = self._find(method, path)
        return found[1] if found else ""

    async def call(
        self, region: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Answer a call. Raises ApiError."""
        found = self._find(method, path)
        if found is None:
            raise ApiError("UnknownOperationException", f"the sandbox does not know {method} {path} of Lambda", 404)
        parts, _, handle = found
        answer = handle(Request(region, parts, query, headers, body))
        return _sent(answer if isinstance(answer, tuple) else await answer)

    def _find(self, method: str, path: str) -> tuple[dict[str, str], str, Handle] | None:
        for wanted, pattern, operation, handle in self._routes:
            if wanted == method and (match := pattern.fullmatch(path)):
                return match.groupdict(), operation, handle
        return None

    # --- functions and versions

    def _create(self, request: Request) -> tuple[int, Document]:
        return HTTPStatus.CREATED, self._functions.create(request.region, request.document)

    def _list(self, request: Request) -> tuple[int, Document]:
        shown = [
            version.configuration
            for one in self._functions.all(request.region)
            for version in (
                one.latest,
                *(one.versions.values() if request.query.get("FunctionVersion") == "ALL" else ()),
            )
        ]
        return page("Functions", shown, request)

    def _get(self, request: Request) -> tuple[int, Document]:
        version = self._functions.resolve(request.region, request.name, request.qualifier)
        function = self._function(request)
        location = self._code_url(version.code)
        answer: Document = {
            "Configuration": version.configuration,
            "Code": {"RepositoryType": "S3", "Location": location},
            "Tags": function.tags,
        }
        if function.reserved is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
        return HTTPStatus.OK, answer

    def _delete(self, request: Request) -> tuple[int, None]:
        self._functions.delete(request.region, request.name, request.qualifier)
        return HTTPStatus.NO_CONTENT, None

    def _configuration(self, request: Request) -> tuple[int, Document]:
        return HTTPStatus.OK, self._functions.resolve(request.region, request.name, request.qualifier).configuration

    def _configure(self, request: Request) -> tuple[int, Document]:
        return HTTPStatus.OK, self._functions.configure(request.region, request.name, request.document)

    def _upload(self, request: Request) -> tuple[int, Document]:
        return HTTPStatus.OK, self._functions.upload(request.region, request.name, request.document)

    def _publish(self, request: Request) -> tuple[int, Document]:
        return HTTPStatus.CREATED, self._functions.publish(request.region, request.name, request.document)

    def _versions(self, request: Request) -> tuple[int, Document]:
        function = self._function(request)
        shown = [one.configuration for one in (function.latest, *function.versions.values())]
        return page("Versions", shown, request)

    # --- aliases

    def _create_alias(self, request: Request) -> tuple[int, Document]:
        wanted = request.document
        made = self._functions.put_alias(request.region, request.name, wanted["Name"], wanted, new=True)
        return HTTPStatus.CREATED, made

    def _aliases(self, request: Request) -> tuple[int, Document]:
        version = request.query.get("FunctionVersion")
        aliases = self._function(request).aliases.values()
        return page("Aliases", [one for one in aliases if version in (None, one["FunctionVersion"])], request)

    def _alias(self, request: Request) -> tuple[int, Document]:
        found = self._function(request).aliases.get(request.part("alias"))
        if found is None:
            arn = f"{function_arn(request.region, request.name)}:{request.part('alias')}"
            raise ApiError("ResourceNotFoundException", f"Cannot find alias arn: {arn}", HTTPStatus.NOT_FOUND)
        return HTTPStatus.OK, found

    def _move_alias(self, request: Request) -> tuple[int, Document]:
        alias = request.part("alias")
        return HTTPStatus.OK, self._functions.put_alias(
            request.region, request.name, alias, request.document, new=False
        )

    def _delete_alias(self, request: Request) -> tuple[int, None]:
        self._functions.delete_alias(request.region, request.name, request.part("alias"))
        return HTTPStatus.NO_CONTENT, None

    # --- permissions

    def _add_permission(self, request: Request) -> tuple[int, Document]:
        made = self._functions.add_permission(request.region, request.name, request.qualifier, request.document)
        return HTTPStatus.CREATED, {"Statement": json.dumps(made)}

    def _policy(self, request: Request) -> tuple[int, Document]:
        self._functions.resolve(request.region, request.name, request.qualifier)
        function = self._function(request)
        found = function.policies.get(request.qualifier)
        if found is None or not found.statements:
            raise ApiError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": found.statements}
        return HTTPStatus.OK, {"Policy": json.dumps(policy), "RevisionId": found.revision}

    def _remove_permission(self, request: Request) -> tuple[int, None]:
        revision = request.query.get("RevisionId")
        self._functions.remove_permission(
            request.region, request.name, request.qualifier, request.part("sid"), revision
        )
        return HTTPStatus.NO_CONTENT, None

    # --- Function URLs

    async def _create_url(self, request: Request) -> tuple[int, Document]:
        function, qualifier, wanted = self._function(request), request.qualifier, request.document
        if qualifier:
            check_alias(qualifier, "qualifier")
        self._functions.resolve(request.region, request.name, qualifier)
        address = await self._url_of(request.region, request.name, qualifier)
        if qualifier in function.urls:
            message = (
                f"Failed to create function url config for [functionArn = {function_arn(request.region, request.name)}"
            )
            raise ApiError("ResourceConflictException", f"{message}:{qualifier}]. Error message: it exists.", 409)
        made: Document = {
            "FunctionArn": ":".join(filter(None, (function_arn(request.region, request.name), qualifier))),
            "FunctionUrl": address, "AuthType": wanted["AuthType"], "CreationTime": _now(),
            "InvokeMode": wanted.get("InvokeMode") or "BUFFERED",
            **({"Cors": wanted["Cors"]} if wanted.get("Cors") else {}),
        }  # fmt: skip
        function.urls[qualifier] = {**made, "LastModifiedTime": made["CreationTime"]}
        return HTTPStatus.CREATED, made

    def _url(self, request: Request) -> tuple[int, Document]:
        return HTTPStatus.OK, self._url_config(request)

    def _update_url(self, request: Request) -> tuple[int, Document]:
        found, wanted = self._url_config(request), request.document
        found.update({key: wanted[key] for key in ("AuthType", "Cors", "InvokeMode") if wanted.get(key)})
        found["LastModifiedTime"] = _now()
        return HTTPStatus.OK, found

    def _delete_url(self, request: Request) -> tuple[int, None]:
        self._url_config(request)
        del self._function(request).urls[request.qualifier]
        return HTTPStatus.NO_CONTENT, None

    def _url_config(self, request: Request) -> Document:
        found = self._function(request).urls.get(request.qualifier)
        if found is None:
            raise ApiError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return found

    # --- concurrency

    def _reserve(self, request: Request) -> tuple[int, Document]:
        count = request.document["ReservedConcurrentExecutions"]
        self._functions.reserve(request.region, request.name, count)
        return HTTPStatus.OK, {"ReservedConcurrentExecutions": count}

    def _reserved(self, request: Request) -> tuple[int, Document]:
        count = self._function(request).reserved
        return HTTPStatus.OK, {} if count is None else {"ReservedConcurrentExecutions": count}

    def _unreserve(self, request: Request) -> tuple[int, None]:
        self._functions.reserve(request.region, request.name, None)
        return HTTPStatus.NO_CONTENT, None

    def _provision(self, request: Request) -> tuple[int, Document]:
        count = request.document["ProvisionedConcurrentExecutions"]
        self._functions.provision(request.region, request.name, request.qualifier, count)
        return HTTPStatus.ACCEPTED, _provisioned(count)

    def _provisioned(self, request: Request) -> tuple[int, Document]:
        function = self._function(request)
        if request.query.get("List") == "ALL":
            arn = function_arn(request.region, request.name)
            shown = [{"FunctionArn": f"{arn}:{one}", **_provisioned(n)} for one, n in function.provisioned.items()]
            return page("ProvisionedConcurrencyConfigs", shown, request)
        count = function.provisioned.get(request.qualifier)
        if count is None:
            message = "No Provisioned Concurrency Config found for this function"
            raise ApiError("ProvisionedConcurrencyConfigNotFoundException", message, HTTPStatus.NOT_FOUND)
        return HTTPStatus.OK, _provisioned(count)

    def _unprovision(self, request: Request) -> tuple[int, None]:
        self._functions.provision(request.region, request.name, request.qualifier, None)
        return HTTPStatus.NO_CONTENT, None

    def _account(self, request: Request) -> tuple[int, Document]:
        functions = self._functions.all(request.region)
        free = CONCURRENCY - sum(one.reserved or 0 for one in functions)
        sizes = [
            version.configuration["CodeSize"] for one in functions for version in (one.latest, *one.versions.values())
        ]
        return HTTPStatus.OK, {
            "AccountLimit": {
                "TotalCodeSize": 80_530_636_800, "CodeSizeUnzipped": 262_144_000, "CodeSizeZipped": 52_428_800,
                "ConcurrentExecutions": CONCURRENCY, "UnreservedConcurrentExecutions": free,
            },
            "AccountUsage": {"TotalCodeSize": sum(sizes), "FunctionCount": len(functions)},
        }  # fmt: skip

    # --- tags

    def _tags(self, request: Request) -> tuple[int, Document]:
        return HTTPStatus.OK, {"Tags": self._tagged(request).tags}

    def _tag(self, request: Request) -> tuple[int, None]:
        self._tagged(request).tags.update(request.document["Tags"])
        return HTTPStatus.NO_CONTENT, None

    def _untag(self, request: Request) -> tuple[int, None]:
        tags = self._tagged(request).tags
        for key in request.lists.get("tagKeys", []):
            tags.pop(key, None)
        return HTTPStatus.NO_CONTENT, None

    def _tagged(self, request: Request) -> Function:
        return self._functions.find(request.region, split_name(request.part("arn"))[0])

    # --- invocations

    async def _invoke(self, request: Request) -> Answer:
        invoked = self._functions.invoked(request.region, request.name, request.qualifier)
        request_id = str(uuid.uuid4())
        headers = [("x-amzn-RequestId", request_id), ("Content-Type", "application/json")]
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind not in _INVOCATION_TYPES:
            raise ApiError("InvalidParameterValueException", f"Value {kind} at 'invocationType' is none that there is.")
        event = _event(request.raw, EVENT_LIMIT if kind == "Event" else LAMBDA_PAYLOAD)
        if kind == "Event":
            self._invocations.begin(invoked, event, request_id)
            return Answer(HTTPStatus.ACCEPTED, headers, b"")
        headers.append(("X-Amz-Executed-Version", invoked.version.number))
        if kind == "DryRun":
            return Answer(HTTPStatus.NO_CONTENT, headers, b"")
        done = await self._invocations.invoke(invoked, event, request_id)
        if done.error:
            headers.append(("X-Amz-Function-Error", done.error))
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            headers.append(("X-Amz-Log-Result", _base64(done.log)))
        return Answer(HTTPStatus.OK, headers, done.payload)

    async def _invoke_streaming(self, request: Request) -> Answer:
        """Invoke, and answer with the events of a stream, which are sent when all of them are there."""
        invoked = self._functions.invoked(request.region, request.name, request.qualifier)
        event, request_id = _event(request.raw, LAMBDA_PAYLOAD), str(uuid.uuid4())
        headers = [
            ("x-amzn-RequestId", request_id), ("X-Amz-Executed-Version", invoked.version.number),
            ("X-Amzn-Remapped-Content-Type", "application/octet-stream"),
            ("Content-Type", "application/vnd.amazon.eventstream"),
        ]  # fmt: skip
        done = await self._invocations.invoke(invoked, event, request_id)
        end: dict[str, str] = {}
        if done.error:
            end = {"ErrorCode": done.error, "ErrorDetails": done.payload.decode("utf-8", "replace")}
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            end["LogResult"] = _base64(done.log)
        chunk = eventstream.event("PayloadChunk", "application/octet-stream", done.payload) if not done.error else b""
        complete = eventstream.event("InvokeComplete", "application/json", json.dumps(end).encode())
        return Answer(HTTPStatus.OK, headers, chunk + complete)

    def _function(self, request: Request) -> Function:
        return self._functions.find(request.region, request.name)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _event(event: bytes, limit: int) -> bytes:
    """Return the event of an invocation, which is JSON. Raises ApiError for another, and for one that is too large."""
    if len(event) > limit:
        message = f"{len(event)} byte payload is too large for the invocation (limit {limit} bytes)"
        raise ApiError("RequestTooLargeException", message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if not event:
        return b"{}"
    try:
        json.loads(event)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise ApiError("InvalidRequestContentException", message) from None
    return event


def _sent(answer: Reply) -> Answer:
    if isinstance(answer, Answer):
        return answer
    status, document = answer
    content = b"" if document is None else json.dumps(document).encode()
    return Answer(status, [("Content-Type", "application/json"), ("x-amzn-RequestId", str(uuid.uuid4()))], content)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def _provisioned(count: int) -> Document:
    return {
        "RequestedProvisionedConcurrentExecutions": count, "AvailableProvisionedConcurrentExecutions": count,
        "AllocatedProvisionedConcurrentExecutions": count, "Status": "READY",
        "LastModified": time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime()),
    }  # fmt: skip

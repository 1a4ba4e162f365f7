"""Errors as AWS's services word them, each by its protocol."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import NamedTuple
from xml.sax.saxutils import escape

_QUERY = frozenset(("iam", "sts", "cloudformation", "monitoring", "sns"))
_XML = frozenset(("s3", "route53"))


class ApiError(Exception):
    """A call is refused: AWS's own code and sentence, and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Answer(NamedTuple):
    """What a call is answered with."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def is_json(content_type: str) -> bool:
    """Whether a call came in the JSON protocol, which some services take beside the query protocol."""
    return content_type.startswith("application/x-amz-json")


def answer(service: str, error: ApiError, request_id: str, content_type: str = "") -> Answer:
    """Word an error in the protocol of a service, or in that of the call's content type where it takes several."""
    code, message = error.code, str(error)
    headers = [("x-amzn-RequestId", request_id)]
    if service in _QUERY and not is_json(content_type):
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
            f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        kind = "text/xml"
    elif service in _XML:
        body = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        kind = "application/xml"
    else:
        body = json.dumps({"__type": code, "Type": "User", "message": message, "Message": message})
        kind = "application/json"
        headers.append(("x-amzn-ErrorType", code))
    return Answer(error.status, [*headers, ("Content-Type", kind)], body.encode())


def internal(message: str) -> ApiError:
    """Return the error for a fault of the sandbox."""
    return ApiError("InternalFailure", message, HTTPStatus.INTERNAL_SERVER_ERROR)

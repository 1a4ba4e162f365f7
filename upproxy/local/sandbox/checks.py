"""What Lambda refuses of what it is asked for, before it does anything. All functions raise ApiError.

Limits are those of https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html and the API Reference.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from upproxy.local.sandbox.errors import ApiError

ENVIRONMENT_LIMIT = 4096  # bytes of all variables as JSON
ZIP_LIMIT = 52_428_800  # bytes of a zip that is sent with the call
UNZIPPED_LIMIT = 262_144_000  # bytes of all that is in a zip

_RANGES = {"Timeout": (1, 900), "MemorySize": (128, 10_240)}
_STORAGE = (512, 10_240)  # MB
_DESCRIPTION = 256
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ALIAS = re.compile(r"(?!\d+$)[a-zA-Z0-9_-]{1,128}")
_RUNTIME = re.compile(r"[a-z]+\d*(\.[a-z0-9]+)?")
_RESERVED = frozenset((
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
))  # fmt: skip
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""


def check_name(name: str) -> None:
    """Check the name of a function that is to be made."""
    if not _NAME.fullmatch(name):
        raise _out_of_range("functionName", name, "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]{1,64}")


def check_alias(name: str, member: str = "name") -> None:
    """Check the name of an alias, which is no number."""
    if not _ALIAS.fullmatch(name):
        pattern = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)"
        raise _out_of_range(member, name, f"Member must satisfy regular expression pattern: {pattern}")


def check_description(wanted: Mapping[str, Any]) -> None:
    """Check the length of a description."""
    text = wanted.get("Description") or ""
    if len(text) > _DESCRIPTION:
        raise _out_of_range("description", text, f"Member must have length less than or equal to {_DESCRIPTION}")


def check_configuration(configuration: Mapping[str, Any]) -> None:
    """Check what a function shall be, but for its role."""
    check_description(configuration)
    if not configuration["Runtime"] or not configuration["Handler"]:
        message = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        raise ApiError("InvalidParameterValueException", message)
    values = [(key, configuration[key], limits) for key, limits in _RANGES.items()]
    for key, value, (least, most) in (*values, ("Size", configuration["EphemeralStorage"]["Size"], _STORAGE)):
        if not least <= value <= most:
            bound = f"less than or equal to {most}" if value > most else f"greater than or equal to {least}"
            raise _out_of_range(key[:1].lower() + key[1:], value, f"Member must have value {bound}")
    runtime = configuration["Runtime"]
    if not _RUNTIME.fullmatch(str(runtime)):
        message = f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set"
        raise ApiError("InvalidParameterValueException", message)
    _check_variables(configuration["Environment"]["Variables"])


def _check_variables(variables: Mapping[str, str]) -> None:
    begin = "Lambda was unable to configure your environment variables because the environment variables you have"
    if reserved := sorted(_RESERVED & variables.keys()):
        message = (
            f"{begin} provided contains reserved keys that are currently not supported for modification. Reserved keys "
            f"used in this request: {', '.join(reserved)}"
        )
        raise ApiError("InvalidParameterValueException", message)
    text = json.dumps(variables, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > ENVIRONMENT_LIMIT:
        # It says the values, which a client had better not print.
        message = f"{begin} provided exceeded the 4KB limit. String measured: {text}"
        raise ApiError("InvalidParameterValueException", message)


def decoded(text: str) -> bytes:
    """Return a zip that was sent with the call, in base64."""
    try:
        code = base64.b64decode(text, validate=True)
    except ValueError:
        raise ApiError("SerializationException", "the zip is not in base64") from None
    if len(code) > ZIP_LIMIT:
        message = "Request must be smaller than 70167211 bytes for the UpdateFunctionCode operation"
        raise ApiError("RequestEntityTooLargeException", message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return code


def check_zip(code: bytes) -> None:
    """Check that code is a zip with a table of contents, and how large that says it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        message = "Could not unzip uploaded file. Please check your file, then try to upload again."
        raise ApiError("InvalidParameterValueException", message) from None
    if size > UNZIPPED_LIMIT:
        message = f"Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes"
        raise ApiError("InvalidParameterValueException", message)


def check_revision(given: str | None, current: str | None) -> None:
    """Check that a change was made with the revision in mind that there is."""
    if given and given != current:
        message = (
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
            "retrieve the latest Revision Id"
        )
        raise ApiError("PreconditionFailedException", message, HTTPStatus.PRECONDITION_FAILED)


def _out_of_range(member: str, value: object, constraint: str) -> ApiError:
    message = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    return ApiError("ValidationException", message)

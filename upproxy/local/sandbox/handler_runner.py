"""Runs a handler as AWS's own Python runtime does, one invocation at a time: for functions without an exec wrapper.

Started by the function's own interpreter, with the standard library alone: `handler_runner.py module.function`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from email.message import Message

_API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"
_OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # whatever proxy a function has for its own


class _Context:
    """What a handler is told of its invocation."""

    def __init__(self, headers: Message) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = None
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left, in ms."""
        return max(0, self._deadline - int(time.time() * 1000))


def _post(path: str, body: bytes) -> None:
    request = urllib.request.Request(f"{_API}/{path}", body, method="POST")  # noqa: S310
    with suppress(urllib.error.HTTPError):  # the reply is too large, or too late, which the caller is told
        _OPEN(request).close()


def _fail(path: str, error: Exception, *, kind: str = "", message: str = "", request_id: str = "") -> None:
    """Report an error in the shape that AWS's runtime gives it, and log it."""
    stack = traceback.format_exception(type(error), error, error.__traceback__)
    sys.stderr.write("".join(stack))
    sys.stderr.flush()
    document = {
        "errorMessage": message or str(error), "errorType": kind or type(error).__name__, "requestId": request_id,
        "stackTrace": stack,
    }  # fmt: skip
    _post(path, json.dumps(document).encode())


def _load(name: str) -> Callable[[object, _Context], object]:
    """Import a handler. Exits when that fails, as AWS's runtime does, which names these errors so."""
    module, _, function = name.rpartition(".")
    module = module.replace("/", ".")
    kind = message = ""
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        failed: Exception = error
        kind, message = "Runtime.ImportModuleError", f"Unable to import module '{module}': {error}"
    except SyntaxError as error:
        failed = error
        kind, message = "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}"
    except Exception as error:  # noqa: BLE001
        failed = error
    else:
        if (handler := getattr(imported, function, None)) is not None:
            return handler  # type: ignore[no-any-return]
        kind, message = "Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'"
        failed = AttributeError(message)
    _fail("init/error", failed, kind=kind, message=message)
    raise SystemExit(1)


def main(name: str) -> None:
    """Run until the environment ends."""
    # In place of this file's folder, whose modules are none of a function's.
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    sys.path.append(os.environ["LAMBDA_RUNTIME_DIR"])
    handler = _load(name)
    while True:
        with _OPEN(f"{_API}/invocation/next") as answer:
            event, context = json.loads(answer.read()), _Context(answer.headers)
        path = f"invocation/{context.aws_request_id}"
        try:
            reply = handler(event, context)
        except Exception as error:  # noqa: BLE001
            _fail(f"{path}/error", error, request_id=context.aws_request_id)
            continue
        try:
            body = json.dumps(reply).encode()
        except (TypeError, ValueError) as error:
            message = f"Unable to marshal response: {error}"
            _fail(
                f"{path}/error", error, kind="Runtime.MarshalError", message=message, request_id=context.aws_request_id
            )
            continue
        _post(f"{path}/response", body)


if __name__ == "__main__":
    main(sys.argv[1])

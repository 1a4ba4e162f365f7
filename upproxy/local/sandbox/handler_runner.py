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
import urllib.request
from email.message import Message

_API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


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
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left, in ms."""
        return max(0, self._deadline - int(time.time() * 1000))


def _post(path: str, document: object) -> None:
    request = urllib.request.Request(f"{_API}/{path}", json.dumps(document).encode(), method="POST")  # noqa: S310
    urllib.request.urlopen(request).close()  # noqa: S310


def _error(error: Exception) -> dict[str, object]:
    stack = traceback.format_exception(type(error), error, error.__traceback__)
    sys.stderr.write("".join(stack))
    sys.stderr.flush()
    return {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": stack}


def main(name: str) -> None:
    """Run until the environment ends."""
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    sys.path.append(os.environ["LAMBDA_RUNTIME_DIR"])
    module, _, function = name.rpartition(".")
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), function)
    except Exception as error:  # noqa: BLE001
        _post("init/error", _error(error))
        raise SystemExit(1) from None
    while True:
        with urllib.request.urlopen(f"{_API}/invocation/next") as answer:  # noqa: S310
            event, context = json.loads(answer.read()), _Context(answer.headers)
        path = f"invocation/{context.aws_request_id}"
        try:
            reply = handler(event, context)
        except Exception as error:  # noqa: BLE001
            _post(f"{path}/error", _error(error))
        else:
            _post(f"{path}/response", reply)


if __name__ == "__main__":
    main(sys.argv[1])

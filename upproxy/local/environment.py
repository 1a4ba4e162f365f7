"""The environment of a runtime process: the user's own, and what Lambda sets on top of it.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec

REGION = "us-east-1"
ACCOUNT = "123456789012"
LATEST = "$LATEST"
_OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")


def function_arn(name: str, region: str) -> str:
    """Return the ARN that the function would have."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"


def runtime_environment(
    base: Mapping[str, str],
    *,
    function_name: str,
    directory: str,
    manifest: str,
    python: str,
    memory: int,
    concurrency: int | None,
) -> dict[str, str]:
    """Return all variables but AWS_LAMBDA_RUNTIME_API, which the runtime process gets, and what an instance has alone.

    `directory` is the project's folder, `manifest` the manifest's file, `python` the app's interpreter, `memory` in
    MB. With a `concurrency` it is an environment of Lambda's managed instances, which have several slots and an
    initialisation that waits for the app, without one it is on demand. The virtual environment of the interpreter is
    put first on PATH, so that a command of the user's finds what the app has installed.
    """
    environment = {
        **base,
        **reserved(
            function_name,
            region=base.get("AWS_REGION") or base.get("AWS_DEFAULT_REGION") or REGION,
            python=f"{sys.version_info[0]}.{sys.version_info[1]}",
            memory=memory,
            directory=directory,
        ),
        "UPPROXY_MANIFEST": manifest,
        "UPPROXY_SERVER_PATH": server_path(),
    }
    environment.pop("AWS_LAMBDA_MAX_CONCURRENCY", None)
    if concurrency:
        environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = "lambda-managed-instances"
        environment["AWS_LAMBDA_MAX_CONCURRENCY"] = str(concurrency)
    folder = os.path.dirname(python)
    if os.path.isfile(os.path.join(folder, os.pardir, "pyvenv.cfg")):
        environment["VIRTUAL_ENV"] = os.path.dirname(folder)
        environment["PATH"] = os.pathsep.join(filter(None, [folder, base.get("PATH", os.defpath)]))
    return environment


def reserved(
    function_name: str,
    *,
    region: str,
    python: str,
    memory: int,
    directory: str,
    runtime: str = "/var/runtime",
    version: str = LATEST,
) -> dict[str, str]:
    """Return the variables that Lambda sets for a function on demand, whose log stream is an instance's own.

    `python` is a version such as 3.13, `memory` in MB, `directory` the function's folder, `runtime` that of AWS's own.
    """
    return {
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_FUNCTION_NAME": function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream(version),
        "AWS_REGION": region,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "LAMBDA_RUNTIME_DIR": runtime,
        "LAMBDA_TASK_ROOT": directory,
        "TZ": ":UTC",
        "_HANDLER": "bootstrap",
    }


def log_stream(version: str) -> str:
    """Make up the name of a log stream for an instance of a version; no two are the same."""
    return f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{uuid.uuid4().hex}"


def app_python(directory: str, environment: Mapping[str, str]) -> str:
    """Find the interpreter that has the app's dependencies: the project's, the activated one's, else this one."""
    candidates = [os.path.join(directory, name) for name in (".venv", "venv")]
    if active := environment.get("VIRTUAL_ENV"):
        candidates.append(active)
    for folder in candidates:
        python = os.path.join(os.path.abspath(folder), "bin", "python")
        if os.access(python, os.X_OK):
            return python
    return sys.executable


def server_path() -> str:
    """Return the folder that waitress and uvicorn were installed into beside us, for apps that have no server."""
    for name in ("waitress", "uvicorn"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            return os.path.dirname(os.path.dirname(spec.origin))
    return ""


def runtime_folder(parent: str) -> str:
    """Make a folder in which is what AWS's own Python runtime brings along, from what is installed here; return it."""
    folder = os.path.join(parent, "runtime")
    os.makedirs(folder)
    for name in _OF_THE_RUNTIME:
        if (spec := find_spec(name)) is not None and spec.origin is not None:
            origin = spec.submodule_search_locations[0] if spec.submodule_search_locations else spec.origin
            os.symlink(origin, os.path.join(folder, os.path.basename(origin)))
    return folder

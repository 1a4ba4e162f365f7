"""Small functions of ours that stand beside the app, each from one file, which is in the template.

A function has its own log, and a role that may do what is said and write that log, nothing else.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from upproxy.config import Config
from upproxy.deploy.names import Names
from upproxy.deploy.stack.facts import Facts, attribute, log_group, resource

RUNTIME = "python3.13"
_VERSION = "2012-10-17"

Statement = dict[str, Any]


def sidecar(
    config: Config,
    names: Names,
    facts: Facts,
    module: ModuleType,
    *,
    description: str,
    timeout: int,
    environment: Mapping[str, str],
    allowed: Sequence[Statement],
) -> dict[str, dict[str, Any]]:
    """Return the resources of a function by their logical ids; that of the function is the module's name in capitals.

    `module` has the whole code, and `handler` in it; `timeout` is in seconds.
    """
    purpose = module.__name__.rpartition(".")[2]
    name = names.beside(purpose)
    this = purpose.capitalize()
    logs, role_id = f"{this}Logs", f"{this}Role"
    function = resource(
        "Lambda::Function",
        FunctionName=name,
        Description=description,
        Runtime=RUNTIME,
        Handler="index.handler",  # the name that CloudFormation gives to code which is in the template
        Code={"ZipFile": inspect.getsource(module)},
        MemorySize=128,
        Timeout=timeout,
        Role=attribute(role_id, "Arn"),
        Environment={"Variables": dict(environment)},
    )
    # Not to create the group: a late line would bring a deleted one back.
    logging = allow(["logs:CreateLogStream", "logs:PutLogEvents"], attribute(logs, "Arn"))
    return {
        logs: log_group(config, f"/aws/lambda/{name}"),
        role_id: role(names.role_of(f"{purpose}-{facts.region}"), "lambda", [logging, *allowed]),
        this: {**function, "DependsOn": [logs]},
    }


def allow(actions: list[str], on: Any) -> Statement:
    """Return a statement that allows actions on a resource."""
    return {"Effect": "Allow", "Action": actions, "Resource": on}


def role(name: str, service: str, allowed: list[Statement], condition: Any = None) -> dict[str, Any]:
    """Return a role. Roles are global, so that those of several regions need names of their own."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        **({"Condition": condition} if condition else {}),
    }
    return resource(
        "IAM::Role",
        RoleName=name,
        AssumeRolePolicyDocument={"Version": _VERSION, "Statement": [trust]},
        Policies=[{"PolicyName": "upproxy", "PolicyDocument": {"Version": _VERSION, "Statement": allowed}}],
    )

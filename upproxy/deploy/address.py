"""Where a stage takes requests: its domain, its gateway, or its Function URL."""

from __future__ import annotations

from upproxy.aws.functions import Functions
from upproxy.aws.session import Session
from upproxy.aws.stacks import Stacks
from upproxy.config import Config
from upproxy.deploy import live
from upproxy.deploy.errors import DeployError
from upproxy.deploy.names import ALIAS, Names

_OUTPUT = "Url"  # of the stack: the gateway's own address


def of(session: Session, region: str, names: Names, config: Config) -> str:
    """Return the address in a region, by which everybody who may can reach the app.

    Raises NotDeployed, DeployError where nothing takes requests yet, and AwsError.
    """
    settings = config.settings
    functions = Functions(session, region)
    if settings.endpoint == "function_url":
        what = "has no Function URL"
        found = functions.url(names.function, ALIAS)
        address = found["FunctionUrl"] if found else None
    else:
        what = "has no domain" if settings.domain else "has no gateway"
        stack = Stacks(session, region).find(names.stack)
        address = None
        if stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS":  # planned, and not made yet
            pass
        elif settings.domain is not None:
            address = f"https://{settings.domain}{settings.path or '/'}"
        else:
            outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
            address = outputs.get(_OUTPUT)
    if address is None:
        live.configuration(functions, names)
        wanted = f"{names.function} {what} in {region}, although up.yml wants one"
        raise DeployError(wanted, f"`upproxy deploy {names.stage}` makes it.")
    return str(address)

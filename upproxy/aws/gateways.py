"""API Gateway: what an account has set for all of its REST APIs in a region."""

from __future__ import annotations

from upproxy.aws.errors import AccessDenied
from upproxy.aws.session import Session


def may_log(session: Session, region: str) -> bool:
    """Whether REST APIs have a role to write logs with, without which a stage that has an access log is refused.

    Taken for granted where one is not allowed to look.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
    """
    try:
        return bool(session.service("apigateway", region).call("GetAccount").get("cloudwatchRoleArn"))
    except AccessDenied:
        return True

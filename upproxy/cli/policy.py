"""`upproxy policy`: the least that has to be allowed."""

from __future__ import annotations

import re

import click

from upproxy.cli.errors import UsageError
from upproxy.cli.frame import Call


@click.command()
@click.option("--account", metavar="NUMBER", help="The account's number; by default that of the credentials.")
@click.pass_obj
def command(call: Call, *, account: str | None) -> None:
    """Print the least IAM policy with which a stage can be deployed, looked after and removed.

    It is for one stage, staging unless -s names another, and for what up.yml asks for now: print it again when a
    domain, a gateway, alarms or warming are added. With --account it needs no credentials.
    """
    if account is not None and not re.fullmatch(r"[0-9]{12}", account):
        raise UsageError(f"{account!r} is no account's number", hint="It has 12 digits.")

    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.cli import stage
    from upproxy.deploy import policy
    from upproxy.deploy.wanted import Account

    opened = stage.opened(call)
    session = opened.session
    where = Account(session.partition_of(opened.regions[0]), account or session.account)
    document = policy.document(policy.statements(opened.config, where, opened.regions))
    call.output.document(document)
    if (length := policy.length(document)) > policy.MOST:
        call.output.warn(
            f"this is {length:,} characters, and a managed policy takes {policy.MOST:,}: "
            "divide its statements between two, or print one for each region with --region"
        )

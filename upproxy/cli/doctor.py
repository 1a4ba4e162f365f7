"""`upproxy doctor`: what stands in the way of a deploy."""

from __future__ import annotations

import click

from upproxy.cli.frame import Call

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@click.pass_obj
def command(call: Call) -> int:
    """Look at the project, the credentials and the account, and say what stands in the way of a deploy.

    Nothing is changed. The stage is staging unless -s names another. Problems, unlike warnings, end it with the status
    that a deploy would end with.
    """
    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.cli.diagnosis import PROBLEM, findings

    output = call.output
    found = []
    for finding in findings(call):
        found.append(finding)
        if output.as_json:
            continue
        level = f"{finding.level:8}"
        if output.coloured():
            level = click.style(level, fg=_COLOURS[finding.level])
        first, *rest = [*finding.message.splitlines(), *finding.hint.splitlines()]
        output.text("\n".join([f"{level} {finding.check:13} {first}", *(f"{'':23}{line}" for line in rest)]))
    problems = [finding for finding in found if finding.level == PROBLEM]
    if output.as_json:
        checks = [{name: getattr(one, name) for name in ("check", "level", "message", "hint")} for one in found]
        output.document({"ok": not problems, "findings": checks})
    return problems[0].status if problems else 0

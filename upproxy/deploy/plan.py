"""From what there is to what there shall be: the steps, as data. Nothing is asked or changed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from upproxy.deploy import steps
from upproxy.deploy.code import Code
from upproxy.deploy.found import Found, FoundRole
from upproxy.deploy.steps import Run
from upproxy.deploy.wanted import Wanted

URL_STATEMENTS: tuple[Mapping[str, Any], ...] = (
    {
        "StatementId": "upproxy-url",
        "Action": "lambda:InvokeFunctionUrl",
        "Principal": "*",
        "FunctionUrlAuthType": "NONE",
    },
    {
        "StatementId": "upproxy-url-invoke",
        "Action": "lambda:InvokeFunction",
        "Principal": "*",
        "InvokedViaFunctionUrl": True,
    },
)
"""What a public URL needs since October 2025 (Lambda Developer Guide, "Control access to Lambda function URLs").

Without the condition of the second anybody could invoke the function with an event of their own making.
"""

_CONDITIONS = {
    "lambda:InvokeFunctionUrl": ("lambda:functionurlauthtype", "none"),
    "lambda:InvokeFunction": ("lambda:invokedviafunctionurl", "true"),
}


@dataclass(frozen=True)
class Step:
    """One thing to do: what, for people, and how. `asks` is a question that somebody has to say yes to before."""

    what: str
    run: Callable[[Run], None]
    asks: str = ""


@dataclass(frozen=True)
class Plan:
    """What a deploy does in a region.

    `prepare` is done while the old release is live, then `switch`, and `retire` when what takes its place is there.
    """

    prepare: tuple[Step, ...]
    switch: tuple[Step, ...]
    retire: tuple[Step, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them."""
        return (*self.prepare, *self.switch, *self.retire)

    @property
    def opens(self) -> bool:
        """Whether the app becomes reachable for everybody."""
        return any(isinstance(one.run, partial) and one.run.func is steps.grant for one in self.switch)

    @property
    def releases(self) -> bool:
        """Whether there is a new release."""
        return any(one.run is steps.publish for one in self.prepare)


def plan(wanted: Wanted, code: Code, found: Found) -> Plan:
    """Return what is to be done in a region.

    There is a new release unless the live one has this code and configuration: what was published and did not go live
    does not count, so that it is checked again.
    """
    live = found.live
    same = live is not None and live["CodeSha256"] == code.sha256 and steps.fingerprint(live) == wanted.fingerprint
    prepare = [*_log_group(wanted, found), *([] if same else _release(wanted, code, found))]
    switch = [*_settings(wanted, found), *([] if same else [Step("move traffic to it", steps.go_live)])]
    if wanted.provisioned != found.provisioned:
        count = wanted.provisioned
        switch.append(Step(f"keep {_instances(count)} initialised", steps.provision))
    by_url = tuple(_url(wanted, found))
    if wanted.url is None:
        return Plan(tuple(prepare), tuple(switch), by_url)
    return Plan(tuple(prepare), (*switch, *by_url))


def role_changes(wanted: Wanted, found: FoundRole) -> bool:
    """Whether the role is to be made or its policy written."""
    return wanted.policy is not None and (found.role is None or list(found.statements) != list(wanted.policy))


def _log_group(wanted: Wanted, found: Found) -> Iterator[Step]:
    if found.log_group is None:
        yield Step("create the log group", steps.create_log_group)
    elif not found.log_group_is_ours:
        return
    if (found.log_group or {}).get("retentionInDays") != wanted.retention:
        time = f"for {wanted.retention} days" if wanted.retention else "for ever"
        yield Step(f"keep log lines {time}", steps.keep_logs)


def _release(wanted: Wanted, code: Code, found: Found) -> Iterator[Step]:
    size = f"{code.size / 1_000_000:.1f} MB"
    latest = {} if found.function is None else found.function["Configuration"]
    if not latest:
        yield Step(f"create the function ({size} of code)", steps.create_function)
    elif latest.get("State") == "Failed" and found.alias is None:  # of which AWS makes nothing any more
        yield Step(f"delete the function, which AWS could not create, and create it anew ({size})", steps.recreate)
    else:
        failed = latest.get("LastUpdateStatus") == "Failed"
        if (changed := _changed(wanted, latest)) or failed:
            why = ", ".join(changed) or "once more: the last change failed"
            yield Step(f"configure the function ({why})", steps.configure)
        if latest["CodeSha256"] != code.sha256 or latest.get("Architectures") != [wanted.architecture]:
            yield Step(f"upload the code ({size})", steps.upload)
    yield Step("publish a version", steps.publish)
    yield Step(f"check its health (GET {wanted.health.path})", steps.check_health)
    if wanted.warm:
        yield Step(f"warm {_instances(wanted.warm)}", steps.prewarm)


def _changed(wanted: Wanted, latest: Mapping[str, Any]) -> list[str]:
    """Return what differs in the configuration that was set last, under the names of Lambda's API."""
    vpc = latest.get("VpcConfig") or {}
    actual = {
        **latest,
        "VpcConfig": {key: sorted(vpc.get(key) or ()) for key in ("SubnetIds", "SecurityGroupIds")},
        "Layers": [layer["Arn"] for layer in latest.get("Layers") or ()],
        "EphemeralStorage": latest.get("EphemeralStorage") or {"Size": 512},
        "SnapStart": {"ApplyOn": (latest.get("SnapStart") or {}).get("ApplyOn", "None")},
        "Description": latest.get("Description", ""),
    }
    changed = [key for key, value in wanted.function.items() if actual.get(key) != value]
    variables = (latest.get("Environment") or {}).get("Variables") or {}
    return changed if variables == wanted.variables else [*changed, "Environment"]


def _settings(wanted: Wanted, found: Found) -> Iterator[Step]:
    """Go through what belongs to the function itself, and no version has."""
    function = found.function or {}
    reserved = (function.get("Concurrency") or {}).get("ReservedConcurrentExecutions")
    if reserved != wanted.reserved:
        count = "no concurrency" if wanted.reserved is None else f"a concurrency of {wanted.reserved}"
        yield Step(f"reserve {count}", steps.reserve)
    tags = function.get("Tags", wanted.tags)
    if any(tags.get(name) != value for name, value in wanted.tags.items()):
        yield Step("set the tags", steps.tag)


def _url(wanted: Wanted, found: Found) -> Iterator[Step]:
    public = wanted.url is not None and wanted.url["AuthType"] == "NONE"
    granted = set()
    for statement in found.statements:
        name = statement["Sid"]
        through_url = _is_for_everybody(statement) and _is_through_url(statement)
        if public and through_url:
            granted.add(statement["Action"])
            continue
        if through_url:
            why = "it is not public"
        elif _is_for_everybody(statement) and not statement.get("Condition"):
            why = "anybody could send it events of their own making"
        elif name in (one["StatementId"] for one in URL_STATEMENTS):
            why = "it is not as it was made"
        else:
            continue
        yield Step(f"take away the permission {name}: {why}", partial(steps.revoke, statement_id=name))
    if wanted.url is None:
        if found.url is not None:
            question = "Delete the Function URL? The same address cannot be had again."
            yield Step("delete the Function URL", steps.delete_url, asks=question)
        return
    if public:
        for permission in URL_STATEMENTS:
            if permission["Action"] not in granted:
                what = f"allow everybody {permission['Action']} through the Function URL"
                yield Step(what, partial(steps.grant, permission=permission))
    if found.url is None:
        yield Step("create the Function URL", steps.create_url)
    elif any(found.url.get(name) != value for name, value in wanted.url.items()):
        yield Step(f"change the Function URL ({', '.join(wanted.url.values())})", steps.update_url)


def _is_for_everybody(statement: Mapping[str, Any]) -> bool:
    """Whether a statement lets anybody invoke, maybe on a condition."""
    principal = statement.get("Principal")
    anybody = "*" in (principal, *(principal.values() if isinstance(principal, Mapping) else ()))
    return anybody and statement.get("Effect") == "Allow" and statement.get("Action") in (*_CONDITIONS, "lambda:*", "*")


def _is_through_url(statement: Mapping[str, Any]) -> bool:
    """Whether the condition of a statement is that of a public Function URL."""
    if statement["Action"] not in _CONDITIONS:
        return False
    wanted, value = _CONDITIONS[statement["Action"]]
    conditions = (statement.get("Condition") or {}).values()
    found = {key.lower(): str(one).lower() for condition in conditions for key, one in condition.items()}
    return found.get(wanted) == value


def _instances(count: int) -> str:
    return f"{count or 'no'} {'instance' if count == 1 else 'instances'}"

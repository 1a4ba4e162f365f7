"""What `upproxy doctor` looks at: this machine, the project, the credentials and the account.

Nothing is changed. What cannot be looked at since something before it is missing is left out.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from upproxy import __version__, config
from upproxy.aws import identity
from upproxy.aws.errors import AccessDenied, AwsError, CredentialsError
from upproxy.aws.functions import Functions
from upproxy.aws.session import Session
from upproxy.build import interpreter, target
from upproxy.build.errors import BuildError
from upproxy.cli.build import STAGE
from upproxy.cli.errors import CommandError, known
from upproxy.cli.frame import Call
from upproxy.config import Config, ConfigError
from upproxy.config.load import FILES
from upproxy.config.settings import StageSettings
from upproxy.config.warm import warming
from upproxy.deploy import environment, policy
from upproxy.deploy.environment import VariableError, Variables
from upproxy.deploy.errors import DeployError
from upproxy.deploy.names import Names
from upproxy.deploy.stack.stack import Stack
from upproxy.deploy.wanted import Account

OK, WARNING, PROBLEM = "ok", "warning", "problem"
_ANY_REGION = "us-east-1"  # where it is asked who calls, if no region is named
_REFUSED = 300.0  # seconds off after which AWS refuses signatures (IAM User Guide, "Signature Version 4")
_DRIFTS = 60.0  # seconds that a clock which is set by others is never off
_LEFT = 100  # concurrency that Lambda keeps for functions without any of their own
_NEW_ACCOUNT = 10  # the concurrency of one
_NEARLY = 0.8  # of a quota is worth a word
_SHOWN = 8  # actions that are named

_CREDENTIALS = {
    "env": "from the environment",
    "shared-credentials-file": "from the file of credentials",
    "config-file": "from the configuration file",
    "custom-process": "by `credential_process`",
    "sso": "by `aws sso login`",
    "login": "by `aws login`",
    "assume-role": "by assuming a role",
    "assume-role-with-web-identity": "by a web identity",
    "container-role": "of the container",
    "iam-role": "of the instance",
}
"""Where credentials come from, in botocore's words and in ours."""


class Finding(NamedTuple):
    """What a check has come to. `hint` is what to do about it, `status` the exit status that a problem ends with."""

    check: str
    level: str
    message: str
    hint: str = ""
    status: int = 0


def findings(call: Call) -> Iterator[Finding]:
    """Go through the findings, in an order in which each has what the next one needs."""
    python = f"Python {platform.python_version()} on {sys.platform}, {platform.machine()}"
    yield Finding("upproxy", OK, f"{__version__}, {python}")
    found = yield from _project(call)
    if found:
        yield from _target(found)
    yield from _aws(call, found)


def _failed(check: str, error: Exception) -> Finding:
    told = known(error) or CommandError(str(error))
    return Finding(check, PROBLEM, told.message, told.hint, told.status)


# --- The project


def _project(call: Call) -> Generator[Finding, None, Config | None]:
    stage = call.stage or STAGE
    try:
        found = config.load(call.directory, stage)
    except ConfigError as error:
        files = any(os.path.exists(os.path.join(call.directory, name)) for name in FILES)
        if os.path.isdir(call.directory) and not files:
            message = f"there is none here: {str(error).splitlines()[0]}"
            yield Finding("project", WARNING, message, "-C names its folder, and `upproxy init` begins one.")
        else:
            yield _failed("project", error)
        return None
    file = os.path.basename(found.file) if found.file else "no up.yml"
    yield Finding("project", OK, f"{found.name}, stage {stage}, {file}")
    yield Finding("app", OK, found.found)
    for warning in found.warnings:
        yield Finding("project", WARNING, warning)
    return found


def _target(found: Config) -> Iterator[Finding]:
    try:
        for_ = target.of(found)
    except BuildError as error:
        yield _failed("python", error)
        return
    if there := interpreter.here(for_.python):
        yield Finding("python", OK, f"{for_}; {there.path} compiles for it")
    else:
        yield Finding("python", WARNING, f"{for_}, of which there is none here", "The build downloads one, with uv.")


# --- AWS


def _aws(call: Call, found: Config | None) -> Iterator[Finding]:
    profile = found.settings.profile if found else None
    named = [call.region] if call.region else list(found.settings.regions) if found else []
    try:
        session = Session(profile, next(iter(named), None), impatient=True)
        credentials = session.credentials
        if credentials is None:
            raise CredentialsError("there are none", hint="Run `aws configure`, `aws sso login`, or set AWS_PROFILE.")
    except AwsError as error:
        yield _failed("credentials", error)
        return
    yield Finding("credentials", OK, f"the key …{credentials.access_key[-4:]} {_origin(credentials.method, profile)}")
    regions = yield from _regions(call, named, session)
    caller = yield from _caller(session, next(iter(regions), _ANY_REGION))
    if caller is None or found is None:
        return
    for region in regions:
        yield from _quotas(session, region, found.settings)
        yield from _variables(session, region, found)
        yield from _stack(session, region, found, leads=region == regions[0])
        yield from _permissions(session, region, found, caller)


def _origin(method: str, profile: str | None) -> str:
    where = _CREDENTIALS.get(method, f"by {method}")
    if profile:
        return f"{where}, profile {profile} by up.yml"
    named = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    return f"{where}, profile {named} by AWS_PROFILE" if named and method != "env" else where


def _regions(call: Call, named: Sequence[str], session: Session) -> Generator[Finding, None, Sequence[str]]:
    try:
        regions = named or [session.region]
    except AwsError as error:
        yield _failed("region", error)
        return []
    variable = next((one for one in ("AWS_REGION", "AWS_DEFAULT_REGION") if os.environ.get(one)), "the profile")
    origin = "--region" if call.region else "up.yml" if named else variable
    yield Finding("region", OK, f"{', '.join(regions)}, by {origin}")
    return regions


def _caller(session: Session, region: str) -> Generator[Finding, None, str | None]:
    """Return the ARN of who calls."""
    try:
        answer = identity.caller(session, region)
    except AwsError as error:
        yield _failed("account", error)
        yield from _clock(identity.metadata(error))
        return None
    arn: str = answer["Arn"]
    if arn.endswith(":root"):
        hint = "Make a user or role, and give it what `upproxy policy` prints."
        yield Finding("account", WARNING, f"{answer['Account']}, as its root user, who may do everything", hint)
    else:
        yield Finding("account", OK, f"{answer['Account']}, as {arn.split(':', 5)[5]}")
    yield from _clock(answer["ResponseMetadata"])
    return arn


def _clock(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    off = identity.seconds_off(metadata, datetime.now(UTC))
    if off is None:
        return
    said = f"{abs(off):,.0f} seconds {'ahead' if off > 0 else 'behind'}"
    if abs(off) > _REFUSED:
        yield Finding("clock", PROBLEM, f"{said}: AWS refuses what is signed so", "Set this machine's clock.", status=3)
    elif abs(off) > _DRIFTS:
        yield Finding("clock", WARNING, f"{said}; from 300 on AWS refuses what is signed", "Set this machine's clock.")
    else:
        yield Finding("clock", OK, "right")


def _quotas(session: Session, region: str, settings: StageSettings) -> Iterator[Finding]:
    try:
        account = Functions(session, region).account()
    except AwsError as error:
        yield Finding("quotas", WARNING, f"not looked at: {error}")
        return
    yield from quotas(account, region, settings)


def quotas(account: Mapping[str, Any], region: str, settings: StageSettings) -> Iterator[Finding]:
    """Compare Lambda's account settings, in the shape of its API, with what a stage asks for."""
    limit, usage = account["AccountLimit"], account["AccountUsage"]
    level, message, status = _concurrency(limit, region, settings)
    more = f"Ask for more in the Service Quotas console of {region}, under AWS Lambda; it takes hours to days."
    yield Finding("concurrency", level, message, more if level != OK else "", status)
    used, room = usage["TotalCodeSize"], limit["TotalCodeSize"]
    message = f"{used / 1e9:.1f} of {room / 1e9:.0f} GB are used in {region}"
    if used > room * _NEARLY:
        yield Finding("code storage", WARNING, message, "`upproxy prune` deletes old releases.")
    else:
        yield Finding("code storage", OK, message)


def _concurrency(limit: Mapping[str, Any], region: str, settings: StageSettings) -> tuple[str, str, int]:
    """Return the level, the message and the exit status."""
    most, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    reserved, warm = settings.lambda_.concurrency, warming(settings)
    there = f"{most:,} instances at once in {region}"
    if reserved and reserved > most - _LEFT:
        return PROBLEM, f"{there}, {_LEFT} of which cannot be reserved: {reserved:,} for this app are too many", 4
    if warm and reserved is None and warm.count > free // 2:
        return WARNING, f"{there}, {free:,} of them unreserved: half of those are kept warm, not {warm.count}", 0
    if most <= _NEW_ACCOUNT:
        return WARNING, f"{there} for all functions together, as new accounts have", 0
    return OK, f"{there}, {free:,} of them unreserved", 0


def _variables(session: Session, region: str, found: Config) -> Iterator[Finding]:
    try:
        there = Variables(session, region, Names(found.name, found.stage)).values()
        own = environment.of_app(found.settings, there)
        size = environment.size(environment.of_function(own, "0" * 64))
    except (AwsError, VariableError) as error:
        yield _failed("variables", error)
        return
    yield Finding("variables", OK, f"{len(there)} secret in {region}; {size:,} of {environment.LIMIT:,} bytes")
    for name in environment.unset(found.settings, [one.name for one in there]):
        message = f"up.yml refers to ${{{name}}}, which is not set in {region}: the app would not start"
        yield Finding("variables", PROBLEM, message, f"`upproxy env add {name} -s {found.stage}`", status=2)
    for name in environment.untold(found.settings, [one.name for one in there]):
        message = f"`actions` refer to ${{{name}}}, which is not set in {region}: alarms would tell nobody there"
        yield Finding("variables", WARNING, message, f"`upproxy env add {name} -s {found.stage}`")


def _stack(session: Session, region: str, found: Config, *, leads: bool) -> Iterator[Finding]:
    try:
        seen = Stack(session, found, Names(found.name, found.stage), region, leads=leads).look()
    except (AwsError, DeployError) as error:
        yield _failed("stack", error)
        return
    said = f"{seen.status} in {region}"
    if not seen.status:
        message = "none, and nothing that needs one" if seen.current else "not there yet: `upproxy deploy` makes it"
        yield Finding("stack", OK, f"{message}, in {region}")
    elif seen.status.endswith("_FAILED"):
        yield Finding("stack", PROBLEM, said, "`upproxy stack status` shows what failed.", status=1)
    elif seen.status.endswith("_IN_PROGRESS"):
        yield Finding("stack", WARNING, said, "`upproxy stack status` shows how far it is.")
    elif not seen.current:
        message = f"{said}, and not what up.yml asks for"
        yield Finding("stack", WARNING, message, "`upproxy stack plan` shows what would change.")
    else:
        yield Finding("stack", OK, f"{said}, as up.yml asks for it")


def _permissions(session: Session, region: str, found: Config, caller: str) -> Iterator[Finding]:
    partition, number = caller.split(":")[1], caller.split(":")[4]
    wanted = policy.statements(found, Account(partition, number), [region])
    try:
        source = identity.principal(session, region, caller)
        if source is None:
            if not caller.endswith(":root"):
                yield Finding("permissions", WARNING, f"not looked at: IAM does not simulate {caller}")
            return
        denied = identity.denied(session, region, source, wanted)
    except AccessDenied:
        yield Finding("permissions", WARNING, "not looked at, since iam:SimulatePrincipalPolicy is not allowed")
        return
    except AwsError as error:
        yield Finding("permissions", WARNING, f"not looked at: {error}")
        return
    if not denied:
        yield Finding("permissions", OK, f"all that a deploy to {region} needs, as IAM simulates it")
        return
    shown = [f"{one.action}{f' (denied {one.why})' if one.why else ''}" for one in denied[:_SHOWN]]
    rest = f" and {len(denied) - _SHOWN} more" if len(denied) > _SHOWN else ""
    message = f"missing in {region}, as IAM simulates it: {', '.join(shown)}{rest}"
    yield Finding("permissions", PROBLEM, message, "`upproxy policy` prints a policy that allows them.", status=3)

"""What a deploy does in one region, step by step; `plan` says which of them, and in which order.

Each can be done again without harm: a deploy that was ended anywhere in between can be started anew, and goes on. Until
`go_live` none of them touches what is live. All raise AwsError, and DeployError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from upproxy.aws.artefacts import Artefacts
from upproxy.aws.errors import AwsError, Conflict, Throttled
from upproxy.aws.functions import Functions
from upproxy.aws.log_groups import LogGroups
from upproxy.deploy import gate, history
from upproxy.deploy.code import Code
from upproxy.deploy.commit import Commit
from upproxy.deploy.environment import FINGERPRINT, concealing
from upproxy.deploy.errors import Unhealthy
from upproxy.deploy.found import Found
from upproxy.deploy.gate import Healthy
from upproxy.deploy.names import ALIAS
from upproxy.deploy.wanted import Wanted
from upproxy.warmer import warmer

LATEST = "$LATEST"
_LOST = "Somebody else deploys this stage at the same time, and was first: run it again if yours shall follow."
_WARM_TIMEOUT = 60.0  # seconds for one message of the warmer


@dataclass(kw_only=True)
class Run:
    """A deploy in one region while it goes on: its tools, and what the steps have found out so far.

    `version` is the one that shall go live; `healthy` and `warmed` are what its checks came to; `report` is called with
    sentences on what takes long.
    """

    wanted: Wanted
    code: Code
    commit: Commit
    found: Found
    functions: Functions
    log_groups: LogGroups
    artefacts: Artefacts
    report: Callable[[str], None]
    version: str = ""
    healthy: Healthy | None = None
    warmed: int = 0
    url: str = ""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.wanted.names.function


def create_log_group(run: Run) -> None:
    """Make the log group before the function, which would otherwise have nowhere to write to."""
    run.log_groups.create(run.wanted.names.log_group, run.wanted.tags)


def keep_logs(run: Run) -> None:
    """Set for how many days log lines are kept."""
    run.log_groups.keep(run.wanted.names.log_group, run.wanted.retention)


def create_function(run: Run) -> None:
    """Create the function with its configuration and code."""
    wanted = run.wanted
    parameters = {
        **_configuration(wanted), "Architectures": [wanted.architecture], "PackageType": "Zip",
        "Code": run.code.sent(run.artefacts, run.report), "Tags": dict(wanted.tags),
    }  # fmt: skip
    with _first_come(), concealing(wanted.secrets):
        run.functions.create(parameters, run.report)


def recreate(run: Run) -> None:
    """Create the function anew: one whose creation failed takes no changes (Lambda Developer Guide, "States")."""
    run.functions.delete(run.name)
    create_function(run)


def configure(run: Run) -> None:
    """Change the configuration of what is published next."""
    revision = run.functions.idle(run.name, LATEST, run.report)["RevisionId"]
    with _first_come(), concealing(run.wanted.secrets):
        run.functions.configure({**_configuration(run.wanted), "RevisionId": revision}, run.report)
    run.functions.settled(run.name, LATEST, run.report)


def upload(run: Run) -> None:
    """Change the code of what is published next."""
    sent = run.code.sent(run.artefacts, run.report)
    revision = run.functions.idle(run.name, LATEST, run.report)["RevisionId"]
    with _first_come():
        run.functions.upload(run.name, revision, sent, run.wanted.architecture)


def publish(run: Run) -> None:
    """Make a version of what was changed; unchanged since the last one, AWS gives that one again.

    The revision and the digest see to it that it is our code and configuration, and nobody else's. With SnapStart AWS
    starts the app while it makes the version. Raises Unhealthy where the app did not start.
    """
    latest = run.functions.settled(run.name, LATEST, run.report)
    if latest["CodeSha256"] != run.code.sha256 or fingerprint(latest) != run.wanted.fingerprint:
        raise Conflict("the function is not as this deploy has left it", hint=_LOST)
    description = run.commit.line(datetime.now(UTC))
    with _first_come():
        version = run.functions.publish(run.name, latest["RevisionId"], run.code.sha256, description)
    run.version = version["Version"]
    try:
        with concealing(run.wanted.secrets):
            run.functions.ready(run.name, run.version, run.report)
    except AwsError as error:
        if error.code.startswith("FunctionError"):
            raise Unhealthy(f"version {run.version} cannot be started: {error}") from None
        raise


def check_health(run: Run) -> None:
    """Ask the new version for a page; one that does not answer as it should ends the deploy. Raises Unhealthy."""
    with concealing(run.wanted.secrets):
        run.healthy = gate.check(run.functions, run.name, run.version, run.wanted.health, run.report)


def prewarm(run: Run) -> None:
    """Start as many instances of the new version as are kept warm; fewer than that are no reason to stop."""
    wanted = run.wanted

    def invoke(target: warmer.Target, message: bytes) -> bytes:
        try:
            answer = run.functions.invoke(target.function, target.qualifier, message, _WARM_TIMEOUT)
        except Throttled as error:
            raise warmer.Throttled(str(error)) from None
        if answer.error:
            raise warmer.FunctionFailed(answer.payload.decode("utf-8", "replace"))
        return answer.payload

    free = wanted.reserved if wanted.reserved is not None else run.functions.free_concurrency()
    tick = warmer.warm(warmer.Target(run.name, run.version, wanted.warm), invoke, free)
    run.warmed = tick.distinct
    if tick.distinct < wanted.warm:
        run.report(f"warmed {tick.distinct} of {wanted.warm}: {tick.reason or 'messages met on the same instances'}")


def go_live(run: Run) -> None:
    """Move all traffic to the new version."""
    move(run.functions, run.name, run.found.alias, run.version)


def reserve(run: Run) -> None:
    """Reserve concurrency, or give it back."""
    run.functions.reserve(run.name, run.wanted.reserved)


def provision(run: Run) -> None:
    """Have instances initialised at all times."""
    run.functions.provision(run.name, ALIAS, run.wanted.provisioned)


def tag(run: Run) -> None:
    """Set the function's tags."""
    function = run.functions.find(run.name)
    if function is not None:
        run.functions.tag(function["Configuration"]["FunctionArn"], run.wanted.tags)


def create_url(run: Run) -> None:
    """Give the alias its URL."""
    run.url = run.functions.create_url(run.name, ALIAS, run.wanted.url or {})


def update_url(run: Run) -> None:
    """Change the settings of the URL."""
    run.functions.update_url(run.name, ALIAS, run.wanted.url or {})


def delete_url(run: Run) -> None:
    """Take the URL away."""
    run.functions.delete_url(run.name, ALIAS)
    run.url = ""


def grant(run: Run, permission: Mapping[str, Any]) -> None:
    """Let callers of the URL in."""
    run.functions.grant(run.name, ALIAS, permission)


def revoke(run: Run, statement_id: str) -> None:
    """Take a permission away."""
    run.functions.revoke(run.name, ALIAS, statement_id)


def move(functions: Functions, name: str, alias: Mapping[str, Any] | None, version: str) -> None:
    """Point the alias to a version, and remember those that were live before. Raises Conflict where somebody was first.

    `alias` is what was found in the beginning: if another deploy has moved it since, its revision is another one.
    """
    description = history.succession(alias, version)
    with _first_come():
        if alias is None:
            functions.create_alias(name, ALIAS, version, description)
        else:
            functions.move_alias(name, ALIAS, version, description, alias["RevisionId"])


def fingerprint(configuration: Mapping[str, Any]) -> str:
    """Return the fingerprint that a function or version was deployed with, in the shape of Lambda's API."""
    return str(configuration.get("Environment", {}).get("Variables", {}).get(FINGERPRINT, ""))


def _configuration(wanted: Wanted) -> dict[str, Any]:
    return {**wanted.function, "Environment": {"Variables": dict(wanted.variables)}}


@contextmanager
def _first_come() -> Iterator[None]:
    """Tell whoever was second what a conflict means."""
    try:
        yield
    except Conflict as error:
        raise Conflict(str(error), hint=_LOST, code=error.code, operation=error.operation) from None

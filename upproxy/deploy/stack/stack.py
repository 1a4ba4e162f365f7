"""The stack of a stage in a region: what it shall be, what that would change, and the change itself.

stack.prepare(report)
with stack.plan(report) as changes:
    if changes.destructive: …ask…
    stack.apply(changes, report)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from upproxy.aws.artefacts import Artefacts
from upproxy.aws.errors import AwsError, Conflict
from upproxy.aws.functions import Functions
from upproxy.aws.session import Session
from upproxy.aws.stacks import CHANGE_SET, Stacks
from upproxy.config import Config
from upproxy.deploy.errors import DeployError, NotDeployed, NotOurs, Pending
from upproxy.deploy.names import ALIAS, Names, bucket
from upproxy.deploy.stack.certificate import Entry
from upproxy.deploy.stack.changes import Changes, read, removal
from upproxy.deploy.stack.gathered import Gathered
from upproxy.deploy.stack.progress import Progress
from upproxy.deploy.stack.template import template

LARGEST_BODY = 51_200  # bytes of a template that CloudFormation takes directly; larger ones it reads from S3
_REVIEW = "REVIEW_IN_PROGRESS"  # a stack of which there is only a change set
_NEVER_WAS = (_REVIEW, "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
_STUCK = "UPDATE_ROLLBACK_FAILED"
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_GOES_ON = "CloudFormation goes on by itself; `upproxy stack status` tells how far it is"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Seen:
    """A stack as it is.

    `status` is CloudFormation's, empty where there is none; `resources` are those of ListStackResources; `current` says
    that it is what the configuration asks for; `entries` are the records that somebody has to enter elsewhere.
    """

    status: str
    resources: tuple[Mapping[str, Any], ...]
    outputs: Mapping[str, str]
    current: bool
    entries: tuple[Entry, ...]


class Stack:
    """The stack in a region. `leads` says that it is the first of the stage's regions."""

    def __init__(self, session: Session, config: Config, names: Names, region: str, *, leads: bool = True) -> None:
        self._session = session
        self._config = config
        self._stacks = Stacks(session, region)
        self._tags = names.tags(config.settings.lambda_.tags)
        self._gathered = Gathered(session, config, names, region, leads=leads)
        self._what = f"the stack {names.stack} in {region}"
        self.names = names
        self.region = region

    @property
    def warnings(self) -> list[str]:
        """What people should know of the template."""
        return self._gathered.warnings

    def look(self) -> Seen:
        """Return the stack as it is. Raises NotOurs and AwsError."""
        found = self._find()
        wanted = self._template()
        if found is None or found["StackStatus"] == _REVIEW:
            return Seen("", (), {}, wanted is None, tuple(self._gathered.entries(None)))
        outputs = _outputs(found)
        return Seen(
            found["StackStatus"],
            tuple(self._stacks.resources(found["StackId"])),
            outputs,
            wanted is not None and found["StackStatus"] not in _NEVER_WAS and self._is_current(found, wanted),
            tuple(self._gathered.entries(outputs.get("DomainTarget"))),
        )

    def certificate_status(self) -> str:
        """Return the status of the certificate for the domain, as ACM has it; empty where there is none."""
        return self._gathered.certificate_status()

    def outputs(self) -> dict[str, str]:
        """Return the outputs: `Url` of a gateway, `DomainTarget` of a domain; none where there is no stack."""
        return _outputs(self._find() or {})

    def prepare(self, report: Report) -> None:
        """Do what has to be done before there can be a stack: have a certificate for the domain.

        Raises Pending where that takes longer or needs somebody, DeployError and AwsError.
        """
        self._find()
        self._gathered.prepare(report)

    @contextmanager
    def plan(self, report: Report) -> Iterator[Changes]:
        """Find out what would change. Nothing is left of it at the end, unless it was applied.

        Where the stack was made of the same template nothing is written at all. Raises Conflict while the stack is
        being changed, NotOurs, DeployError and AwsError.
        """
        found = self._find()
        status = found["StackStatus"] if found is not None else ""
        if status.endswith("_IN_PROGRESS") and status != _REVIEW:
            raise self._busy(status)
        wanted = self._template()
        if wanted is None:
            yield Changes("nothing") if found is None else self._removal(found)
            return
        if status == _STUCK:
            raise DeployError(
                f"{self._what} is stuck: an update failed, and so did undoing it",
                f"Put right what `upproxy stack status` shows, then: aws cloudformation continue-update-rollback "
                f"--region {self.region} --stack-name {self.names.stack}",
            )
        if found is not None and status in _NEVER_WAS:
            if status != _REVIEW:
                report(f"delete what is left of {self.names.stack}, which could not be created ({status})")
            self._delete(found["StackId"], report)
            found = None
        if found is not None and self._is_current(found, wanted):
            yield Changes("nothing", stack_id=found["StackId"])
            return
        try:
            yield self._proposed("UPDATE" if found is not None else "CREATE", wanted, report)
        except BaseException:
            with suppress(AwsError, DeployError):  # what went wrong first is what counts
                self._discard()
            raise
        self._discard()

    def apply(self, changes: Changes, report: Report) -> None:
        """Do what was planned, and tell each step.

        Raises Pending while the certificate is missing, NotDeployed before the first release, Conflict where somebody
        else was faster, and DeployError with the reason of the first resource that failed: what was there before is
        there again then.
        """
        if changes.what == "nothing":
            return
        if changes.pending:
            raise Pending(
                f"the certificate for {self._config.settings.domain} is not issued yet",
                "`upproxy stack apply` requests it, and says what it waits for.",
            )
        if changes.what == "delete":
            self._delete(changes.stack_id, report)
        else:
            self._execute(changes, report)
        if any(one.kind == "AWS::ApiGatewayV2::DomainName" and one.destructive for one in changes.resources):
            self._gathered.requested.remove(report, others=True)

    def delete(self, report: Report) -> list[Entry]:
        """Delete the stack and the certificates that were requested for it; nothing where there is none.

        Returns the validation records that are left in DNS. Raises Conflict, NotOurs, DeployError and AwsError.
        """
        found = self._find()
        if found is not None:
            status = found["StackStatus"]
            if status.endswith("_IN_PROGRESS") and status not in (_REVIEW, "DELETE_IN_PROGRESS"):
                raise self._busy(status)
            self._delete(found["StackId"], report)
        return self._gathered.requested.remove(report)

    def _find(self) -> dict[str, Any] | None:
        found = self._stacks.find(self.names.stack)
        if found is not None and not self._is_ours(found):
            raise NotOurs(
                f"{self._what} was not made by upproxy for this stage",
                "Rename the app or the stage, or delete that stack yourself.",
            )
        return found

    def _template(self) -> dict[str, Any] | None:
        return template(self._config, self.names, self._gathered.facts)

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        """Whether a stack carries our tags. One that only has change sets may have none yet: those have to be ours."""
        if found["StackStatus"] == _REVIEW and not found.get("Tags"):
            return set(self._stacks.change_sets(found["StackId"])) <= {CHANGE_SET}
        return self.names.own(found.get("Tags", ()))

    def _is_current(self, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
        tags = {one["Key"]: one["Value"] for one in found.get("Tags", ())}
        return tags == self._tags and self._stacks.template(found["StackId"]) == wanted

    def _busy(self, status: str) -> Conflict:
        return Conflict(
            f"{self._what} is being changed: {status}",
            hint="Wait until that is done (`upproxy stack status` tells), and run it again.",
        )

    def _removal(self, found: Mapping[str, Any]) -> Changes:
        return Changes("delete", removal(self._stacks.resources(found["StackId"])), found["StackId"])

    def _proposed(self, kind: str, wanted: Mapping[str, Any], report: Report) -> Changes:
        with self._body(wanted) as body:
            proposal = self._stacks.propose(self.names.stack, kind, body, self._tags, report)
        if proposal is None:
            return Changes("nothing")
        return Changes(
            "create" if kind == "CREATE" else "update",
            read(proposal["Changes"]),
            proposal["StackId"],
            proposal["ChangeSetId"],
            self._gathered.pending,
        )

    @contextmanager
    def _body(self, wanted: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        """Give the template to CloudFormation: as it is, or a large one by the bucket of artefacts while it is read."""
        text = json.dumps(wanted, separators=(",", ":")).encode()
        if len(text) <= LARGEST_BODY:
            yield {"TemplateBody": text.decode()}
            return
        name = bucket(self._session.account, self.region)
        artefacts = Artefacts(self._session, self.region, name)
        key = f"{self.names.function}/{hashlib.sha256(text).hexdigest()}.json"
        suffix = "amazonaws.com.cn" if self._session.partition == "aws-cn" else "amazonaws.com"
        artefacts.ready()
        artefacts.put(key, text, lambda _: None)
        try:
            yield {"TemplateURL": f"https://{name}.s3.{self.region}.{suffix}/{key}"}
        finally:
            artefacts.delete(key)

    def _discard(self) -> None:
        """Delete our change set, and a stack of which there is nothing else."""
        found = self._find()
        status = found["StackStatus"] if found is not None else ""
        if found is not None and status == _REVIEW:
            self._delete(found["StackId"], lambda _: None)
        elif found is not None and not status.endswith("_IN_PROGRESS"):
            self._stacks.discard(found["StackId"])

    def _execute(self, changes: Changes, report: Report) -> None:
        if Functions(self._session, self.region).alias(self.names.function, ALIAS) is None:
            raise NotDeployed(
                f"{self.names.function} has no release in {self.region} that a stack could stand in front of",
                f"Run `upproxy deploy {self.names.stage}` first.",
            )
        progress = Progress(self._stacks, changes.stack_id, report)
        self._stacks.execute(changes.stack_id, changes.change_set)
        status = self._followed(progress, self._what, report)
        if status in _DONE:
            return
        reason = progress.failure or status
        if changes.what == "create":
            self._delete(changes.stack_id, report)
            hint = "Nothing of it is left; put that right and run it again."
        else:
            hint = "Everything is as it was before; put that right and run it again."
        raise DeployError(f"{self._what} could not be {changes.what}d: {reason}", hint)

    def _delete(self, stack_id: str, report: Report) -> None:
        progress = Progress(self._stacks, stack_id, report)
        self._stacks.delete(stack_id)
        status = self._followed(progress, f"{self._what} to be deleted", report)
        if status != "DELETE_COMPLETE":
            raise DeployError(
                f"{self._what} could not be deleted: {progress.failure or status}",
                "Put that right and run it again: it goes on with what is left.",
            )

    def _followed(self, progress: Progress, what: str, report: Report) -> str:
        try:
            return progress.settled(what)
        except KeyboardInterrupt:
            report(_GOES_ON)
            raise


def prepare(stacks: Iterable[Stack], report: Report) -> None:
    """Prepare the stacks of all regions. Raises Pending after everything that can be begun has been."""
    pending: Pending | None = None
    for stack in stacks:
        try:
            stack.prepare(report)
        except Pending as error:
            pending = pending or error
    if pending is not None:
        raise pending


def _outputs(found: Mapping[str, Any]) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())}

"""A deploy: all regions at once, each by its own plan; traffic moves where every region has a healthy release."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from upproxy.aws.artefacts import Artefacts
from upproxy.aws.errors import Conflict
from upproxy.aws.functions import Functions
from upproxy.aws.log_groups import LogGroups
from upproxy.aws.roles import Roles
from upproxy.aws.session import Session
from upproxy.deploy import found, plan
from upproxy.deploy.code import Code
from upproxy.deploy.commit import Commit
from upproxy.deploy.found import FoundRole
from upproxy.deploy.gate import Healthy
from upproxy.deploy.names import bucket
from upproxy.deploy.plan import Plan, Step
from upproxy.deploy.steps import Run
from upproxy.deploy.together import at_once, in_all
from upproxy.deploy.wanted import Statement, Wanted

Report = Callable[[str], None]

_LAMBDA = "lambda.amazonaws.com"


@dataclass(frozen=True)
class Outcome:
    """What a region has after a deploy. `version` is live; `released` says that it is new."""

    region: str
    version: str
    url: str
    released: bool
    healthy: Healthy | None
    warmed: int


class Deploy:
    """One deploy of a stage: `look`, `prepare`, `switch` and `retire`; what each region needs is in `plans`."""

    def __init__(
        self, session: Session, wanted: Mapping[str, Wanted], code: Code, commit: Commit, report: Report
    ) -> None:
        """Take what there shall be by region; IAM's roles are the same in all of them."""
        self._session = session
        self._wanted = wanted
        self._code = code
        self._commit = commit
        self.report = report
        self._roles = Roles(session)
        self._role = FoundRole(None)
        self._runs: dict[str, Run] = {}
        self.plans: dict[str, Plan] = {}

    def look(self) -> None:
        """Find out what there is, and plan. Changes nothing. Raises NotOurs, and AwsError."""
        self._role, self._runs = at_once(self._look_for_role, lambda: in_all(self._wanted, self._look_in))
        self.plans = {region: plan.plan(run.wanted, run.code, run.found) for region, run in self._runs.items()}

    @property
    def changes(self) -> dict[str, list[str]]:
        """What would be done, for people, by region; what is global stands under an empty name."""
        role = [] if not self._role_changes else ["write the role" if self._role.role else "create the role"]
        by_region = {region: [step.what for step in one.steps] for region, one in self.plans.items()}
        return {name: lines for name, lines in {"": role, **by_region}.items() if lines}

    @property
    def questions(self) -> list[str]:
        """What somebody has to say yes to."""
        return list(dict.fromkeys(step.asks for one in self.plans.values() for step in one.steps if step.asks))

    @property
    def opens(self) -> bool:
        """Whether the app becomes reachable for everybody."""
        return any(one.opens for one in self.plans.values())

    def prepare(self) -> None:
        """Make releases in all regions and check them, while the old ones are live.

        Raises Unhealthy, DeployError and AwsError; nothing that is live has changed then, but for a role that may more.
        """
        if self._role_changes:
            self._write_role()
        in_all(self.plans, lambda region: self._do(region, self.plans[region].prepare))

    def switch(self) -> None:
        """Let the releases go live. Raises DeployError and AwsError."""
        in_all(self.plans, lambda region: self._do(region, self.plans[region].switch))

    def retire(self) -> list[Outcome]:
        """Take away what something else has taken the place of. Raises AwsError."""
        in_all(self.plans, lambda region: self._do(region, self.plans[region].retire))
        if self._dropped:
            self._roles.allow(self._one.names.role, self._one.policy or ())
        return [self._outcome(region, run) for region, run in self._runs.items()]

    @property
    def _one(self) -> Wanted:
        """What is the same in all regions."""
        return next(iter(self._wanted.values()))

    @property
    def _role_changes(self) -> bool:
        return plan.role_changes(self._one, self._role)

    @property
    def _dropped(self) -> list[Statement]:
        """What the role may do and shall not: whatever is live needs it until the new release is."""
        policy = self._one.policy
        return [] if policy is None else [dict(one) for one in self._role.statements if one not in policy]

    def _look_for_role(self) -> FoundRole:
        return FoundRole(None) if self._one.policy is None else found.look_for_role(self._one.names, self._roles)

    def _write_role(self) -> None:
        names, policy = self._one.names, self._one.policy
        if self._role.role is None:
            self.report("create the role")
            try:
                self._roles.create(names.role, _LAMBDA, self._one.tags, f"What {names.function} may do.")
            except Conflict:  # by a call whose answer was lost, or by another deploy: it may still not be ours
                found.look_for_role(names, self._roles)
        self._roles.allow(names.role, (*(policy or ()), *self._dropped))

    def _look_in(self, region: str) -> Run:
        session, wanted = self._session, self._wanted[region]
        functions, log_groups = Functions(session, region), LogGroups(session, region)
        there = found.look(wanted.names, functions, log_groups)
        return Run(
            wanted=wanted, code=self._code, commit=self._commit, found=there, functions=functions,
            log_groups=log_groups,
            artefacts=Artefacts(session, region, bucket(session.account, region), accelerate=wanted.accelerate),
            report=partial(self._tell, region),
            version=str((there.alias or {}).get("FunctionVersion", "")),
            url=str((there.url or {}).get("FunctionUrl", "")),
        )  # fmt: skip

    def _tell(self, region: str, sentence: str) -> None:
        """Report by what reports now: whoever deploys may exchange it between two parts."""
        self.report(sentence if len(self._wanted) == 1 else f"{region}: {sentence}")

    def _do(self, region: str, steps: Iterable[Step]) -> None:
        run = self._runs[region]
        for step in steps:
            run.report(step.what)
            step.run(run)

    def _outcome(self, region: str, run: Run) -> Outcome:
        released = self.plans[region].releases
        return Outcome(region, run.version, run.url, released, run.healthy, run.warmed)

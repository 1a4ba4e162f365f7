"""How everything on AWS is called that belongs to a stage of an app, and the tags by which we know it as ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ALIAS = "live"
APP_TAG = "upproxy:app"
STAGE_TAG = "upproxy:stage"
_SHORTEST = 64  # characters that names of roles, functions and schedules may have


@dataclass(frozen=True)
class Names:
    """The names of a stage; all are functions of the app's name and the stage's."""

    app: str
    stage: str

    @property
    def function(self) -> str:
        """The function."""
        return f"{self.app}-{self.stage}"

    @property
    def role(self) -> str:
        """The role that the function assumes. Roles are global: all regions share it."""
        return self.role_of("")

    def role_of(self, purpose: str) -> str:
        """Return the name of a role for something beside the function."""
        return self.beside(purpose)

    def beside(self, *purpose: str) -> str:
        """Return the name of something beside the function; long ones are cut, and stay distinct."""
        name = "-".join(filter(None, ("upproxy", self.function, *purpose)))
        if len(name) <= _SHORTEST:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{name[: _SHORTEST - 9]}-{digest}"

    @property
    def log_group(self) -> str:
        """The log group, whose name Lambda prescribes."""
        return f"/aws/lambda/{self.function}"

    @property
    def gateway_log_group(self) -> str:
        """The log group of a gateway; under this prefix no policy of the account grows with every group."""
        return f"/aws/vendedlogs/apis/{self.function}"

    @property
    def stack(self) -> str:
        """The CloudFormation stack of what changes rarely."""
        return f"upproxy-{self.function}"

    @property
    def parameters(self) -> str:
        """What the names of the stage's parameters in SSM begin with, up to a slash."""
        return f"/upproxy/{self.app}/{self.stage}/"

    def tags(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the tags of everything that is made, `more` among them; ours cannot be overridden."""
        return {**more, APP_TAG: self.app, STAGE_TAG: self.stage}

    def own(self, tags: Mapping[str, str] | Iterable[Mapping[str, Any]]) -> bool:
        """Whether tags, in either of AWS's two shapes, are those of something that belongs to this stage."""
        found = tags if isinstance(tags, Mapping) else {str(one["Key"]): str(one["Value"]) for one in tags}
        return found.get(APP_TAG) == self.app and found.get(STAGE_TAG) == self.stage


def bucket(account: str, region: str) -> str:
    """Return the name of the bucket for artefacts, which all apps of an account share in a region."""
    return f"upproxy-{account}-{region}"

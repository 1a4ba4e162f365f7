"""What commands that ask AWS begin with: a stage's configuration, the way to AWS, and the regions."""

from __future__ import annotations

from typing import NamedTuple

from upproxy import config
from upproxy.aws.session import Session
from upproxy.cli.build import STAGE
from upproxy.cli.frame import Call
from upproxy.config import Config
from upproxy.deploy.names import Names


class Stage(NamedTuple):
    """A stage of an app, and where it is on AWS."""

    config: Config
    names: Names
    session: Session
    regions: tuple[str, ...]

    def region(self, call: Call) -> str:
        """Return the one region that a call is about: the first, where there are several."""
        region, *others = self.regions
        if others:
            call.output.note(f"in {region}; --region names another")
        return region


def opened(call: Call) -> Stage:
    """Return the stage of a call, staging by default. Raises ConfigError and AwsError.

    The regions are that of --region, else `regions`, else the one that AWS's own tools would take.
    """
    stage = call.stage or STAGE
    found = config.load(call.directory, stage)
    regions = [call.region] if call.region else found.settings.regions
    session = Session(found.settings.profile, next(iter(regions), None))  # which what is global is asked in, too
    return Stage(found, Names(found.name, stage), session, tuple(regions or [session.region]))

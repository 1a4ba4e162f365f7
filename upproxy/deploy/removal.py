"""The end of a stage: everything that its deploys have made is deleted, and nothing else.

In this order, so that an interrupted removal can be done again: what serves, what it writes to, what it was made from,
and at last the role, which all regions share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from upproxy.aws.artefacts import Artefacts
from upproxy.aws.functions import Functions
from upproxy.aws.log_groups import LogGroups
from upproxy.aws.roles import Roles
from upproxy.aws.session import Session
from upproxy.deploy import found
from upproxy.deploy.environment import Variables
from upproxy.deploy.names import Names, bucket
from upproxy.deploy.together import in_all


class Stage(NamedTuple):
    """What there is of a stage in some regions: by region, and whether it has a role."""

    regions: dict[str, found.Found]
    has_role: bool


def look(session: Session, names: Names, regions: Iterable[str]) -> Stage:
    """Find out what there is, which is to be done before anything is deleted.

    Raises NotOurs where the function or role are not ours, and AwsError.
    """
    has_role = found.look_for_role(names, Roles(session)).role is not None
    return Stage(
        in_all(regions, lambda region: found.look(names, Functions(session, region), LogGroups(session, region))),
        has_role,
    )


def remove(
    session: Session, names: Names, stage: Stage, report: Callable[[str], None], *, others: Iterable[str] = ()
) -> list[str]:
    """Delete a stage, but for its stack, and return what is left alone since it does not carry our tags.

    The role stays while the stage has a function in one of the `others` of its regions. Raises AwsError.
    """
    left = in_all(stage.regions, lambda region: _remove_in(session, names, region, stage.regions[region], report))
    elsewhere = [region for region in others if Functions(session, region).find(names.function) is not None]
    if stage.has_role and elsewhere:
        report(f"the role {names.role} stays: {names.function} in {', '.join(elsewhere)} needs it")
    elif stage.has_role:
        report(f"delete the role {names.role}")
        Roles(session).delete(names.role)
    return [f"{one} in {region}" for region, ones in left.items() for one in ones]


def _remove_in(
    session: Session, names: Names, region: str, there: found.Found, report: Callable[[str], None]
) -> list[str]:
    functions, log_groups = Functions(session, region), LogGroups(session, region)
    if there.function is not None:
        report(f"delete the function {names.function} in {region}")
        functions.delete(names.function)
    if there.log_group is not None and there.log_group_is_ours:
        report(f"delete the log group {names.log_group} in {region}")
        log_groups.delete(names.log_group)
    left = [] if there.log_group_is_ours else [f"the log group {names.log_group}"]
    left += [f"the parameter {path}" for path in Variables(session, region, names).clear(report)]
    artefacts = Artefacts(session, region, bucket(session.account, region))
    for key in artefacts.keys(f"{names.function}/"):
        artefacts.delete(key)
    artefacts.remove()
    return left

"""The end of a stage: everything that its deploys have made is deleted, and nothing else.

In this order, so that an interrupted removal can be done again: what serves, what it writes to, what it was made from,
and at last the role, which all regions share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from upproxy.aws.artefacts import Artefacts
from upproxy.aws.functions import Functions
from upproxy.aws.log_groups import LogGroups
from upproxy.aws.roles import Roles
from upproxy.aws.session import Session
from upproxy.deploy import found
from upproxy.deploy.environment import Variables
from upproxy.deploy.names import Names, bucket
from upproxy.deploy.together import in_all


def remove(
    session: Session, names: Names, regions: Iterable[str], report: Callable[[str], None], *, others: Iterable[str] = ()
) -> list[str]:
    """Delete a stage, but for its stack, and return what is left alone since it does not carry our tags.

    The role stays while the stage has a function in one of the `others` of its regions. Raises NotOurs where the
    function or role are not ours, before anything is deleted; and AwsError.
    """
    roles = Roles(session)
    role = found.look_for_role(names, roles).role
    regions = list(regions)
    looked = in_all(regions, lambda region: found.look(names, Functions(session, region), LogGroups(session, region)))
    left = in_all(regions, lambda region: _remove_in(session, names, region, looked[region], report))
    elsewhere = [region for region in others if Functions(session, region).find(names.function) is not None]
    if role is not None and elsewhere:
        report(f"the role {names.role} stays: {names.function} in {', '.join(elsewhere)} needs it")
    elif role is not None:
        report(f"delete the role {names.role}")
        roles.delete(names.role)
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

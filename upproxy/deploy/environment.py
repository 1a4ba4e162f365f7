"""The secret variables of a stage: kept in SSM, and given to the function when it is deployed.

Values are read only where they are needed, and are in no `repr` and no error. What is compared between two releases are
versions, never values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from upproxy.aws.errors import AccessDenied, AwsError
from upproxy.aws.parameters import MOST_BYTES, Parameters
from upproxy.aws.session import Session
from upproxy.config import alerts
from upproxy.config.masking import MASK
from upproxy.config.middleware import private, references
from upproxy.config.settings import StageSettings
from upproxy.deploy.errors import DeployError, NotOurs, Unhealthy
from upproxy.deploy.names import APP_TAG, STAGE_TAG, Names

LIMIT = 4096
"""Bytes that Lambda takes for all variables of a function: their JSON, so that names, quotes and commas count too."""
WRAPPER = "/var/task/.upproxy/bootstrap"
FINGERPRINT = "UPPROXY_CONFIGURATION"
"""The function's variable that has the fingerprint of its configuration, which so is a part of each version."""
OURS = frozenset(("AWS_LAMBDA_EXEC_WRAPPER", FINGERPRINT))
"""The function's variables that are no secrets."""
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")  # EnvironmentVariableName of Lambda's API
_RESERVED = re.compile(r"(AWS|LAMBDA|UPPROXY)_.*|PORT|UP_STAGE|UP_RESTARTS")
_FROM_LAMBDA = frozenset(("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TZ"))  # and may be set all the same
_ANY_HASH = "0" * 64
_LARGEST = 5  # variables that are named where there is no room for all
_GUESSABLE = 4  # characters below which a text in an error is not taken for a secret


class VariableError(DeployError):
    """A variable cannot be had as it is. `str(error)` says why, without its value."""


@dataclass(frozen=True)
class Variable:
    """A variable. `value` is there where it was asked for."""

    name: str
    version: int
    modified: datetime
    value: str = field(default="", repr=False)


class Variables:
    """The secret variables of a stage in a region. All methods raise AwsError."""

    def __init__(self, session: Session, region: str, names: Names) -> None:
        self._parameters = Parameters(session, region)
        self._names = names
        self.region = region

    def listed(self) -> list[Variable]:
        """Return the variables by name, without values."""
        return self._read(decrypted=False)

    def values(self) -> list[Variable]:
        """Return the variables with their values, for a deploy: versions and values are of one and the same answer."""
        return self._read(decrypted=True)

    def find(self, name: str) -> Variable | None:
        """Return a variable with its value."""
        found = self._parameters.find(self._path(name))
        return _variable(found, decrypted=True) if found else None

    def add(self, name: str, value: str, tags: Mapping[str, str]) -> int:
        """Keep a value under a new name or a new value under an old one; return its version.

        `tags` are added to ours. Raises NotOurs where the parameter is somebody else's.
        """
        path = self._path(name)
        with concealing([value]):
            if self._own(path):
                return self._parameters.replace(path, value)
            return self._parameters.create(path, value, self._names.tags(tags))

    def check(self, values: Mapping[str, str]) -> None:
        """Raise VariableError for values to be added that neither SSM nor Lambda takes, alone or with what is there.

        Who may write and not read is told of the latter by the deploy.
        """
        for name, value in values.items():
            check_name(name)
            check_value(name, value)
        try:
            there = self.values()
        except AccessDenied:
            there = []
        added = [Variable(name, 0, datetime.now(UTC), value) for name, value in values.items()]
        of_function([*(one for one in there if one.name not in values), *added], _ANY_HASH)

    def remove(self, names: Iterable[str]) -> None:
        """Delete variables with all their versions. Raises NotOurs where a parameter is somebody else's."""
        self._parameters.delete([path for path in map(self._path, dict.fromkeys(names)) if self._own(path)])

    def clear(self, report: Callable[[str], None]) -> list[str]:
        """Delete all variables that are ours, and return the paths of those that are not."""
        paths = [self._path(variable.name) for variable in self.listed()]
        ours = [path for path in paths if self._names.own(self._parameters.tags(path) or {})]
        if ours:
            report(f"delete {len(ours)} {'variable' if len(ours) == 1 else 'variables'} in {self.region}")
            self._parameters.delete(ours)
        return [path for path in paths if path not in ours]

    def _own(self, path: str) -> bool:
        """Whether a parameter exists. Raises NotOurs where it is there without our tags."""
        tags = self._parameters.tags(path)
        if tags is not None and not self._names.own(tags):
            raise NotOurs(
                f"the parameter {path} in {self.region} was not made by upproxy",
                f"Give it the tags {APP_TAG}={self._names.app} and {STAGE_TAG}={self._names.stage}, "
                "or delete it in the SSM console.",
            )
        return tags is not None

    def _path(self, name: str) -> str:
        return self._names.parameters + name

    def _read(self, *, decrypted: bool) -> list[Variable]:
        found = self._parameters.below(self._names.parameters, decrypted=decrypted)
        return sorted((_variable(one, decrypted=decrypted) for one in found), key=lambda variable: variable.name)


def _variable(parameter: Mapping[str, Any], *, decrypted: bool) -> Variable:
    name = parameter["Name"].rpartition("/")[2]
    modified = parameter["LastModifiedDate"].astimezone(UTC)
    return Variable(name, parameter["Version"], modified, parameter["Value"] if decrypted else "")


def fingerprint(variables: Iterable[Variable]) -> list[tuple[str, int, str]]:
    """Return what of variables goes into the hash of a function's configuration: enough to notice every change.

    The time is in it since versions begin anew when a variable is removed and added again.
    """
    return sorted((one.name, one.version, one.modified.isoformat(timespec="milliseconds")) for one in variables)


def of_function(variables: Sequence[Variable], configuration: str) -> dict[str, str]:
    """Return all variables that a function has on Lambda, with the hash of its configuration.

    Raises VariableError for names that Lambda or upproxy has a use of its own for, and where Lambda has no room.
    """
    for variable in variables:
        check_name(variable.name)
    values = {variable.name: variable.value for variable in variables}
    complete = {"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER, FINGERPRINT: configuration, **values}
    if (whole := size(complete)) > LIMIT:
        sizes = sorted(((size({name: value}), name) for name, value in values.items()), reverse=True)
        largest = ", ".join(f"{name} {one:,}" for one, name in sizes[:_LARGEST])
        raise VariableError(
            f"the variables come to {whole:,} bytes together, and Lambda takes {LIMIT:,}; the largest are {largest}",
            "Let the app read large ones from SSM, Secrets Manager or S3 itself when it starts (`lambda.policy` can "
            "allow that), or write what is no secret under `environment` in up.yml, which this limit is not about.",
        )
    return complete


def check_name(name: str) -> None:
    """Raise VariableError for a name that Lambda does not take, or that is set by Lambda or upproxy."""
    if not _NAME.fullmatch(name):
        raise VariableError(
            f"{name!r} is no name for a variable", "Lambda wants a letter first, then letters, digits and underscores."
        )
    if _RESERVED.fullmatch(name):
        raise VariableError(
            f"{name} is set by AWS or by upproxy", "Choose another name; what the app may do on AWS is `lambda.policy`."
        )


def check_value(name: str, value: str) -> None:
    """Raise VariableError for a value that cannot be kept in SSM or be in an environment."""
    if not value:
        raise VariableError(f"the value of {name} is empty", f"Remove it instead: `upproxy env rm {name}`.")
    if "\0" in value:
        raise VariableError(f"the value of {name} has a NUL in it", "No variable can; encode it, such as in base64.")
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        raise VariableError(f"the value of {name} is no UTF-8", "Encode it, such as in base64.") from None
    if length > MOST_BYTES:
        raise VariableError(
            f"the value of {name} has {length:,} bytes, and SSM takes {MOST_BYTES:,}",
            "Lambda takes no more than that for all variables together. Keep it in Secrets Manager or S3, where the "
            "app can read it when it starts (`lambda.policy` can allow that).",
        )


def unset(settings: StageSettings, names: Iterable[str]) -> list[str]:
    """Return what the app or its proxy needs, by `${NAME}` in up.yml, and is no variable, nor set by AWS or upproxy."""
    wanted = _referred(settings).difference(names, _FROM_LAMBDA)
    return sorted(name for name in wanted if not _RESERVED.fullmatch(name))


def of_alerts(settings: StageSettings) -> list[str]:
    """Return what `actions` alone refer to. The notifier reads these variables itself, and the function has none."""
    return sorted(alerts.variables(settings.actions) - _referred(settings))


def untold(settings: StageSettings, names: Iterable[str]) -> list[str]:
    """Return what the actions of alerts need, and nothing else does, and is not among the variables."""
    return sorted(alerts.variables(alerts.taken(settings)) - _referred(settings) - set(names))


def of_app(settings: StageSettings, variables: Iterable[Variable]) -> list[Variable]:
    """Return the variables that the function has."""
    others = of_alerts(settings)
    return [variable for variable in variables if variable.name not in others]


def _referred(settings: StageSettings) -> set[str]:
    return {name for value in settings.environment.values() for name in references(value)} | set(private(settings))


def covered(settings: StageSettings, names: Iterable[str]) -> list[str]:
    """Return the variables that the app never sees, since `environment` in up.yml gives their names other values."""
    said = settings.environment
    return sorted(name for name in names if name in said and name not in references(said[name]))


@contextmanager
def concealing(values: Iterable[str]) -> Iterator[None]:
    """Keep values out of the errors of AWS, some of which repeat what was sent, such as Lambda's about its limit.

    And out of what an app says that is not healthy.
    """
    try:
        yield
    except (AwsError, Unhealthy) as error:
        values = list(values)
        error.args = (_concealed(error.args[0], values),)
        error.hint = _concealed(error.hint, values)
        error.__context__ = None  # the error of botocore, which says the same
        raise error from None


def _concealed(text: str, values: Iterable[str]) -> str:
    for value in sorted(set(values), key=len, reverse=True):
        for form in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
            if len(form) >= _GUESSABLE:
                text = text.replace(form, MASK)
    return text


def size(values: Mapping[str, str]) -> int:
    """Return how many bytes variables are by Lambda's measure."""
    return len(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode())

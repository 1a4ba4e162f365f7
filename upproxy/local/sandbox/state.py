"""What there is of a function: its versions, aliases, and all that belongs to them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.configuration import Document
from upproxy.local.sandbox.policies import Policy


@dataclass
class Version:
    """$LATEST, or a published version: its configuration as AWS shows it, and its code."""

    configuration: Document
    code: bytes

    @property
    def number(self) -> str:
        """The version."""
        return str(self.configuration["Version"])

    @property
    def name(self) -> str:
        """The function's name."""
        return str(self.configuration["FunctionName"])

    @property
    def region(self) -> str:
        """The region."""
        return str(self.configuration["FunctionArn"]).split(":")[3]

    def touch(self) -> None:
        """Note that it has changed."""
        self.configuration["RevisionId"] = str(uuid.uuid4())


class Invoked(NamedTuple):
    """The version that an invocation gets, and by which qualifier; that is empty for the function itself."""

    version: Version
    qualifier: str


@dataclass
class Function:
    """A function with all that belongs to it; what is by qualifier has the empty one for the function itself."""

    latest: Version
    tags: dict[str, str]
    versions: dict[str, Version] = field(default_factory=dict)
    aliases: dict[str, Document] = field(default_factory=dict)
    urls: dict[str, Document] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    provisioned: dict[str, int] = field(default_factory=dict)
    reserved: int | None = None
    published: int = 0

    def forget(self, qualifier: str) -> None:
        """Forget what belongs to a version or alias that there is no longer."""
        for kept in (self.urls, self.policies, self.provisioned):
            kept.pop(qualifier, None)


def function_arn(region: str, name: str) -> str:
    """Return the ARN of a function."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"


def split_name(text: str) -> tuple[str, str]:
    """Return the name and the qualifier, which may be empty, of a function's name or ARN."""
    name, _, qualifier = text.rpartition("function:")[2].partition(":")
    return name, qualifier


def weights_of(alias: Mapping[str, Any]) -> dict[str, float]:
    """Return the weights of an alias's other version."""
    return dict((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})

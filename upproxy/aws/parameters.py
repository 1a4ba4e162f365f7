"""SSM Parameter Store: texts kept encrypted, by names that are paths.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/ has the shapes of all that is passed through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from upproxy.aws.errors import NotFound
from upproxy.aws.session import Session

MOST_BYTES = 4096
"""What a value may have in the tier that costs nothing."""
_AT_ONCE = 10  # names that one call deletes


class Parameters:
    """The parameters of a region. Values are encrypted with the account's key for SSM, `alias/aws/ssm`."""

    def __init__(self, session: Session, region: str) -> None:
        self._ssm = session.service("ssm", region)

    def below(self, path: str, *, decrypted: bool = False) -> list[dict[str, Any]]:
        """Return what is directly below a path: `Name`, `Version`, `LastModifiedDate`; `Value` is for the decrypted."""
        pages = self._ssm.pages("GetParametersByPath", Path=path.rstrip("/"), WithDecryption=decrypted)
        return [parameter for page in pages for parameter in page["Parameters"]]

    def find(self, name: str) -> dict[str, Any] | None:
        """Return a parameter with its `Value` decrypted."""
        try:
            found: dict[str, Any] = self._ssm.call("GetParameter", Name=name, WithDecryption=True)["Parameter"]
        except NotFound:
            return None
        return found

    def tags(self, name: str) -> dict[str, str] | None:
        """Return the tags of a parameter; None where there is none."""
        try:
            answer = self._ssm.call("ListTagsForResource", ResourceType="Parameter", ResourceId=name)
        except NotFound:
            return None
        return {tag["Key"]: tag["Value"] for tag in answer["TagList"]}

    def create(self, name: str, value: str, tags: Mapping[str, str]) -> int:
        """Keep a value under a new name, and return its version, 1. Raises Conflict where the name exists."""
        listed = [{"Key": key, "Value": text} for key, text in tags.items()]
        return self._put(name, value, Tags=listed)  # AWS takes tags for new names only

    def replace(self, name: str, value: str) -> int:
        """Keep a value under a name that exists, and return its version."""
        return self._put(name, value, Overwrite=True)

    def delete(self, names: Sequence[str]) -> None:
        """Delete parameters with all their versions."""
        for start in range(0, len(names), _AT_ONCE):
            self._ssm.call("DeleteParameters", Names=list(names[start : start + _AT_ONCE]))

    def _put(self, name: str, value: str, **more: Any) -> int:
        answer = self._ssm.call("PutParameter", Name=name, Value=value, Type="SecureString", Tier="Standard", **more)
        return int(answer["Version"])

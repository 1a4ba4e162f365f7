"""The base of every options class: fields are annotations with defaults, written once and read twice.

Inside Lambda they are filled from the manifest, which the build has validated; `upproxy.config` derives its strict
models and the JSON schema from the same annotations.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class Options:
    """Plain annotated fields; a field without a default has to be given."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    @classmethod
    def from_manifest(cls, section: dict[str, Any] | None) -> Self:
        """Fill the fields from a section of the manifest; one that is absent means all defaults."""
        return cls(**(section or {}))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"

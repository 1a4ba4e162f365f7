"""What a build ends with when it cannot be done."""

from __future__ import annotations


class BuildError(Exception):
    """The artefact cannot be built. `str(error)` says what is wrong and where, `hint` what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

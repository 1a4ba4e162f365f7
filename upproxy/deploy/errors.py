"""What a deploy can fail with beyond what AWS says."""

from __future__ import annotations


class DeployError(Exception):
    """It cannot be done. `str(error)` says what is wrong, `hint` what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NotDeployed(DeployError):
    """There is no such stage, or no such release of it."""


class NotOurs(DeployError):
    """Something has the name that we need, and does not carry our tags: it is never changed."""


class Unhealthy(DeployError):
    """The new release does not answer as it should; traffic stays where it was. `hint` is what the app said."""


class Pending(DeployError):
    """Something else has to happen first, outside of our hands; the next run goes on from there."""

"""What a command can end with: each error has a stable code, an exit status and the next step."""

from __future__ import annotations

INTERRUPTED = 130


class CommandError(Exception):
    """A command failed, for a reason that the message tells and with a hint what to do next."""

    code = "failed"
    status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(CommandError):
    """The command line or the configuration is wrong."""

    code = "usage"
    status = 2


class PermissionDenied(CommandError):
    """Credentials are missing, or do not allow it."""

    code = "permission"
    status = 3


class Conflict(CommandError):
    """Something else is in the way, or a quota is."""

    code = "conflict"
    status = 4


class BuildFailed(CommandError):
    """The build failed."""

    code = "build"
    status = 5


class Unhealthy(CommandError):
    """The new release did not answer, and the old one is back."""

    code = "unhealthy"
    status = 6


_LOWER_LAYERS = {
    "upproxy.config.errors.ConfigError": ("configuration", 2),
    "upproxy.build.errors.BuildError": ("build", 5),
    "upproxy.deploy.errors.Unhealthy": ("unhealthy", 6),
    "upproxy.deploy.errors.NotOurs": ("conflict", 4),
    "upproxy.deploy.errors.Pending": ("pending", 1),
    "upproxy.deploy.errors.DeployError": ("failed", 1),
    "upproxy.deploy.environment.VariableError": ("usage", 2),
    "upproxy.deploy.errors.NotDeployed": ("not_deployed", 1),
    "upproxy.observe.logs.query.errors.QueryError": ("usage", 2),
    "upproxy.aws.errors.CredentialsError": ("permission", 3),
    "upproxy.aws.errors.AccessDenied": ("permission", 3),
    "upproxy.aws.errors.Conflict": ("conflict", 4),
    "upproxy.aws.errors.QuotaExceeded": ("conflict", 4),
    "upproxy.aws.errors.Throttled": ("conflict", 4),
    "upproxy.aws.errors.AwsError": ("aws", 1),
}
"""Codes and exit statuses of errors from below, by name, so that no layer is imported only to be told apart."""


def known(error: BaseException) -> CommandError | None:
    """Return an error as one of this tree; None for one that nobody foresaw."""
    if isinstance(error, CommandError):
        return error
    for kind in type(error).__mro__:
        if entry := _LOWER_LAYERS.get(f"{kind.__module__}.{kind.__qualname__}"):
            told = CommandError(str(error), getattr(error, "hint", ""))
            told.code, told.status = entry
            return told
    return None

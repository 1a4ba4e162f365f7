"""`upproxy exec`: a one-off command beside the deployed app."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from upproxy.cli.errors import CommandError, UsageError, known
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from upproxy.deploy.live import Ended

# As `env`, `timeout` and the like have them (POSIX.1-2024, "env"; coreutils, "timeout").
TIMED_OUT = 124
OURS = 125
SIGNALLED = 128

_RESERVE = 1.0  # seconds of the function's time-out that are needed for the answer
_CONFIRMED = "production"


# All that follows the first word is the command's, with or without `--`.
@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="After how long it is ended.  [default: shortly before lambda.timeout]",
)
@click.argument("words", metavar="COMMAND [ARGUMENTS]...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def command(call: Call, *, timeout: float | None, words: tuple[str, ...]) -> int:
    """Run a command beside the deployed app, in its environment and folder.

    Up.yml has to allow it, with `exec: true`. The command has nothing to read, and is ended with all that it has
    started, at its time-out or when it ends. The exit status is the command's own; 124 for the time-out, 125 where
    upproxy failed, 126 and 127 where the command could not be started, and 128 and more for a signal.
    """
    with _told_apart():
        ended = _run(call, words, timeout)
    if call.json:
        call.output.document(
            {
                "exit_code": ended.exit_code,
                "duration_ms": ended.duration_ms,
                "stdout": ended.printed("stdout").decode("utf-8", "replace"),
                "stderr": ended.printed("stderr").decode("utf-8", "replace"),
                "cut": ended.cut,
            }
        )
    else:
        _show(call, ended)
    return _status(ended)


def _run(call: Call, words: tuple[str, ...], timeout: float | None) -> Ended:
    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.aws.functions import Functions
    from upproxy.cli import stage
    from upproxy.deploy import live

    output = call.output
    opened = stage.opened(call)
    names = opened.names
    if not opened.config.settings.exec:
        raise UsageError(
            f"commands are not allowed on {names.stage}",
            hint=f"Write `exec: true` in up.yml, for all stages or this one, and `upproxy deploy {names.stage}`.",
        )
    asks = names.stage == _CONFIRMED and output.interactive
    if asks and not output.confirm(f"Run `{shlex.join(words)}` on {names.function}?"):
        raise CommandError("nothing was run")
    functions = Functions(opened.session, opened.region(call))
    configuration = live.configuration(functions, names)
    version, limit = configuration["Version"], float(configuration["Timeout"])
    longest = limit - _RESERVE
    if timeout is not None and timeout > longest:
        raise UsageError(
            f"--timeout is at most {longest:g} here: Lambda ends the function after {limit:g} s",
            hint="Raise `lambda.timeout` in up.yml, up to 900, and deploy.",
        )
    by = opened.session.identity["Arn"]
    try:
        return live.run(functions, names, version, words, timeout=timeout, limit=limit, by=by)
    except KeyboardInterrupt:
        output.warn(f"the command goes on, for at most {timeout or longest:g} s")
        raise


@contextmanager
def _told_apart() -> Iterator[None]:
    """Give our own failures a status of theirs: every other one is the command's."""
    try:
        yield
    except Exception as error:
        failure = known(error)
        if failure is None:
            raise
        failure.status = OURS
        raise failure from error


def _show(call: Call, ended: Ended) -> None:
    """Write what it has printed, byte by byte, to where it has printed it."""
    _write(ended.head)
    if ended.cut:
        call.output.note(f"[{ended.cut:,} bytes are left out here: a reply of Lambda has 6 MB at most]")
    _write(ended.tail)


def _write(pieces: Iterable[tuple[str, bytes]]) -> None:
    streams: dict[str, TextIO] = {"stdout": sys.stdout, "stderr": sys.stderr}
    for name, data in pieces:
        streams[name].buffer.write(data)
        streams[name].flush()


def _status(ended: Ended) -> int:
    """Return the exit status as shells have it. Raises CommandError where the command did not come to an end."""
    failure = None
    if ended.exit_code is None:
        failure = CommandError(
            f"the command was ended after {ended.duration_ms / 1000:.1f} s, with all that it had started",
            hint="--timeout gives it longer, at most as long as `lambda.timeout` in up.yml.",
        )
        failure.code, failure.status = "timed_out", TIMED_OUT
    elif ended.error:
        failure = CommandError(ended.error)
        failure.code, failure.status = "not_started", ended.exit_code
    if failure is not None:
        raise failure
    code = ended.exit_code or 0
    return code if code >= 0 else SIGNALLED - code

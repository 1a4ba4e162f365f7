"""Commands of the project's own around the build."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from upproxy.build.errors import BuildError

_GRACE = 2.0  # seconds between SIGTERM and SIGKILL


def run(
    name: str,
    commands: Sequence[str],
    directory: str,
    variables: Mapping[str, str],
    report: Callable[[str], None],
    *,
    raw: bool = True,
) -> None:
    """Run the commands of a hook in the project's folder, one after the other.

    `report` is called with a sentence before each. What they print goes to stderr as it is, or unless `raw` to `report`
    by lines. Raises BuildError when one fails, and runs no further.
    """
    for command in commands:
        report(f"{name}: {command}")
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=directory,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if raw else subprocess.PIPE,
            stderr=None if raw else subprocess.STDOUT,
            process_group=0,
        )
        try:
            for line in process.stdout or ():
                report(line.decode("utf-8", "replace").rstrip("\n"))
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        if code:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise BuildError(f"the hook {name} {how}: {command}", "Its output is above; hooks are in up.yml.")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it has started: an interrupted shell may leave its children behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

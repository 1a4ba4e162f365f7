"""Commands of the project's own around the build."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from upproxy.build.errors import BuildError


def run(
    name: str, commands: Sequence[str], directory: str, variables: Mapping[str, str], report: Callable[[str], None]
) -> None:
    """Run the commands of a hook in the project's folder, one after the other; what they print goes to stderr.

    `report` is called with a sentence before each. Raises BuildError when one fails, and runs no further.
    """
    for command in commands:
        report(f"{name}: {command}")
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=directory,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            check=False,
        )
        if done.returncode:
            code = done.returncode
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise BuildError(f"the hook {name} {how}: {command}", "Its output is above; hooks are in up.yml.")

"""Commands in a terminal: what is typed, and what is on the screen."""

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence


def in_terminal(
    command: Sequence[str], directory: object, environment: Mapping[str, str], typed: Sequence[bytes] = ()
) -> tuple[int, bytes]:
    """Run a command whose streams are a terminal, type each line after one more prompt; return status and screen."""
    controller, terminal = pty.openpty()
    shown, lines = b"", list(typed)
    with subprocess.Popen(
        command, cwd=directory, env={**environment, "TERM": "xterm"}, stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(terminal)
        try:
            while data := os.read(controller, 4096):
                shown += data
                if lines and shown.endswith(b": "):
                    os.write(controller, lines.pop(0) + b"\n")
        except OSError:  # the terminal has nobody left
            pass
        process.wait(60)
    os.close(controller)
    return process.returncode, shown

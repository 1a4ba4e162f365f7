"""The clipboard, by whichever tool the desktop has."""

from __future__ import annotations

import os
import shutil
import subprocess

from upproxy.cli.errors import CommandError

TOOLS = (
    ("WAYLAND_DISPLAY", ("wl-copy",)),
    ("DISPLAY", ("xclip", "-selection", "clipboard")),
    ("DISPLAY", ("xsel", "--clipboard", "--input")),
    ("", ("pbcopy",)),
)
"""Tools, and the variable that says that there is a desktop for them."""

_PATIENCE = 10  # seconds


def copy(text: str) -> None:
    """Put a text on the clipboard. Raises CommandError where there is none."""
    for variable, words in TOOLS:
        if (variable and not os.environ.get(variable)) or not shutil.which(words[0]):
            continue
        # Some go on in the background, for whoever pastes: nothing of ours may be held open by them.
        done = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            done.communicate(text.encode(), timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            done.kill()
            done.wait()
        if done.returncode == 0:
            return
    raise CommandError("there is no clipboard here", hint="wl-copy, xclip, xsel or pbcopy has to be there and work.")

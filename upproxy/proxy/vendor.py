"""Libraries that the build put beside the proxy, since something was asked for that needs them: loaded on first use."""

from __future__ import annotations

import sys

FOLDER = f"{__file__.rpartition('/upproxy/proxy/')[0]}/vendor"  # in an artefact


def look_into(*folders: str) -> None:
    """Let imports look into folders too, after all others."""
    sys.path += [folder for folder in folders if folder not in sys.path]

"""The command line. Importing it costs click alone; each command is imported when it is called."""

from __future__ import annotations

from upproxy.cli.frame import main

__all__ = ["main"]

"""TOML files that say what a project depends on."""

from __future__ import annotations

import os
import tomllib
from typing import Any

from upproxy.build.errors import BuildError


def read_table(path: str) -> dict[str, Any]:
    """Read a TOML file. Raises BuildError."""
    name = os.path.basename(path)
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise BuildError(f"cannot read {name}: {error.strerror}") from None
    except ValueError as error:  # also text that is no UTF-8
        raise BuildError(f"{name} is broken: {error}", "Write it anew with the tool that it comes from.") from None


def tables(value: Any) -> list[dict[str, Any]]:
    """Return the tables of an array; nothing for anything else."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def at(table: Any, *keys: str) -> Any:
    """Return what stands below keys, one in another; None where there is nothing."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table

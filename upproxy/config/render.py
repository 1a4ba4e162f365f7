"""Plain data to YAML."""

from __future__ import annotations

from typing import Any

import yaml


def to_yaml(data: Any) -> str:
    """Write plain data as YAML, in its own order, that `upproxy.config.document` reads back the same."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)

"""up.yml to a typed configuration, and on to the manifest that the proxy reads. The only importer of YAML."""

from __future__ import annotations

from upproxy.config.errors import ConfigError, Problem
from upproxy.config.load import Config, load
from upproxy.config.masking import masked
from upproxy.config.render import to_yaml
from upproxy.config.schema import json_schema

__all__ = ["Config", "ConfigError", "Problem", "json_schema", "load", "masked", "to_yaml"]

"""The query language of logs: `production (warn or error) duration > 1.5s` (docs/logs.md).

`parse` makes a syntax tree of the text, `predicate` what tests a line by it, `compile_pattern` what CloudWatch is
asked, `explain` says both in words. `may_keep` and `names` tell which log groups and lines it is about.
"""

from __future__ import annotations

from upproxy.observe.logs.query.errors import QueryError
from upproxy.observe.logs.query.evaluate import predicate
from upproxy.observe.logs.query.explain import explain
from upproxy.observe.logs.query.parse import parse
from upproxy.observe.logs.query.pattern import Pattern, compile_pattern
from upproxy.observe.logs.query.scope import may_keep, names

__all__ = ["Pattern", "QueryError", "compile_pattern", "explain", "may_keep", "names", "parse", "predicate"]

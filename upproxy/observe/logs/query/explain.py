"""Both halves of a query in words: what CloudWatch is asked, and what is left to test here."""

from __future__ import annotations

from collections.abc import Mapping

from upproxy.observe.logs.query.pattern import EVERYTHING, compile_pattern
from upproxy.observe.logs.query.tree import Node


def explain(node: Node, origin: Mapping[str, str] | None = None) -> str:
    """Return several lines for a person. `origin` has what is known of the log group, such as its stage."""
    pattern = compile_pattern(node, origin)
    lines = [f"The query means: {str(node) or 'every line'}"]
    for number, one in enumerate(pattern.patterns):
        lines.append(f"{'and' if number else 'CloudWatch is asked'} for: {'every line' if one == EVERYTHING else one}")
    missing = "; CloudWatch could not be asked for:" if pattern.local else "."
    lines.append(f"What comes back is tested here by the whole query{missing}")
    lines += [f"  {condition} ({reason})" for condition, reason in dict.fromkeys(pattern.local)]
    return "\n".join(lines)

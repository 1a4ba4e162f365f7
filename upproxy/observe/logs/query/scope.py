"""Where the lines that a query keeps can be: in the log groups of which stages and regions."""

from __future__ import annotations

from collections.abc import Mapping

from upproxy.observe.logs.query.evaluate import meaning
from upproxy.observe.logs.query.tree import Comparison, Node, Not, Or


def may_keep(node: Node, origin: Mapping[str, str]) -> bool:
    """Whether a query can keep a line of a log group, by what is known of the group, such as its stage."""
    return _possible(node, origin, kept=True)


def names(node: Node) -> frozenset[str]:
    """Return the names of the fields that a query asks for; of nested ones the first part."""
    match node:
        case Comparison(path):
            return frozenset((str(path[0]),))
        case Not(part):
            return names(part)
    return frozenset().union(*map(names, node.parts))


def _possible(node: Node, origin: Mapping[str, str], *, kept: bool) -> bool:
    match node:
        case Comparison(path, operator, values):
            known = origin.get(str(path[0])) if len(path) == 1 else None
            return known is None or meaning(operator, values)(known) is kept
        case Not(part):
            return _possible(part, origin, kept=not kept)
    possible = (_possible(part, origin, kept=kept) for part in node.parts)
    return any(possible) if isinstance(node, Or) is kept else all(possible)

"""What a client accepts: the lists with weights of Accept and Accept-Encoding (RFC 9110 section 12.4)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Headers

_NUMBER = frozenset("0123456789.")


def weights(value: str) -> dict[str, float]:
    """Return what a list names, in lower case and its order, each with its weight from 0 to 1.

    Parameters beside `q` do not count, of a name that comes twice the greater weight does. Members that are
    malformed are left out, so that they neither accept nor refuse anything.
    """
    found: dict[str, float] = {}
    for member in value.lower().split(","):
        name, *parameters = member.split(";")
        name = name.strip()
        weight: float | None = 1.0
        for parameter in parameters:
            key, _, text = parameter.partition("=")
            if key.strip() == "q":
                weight = _weight(text.strip())
        if name and weight is not None:
            found[name] = max(weight, found.get(name, 0.0))
    return found


def _weight(text: str) -> float | None:
    """Return a weight, None for what is none. More digits than the three of the grammar are taken."""
    if not _NUMBER.issuperset(text):
        return None
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if weight <= 1 else None


def accepted(headers: Headers, name: str) -> dict[str, float]:
    """Return the weights in a request's field, which may have come in several lines."""
    return weights(",".join(headers.get_all(name)))


def coding(accepted: dict[str, float], offered: tuple[str, ...]) -> str:
    """Choose a content coding: the client's favourite of those offered (best first), or `identity`.

    `identity` wins only where the client puts it above the others, or accepts none of them (RFC 9110 section 12.5.3:
    then it is sent even where it was refused).
    """
    best, most = "identity", 0.0
    others = accepted.get("*", 0.0)
    for name in offered:
        weight = accepted.get(name, accepted.get("x-gzip", others) if name == "gzip" else others)
        if weight > most:
            best, most = name, weight
    return best if most >= accepted.get("identity", others) else "identity"


def refuses_identity(accepted: dict[str, float]) -> bool:
    """Whether the client wants no plain body: `identity;q=0`, or `*;q=0` with no word on identity."""
    return accepted.get("identity", accepted.get("*", 1.0)) == 0

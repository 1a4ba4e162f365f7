"""`redirects`: redirects and rewrites by path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator

from upproxy.config.derive import Strict
from upproxy.config.errors import Path
from upproxy.config.values import wrong
from upproxy.proxy.middleware.patterns import PatternError
from upproxy.proxy.middleware.redirects import REWRITE, Location, Options, Rule, choose, ordered, reaches

if TYPE_CHECKING:
    from upproxy.config.settings import Settings

_WRITTEN = "".join(map(chr, range(0x21, 0x7F)))  # what stays as it is in a location
_SAMPLE = "x"  # stands for whatever a name matched


def _target(text: str) -> str:
    location = Location(text)
    if any(ord(character) < 0x20 or character in " \\\x7f" for character in text):
        raise wrong("expected a location without spaces, backslashes and control characters")
    if "*" in location.path:
        raise wrong("expected `:splat` for what `*` matched")
    if text.startswith("/"):
        if text.startswith("//"):
            raise wrong("expected one slash, or https:// before the name of a host")
        return text
    scheme, separator, rest = location.path.partition("://")
    host = rest.partition("/")[0]
    if separator and scheme in ("http", "https") and host:
        try:
            parts = urlsplit(f"{scheme}://{host}")
            usable = parts.hostname is not None and parts.port != 0 and parts.username is None
        except ValueError:
            usable = False  # a name such as `:id` in the place of a port, too
        if usable and host.isascii() and not Location(host).names:  # `:a` within the brackets of IPv6
            return text
        raise wrong("expected a host as it is written in addresses, with no names in it")
    raise wrong("expected a path that starts with / or an address with https://")


class Redirect(Strict):
    """Where a path leads."""

    location: Annotated[str, AfterValidator(_target)]
    """The target; `:name` and `:splat` stand for what the pattern matched."""
    status: Literal[200, 301, 302, 303, 307, 308] | None = None
    """A redirect's status; absent or 200 rewrites the path within the app."""
    force: bool = False
    """Rewrite even where the app has an answer of its own."""


def conflicts(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Go through what does not fit together, with its path."""
    rules: dict[str, Rule] = {}
    for path, redirect in settings.redirects.items():
        try:
            rules[path] = _rule(path, redirect)
        except PatternError as error:
            yield ("redirects", path), f"expected {error}"
    triggers = settings.triggers.path if settings.triggers else None
    for path, rule in rules.items():
        if problem := _problem(rule, ordered(list(rules.values())), triggers):
            yield ("redirects", path, "location"), problem
    seen: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for path, rule in rules.items():
        for other in seen.setdefault(rule.pattern.specificity, []):
            if _shape(other) == _shape(path):
                yield ("redirects", path), f"expected another pattern: `{other}` matches the same paths"
        seen[rule.pattern.specificity].append(path)


def _problem(rule: Rule, rules: list[Rule], triggers: str | None) -> str | None:
    """Say what is wrong with a rule's location, as `expected …`."""
    location = rule.location
    known = rule.pattern.match(rule.pattern.text.replace("*", _SAMPLE)) or {}
    if unknown := sorted(location.names - known.keys()):
        there = ", ".join(f"`:{name}`" for name in known) or "none"
        return f"expected names that the pattern has ({there}), not `:{unknown[0]}`; a colon itself is %3A"
    path, _ = location.fill(dict.fromkeys(known, _SAMPLE))
    within = path.startswith("/")
    if rule.status == REWRITE:
        if not within or location.fragment:
            return (
                "expected a path without a fragment: a rewrite stays within the app; for another site give a `status`"
            )
        if triggers is not None and _may_reach(location, triggers):
            return f"expected another path: {triggers} is for the events of `triggers` alone, which HTTP may not reach"
    elif within and (seen := _led_by(rule, rules, path)):
        return (
            f"expected another path: clients would be redirected for ever, by {', '.join(f'`{one}`' for one in seen)}"
        )
    return None


def _led_by(rule: Rule, rules: list[Rule], path: str) -> list[str]:
    """Return the patterns of the redirects that lead from a rule's location back to it; none where it is left."""
    seen = [rule.pattern.text]
    while (found := choose(rules, path)) is not None and found[0].status != REWRITE:
        following, values = found
        if following is rule:
            return seen
        path, _ = following.location.fill(values)
        if following.pattern.text in seen or not path.startswith("/"):
            return []
        seen.append(following.pattern.text)
    return []


def _may_reach(location: Location, triggers: str) -> bool:
    """Whether a location is the path of the triggers, or would be with the values that fit best."""
    if not location.names:
        return reaches(location.path, triggers)
    literals = location.literals
    lower = triggers.lower()
    return lower.startswith(literals[0].lower()) and lower.endswith(literals[-1].lower())


def _shape(pattern: str) -> str:
    """Return a pattern without the names that its segments have."""
    return "/".join(":" if segment.startswith(":") else segment for segment in pattern.split("/"))


def _rule(path: str, redirect: Redirect) -> Rule:
    return Rule(path, quote(redirect.location, safe=_WRITTEN), redirect.status or REWRITE, redirect.force)


def section(settings: Settings, directory: str) -> dict[str, Any] | None:  # noqa: ARG001
    """Return the middleware's options."""
    if not settings.redirects:
        return None
    rules = [
        {
            "path": path,
            "location": quote(redirect.location, safe=_WRITTEN),
            "status": redirect.status or REWRITE,
            "force": redirect.force,
        }
        for path, redirect in settings.redirects.items()
    ]
    return vars(Options(rules=rules, triggers=settings.triggers.path if settings.triggers else None))

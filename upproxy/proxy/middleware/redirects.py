"""Redirects and rewrites by path: the most specific pattern that matches decides."""

from __future__ import annotations

from upproxy.proxy.errors import Forbidden
from upproxy.proxy.messages import Headers, Response
from upproxy.proxy.middleware.failures import report
from upproxy.proxy.middleware.patterns import Pattern, normal, readings
from upproxy.proxy.middleware.target import ask_for
from upproxy.proxy.options import Options as BaseOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Request
    from upproxy.proxy.middleware.context import Context, Handler

REWRITE = 200
STATUSES = (REWRITE, 301, 302, 303, 307, 308)

_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_DIGITS = frozenset("0123456789")
# What a segment may hold as it is, and a value in a query may not.
_IN_QUERY = {ord(character): f"%{ord(character):02X}" for character in "&=+;"}


class Options(BaseOptions):
    """Redirects and rewrites (`redirects` in up.yml).

    Each rule has `path`, `location`, `status` (200 is a rewrite) and `force`. `triggers` is the path that no rewrite
    may reach.
    """

    rules: list[dict[str, Any]]
    triggers: str | None = None


class Location:
    """A target with names in it: `/items/:id?from=:splat`, or with a scheme and a host before.

    `names` are those that it has; `path`, `query` and `fragment` its parts as they were written.
    """

    __slots__ = ("_path", "_query", "fragment", "path", "query")

    def __init__(self, text: str) -> None:
        text, _, self.fragment = text.partition("#")
        self.path, _, self.query = text.partition("?")
        self._path = _pieces(self.path)
        self._query = _pieces(self.query)

    @property
    def names(self) -> set[str]:
        """What has to be known to fill it."""
        return {*self._path[1::2], *self._query[1::2]}

    @property
    def literals(self) -> list[str]:
        """The texts of the path before, between and after the names."""
        return self._path[::2]

    def fill(self, values: dict[str, str]) -> tuple[str, str]:
        """Return path and query with the values, which are in normal form, in the names' place.

        A path within the site begins with one slash, whatever the values: two would begin a host's name.
        """
        path = _filled(self._path, values)
        if path.startswith("/"):
            path = "/" + path.lstrip("/")
        if not self._query[1:]:
            return path, self.query
        return path, _filled(self._query, {name: value.translate(_IN_QUERY) for name, value in values.items()})


def _pieces(text: str) -> list[str]:
    """Split at names: literal, name, literal, name, …, literal. A colon before anything else is one."""
    pieces = [""]
    first, *rest = text.split(":")
    pieces[0] = first
    for part in rest:
        length = 0
        while length < len(part) and part[length] in _WORD:
            length += 1
        if length and part[0] not in _DIGITS:
            pieces += part[:length], part[length:]
        else:
            pieces[-1] += f":{part}"
    return pieces


def _filled(pieces: list[str], values: dict[str, str]) -> str:
    return "".join([values[piece] if at % 2 else piece for at, piece in enumerate(pieces)])


class Rule:
    """A pattern, and where it leads."""

    __slots__ = ("force", "location", "pattern", "status")

    def __init__(self, path: str, location: str, status: int, force: bool) -> None:
        """Read the texts. Raises PatternError."""
        self.pattern = Pattern(path)
        self.location = Location(location)
        self.status = status
        self.force = force


def ordered(rules: list[Rule]) -> list[Rule]:
    """Return the rules, the most specific first."""
    return sorted(rules, key=lambda rule: rule.pattern.specificity, reverse=True)


def choose(rules: list[Rule], path: str) -> tuple[Rule, dict[str, str]] | None:
    """Return the first rule whose pattern matches a raw path, and what its names stand for."""
    path = normal(path)
    for rule in rules:
        values = rule.pattern.match_normal(path)
        if values is not None:
            return rule, values
    return None


def middleware(options: Options, following: Handler, context: Context) -> Handler:
    """Build the handler."""
    rules = ordered([Rule(**rule) for rule in options.rules])

    async def handle(request: Request) -> Response:
        chosen = choose(rules, request.path) if request.source != "trigger" else None
        if chosen is None:
            return await following(request)
        rule, values = chosen
        path, query = rule.location.fill(values)
        query = merged(query, request.query)
        if rule.status != REWRITE:
            return _redirect(request, rule, path, query)
        # A path with dot segments would lead out of where the rule leads, past the rules of `auth`.
        if (path, query) == (normal(request.path), request.query) or any(map(has_dots, values.values())):
            return await following(request)
        if options.triggers is not None and reaches(path, options.triggers):
            error = Forbidden("a rewrite to the path of the triggers")
            return report(context.log, error, request.invocation.request_id).response()
        if not rule.force:
            response = await following(request)
            if response.status != 404:
                return response
            if not isinstance(response.body, bytes):
                response.body.close()
        return await ask_for(path, query, request, following)

    return handle


def _redirect(request: Request, rule: Rule, path: str, query: str) -> Response:
    location = f"{request.prefix}{path}" if path.startswith("/") else path
    if query:
        location += f"?{query}"
    if rule.location.fragment:
        location += f"#{rule.location.fragment}"
    return Response(rule.status, Headers([("location", location)]))


def merged(own: str, sent: str) -> str:
    """Join a location's query and that of the request; what the location says cannot be said again by the client."""
    if not own or not sent:
        return own or sent
    names = {_name(pair) for pair in own.split("&")}
    return "&".join([own, *[pair for pair in sent.split("&") if _name(pair) not in names]])


def _name(pair: str) -> str:
    """Return the name of a pair in the one form of all its spellings."""
    return normal(pair.partition("=")[0].replace("+", "%20"))


def has_dots(value: str) -> bool:
    """Whether there are dot segments in a value, in any way that an app may read it."""
    return any(not {".", ".."}.isdisjoint(reading.split("/")) for reading in readings(f"/{value}"))


def reaches(path: str, target: str) -> bool:
    """Whether some app may take a raw path for a target."""
    wanted = _segments(normal(target))
    return any(_segments(reading) == wanted for reading in readings(path))


def _segments(path: str) -> list[str]:
    return [segment for segment in path.lower().split("/") if segment]

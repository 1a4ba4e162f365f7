"""Cross-origin requests: preflights are answered here, responses say who may read them (Fetch standard, section 3.2).

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from upproxy.proxy import options
from upproxy.proxy.messages import Headers, Response
from upproxy.proxy.middleware.representation import vary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request
    from upproxy.proxy.middleware.context import Context, Handler


class Options(options.Options):
    """Who may ask, and for what.

    `allowed_origins` are origins, such as `https://shop.example`; in one `*` may stand for subdomains
    (`https://*.shop.example`) or for a port (`http://localhost:*`), and `*` alone for all origins, which does not go
    with `allow_credentials`. Header names are lower case. `*` among methods or header fields means all of them.
    `max_age` is in seconds; 0 leaves it to browsers.
    """

    allowed_origins: list[str]
    allowed_methods: list[str]
    allowed_headers: list[str] = []  # noqa: RUF012  # never changed in place
    exposed_headers: list[str] = []  # noqa: RUF012
    max_age: int = 0
    allow_credentials: bool = False
    allow_private_network: bool = False
    debug: bool = False


# Browsers ask for these only where the value is not harmless, such as `Content-Type: application/json`.
_ALWAYS_ALLOWED = ("accept", "accept-language", "content-language", "content-type")

_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")
_DIGITS = frozenset("0123456789")

_OURS = (
    "access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods",
    "access-control-allow-headers", "access-control-allow-private-network", "access-control-expose-headers",
    "access-control-max-age",
)  # fmt: skip

_PREFLIGHT_VARIES = (
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
)


class Origins:
    """Which origins may ask."""

    def __init__(self, origins: list[str]) -> None:
        self.all = "*" in origins
        self._exact = frozenset(origins)
        self._around = [origin.partition("*")[::2] for origin in origins if "*" in origin]

    def allow(self, origin: str) -> bool:
        """Whether an origin, as browsers write it in the field of that name, is among them."""
        if self.all or (origin in self._exact and "*" not in origin):
            return True
        for before, after in self._around:
            middle = origin[len(before) : len(origin) - len(after)]
            within = _HOST if after else _DIGITS  # a `*` at the end is a port
            if middle and within.issuperset(middle) and origin == f"{before}{middle}{after}":
                return True
        return False


class Policy:
    """Decides about requests and says so in header fields."""

    def __init__(self, options: Options) -> None:
        self.origins = Origins(options.allowed_origins)
        self._methods = frozenset(options.allowed_methods)
        self._headers = frozenset((*options.allowed_headers, *_ALWAYS_ALLOWED))
        self._named_methods = ", ".join(options.allowed_methods)
        self._named_headers = ", ".join(sorted(self._headers))
        self._private_network = options.allow_private_network
        self._max_age = str(options.max_age) if options.max_age else ""
        self._everywhere = [("access-control-allow-credentials", "true")] if options.allow_credentials else []
        self._exposed = ", ".join(options.exposed_headers)

    def objection(self, request: Request) -> str:
        """Return why a preflight is refused, empty where it is not."""
        asked = request.headers
        if not self.origins.allow(origin := asked.get("origin")):
            return f"the origin {origin:.200} is not among `allowed_origins`"
        method = asked.get("access-control-request-method")
        if method not in self._methods and "*" not in self._methods:
            return f"the method {method:.40} is not among `allowed_methods`"
        if "*" not in self._headers:
            for name in _members(asked.get_all("access-control-request-headers")):
                if name not in self._headers:
                    return f"the header field {name:.80} is not among `allowed_headers`"
        if asked.get("access-control-request-private-network") == "true" and not self._private_network:
            return "`allow_private_network` is off"
        return ""

    def preflight(self, request: Request) -> Headers:
        """Return the fields of the answer to a preflight that nothing is objected to."""
        asked = request.headers
        headers = Headers([("vary", _PREFLIGHT_VARIES)])
        self._name_origin(headers, asked.get("origin"))
        method = asked.get("access-control-request-method")
        headers.add("access-control-allow-methods", method if "*" in self._methods else self._named_methods)
        names = _members(asked.get_all("access-control-request-headers"))
        if "*" not in self._headers:
            headers.add("access-control-allow-headers", self._named_headers)
        elif names:  # by name, since a `*` would not stand for Authorization
            headers.add("access-control-allow-headers", ", ".join(names))
        if self._private_network and asked.get("access-control-request-private-network") == "true":
            headers.add("access-control-allow-private-network", "true")
        if self._max_age:
            headers.add("access-control-max-age", self._max_age)
        return headers

    def mark(self, headers: Headers, origin: str) -> bool:
        """Say in a response's fields whether an origin may read it; return whether it may."""
        headers.remove(*_OURS)
        if not self.origins.all:
            vary(headers, "Origin")
        if not self.origins.all and not (origin and self.origins.allow(origin)):
            return False
        self._name_origin(headers, origin)
        if self._exposed:
            headers.add("access-control-expose-headers", self._exposed)
        return True

    def _name_origin(self, headers: Headers, origin: str) -> None:
        headers.add("access-control-allow-origin", "*" if self.origins.all else origin)
        headers.items += self._everywhere


def _members(values: list[str]) -> list[str]:
    """Split lists of names; the names are in lower case."""
    return [name for value in values for part in value.split(",") if (name := part.strip().lower())]


def middleware(options: Options, following: Handler, context: Context) -> Handler:
    """Build the handler."""
    policy = Policy(options)

    def tell(request: Request, message: str) -> None:
        if options.debug:
            context.log.write(
                "debug", message, origin=request.headers.get("origin"), request_id=request.invocation.request_id
            )

    async def handle(request: Request) -> Response:
        origin = request.headers.get("origin")
        if request.method == "OPTIONS" and origin and "access-control-request-method" in request.headers:
            objection = policy.objection(request)
            tell(request, f"cors: preflight {f'refused: {objection}' if objection else 'allowed'}")
            if not objection:
                return Response(204, policy.preflight(request))
            headers = Headers([("content-type", "text/plain; charset=utf-8"), ("vary", _PREFLIGHT_VARIES)])
            return Response(403, headers, f"Cross-origin request refused: {objection}\n".encode("utf-8", "replace"))
        response = await following(request)
        allowed = policy.mark(response.headers, origin)
        if origin:
            tell(request, f"cors: response {'may' if allowed else 'may not'} be read")
        return response

    return handle

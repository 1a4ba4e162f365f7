"""Who may pass, by path: the first rule that matches decides.

A rule lets everybody pass (`public`), or certain networks (`ip`), or those who show one of the credentials that it
takes (`basic`, `api_key`, `jwt`); with networks and credentials both are needed. A path that apps may read in more than
one way has to satisfy the rule of every reading. What no rule matches is open.

Who has passed is told to the app in `X-Auth-Method`, `X-Auth-User` and, for tokens, `X-Auth-Claims`. No client can send
them itself: the codecs of the events drop such fields. Keys in the query are taken out of it, since addresses are
written down in too many places.
"""

from __future__ import annotations

from upproxy.proxy import options
from upproxy.proxy.messages import Headers, Response
from upproxy.proxy.middleware.auth.credentials import Identity, Refused
from upproxy.proxy.middleware.failures import report
from upproxy.proxy.middleware.patterns import FirstMatch
from upproxy.proxy.middleware.target import ask_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Request
    from upproxy.proxy.middleware.auth.credentials import Method
    from upproxy.proxy.middleware.auth.ip import Ip
    from upproxy.proxy.middleware.context import Context, Handler

METHODS = {"basic": "Basic", "api_key": "ApiKey", "jwt": "Jwt"}
"""Ways to show who one is: modules of this package, with their classes. Only those of some rule are imported."""

_TRIGGER = "trigger"  # events that Lambda itself hands over; nobody came by HTTP
_REASONS = {401: b"Unauthorized\n", 403: b"Forbidden\n"}


class Options(options.Options):
    """The rules, each with the fields of `Rule`."""

    rules: list[dict[str, Any]]


class RuleOptions(options.Options):
    """One rule. What is None is not asked for; `public` stands alone."""

    path: str = "/*"
    public: bool = False
    basic: dict[str, Any] | None = None
    api_key: dict[str, Any] | None = None
    jwt: dict[str, Any] | None = None
    ip: dict[str, Any] | None = None


class Rule:
    """Decides about requests to one path. Raises ManifestError for a variable that is missing or cannot be used."""

    def __init__(self, rule: RuleOptions, context: Context) -> None:
        self.path = rule.path
        self.parameter: str | None = (rule.api_key or {}).get("query")  # of the query, where it holds the key
        self.methods: list[Method] = []
        self.networks: Ip | None = None
        if rule.ip is not None:
            from upproxy.proxy.middleware.auth.ip import Ip, Options

            self.networks = Ip(Options.from_manifest(rule.ip))
        for name, kind in METHODS.items():
            section = getattr(rule, name)
            if section is not None:
                module = __import__(f"{__name__}.{name}", fromlist=[kind])
                self.methods.append(getattr(module, kind)(module.Options.from_manifest(section), context))

    async def check(self, request: Request) -> Identity | None:
        """Return who the request comes from, None where nobody is asked. Raises Refused."""
        if self.networks is not None:
            self.networks.check(request.client)
        if not self.methods:
            return None
        refusal = Refused("no credentials", level="info")
        challenges = []
        for method in self.methods:
            try:
                identity = await method.identify(request)
            except Refused as error:
                refusal = error
                challenges += error.challenges or [method.challenge]
            else:
                if identity is not None:
                    return identity
                challenges.append(method.challenge)
        refusal.challenges = challenges
        raise refusal


def middleware(options: Options, following: Handler, context: Context) -> Handler:
    """Build the handler. Raises ManifestError."""
    rules = [Rule(RuleOptions.from_manifest(rule), context) for rule in options.rules]
    paths = FirstMatch([rule.path for rule in rules])

    async def handle(request: Request) -> Response:
        if request.source != _TRIGGER:
            identity = None
            query = request.query
            for position in sorted(paths.deciding(request.path)):
                if position < 0:
                    continue
                rule = rules[position]
                try:
                    identity = await rule.check(request) or identity
                except Refused as refusal:
                    context.log.write(
                        refusal.level,
                        f"refused: {refusal}",
                        request_id=request.invocation.request_id,
                        rule=rule.path,
                        status=refusal.status,
                        **refusal.fields,
                    )
                    return _answer(refusal)
                except Exception as error:  # noqa: BLE001  # whatever it is, nobody passes
                    return report(context.log, error, request.invocation.request_id).response()
                if rule.parameter:
                    query = _without(rule.parameter, query)
            if identity is not None:
                _introduce(request, identity)
            if query != request.query:
                return await ask_for(request.path, query, request, following)
        return await following(request)

    return handle


def _introduce(request: Request, identity: Identity) -> None:
    """Tell the app who it is."""
    request.headers.set("x-auth-method", identity.method)
    if identity.user:
        request.headers.set("x-auth-user", identity.user.encode().decode("latin-1"))
    if identity.claims:
        request.headers.set("x-auth-claims", identity.claims)


def _without(parameter: str, query: str) -> str:
    return "&".join([pair for pair in query.split("&") if pair.partition("=")[0] != parameter])


def _answer(refusal: Refused) -> Response:
    headers = Headers([("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")])
    for challenge in refusal.challenges:
        headers.add("www-authenticate", challenge)
    return Response(refusal.status, headers, _REASONS[refusal.status])

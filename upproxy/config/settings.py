"""Every key of up.yml: its type, bounds, default and meaning. The JSON schema is made from these models too."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from upproxy.config.derive import Strict, derive
from upproxy.proxy import manifest

NAME = r"^[a-zA-Z][a-zA-Z0-9-]{0,47}$"
STAGE = r"^[a-z][a-z0-9-]{0,23}$"
VARIABLE = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
REGION = r"^[a-z]{2}(-[a-z]+)+-\d$"
URL_PATH = r"^/[^\s?#]*$"
REFERENCE = r"^\$\{[a-zA-Z_][a-zA-Z0-9_]*\}$"
PASSWORD = r"^\$"  # noqa: S105
DURATION = r"^[1-9][0-9]*[smhd]$"

EXPECTED = {
    NAME: "a name of letters, digits and hyphens that starts with a letter, at most 48 characters",
    STAGE: "a stage name of small letters, digits and hyphens that starts with a letter, at most 24 characters",
    VARIABLE: "a variable's name of letters, digits and underscores",
    REGION: "a region, such as eu-central-1",
    URL_PATH: "a path that starts with / and has no query",
    REFERENCE: "a reference to an environment variable, such as ${API_KEY}, never the secret itself",
    PASSWORD: "a password's hash or a reference such as ${PASSWORD}, never the password itself",
    DURATION: "a duration, such as 30s, 5m or 1h",
}
"""What to say when a pattern is not matched."""

SECRET = (REFERENCE, PASSWORD)
"""Patterns whose values are not shown: what does not match may be the secret itself."""

STAGES = ("development", "staging", "production")
"""The stages that exist without being named."""

WRITTEN_AS_TEXT = (
    ("environment", "*"),
    ("error_pages", "variables", "*"),
    ("headers", "*", "*"),
    ("lambda", "tags", "*"),
    ("python",),
)
"""Where a number or boolean is the text as it was written: `1.10` stays `1.10`, `true` stays `true`."""

LATER = ("auth", "compress", "cors", "error_pages", "headers", "inject", "redirects", "static")
"""Keys that are checked, though the middleware that acts on them does not exist yet."""

Text = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]
Name = Annotated[str, Field(pattern=NAME)]
Variable = Annotated[str, Field(pattern=VARIABLE)]
UrlPath = Annotated[str, Field(pattern=URL_PATH)]
Reference = Annotated[str, Field(pattern=REFERENCE)]
Level = Literal["debug", "info", "warn", "error", "fatal"]
Seconds = Annotated[float, Field(gt=0, le=900)]
Duration = Annotated[str, Field(pattern=DURATION)]


PythonVersion = Annotated[
    Literal["3.11", "3.12", "3.13", "3.14"],
    WithJsonSchema({"enum": ["3.11", "3.12", "3.13", "3.14", 3.11, 3.12, 3.13, 3.14]}),
]


def _listed(value: Any) -> Any:
    if not isinstance(value, str | list):
        raise PydanticCustomError("commands", "expected a text or a list of texts")
    return [value] if isinstance(value, str) else value


Commands = Annotated[
    list[str],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


def _command(value: str | list[str] | None) -> str | list[str] | None:
    if value is not None and not value:
        raise PydanticCustomError("command", "expected a command that is not empty")
    if isinstance(value, list) and not any("{fd}" in argument for argument in value):
        raise PydanticCustomError(
            "command",
            "expected one text, such as `node server.js`; a list is for servers that take over a listening socket, "
            "whose number stands in place of {fd}",
        )
    return value


class Vpc(Strict):
    """The private network that the function joins."""

    subnets: list[str] = []
    """Subnet ids."""
    security_groups: list[str] = []
    """Security group ids."""


class Lambda(Strict):
    """The function's own settings."""

    memory: Annotated[int, Field(ge=128, le=10240)] = 512
    """Memory in MB; the share of a processor grows with it."""
    timeout: Annotated[int, Field(ge=1, le=900)] = 60
    """Seconds after which Lambda ends an invocation."""
    role: str | None = None
    """ARN of the role that the function assumes, instead of one that is made for it."""
    policy: list[dict[str, Any]] = []
    """IAM statements added to the role that is made."""
    runtime: str | None = None
    """Lambda's name of the runtime, such as `python3.13`, instead of the one that `python` implies."""
    vpc: Vpc = Vpc()
    """The private network that the function joins."""
    layers: list[str] = []
    """ARNs of layers."""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    """The processor."""
    ephemeral_storage: Annotated[int, Field(ge=512, le=10240)] = 512
    """Size of /tmp in MB."""
    snapstart: bool = False
    """Resume from a snapshot taken after the app has started."""
    concurrency: Annotated[int, Field(ge=0)] | None = None
    """How many instances are reserved for this function, which is also its limit."""
    provisioned: Annotated[int, Field(ge=0)] = 0
    """How many instances are kept initialised at all times."""
    url_auth: Literal["none", "iam"] = "none"
    """Who may call the Function URL: everybody, or callers that AWS has authenticated."""
    accelerate: bool = False
    """Upload through S3 Transfer Acceleration."""
    tags: dict[str, Text] = {}
    """Tags of everything that is made for this app."""
    warm: bool = False
    """Keep instances warm; Up's name for `warm`."""
    warm_count: Annotated[int, Field(ge=1)] = 15
    """How many; Up's name for `warm.count`."""
    warm_rate: Duration = "15m"
    """How often; Up's name for `warm.rate`."""


if TYPE_CHECKING:
    from upproxy.proxy.manifest import HealthOptions as Health
    from upproxy.proxy.manifest import LogOptions as Logs
    from upproxy.proxy.manifest import UpstreamOptions as Proxy
else:
    Proxy = derive(
        manifest.UpstreamOptions,
        omit=("environment",),
        command=(
            Annotated[
                str | list[str] | None,
                AfterValidator(_command),
                Field(description="What starts the app: a text for the shell, which listens on $PORT."),
            ],
            None,
        ),
        timeout=Annotated[Seconds, Field(description="Seconds that the app has for a response.")],
        listen_timeout=Annotated[Seconds, Field(description="Seconds that the app has until it listens.")],
    )
    Logs = derive(
        manifest.LogOptions,
        disable=Annotated[bool, Field(description="Write no access line.")],
        stdout=Annotated[Level, Field(description="Level of the lines that the app prints.")],
        stderr=Annotated[Level, Field(description="Level of the lines that the app prints to stderr.")],
    )
    Health = derive(
        manifest.HealthOptions,
        path=Annotated[UrlPath, Field(description="What the deploy asks the new release for.")],
        timeout=Annotated[Seconds, Field(description="Seconds that it has to answer with a status below 400.")],
    )


class Static(Strict):
    """Files served without the app."""

    dir: str = "."
    """Their folder."""
    prefix: UrlPath = "/"
    """The path that they appear under."""


class Redirect(Strict):
    """Where a path leads."""

    location: str
    """The target; `:name` and `:splat` stand for what the pattern matched."""
    status: Annotated[int, Field(ge=200, le=399)] | None = None
    """A redirect's status; absent or 200 rewrites the path within the app."""
    force: bool = False
    """Rewrite even where the app has an answer of its own."""


class Cors(Strict):
    """Cross-origin requests that browsers may make."""

    enable: bool = False
    """Answer for the app."""
    allowed_origins: list[str] = ["*"]
    """Origins, with `*` for a part of one or for all."""
    allowed_methods: list[str] = ["GET", "HEAD", "POST"]
    """Methods."""
    allowed_headers: list[str] = []
    """Request header fields beside the ones that are always allowed."""
    exposed_headers: list[str] = []
    """Response header fields that scripts may read."""
    max_age: Annotated[int, Field(ge=0)] = 0
    """Seconds that browsers may remember the answer to a preflight."""
    allow_credentials: bool = False
    """Allow cookies and other credentials."""
    debug: bool = False
    """Log each decision."""


class ErrorPages(Strict):
    """Pages in place of bare errors, for clients that accept HTML."""

    enable: bool = False
    """Serve them."""
    dir: str = "."
    """The folder with error.html, 4xx.html, 5xx.html, 404.html and the like."""
    variables: dict[str, Text] = {}
    """Values for the pages."""


class Injection(Strict):
    """A piece added to HTML pages."""

    type: Literal[
        "literal", "comment", "style", "script", "inline style", "inline script", "google analytics", "segment"
    ] = "literal"
    """What it is."""
    value: str | None = None
    """Its text, address or key."""
    file: str | None = None
    """The file that holds it."""

    @model_validator(mode="after")
    def _one_source(self) -> Injection:
        if (self.value is None) == (self.file is None):
            raise PydanticCustomError("injection", "expected either `value` or `file`")
        return self


class Inject(Strict):
    """Pieces added to HTML pages."""

    head: list[Injection] = []
    """At the end of the head."""
    body: list[Injection] = []
    """At the end of the body."""


class Hooks(Strict):
    """Commands around building and deploying; a text or a list of them."""

    prebuild: Commands = []
    """Before the build."""
    build: Commands = []
    """The app's own build, such as a compiler."""
    postbuild: Commands = []
    """After the build."""
    predeploy: Commands = []
    """Before the deploy."""
    postdeploy: Commands = []
    """After the deploy."""
    clean: Commands = []
    """At the end, to remove what the build left."""


class Record(Strict):
    """A DNS record."""

    name: str
    """Its full name."""
    type: Literal["A", "AAAA", "CAA", "CNAME", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "TXT"]
    """Its type."""
    ttl: Annotated[int, Field(ge=0)] = 300
    """Seconds that it may be cached."""
    value: list[str]
    """Its values."""


class Alert(Strict):
    """An alarm on a metric."""

    metric: str
    """The metric's name, such as `http.latency`."""
    statistic: Literal["sum", "min", "max", "avg", "count", "p50", "p90", "p95", "p99"]
    """How its values are put together."""
    threshold: float
    """The value that it is compared with."""
    operator: Literal[">", ">=", "<", "<="] = ">"
    """How it is compared."""
    period: Duration = "1m"
    """The time that values are put together over."""
    evaluation_periods: Annotated[int, Field(ge=1)] = 1
    """How many periods in a row."""
    missing: Literal["breaching", "notBreaching", "ignore", "missing"] = "notBreaching"
    """What a period without values counts as."""
    action: str | None = None
    """The name of the action to take."""
    namespace: str | None = None
    """CloudWatch's namespace, for a metric of your own."""
    description: str = ""
    """What to tell people."""
    disable: bool = False
    """Keep the alarm silent."""


class Action(Strict):
    """Whom an alarm tells."""

    name: str
    """The name that alerts refer to."""
    type: Literal["email", "sms", "slack"]
    """How."""
    emails: list[str] = []
    """Addresses, for email."""
    numbers: list[str] = []
    """Telephone numbers, for sms."""
    url: str | None = None
    """The webhook, for slack."""
    channel: str | None = None
    """The channel, for slack."""
    gifs: bool = False
    """Add a picture, for slack."""


class BasicAuth(Strict):
    """HTTP basic authentication."""

    users: dict[str, Annotated[str, Field(pattern=PASSWORD)]]
    """Names, each with a password's hash or a reference such as `${PASSWORD}`."""
    realm: str = "Restricted"
    """What browsers show."""


class ApiKey(Strict):
    """A key in a header field or the query."""

    keys: list[Reference]
    """References such as `${API_KEY}`."""
    header: str | None = "X-Api-Key"
    """The header field that holds it."""
    query: str | None = None
    """The query parameter that holds it."""


class Jwt(Strict):
    """A signed token in the Authorization field."""

    issuer: str | None = None
    """The issuer that it has to name."""
    audience: list[str] = []
    """The audiences, one of which it has to name."""
    jwks: str | None = None
    """Address of the issuer's keys."""
    secret: Reference | None = None
    """A shared secret, as a reference such as `${JWT_SECRET}`."""

    @model_validator(mode="after")
    def _one_key(self) -> Jwt:
        if (self.jwks is None) == (self.secret is None):
            raise PydanticCustomError("jwt", "expected either `jwks` or `secret`")
        return self


class Networks(Strict):
    """Client addresses, as the event's source saw them."""

    allow: list[str] = []
    """Networks that may pass, such as `10.0.0.0/8`."""
    deny: list[str] = []
    """Networks that may not."""


class Rule(Strict):
    """Who may pass under a path."""

    path: UrlPath = "/*"
    """The path; `*` stands for anything."""
    public: bool = False
    """Everybody."""
    basic: BasicAuth | None = None
    """Users with passwords."""
    api_key: ApiKey | None = None
    """Holders of a key."""
    jwt: Jwt | None = None
    """Holders of a signed token."""
    ip: Networks | None = None
    """Certain networks."""


class Compress(Strict):
    """Compression of responses."""

    enable: bool = False
    """Compress what the app leaves uncompressed, for clients that accept it."""
    min_size: Annotated[int, Field(ge=0)] = 1024
    """Bytes from which it is worth it."""


class Warm(Strict):
    """Instances kept thawed on a schedule."""

    count: Annotated[int, Field(ge=0)] = 0
    """How many; 0 for none."""
    rate: Duration = "5m"
    """How often."""
    window: str | None = None
    """When; absent for always."""


class Release(Strict):
    """Published releases."""

    retain: Annotated[int, Field(ge=1)] = 10
    """How many are kept to roll back to."""


class Triggers(Strict):
    """Events that are no HTTP requests: queues, schedules, files and the like."""

    path: UrlPath
    """The path of the app that they are posted to as JSON, and that HTTP then cannot reach."""


class Settings(Strict):
    """What may be said of an app, for all stages or for one."""

    name: Name
    """The app's name; its functions are called `<name>-<stage>`."""
    description: str = ""
    """What the app is, for people."""
    type: Literal["server", "static"] = "server"
    """An app that answers requests, or files alone."""
    app: str | None = None
    """The app object to serve, such as `shop.web:app` or `shop.web:create_app()`, instead of a search for it."""
    server: Literal["waitress", "gunicorn", "uvicorn", "hypercorn"] | None = None
    """The server to run it, instead of the one that its dependencies name."""
    python: PythonVersion | None = None
    """The version of Python on Lambda."""
    environment: dict[Variable, Text] = Field({}, json_schema_extra={"additionalProperties": False})
    """Variables for the app. A number or boolean is the text as it is written; `${NAME}` is resolved on start."""
    endpoint: Literal["function_url", "http_api", "rest_api"] = "function_url"
    """What takes the requests on AWS."""
    regions: list[Annotated[str, Field(pattern=REGION)]] = []
    """Where to deploy to; absent for the profile's own."""
    profile: str | None = None
    """The profile in ~/.aws that holds the credentials."""
    lambda_: Lambda = Field(Lambda(), alias="lambda")
    """The function's own settings."""
    proxy: Proxy = Proxy()
    """How the app is started and waited for."""
    logs: Logs = Logs()
    """The access line, and the levels of what the app prints."""
    triggers: Triggers | None = None
    """Where events that are no HTTP requests go."""
    health: Health = Health()
    """What a new release has to answer before it goes live."""
    release: Release = Release()
    """Published releases."""
    warm: Warm = Warm()
    """Instances kept thawed on a schedule."""
    hooks: Hooks = Hooks()
    """Commands around building and deploying."""
    static: Static = Static()
    """Files served without the app."""
    headers: dict[str, dict[str, Text]] = {}
    """Response header fields by path; the most specific pattern wins."""
    redirects: dict[str, Redirect] = {}
    """Redirects and rewrites by path, with `:name` and `*`."""
    cors: Cors = Cors()
    """Cross-origin requests that browsers may make."""
    auth: list[Rule] = []
    """Who may pass, by path; the first rule that matches decides."""
    compress: Compress = Compress()
    """Compression of responses."""
    error_pages: ErrorPages = ErrorPages()
    """Pages in place of bare errors."""
    inject: Inject = Inject()
    """Pieces added to HTML pages."""
    dns: dict[str, list[Record]] = {}
    """Zones with their records."""
    alerts: list[Alert] = []
    """Alarms on metrics."""
    actions: list[Action] = []
    """Whom alarms tell."""


class StageSettings(Settings):
    """What one stage says: where it is found, and any key that it has otherwise than the other stages."""

    domain: str | None = None
    """The stage's domain name, which implies a gateway."""
    path: UrlPath | None = None
    """The path under that domain that the app appears at."""
    zone: bool | str = True
    """The hosted zone for the domain's records; false leaves them to you."""
    cert: str | None = None
    """ARN of a certificate, instead of one that is requested."""

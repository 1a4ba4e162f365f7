"""Every key of up.yml: its type, bounds, default and meaning. The JSON schema is made from these models too."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from upproxy.config import alerts, endpoint, middleware, warm
from upproxy.config.alerts import Action, Alert
from upproxy.config.derive import Strict, derive
from upproxy.config.errors import Path
from upproxy.config.middleware.auth import Rule
from upproxy.config.middleware.compress import Compress
from upproxy.config.middleware.cors import Cors
from upproxy.config.middleware.error_pages import ErrorPages
from upproxy.config.middleware.headers import HeadersByPath, Secure
from upproxy.config.middleware.inject import Inject
from upproxy.config.middleware.maintenance import Maintenance
from upproxy.config.middleware.redirects import Redirect
from upproxy.config.middleware.static import Static
from upproxy.config.values import (
    CERTIFICATE,
    LOGGED,
    RECORD_NAME,
    REDACTED,
    REGION,
    Domain,
    FieldName,
    Level,
    Name,
    PythonVersion,
    Seconds,
    Size,
    Statuses,
    Text,
    Texts,
    UrlPath,
    Variable,
    wrong,
)
from upproxy.config.warm import Count, Rate, Warm
from upproxy.proxy import manifest


def _refuse(conflicts: Iterable[tuple[Path, str]]) -> None:
    """Raise ValidationError for what does not fit together."""
    if found := list(conflicts):
        details = [InitErrorDetails(type=wrong(said), loc=path, input=None) for path, said in found]
        raise ValidationError.from_exception_data("up.yml", details)


def _command(value: str | list[str] | None) -> str | list[str] | None:
    if value is not None and not value:
        raise wrong("expected a command that is not empty")
    if isinstance(value, list) and not any("{fd}" in argument or "{fds}" in argument for argument in value):
        raise wrong(
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


# The days that CloudWatch knows (PutRetentionPolicy).
LogRetention = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, "forever"
]


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
    """Who may call the Function URL or the gateway: everybody, or callers that AWS has authenticated."""
    log_retention: LogRetention = 30
    """Days that log lines are kept, or `forever`."""
    accelerate: bool = False
    """Upload through S3 Transfer Acceleration."""
    tags: dict[str, Text] = {}
    """Tags of everything that is made for this app."""
    warm: bool = False
    """Keep instances warm; Up's name for `warm`."""
    warm_count: Count = 15
    """How many; Up's name for `warm.count`."""
    warm_rate: Rate = "15m"
    """How often; Up's name for `warm.rate`."""


if TYPE_CHECKING:
    from upproxy.proxy.manifest import HealthOptions as HealthCheck
    from upproxy.proxy.manifest import LogOptions as Logs
    from upproxy.proxy.manifest import UpstreamOptions as Proxy
else:
    Proxy = derive(
        manifest.UpstreamOptions,
        omit=("environment", "private"),
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
        linger=Annotated[
            float,
            Field(ge=0, le=900_000, description="ms that an app which still works after its reply is not frozen for."),
        ],
    )
    Logs = derive(
        manifest.LogOptions,
        disable=Annotated[bool, Field(description="Write no access line.")],
        stdout=Annotated[Level, Field(description="Level of the lines that the app prints.")],
        stderr=Annotated[Level, Field(description="Level of the lines that the app prints to stderr.")],
        fields=Annotated[
            list[Annotated[str, Field(pattern=LOGGED)]],
            Field(description="What the line for a request has beside its usual fields."),
        ],
        redact=Annotated[
            list[Annotated[str, Field(pattern=REDACTED)]],
            Field(description="Query keys and header fields whose values it does not have, beside the usual ones."),
        ],
        sample=Annotated[
            float, Field(ge=0, le=1, description="The share of requests answered with 2xx that have a line.")
        ],
        request_id=Annotated[
            FieldName | None,
            Field(description="Header field that carries the id of a request, and that only those in front can set."),
        ],
        metrics=Annotated[bool, Field(description="Write metrics for CloudWatch, in a line beside it.")],
    )
    HealthCheck = derive(
        manifest.HealthOptions,
        path=Annotated[UrlPath, Field(description="What the deploy asks the new release for.")],
        timeout=Annotated[Seconds, Field(description="Seconds that it has to answer.")],
    )


class Health(HealthCheck):
    """What a new release has to answer before it goes live."""

    status: Annotated[list[Statuses], Field(min_length=1)] = ["2xx", "3xx"]
    """The statuses that it may answer with: one such as 200, or a hundred such as 2xx."""


class Hooks(Strict):
    """Commands around building and deploying; a text or a list of them."""

    prebuild: Texts = []
    """Before the build."""
    build: Texts = []
    """The app's own build, such as a compiler."""
    postbuild: Texts = []
    """After the build."""
    predeploy: Texts = []
    """Before the deploy."""
    postdeploy: Texts = []
    """After the deploy."""
    clean: Texts = []
    """At the end, to remove what the build left."""


class Throttle(Strict):
    """How many requests a gateway lets through; it answers 429 to the others."""

    rate: Annotated[float, Field(ge=1, le=100_000)]
    """Requests a second, in the long run."""
    burst: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests at once; absent for those of a second."""


class Record(Strict):
    """A DNS record."""

    name: Annotated[str, Field(pattern=RECORD_NAME)]
    """Its full name."""
    type: Literal["A", "AAAA", "CAA", "CNAME", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "TXT"]
    """Its type."""
    ttl: Annotated[int, Field(ge=0)] = 300
    """Seconds that it may be cached."""
    value: Annotated[list[str], Field(min_length=1)]
    """Its values."""


class Release(Strict):
    """Published releases."""

    retain: Annotated[int, Field(ge=1)] = 5
    """How many `upproxy prune` keeps to roll back to."""


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
    throttle: Throttle | None = None
    """How many requests a gateway lets through; absent for as many as the account's quota."""
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
    exec: bool = False
    """Let `upproxy exec` run commands beside the app, and with it everybody who may invoke the function."""
    warm: Warm = Warm()
    """Instances kept thawed on a schedule."""
    hooks: Hooks = Hooks()
    """Commands around building and deploying."""
    static: Static = Static()
    """Files served without the app."""
    headers: HeadersByPath = {}
    """Response header fields by path; the most specific pattern wins, and an empty text takes a field away."""
    secure: bool | Secure = False
    """Fields that make browsers careful: HSTS, nosniff, frames, referrer; on responses that do not have them."""
    redirects: dict[str, Redirect] = {}
    """Redirects and rewrites by path, with `:name` and `*`."""
    cors: Cors = Cors()
    """Cross-origin requests that browsers may make."""
    maintenance: Maintenance = Maintenance()
    """An answer in place of the app while somebody works on it."""
    max_body: Size | None = None
    """How large the body of a request may be, such as `1mb`, or a number of bytes."""
    auth: list[Rule] = []
    """Who may pass, by path; the first rule that matches decides."""
    compress: Compress = Compress()
    """Compression of responses."""
    error_pages: ErrorPages = ErrorPages()
    """Pages in place of bare errors."""
    inject: Inject = Inject()
    """Pieces added to HTML pages."""
    dns: dict[Domain, list[Record]] = {}
    """Zones with their records."""
    alerts: bool | list[Alert] = False
    """Alarms on metrics; true for those that most apps want."""
    actions: list[Action] = []
    """Whom alarms tell."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        _refuse([*middleware.conflicts(self), *warm.conflicts(self), *alerts.conflicts(self)])
        return self


class StageSettings(Settings):
    """What one stage says: where it is found, and any key that it has otherwise than the other stages."""

    domain: Domain | None = None
    """The stage's domain name, which implies a gateway."""
    path: UrlPath | None = None
    """The path under that domain that the app appears at."""
    zone: bool | str = True
    """The hosted zone for the domain's records, its name or id; false leaves them to you."""
    cert: Annotated[str, Field(pattern=CERTIFICATE)] | None = None
    """ARN of a certificate, instead of one that is requested."""

    @model_validator(mode="after")
    def _fit_the_stage(self) -> Self:
        _refuse(endpoint.conflicts(self))
        return self

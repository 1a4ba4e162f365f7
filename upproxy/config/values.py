"""Values that up.yml has in many places, such as names, paths and durations, and what to call them when wrong."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from upproxy.proxy.events.fields import TOKEN
from upproxy.proxy.middleware.patterns import Pattern, PatternError
from upproxy.proxy.runtime.access import FIELDS

NAME = r"^[a-zA-Z][a-zA-Z0-9-]{0,47}$"
STAGE = r"^[a-z][a-z0-9-]{0,23}$"
VARIABLE = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
REGION = r"^[a-z]{2}(-[a-z]+)+-\d$"
URL_PATH = r"^/[^\s?#]*$"
REFERENCE = r"^\$\{[a-zA-Z_][a-zA-Z0-9_]*\}$"
PASSWORD = r"^\$"  # noqa: S105
DURATION = r"^[1-9][0-9]*[smhd]$"
_HOST = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = rf"^{_HOST}$"
RECORD_NAME = r"^(\*\.)?([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?$"
CERTIFICATE = r"^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/[a-zA-Z0-9-]+$"
ACTION = r"^[a-zA-Z0-9_.-]{1,64}$"
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
NUMBER = r"^\+[1-9][0-9]{6,14}$"
METHOD = r"^(\*|[A-Z]+)$"
_PORT = r"(:[0-9]+)?"
_LABELS = r"[a-z0-9_-]+(\.[a-z0-9_-]+)*"
ORIGIN = rf"^(\*|null|[a-z][a-z0-9+.-]*://(\*\.{_LABELS}{_PORT}|({_LABELS}|\[[0-9a-f:.]+\])(:([0-9]+|\*))?))$"
HSTS = r"^(max-age=[0-9]+(; includeSubDomains)?(; preload)?)?$"
SOURCE = r"^(none|self|[a-z][a-z0-9+.-]*:|([a-z][a-z0-9+.-]*://)?(\*\.)?[a-zA-Z0-9.-]+(:([0-9]+|\*))?)$"
SIZE = r"^[1-9][0-9]*(b|kb|mb)$"
LOGGED = rf"^({'|'.join(FIELDS)}|header\.[a-z0-9-]+)$"
REDACTED = r"^[^\s&=]+$"
MEDIA_TYPE = r"^[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]*\*?[a-z0-9!#$&^_.+-]*$"

EXPECTED = {
    NAME: "a name of letters, digits and hyphens that starts with a letter, at most 48 characters",
    STAGE: "a stage name of small letters, digits and hyphens that starts with a letter, at most 24 characters",
    VARIABLE: "a variable's name of letters, digits and underscores",
    REGION: "a region, such as eu-central-1",
    URL_PATH: "a path that starts with / and has no query",
    REFERENCE: "a reference to an environment variable, such as ${API_KEY}, never the secret itself",
    PASSWORD: "a password's hash or a reference such as ${PASSWORD}, never the password itself",
    DURATION: "a duration, such as 30s, 5m or 1h",
    DOMAIN: "a domain name in small letters, such as shop.example",
    RECORD_NAME: "a name in small letters, such as mail.shop.example or *.shop.example",
    CERTIFICATE: "the ARN of a certificate in ACM",
    ACTION: "a name of letters, digits, dots, hyphens and underscores, at most 64 characters",
    EMAIL: "an address, such as team@shop.example",
    NUMBER: "a telephone number with its country, such as +41790000000",
    METHOD: "a method in capitals, or *",
    ORIGIN: "an origin in small letters without a path, such as https://shop.example or https://*.shop.example, or *",
    HSTS: "a text such as max-age=31536000; includeSubDomains; preload, or an empty one",
    SOURCE: "none, self, or an origin such as https://*.shop.example",
    SIZE: "a size, such as 500kb or 1mb",
    LOGGED: f"{', '.join(FIELDS)} or header.<name> in small letters",
    REDACTED: "the name of a query key or header field",
    MEDIA_TYPE: "a media type in small letters, such as text/html, text/* or application/*+json",
}
"""What to say when a pattern is not matched."""

UNSHOWN = ("actions", "auth")
"""Keys below which no value is shown that is wrong: it may be a secret in a place that is not for it."""

LONGEST_FUNCTION = 64
"""Characters that the name of a function may have on Lambda."""

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

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"kb": 1024, "mb": 1024**2, "b": 1}


def seconds(duration: str) -> int:
    """Return the seconds of a duration such as `5m`."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def bytes_of(size: int | str) -> int:
    """Return the bytes of a size such as `1mb`, which is 1024 × 1024; a number is bytes already."""
    if isinstance(size, int):
        return size
    unit = next(unit for unit in _BYTES if size.endswith(unit))
    return int(size.removesuffix(unit)) * _BYTES[unit]


def wrong(sentence: str) -> PydanticCustomError:
    """Make the error of a validator; the sentence is the whole message."""
    return PydanticCustomError("wrong", "{sentence}", {"sentence": sentence})


def _listed(value: Any) -> Any:
    if not isinstance(value, str | list):
        raise wrong("expected a text or a list of texts")
    return [value] if isinstance(value, str) else value


def _pattern(value: str) -> str:
    try:
        Pattern(value)
    except PatternError as error:
        raise wrong(f"expected {error}") from None
    return value


def _network(value: str) -> str:
    try:
        near = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise wrong("expected a network such as 10.0.0.0/8, or an address") from None
    if isinstance(near, ipaddress.IPv6Network):
        _check_comparable(near)
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise wrong(f"expected a network without bits beyond its length, which would be {near}") from None


def _check_comparable(network: ipaddress.IPv6Network) -> None:
    """Refuse networks that no client's address is in: those name no interface, and are IPv4 where they stand for it."""
    first = network.network_address
    if first.scope_id is not None:
        raise wrong("expected a network without the name of an interface")
    if first.ipv4_mapped is not None and network.prefixlen >= 96:
        raise wrong(f"expected the IPv4 network itself, which is {first.ipv4_mapped}/{network.prefixlen - 96}")


def _field_name(value: str) -> str:
    if not value or not TOKEN.issuperset(value):
        raise wrong("expected the name of a header field, such as X-Total")
    return value


def _field_value(value: str) -> str:
    if not value.isprintable():
        raise wrong("expected one line without control characters")
    return value


Text = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]
Texts = Annotated[
    list[str],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Name = Annotated[str, Field(pattern=NAME)]
Variable = Annotated[str, Field(pattern=VARIABLE)]
UrlPath = Annotated[str, Field(pattern=URL_PATH)]
Reference = Annotated[str, Field(pattern=REFERENCE)]
Level = Literal["debug", "info", "warn", "error", "fatal"]
Seconds = Annotated[float, Field(gt=0, le=900)]
Duration = Annotated[str, Field(pattern=DURATION)]
Domain = Annotated[str, Field(pattern=DOMAIN)]
Size = Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=SIZE)]
PathPattern = Annotated[str, AfterValidator(_pattern)]
Network = Annotated[str, AfterValidator(_network)]
FieldName = Annotated[str, AfterValidator(_field_name)]
FieldValue = Annotated[Text, AfterValidator(_field_value)]
Statuses = Annotated[int, Field(ge=200, le=599)] | Literal["2xx", "3xx", "4xx", "5xx"]
MediaType = Annotated[str, Field(pattern=MEDIA_TYPE)]


PythonVersion = Annotated[
    Literal["3.11", "3.12", "3.13", "3.14"],
    WithJsonSchema({"enum": ["3.11", "3.12", "3.13", "3.14", 3.11, 3.12, 3.13, 3.14]}),
]

"""`headers` and `secure`: header fields of responses, by path and as a preset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, WithJsonSchema

from upproxy.config.derive import Strict
from upproxy.config.errors import ConfigError, Problem
from upproxy.config.values import HSTS, SOURCE, FieldName, FieldValue, PathPattern, wrong
from upproxy.proxy.events.fields import HOP_BY_HOP
from upproxy.proxy.middleware.headers import Options
from upproxy.proxy.middleware.patterns import Pattern

if TYPE_CHECKING:
    from upproxy.config.settings import Settings

FILE = "_headers"
"""The file of the project that names fields by path as Netlify and Cloudflare Pages do."""

_NOT_SET = dict.fromkeys(HOP_BY_HOP, "belongs to one connection") | {
    "content-length": "follows from the body",
    "set-cookie": "would take the place of the app's own cookies",
}


def _settable(name: str) -> str:
    if why := _NOT_SET.get(name.lower()):
        raise wrong(f"cannot be set: {name} {why}")
    return name


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _alone(value: list[str]) -> list[str]:
    if not value or ("none" in value and len(value) > 1):
        raise wrong("expected `none` alone, or some of `self` and origins")
    return value


Fields = dict[Annotated[FieldName, AfterValidator(_settable)], FieldValue]
HeadersByPath = dict[PathPattern, Fields]

_PATH = TypeAdapter(PathPattern)
_FIELDS = TypeAdapter(Fields)


class Secure(Strict):
    """Fields that make browsers careful, on responses that do not have them."""

    hsts: Annotated[str, Field(pattern=HSTS)] = "max-age=31536000"
    """How long browsers use HTTPS alone; an empty text for not saying so."""
    csp: FieldValue = ""
    """A Content-Security-Policy."""
    frame_ancestors: Annotated[
        list[Annotated[str, Field(pattern=SOURCE)]],
        BeforeValidator(_listed),
        AfterValidator(_alone),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = ["self"]  # noqa: RUF012  # pydantic copies mutable defaults
    """Which pages may show this one in a frame: `none`, or some of `self` and origins."""
    referrer_policy: Literal[
        "no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin", "same-origin",
        "strict-origin", "strict-origin-when-cross-origin", "unsafe-url", "",
    ] = "strict-origin-when-cross-origin"  # fmt: skip
    """What other sites learn of the page that a link is on; an empty text for leaving it to browsers."""


def section(settings: Settings, directory: str) -> dict[str, Any] | None:
    """Return the middleware's options, those of the `_headers` file among them. Raises ConfigError for that file."""
    options = Options()
    if settings.secure:
        secure = Secure() if settings.secure is True else settings.secure
        options = Options(defaults=dict(_defaults(secure)), hsts=secure.hsts)
    rules = [(path, dict(fields)) for path, fields in settings.headers.items()]
    rules += read(os.path.join(directory, FILE))
    rules.reverse()  # what comes later replaces what came before: of equally specific patterns the first wins
    paths: dict[str, dict[str, str]] = {}
    for path, fields in sorted(rules, key=lambda rule: Pattern(rule[0]).specificity):
        paths[path] = paths.pop(path, {}) | {name.lower(): _wire(value) for name, value in fields.items()}
    if paths:
        options.paths = paths
    return vars(options) or None


def hidden(section: dict[str, Any] | None) -> dict[str, Any]:
    """Return the options for a stage that is not production: search engines keep out of all of it."""
    return {**(section or {}), "always": {"x-robots-tag": "none"}}


def _defaults(secure: Secure) -> Iterator[tuple[str, str]]:
    """Go through the fields of the preset, but for Strict-Transport-Security."""
    yield "x-content-type-options", "nosniff"
    ancestors = [f"'{source}'" if source in ("none", "self") else source for source in secure.frame_ancestors]
    policy = [part.strip() for part in secure.csp.split(";") if part.strip()]
    if not any(part.split()[0].lower() == "frame-ancestors" for part in policy):
        policy.append(f"frame-ancestors {' '.join(ancestors)}")
        if len(ancestors) == 1 and ancestors[0] in ("'none'", "'self'"):  # what older browsers understand of it
            yield "x-frame-options", "DENY" if ancestors == ["'none'"] else "SAMEORIGIN"
    yield "content-security-policy", _wire("; ".join(policy))
    if secure.referrer_policy:
        yield "referrer-policy", secure.referrer_policy


def _wire(value: str) -> str:
    """Return a value as its bytes in UTF-8, one code point each."""
    return value.strip().encode().decode("latin-1")


def read(file: str) -> list[tuple[str, dict[str, str]]]:
    """Read a `_headers` file: a path on a line of its own, its fields indented below; none is an empty list.

    Of a field that is named again under the same path the values are joined with commas. Raises ConfigError with all
    that is wrong.
    """
    try:
        with open(file, "rb") as source:
            text = source.read().decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8", file=file, hint="Save the file as UTF-8.") from None
    rules: list[tuple[str, dict[str, str]]] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        try:
            if line[0] not in " \t":
                rules.append((content, {}))
                _PATH.validate_python(content)
            elif not rules:
                problems.append(Problem("expected a path before the first field", (), number))
            else:
                _add(rules[-1][1], content)
        except ValidationError as error:
            path = (rules[-1][0],) if line[0] in " \t" else ()
            problems.append(Problem(error.errors()[0]["msg"], path, number))
    if problems:
        raise ConfigError(file=file, problems=problems)
    return [(path, fields) for path, fields in rules if fields]


def _add(fields: dict[str, str], content: str) -> None:
    name, _, value = content.partition(":")
    name, value = name.strip(), value.strip()
    _FIELDS.validate_python({name: value})
    before = next((known for known in fields if known.lower() == name.lower()), name)
    fields[before] = f"{fields[before]}, {value}" if fields.get(before) and value else value

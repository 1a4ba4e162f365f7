"""Values that up.yml has in many places, such as names, paths and durations, and what to call them when wrong."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

NAME = r"^[a-zA-Z][a-zA-Z0-9-]{0,47}$"
STAGE = r"^[a-z][a-z0-9-]{0,23}$"
VARIABLE = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
REGION = r"^[a-z]{2}(-[a-z]+)+-\d$"
URL_PATH = r"^/[^\s?#]*$"
REFERENCE = r"^\$\{[a-zA-Z_][a-zA-Z0-9_]*\}$"
PASSWORD = r"^\$"  # noqa: S105
DURATION = r"^[1-9][0-9]*[smhd]$"
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
    MEDIA_TYPE: "a media type in small letters, such as text/html, text/* or application/*+json",
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

Text = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]
Name = Annotated[str, Field(pattern=NAME)]
Variable = Annotated[str, Field(pattern=VARIABLE)]
UrlPath = Annotated[str, Field(pattern=URL_PATH)]
Reference = Annotated[str, Field(pattern=REFERENCE)]
Level = Literal["debug", "info", "warn", "error", "fatal"]
Seconds = Annotated[float, Field(gt=0, le=900)]
Duration = Annotated[str, Field(pattern=DURATION)]
MediaType = Annotated[str, Field(pattern=MEDIA_TYPE)]


PythonVersion = Annotated[
    Literal["3.11", "3.12", "3.13", "3.14"],
    WithJsonSchema({"enum": ["3.11", "3.12", "3.13", "3.14", 3.11, 3.12, 3.13, 3.14]}),
]

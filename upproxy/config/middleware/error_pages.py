"""`error_pages`: pages in place of bare errors."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING, Any

from upproxy.config.derive import Strict
from upproxy.config.errors import ConfigError
from upproxy.config.middleware.files import BESIDE, read_text
from upproxy.config.values import Text
from upproxy.proxy.middleware.error_pages import ALIASES, NAMES, Options
from upproxy.proxy.middleware.templates import Template, TemplateError

if TYPE_CHECKING:
    from upproxy.config.settings import StageSettings

_PAGE = re.compile(r"(error|[45]xx|[45]\d\d)\.html")


class ErrorPages(Strict):
    """Pages in place of bare errors, for clients that accept HTML."""

    enable: bool | None = None
    """Serve them; absent: if the folder has any."""
    dir: str = "."
    """The folder with error.html, 4xx.html, 5xx.html, 404.html and the like."""
    variables: dict[str, Text] = {}
    """Values for the pages."""
    override: bool = Options.override
    """Serve them also where the app has an error page of its own."""


def section(settings: StageSettings, directory: str) -> dict[str, Any] | None:
    """Return the middleware's options. Raises ConfigError for a page that is wrong, or a folder that is not there."""
    given = settings.error_pages
    if given.enable is False:
        return None
    folder = os.path.join(directory, given.dir)
    if not os.path.isdir(folder):
        raise ConfigError(f"there is no folder {given.dir}", hint=BESIDE, path=("error_pages", "dir"))
    names = sorted(name for name in os.listdir(folder) if _PAGE.fullmatch(name))
    if not names and not given.enable:
        return None
    pages = {}
    for name in names:
        file = os.path.normpath(os.path.join(given.dir, name))
        pages[name.removesuffix(".html")] = read_text(directory, file, ("error_pages",))
        _check(pages[name.removesuffix(".html")], os.path.normpath(os.path.join(directory, file)), given.variables)
    return vars(Options(pages=pages, variables=dict(given.variables), override=given.override))


def _check(text: str, file: str, variables: dict[str, str]) -> None:
    known = [*NAMES, *ALIASES, *(f"{start}.{name}" for start in ("variables", ".Variables") for name in variables)]
    try:
        names = Template(text).names
    except TemplateError as error:
        raise ConfigError(str(error), file=file, line=error.line) from None
    for name, line in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                f"there is no `{{{{ {name} }}}}`" + (f"; did you mean `{{{{ {near[0]} }}}}`?" if near else ""),
                file=file,
                line=line,
                hint=f"Pages can have {', '.join(known)}; values of your own stand under error_pages.variables.",
            )

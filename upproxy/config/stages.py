"""One stage's settings out of a file: what it says for all, and over it what it says for the stage."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from upproxy.config.document import Document
from upproxy.config.errors import ConfigError, Path, Problem
from upproxy.config.settings import Settings, StageSettings
from upproxy.config.validate import validate
from upproxy.config.values import EXPECTED, LONGEST_FUNCTION, STAGE, STAGES, WRITTEN_AS_TEXT


def resolve(document: Document, stage: str) -> StageSettings:
    """Return the settings of a stage, after every stage of the file has been checked.

    Raises ConfigError with all problems of the file, or for a stage that is unknown.
    """
    shared, overrides, problems = _split(document)
    _, found = validate(Settings, _without_empty(shared), document.line)
    problems += found
    inherited = {problem.path for problem in found}
    resolved: dict[str, StageSettings] = {}
    for name in dict.fromkeys([*STAGES, *overrides]):
        data = _without_empty(_merged(shared, overrides.get(name, {})))
        settings, found = validate(StageSettings, data, document.line)
        if settings:
            resolved[name] = settings
        for problem in found:
            path = ("stages", name, *problem.path)
            if path in document or problem.path not in inherited:
                problems.append(Problem(problem.message, path, document.line(path)))
    problems += [*_shared_domains(document, resolved), *_long_names(document, resolved)]
    if problems:
        raise ConfigError(file=document.file, problems=sorted(problems, key=lambda problem: problem.line))
    check_stage(stage, list(resolved))
    return resolved[stage]


def names(document: Document | None) -> list[str]:
    """Return the names of all stages: those that exist without being named, then those of the file."""
    said = document.data.get("stages") if document is not None else None
    return list(dict.fromkeys([*STAGES, *(said if isinstance(said, dict) else ())]))


def _split(document: Document) -> tuple[dict[str, Any], dict[str, dict[str, Any]], list[Problem]]:
    """Take a document apart: what is said for all stages, what for each, and what is wrong with the parting."""
    shared = dict(document.data)
    stages = shared.pop("stages", None) or {}
    if not isinstance(stages, dict):
        return shared, {}, [Problem("expected stages with their settings", ("stages",), document.line(("stages",)))]
    overrides, problems = {}, []
    for name, own in stages.items():
        path = ("stages", name)
        if not re.search(STAGE, name):
            problems.append(Problem(f"expected {EXPECTED[STAGE]}", path, document.line(path)))
        elif isinstance(own, dict | None):
            overrides[name] = _texts(document, own or {}, path)
        else:
            problems.append(Problem("expected keys with values", path, document.line(path)))
    return _texts(document, shared, ()), overrides, problems


def _shared_domains(document: Document, stages: dict[str, StageSettings]) -> Iterator[Problem]:
    """Go through domains that several stages want, each of which would make it its own."""
    owners: dict[str, str] = {}
    for stage, settings in stages.items():
        if settings.domain is not None:
            owner = owners.setdefault(settings.domain, stage)
            if owner != stage:
                path = ("stages", stage, "domain")
                yield Problem(f"expected a domain of its own; {owner} has {settings.domain}", path, document.line(path))


def _long_names(document: Document, stages: dict[str, StageSettings]) -> Iterator[Problem]:
    """Go through stages whose functions would have names that Lambda does not take."""
    for stage, settings in stages.items():
        if len(f"{settings.name}-{stage}") > LONGEST_FUNCTION:
            path = ("stages", stage)
            said = f"expected a shorter name, since {settings.name}-{stage} has more than {LONGEST_FUNCTION} characters"
            yield Problem(said, path, document.line(path))


def check_stage(stage: str, known: list[str]) -> None:
    """Raise ConfigError for a stage that is not among the known ones."""
    if stage not in known:
        near = [name for name in known if name.startswith(stage)] or difflib.get_close_matches(stage, known, 1)
        raise ConfigError(
            f"there is no stage {stage!r}; the known ones are {', '.join(known)}",
            hint=f"Did you mean {near[0]}?"
            if near
            else f"Name it under `stages` in up.yml: `stages: {{{stage}: {{}}}}`.",
        )


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay mappings over mappings; lists and single values take each other's place, empty ones too."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out keys without a value (`lambda:` over lines that are all commented out)."""
    return {
        key: _without_empty(value) if isinstance(value, dict) else value
        for key, value in data.items()
        if value is not None
    }


def _texts(document: Document, data: dict[str, Any], prefix: Path) -> dict[str, Any]:
    """Put numbers and booleans back to the text that was written, where the settings want texts."""
    copy = dict(data)
    for pattern in WRITTEN_AS_TEXT:
        for path in _matching(data, pattern):
            _put(copy, path, document.texts[*prefix, *path])
    return copy


def _matching(data: Any, pattern: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Go through the paths of numbers and booleans under a pattern."""
    if not pattern:
        if isinstance(data, bool | int | float):
            yield ()
    elif isinstance(data, dict):
        for key in list(data) if pattern[0] == "*" else [pattern[0]]:
            if key in data:
                yield from ((key, *rest) for rest in _matching(data[key], pattern[1:]))


def _put(data: dict[str, Any], path: tuple[str, ...], text: str) -> None:
    for key in path[:-1]:
        data[key] = dict(data[key])
        data = data[key]
    data[path[-1]] = text

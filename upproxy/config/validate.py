"""Data against the models: every problem with its line, what was expected, and the nearest known key."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from upproxy.config.errors import Path, Problem, dotted
from upproxy.config.settings import StageSettings
from upproxy.config.values import EXPECTED, UNSHOWN

Model = TypeVar("Model", bound=BaseModel)

_TYPES = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "too_short": "a list that is not empty",
    "model_attributes_type": "keys with values",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def validate(
    model: type[Model], data: dict[str, Any], line: Callable[[Path], int]
) -> tuple[Model | None, list[Problem]]:
    """Return the model filled from plain data, or None and all that is wrong. `line` gives the line of a path.

    The data pass as JSON, whose strict mode is what is wanted: nothing is coerced but a whole number to a float and a
    list to a tuple.
    """
    try:
        return model.model_validate_json(json.dumps(data)), []
    except ValidationError as error:
        return None, [
            Problem(message, path, line(path))
            for path, message in _gathered(model, data, error.errors(include_url=False))
        ]


def _gathered(model: type[BaseModel], data: Any, errors: list[ErrorDetails]) -> Iterator[tuple[Path, str]]:
    """Put the errors of one value's alternatives together: `expected a text or a list`."""
    by_path: dict[Path, list[ErrorDetails]] = {}
    for error in errors:
        by_path.setdefault(_in_data(error, data), []).append(error)
    for path, group in by_path.items():
        if not any(len(other) > len(path) and other[: len(path)] == path for other in by_path):
            yield path, _sentence(model, path, group)  # else an alternative fits but for something inside it


def _in_data(error: ErrorDetails, data: Any) -> Path:
    """Leave out of pydantic's location what names an alternative or a key rather than a place in the data."""
    path: Path = ()
    for left, part in enumerate(error["loc"], 1 - len(error["loc"])):
        if isinstance(part, int) or (isinstance(data, dict) and part in data):
            data = data[part]
        elif left or error["type"] != "missing":
            continue
        path = (*path, part)
    return path


def _sentence(model: type[BaseModel], path: Path, group: list[ErrorDetails]) -> str:
    kind = group[0]["type"]
    if kind == "extra_forbidden":
        return _unknown(model, path)
    if kind == "missing":
        return "is missing"
    expected = dict.fromkeys(filter(None, map(_expected, group)))
    if not expected:
        return group[0]["msg"]
    if path and path[0] in UNSHOWN:
        return f"expected {' or '.join(expected)}"
    return f"expected {' or '.join(expected)}, found {_shown(group[0]['input'])}"


def _expected(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{words} {context[key]:g}"
    if kind == "literal_error":
        return str(context["expected"]).replace("''", "an empty text").replace("'", "")
    if kind == "string_pattern_mismatch":
        return EXPECTED[context["pattern"]]
    return ""


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, str):
        return f"the text {json.dumps(value if len(value) <= 40 else value[:40] + '…', ensure_ascii=False)}"
    return "a list" if isinstance(value, list) else "keys with values"


def _unknown(model: type[BaseModel], path: Path) -> str:
    key = str(path[-1])
    siblings = list(_keys(_kind_at(model, path[:-1])))
    if near := difflib.get_close_matches(key, siblings, 1):
        return f"is not a known key; did you mean `{near[0]}`?"
    if len(path) == 1 and key in StageSettings.model_fields:
        return f"belongs to a stage, such as `stages.production.{key}`"
    if elsewhere := [dotted(known) for known in known_paths(model) if known[-1] == key]:
        return f"is not a known key here; did you mean `{elsewhere[0]}`?"
    return f"is not a known key; known here: {', '.join(sorted(siblings))}"


def _keys(kind: Any) -> dict[str, Any]:
    """Return the keys of a model with the types of their values."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    return {}


def _inner(kind: Any) -> Any:
    """Take `Annotated`, and what has something inside among alternatives, away from around a type."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return next((_inner(one) for one in get_args(kind) if _has_inside(_inner(one))), kind)
    return kind


def _has_inside(kind: Any) -> bool:
    return bool(_keys(kind)) or get_origin(kind) in (dict, list)


def _kind_at(kind: Any, path: Path) -> Any:
    for part in path:
        kind = _inner(kind)
        keys = _keys(kind)
        kind = keys.get(str(part)) if keys else (get_args(kind) or (None,))[-1]
    return _inner(kind)


def known_paths(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Go through the paths of all keys, with `*` for what people name themselves."""
    kind = _inner(kind)
    if path:
        yield path
    for key, below in _keys(kind).items():
        yield from known_paths(below, (*path, key))
    if get_origin(kind) in (dict, list):
        inner = _inner(get_args(kind)[-1])
        if _keys(inner) or get_origin(inner) in (dict, list):
            yield from (below for below in known_paths(inner, (*path, "*")) if below[-1] != "*")

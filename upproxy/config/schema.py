"""The JSON schema of up.yml, made from the models."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic.json_schema import models_json_schema

from upproxy.config.derive import Strict
from upproxy.config.settings import Settings, StageSettings
from upproxy.config.values import STAGE, STAGES


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) that editors check and complete up.yml with."""
    _, document = models_json_schema([(Settings, "validation"), (StageSettings, "validation")])
    definitions = document["$defs"]
    _describe(definitions)
    root, stage = definitions.pop("Settings"), definitions["StageSettings"]
    stage.pop("required")  # a stage has its name from what is said for all
    root["properties"]["stages"] = {
        "type": "object",
        "description": f"What single stages have otherwise. {', '.join(STAGES)} exist without being named.",
        "propertyNames": {"pattern": STAGE},
        "additionalProperties": {"$ref": "#/$defs/StageSettings"},
    }
    root["title"] = "up.yml"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": definitions}


def _describe(definitions: dict[str, Any]) -> None:
    """Describe properties by the docstrings below the fields.

    pydantic could do so, too: for every command, whatever it needs of the models, and that takes 0.14 s.
    """
    for model in _models(Strict):
        properties = definitions.get(model.__name__, {}).get("properties", {})
        for one in reversed(model.__mro__):
            if one is not Strict and issubclass(one, Strict):
                for name, text in _docstrings(one):
                    alias = one.model_fields[name].alias or name
                    properties.get(alias, {}).setdefault("description", text)


def _models(model: type[Strict]) -> Iterator[type[Strict]]:
    for one in model.__subclasses__():
        yield one
        yield from _models(one)


def _docstrings(model: type[Strict]) -> Iterator[tuple[str, str]]:
    """Go through the fields of a model with the docstring below each; those that were derived have none."""
    if model.__module__ == Strict.__module__:
        return
    tree = ast.parse(inspect.getsource(sys.modules[model.__module__]))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == model.__name__:
            for pair in pairwise(node.body):
                match pair:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                        yield name, inspect.cleandoc(text)

"""The JSON schema says what the loader does."""

import json
import os
import re

import pytest

from upproxy.config import ConfigError, json_schema
from upproxy.config.document import parse, read
from upproxy.config.stages import resolve

EXAMPLE = os.path.join(os.path.dirname(__file__), "..", "..", "up.yml.example")
SCHEMA = json_schema()
TYPES = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip
KNOWN = {
    "$defs", "$ref", "$schema", "additionalProperties", "anyOf", "default", "description", "enum", "exclusiveMinimum",
    "items", "maximum", "minItems", "minimum", "pattern", "patternProperties", "properties", "propertyNames",
    "required", "title", "type",
}  # fmt: skip


def is_type(value, name):
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def wrong(value, schema, path="$"):
    """Go through what is wrong with a value by a schema, for the keywords that this one uses."""
    assert set(schema) <= KNOWN
    if "$ref" in schema:
        yield from wrong(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], path)
        return
    kinds = schema.get("type", [])
    if kinds and not any(is_type(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        yield f"{path}: type"
        return
    if "anyOf" in schema and all(list(wrong(value, one, path)) for one in schema["anyOf"]):
        yield f"{path}: anyOf"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: enum"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{path}: pattern"
    if is_type(value, "number") and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and value > schema.get("exclusiveMinimum", value - 1)
    ):
        yield f"{path}: bounds"
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{path}: minItems"
        for index, item in enumerate(value):
            yield from wrong(item, schema.get("items", {}), f"{path}[{index}]")
    if isinstance(value, dict):
        yield from (f"{path}: {key} is missing" for key in schema.get("required", ()) if key not in value)
        for key, item in value.items():
            yield from wrong(key, schema.get("propertyNames", {}), f"{path}.{key}")
            inside = schema.get("properties", {}).get(key)
            patterns = [one for pattern, one in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
            others = schema.get("additionalProperties", True)
            if inside is not None or patterns:
                for one in [inside] if inside is not None else patterns:
                    yield from wrong(item, one, f"{path}.{key}")
            elif others is False:
                yield f"{path}.{key}: unknown"
            elif others is not True:
                yield from wrong(item, others, f"{path}.{key}")


def test_example_fits():
    assert list(wrong(read(EXAMPLE).data, SCHEMA)) == []


SAMPLES = [
    "name: x\nhealth: {status: []}",
    "name: x\nhealth: {status: [2xx, 404]}",
    "name: x\nhealth: {status: [7xx]}",
    "name: x",
    "name: 3x",
    "nam: x",
    "{}",
    "name: x\nlambda: {memory: 512}",
    "name: x\nlambda: {memory: 64}",
    "name: x\nlambda: {memory: 1.5}",
    "name: x\nlambda: {memory: '512'}",
    "name: x\nlambda: {memry: 512}",
    "name: x\npython: 3.12",
    "name: x\npython: '3.12'",
    "name: x\npython: 3.9",
    "name: x\nenvironment: {A: 1, B: true, C: x}",
    "name: x\nenvironment: {A-B: 1}",
    "name: x\nenvironment: {A: [1]}",
    "name: x\nproxy: {timeout: 0}",
    "name: x\nproxy: {timeout: 0.5}",
    "name: x\nlogs: {stdout: loud}",
    "name: x\nhooks: {build: make}",
    "name: x\nhooks: {build: [make, make test]}",
    "name: x\nhooks: {build: 3}",
    "name: x\ntriggers: {}",
    "name: x\ntriggers: {path: events}",
    "name: x\nregions: [eu-central-1]",
    "name: x\nregions: [frankfurt]",
    "name: x\nstages: {beta: {domain: x.example, zone: false}}",
    "name: x\nstages: {Beta: {}}",
    "name: x\ndomain: x.example",
    "name: x\nstages: {beta: {lambda: {memory: 1}}}",
    "name: x\nheaders: {/: {A: 1}}",
    "name: x\nheaders: {/: 3}",
    "name: x\nauth: [{path: /, api_key: {keys: ['${A}']}}]",
    "name: x\nauth: [{path: /, api_key: {keys: [a]}}]",
    "name: x\nwarm: {rate: 5m}",
    "name: x\nwarm: {rate: 5}",
    "name: x\nwarm: {count: 201}",
    "name: x\nwarm: {window: 'MON-Fri 08:00-20:00 Europe/London'}",
    "name: x\nwarm: {window: always}",
    "name: x\ndns: {a.example: [{name: a, type: A, value: [b]}]}",
]


@pytest.mark.parametrize("text", SAMPLES)
def test_schema_and_loader_agree(text):
    document = parse(text, "up.yml")
    try:
        resolve(document, "development")
        loads = True
    except ConfigError:
        loads = False
    assert (not list(wrong(document.data, SCHEMA))) == loads


def undescribed(schema, definitions):
    """Go through the properties that neither describe themselves nor have a described type."""
    for name, value in schema.get("properties", {}).items():
        kind = definitions.get(value.get("$ref", "").rpartition("/")[2], {})
        if not value.get("description") and not kind.get("description"):
            yield name


def test_schema_describes_everything():
    schema = SCHEMA
    definitions = schema["$defs"]
    for one in (schema, *definitions.values()):
        assert list(undescribed(one, definitions)) == []
        assert one["description"]
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False
    assert {"lambda", "stages", "proxy"} <= set(schema["properties"])
    stage = schema["$defs"]["StageSettings"]
    assert {"domain", "path", "zone", "cert", "lambda"} <= set(stage["properties"])
    assert "required" not in stage
    references = json.dumps(schema).split('"#/$defs/')[1:]
    assert {reference.partition('"')[0] for reference in references} == set(schema["$defs"])

"""The JSON schema of up.yml, made from the models."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from upproxy.config.settings import Settings, StageSettings
from upproxy.config.values import STAGE, STAGES


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) that editors check and complete up.yml with."""
    _, document = models_json_schema([(Settings, "validation"), (StageSettings, "validation")])
    definitions = document["$defs"]
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

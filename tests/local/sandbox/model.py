"""Holds what the sandbox answers against the service model that AWS publishes: botocore's own."""

import json

TYPES = {
    "string": str, "integer": int, "long": int, "boolean": bool, "double": (int, float), "float": (int, float),
    "timestamp": (int, float, str), "blob": str,
}  # fmt: skip
COMMON = {"AccessDeniedException", "UnknownOperationException", "ValidationException", "RequestEntityTooLargeException"}
"""Codes of errors that every operation may have, and that models do not repeat."""


def watch(client):
    """Have all answers to a client checked as they come, and return it."""
    client.meta.events.register("before-parse", _check)
    return client


def _check(operation_model, response_dict, **_):
    name = operation_model.name
    assert response_dict["headers"]["x-amzn-RequestId"], name
    if response_dict["status_code"] >= 300:
        code = json.loads(response_dict["body"])["__type"]
        assert code in {shape.name for shape in operation_model.error_shapes} | COMMON, f"{name} answers {code}"
        assert response_dict["headers"]["x-amzn-ErrorType"] == code
        return
    shape = operation_model.output_shape
    told = [one.serialization.get("location") for one in shape.members.values()] if shape is not None else []
    if "statusCode" not in told:  # else it is part of the answer
        assert response_dict["status_code"] == operation_model.http.get("responseCode", 200), name
    if shape is not None and "payload" not in shape.serialization:
        conform(json.loads(response_dict["body"] or b"{}"), shape, name)


def conform(value, shape, where):
    """Check a value against a shape: types, members that there are, and members that have to be."""
    if shape.type_name == "structure":
        assert isinstance(value, dict), where
        named = {
            member.serialization.get("name", name): member
            for name, member in shape.members.items()
            if "location" not in member.serialization
        }
        assert value.keys() <= named.keys(), f"{where} does not have {value.keys() - named.keys()}"
        assert set(shape.required_members) <= value.keys(), (
            f"{where} lacks {set(shape.required_members) - value.keys()}"
        )
        for name, one in value.items():
            conform(one, named[name], f"{where}.{name}")
    elif shape.type_name == "list":
        assert isinstance(value, list), where
        for one in value:
            conform(one, shape.member, f"{where}[]")
    elif shape.type_name == "map":
        assert isinstance(value, dict), where
        for name, one in value.items():
            conform(one, shape.value, f"{where}.{name}")
    else:
        assert isinstance(value, TYPES[shape.type_name]), f"{where} is {value!r}"
        if getattr(shape, "enum", None):
            assert value in shape.enum, f"{where} is {value!r}"

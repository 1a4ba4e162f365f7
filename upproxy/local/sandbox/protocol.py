"""Calls and answers by the models of the services: the body of a call as a document, and a document as an answer.

moto reads and writes for us, in whichever of a service's protocols the call came.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from multidict import MultiDict

from upproxy.local.sandbox.configuration import Document
from upproxy.local.sandbox.errors import Answer, is_json


def given(service: str, operation: str, content_type: str, body: bytes) -> Document:
    """Return what a call gives; moments are in UTC without saying so. Raises ValueError where it is none."""
    from moto.core.parse import PROTOCOL_PARSERS
    from moto.core.utils import get_service_model

    json = is_json(content_type)
    request: Any = {
        "values": MultiDict() if json else MultiDict(parse_qsl(body.decode(), keep_blank_values=True)),
        "headers": {},
        "body": body,
        "method": "POST",
        "url_path": "/",
        "url_params": {},
    }
    model = get_service_model(service).operation_model(operation)
    found: Document = PROTOCOL_PARSERS["json" if json else "query"](model).parse(request)
    return found


def answered(service: str, operation: str, content_type: str, document: Document) -> Answer:
    """Return the answer that a document is, in the protocol of its call."""
    from moto.core.serialize import JSONSerializer, QuerySerializer
    from moto.core.utils import get_service_model

    json = is_json(content_type)
    model = get_service_model(service).operation_model(operation)
    made = (JSONSerializer if json else QuerySerializer)(model).serialize(document)
    content = made["body"]
    return Answer(
        made["status_code"],
        [("Content-Type", content_type if json else "text/xml")],
        content if isinstance(content, bytes) else content.encode(),
    )

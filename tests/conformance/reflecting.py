"""Apps that say what reached them: fields, the environment that WSGI makes of them, and the URL."""

from __future__ import annotations

import json
from typing import Any


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    body = json.dumps(seen).encode()
    start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(body)))])
    return [body]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    seen = {
        "HTTP_" + name.decode().upper().replace("-", "_"): value.decode("latin-1") for name, value in scope["headers"]
    }
    seen["PATH_INFO"] = scope["path"]
    seen["SCRIPT_NAME"] = scope.get("root_path", "")
    seen["wsgi.url_scheme"] = scope["scheme"]
    seen["names"] = ",".join(name.decode() for name, _ in scope["headers"])
    body = json.dumps(seen).encode()
    await send({
        "type": "http.response.start", "status": 200,
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
    })  # fmt: skip
    await send({"type": "http.response.body", "body": body})

"""What the known frameworks call their app objects."""

from __future__ import annotations

from typing import NamedTuple


class Framework(NamedTuple):
    """A framework's name, and the interface (`wsgi` or `asgi`) of its app objects."""

    name: str
    interface: str


_FLASK = Framework("Flask", "wsgi")
_FASTAPI = Framework("FastAPI", "asgi")
_STARLETTE = Framework("Starlette", "asgi")
_QUART = Framework("Quart", "asgi")
_LITESTAR = Framework("Litestar", "asgi")

CONSTRUCTORS = {
    "flask.Flask": _FLASK,
    "flask.app.Flask": _FLASK,
    "apiflask.APIFlask": _FLASK,
    "fastapi.FastAPI": _FASTAPI,
    "fastapi.applications.FastAPI": _FASTAPI,
    "starlette.applications.Starlette": _STARLETTE,
    "quart.Quart": _QUART,
    "quart.app.Quart": _QUART,
    "litestar.Litestar": _LITESTAR,
    "litestar.app.Litestar": _LITESTAR,
    "django.core.wsgi.get_wsgi_application": Framework("Django", "wsgi"),
    "django.core.asgi.get_asgi_application": Framework("Django", "asgi"),
    "bottle.Bottle": Framework("Bottle", "wsgi"),
    "bottle.default_app": Framework("Bottle", "wsgi"),
    "falcon.App": Framework("Falcon", "wsgi"),
    "falcon.asgi.App": Framework("Falcon", "asgi"),
    # adapters: what they take is of the other kind
    "asgiref.wsgi.WsgiToAsgi": Framework("ASGI", "asgi"),
    "a2wsgi.WSGIMiddleware": Framework("ASGI", "asgi"),
    "a2wsgi.ASGIMiddleware": Framework("WSGI", "wsgi"),
}

GENERIC = {"wsgi": Framework("WSGI", "wsgi"), "asgi": Framework("ASGI", "asgi")}
"""What is known to be an app object, of a framework that is not."""

PARAMETERS = {("environ", "start_response"): GENERIC["wsgi"], ("scope", "receive", "send"): GENERIC["asgi"]}
"""The parameters that make a plain function an app (PEP 3333, the ASGI specification)."""

WRAPPED = ("app", "application", "asgi_app", "wsgi_app")
"""Names under which a call around an app object is a middleware; `api = Api(app)` is an extension."""

INSTANCES = (*WRAPPED, "api", "server")
"""Names of app objects in the order of preference; any other name comes after them."""

FACTORIES = ("create_app", "make_app", "build_app", "get_app", "create_application", "make_application", "app_factory")
"""Names of functions that make an app object."""

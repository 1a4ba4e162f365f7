"""The order of the middleware, a reason beside each position. Nowhere else is an order decided."""

from __future__ import annotations

from upproxy.proxy.manifest import ManifestError
from upproxy.proxy.middleware import failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Request, Response
    from upproxy.proxy.middleware.context import Context, Handler

# The first sees a request first and a response last.
ORDER = {
    "compress": "last to touch a body, so that all others see it plain",
    "headers": "on every response, whoever made it",
    "cors": "also on errors and refusals, which a script could not read otherwise; a preflight has no credentials",
    "error_pages": "dresses the errors of all that follow, and what it serves gets the headers above",
    "maintenance": "before anything that costs work or asks for credentials",
    "max_body": "before anything that reads the body",
    "auth": "before anything that tells what is there: redirects, files, the app",
    "inject": "into pages of the app and into static ones, not into refusals",
    "redirects": "chooses the path that the rest sees",
    "static": "a file that is there wins over the app",
}

_OF_ERRORS = ("headers", "cors", "error_pages")  # what an error gets, wherever it comes from


def build(upstream: Handler, sections: dict[str, Any], context: Context) -> Handler:
    """Put the chain around the handler that asks the app: of the middleware, those that the manifest has options for.

    Only they are imported. Raises ManifestError for options of a middleware that is not there: one that is left out
    might have been the one that keeps others out.
    """
    if unknown := sections.keys() - ORDER.keys():
        raise ManifestError(
            f"the manifest wants {', '.join(sorted(unknown))}, which this proxy does not have: "
            "build both with the same upproxy"
        )
    handler = failures.middleware(context.log, upstream)  # whatever fails at the app is a response from here on
    for name in reversed(ORDER):
        if name in sections:
            module = __import__(f"upproxy.proxy.middleware.{name}", fromlist=[name])
            handler = module.middleware(module.Options.from_manifest(sections[name]), handler, context)
    return handler


async def answer(error: Exception, request: Request, sections: dict[str, Any], context: Context) -> Response:
    """Log a failure that came when the chain was done with a request; return its answer, as if the app had failed.

    A buffered body is read only then, and may break off or be too large.
    """

    async def failing(request: Request) -> Response:  # noqa: ARG001
        raise error

    return await build(failing, {name: sections[name] for name in _OF_ERRORS if name in sections}, context)(request)

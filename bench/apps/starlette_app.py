from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.apps import answers


async def small(_: Request) -> Response:
    response = Response(answers.SMALL, media_type="application/json", headers=answers.FIELDS)
    response.headers.append("set-cookie", answers.COOKIE)
    return response


async def catalogue(_: Request) -> Response:
    return Response(answers.catalogue(), media_type="application/json", headers=answers.FIELDS)


async def form(request: Request) -> Response:
    fields = {name: str(value) for name, value in (await request.form()).items()}
    return Response(answers.form(fields), 201, media_type="application/json", headers=answers.FIELDS)


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream", headers=answers.FIELDS)


app = Starlette(
    routes=[
        Route("/small", small),
        Route("/catalogue", catalogue),
        Route("/form", form, methods=["POST"]),
        Route("/echo", echo, methods=["POST"]),
    ]
)
